package git_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/git"
)

func TestOpen(t *testing.T) {
	w := newWorld(t)
	w.commit("first", "sub/file", "x")
	bare, err := git.InitBare(t.Context(), filepath.Join(realDir(t), "b.git"))
	check(t, err)
	link := filepath.Join(realDir(t), "link")
	check(t, os.Symlink(w.dir, link))
	for name, tt := range map[string]struct {
		dir  string
		want string // "" for ErrNotRepository
	}{
		"work tree":         {w.dir, w.dir},
		"link to one":       {link, w.dir},
		"bare":              {bare.Dir, bare.Dir},
		"folder inside":     {filepath.Join(w.dir, "sub"), ""},
		"git folder":        {filepath.Join(w.dir, ".git"), ""},
		"folder of a bare":  {filepath.Join(bare.Dir, "refs"), ""},
		"no repository":     {realDir(t), ""},
		"nothing":           {filepath.Join(w.dir, "none"), ""},
		"a file":            {filepath.Join(w.dir, "sub", "file"), ""},
		"named like option": {"--upload-pack=x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := git.Open(t.Context(), tt.dir)
			switch {
			case tt.want == "" && !errors.Is(err, git.ErrNotRepository):
				t.Errorf("got %v, %v, want ErrNotRepository", r, err)
			case tt.want != "" && (err != nil || r.Dir != tt.want):
				t.Errorf("got %v, %v, want %s", r, err, tt.want)
			}
		})
	}
}

func TestOpenRepositoryOfAnotherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can give a folder away; the safe.directory path is not exercised")
		return
	}
	w := newWorld(t)
	first := w.commit("first", "file", "text")
	check(t, filepath.Walk(w.dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12345))
	}))
	r := w.open()
	clone, err := r.CloneAt(t.Context(), first, filepath.Join(realDir(t), "clone"))
	check(t, err)
	bare, err := git.InitBare(t.Context(), filepath.Join(realDir(t), "b.git"))
	check(t, err)
	check(t, bare.Fetch(t.Context(), w.dir, "refs/heads/main:refs/heads/main"))
	for _, r := range []*git.Repo{clone, bare} {
		if text, err := r.File(t.Context(), first, "file"); err != nil || string(text) != "text" {
			t.Errorf("got %q, %v", text, err)
		}
	}
}

func TestHead(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	if _, _, err := r.Head(t.Context()); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("without a commit: got %v, want ErrNotFound", err)
	}
	first := w.commit("first")
	if commit, branch, err := r.Head(t.Context()); commit != first || branch != "main" || err != nil {
		t.Errorf("got %s, %s, %v", commit, branch, err)
	}
	w.git("checkout", "--quiet", "-b", "release/v1.0.0")
	if _, branch, err := r.Head(t.Context()); branch != "release/v1.0.0" || err != nil {
		t.Errorf("got %s, %v", branch, err)
	}
	w.git("checkout", "--quiet", "--detach")
	if commit, branch, err := r.Head(t.Context()); commit != first || branch != "" || err != nil {
		t.Errorf("detached: got %s, %q, %v", commit, branch, err)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "file", "x")
	w.git("tag", "light")
	w.git("tag", "--annotate", "--message", "Subject over\ntwo lines\n\nBody\n\n- point", "v1.0.0")
	w.git("tag", "--annotate", "--message", "outer", "nested", "v1.0.0")
	w.git("tag", "v1.0.0-rc.1")
	w.git("tag", "v1/0")
	w.git("tag", "tree", "HEAD^{tree}")
	w.git("tag", "--annotate", "--message", "of a file", "blob", "HEAD:file")
	object := func(name string) string { return w.git("rev-parse", "refs/tags/"+name) }
	want := []git.Tag{
		{Name: "light", Object: first, Commit: first},
		{Name: "nested", Object: object("nested"), Commit: first, Annotated: true, Message: "outer"},
		{Name: "v1.0.0", Object: object("v1.0.0"), Commit: first, Annotated: true, Message: "Subject over\ntwo lines\n\nBody\n\n- point"},
		{Name: "v1.0.0-rc.1", Object: first, Commit: first},
		{Name: "v1/0", Object: first, Commit: first},
	}
	r := w.open()
	got, err := r.Tags(t.Context())
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, tag := range want {
		if one, err := r.Tag(t.Context(), tag.Name); err != nil || one != tag {
			t.Errorf("Tag(%s) = %+v, %v, want %+v", tag.Name, one, err, tag)
		}
	}
	for _, name := range []string{"v1", "v1.0", "none", "tree", "blob", "main"} {
		if tag, err := r.Tag(t.Context(), name); !errors.Is(err, git.ErrNotFound) {
			t.Errorf("Tag(%s) = %+v, %v, want ErrNotFound", name, tag, err)
		}
	}
}

func TestTagSignatureIsNoMessage(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first")
	body := "object " + first + "\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nText\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
	w.write("tag", body)
	w.git("update-ref", "refs/tags/v1", w.git("hash-object", "-t", "tag", "-w", "tag"))
	if tag, err := w.open().Tag(t.Context(), "v1"); err != nil || tag.Message != "Text" {
		t.Errorf("got %+v, %v", tag, err)
	}
}

func TestShallow(t *testing.T) {
	w := newWorld(t)
	w.commit("first")
	w.commit("second")
	r := w.open()
	if shallow, err := r.Shallow(t.Context()); shallow || err != nil {
		t.Errorf("got %t, %v for a whole repository", shallow, err)
	}
	cut := world{t, realDir(t)}
	cut.git("clone", "--quiet", "--depth=1", "file://"+w.dir, ".")
	if shallow, err := cut.open().Shallow(t.Context()); !shallow || err != nil {
		t.Errorf("got %t, %v for a cut one", shallow, err)
	}
}

func TestDirty(t *testing.T) {
	w := newWorld(t)
	w.commit("first", ".gitignore", "target\n", "a", "1", "b", "1", "c", "1")
	r := w.open()
	w.write("target/out", "x")
	if got, err := r.Dirty(t.Context()); len(got) > 0 || err != nil {
		t.Errorf("clean: got %v, %v", got, err)
	}
	w.write("a", "2")
	w.write("new dir/é \"quoted\"", "x")
	w.git("mv", "b", "moved")
	check(t, os.Remove(filepath.Join(w.dir, "c")))
	got, err := r.Dirty(t.Context())
	check(t, err)
	slices.Sort(got)
	if want := []string{"a", "b", "c", "moved", "new dir/é \"quoted\""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRemote(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	if _, err := r.Remote(t.Context(), "origin"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	w.git("remote", "add", "origin", "https://x-access-token:hunter22@github.com/owner/name.git")
	if got, err := r.Remote(t.Context(), "origin"); got != "https://github.com/owner/name.git" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestStripCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"https://token@host/o/n":         "https://host/o/n",
		"https://u:p@ss@host:8443/o/n@2": "https://host:8443/o/n@2",
		"https://u:p%40@host":            "https://host",
		"ssh://git@host/o/n":             "ssh://host/o/n",
		"git@host:o/n":                   "git@host:o/n",
		"/local/a@b":                     "/local/a@b",
		"https://host/o/n":               "https://host/o/n",
	} {
		if got := git.StripCredentials(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestParseGitHub(t *testing.T) {
	for in, want := range map[string]string{
		"https://github.com/rust-vmm/mshv":             "rust-vmm mshv",
		"https://github.com/rust-vmm/mshv.git":         "rust-vmm mshv",
		"https://github.com/rust-vmm/mshv/":            "rust-vmm mshv",
		"https://u:p@github.example.com:8443/o/n.rs":   "o n.rs",
		"git@github.com:rust-vmm/mshv.git":             "rust-vmm mshv",
		"ssh://git@github.com/rust-vmm/mshv.git":       "rust-vmm mshv",
		"ssh://git@ssh.github.com:443/o/n.git":         "o n",
		"http://127.0.0.1:3000/o/n":                    "o n",
		"https://gitlab.com/group/sub/name":            "",
		"https://github.com/owner":                     "",
		"https://github.com/":                          "",
		"/home/me/owner/name":                          "",
		"../owner/name":                                "",
		"file:///home/owner":                           "",
		"https://github.com/own er/name":               "",
		"https://github.com/../name":                   "",
		"https://github.com/owner/na%2fme":             "",
		"git@github.com:":                              "",
		"":                                             "",
		"https://github.com/owner/name?x=y":            "owner name",
		"https://github.com/owner/name.git\n--option=": "",
	} {
		owner, name, ok := git.ParseGitHub(in)
		if got := strings.TrimSpace(owner + " " + name); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", in, got, ok, want)
		}
	}
}

func TestHistory(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", "1", "dir/b", "1")
	second := w.commit("second\n\nwith a body", "a", "2", "dir/é", "1")
	w.git("checkout", "--quiet", "-b", "side", first)
	side := w.commit("side", "c", "1")
	w.git("checkout", "--quiet", "main")
	w.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
	merge := w.git("rev-parse", "HEAD")
	w.git("checkout", "--quiet", "--orphan", "other")
	other := w.commit("other")
	r, ctx := w.open(), t.Context()

	for _, tt := range []struct {
		a, b string
		want bool
	}{{first, merge, true}, {first, first, true}, {merge, first, false}, {side, second, false}, {"side", "main", true}, {"refs/heads/main", "side", false}, {first, other, false}} {
		if got, err := r.IsAncestor(ctx, tt.a, tt.b); got != tt.want || err != nil {
			t.Errorf("IsAncestor(%s, %s) = %t, %v", tt.a, tt.b, got, err)
		}
	}
	if got, err := r.MergeBase(ctx, second, side); got != first || err != nil {
		t.Errorf("MergeBase = %s, %v, want %s", got, err, first)
	}
	if _, err := r.MergeBase(ctx, other, side); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("MergeBase of strangers: %v, want ErrNotFound", err)
	}
	if got, err := r.DiffNames(ctx, first, merge); !slices.Equal(got, []string{"a", "c", "dir/é"}) || err != nil {
		t.Errorf("DiffNames = %q, %v", got, err)
	}
	if got, err := r.CountCommits(ctx, first, merge); got != 3 || err != nil {
		t.Errorf("CountCommits = %d, %v, want 3", got, err)
	}
	want := git.Commit{Hash: second, Tree: w.git("rev-parse", second+"^{tree}"), Parents: []string{first}, Author: someone, Time: then, Message: "second\n\nwith a body"}
	if got, err := r.CommitInfo(ctx, second); !cmp.Equal(got, want) || err != nil {
		t.Errorf("CommitInfo: %v, %s", err, cmp.Diff(want, got))
	}
	log, err := r.Log(ctx, first, "main", 10)
	check(t, err)
	if len(log) != 3 || log[0].Hash != merge || len(log[0].Parents) != 2 {
		t.Errorf("Log = %+v", log)
	}
	if log, err := r.Log(ctx, "", merge, 2); len(log) != 2 || err != nil {
		t.Errorf("Log with a limit: %d commits, %v", len(log), err)
	}
	if log, err := r.Log(ctx, merge, merge, 2); len(log) != 0 || err != nil {
		t.Errorf("Log of nothing: %d commits, %v", len(log), err)
	}
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	check(t, os.Symlink("a", filepath.Join(w.dir, "link")))
	first := w.commit("first", "a", "text\r\n", "dir/sp ace", "\x00\xff", "-dash", "d", "*", "star", ":(top)a", "magic", "empty", "")
	r, ctx := w.open(), t.Context()
	for name, want := range map[string]string{"a": "text\r\n", "dir/sp ace": "\x00\xff", "-dash": "d", "*": "star", ":(top)a": "magic", "empty": ""} {
		if got, err := r.File(ctx, first, name); string(got) != want || err != nil {
			t.Errorf("File(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"b", "dir", "dir/x", "link", "A", "?"} {
		if got, err := r.File(ctx, first, name); !errors.Is(err, git.ErrNotFound) {
			t.Errorf("File(%s) = %q, %v, want ErrNotFound", name, got, err)
		}
	}
	want := []string{"*", "-dash", ":(top)a", "a", "dir/sp ace", "empty", "link"}
	if got, err := r.Tree(ctx, "main"); !slices.Equal(got, want) || err != nil {
		t.Errorf("Tree = %q, %v, want %q", got, err, want)
	}
	if kind, err := r.ObjectType(ctx, first); kind != "commit" || err != nil {
		t.Errorf("ObjectType = %s, %v", kind, err)
	}
	if _, err := r.ObjectType(ctx, strings.Repeat("1", 40)); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("ObjectType of nothing: %v", err)
	}
	if _, err := r.File(ctx, strings.Repeat("1", 40), "a"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("File of no commit: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.commit("first")
	r := w.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := r.Head(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := git.Open(ctx, w.dir); !errors.Is(err, context.Canceled) || errors.Is(err, git.ErrNotRepository) {
		t.Errorf("Open: got %v, want context.Canceled alone", err)
	}
}

func TestErrorKeepsCommand(t *testing.T) {
	w := newWorld(t)
	w.commit("first", "file", "x")
	r := w.open()
	check(t, os.RemoveAll(filepath.Join(w.dir, ".git", "objects")))
	_, err := r.Tags(t.Context())
	var e *git.Error
	if !errors.As(err, &e) || e.Exit != 128 || e.Stderr == "" || len(e.Args) == 0 || !strings.HasPrefix(e.Error(), "git for-each-ref ") {
		t.Errorf("got %#v", err)
	}
}

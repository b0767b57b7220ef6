package git_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
)

// addSubmodule adds one as a user would who allows local paths.
func (w world) addSubmodule(url, path string) {
	w.t.Helper()
	w.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--", url, path)
}

func (w world) clone(commit string) world {
	w.t.Helper()
	dir := filepath.Join(realDir(w.t), "clone")
	c, err := w.open().CloneAt(w.ctx(), commit, dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return world{w.t, c.Dir}
}

// files lists what is checked out, without git's own folders.
func (w world) files() []string {
	w.t.Helper()
	var names []string
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			return filepath.SkipDir
		case !d.IsDir():
			name, err := filepath.Rel(w.dir, path)
			names = append(names, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

func (w world) wantFiles(want ...string) {
	w.t.Helper()
	if got := w.files(); !slices.Equal(got, want) {
		w.t.Errorf("got files %q, want %q", got, want)
	}
}

func TestCloneAt(t *testing.T) {
	w := newWorld(t)
	check(t, os.Symlink("a", filepath.Join(w.dir, "link")))
	w.commit("first", "a", "line\r\nline\n", "run.sh", "#!/bin/sh\n", "ignored", "kept", ".gitignore", "ignored\n", ".gitattributes", "*.bat text eol=lf\n* text=auto\n*.rs text eol=crlf ident\n*.utf working-tree-encoding=UTF-16LE\n", "lib.rs", "// $Id$\n", "x.utf", "x\x00\n\x00")
	w.git("config", "core.autocrlf", "true")
	w.git("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic hunter22")
	w.git("remote", "add", "origin", "https://x:hunter22@github.com/o/n")
	check(t, os.Chmod(filepath.Join(w.dir, "run.sh"), 0o755))
	second := w.commit("second")
	third := w.commit("third", "later", "x")
	w.write("untracked", "x")
	w.write("a", "changed")

	c := w.clone(second)
	c.wantFiles(".gitattributes", ".gitignore", "a", "ignored", "lib.rs", "link", "run.sh", "x.utf")
	for name, want := range map[string]string{"a": "line\nline\n", "lib.rs": "// $Id$\n", "x.utf": "x\n"} { // the index has a's line ends as text=auto wants them
		if got, err := os.ReadFile(filepath.Join(c.dir, name)); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
	if head, branch, err := c.open().Head(t.Context()); head != second || branch != "" || err != nil {
		t.Errorf("Head = %s, %q, %v, want %s detached", head, branch, err, second)
	}
	if dirty, err := c.open().Dirty(t.Context()); len(dirty) > 0 || err != nil {
		t.Errorf("Dirty = %q, %v", dirty, err)
	}
	if status := c.git("status", "--porcelain", "--ignored"); status != "" {
		t.Errorf("the plain git sees changes: %s", status)
	}
	c.git("fsck", "--strict")
	if info, err := os.Stat(filepath.Join(c.dir, "run.sh")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("run.sh: %v, %v, want it executable", info.Mode(), err)
	}
	if to, err := os.Readlink(filepath.Join(c.dir, "link")); to != "a" || err != nil {
		t.Errorf("link: %q, %v", to, err)
	}
	if remotes := c.git("remote"); remotes != "" {
		t.Errorf("it has the remotes %s", remotes)
	}
	for _, name := range []string{"objects/info/alternates", "hooks", "FETCH_HEAD"} {
		if _, err := os.Stat(filepath.Join(c.dir, ".git", name)); err == nil {
			t.Errorf("it has .git/%s", name)
		}
	}
	for _, have := range []string{third, second + "~1"} {
		if err := exec.Command("git", "-C", c.dir, "cat-file", "-e", have).Run(); err == nil {
			t.Errorf("it has %s too", have)
		}
	}
	noTrace(t, c.dir, "hunter22", w.dir)
	check(t, os.RemoveAll(w.dir)) // nothing is shared
	c.git("fsck", "--strict")
}

// noTrace looks for texts in every file below dir.
func noTrace(t *testing.T, dir string, texts ...string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range texts {
			if strings.Contains(string(content), text) {
				t.Errorf("%s holds %q", path, text)
			}
		}
		return err
	}))
}

func TestCloneAtOfRootShallowBareAndSHA256(t *testing.T) {
	w := newWorld(t)
	root := w.commit("root", "a", "1")
	head := w.commit("head", "a", "2")
	w.clone(root).wantFiles("a")

	cut := world{t, realDir(t)}
	cut.git("clone", "--quiet", "--depth=1", "file://"+w.dir, ".")
	cut.clone(head).wantFiles("a")

	bare := newBare(t)
	check(t, bare.Fetch(t.Context(), w.dir, "refs/heads/main:refs/heads/main"))
	c, err := bare.CloneAt(t.Context(), "main", filepath.Join(realDir(t), "c"))
	check(t, err)
	world{t, c.Dir}.wantFiles("a")

	long := world{t, realDir(t)}
	long.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
	hash := long.commit("first", "b", "1")
	if got := long.clone(hash).git("rev-parse", "HEAD"); got != hash || len(got) != 64 {
		t.Errorf("got %s, want %s", got, hash)
	}
	tree, err := git.Init(t.Context(), filepath.Join(realDir(t), "new"))
	check(t, err)
	commitFiles(t, tree, "main", "", map[string][]byte{"x": []byte("1")})
	c, err = tree.CloneAt(t.Context(), "HEAD", filepath.Join(realDir(t), "c"))
	check(t, err)
	world{t, c.Dir}.wantFiles("x")
}

func TestCloneAtErrors(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", strings.Repeat("x", 100))
	r, ctx := w.open(), t.Context()
	if _, err := r.CloneAt(ctx, strings.Repeat("1", 40), filepath.Join(realDir(t), "c")); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("no such commit: got %v", err)
	}
	if _, err := r.CloneAt(ctx, first, w.dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("full folder: got %v", err)
	}
	blob := w.git("rev-parse", "HEAD:a")
	check(t, os.Remove(filepath.Join(w.dir, ".git", "objects", blob[:2], blob[2:])))
	var e *git.Error
	if _, err := r.CloneAt(ctx, first, filepath.Join(realDir(t), "c")); !errors.As(err, &e) || !strings.Contains(e.Stderr, blob) {
		t.Errorf("missing object: got %v, want an error that names %s", err, blob)
	}
}

func TestCloneAtSubmodules(t *testing.T) {
	parent := realDir(t)
	at := func(name string) world {
		w := world{t, filepath.Join(parent, name)}
		check(t, os.Mkdir(w.dir, 0o755))
		w.git("init", "--quiet", "--initial-branch=main")
		return w
	}
	deep := at("deep")
	deep.commit("deep", "deep.c", "1")
	lib := at("lib")
	lib.commit("lib", "lib.c", "1")
	lib.addSubmodule("../deep", "vendor/deep")
	pinned := lib.commit("with deep")
	top := at("top")
	top.commit("top", "top.rs", "1")
	top.addSubmodule("../lib", "native/lib")
	top.addSubmodule("file://"+deep.dir, "absolute")
	commit := top.commit("with submodules")
	lib.commit("newer", "lib.c", "2")
	all := []string{".gitmodules", "absolute/deep.c", "native/lib/.gitmodules", "native/lib/lib.c", "native/lib/vendor/deep/deep.c", "top.rs"}

	verify := func(t *testing.T, c world) {
		t.Helper()
		c.t = t
		c.wantFiles(all...)
		if got := (world{t, filepath.Join(c.dir, "native", "lib")}).git("rev-parse", "HEAD"); got != pinned {
			t.Errorf("the submodule is at %s, want %s", got, pinned)
		}
		if status := c.git("status", "--porcelain", "--ignore-submodules=none"); status != "" {
			t.Errorf("not clean: %s", status)
		}
		if status := c.git("submodule", "status", "--recursive"); strings.ContainsAny(status[:1], "-+U") {
			t.Errorf("submodules are not as recorded: %s", status)
		}
	}
	t.Run("from URLs", func(t *testing.T) { verify(t, top.clone(commit)) })
	t.Run("from the checkout", func(t *testing.T) {
		full := world{t, filepath.Join(realDir(t), "full")}
		check(t, os.Mkdir(full.dir, 0o755))
		full.git("-c", "protocol.file.allow=always", "clone", "--quiet", "--recurse-submodules", top.dir, ".")
		full.git("remote", "set-url", "origin", "https://nowhere.invalid/x/top")
		verify(t, full.clone(commit))
		t.Run("from its modules", func(t *testing.T) {
			full.git("submodule", "--quiet", "deinit", "--all", "--force")
			check(t, os.RemoveAll(filepath.Join(full.dir, "native")))
			verify(t, full.clone(commit))
		})
	})
	t.Run("missing", func(t *testing.T) {
		check(t, os.Rename(deep.dir, deep.dir+"-moved"))
		check(t, os.RemoveAll(filepath.Join(top.dir, ".git", "modules")))
		check(t, os.RemoveAll(filepath.Join(top.dir, "native")))
		check(t, os.RemoveAll(filepath.Join(top.dir, "absolute")))
		check(t, os.RemoveAll(filepath.Join(lib.dir, ".git", "modules")))
		check(t, os.RemoveAll(filepath.Join(lib.dir, "vendor")))
		_, err := top.open().CloneAt(t.Context(), commit, filepath.Join(realDir(t), "c"))
		var e *git.SubmoduleError
		if !errors.As(err, &e) || e.Path != "absolute" || e.URL != "file://"+deep.dir || !errors.Is(err, git.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		top.git("rm", "--quiet", "--cached", "absolute")
		top.git("commit", "--quiet", "--message", "without absolute")
		_, err = top.open().CloneAt(t.Context(), "HEAD", filepath.Join(realDir(t), "c2"))
		if !errors.As(err, &e) || e.Path != "native/lib/vendor/deep" {
			t.Errorf("got %v, want the nested submodule named", err)
		}
	})
}

// TestCloneAtSubmoduleOverHTTP serves a repository with git's own server and finds no credential at the door.
func TestCloneAtSubmoduleOverHTTP(t *testing.T) {
	lib := newWorld(t)
	lib.commit("old", "old", "1")
	pinned := lib.commit("lib", "lib.c", "1")
	lib.commit("new", "new", "1")
	lib.git("config", "uploadpack.allowAnySHA1InWant", "true")
	lib.git("config", "http.uploadpack", "true")
	home := realDir(t)
	check(t, os.WriteFile(filepath.Join(home, ".netrc"), []byte("machine 127.0.0.1 login me password hunter22\n"), 0o600))
	t.Setenv("HOME", home)
	core, err := exec.Command("git", "--exec-path").Output()
	check(t, err)
	var asked []string
	server := httptest.NewServer(recordAuthorization(&asked, &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Stderr: io.Discard,
		Env:    []string{"GIT_PROJECT_ROOT=" + filepath.Dir(lib.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}))
	defer server.Close()
	url := server.URL + "/" + filepath.Base(lib.dir) + "/.git"

	w := newWorld(t)
	w.commit("top", "top.rs", "1", ".gitmodules", "[submodule \"lib\"]\n\tpath = lib\n\turl = "+strings.Replace(url, "://", "://me:hunter22@", 1)+"\n")
	w.git("update-index", "--add", "--cacheinfo", "160000,"+pinned+",lib")
	w.git("commit", "--quiet", "--message", "link")
	c := w.clone("main")
	c.wantFiles(".gitmodules", "lib/lib.c", "lib/old", "top.rs")
	noTrace(t, filepath.Join(c.dir, ".git"), "me:hunter22")
	if len(asked) == 0 || strings.Join(asked, "") != "" {
		t.Errorf("authorization headers: %q, want requests without any", asked)
	}
	gone := strings.Repeat("1", 40)
	w.git("update-index", "--cacheinfo", "160000,"+gone+",lib")
	w.git("commit", "--quiet", "--message", "link to nothing")
	_, err = w.open().CloneAt(t.Context(), "main", filepath.Join(realDir(t), "c"))
	var e *git.SubmoduleError
	if !errors.As(err, &e) || e.Path != "lib" || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("got %v", err)
	}
	var p *problem.Error
	if !errors.As(err, &p) || p.Summary != "the submodule lib cannot be fetched" || !strings.HasPrefix(p.Detail, url+"\nfatal: ") || strings.Contains(p.Detail, "hunter22") {
		t.Errorf("got %+v", p)
	}
}

func TestCloneAtHostileSubmodules(t *testing.T) {
	lib := newWorld(t)
	pinned := lib.commit("lib", "lib.c", "1")
	for name, modules := range map[string]string{
		"name":          "[submodule \"../../x\"]\n\tpath = lib\n\turl = " + lib.dir + "\n",
		"option":        "[submodule \"x\"]\n\tpath = lib\n\turl = --upload-pack=touch\n",
		"ext":           "[submodule \"x\"]\n\tpath = lib\n\turl = ext::sh -c touch\n",
		"git protocol":  "[submodule \"x\"]\n\tpath = lib\n\turl = git://127.0.0.1/x\n",
		"no url":        "[submodule \"x\"]\n\tpath = lib\n",
		"above all":     "[submodule \"x\"]\n\tpath = lib\n\turl = ../../../../../../../../../../../../../../../x\n",
		"update method": "[submodule \"x\"]\n\tpath = lib\n\tupdate = !touch x\n\turl = ./missing\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit("top", ".gitmodules", modules)
			w.git("update-index", "--add", "--cacheinfo", "160000,"+pinned+",lib")
			w.git("commit", "--quiet", "--message", "link")
			_, err := w.open().CloneAt(t.Context(), "main", filepath.Join(realDir(t), "c"))
			var e *git.SubmoduleError
			if !errors.As(err, &e) || e.Path != "lib" {
				t.Errorf("got %v, want a SubmoduleError", err)
			}
		})
	}
	t.Run("not in .gitmodules", func(t *testing.T) {
		w := newWorld(t)
		w.commit("top", ".gitmodules", "[submodule \"x\"]\n\tpath = other\n\turl = ./x\n")
		w.git("update-index", "--add", "--cacheinfo", "160000,"+pinned+",lib")
		w.git("commit", "--quiet", "--message", "link")
		w.clone("main").wantFiles(".gitmodules")
	})
}

// What comes from elsewhere cannot name repositories of this machine as its submodules, to have their files published.
func TestCloneAtSubmoduleOfThisMachine(t *testing.T) {
	lib := newWorld(t)
	pinned := lib.commit("lib", "private.c", "1")
	for _, url := range []string{lib.dir, "file://" + lib.dir} {
		w := newWorld(t)
		w.commit("top", ".gitmodules", "[submodule \"x\"]\n\tpath = lib\n\turl = "+url+"\n")
		w.git("update-index", "--add", "--cacheinfo", "160000,"+pinned+",lib")
		w.git("commit", "--quiet", "--message", "link")
		w.clone("main").wantFiles(".gitmodules", "lib/private.c")
		w.git("remote", "add", "origin", "https://example.com/o/n")
		_, err := w.open().CloneAt(t.Context(), "main", filepath.Join(realDir(t), "c"))
		var e *git.SubmoduleError
		if !errors.As(err, &e) || e.Path != "lib" || !strings.Contains(err.Error(), "on this machine") {
			t.Errorf("got %v, want a SubmoduleError", err)
		}
	}
}

// TestCargoTakesTheClone packages a crate with a submodule from the clone: cargo must find a clean repository at the
// commit and the submodule's files.
func TestCargoTakesTheClone(t *testing.T) {
	lib := newWorld(t)
	lib.commit("lib", "lib.c", "int x;\n")
	w := newWorld(t)
	w.commit("crate", "crates/p/Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\ndescription = \"d\"\nlicense = \"MIT\"\n",
		"crates/p/src/lib.rs", "")
	w.addSubmodule(lib.dir, "crates/p/native")
	commit := w.commit("with submodule")
	c := w.clone(commit)

	cmd := exec.Command("cargo", "package", "--no-verify", "--offline", "--manifest-path", filepath.Join(c.dir, "crates", "p", "Cargo.toml"))
	cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(realDir(t), "target"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	target := strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], "CARGO_TARGET_DIR=")
	crate := filepath.Join(target, "package", "p-0.1.0.crate")
	list, err := exec.Command("tar", "tzf", crate).Output()
	check(t, err)
	if !strings.Contains(string(list), "p-0.1.0/native/lib.c\n") {
		t.Errorf("the submodule's file is not in the crate:\n%s", list)
	}
	text, err := exec.Command("tar", "xzOf", crate, "p-0.1.0/.cargo_vcs_info.json").Output()
	check(t, err)
	var info struct {
		Git struct {
			SHA1  string
			Dirty bool
		}
		PathInVCS string `json:"path_in_vcs"`
	}
	check(t, json.Unmarshal(text, &info))
	if info.Git.SHA1 != commit || info.Git.Dirty || info.PathInVCS != "crates/p" {
		t.Errorf("got %s, want %s, clean, crates/p", text, commit)
	}
}

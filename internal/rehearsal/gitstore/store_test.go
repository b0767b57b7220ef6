package gitstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// maker adds a commit to a store, whatever kind it is.
type maker func(message string, files map[string]string, parents ...string) (string, error)

// TestStores holds every implementation to the same behaviour.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (gitstore.Store, maker){"memory": memory, "bare": bare} {
		t.Run(name, func(t *testing.T) {
			s, add := open(t)
			testStore(t, s, add)
		})
	}
}

func memory(*testing.T) (gitstore.Store, maker) {
	m := gitstore.NewMemory()
	return m, m.AddCommit
}

func bare(t *testing.T) (gitstore.Store, maker) {
	dir := filepath.Join(t.TempDir(), "repo.git")
	b, err := gitstore.InitBare(t.Context(), dir, "main")
	if err != nil {
		t.Fatal(err)
	}
	if b, err = gitstore.OpenBare(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	git := func(stdin string, args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_INDEX_FILE="+filepath.Join(dir, "index.tmp"), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@b.c")
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	return b, func(message string, files map[string]string, parents ...string) (string, error) {
		os.Remove(filepath.Join(dir, "index.tmp"))
		for _, path := range slices.Sorted(maps.Keys(files)) {
			blob, err := git(files[path], "hash-object", "-w", "--stdin")
			if err != nil {
				return "", err
			}
			if _, err := git("", "update-index", "--add", "--cacheinfo", "100644,"+blob+","+path); err != nil {
				return "", err
			}
		}
		tree, err := git("", "write-tree")
		if err != nil {
			return "", err
		}
		args := []string{"commit-tree", tree, "-m", message}
		for _, p := range parents {
			args = append(args, "-p", p)
		}
		return git("", args...)
	}
}

func testStore(t *testing.T, s gitstore.Store, add maker) {
	ctx := t.Context()
	commit := func(message string, files map[string]string, parents ...string) string {
		t.Helper()
		sha, err := add(message, files, parents...)
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	first := commit("first", map[string]string{"a": "1\n2\n", "dir/b": "b\n"})
	second := commit("second", map[string]string{"a": "1\n3\n4\n", "c": ""}, first)
	side := commit("side", map[string]string{"a": "1\n2\n"}, first)
	merge := commit("merge", map[string]string{"a": "1\n"}, second, side)
	alone := commit("alone", map[string]string{"z": "z"})

	t.Run("make", func(t *testing.T) { testMake(t, s, second, side) })
	t.Run("refs", func(t *testing.T) { testRefs(t, s, first, second) })
	t.Run("tags", func(t *testing.T) { testTags(t, s, first) })

	c, err := s.Commit(ctx, merge)
	if err != nil || strings.TrimSpace(c.Message) != "merge" || !slices.Equal(c.Parents, []string{second, side}) || c.Committer.Name == "" {
		t.Errorf("commit: %+v %v", c, err)
	}
	tree, err := s.Tree(ctx, first)
	if err != nil || len(tree) != 2 || tree[1].Path != "dir/b" || tree[0].Size != 4 || tree[0].Mode != "100644" {
		t.Errorf("tree: %v %v", tree, err)
	}
	if b, err := gitstore.File(ctx, s, first, "dir/b"); err != nil || string(b) != "b\n" {
		t.Errorf("file: %q %v", b, err)
	}
	changes, err := s.Diff(ctx, first, second)
	var lines []string
	for _, x := range changes {
		lines = append(lines, fmt.Sprintf("%s %s +%d -%d", x.Path, x.Status, x.Additions, x.Deletions))
	}
	if got := strings.Join(lines, ", "); err != nil || got != "a modified +2 -1, c added +0 -0, dir/b removed +0 -1" {
		t.Errorf("diff: %s %v", got, err)
	}
	if ahead, err := s.Ahead(ctx, side, merge); err != nil || !slices.Equal(ahead, []string{second, merge}) {
		t.Errorf("ahead: %v %v", ahead, err)
	}
	if base, err := s.MergeBase(ctx, second, side); err != nil || base != first {
		t.Errorf("merge base: %s %v", base, err)
	}
	if base, err := s.MergeBase(ctx, merge, side); err != nil || base != side {
		t.Errorf("merge base of an ancestor: %s %v", base, err)
	}
	missing(t, "merge base of strangers", func(ctx context.Context) error { _, err := s.MergeBase(ctx, first, alone); return err })
	none := strings.Repeat("7", 40)
	missing(t, "commit", func(ctx context.Context) error { _, err := s.Commit(ctx, none); return err })
	missing(t, "type", func(ctx context.Context) error { _, err := s.Type(ctx, none); return err })
	missing(t, "type of an option", func(ctx context.Context) error { _, err := s.Type(ctx, "--help"); return err })
	missing(t, "tag of a commit", func(ctx context.Context) error { _, err := s.Tag(ctx, first); return err })
	missing(t, "tree", func(ctx context.Context) error { _, err := s.Tree(ctx, none); return err })
	missing(t, "blob", func(ctx context.Context) error { _, err := s.Blob(ctx, first); return err })
	missing(t, "file", func(ctx context.Context) error { _, err := gitstore.File(ctx, s, first, "x"); return err })
}

func missing(t *testing.T, what string, look func(context.Context) error) {
	t.Helper()
	if err := look(t.Context()); !errors.Is(err, gitstore.ErrNotFound) {
		t.Errorf("%s that does not exist: got %v, want ErrNotFound", what, err)
	}
}

func testRefs(t *testing.T, s gitstore.Store, first, second string) {
	ctx := t.Context()
	for i, step := range []struct {
		name, old, new string
		want           error
	}{
		{"refs/heads/release/v1", "", first, nil},
		{"refs/heads/release/v1", "", second, gitstore.ErrConflict},
		{"refs/heads/release/v1", second, first, gitstore.ErrConflict},
		{"refs/heads/release/v1", first, second, nil},
		{"refs/heads/release", "", first, gitstore.ErrConflict},
		{"refs/heads/release/v1/x", "", first, gitstore.ErrConflict},
		{"refs/heads/none", "", strings.Repeat("7", 40), gitstore.ErrNotFound},
		{"refs/heads/gone", "", first, nil},
		{"refs/heads/gone", second, "", gitstore.ErrConflict},
		{"refs/heads/gone", first, "", nil},
	} {
		if err := s.SetRef(ctx, step.name, step.old, step.new); !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("step %d: got %v, want %v", i, err, step.want)
		}
	}
	refs, err := s.Refs(ctx)
	if err != nil || len(refs) != 1 || refs[0] != (gitstore.Ref{Name: "refs/heads/release/v1", Object: second, Type: "commit"}) {
		t.Errorf("refs: %v %v", refs, err)
	}
	for _, name := range []string{"refs/heads/release/v1", "heads/release/v1", "release/v1", second} {
		if got, err := gitstore.Resolve(ctx, s, name); err != nil || got != second {
			t.Errorf("resolve %s: %s %v", name, got, err)
		}
	}
	missing(t, "ref", func(ctx context.Context) error { _, err := s.Ref(ctx, "refs/heads/release"); return err })
	missing(t, "pattern", func(ctx context.Context) error { _, err := s.Ref(ctx, "refs/heads/*"); return err })
	missing(t, "name", func(ctx context.Context) error { _, err := gitstore.Resolve(ctx, s, "none"); return err })
}

func testTags(t *testing.T, s gitstore.Store, commit string) {
	ctx := t.Context()
	at := time.Unix(1_700_000_000, 0).UTC()
	object := commit
	for _, name := range []string{"inner", "outer"} {
		sha, err := s.CreateTag(ctx, gitstore.Tag{Name: name, Message: "text\n", Object: object, Tagger: gitstore.Signature{Name: "A B", Email: "a@b.c", When: at}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Tag(ctx, sha)
		want := gitstore.Tag{SHA: sha, Name: name, Message: "text\n", Object: object, Type: "commit", Tagger: gitstore.Signature{Name: "A B", Email: "a@b.c", When: at}}
		if name == "outer" {
			want.Type = "tag"
		}
		if err != nil || got != want {
			t.Errorf("tag: got %+v %v, want %+v", got, err, want)
		}
		object = sha
	}
	if sha, typ, err := gitstore.Peel(ctx, s, object); err != nil || sha != commit || typ != gitstore.TypeCommit {
		t.Errorf("peel: %s %s %v", sha, typ, err)
	}
}

// testMake makes a commit with two parents out of the files of one and some changes.
func testMake(t *testing.T, s gitstore.Store, from, other string) {
	ctx := t.Context()
	before, err := s.Refs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	by := gitstore.Signature{Name: "Ada", Email: "ada@example.invalid", When: time.Unix(1_700_000_000, 0).UTC()}
	made := func(content string) string {
		t.Helper()
		sha, err := s.MakeBlob(ctx, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if typ, err := s.Type(ctx, sha); err != nil || typ != gitstore.TypeBlob {
			t.Errorf("blob: %s, %v", typ, err)
		}
		return sha
	}
	old, err := s.Commit(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	noEnd := made("no end")
	tree, err := s.MakeTree(ctx, old.Tree, []gitstore.Entry{{Path: "a"}, {Path: "dir/new file", Mode: "100644", SHA: noEnd}, {Path: "empty", Mode: "100755", SHA: made("")}, {Path: "link", Mode: "120000", SHA: noEnd}})
	if err != nil {
		t.Fatal(err)
	}
	sha, err := s.MakeCommit(ctx, gitstore.Commit{Tree: tree, Parents: []string{from, other}, Message: "Made\n\nBody", Author: by, Committer: by})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Commit(ctx, sha)
	if err != nil || strings.TrimSpace(c.Message) != "Made\n\nBody" || !slices.Equal(c.Parents, []string{from, other}) || c.Committer != by || c.Author != by {
		t.Errorf("%+v, %v", c, err)
	}
	for _, object := range []string{sha, tree} {
		var names []string
		files, err := s.Tree(ctx, object)
		for _, e := range files {
			names = append(names, e.Mode+" "+e.Path)
		}
		if err != nil || !slices.Equal(names, []string{"100644 c", "100644 dir/new file", "100755 empty", "120000 link"}) {
			t.Errorf("tree: %q, %v", names, err)
		}
	}
	plain, err := s.MakeTree(ctx, tree, []gitstore.Entry{{Path: "empty", Mode: "100644", SHA: made("")}})
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.MakeCommit(ctx, gitstore.Commit{Tree: plain, Parents: []string{sha}, Message: "Bit", Author: by, Committer: by})
	if err != nil {
		t.Fatal(err)
	}
	if changes, err := s.Diff(ctx, sha, next); err != nil || len(changes) != 1 || changes[0].Path != "empty" || changes[0].Status != "modified" {
		t.Errorf("a bit alone: %+v, %v", changes, err)
	}
	if text, err := gitstore.File(ctx, s, sha, "dir/new file"); err != nil || string(text) != "no end" {
		t.Errorf("file: %q, %v", text, err)
	}
	after, err := s.Refs(ctx)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("refs were %v, are %v, %v", before, after, err)
	}
	nothing := strings.Repeat("7", 40)
	for what, err := range map[string]error{
		"a tree of nothing":      second(s.MakeTree(ctx, nothing, nil)),
		"a tree of a commit":     second(s.MakeTree(ctx, from, nil)),
		"a file of nothing":      second(s.MakeTree(ctx, tree, []gitstore.Entry{{Path: "x", Mode: "100644", SHA: nothing}})),
		"a commit of nothing":    second(s.MakeCommit(ctx, gitstore.Commit{Tree: nothing, Author: by, Committer: by})),
		"a commit after nothing": second(s.MakeCommit(ctx, gitstore.Commit{Tree: tree, Parents: []string{nothing}, Author: by, Committer: by})),
	} {
		if !errors.Is(err, gitstore.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second(_ string, err error) error { return err }

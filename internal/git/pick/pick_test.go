package pick_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/git/pick"
)

func TestCherryPick(t *testing.T) {
	ctx := t.Context()
	// What the user's configuration lets a repository's attributes start would write a file.
	home := t.TempDir()
	trap := "touch " + filepath.Join(home, "trapped")
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[filter \"evil\"]\n\tsmudge = "+trap+"\n\tclean = "+trap+"\n[merge \"evil\"]\n\tdriver = "+trap+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	repo, err := git.Init(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	who := git.Identity{Name: "Ada", Email: "ada@example.invalid"}
	commit := func(branch, parent, message string, files map[string][]byte) string {
		t.Helper()
		sha, err := repo.CommitFiles(ctx, git.CommitRequest{Branch: branch, Parent: parent, Files: files, Message: message, Author: who, Time: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	base := commit("main", "", "Base", map[string][]byte{"a": []byte("1\n"), "b": []byte("1\n"), ".gitattributes": []byte("* filter=evil merge=evil\n")})
	good := commit("main", base, "Good", map[string][]byte{"a": []byte("2\n")})
	clash := commit("main", good, "Clash", map[string][]byte{"b": []byte("3\n")})
	if err := repo.CreateBranch(ctx, "release", base); err != nil {
		t.Fatal(err)
	}
	line := commit("release", base, "Line", map[string][]byte{"b": []byte("2\n")})
	w, err := pick.WorkAt(ctx, repo, line, filepath.Join(t.TempDir(), "w"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := pick.Cherry(ctx, w, good, who, never)
	if err != nil || got.Commit == "" || len(got.Conflicts) > 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	info, err := w.CommitInfo(ctx, got.Commit)
	if err != nil || info.Message != "Good\n\n(cherry picked from commit "+good+")" || !slices.Equal(info.Parents, []string{line}) {
		t.Errorf("%+v, %v", info, err)
	}
	if changes, err := pick.Changes(ctx, w, line, got.Commit); err != nil || len(changes) != 1 || !reflect.DeepEqual(changes[0], pick.FileChange{Path: "a", Was: "100644", Mode: "100644", Content: []byte("2\n")}) {
		t.Errorf("%+v, %v", changes, err)
	}
	if again, err := pick.Cherry(ctx, w, good, who, never); err != nil || again.Commit != "" || again.Conflicts != nil {
		t.Errorf("again: %+v, %v", again, err)
	}
	bad, err := pick.Cherry(ctx, w, clash, who, never)
	if err != nil || !slices.Equal(bad.Conflicts, []string{"b"}) {
		t.Errorf("%+v, %v", bad, err)
	}
	if _, err := os.Stat(filepath.Join(home, "trapped")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a filter or a merge driver ran: %v", err)
	}
	if head, _, err := w.Head(ctx); err != nil || head != got.Commit {
		t.Errorf("HEAD is %s, %v", head, err)
	}
	if text, err := os.ReadFile(filepath.Join(w.Dir, "b")); err != nil || strings.TrimSpace(string(text)) != "2" {
		t.Errorf("the work tree has %q, %v", text, err)
	}
	if dirty, err := w.Dirty(ctx); err != nil || len(dirty) > 0 {
		t.Errorf("dirty: %q, %v", dirty, err)
	}
}

func never(string) bool { return false }

// TestYields holds that files which yield stay as they are where nothing else conflicts, and that a commit with nothing
// else is none.
func TestYields(t *testing.T) {
	ctx := t.Context()
	repo, err := git.Init(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	who := git.Identity{Name: "Ada", Email: "ada@example.invalid"}
	commit := func(branch, parent, message string, files map[string][]byte) string {
		t.Helper()
		sha, err := repo.CommitFiles(ctx, git.CommitRequest{Branch: branch, Parent: parent, Files: files, Message: message, Author: who, Time: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	base := commit("main", "", "Base", map[string][]byte{"a": []byte("1\n"), "log": []byte("# Log\n\n- old\n"), "log2": []byte("x\n")})
	first := commit("main", base, "First", map[string][]byte{"log": []byte("# Log\n\n- first\n- old\n")})
	good := commit("main", first, "Good", map[string][]byte{"a": []byte("2\n"), "log": []byte("# Log\n\n- first\n- good\n+ +\n- old\n")})
	alone := commit("main", good, "Alone", map[string][]byte{"log": []byte("# Log\n\n- first\n- good and better\n+ +\n- old\n")})
	both := commit("main", alone, "Both", map[string][]byte{"log": []byte("x\n"), "a": []byte("3\n")})
	if err := repo.CreateBranch(ctx, "release", base); err != nil {
		t.Fatal(err)
	}
	line := commit("release", base, "Line", map[string][]byte{"log": []byte("# Log\n\n- line\n- old\n")})
	w, err := pick.WorkAt(ctx, repo, line, filepath.Join(t.TempDir(), "w"))
	if err != nil {
		t.Fatal(err)
	}
	yields := func(path string) bool { return path == "log" }
	if got, err := pick.Cherry(ctx, w, both, who, yields); err != nil || !slices.Equal(got.Conflicts, []string{"a", "log"}) {
		t.Errorf("%+v, %v, want conflicts", got, err)
	}
	got, err := pick.Cherry(ctx, w, good, who, yields)
	if err != nil || got.Commit == "" || len(got.Conflicts) > 0 || !slices.Equal(got.Kept, []string{"log"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	info, err := w.CommitInfo(ctx, got.Commit)
	if err != nil || info.Message != "Good\n\n(cherry picked from commit "+good+")" {
		t.Errorf("%+v, %v", info, err)
	}
	if changes, err := pick.Changes(ctx, w, line, got.Commit); err != nil || len(changes) != 1 || changes[0].Path != "a" {
		t.Errorf("%+v, %v", changes, err)
	}
	if got, err := pick.Cherry(ctx, w, alone, who, yields); err != nil || got.Commit != "" || got.Conflicts != nil {
		t.Errorf("%+v, %v, want nothing", got, err)
	}
	if dirty, err := w.Dirty(ctx); err != nil || len(dirty) > 0 {
		t.Errorf("dirty: %q, %v", dirty, err)
	}
	if lines, err := pick.Added(ctx, w, good, "log"); err != nil || !slices.Equal(lines, []string{"- good", "+ +"}) {
		t.Errorf("added %q, %v", lines, err)
	}
}

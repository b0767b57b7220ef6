package git_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/git"
)

func newBare(t *testing.T) *git.Repo {
	t.Helper()
	r, err := git.InitBare(t.Context(), filepath.Join(realDir(t), "bare.git"))
	check(t, err)
	return r
}

func commitFiles(t *testing.T, r *git.Repo, branch, parent string, files map[string][]byte) string {
	t.Helper()
	hash, err := r.CommitFiles(t.Context(), git.CommitRequest{Branch: branch, Parent: parent, Files: files, Message: "change", Author: someone, Time: then})
	check(t, err)
	return hash
}

func TestCommitFiles(t *testing.T) {
	r, ctx := newBare(t), t.Context()
	first := commitFiles(t, r, "main", "", map[string][]byte{"a": []byte("1"), "dir/b": []byte("2"), "dir/é \"": {}})
	second := commitFiles(t, r, "main", first, map[string][]byte{"a": []byte("1.1"), "dir/b": nil, "none": nil, "c": []byte("3")})
	got, err := r.CommitInfo(ctx, "main")
	check(t, err)
	want := git.Commit{Hash: second, Tree: got.Tree, Parents: []string{first}, Author: someone, Time: then, Message: "change"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if files, err := r.Tree(ctx, second); !slices.Equal(files, []string{"a", "c", "dir/é \""}) || err != nil {
		t.Errorf("got %q, %v", files, err)
	}
	if text, err := r.File(ctx, second, "a"); string(text) != "1.1" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if commit, branch, err := r.Head(ctx); commit != second || branch != "main" || err != nil {
		t.Errorf("Head = %s, %s, %v", commit, branch, err)
	}
	for name, q := range map[string]git.CommitRequest{
		"branch has moved":    {Branch: "main", Parent: first},
		"branch exists":       {Branch: "main"},
		"branch is not there": {Branch: "other", Parent: first},
	} {
		q.Message, q.Author, q.Time = "late", someone, then
		if _, err := r.CommitFiles(ctx, q); !errors.Is(err, git.ErrConflict) {
			t.Errorf("%s: got %v, want ErrConflict", name, err)
		}
	}
	for name, q := range map[string]git.CommitRequest{
		"identity":  {Branch: "x", Author: git.Identity{Name: "A\nparent 0", Email: "a@b"}},
		"no email":  {Branch: "x", Author: git.Identity{Name: "A"}},
		"path":      {Branch: "x", Author: someone, Files: map[string][]byte{"../x": nil}},
		"git path":  {Branch: "x", Author: someone, Files: map[string][]byte{"a/.GIT/config": {}}},
		"bad name":  {Branch: "-x", Author: someone},
		"bad hash":  {Branch: "x", Parent: "main", Author: someone},
		"bad hash2": {Branch: "x", Parent: "--all", Author: someone},
	} {
		if _, err := r.CommitFiles(ctx, q); !errors.Is(err, git.ErrName) {
			t.Errorf("%s: got %v, want ErrName", name, err)
		}
	}
}

func TestRefs(t *testing.T) {
	r, ctx := newBare(t), t.Context()
	first := commitFiles(t, r, "main", "", map[string][]byte{"a": {}})
	second := commitFiles(t, r, "main", first, nil)
	conflict := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, git.ErrConflict) {
			t.Errorf("%s: got %v, want ErrConflict", what, err)
		}
	}
	check(t, r.CreateBranch(ctx, "release/v1.0.0", first))
	conflict("branch exists", r.CreateBranch(ctx, "release/v1.0.0", first))
	check(t, r.UpdateRef(ctx, "refs/heads/release/v1.0.0", second, first))
	conflict("not there any more", r.UpdateRef(ctx, "refs/heads/release/v1.0.0", second, first))
	conflict("absent", r.UpdateRef(ctx, "refs/heads/x", second, first))
	check(t, r.UpdateRef(ctx, "refs/heads/release/v1.0.0", first, ""))
	light, err := r.CreateTag(ctx, git.TagRequest{Name: "light", Object: first})
	check(t, err)
	annotated, err := r.CreateTag(ctx, git.TagRequest{Name: "v1.0.0", Object: second, Message: "Subject\n\nBody", Tagger: someone, Time: then})
	check(t, err)
	_, err = r.CreateTag(ctx, git.TagRequest{Name: "nested", Object: annotated, Message: "outer", Tagger: someone, Time: then})
	check(t, err)
	_, err = r.CreateTag(ctx, git.TagRequest{Name: "v1.0.0", Object: first})
	conflict("tag exists", err)
	want := git.Tag{Name: "v1.0.0", Object: annotated, Commit: second, Annotated: true, Message: "Subject\n\nBody"}
	if got, err := r.Tag(ctx, "v1.0.0"); got != want || err != nil || light != first {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := r.Tag(ctx, "nested"); got.Commit != second || err != nil {
		t.Errorf("nested: got %+v, %v", got, err)
	}
	for prefix, names := range map[string]string{
		"":             "refs/heads/main refs/heads/release/v1.0.0 refs/tags/light refs/tags/nested refs/tags/v1.0.0",
		"refs/":        "refs/heads/main refs/heads/release/v1.0.0 refs/tags/light refs/tags/nested refs/tags/v1.0.0",
		"refs/heads/":  "refs/heads/main refs/heads/release/v1.0.0",
		"refs/tags/v1": "refs/tags/v1.0.0",
		"refs/none/":   "",
	} {
		refs, err := r.ListRefs(ctx, prefix)
		var got []string
		for _, ref := range refs {
			got = append(got, ref.Name)
		}
		if strings.Join(got, " ") != names || err != nil {
			t.Errorf("ListRefs(%q) = %q, %v, want %s", prefix, got, err, names)
		}
	}
	if branches, err := r.Branches(ctx); len(branches) != 2 || branches[0] != (git.Ref{Name: "refs/heads/main", Object: second}) || err != nil {
		t.Errorf("Branches = %v, %v", branches, err)
	}
	if ref, err := r.Ref(ctx, "refs/tags/v1.0.0"); ref.Object != annotated || err != nil {
		t.Errorf("Ref = %v, %v", ref, err)
	}
	conflict("delete what moved", r.DeleteRef(ctx, "refs/heads/release/v1.0.0", second))
	check(t, r.DeleteRef(ctx, "refs/heads/release/v1.0.0", first))
	check(t, r.DeleteRef(ctx, "refs/heads/release/v1.0.0", ""))
	conflict("delete what is gone", r.DeleteRef(ctx, "refs/heads/release/v1.0.0", first))
	if _, err := r.Ref(ctx, "refs/heads/release/v1.0.0"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	check(t, r.SetHead(ctx, "develop"))
	if _, _, err := r.Head(ctx); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("HEAD at a branch to be: got %v, want ErrNotFound", err)
	}
}

func TestFetch(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", "1")
	w.git("tag", "--annotate", "--message", "m", "v1.0.0")
	second := w.commit("second")
	r, ctx := newBare(t), t.Context()
	check(t, r.Fetch(ctx, w.dir, "refs/heads/*:refs/heads/*"))
	if tags, err := r.Tags(ctx); len(tags) > 0 || err != nil {
		t.Errorf("tags came along: %v, %v", tags, err)
	}
	check(t, r.Fetch(ctx, "file://"+w.dir, "+refs/tags/v1.0.0:refs/tags/v1.0.0", first+":refs/heads/old"))
	tag, err := r.Tag(ctx, "v1.0.0")
	if tag.Commit != first || err != nil {
		t.Errorf("got %+v, %v", tag, err)
	}
	if got, err := r.CountCommits(ctx, "old", "main"); got != 1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	if head, _, err := r.Head(ctx); head != second || err != nil {
		t.Errorf("got %s, %v, want %s", head, err, second)
	}
	if _, err := r.Remote(ctx, "origin"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("the repository remembers where it comes from: %v", err)
	}
	w.git("checkout", "--quiet", "--orphan", "new")
	w.git("branch", "--force", "main", w.commit("rewritten"))
	if err := r.Fetch(ctx, w.dir, "refs/heads/main:refs/heads/main"); err == nil {
		t.Error("a fetch without + goes back in history")
	}
	check(t, r.Fetch(ctx, w.dir, "+refs/heads/main:refs/heads/main"))
	if err := r.Fetch(ctx, filepath.Join(w.dir, "none"), "refs/heads/main:refs/heads/main"); err == nil {
		t.Error("a fetch from nowhere works")
	}
	for _, spec := range []string{"refs/heads/main", "--upload-pack=x:refs/heads/x", "refs/heads/a b:refs/heads/x", "main:refs/heads/x", "refs/heads/x:-x", ":refs/heads/x", "refs/heads/**:refs/heads/**"} {
		if err := r.Fetch(ctx, w.dir, spec); !errors.Is(err, git.ErrName) {
			t.Errorf("refspec %q: got %v, want ErrName", spec, err)
		}
	}
}

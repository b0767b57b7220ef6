//go:build e2e

package contract

import (
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

// A pull request is opened, found, changed and, when it is merged, found by its label; a tag object is made. Whoever may
// not write is told so.
func TestPulls(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{
		writer: {"contents": "write", "pull_requests": "write", "issues": "read", "workflows": "write"}, reader: {"contents": "read", "pull_requests": "read"},
	}})
	c := w.client(t, writer)
	const branch, base = "change", "base"
	for name, commit := range map[string]string{branch: "second", base: "first"} {
		if err := c.CreateBranch(ctx, name, w.commits[commit]); err != nil {
			t.Fatal(err)
		}
	}
	ahead, err := c.Ahead(ctx, w.commits["first"], branch)
	if err != nil || len(ahead) != 1 {
		t.Errorf("ahead: %+v, %v, want one commit", ahead, err)
	}
	made, err := c.CreatePull(ctx, forge.PullRequest{Title: "One", Body: "Text.", Head: branch, Base: base})
	if err != nil || made.Number == 0 || !made.Open || made.Head != branch || made.Base != base {
		t.Fatalf("got %+v, %v", made, err)
	}
	want(t, "the same once more", second(c.CreatePull(ctx, forge.PullRequest{Title: "One", Head: branch, Base: base})), "conflict")
	if _, err := c.UpdatePull(ctx, made.Number, forge.PullRequest{Title: "Two", Body: "More."}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Pull(ctx, made.Number); err != nil || got.Title != "Two" || got.Body != "More." || got.Commits != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if list, err := c.Pulls(ctx, branch, base); err != nil || len(list) != 1 || list[0].Number != made.Number {
		t.Errorf("got %+v, %v, want one", list, err)
	}
	if list, err := c.OpenPulls(ctx); err != nil || len(list) != 1 || list[0].Head != branch {
		t.Errorf("open: %+v, %v, want one", list, err)
	}
	want(t, "a pull request that is not there", second(c.Pull(ctx, made.Number+1000)), "not found")
	want(t, "a change by a reader", second(w.client(t, reader).UpdatePull(ctx, made.Number, forge.PullRequest{Title: "x"})), "denied")

	if labels, err := c.Labels(ctx); err != nil {
		t.Errorf("labels: %q, %v", labels, err)
	}
	labelled := w.twin.OpenPull("labelled", branch, base, "backport v1.0")
	if list, err := c.MergedPulls(ctx, "backport v1.0"); err != nil || len(list) != 0 {
		t.Errorf("before the merge: %+v, %v", list, err)
	}
	commit, err := w.twin.MergePull(ctx, labelled)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := c.OpenPulls(ctx); err != nil || len(list) != 1 || list[0].Number != made.Number {
		t.Errorf("open after the merge: %+v, %v, want %d", list, err, made.Number)
	}
	if list, err := c.MergedPulls(ctx, "backport v1.0"); err != nil || len(list) != 1 || list[0].Number != labelled || list[0].MergeCommit != commit {
		t.Errorf("after the merge: %+v, %v, want %d at %s", list, err, labelled, commit)
	}

	object, err := c.Annotate(ctx, forge.Annotation{Name: "v1.0.0", Message: "One", Commit: w.commits["first"], Tagger: "Some One", Email: "one@example.invalid", At: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTag(ctx, "v1.0.0", object); err != nil {
		t.Fatal(err)
	}
	if tag, err := c.Tag(ctx, "v1.0.0"); err != nil || !tag.Annotated || tag.Commit != w.commits["first"] {
		t.Errorf("got %+v, %v", tag, err)
	}
}

//go:build e2e

package contract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

// Lists that are longer than a page, and the one list that has no pages.
func TestLongLists(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, writer)
	for i := range 130 {
		if err := w.twin.PushBranch(ctx, fmt.Sprintf("release/v0.%03d", i), w.commits["first"]); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.Branches(ctx, "release/v0.")
	if err != nil || len(list) != 130 || list[129].Name != "release/v0.129" {
		t.Errorf("got %d branches, %v, want 130", len(list), err)
	}
	rel, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 130 {
		if _, err := c.UploadAsset(ctx, rel, file(fmt.Sprintf("a%d.crate", i), "x")); err != nil {
			t.Fatal(err)
		}
	}
	if assets, err := c.Assets(ctx, rel.ID); err != nil || len(assets) != 130 {
		t.Errorf("got %d assets, %v, want 130", len(assets), err)
	}
}

// Files and folders in all forms in which GitHub gives them.
func TestContents(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, reader)
	for name, want := range map[string]string{"docs/a b+c.md": "Grüße\n", "large.txt": large, "src/lib.rs": "one\ntwo\n"} {
		if got, err := c.File(ctx, "main", name); err != nil || string(got) != want {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
	for dir, want := range map[string]string{"": ".github/ crates/ docs/ large.txt src/", "crates/core": "crates/core/Cargo.toml"} {
		if got, err := c.List(ctx, "main", dir); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, %v, want %q", dir, got, err, want)
		}
	}
	if got, err := c.WorkflowFiles(ctx, "main"); err != nil || strings.Join(got, " ") != ".github/workflows/ci.yml .github/workflows/release.yml" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.WorkflowChanges(ctx, "main", "side"); err != nil || strings.Join(got, " ") != ".github/workflows/ci.yml" {
		t.Errorf("got %q, %v", got, err)
	}
}

// Tags of all kinds, and branches that come and go.
func TestRefs(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, writer)
	if err := w.twin.PushAnnotatedTag(ctx, "core/v1.0.0+b", w.commits["second"], "text"); err != nil {
		t.Fatal(err)
	}
	if tag, err := c.Tag(ctx, "core/v1.0.0+b"); err != nil || !tag.Annotated || tag.Commit != w.commits["second"] || tag.Object == tag.Commit {
		t.Errorf("got %+v, %v, want an annotated tag", tag, err)
	}
	for _, commit := range []string{"first", "third", "second"} {
		if err := c.UpsertTag(ctx, "dev", w.commits[commit]); err != nil {
			t.Fatal(err)
		}
		if tag, err := c.Tag(ctx, "dev"); err != nil || tag.Annotated || tag.Commit != w.commits[commit] {
			t.Errorf("got %+v, %v, want it at %s", tag, err, commit)
		}
	}
	want(t, "delete tag", c.DeleteTag(ctx, "dev"), "ok")
	want(t, "create branch", c.CreateBranch(ctx, "release/v1", w.commits["second"]), "ok")
	if sha, err := c.Branch(ctx, "release/v1"); err != nil || sha != w.commits["second"] {
		t.Errorf("got %s, %v", sha, err)
	}
	want(t, "delete branch", c.DeleteBranch(ctx, "release/v1"), "ok")
}

// What is in what, and what differs.
func TestCompare(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, reader)
	for commit, want := range map[string]bool{"first": true, "third": true, "side": false} {
		if got, err := c.Contains(ctx, "main", w.commits[commit]); err != nil || got != want {
			t.Errorf("main contains %s: got %t, %v, want %t", commit, got, err, want)
		}
	}
	got, err := c.ChangedFiles(ctx, w.commits["first"], "main")
	if want := ".github/workflows/release.yml Cargo.toml crates/core/Cargo.toml docs/a b+c.md large.txt src/lib.rs"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

//go:build e2e

package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

const (
	absent    = "absent"
	unknownID = "0123456789012345678901234567890123456789"
)

// Everything that is not there, in every operation that can be told so.
func TestNotFound(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, writer)
	gone, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "delete a draft", c.DeleteRelease(ctx, gone.ID), "ok")
	calls := map[string]func() error{
		"tag":                func() error { _, err := c.Tag(ctx, absent); return err },
		"branch":             func() error { _, err := c.Branch(ctx, absent); return err },
		"beginning of a ref": func() error { _, err := c.Branch(ctx, "ma"); return err },
		"move tag":           func() error { return c.UpdateTag(ctx, absent, w.commits["first"]) },
		"delete tag":         func() error { return c.DeleteTag(ctx, absent) },
		"delete branch":      func() error { return c.DeleteBranch(ctx, absent) },
		"compare":            func() error { _, err := c.Contains(ctx, absent, w.commits["first"]); return err },
		"compare with":       func() error { _, err := c.ChangedFiles(ctx, "main", unknownID); return err },
		"file":               func() error { _, err := c.File(ctx, "main", absent); return err },
		"file at a ref":      func() error { _, err := c.File(ctx, absent, "Cargo.toml"); return err },
		"folder":             func() error { _, err := c.List(ctx, "main", absent); return err },
		"release":            func() error { _, err := c.Release(ctx, gone.ID); return err },
		"update release":     func() error { _, err := c.UpdateRelease(ctx, gone.ID, forge.Update{Tag: "gone"}); return err },
		"delete release":     func() error { return c.DeleteRelease(ctx, gone.ID) },
		"assets":             func() error { _, err := c.Assets(ctx, gone.ID); return err },
		"upload":             func() error { _, err := c.UploadAsset(ctx, gone, file("a", "a")); return err },
		"rename asset":       func() error { _, err := c.RenameAsset(ctx, 7, "a"); return err },
		"delete asset":       func() error { return c.DeleteAsset(ctx, 7) },
		"download asset":     func() error { _, err := c.DownloadAsset(ctx, forge.Asset{ID: 7}); return err },
		"dispatch":           func() error { _, err := c.Dispatch(ctx, "absent.yml", "main", nil); return err },
		"run":                func() error { _, err := c.Run(ctx, 7); return err },
		"runs":               func() error { _, err := c.Runs(ctx, "absent.yml", "", time.Time{}); return err },
	}
	for name, call := range calls {
		want(t, name, call(), "not found")
	}
	none := map[string]func() (int, error){
		"branches": func() (int, error) { list, err := c.Branches(ctx, absent); return len(list), err },
		"issues":   func() (int, error) { list, err := c.OpenIssues(ctx, absent); return len(list), err },
		"releases": func() (int, error) { list, err := c.FindRelease(ctx, absent); return len(list), err },
		"rules":    func() (int, error) { list, err := c.RulesFor(ctx, absent); return len(list), err },
	}
	for name, call := range none {
		if n, err := call(); n != 0 || err != nil {
			t.Errorf("%s: got %d, %v, want none", name, n, err)
		}
	}
}

// What is there already, and what no GitHub takes.
func TestConflictsAndRefusals(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Rules: []githubtwin.Rule{{Pattern: "refs/heads/closed/*", Type: "creation"}}})
	c := w.client(t, writer)
	want(t, "branch that exists", c.CreateBranch(ctx, "main", w.commits["first"]), "conflict")
	want(t, "branch at nothing", c.CreateBranch(ctx, "new", unknownID), "refused")
	want(t, "branch at no id", c.CreateBranch(ctx, "new", "first"), "refused")
	want(t, "branch with a bad name", c.CreateBranch(ctx, "a..b", w.commits["first"]), "refused")
	want(t, "branch against a rule", c.CreateBranch(ctx, "closed/new", w.commits["first"]), "refused")
	want(t, "the default branch", c.DeleteBranch(ctx, "main"), "refused")
	want(t, "tag", c.CreateTag(ctx, "v1", w.commits["first"]), "ok")
	want(t, "tag that exists", c.CreateTag(ctx, "v1", w.commits["second"]), "conflict")
	want(t, "tag to nothing", c.UpdateTag(ctx, "v1", unknownID), "refused")
	want(t, "file that is a folder", second(c.File(ctx, "main", "src")), "refused")
	want(t, "folder that is a file", second(c.List(ctx, "main", "src/lib.rs")), "refused")

	draft, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "target that is not there", second(c.CreateDraft(ctx, forge.DraftRequest{Tag: "v9", Target: absent})), "refused")
	want(t, "draft with a bad tag", second(c.CreateDraft(ctx, forge.DraftRequest{Tag: "v 9"})), "refused")
	want(t, "draft as the latest", second(c.UpdateRelease(ctx, draft.ID, forge.Update{Tag: "v1", MakeLatest: "true"})), "refused")
	want(t, "asset", second(c.UploadAsset(ctx, draft, file("a.crate", "a"))), "ok")
	want(t, "asset that exists", second(c.UploadAsset(ctx, draft, file("a.crate", "b"))), "conflict")
	other, err := c.UploadAsset(ctx, draft, file("b.crate", "b"))
	want(t, "another asset", err, "ok")
	want(t, "name that is taken", second(c.RenameAsset(ctx, other.ID, "a.crate")), "conflict")
	want(t, "empty asset", second(c.UploadAsset(ctx, draft, file("c.crate", ""))), "refused")
	want(t, "notes since nothing", second(c.GenerateNotes(ctx, "v1", "", absent)), "refused")

	again, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	want(t, "a second draft", err, "ok")
	want(t, "publish", second(c.UpdateRelease(ctx, draft.ID, forge.Update{Tag: "v1", Draft: ptr(false), MakeLatest: "legacy"})), "ok")
	want(t, "publish the tag again", second(c.UpdateRelease(ctx, again.ID, forge.Update{Tag: "v1", Draft: ptr(false)})), "conflict")
}

func second[T any](_ T, err error) error { return err }

// What a token may not do, and what the permission for workflow files would have allowed.
func TestDenied(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, writer)
	want(t, "tag", c.CreateTag(ctx, "v1", w.commits["first"]), "ok")
	rel, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	public, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v2", Target: "main"})
	if err != nil {
		t.Fatal(err)
	}
	public, err = c.UpdateRelease(ctx, public.ID, forge.Update{Tag: "v2", Draft: ptr(false)})
	if err != nil {
		t.Fatal(err)
	}
	asset, err := c.UploadAsset(ctx, public, file("a", "a"))
	if err != nil {
		t.Fatal(err)
	}

	inputs := map[string]string{"tag": "v1"}
	for _, token := range []string{reader, "", "nobody"} {
		r := w.client(t, token)
		writes := map[string]func() error{
			"create branch":  func() error { return r.CreateBranch(ctx, "x", w.commits["first"]) },
			"create tag":     func() error { return r.CreateTag(ctx, "x", w.commits["first"]) },
			"move tag":       func() error { return r.UpdateTag(ctx, "v1", w.commits["second"]) },
			"delete tag":     func() error { return r.DeleteTag(ctx, "v1") },
			"create draft":   func() error { _, err := r.CreateDraft(ctx, forge.DraftRequest{Tag: "x"}); return err },
			"update release": func() error { _, err := r.UpdateRelease(ctx, public.ID, forge.Update{Tag: "v2"}); return err },
			"delete release": func() error { return r.DeleteRelease(ctx, public.ID) },
			"generate notes": func() error { _, err := r.GenerateNotes(ctx, "v1", "", ""); return err },
			"upload":         func() error { _, err := r.UploadAsset(ctx, public, file("x", "x")); return err },
			"rename asset":   func() error { _, err := r.RenameAsset(ctx, asset.ID, "x"); return err },
			"delete asset":   func() error { return r.DeleteAsset(ctx, asset.ID) },
			"dispatch":       func() error { _, err := r.Dispatch(ctx, "release.yml", "main", inputs); return err },
		}
		for name, call := range writes {
			e := want(t, name+" as "+who(token), call(), "denied")
			if token == reader && !strings.Contains(e.Accepted, "=write") {
				t.Errorf("%s: got accepted permissions %q", name, e.Accepted)
			}
		}
	}
	r := w.client(t, reader)
	want(t, "a draft without push access", second(r.Release(ctx, rel.ID)), "not found")
	if list, err := r.FindRelease(ctx, "v1"); len(list) != 0 || err != nil {
		t.Errorf("drafts without push access: got %+v, %v, want none", list, err)
	}
	for name, err := range map[string]error{
		"branch with other workflows": c.CreateBranch(ctx, "x", w.commits["side"]),
		"tag with other workflows":    c.CreateTag(ctx, "x", w.commits["side"]),
		"draft with other workflows":  second(c.CreateDraft(ctx, forge.DraftRequest{Tag: "x", Target: "side"})),
	} {
		if e := want(t, name, err, "denied"); !strings.Contains(e.Accepted, "workflows=write") {
			t.Errorf("%s: got accepted permissions %q", name, e.Accepted)
		}
	}
	want(t, "bad credentials", second(w.client(t, "nobody").Repository(ctx)), "denied")
}

// A private repository is not there for those who may not see it.
func TestPrivate(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Private: true})
	if r, err := w.client(t, reader).Repository(ctx); err != nil || !r.Private || !r.Permissions.Known || r.Permissions.Push {
		t.Errorf("got %+v, %v, want a private repository without push", r, err)
	}
	want(t, "anonymous", second(w.client(t, "").Repository(ctx)), "not found")
	want(t, "anonymous tag", second(w.client(t, "").Tag(ctx, "v1")), "not found")
}

// Both limits, with either status of the secondary one.
func TestRateLimits(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			ctx := t.Context()
			w := newWorld(t, githubtwin.Config{Limits: githubtwin.Limits{PerHour: 6, WritesPerMinute: 2, SecondaryStatus: status}})
			c := w.client(t, writer)
			for i, meaning := range []string{"ok", "ok", "rate limited"} {
				err := second(c.CreateDraft(ctx, forge.DraftRequest{Tag: fmt.Sprintf("v%d", i)}))
				if e := want(t, "create draft", err, meaning); err != nil && (e.Status != status || time.Until(e.RetryAt) <= 0 || time.Until(e.RetryAt) > 2*time.Minute) {
					t.Errorf("got status %d and retry at %s, want %d within two minutes", e.Status, e.RetryAt, status)
				}
			}
			for _, meaning := range []string{"ok", "ok", "ok", "rate limited"} {
				err := second(c.Repository(ctx))
				if e := want(t, "repository", err, meaning); err != nil && (time.Until(e.RetryAt) < 50*time.Minute || time.Until(e.RetryAt) > 70*time.Minute) {
					t.Errorf("got retry at %s, want in an hour", e.RetryAt)
				}
			}
			if r, err := c.RateLimit(ctx); err != nil || r.Remaining != 0 || r.Limit != 6 {
				t.Errorf("got %+v, %v, want a used up limit of 6", r, err)
			}
		})
	}
}

// Drafts are found by listing only, several can have one tag, and one that is changed without its tag loses it.
func TestDrafts(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{ForgetsTags: true})
	c := w.client(t, writer)
	var ids []int64
	for i := range 70 { // three pages
		tag := fmt.Sprintf("v1.0.%d", i/2)
		d, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: tag, Name: "n", Body: "b", Prerelease: true, Target: "main"})
		if err != nil {
			t.Fatal(err)
		}
		if d.Tag != tag || !d.Draft || !d.Prerelease || d.Body != "b" || !d.PublishedAt.IsZero() || d.Target != "main" {
			t.Fatalf("got %+v", d)
		}
		ids = append(ids, d.ID)
	}
	both, err := c.FindRelease(ctx, "v1.0.0")
	if err != nil || len(both) != 2 || both[0].ID != ids[1] || both[1].ID != ids[0] {
		t.Errorf("got %+v, %v, want both drafts, the newest first", both, err)
	}
	if all, err := c.ReleasesWithPrefix(ctx, "v1.0."); err != nil || len(all) != 70 {
		t.Errorf("got %d, %v, want all 70", len(all), err)
	}
	if d, err := c.UpdateRelease(ctx, ids[0], forge.Update{Tag: "v1.0.0", Name: ptr("other")}); err != nil || d.Tag != "v1.0.0" || d.Name != "other" || d.Body != "b" {
		t.Errorf("got %+v, %v, want only another name", d, err)
	}
	d, err := c.UpdateRelease(ctx, ids[0], forge.Update{Tag: "v1.0.0", Draft: ptr(false), Prerelease: ptr(false), MakeLatest: "true"})
	if err != nil || d.Draft || d.PublishedAt.IsZero() {
		t.Errorf("got %+v, %v, want it public", d, err)
	}
	if tag, err := c.Tag(ctx, "v1.0.0"); err != nil || tag.Commit != w.commits["third"] {
		t.Errorf("got %+v, %v, want a tag where the target is", tag, err)
	}
	if notes, err := c.GenerateNotes(ctx, "v1.0.1", "main", "v1.0.0"); err != nil || !strings.Contains(notes, "v1.0.0...v1.0.1") {
		t.Errorf("got %q, %v", notes, err)
	}
	if same, err := c.Release(ctx, ids[0]); err != nil || same.Tag != "v1.0.0" {
		t.Errorf("got %+v, %v", same, err)
	}
}

// A draft that was made a moment ago can be missing from the list.
func TestDraftLag(t *testing.T) {
	ctx := t.Context()
	c := newWorld(t, githubtwin.Config{DraftLag: time.Hour}).client(t, writer)
	d, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := c.FindRelease(ctx, "v1"); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v, want none yet", list, err)
	}
	if same, err := c.Release(ctx, d.ID); err != nil || same.ID != d.ID {
		t.Errorf("got %+v, %v, want it by its id", same, err)
	}
}

// An upload that breaks leaves an asset that blocks its name until it is deleted.
func TestStarterAssets(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Dir: t.TempDir()})
	c := w.client(t, writer)
	rel, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"small.crate": "bytes", "large.crate": strings.Repeat("bytes", 1<<17)} {
		w.twin.BreakUpload(name)
		want(t, "broken upload", second(c.UploadAsset(ctx, rel, file(name, content))), "transient")
		want(t, "upload over a broken one", second(c.UploadAsset(ctx, rel, file(name, content))), "conflict")
		list, err := c.Assets(ctx, rel.ID)
		i := slices.IndexFunc(list, func(a forge.Asset) bool { return a.Name == name })
		if err != nil || i < 0 || list[i].State != "starter" || list[i].Digest != "" {
			t.Fatalf("got %+v, %v, want a starter", list, err)
		}
		if found, err := c.FindRelease(ctx, "v1"); err != nil || len(found) != 1 || len(found[0].Assets) != len(list) {
			t.Errorf("got %+v, %v, want the starter in the release", found, err)
		}
		want(t, "download of a broken one", second(c.DownloadAsset(ctx, list[i])), "not found")
		want(t, "delete", c.DeleteAsset(ctx, list[i].ID), "ok")
		a, err := c.UploadAsset(ctx, rel, file(name, content))
		if err != nil || a.State != "uploaded" || !strings.HasPrefix(a.Digest, "sha256:") || a.Size != int64(len(content)) {
			t.Fatalf("got %+v, %v", a, err)
		}
		body, err := c.DownloadAsset(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil || string(got) != content {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(content))
		}
		want(t, "delete", c.DeleteAsset(ctx, a.ID), "ok")
	}
	short := file("short.crate", "bytes")
	short.Size = 9
	if err := second(c.UploadAsset(ctx, rel, short)); err == nil {
		t.Error("a file that is shorter than was said: got no error")
	}
	odd, err := c.UploadAsset(ctx, rel, file("a b@c+1.crate", "x"))
	if err != nil || odd.Name != "a.b.c+1.crate" {
		t.Errorf("got %+v, %v, want GitHub's form of the name", odd, err)
	}
	if a, err := c.RenameAsset(ctx, odd.ID, "plain.crate"); err != nil || a.Name != "plain.crate" {
		t.Errorf("got %+v, %v", a, err)
	}
}

// What is published can no longer change, and its tag is burnt for ever.
func TestImmutable(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Immutable: true})
	c := w.client(t, writer)
	rel, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1", Target: "main"})
	if err != nil {
		t.Fatal(err)
	}
	asset, err := c.UploadAsset(ctx, rel, file("a", "a"))
	if err != nil {
		t.Fatal(err)
	}
	rel, err = c.UpdateRelease(ctx, rel.ID, forge.Update{Tag: "v1", Draft: ptr(false)})
	if err != nil || !rel.Immutable {
		t.Fatalf("got %+v, %v, want it immutable", rel, err)
	}
	for name, err := range map[string]error{
		"upload":      second(c.UploadAsset(ctx, rel, file("b", "b"))),
		"rename":      second(c.RenameAsset(ctx, asset.ID, "b")),
		"delete":      c.DeleteAsset(ctx, asset.ID),
		"draft again": second(c.UpdateRelease(ctx, rel.ID, forge.Update{Tag: "v1", Draft: ptr(true)})),
		"other tag":   second(c.UpdateRelease(ctx, rel.ID, forge.Update{Tag: "v2"})),
		"move tag":    c.UpdateTag(ctx, "v1", w.commits["first"]),
		"delete tag":  c.DeleteTag(ctx, "v1"),
	} {
		want(t, name, err, "refused")
	}
	want(t, "notes", second(c.UpdateRelease(ctx, rel.ID, forge.Update{Tag: "v1", Body: ptr("text")})), "ok")
	want(t, "delete the release", c.DeleteRelease(ctx, rel.ID), "ok")
	want(t, "the burnt tag", second(c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})), "refused")
}

// Servers that name the run of a dispatch and servers that do not.
func TestDispatch(t *testing.T) {
	for name, old := range map[string]bool{"new": false, "old": true} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			finish := make(chan string, 1)
			w := newWorld(t, githubtwin.Config{OldServer: old, OnDispatch: func(context.Context, githubtwin.Dispatch) string { return <-finish }})
			c := w.client(t, writer)
			inputs := map[string]string{"tag": "v1"}
			want(t, "branch", c.CreateBranch(ctx, "release/v1", w.commits["third"]), "ok")
			began := time.Now().Add(-time.Minute)
			run, err := c.Dispatch(ctx, "release.yml", "release/v1", inputs)
			if err != nil || run.ID == 0 || run.Guessed != old {
				t.Fatalf("got %+v, %v", run, err)
			}
			if now, err := c.Run(ctx, run.ID); err != nil || now.Status == "completed" || now.HeadBranch != "release/v1" || now.HeadSHA != w.commits["third"] {
				t.Errorf("got %+v, %v", now, err)
			}
			finish <- "failure"
			w.twin.Close()
			runs, err := c.Runs(ctx, "release.yml", "release/v1", began)
			if err != nil || len(runs) != 1 || runs[0].ID != run.ID || runs[0].Conclusion != "failure" {
				t.Errorf("got %+v, %v", runs, err)
			}
			if list, err := c.Workflows(ctx); err != nil || len(list) != 2 || list[1].Path != ".github/workflows/release.yml" {
				t.Errorf("got %+v, %v", list, err)
			}
			for name, err := range map[string]error{
				"no such ref":     second(c.Dispatch(ctx, "release.yml", absent, inputs)),
				"an id":           second(c.Dispatch(ctx, "release.yml", w.commits["third"], inputs)),
				"no trigger":      second(c.Dispatch(ctx, "ci.yml", "main", nil)),
				"not there":       second(c.Dispatch(ctx, "release.yml", "side", inputs)),
				"missing input":   second(c.Dispatch(ctx, "release.yml", "main", nil)),
				"one input extra": second(c.Dispatch(ctx, "release.yml", "main", map[string]string{"tag": "v1", "x": "y"})),
			} {
				want(t, name, err, "refused")
			}
		})
	}
}

// Only open issues with the label count, and no pull request does.
func TestBlockers(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, reader)
	number := w.twin.AddIssue("broken", "release-blocker", "bug")
	w.twin.AddIssue("other", "bug")
	w.twin.AddPullRequest("a cure", "release-blocker")
	if list, err := c.OpenIssues(ctx, "release-blocker"); err != nil || len(list) != 1 || list[0].Number != number || list[0].Title != "broken" {
		t.Errorf("got %+v, %v, want one", list, err)
	}
	w.twin.CloseIssue(number)
	if list, err := c.OpenIssues(ctx, "release-blocker"); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v, want none", list, err)
	}
	for range 120 {
		w.twin.AddIssue("one of many", "release-blocker")
	}
	if list, err := c.OpenIssues(ctx, "release-blocker"); err != nil || len(list) != 120 {
		t.Errorf("got %d, %v, want 120", len(list), err)
	}
}

// Comments are listed over several pages, and whoever may not write one is told so.
func TestComments(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{writer: {"pull_requests": "write"}, reader: {"issues": "read"}}})
	number := w.twin.AddPullRequest("a change")
	c := w.client(t, writer)
	for range 120 {
		w.twin.AddComment(number, "one of many")
	}
	made, err := c.CreateComment(ctx, number, "first text")
	if err != nil || made.ID == 0 || made.Body != "first text" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if _, err := c.UpdateComment(ctx, made.ID, "second text"); err != nil {
		t.Fatal(err)
	}
	list, err := c.Comments(ctx, number)
	if err != nil || len(list) != 121 || list[0].Trusted || !list[120].Trusted || list[120].Body != "second text" {
		t.Errorf("got %d comments, %v", len(list), err)
	}
	_, err = c.UpdateComment(ctx, made.ID+1000, "x")
	want(t, "a comment that is not there", err, "not found")
	_, err = c.CreateComment(ctx, number+1000, "x")
	want(t, "a comment on nothing", err, "denied")
	_, err = c.CreateComment(ctx, number, strings.Repeat("x", 70_000))
	want(t, "a comment that is too long", err, "refused")
	_, err = w.client(t, reader).CreateComment(ctx, number, "x")
	want(t, "a comment by a reader", err, "denied")
}

// Tags are listed by name; when they were made comes from the tag object, else from the commit.
func TestTagDates(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{})
	c := w.client(t, writer)
	if err := c.CreateTag(ctx, "v9", w.commits["second"]); err != nil {
		t.Fatal(err)
	}
	names, err := c.TagNames(ctx)
	if err != nil || !slices.Contains(names, "v9") {
		t.Errorf("got %q, %v", names, err)
	}
	if tag, err := c.Tag(ctx, "v9"); err != nil || !tag.At.IsZero() {
		t.Errorf("a lightweight tag has no date of its own: %+v, %v", tag, err)
	}
	if at, err := c.CommitDate(ctx, w.commits["second"]); err != nil || at.IsZero() {
		t.Errorf("got %v, %v", at, err)
	}
	_, err = c.CommitDate(ctx, unknownID)
	want(t, "a commit that is not there", err, "refused")
}

// Rules come in forms that the adapter passes on as they are.
func TestRules(t *testing.T) {
	w := newWorld(t, githubtwin.Config{Rules: []githubtwin.Rule{
		{Pattern: "refs/heads/release/*", Type: "creation"},
		{Pattern: "refs/heads/release/*", Type: "deletion"},
		{Pattern: "refs/heads/main", Type: "update", Parameters: map[string]any{"update_allows_fetch_and_merge": false}},
	}})
	c := w.client(t, reader)
	for branch, want := range map[string]string{"release/v1": "creation deletion", "main": "update", "other": ""} {
		list, err := c.RulesFor(t.Context(), branch)
		var got []string
		for _, r := range list {
			got = append(got, r.Type)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v, want %q", branch, got, err, want)
		}
	}
}

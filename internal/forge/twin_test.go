package forge_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

const workflow = "name: Release\non:\n  workflow_dispatch:\n    inputs:\n      tag: {}\njobs: {}\n"

// One release against a GitHub that holds state, with the traps on.
func TestAgainstTwin(t *testing.T) {
	ctx := t.Context()
	store := gitstore.NewMemory()
	base, err := store.AddCommit("first", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/release.yml": workflow})
	if err != nil {
		t.Fatal(err)
	}
	head, err := store.AddCommit("second", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/release.yml": workflow, ".github/workflows/new.yml": "x"}, base)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: "o", Repo: "r", Refs: store, ForgetsTags: true, OldServer: true, Immutable: true,
		Tokens: map[string]githubtwin.Permissions{"t": {"contents": "write", "actions": "write", "metadata": "read"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	if err := errors.Join(twin.PushBranch(ctx, "main", base), twin.PushAnnotatedTag(ctx, "v1", base, "one"), twin.PushBranch(ctx, "dev", head)); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(twin.Handler())
	defer srv.Close()
	c := client(t, forge.Options{APIURL: srv.URL + "/api/v3"})

	tag, err := c.Tag(ctx, "v1")
	if err != nil || tag.Commit != base || !tag.Annotated {
		t.Fatalf("got %+v, %v, want an annotated tag of %s", tag, err, base)
	}
	if ok, err := c.Contains(ctx, "main", base); !ok || err != nil {
		t.Errorf("main contains its head: got %v, %v", ok, err)
	}
	if got, err := c.WorkflowChanges(ctx, "main", "dev"); err != nil || len(got) != 1 {
		t.Errorf("got changes %q, %v, want new.yml", got, err)
	}
	if err := c.CreateBranch(ctx, "release/v1", base); err != nil {
		t.Fatal(err)
	}
	wantClass(t, c.CreateBranch(ctx, "release/v1", base), forge.Conflict)
	wantClass(t, c.CreateBranch(ctx, "release/dev", head), forge.Denied)

	rel, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1", Name: "One"})
	if err != nil {
		t.Fatal(err)
	}
	file := forge.Upload{Name: "a.crate", ContentType: "application/gzip", Size: 5, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("bytes")), nil }}
	asset, err := c.UploadAsset(ctx, rel, file)
	if err != nil || asset.State != "uploaded" {
		t.Fatalf("got %+v, %v", asset, err)
	}
	_, err = c.UploadAsset(ctx, rel, file)
	wantClass(t, err, forge.Conflict)
	body, err := c.DownloadAsset(ctx, asset)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	body.Close()
	if string(got) != "bytes" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.UpdateRelease(ctx, rel.ID, forge.Update{Tag: "v1", Draft: ptr(false), MakeLatest: "true"}); err != nil {
		t.Fatal(err)
	}
	list, err := c.FindRelease(ctx, "v1")
	if err != nil || len(list) != 1 || list[0].Draft || !list[0].Immutable || len(list[0].Assets) != 1 {
		t.Errorf("got %+v, %v, want one published, immutable release", list, err)
	}
	_, err = c.UploadAsset(ctx, rel, forge.Upload{Name: "late", Size: 5, Open: file.Open})
	wantClass(t, err, forge.Refused)

	run, err := c.Dispatch(ctx, "release.yml", "release/v1", map[string]string{"tag": "v1"})
	if err != nil || run.ID == 0 || !run.Guessed {
		t.Errorf("got %+v, %v, want a run found by listing", run, err)
	}
	if runs, err := c.Runs(ctx, "release.yml", "release/v1", time.Now().Add(-time.Minute)); err != nil || len(runs) != 1 || runs[0].ID != run.ID {
		t.Errorf("got %+v, %v", runs, err)
	}
}

// The files of a commit, listed and read by their ids.
func TestTree(t *testing.T) {
	ctx := t.Context()
	store := gitstore.NewMemory()
	base, err := store.AddCommit("first", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/release.yml": workflow})
	if err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: "o", Repo: "r", Refs: store, Tokens: map[string]githubtwin.Permissions{"t": {"contents": "read", "metadata": "read"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	srv := httptest.NewServer(twin.Handler())
	defer srv.Close()
	c := client(t, forge.Options{APIURL: srv.URL})
	files, err := c.Tree(ctx, base)
	if err != nil || len(files) != 2 || files[1].Path != "Cargo.toml" || files[1].Mode != "100644" {
		t.Fatalf("got files %+v, %v, want the workflow and Cargo.toml", files, err)
	}
	if text, err := c.Blob(ctx, files[1].SHA); err != nil || string(text) != "[package]\n" {
		t.Errorf("got blob %q, %v", text, err)
	}
	_, err = c.Tree(ctx, strings.Repeat("0", 40))
	wantClass(t, err, forge.NotFound)
	_, err = c.Blob(ctx, strings.Repeat("0", 40))
	wantClass(t, err, forge.NotFound)
}

// A content that is not the one that was asked for, and a list that was cut off, are noticed.
func TestTreeLies(t *testing.T) {
	answers := map[string]string{
		"/repos/o/r/git/trees/cut":                        `{"sha": "x", "tree": [{"path": "a", "mode": "100644", "type": "blob", "sha": "1"}, {"path": "d", "mode": "040000", "type": "tree", "sha": "2"}], "truncated": true}`,
		"/repos/o/r/git/trees/nothing":                    `{"sha": "x", "tree": [{"path": "", "type": "blob"}]}`,
		"/repos/o/r/git/blobs/" + strings.Repeat("1", 40): `{"sha": "x", "encoding": "base64", "content": "b3RoZXI="}`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answers[r.URL.Path])
	}))
	defer srv.Close()
	c := client(t, forge.Options{APIURL: srv.URL})
	if files, err := c.Tree(t.Context(), "cut"); !errors.Is(err, forge.ErrTruncated) || len(files) != 1 {
		t.Errorf("a list that was cut off: %+v, %v", files, err)
	}
	if _, err := c.Tree(t.Context(), "nothing"); err == nil {
		t.Error("an entry without a path was taken")
	}
	if b, err := c.Blob(t.Context(), strings.Repeat("1", 40)); err == nil {
		t.Errorf("another content was taken: %q", b)
	}
}

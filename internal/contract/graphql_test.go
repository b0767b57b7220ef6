//go:build e2e

package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

// TestGraphQL holds every mutation that the adapter sends, and what the embedded GitHub answers to it, good and bad,
// against GitHub's public schema.
func TestGraphQL(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{
		writer: {"contents": "write", "pull_requests": "write", "workflows": "write"}, reader: {"contents": "read"},
	}})
	rest := seen.inspect(t, w.twin.Op, w.twin.Handler(), func(violation error) { t.Error(violation) })
	var exchanges []json.RawMessage
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/graphql") {
			rest.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		w.twin.Handler().ServeHTTP(rec, r)
		exchanges = append(exchanges, json.RawMessage(strings.TrimSuffix(strings.TrimSpace(string(body)), "}")+`,"answer":`+rec.Body.String()+"}"))
		for k, values := range rec.Header() {
			rw.Header()[k] = values
		}
		rw.WriteHeader(rec.Code)
		rw.Write(rec.Body.Bytes())
	}))
	defer srv.Close()
	for _, alias := range []string{"", "/api/v3"} {
		c := newClient(t, srv.URL+alias, writer)
		branch := "bump" + strings.ReplaceAll(alias, "/", "-")
		if err := c.CreateBranch(ctx, branch, w.commits["first"]); err != nil {
			t.Fatal(err)
		}
		made := func(expected, to string, files map[string]forge.Change) (string, bool, error) {
			return c.CommitOnBranch(ctx, forge.BranchCommit{Branch: to, Expected: expected, Files: files, Headline: "One", Body: "More."})
		}
		sha, signed, err := made(w.commits["first"], branch, map[string]forge.Change{"new.txt": {Content: []byte("new")}, "Cargo.toml": {}})
		if err != nil || !signed {
			t.Fatal(signed, err)
		}
		if text, err := c.File(ctx, branch, "new.txt"); err != nil || string(text) != "new" {
			t.Errorf("new.txt is %q, %v", text, err)
		}
		if _, err := c.File(ctx, branch, "Cargo.toml"); !forge.IsNotFound(err) {
			t.Errorf("Cargo.toml is there still: %v", err)
		}
		if _, _, err := made(w.commits["first"], branch, map[string]forge.Change{"a": {Content: []byte{}}}); !forge.IsConflict(err) {
			t.Errorf("an old head: got %v, want a conflict", err)
		}
		if _, _, err := made(sha, "nowhere", nil); !forge.IsNotFound(err) {
			t.Errorf("no such branch: got %v", err)
		}
		if err := c.MoveBranch(ctx, branch, w.commits["first"], w.commits["second"]); !forge.IsConflict(err) {
			t.Errorf("a branch that is elsewhere: got %v, want a conflict", err)
		}
		if err := c.MoveBranch(ctx, branch, sha, w.commits["second"]); err != nil {
			t.Error(err)
		}
		if _, _, err := newClient(t, srv.URL+alias, reader).CommitOnBranch(ctx, forge.BranchCommit{Branch: branch, Expected: w.commits["second"], Headline: "x"}); !forge.IsDenied(err) {
			t.Errorf("a token that may read: got %v", err)
		}
		modes(t, c, newClient(t, srv.URL+alias, reader), branch, w.commits)
	}
	if got, want := validated(t, exchanges), "16 exchanges fit"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// modes commits a link and an executable file to a branch that is at the second commit.
func modes(t *testing.T, c, reading *forge.Client, branch string, commits map[string]string) {
	t.Helper()
	ctx := t.Context()
	files := map[string]forge.Change{"run": {Content: []byte{0xff, 0}, Mode: "100755"}, "link": {Content: []byte("run"), Mode: "120000"}, "Cargo.toml": {}}
	at := func(head string) forge.BranchCommit {
		return forge.BranchCommit{Branch: branch, Expected: commits[head], Files: files, Headline: "Modes", Body: "More."}
	}
	if _, _, err := c.CommitOnBranch(ctx, at("first")); !forge.IsConflict(err) {
		t.Errorf("modes on an old head: got %v, want a conflict", err)
	}
	_, signed, err := c.CommitOnBranch(ctx, at("second"))
	if err != nil || !signed {
		t.Errorf("modes: signed %v, %v", signed, err)
	}
	tree, err := c.Tree(ctx, branch)
	got := map[string]string{}
	for _, f := range tree {
		got[f.Path] = f.Mode
	}
	if err != nil || got["run"] != "100755" || got["link"] != "120000" {
		t.Errorf("files: %v, %v", got, err)
	}
	if _, _, err := reading.CommitOnBranch(ctx, at("second")); !forge.IsDenied(err) {
		t.Errorf("modes by a token that may read: got %v", err)
	}
}

// validated returns what the script says that holds exchanges against the schema.
func validated(t *testing.T, exchanges []json.RawMessage) string {
	t.Helper()
	dir, err := installed(t.Context(), "graphql")
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/graphql/validate.mjs")
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(exchanges)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", script, dir)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

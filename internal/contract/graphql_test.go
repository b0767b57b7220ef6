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
	var exchanges []json.RawMessage
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/graphql") {
			w.twin.Handler().ServeHTTP(rw, r)
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
		made := func(expected, to string, files map[string][]byte) (string, error) {
			return c.CommitOnBranch(ctx, forge.BranchCommit{Branch: to, Expected: expected, Files: files, Headline: "One", Body: "More."})
		}
		sha, err := made(w.commits["first"], branch, map[string][]byte{"new.txt": []byte("new"), "Cargo.toml": nil})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := c.File(ctx, branch, "new.txt"); err != nil || string(text) != "new" {
			t.Errorf("new.txt is %q, %v", text, err)
		}
		if _, err := c.File(ctx, branch, "Cargo.toml"); !forge.IsNotFound(err) {
			t.Errorf("Cargo.toml is there still: %v", err)
		}
		if _, err := made(w.commits["first"], branch, map[string][]byte{"a": {}}); !forge.IsConflict(err) {
			t.Errorf("an old head: got %v, want a conflict", err)
		}
		if _, err := made(sha, "nowhere", nil); !forge.IsNotFound(err) {
			t.Errorf("no such branch: got %v", err)
		}
		if err := c.MoveBranch(ctx, branch, w.commits["first"], w.commits["second"]); !forge.IsConflict(err) {
			t.Errorf("a branch that is elsewhere: got %v, want a conflict", err)
		}
		if err := c.MoveBranch(ctx, branch, sha, w.commits["second"]); err != nil {
			t.Error(err)
		}
		if _, err := newClient(t, srv.URL+alias, reader).CommitOnBranch(ctx, forge.BranchCommit{Branch: branch, Expected: w.commits["second"], Headline: "x"}); !forge.IsDenied(err) {
			t.Errorf("a token that may read: got %v", err)
		}
	}
	if got, want := validated(t, exchanges), "12 exchanges fit"; got != want {
		t.Errorf("got %s, want %s", got, want)
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

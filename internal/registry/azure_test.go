package registry

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/secret"
)

// TestAzureUpstream reads a public feed of Azure's with an upstream: what nobody has saved yet is a 401 to whoever has no
// token, which says neither that the crate is there nor that it is not.
func TestAzureUpstream(t *testing.T) {
	above := t.TempDir()
	if err := os.WriteFile(filepath.Join(above, "demo-1.0.0+b.crate"), crateBytes(t, 10), 0o644); err != nil {
		t.Fatal(err)
	}
	twin := registrytwin.New(registrytwin.Config{Name: "feed", Manners: registrytwin.Azure, Upstream: registrytwin.Upstream{Folders: []string{above}},
		Tokens: []registrytwin.Token{{Label: "t", Value: secret.New(testToken), Scope: registrytwin.Publish}}})
	server := httptest.NewServer(twin.Handler())
	defer server.Close()
	client := func(token string) *Client {
		r := Registry{Name: "feed", Index: "sparse+" + server.URL + "/index/", URL: server.URL + "/index/"}
		return NewClient(r.As(KindAzure), Options{HTTP: server.Client(), UserAgent: "tagboat/1", Token: func(context.Context) (secret.Value, error) { return secret.New(token), nil }})
	}
	anonymous, builder := client(""), client(testToken)

	e := asError(t, second(anonymous.Lookup(t.Context(), "demo")))
	if e.Class != Denied || e.Status != http.StatusUnauthorized || !strings.Contains(e.Detail, "not yet saved from its upstream") {
		t.Errorf("a crate that nobody has saved, without a token: %v", e)
	}
	if entries, err := anonymous.Lookup(t.Context(), "absent"); entries != nil || err != nil {
		t.Errorf("a crate that is nowhere: %v, %v", entries, err)
	}
	if a, err := builder.Check(t.Context()); err != nil || a.Publish != Unknown {
		t.Errorf("Check: %+v, %v", a, err)
	}
	if a, err := client("wrong-token").Check(t.Context()); err != nil || a.Publish != No {
		t.Errorf("Check with a wrong token: %+v, %v", a, err)
	}
	entries, err := builder.Lookup(t.Context(), "demo")
	if err != nil || len(entries) != 1 {
		t.Fatalf("with a token: %v, %v", entries, err)
	}
	var got bytes.Buffer
	if e := asError(t, second(anonymous.Download(t.Context(), entries[0], &got))); e.Class != Denied {
		t.Errorf("a download without a token: %v", e)
	}
	if _, err := builder.Download(t.Context(), entries[0], &got); err != nil || got.Len() == 0 {
		t.Errorf("a download with a token: %v", err)
	}
	if entries, err := anonymous.Lookup(t.Context(), "demo"); err != nil || len(entries) != 1 {
		t.Errorf("after the download has saved it, without a token: %v, %v", entries, err)
	}
}

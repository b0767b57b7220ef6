package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/secret"
)

// TestLanes: crates that exist go by trusted publishing, new ones by the token, in one run.
func TestLanes(t *testing.T) {
	key, err := githubid.Key()
	if err != nil {
		t.Fatal(err)
	}
	issuer := githubid.New("http://issuer.test", key)
	jwt, err := issuer.Sign(githubid.Job{Repository: "acme/demo", Workflow: "release.yml"}.Claims("http://issuer.test", "crates.io", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	twin := registrytwin.New(registrytwin.Config{Manners: registrytwin.CratesIO, Tokens: []registrytwin.Token{{Label: "token", Value: secret.New("good"), Scope: registrytwin.Publish}},
		Trusted: &registrytwin.Trusted{Publishers: []registrytwin.Publisher{{Crate: "old", Repository: "acme/demo", Workflow: "release.yml"}},
			Verify: func(context.Context, string) (githubid.Claims, error) {
				return githubid.Claims{ID: "1", Repository: "acme/demo", WorkflowRef: "acme/demo/.github/workflows/release.yml@main"}, nil
			}}})
	server := httptest.NewServer(twin.Handler())
	t.Cleanup(server.Close)
	for _, name := range []string{"old", "unregistered"} {
		if err := twin.Reserve(name); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	var minted secret.Value
	c := registry.NewClient(registry.Registry{Name: registry.CratesIO, URL: server.URL + "/index/", Kind: registry.KindCratesIO}, registry.Options{
		Token: func(context.Context) (secret.Value, error) { return secret.New("good"), nil },
		Trusted: func(ctx context.Context, api string) (secret.Value, error) {
			if asked++; api != server.URL {
				t.Errorf("asked for a token at %q", api)
			}
			if minted.IsZero() {
				minted = exchange(t, api, jwt)
			}
			return minted, nil
		}})
	for _, name := range []string{"new", "old"} {
		if _, err := c.Publish(t.Context(), crateNamed(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Publish(t.Context(), crateNamed(t, "unregistered")); !registry.IsClass(err, registry.Denied) {
		t.Errorf("unregistered: %v", err)
	}
	got := map[string]string{}
	for _, u := range twin.Accepted() {
		got[u.Name] = u.Token
	}
	if diff := cmp.Diff(map[string]string{"new": "token", "old": registrytwin.TrustedLabel}, got); diff != "" || asked != 2 {
		t.Errorf("asked %d times\n%s", asked, diff)
	}
	failing := errors.New("no identity")
	c = registry.NewClient(registry.Registry{Name: registry.CratesIO, URL: server.URL + "/index/", Kind: registry.KindCratesIO}, registry.Options{Trusted: func(context.Context, string) (secret.Value, error) { return secret.Value{}, failing }})
	if _, err := c.Publish(t.Context(), crateNamed(t, "old")); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Publish(t.Context(), crateNamed(t, "newer")); !registry.IsClass(err, registry.Denied) {
		t.Errorf("a new crate without a token: %v", err)
	}
}

// exchange is what package mint does, as simply as it can be done.
func exchange(t *testing.T, api, jwt string) secret.Value {
	t.Helper()
	body, err := json.Marshal(map[string]string{"jwt": jwt})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/api/v1/trusted_publishing/tokens", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return secret.New(answer.Token)
}

func crateNamed(t *testing.T, name string) *registry.Crate {
	t.Helper()
	c, err := registry.ReadCrate(reltest.Pack(name, "1.0.0", ""))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

package care_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/care"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// world is an embedded GitHub with an organization's secret, and a client that may write it. around sees every request.
func world(t *testing.T, around func(op string, twin *githubtwin.Twin, next http.Handler) http.Handler) (*githubtwin.Twin, *forge.Client) {
	t.Helper()
	store := gitstore.NewMemory()
	if _, err := store.AddCommit("first", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: "acme", Repo: "demo", Refs: store})
	if err != nil {
		t.Fatal(err)
	}
	twin.Secrets().Add("organization:acme", githubtwin.Secret{Name: "FEED_TOKEN", Value: "old", Visibility: "selected", Selected: []int64{7, 43}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, _, _ := strings.Cut(twin.Op(r), " ")
		next := twin.Handler()
		if around != nil {
			next = around(op, twin, next)
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { twin.Close() })
	client, err := forge.New(forge.Options{APIURL: server.URL, Owner: "acme", Repo: "demo", Token: func(context.Context) (secret.Value, error) { return secret.New("ghs_x"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return twin, client
}

// rotation is one of the organization's secret to a value that the registry takes.
func rotation() care.Rotation {
	return care.Rotation{Token: token(func(t *care.Token) { t.Config.Scope = "organization" }), Owner: "acme", Now: time.Now,
		New: func(context.Context) (secret.Value, error) { return secret.New("fresh-value"), nil },
		Ask: func(_ context.Context, t care.Token) (registry.Access, error) {
			if t.Value.Reveal() != "fresh-value" {
				return registry.Access{}, errors.New("another value was tried")
			}
			return registry.Access{Reachable: true, AuthRequired: true, Token: true, Read: registry.Yes, Publish: registry.Yes}, nil
		}}
}

// Somebody changes who sees an organization's secret while it is renewed: the report shows both.
func TestVisibilityChangesMeanwhile(t *testing.T) {
	put := false
	twin, client := world(t, func(op string, twin *githubtwin.Twin, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if op == "put-organization-secret" && !put {
				put = true
				x := twin.Secrets().Held("organization:acme", "FEED_TOKEN")
				twin.Secrets().Set("organization:acme", githubtwin.Secret{Name: x.Name, Value: x.Value, Created: x.Created, Updated: x.Updated, Visibility: "all"})
			}
		})
	})
	r, err := care.Rotate(t.Context(), client, rotation())
	if problem.ExitCode(err) != problem.ExitStopped || !strings.Contains(err.Error(), "seen by every repository, before that by 2 selected repositories") {
		t.Errorf("got %v", err)
	}
	if outcomes(r) != "done done done failed" {
		t.Errorf("got steps %s", outcomes(r))
	}
	if got := twin.Secrets().Held("organization:acme", "FEED_TOKEN").Value; got != "fresh-value" {
		t.Errorf("it holds %q", got)
	}
}

// The same again is harmless wherever the first time ended.
func TestRotateIsCutAnywhere(t *testing.T) {
	for _, cut := range []string{"get-organization-secret-key", "get-organization-secret", "get-repo", "list-secret-repositories", "put-organization-secret"} {
		t.Run(cut, func(t *testing.T) {
			lost := false
			twin, client := world(t, func(op string, _ *githubtwin.Twin, next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if op == cut && !lost {
						lost = true
						next.ServeHTTP(httptest.NewRecorder(), r)
						w.WriteHeader(http.StatusBadGateway) // a lost connection would be tried again by net/http itself
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			r, err := care.Rotate(t.Context(), client, rotation())
			if problem.ExitCode(err) != problem.ExitFailed || r.Outcome != release.Failed {
				t.Errorf("cut: got %s, %v, want a fault", r.Outcome, err)
			}
			r, err = care.Rotate(t.Context(), client, rotation())
			if err != nil || outcomes(r) != "done done done done" {
				t.Errorf("again: got %s, %v", outcomes(r), err)
			}
			got := twin.Secrets().Held("organization:acme", "FEED_TOKEN")
			if got.Value != "fresh-value" || got.Visibility != "selected" || !slices.Equal(got.Selected, []int64{7, 43}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A repository that does not see the secret uses another one.
func TestSecretIsNotSeenHere(t *testing.T) {
	twin, client := world(t, nil)
	twin.Secrets().Add("organization:acme", githubtwin.Secret{Name: "FEED_TOKEN", Value: "old", Visibility: "selected", Selected: []int64{7}})
	r, err := care.Rotate(t.Context(), client, rotation())
	if err != nil || !slices.ContainsFunc(r.Findings, func(f release.Finding) bool {
		return f.Severity == release.Warn && strings.Contains(f.Summary, "acme/demo does not see the secret FEED_TOKEN")
	}) {
		t.Errorf("got %v, %v", r.Findings, err)
	}
}

// One of an organization that is made is seen by this repository alone.
func TestCreateForAnOrganization(t *testing.T) {
	twin, client := world(t, nil)
	o := rotation()
	o.Config.Secret = "NEW_TOKEN"
	o.Create = true
	if r, err := care.Rotate(t.Context(), client, o); err != nil || outcomes(r) != "done done done done" {
		t.Errorf("got %s, %v", outcomes(r), err)
	}
	if got := twin.Secrets().Held("organization:acme", "NEW_TOKEN"); got.Value != "fresh-value" || got.Visibility != "selected" || !slices.Equal(got.Selected, []int64{43}) {
		t.Errorf("got %+v", got)
	}
}

func outcomes(r release.Report) string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, s.Outcome)
	}
	return strings.Join(out, " ")
}

//go:build e2e

package mirror

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/debian"
	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// serve starts a registry on loopback.
func serve(t *testing.T, c registrytwin.Config) (*registrytwin.Twin, registry.Registry) {
	t.Helper()
	var twin *registrytwin.Twin
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { twin.Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	c.URL = server.URL
	twin = registrytwin.New(c)
	r, err := registry.New(c.Name, "sparse+"+server.URL+"/index/")
	if err != nil {
		t.Fatal(err)
	}
	return twin, r
}

// The closure of a real lock file, of real crates, moves to another registry; a consumer with the lines that the report
// gives and the lock file as it was builds, offline and vendored, from what is there.
func TestRealClosure(t *testing.T) {
	packed, _, err := debian.Crates(t.Context(), "librust-reqwest-dev")
	if err != nil {
		t.Fatal(err)
	}
	_, source := serve(t, registrytwin.Config{Name: "upstream", Upstream: registrytwin.Upstream{Folders: []string{packed}}})
	target, feed := serve(t, registrytwin.Config{Name: "feed", AuthRequired: true, Tokens: []registrytwin.Token{{Label: "us", Value: secret.New("Bearer us"), Scope: registrytwin.Publish}, {Label: "reader", Value: secret.New("Bearer reader"), Scope: registrytwin.Read}}})

	lock, err := debian.Lock(t.Context(), t.TempDir(), source.Index)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := lockfile.Parse(lock)
	if err != nil {
		t.Fatal(err)
	}

	feed.Mirror = true
	w := World{CratesIO: true, TokenVariable: "CARGO_REGISTRIES_FEED_TOKEN", Scratch: t.TempDir(), MaxWait: time.Minute}
	w.Source = registry.NewClient(source, registry.Options{})
	w.Target = registry.NewClient(feed, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New("Bearer us"), nil }})
	began := time.Now()
	r, err := Move(t.Context(), w, Request{Locks: []Lock{{Name: "Cargo.lock", Text: lock}}}, Options{})
	if err != nil || r.Outcome != release.Redistributed {
		t.Fatalf("%s: %v\n%+v", r.Outcome, err, r.Problems)
	}
	t.Logf("%d crates in %s; %v", len(target.Accepted()), time.Since(began).Round(time.Millisecond), target.Requests())
	if got, want := len(target.Accepted()), len(packages)-1; got != want || len(r.Redist[0].Crates) != want {
		t.Errorf("%d uploads, want %d", got, want)
	}

	for _, c := range r.Redist[0].Crates {
		if c.State != redist.Moved {
			t.Errorf("%s %s is %s", c.Name, c.Version, c.State)
		}
	}

	began = time.Now()
	built, err := debian.Build(t.Context(), t.TempDir(), r.Redist[0].Config, lock, "CARGO_REGISTRIES_FEED_TOKEN=Bearer reader")
	if err != nil || len(built) < debian.Least {
		t.Errorf("cargo compiled %d of %d crates, want at least %d: %v", len(built), len(packages)-1, debian.Least, err)
	}
	t.Logf("%d crates built in %s", len(built), time.Since(began).Round(time.Millisecond))
}

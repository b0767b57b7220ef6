//go:build e2e

package mirror

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// consumer is a package that uses much, with a cargo of its own.
type consumer struct{ dir, home string }

func newConsumer(t *testing.T, config string) consumer {
	t.Helper()
	c := consumer{dir: t.TempDir(), home: t.TempDir()}
	for name, text := range map[string]string{
		"Cargo.toml":         debian.Consumer,
		"src/main.rs":        "fn main() {}\n",
		".cargo/config.toml": config,
	} {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c consumer) cargo(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cargo", args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "RUSTUP_TOOLCHAIN=" + os.Getenv("RUSTUP_TOOLCHAIN"), "CARGO_HOME=" + c.home}, env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cargo %q: %v\n%s", args, err, errs.String())
	}
	return out
}

// The closure of a real lock file, of real crates, moves to another registry; a consumer with the lines that the report
// gives and the lock file as it was fetches, vendors, and resolves offline from what was vendored.
func TestRealClosure(t *testing.T) {
	packed, _, err := debian.Crates(t.Context(), "librust-reqwest-dev")
	if err != nil {
		t.Fatal(err)
	}
	_, source := serve(t, registrytwin.Config{Name: "upstream", Upstream: registrytwin.Upstream{Folders: []string{packed}}})
	target, feed := serve(t, registrytwin.Config{Name: "feed", AuthRequired: true, Tokens: []registrytwin.Token{{Label: "us", Value: secret.New("Bearer us"), Scope: registrytwin.Publish}, {Label: "reader", Value: secret.New("Bearer reader"), Scope: registrytwin.Read}}})

	maker := newConsumer(t, fmt.Sprintf("[source.crates-io]\nreplace-with = \"upstream\"\n[source.upstream]\nregistry = %q\n", source.Index))
	maker.cargo(t, nil, "generate-lockfile")
	lock, err := os.ReadFile(filepath.Join(maker.dir, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := lockfile.Parse(lock)
	if err != nil || len(packages) < 151 {
		t.Fatalf("%d packages in the lock file, want 150 and the consumer: %v", len(packages), err)
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

	user := newConsumer(t, r.Redist[0].Config)
	if err := os.WriteFile(filepath.Join(user.dir, "Cargo.lock"), lock, 0o644); err != nil {
		t.Fatal(err)
	}
	token := []string{"CARGO_REGISTRIES_FEED_TOKEN=Bearer reader"}
	user.cargo(t, token, "fetch", "--locked")
	vendored := user.cargo(t, token, "vendor", "--locked", "--respect-source-config", "vendor")
	after, err := os.ReadFile(filepath.Join(user.dir, "Cargo.lock"))
	if err != nil || !bytes.Equal(after, lock) {
		t.Errorf("the lock file is another one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(user.dir, ".cargo", "config.toml"), vendored, 0o644); err != nil {
		t.Fatal(err)
	}
	user.home = t.TempDir()
	if tree := user.cargo(t, nil, "tree", "--locked", "--offline", "--prefix", "none"); !strings.Contains(string(tree), "reqwest v") {
		t.Errorf("the tree from the vendored crates:\n%s", tree)
	}
	user.cargo(t, nil, "check", "--locked", "--offline", "--package", "url", "--package", "bytes", "--package", "serde_derive")
	for _, c := range r.Redist[0].Crates {
		if c.State != redist.Moved {
			t.Errorf("%s %s is %s", c.Name, c.Version, c.State)
		}
	}
}

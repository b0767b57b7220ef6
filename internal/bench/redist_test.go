//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/debian"
	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/redist/mirror"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// openRegistry starts a registry on loopback whose every answer is late.
func openRegistry(t *testing.T, c registrytwin.Config, delay time.Duration) (*registrytwin.Twin, registry.Registry) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.URL = "http://" + l.Addr().String()
	c.Tokens = []registrytwin.Token{{Label: "us", Value: secret.New("us"), Scope: registrytwin.Publish}}
	twin := registrytwin.New(c)
	server := &http.Server{Handler: late(delay)(twin.Handler())}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	r, err := registry.New(c.Name, "sparse+"+c.URL+"/index/")
	if err != nil {
		t.Fatal(err)
	}
	return twin, r
}

// closure is a real lock file over a registry of real crates, and the same crates unpacked.
func closure(t *testing.T) (packed, unpacked string, lock []byte) {
	t.Helper()
	packed, unpacked, err := debian.Crates(t.Context(), "librust-reqwest-dev")
	if err != nil {
		t.Fatal(err)
	}
	_, source := openRegistry(t, registrytwin.Config{Name: "upstream", Upstream: registrytwin.Upstream{Folders: []string{packed}}}, 0)
	if lock, err = debian.Lock(t.Context(), t.TempDir(), source.Index); err != nil {
		t.Fatal(err)
	}
	return packed, unpacked, lock
}

// mirrored moves the lock file's crates to a new registry, and returns how long it took and how many requests it made.
func mirrored(t *testing.T, packed string, lock []byte) (took time.Duration, crates, requests int) {
	t.Helper()
	from, source := openRegistry(t, registrytwin.Config{Name: "upstream", Upstream: registrytwin.Upstream{Folders: []string{packed}}}, roundTrip)
	to, target := openRegistry(t, registrytwin.Config{Name: "feed"}, roundTrip)
	target.Mirror = true
	began := time.Now()
	r, err := mirror.Move(t.Context(), mirror.World{
		CratesIO: true, Scratch: t.TempDir(), MaxWait: time.Minute, TokenVariable: "CARGO_REGISTRIES_FEED_TOKEN", Source: registry.NewClient(source, registry.Options{}),
		Target: registry.NewClient(target, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New("us"), nil }}),
	}, mirror.Request{Locks: []mirror.Lock{{Name: "Cargo.lock", Text: lock}}}, mirror.Options{})
	took = time.Since(began)
	if err != nil || r.Outcome != release.Redistributed {
		t.Fatalf("%s: %v %+v", r.Outcome, err, r.Problems)
	}
	for _, twin := range []*registrytwin.Twin{from, to} {
		for _, n := range twin.Requests() {
			requests += n
		}
	}
	return took, len(to.Accepted()), requests
}

// cargoPublished publishes every unpacked crate with a cargo of its own, dependencies first, and returns the time of those
// that it could publish.
func cargoPublished(t *testing.T, packed, unpacked string, lock []byte) (took time.Duration, crates, requests int) {
	t.Helper()
	from, source := openRegistry(t, registrytwin.Config{Name: "upstream", Upstream: registrytwin.Upstream{Folders: []string{packed}}}, roundTrip)
	to, target := openRegistry(t, registrytwin.Config{Name: "feed"}, roundTrip)
	packages, err := lockfile.Parse(lock)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, p := range packages {
		if p.Source == "" {
			continue
		}
		dir := filepath.Join(t.TempDir(), p.Name)
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(unpacked, p.Name+"-"+p.Version))); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, ".cargo-checksum.json"))
		cmd := exec.CommandContext(t.Context(), "cargo", "publish", "--no-verify", "--allow-dirty", "--index", target.Index, "--token", "us",
			"--config", `source.crates-io.replace-with="stand-in"`, "--config", fmt.Sprintf("source.stand-in.registry=%q", source.Index))
		cmd.Dir, cmd.Env = dir, quiet("CARGO_HOME="+home, "CARGO_TARGET_DIR="+filepath.Join(t.TempDir(), "target"))
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Logf("cargo cannot publish %s: %s", p.Key(), lines[len(lines)-1])
			continue
		}
		took += time.Since(began)
		crates++
	}
	for _, twin := range []*registrytwin.Twin{from, to} {
		for _, n := range twin.Requests() {
			requests += n
		}
	}
	return took, crates, requests
}

func measureRedist(t *testing.T) section {
	packed, unpacked, lock := closure(t)
	var ours []time.Duration
	n, asked := 0, 0
	for range rounds {
		took, crates, requests := mirrored(t, packed, lock)
		ours, n, asked = append(ours, took), crates, requests
	}
	theirs, could, theyAsked := cargoPublished(t, packed, unpacked, lock)
	each, eachOfTheirs := median(ours)/time.Duration(n), theirs/time.Duration(max(1, could))
	return section{
		title: "The closure of a lock file, to another registry",
		how: fmt.Sprintf("%d real crates, as Debian has them, packed: all that a lock file takes from crates.io, for which a registry stands. `tagboat redist` looks both indexes up, compares checksums,\n"+
			"moves the bytes as they are, and confirms each. Both registries wait %s more with each request and have no index lag. Beside it, one `cargo publish --no-verify` for each crate's unpacked\n"+
			"sources, in the order of the lock file, with one cargo home: it packs the crate anew (so with other bytes, and other checksums), resolves its dependencies, uploads, and waits for the index.", n, roundTrip),
		rows: []row{
			{"a crate takes at most 1/10 of what `cargo publish` takes for it", short(each) + " against " + short(eachOfTheirs), fraction(each, eachOfTheirs), judge(each*10 <= eachOfTheirs)},
			{"the whole closure", spread(ours) + " against " + short(theirs) + fmt.Sprintf(" for the %d that cargo could publish", could), fraction(median(ours), theirs), none},
		},
		notes: []string{fmt.Sprintf("requests: %d for %d crates, at most %d uploads at the same time; cargo made %d for %d, the failed ones included", asked, n, mirror.DefaultParallel, theyAsked, could)},
	}
}

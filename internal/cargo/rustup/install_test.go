//go:build e2e

package rustup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/cargo/rustup"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/source"
)

// dist is a server of Rust's releases with this machine's toolchain, packed once.
var dist *outside.Dist

func TestMain(m *testing.M) {
	zone.Main()
	code, err := func() (int, error) {
		out, err := exec.Command("rustc", "--print", "sysroot").Output()
		if err != nil {
			return 1, err
		}
		dir, err := os.MkdirTemp("", "dist-")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
		if dist, err = outside.NewDist(strings.TrimSpace(string(out)), dir); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// serve starts the server with that version.
func serve(t *testing.T, version string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.FileServer(http.Dir(dist.Dir)))
	t.Cleanup(srv.Close)
	if err := dist.Offer(version, srv.URL); err != nil {
		t.Fatal(err)
	}
	return srv
}

// A release of a commit that pins a toolchain that is missing has it installed, tells so once, and a later run finds it where
// it was kept.
func TestCheckoutInstalls(t *testing.T) {
	out, err := exec.Command("rustc", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.Fields(string(out))[1]
	srv := serve(t, version)
	work, empty, kept := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "kept")
	for name, value := range map[string]string{"RUSTUP_HOME": empty, "RUSTUP_DIST_SERVER": srv.URL, "RUSTUP_TOOLCHAIN": ""} {
		t.Setenv(name, value)
	}
	files := map[string]string{"Cargo.toml": "[package]\nname = \"pinned\"\nversion = \"0.1.0\"\nedition = \"2021\"\n", "src/lib.rs": "//! pinned\n", "Cargo.lock": "version = 4\n\n[[package]]\nname = \"pinned\"\nversion = \"0.1.0\"\n",
		"rust-toolchain.toml": "[toolchain]\nchannel = \"" + version + "\"\n"}
	for name, text := range files {
		name = filepath.Join(work, "w", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	staged := filepath.Join(work, "repo")
	if err := sample.Stage(t.Context(), filepath.Join(work, "w"), staged); err != nil {
		t.Fatal(err)
	}
	repo, err := git.Open(t.Context(), staged)
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range []int{1, 0} {
		var said []string
		src := &source.Repository{Repo: repo, Scratch: t.TempDir(), Toolchains: kept, Say: func(text string) { said = append(said, text) }}
		c, _, err := src.Checkout(t.Context(), release.Request{}, nil)
		src.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(c.Toolchain, "cargo "+version) || len(said) != want {
			t.Errorf("run %d: %s, said %q", run, c.Toolchain, said)
		}
		for _, f := range c.Findings {
			if f.Rule == "toolchain" {
				t.Errorf("run %d: %s", run, f.Summary)
			}
		}
		srv.Close() // the second run asks nobody
	}
}

// The real rustup installs a real toolchain in a zone; a zone that is asked for it afterwards has it, and it works there.
func TestInstall(t *testing.T) {
	out, err := exec.Command("rustc", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.Fields(string(out))[1]
	srv := serve(t, version)
	empty, scratch, home, checkout := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "kept"), t.TempDir()
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + empty, "RUSTUP_HOME=" + empty, "RUSTUP_DIST_SERVER=" + srv.URL, "SOME_TOKEN=canary"}
	if err := os.WriteFile(filepath.Join(checkout, "rust-toolchain.toml"), []byte("[toolchain]\nchannel = \""+version+"\"\ncomponents = [\"--evil\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wanted := zone.Config{Checkout: checkout, Environ: environ, Toolchains: home}
	if got := zone.Missing(wanted); got != version {
		t.Fatalf("missing %q, want %q", got, version)
	}
	var said []string
	install := rustup.Install{Channel: version, Checkout: checkout, Home: home, Scratch: scratch, Environ: environ, Line: func(line string) { said = append(said, line) }}
	for range 2 { // once more is no harm
		began := time.Now()
		if err := install.Run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(said, "\n"))
		}
		t.Logf("installed in %s", time.Since(began).Round(100*time.Millisecond))
	}
	if got := zone.Missing(wanted); got != "" {
		t.Errorf("%s is still missing", got)
	}
	entries, err := os.ReadDir(filepath.Join(home, "toolchains"))
	if err != nil || len(entries) != 1 {
		t.Errorf("kept %v, %v", entries, err)
	}
	z, err := zone.New(wanted)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if z.Toolchain().Wanted != "" || z.Toolchain().Name != version+"-"+dist.Triple {
		t.Errorf("the zone has %+v", z.Toolchain())
	}
	ran, err := z.Run(t.Context(), zone.Command{Argv: []string{"cargo", "--version"}})
	if err != nil || ran.Err() != nil || !strings.HasPrefix(string(ran.Stdout), "cargo "+version) {
		t.Errorf("cargo in the zone: %s, %v, %v", ran.Stdout, err, ran.Err())
	}
	// Neither half a download nor a server that is not there leaves anything behind.
	srv.Close()
	bad := install
	bad.Home = filepath.Join(t.TempDir(), "none")
	err = bad.Run(t.Context())
	var p *problem.Error
	if !errors.As(err, &p) || !strings.Contains(p.Summary, "cannot be installed") {
		t.Errorf("without a server: %v", err)
	}
	if _, err := os.Stat(bad.Home); err == nil {
		t.Error("a failed installation left something")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bad.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was ended: %v", err)
	}
}

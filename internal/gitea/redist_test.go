//go:build e2e

package gitea

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/debian"
	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	stage "github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
)

// files writes a folder.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// redistributed runs tagboat redist in a folder and returns its report.
func redistributed(t *testing.T, dir string, env []string, args ...string) redist.Report {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tagboat, append([]string{"-C", dir, "--json", "redist"}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CI=1", "CARGO_REGISTRIES_FEED_TOKEN=Bearer " + server.admin}, env...)
	text, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var r redist.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Outcome != release.Redistributed {
		t.Fatalf("outcome %s, %v\n%s", r.Outcome, err, text)
	}
	return r
}

// consumed runs cargo in a consumer's folder, with an empty cargo home.
func consumed(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cargo", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CARGO_HOME=" + t.TempDir(), "CARGO_REGISTRIES_FEED_TOKEN=Bearer " + server.admin}
	text, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The closure of a lock file of real crates moves to a real registry, and a consumer that keeps its lock file builds, offline
// and vendored, from what is there.
func TestRedistClosure(t *testing.T) {
	packed, _, err := debian.Crates(t.Context(), "librust-reqwest-dev")
	if err != nil {
		t.Fatal(err)
	}
	var twin *registrytwin.Twin
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { twin.Handler().ServeHTTP(w, r) }))
	defer front.Close()
	twin = registrytwin.New(registrytwin.Config{URL: front.URL, Upstream: registrytwin.Upstream{Folders: []string{packed}}})
	upstream := "sparse+" + front.URL + "/index/"

	lock, err := debian.Lock(t.Context(), t.TempDir(), upstream)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := lockfile.Parse(lock)
	if err != nil {
		t.Fatal(err)
	}
	index := server.organisation(t, "redist-closure")
	dir := files(t, map[string]string{"Cargo.lock": string(lock), "tagboat.toml": fmt.Sprintf("[registries.upstream]\nindex = %q\nmirror = true\n[registries.feed]\nindex = %q\nkind = \"gitea\"\n", upstream, index)})
	r := redistributed(t, dir, nil, "--from", "upstream", "--to", "feed", "--lock", "Cargo.lock")
	if n := len(r.Redist[0].Crates); n != len(packages)-1 {
		t.Errorf("%d crates, want %d", n, len(packages)-1)
	}
	again := redistributed(t, dir, nil, "--from", "upstream", "--to", "feed", "--lock", "Cargo.lock")
	for _, c := range again.Redist[0].Crates {
		if c.State != redist.There {
			t.Errorf("%s is %s in the second run", c.Name, c.State)
		}
	}

	built, err := debian.Build(t.Context(), t.TempDir(), r.Redist[0].Config, lock, "CARGO_REGISTRIES_FEED_TOKEN=Bearer "+server.admin)
	if err != nil || len(built) < debian.Least {
		t.Errorf("cargo compiled %d of %d crates, want at least %d: %v", len(built), len(packages)-1, debian.Least, err)
	}
}

// The mshv sample goes to a real registry from git; the real cargo builds with an "=" requirement; a second run does
// nothing; a changed revision is published beside it.
func TestRedistGit(t *testing.T) {
	up := filepath.Join(t.TempDir(), "mshv")
	if err := stage.Stage(t.Context(), "../../testdata/workspaces/mshv", up); err != nil {
		t.Fatal(err)
	}
	index := server.organisation(t, "redist-git")
	ledger := filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(ledger, os.DirFS(files(t, map[string]string{"tagboat.toml": fmt.Sprintf("[registries.feed]\nindex = %q\nkind = \"gitea\"\n", index)}))); err != nil {
		t.Fatal(err)
	}
	w, err := outside.Start(t.Context(), outside.Config{Workspace: ledger, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var env []string
	for name, value := range w.Env() {
		env = append(env, name+"="+value)
	}
	args := []string{"--watch", "none", "--git", up, "--rev", "main", "--crate", "mshv-ioctls", "--crate", "mshv-bindings", "--to", "feed", "--version-scheme", "{version}-{date}.{count}"}
	for _, want := range []string{"1", "2"} {
		r := redistributed(t, w.Checkout, env, args...)
		user := files(t, map[string]string{"Cargo.toml": "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n" + r.Redist[0].Manifest,
			"src/main.rs": "fn main() { print!(\"{}\", mshv_ioctls::api_version()) }\n", ".cargo/config.toml": r.Redist[0].Config})
		if got := consumed(t, user, "run", "--quiet"); got != want {
			t.Errorf("built from %v: got %s, want %s", r.Redist[0].Crates, got, want)
		}
		for _, c := range redistributed(t, w.Checkout, env, args...).Redist[0].Crates {
			if c.State != redist.There {
				t.Errorf("%s is %s in the second run", c.Name, c.State)
			}
		}
		lib := filepath.Join(up, "mshv-bindings", "src", "lib.rs")
		text, err := os.ReadFile(lib)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(lib, []byte(strings.Replace(string(text), "u32 = 1", "u32 = 2", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if want == "1" {
			if err := stage.Git(t.Context(), up, "commit", "-q", "-a", "-m", "Second"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(w.GitHub.Releases()); n != 2 {
		t.Errorf("%d ledgers, want 2", n)
	}
}

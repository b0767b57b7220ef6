//go:build e2e

package container

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/secret"
)

const samples = "../../testdata/workspaces"

// world is GitHub and crates.io at their own addresses, around one repository.
type world struct {
	*outside.World
	crates *registrytwin.Twin
	token  string // for crates.io
}

// one keeps two worlds from wanting the same port.
var one sync.Mutex

// startWorld starts a world around a sample whose workflows are examples; edit may change more before the first commit.
func startWorld(t *testing.T, workspace string, examples []string, onDispatch func(context.Context, githubtwin.Dispatch) string) *world {
	t.Helper()
	one.Lock()
	t.Cleanup(one.Unlock)
	dir := t.TempDir()
	copied := filepath.Join(dir, filepath.Base(workspace))
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(samples, workspace))); err != nil {
		t.Fatal(err)
	}
	flows := filepath.Join(copied, ".github", "workflows")
	if err := os.RemoveAll(flows); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(flows, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(filepath.Join(root, "examples", name))
		if err != nil {
			t.Fatal(err)
		}
		// The one thing that the example leaves to its reader.
		text = []byte(strings.ReplaceAll(string(text), "my-program", "trace_dump"))
		// A key of 2026 that this runner does not know.
		text = regexp.MustCompile(`(?m)^  queue: max.*\n`).ReplaceAll(text, nil)
		if err := os.WriteFile(filepath.Join(flows, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "world"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := &world{token: "cio-secret-of-the-test"}
	var err error
	if w.World, err = outside.Start(t.Context(), outside.Config{Workspace: copied, Dir: filepath.Join(dir, "world"), OnDispatch: onDispatch}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	w.crates = registrytwin.New(registrytwin.Config{Name: "crates-io", URL: "https://crates.io", Manners: registrytwin.CratesIO,
		Tokens: []registrytwin.Token{{Label: "release", Value: secret.New(w.token), Scope: registrytwin.Publish}}})
	w.serve(t)
	return w
}

// serve answers at the real names.
func (w *world) serve(t *testing.T) {
	t.Helper()
	a, err := loadAuthority()
	if err != nil {
		t.Fatal(err)
	}
	l, err := a.listen()
	if err != nil {
		t.Fatalf("the port of https must be free on loopback: %v", err)
	}
	hub, crates := w.GitHub.Handler(), w.crates.Handler()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.Host {
		case "index.crates.io":
			r.URL.Path = "/index" + r.URL.Path
			crates.ServeHTTP(rw, r)
		case "crates.io", "static.crates.io":
			crates.ServeHTTP(rw, r)
		default:
			hub.ServeHTTP(rw, r)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// clone is what actions/checkout leaves: all tags and branches, with one ref checked out.
func (w *world) clone(t *testing.T, ref string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), w.Name)
	for _, args := range [][]string{{"clone", "-q", w.Bare.Dir, dir}, {"-C", dir, "checkout", "-q", ref}, {"-C", dir, "remote", "set-url", "origin", "https://github.com/" + outside.Owner + "/" + w.Name}} {
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

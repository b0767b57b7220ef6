//go:build bench

package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// late adds a round trip to every request.
func late(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if d == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(d)
			next.ServeHTTP(w, r)
		})
	}
}

// grid describes a workspace of tiny library crates: each crate of a level depends on every crate of the level before.
type grid struct {
	levels, wide int
	verify       bool
	feed         string // index of a private registry that they go to; "" is crates.io
}

const gridVersion = "0.1.0"

func (g grid) name(level, i int) string { return fmt.Sprintf("bench-l%02d-c%02d", level, i) }

func (g grid) names() []string {
	var out []string
	for level := range g.levels {
		for i := range g.wide {
			out = append(out, g.name(level, i))
		}
	}
	return out
}

// stage writes the workspace with its lock file as a git repository with one commit and the tag v0.1.0.
func (g grid) stage(t *testing.T) string {
	t.Helper()
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "grid")
	write := func(name, text string) {
		path := filepath.Join(src, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n\n[workspace.package]\nversion = \""+gridVersion+"\"\n")
	publish, home := "", ""
	if g.feed != "" {
		publish, home = "publish = [\"feed\"]\n", ", registry = \"feed\""
		write(".cargo/config.toml", "[registries.feed]\nindex = \""+g.feed+"\"\n")
	}
	if !g.verify {
		write("tagboat.toml", "[package]\nverify = false\n")
	}
	for level := range g.levels {
		for i := range g.wide {
			name := g.name(level, i)
			text := "[package]\nname = \"" + name + "\"\nversion.workspace = true\nedition = \"2021\"\nlicense = \"MIT\"\ndescription = \"A crate to measure with\"\n" + publish + "\n[dependencies]\n"
			for j := range g.wide {
				if level > 0 {
					text += fmt.Sprintf("%[1]s = { path = \"../%[1]s\", version = \"%[2]s\"%[3]s }\n", g.name(level-1, j), gridVersion, home)
				}
			}
			write("crates/"+name+"/Cargo.toml", text)
			write("crates/"+name+"/src/lib.rs", "//! Measured.\npub fn level() -> u32 { "+fmt.Sprint(level)+" }\n")
		}
	}
	cmd := exec.CommandContext(t.Context(), "cargo", "generate-lockfile", "--offline")
	cmd.Dir, cmd.Env = src, quiet("CARGO_HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo generate-lockfile: %v\n%s", err, out)
	}
	stageTagged(t, src, dst, "v"+gridVersion)
	return dst
}

// stageTagged makes dst a repository of src's files with one commit and an annotated tag.
func stageTagged(t *testing.T, src, dst, tag string) {
	t.Helper()
	if err := sample.Stage(t.Context(), src, dst); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"tag", "-a", "-m", tag, tag}, {"repack", "-a", "-d", "-q"}} { // packed, as in a clone
		if err := sample.Git(t.Context(), dst, argv...); err != nil {
			t.Fatal(err)
		}
	}
}

// build makes the embedded world for a repository.
func build(t *testing.T, repository string, lag, delay time.Duration) *rehearsal.Stage {
	t.Helper()
	s, err := rehearsal.Build(t.Context(), rehearsal.Config{Path: repository, Dir: t.TempDir(), Lag: lag, Wrap: late(delay)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run is one run of the production pipeline and when each kind of step began and ended.
type run struct {
	report *release.Report
	took   time.Duration
	first  map[string]time.Time // kind -> start of its first step
	last   map[string]time.Time // kind -> end of its last step
}

// span is the time from the first step of one kind to the last of another.
func (r run) span(from, to string) time.Duration { return r.last[to].Sub(r.first[from]) }

// release runs the pipeline as a rehearsal does, both halves in one, with clients, clone and build zone of its own.
func converged(t *testing.T, s *rehearsal.Stage, tag string, between func(key string, after bool) error) (run, error) {
	t.Helper()
	out := run{first: map[string]time.Time{}, last: map[string]time.Time{}}
	scratch := t.TempDir()
	began := time.Now()
	w, end, err := s.World(t.Context(), scratch)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	watch := func(e converge.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch e.State {
		case converge.StateRunning:
			if out.first[e.Kind].IsZero() {
				out.first[e.Kind] = time.Now()
			}
		case converge.StateDone, converge.StateSkipped:
			out.last[e.Kind] = time.Now()
		}
	}
	o := ship.Options{Command: "bench", Between: between, Planned: func(release.Snapshot, release.Plan) func(converge.Event) { return watch }}
	out.report, err = ship.Converge(t.Context(), w, release.Request{Branch: release.BranchForm("release/{tag}").Of(tag), Half: release.Both}, o)
	if e := end(); e != nil {
		t.Error(e)
	}
	out.took = time.Since(began)
	return out, err
}

// whole is converged for runs that must succeed.
func whole(t *testing.T, s *rehearsal.Stage, tag string) run {
	t.Helper()
	r, err := converged(t, s, tag, nil)
	if err != nil || r.report.Outcome != release.Released {
		t.Fatalf("release: %s %v %+v", r.report.Outcome, err, r.report.Problems)
	}
	return r
}

// cargoRun is one run of cargo and when its lines came.
type cargoRun struct {
	took      time.Duration
	uploading time.Duration // from the first upload to the end; zero where nothing was uploaded
}

// cargo runs the real cargo in a repository, with an empty cargo home.
func cargo(t *testing.T, repository string, args ...string) cargoRun {
	t.Helper()
	return cargoIn(t, repository, t.TempDir(), args...)
}

// cargoIn is cargo with a cargo home and a target folder below a given folder.
func cargoIn(t *testing.T, repository, dir string, args ...string) cargoRun {
	t.Helper()
	var uploading time.Time
	lines := &lineWriter{line: func(s string) {
		if uploading.IsZero() && strings.HasPrefix(strings.TrimSpace(s), "Uploading ") {
			uploading = time.Now()
		}
	}}
	cmd := exec.CommandContext(t.Context(), "cargo", args...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = repository, lines, lines
	cmd.Env = quiet("CARGO_HOME="+filepath.Join(dir, "home"), "CARGO_TARGET_DIR="+filepath.Join(dir, "target"))
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("cargo %q: %v\n%s", args, err, lines.all.String())
	}
	r := cargoRun{took: time.Since(began)}
	if !uploading.IsZero() {
		r.uploading = r.took - uploading.Sub(began)
	}
	return r
}

// lineWriter hands lines on as they come.
type lineWriter struct {
	all  strings.Builder
	rest string
	line func(string)
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.all.Write(p)
	w.rest += string(p)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		w.line(line)
	}
}

// publishArgs let cargo publish to the stage's crates.io: it is named by its index, and stands for crates.io.
func publishArgs(s *rehearsal.Stage, args ...string) []string {
	feed := s.Feeds["crates-io"]
	index := "sparse+" + feed.URL
	return append([]string{"publish", "--locked", "--index", index, "--token", feed.Token.Reveal(),
		"--config", `source.crates-io.replace-with="stand-in"`, "--config", `source.stand-in.registry="` + index + `"`}, args...)
}

// accepted fails unless the stage's registry took exactly n uploads.
func accepted(t *testing.T, s *rehearsal.Stage, registry string, n int) {
	t.Helper()
	if got := len(s.Feeds[registry].Twin.Accepted()); got != n {
		t.Fatalf("%d uploads were accepted, want %d", got, n)
	}
}

// tagboat builds the program once.
var tagboat = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tagboat-bench-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tagboat")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "github.com/tagboat/tagboat/cmd/tagboat").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tagboat: %w\n%s", err, out)
	}
	return path, nil
})

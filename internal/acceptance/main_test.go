//go:build e2e

package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
)

// binary is the real program.
var binary string

func TestMain(m *testing.M) {
	zone.Main() // a child of the build zone does not come back from here
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tagboat-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tagboat")
	cmd := exec.Command("go", "build", "-o", binary, "github.com/tagboat/tagboat/cmd/tagboat")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build tagboat: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const workspaces = "../../testdata/workspaces"

// stageSample makes a rehearsal's world for a sample.
func stageSample(t *testing.T, name string, faults ...fault.Spec) *rehearsal.Stage {
	t.Helper()
	return stageFolder(t, filepath.Join(workspaces, name), faults...)
}

func stageFolder(t *testing.T, folder string, faults ...fault.Spec) *rehearsal.Stage {
	t.Helper()
	dir := t.TempDir()
	repo := filepath.Join(dir, filepath.Base(folder))
	if err := sample.Stage(t.Context(), folder, repo); err != nil {
		t.Fatal(err)
	}
	world := filepath.Join(dir, "world")
	if err := os.Mkdir(world, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := rehearsal.Build(t.Context(), rehearsal.Config{Path: repo, Dir: world, Faults: fault.NewSet(faults...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// rehearse releases every tag of the stage and returns the reports.
func rehearse(t *testing.T, s *rehearsal.Stage) []*release.Report {
	t.Helper()
	var all []*release.Report
	for _, tag := range s.Tags {
		r, err := s.Run(t.Context(), tag, nil, rehearsal.Watcher{})
		if err != nil || r.Outcome != release.Released {
			t.Fatalf("rehearse %s: outcome %v, problems %+v: %v", tag, r.Outcome, r.Problems, err)
		}
		all = append(all, r)
	}
	return all
}

// startWorld starts an outside world around a copy of a workspace that edit may change before it is committed.
func startWorld(t *testing.T, workspace string, c outside.Config, edit func(dir string) error) *outside.World {
	t.Helper()
	dir := t.TempDir()
	c.Workspace, c.Dir = filepath.Join(dir, filepath.Base(workspace)), filepath.Join(dir, "world")
	if err := os.CopyFS(c.Workspace, os.DirFS(workspace)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		if err := edit(c.Workspace); err != nil {
			t.Fatal(err)
		}
	}
	w, err := outside.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// forFeed rewrites a workspace for crates.io so that all of it goes to the registry "feed".
func forFeed(dir string) error { return outside.ForFeed(dir, "{index:feed}") }

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// pushTag makes a tag at the checkout's head and pushes it.
func pushTag(t *testing.T, w *outside.World, tag string) {
	t.Helper()
	if err := w.Git(t.Context(), "tag", "-a", "-m", tag, tag); err != nil {
		t.Fatal(err)
	}
	if err := w.Push(t.Context(), "refs/tags/"+tag); err != nil {
		t.Fatal(err)
	}
}

// run is one process of tagboat on an empty disk: a new clone, a new folder for temporary files.
type run struct {
	clone, temp string
	env         []string
	cmd         *exec.Cmd
	out, errs   strings.Builder
}

// newRun prepares a process; extra variables win.
func newRun(ctx context.Context, t *testing.T, w *outside.World, extra map[string]string, args ...string) *run {
	t.Helper()
	dir := t.TempDir()
	r := &run{clone: filepath.Join(dir, w.Name), temp: filepath.Join(dir, "temp")}
	if err := os.Mkdir(r.temp, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "git", "clone", "-q", w.Bare.Dir, r.clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME"), "RUSTUP_HOME": rustupHome(), "RUNNER_TEMP": r.temp, "TMPDIR": r.temp, "CI": "1"}
	maps.Copy(env, w.Env())
	maps.Copy(env, extra)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		r.env = append(r.env, name+"="+env[name])
	}
	r.cmd = exec.CommandContext(ctx, binary, append([]string{"-C", r.clone, "--json"}, args...)...)
	r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = r.env, &r.out, &r.errs
	return r
}

func rustupHome() string {
	if home := os.Getenv("RUSTUP_HOME"); home != "" {
		return home
	}
	return filepath.Join(os.Getenv("HOME"), ".rustup")
}

// report is the document that the process printed.
func (r *run) report(t *testing.T) release.Report {
	t.Helper()
	var rep release.Report
	if err := json.Unmarshal([]byte(r.out.String()), &rep); err != nil {
		t.Fatalf("the report: %v\n%s\n%s", err, r.out.String(), r.errs.String())
	}
	return rep
}

// must runs the process to its end and wants its exit code.
func (r *run) must(t *testing.T, code int) release.Report {
	t.Helper()
	err := r.cmd.Run()
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("tagboat %q: exit code %d, want %d: %v\n%s\n%s", r.cmd.Args[1:], got, code, err, r.out.String(), r.errs.String())
	}
	return r.report(t)
}

// once is a thing that happens one time.
type once struct {
	mu   sync.Mutex
	done bool
}

func (o *once) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.done
	o.done = true
	return !was
}

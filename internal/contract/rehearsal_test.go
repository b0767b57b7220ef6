//go:build e2e

package contract

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
)

// stage makes a rehearsal's world for a sample workspace, with every exchange with its GitHub held against the
// description.
func stage(t *testing.T, name string, faults ...string) *rehearsal.Stage {
	t.Helper()
	dir := t.TempDir()
	repository := filepath.Join(dir, name)
	if err := sample.Stage(t.Context(), filepath.Join("../../testdata/workspaces", name), repository); err != nil {
		t.Fatal(err)
	}
	world := filepath.Join(dir, "world")
	if err := os.Mkdir(world, 0o755); err != nil {
		t.Fatal(err)
	}
	var specs []fault.Spec
	for _, line := range faults {
		spec, err := fault.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, spec)
	}
	var s *rehearsal.Stage
	wrap := func(next http.Handler) http.Handler {
		github := seen.inspect(t, func(r *http.Request) string { return s.GitHub.Op(r) }, next, func(violation error) { t.Error(violation) })
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if at, err := url.Parse(s.URL); err != nil || r.Host != at.Host {
				next.ServeHTTP(w, r) // a registry
				return
			}
			github.ServeHTTP(w, r)
		})
	}
	var err error
	s, err = rehearsal.Build(t.Context(), rehearsal.Config{Path: repository, Dir: world, Faults: fault.NewSet(specs...), Wrap: wrap})
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

// run rehearses a tag and wants an outcome.
func run(t *testing.T, s *rehearsal.Stage, tag, outcome string) *release.Report {
	t.Helper()
	r, err := s.Run(t.Context(), tag, nil, rehearsal.Watcher{})
	if r == nil || r.Outcome != outcome {
		t.Fatalf("rehearse %s: got %+v, %v, want %s", tag, r, err, outcome)
	}
	return r
}

// Whole releases, and each of them again: the second run finds everything done.
func TestRehearsals(t *testing.T) {
	for _, name := range []string{"hyperlight", "mshv", "two-registries"} {
		t.Run(name, func(t *testing.T) {
			s := stage(t, name)
			for _, tag := range s.Tags {
				run(t, s, tag, release.Released)
			}
			if undrafted := s.GitHub.Undrafted(); len(undrafted) != len(s.Tags) {
				t.Errorf("got %d releases, want %d", len(undrafted), len(s.Tags))
			}
			requests := 0
			for _, n := range s.GitHub.Requests() {
				requests += n
			}
			t.Logf("%s: %d tags, %d requests to GitHub", name, len(s.Tags), requests)
			for _, tag := range s.Tags {
				run(t, s, tag, release.Released)
			}
			if undrafted := s.GitHub.Undrafted(); len(undrafted) != len(s.Tags) {
				t.Errorf("got %d releases after the second run, want %d", len(undrafted), len(s.Tags))
			}
		})
	}
}

// A release among lost answers, broken uploads and limits, in several lives.
func TestRehearsalWithFaults(t *testing.T) {
	s := stage(t, "mshv",
		"github create-ref: accept-then 500",
		"github create-release: accept-then drop",
		"github upload-asset bill.json: accept-then 502",
		"github upload-asset mshv-ioctls-0.7.0.crate: drop",
		"github upload-asset mshv-bindings-0.7.0.crate: refuse 429 retry-after 1s",
		"github list-assets: refuse 503 retry-after 1s",
		"github update-release: accept-then drop",
		"crates-io publish mshv-bindings: die-after",
	)
	for _, tag := range s.Tags {
		run(t, s, tag, release.Released)
	}
	if left := s.Config.Faults.Unfired(); len(left) > 0 {
		t.Errorf("got faults that did not happen: %q", left)
	}
	if undrafted := s.GitHub.Undrafted(); len(undrafted) != len(s.Tags) {
		t.Errorf("got %d releases, want %d", len(undrafted), len(s.Tags))
	}
}

// A blocker stops a release before anything is written, and closing it lets the same tag through.
func TestRehearsalWithBlocker(t *testing.T) {
	s := stage(t, "two-registries")
	s.GitHub.AddPullRequest("no blocker", "release-blocker")
	number := s.GitHub.AddIssue("does not build", "release-blocker")
	r := run(t, s, s.Tags[0], release.Stopped)
	if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Summary+r.Problems[0].Detail, "does not build") {
		t.Errorf("got problems %+v, want the issue named", r.Problems)
	}
	if writes := s.GitHub.Writes(); len(writes) > 0 {
		t.Errorf("got writes %+v, want none", writes)
	}
	s.GitHub.CloseIssue(number)
	run(t, s, s.Tags[0], release.Released)
}

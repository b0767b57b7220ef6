package ship_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
)

const releaseWorkflow = "name: Release\non:\n  workflow_dispatch:\njobs:\n  release:\n    runs-on: ubuntu-latest\n    steps: []\n"

// slow is a release workflow that takes a minute.
func slow(conclusion string) func(context.Context, githubtwin.Dispatch) string {
	return func(ctx context.Context, _ githubtwin.Dispatch) string {
		select {
		case <-time.After(time.Minute):
			return conclusion
		case <-ctx.Done():
			return "cancelled"
		}
	}
}

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		name    string
		github  func(*githubtwin.Config)
		faults  []string
		lose    string // the request whose first answer is lost
		running bool   // somebody has started it before
		detach  bool
		outcome string
		runs    int
		says    string // in the step's reason or a problem
	}{
		{name: "followed to its end", outcome: release.Released, runs: 1, says: "succeeded: http"},
		{name: "at once over", github: func(c *githubtwin.Config) { c.OnDispatch = nil }, outcome: release.Released, runs: 1},
		{name: "detached", detach: true, outcome: release.Started, runs: 1, says: "started: http"},
		{name: "a run is under way", running: true, outcome: release.Released, runs: 1},
		{name: "the answer is lost", lose: "POST /repos/o/r/actions/workflows/release.yml/dispatches", outcome: release.Released, runs: 1},
		{name: "an old server", github: func(c *githubtwin.Config) { c.OldServer = true }, outcome: release.Released, runs: 1},
		{name: "an old server loses the answer", github: func(c *githubtwin.Config) { c.OldServer = true }, lose: "POST /repos/o/r/actions/workflows/release.yml/dispatches", outcome: release.Released, runs: 1},
		{name: "it waits for a runner", github: func(c *githubtwin.Config) { c.StartDelay = 90 * time.Second }, outcome: release.Released, runs: 1},
		{name: "it never starts", github: func(c *githubtwin.Config) { c.NeverStarts = true }, outcome: release.Failed, runs: 1, says: "did not start within 2m"},
		{name: "it fails", github: func(c *githubtwin.Config) { c.OnDispatch = slow("failure") }, outcome: release.Failed, runs: 1, says: "ended with failure"},
		{name: "it is cancelled", github: func(c *githubtwin.Config) { c.OnDispatch = slow("cancelled") }, outcome: release.Failed, runs: 1, says: "ended with cancelled"},
		{name: "it takes longer than anybody waits", github: func(c *githubtwin.Config) {
			c.OnDispatch = func(ctx context.Context, _ githubtwin.Dispatch) string { <-ctx.Done(); return "cancelled" }
		}, outcome: release.Waiting, runs: 1, says: "still runs"},
		{name: "a look at the run fails", faults: []string{"github get-run #20: refuse 502"}, outcome: release.Released, runs: 1},
		{name: "looks fail until it has ended", faults: []string{"github get-run #60: refuse 502"}, outcome: release.Released, runs: 1},
		{name: "looks fail until it has failed", github: func(c *githubtwin.Config) { c.OnDispatch = slow("failure") },
			faults: []string{"github get-run #60: refuse 502"}, outcome: release.Failed, runs: 1, says: "ended with failure"},
		{name: "the run is not seen at once", faults: []string{"github get-run: refuse 404"}, outcome: release.Released, runs: 1},
		{name: "no right to start it", faults: []string{"github dispatch: refuse 403"}, outcome: release.Stopped, runs: 0, says: "refused to start workflow release.yml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Workflow: releaseWorkflow, Faults: test.faults, Config: func(c *config.Config) { c.Workflow.RunTimeout = config.Duration(3 * time.Minute) }, GitHub: func(c *githubtwin.Config) {
					c.OnDispatch = slow("success")
					if test.github != nil {
						test.github(c)
					}
				}})
				if test.running {
					if err := w.Outside().Forge.CreateBranch(t.Context(), w.Branch(), w.Commit); err != nil {
						t.Fatal(err)
					}
					if _, err := w.Outside().Forge.Dispatch(t.Context(), "release.yml", w.Branch(), nil); err != nil {
						t.Fatal(err)
					}
				}
				var lost atomic.Bool
				w.Answer(func(resp *http.Response) error {
					if r := resp.Request; resp.StatusCode < 300 && r.Method+" "+r.URL.Path == test.lose && !lost.Swap(true) {
						return errors.New("connection reset by peer")
					}
					return nil
				})
				r, _ := ship.Converge(t.Context(), w.Outside(), release.Request{Tag: w.Tag(), Half: release.First, Detach: test.detach}, ship.Options{})
				said := r.Steps[len(r.Steps)-1].Reason
				for _, p := range r.Problems {
					said += "; " + p.Summary + "; " + p.Detail
				}
				if r.Outcome != test.outcome || len(w.GitHub.Runs()) != test.runs || !strings.Contains(said, test.says) || lost.Load() != (test.lose != "") {
					t.Errorf("outcome %s, %d runs, says %q, lost %v", r.Outcome, len(w.GitHub.Runs()), said, lost.Load())
				}
				if test.runs > 0 && r.RunURL == "" && r.Outcome != release.Failed {
					t.Error("the report has no address of the run")
				}
			})
		})
	}
}

// TestDispatchAgain starts no second run where the release is public, and a second one where the first has failed.
func TestDispatchAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *reltest.World
		ends := []string{"failure", "success"}
		w = reltest.New(t, reltest.Options{Workflow: releaseWorkflow, GitHub: func(c *githubtwin.Config) {
			c.OnDispatch = func(ctx context.Context, d githubtwin.Dispatch) string {
				end := ends[0]
				ends = ends[1:]
				if end == "success" {
					if r := run(ctx, t, w, release.Second, ship.Options{}); r.Outcome != release.Released {
						t.Errorf("second half: %s %+v", r.Outcome, r.Problems)
					}
				}
				return end
			}
		}})
		for i, want := range []struct {
			outcome string
			runs    int
			says    string
		}{{release.Failed, 1, ""}, {release.Released, 2, "succeeded"}, {release.Released, 2, "the release is public"}} {
			r := run(t.Context(), t, w, release.First, ship.Options{})
			if reason := r.Steps[len(r.Steps)-1].Reason; r.Outcome != want.outcome || len(w.GitHub.Runs()) != want.runs || !strings.Contains(reason, want.says) {
				t.Errorf("run %d: %s, %d runs, %s", i+1, r.Outcome, len(w.GitHub.Runs()), reason)
			}
		}
	})
}

func TestBranch(t *testing.T) {
	for _, test := range []struct {
		name    string
		faults  []string
		before  func(*testing.T, *reltest.World)
		outcome string
		says    string
	}{
		{name: "made", outcome: release.Released, says: "made at"},
		{name: "made, but the answer is lost", faults: []string{"github create-ref: accept-then drop"}, outcome: release.Released, says: "is there"},
		{name: "made by somebody else in the meantime", faults: []string{"github create-ref: accept-then 422"}, outcome: release.Released},
		{name: "not seen right after it was made", faults: []string{"github get-ref *heads* #3: refuse 404"}, outcome: release.Released},
		{name: "no right", faults: []string{"github create-ref every: refuse 403"}, outcome: release.Stopped, says: "may not create branch"},
		{name: "elsewhere", before: func(t *testing.T, w *reltest.World) {
			if err := w.GitHub.PushBranch(t.Context(), w.Branch(), w.Child(w.Commit, map[string]string{"x": "y"})); err != nil {
				t.Fatal(err)
			}
		}, outcome: release.Stopped, says: "at another commit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Faults: test.faults})
				if test.before != nil {
					test.before(t, w)
				}
				r := run(t.Context(), t, w, release.Both, ship.Options{})
				said := ""
				for _, s := range r.Steps {
					if s.Kind == release.KindBranch {
						said = s.Reason
					}
				}
				for _, p := range r.Problems {
					said += "; " + p.Summary
				}
				if r.Outcome != test.outcome || !strings.Contains(said, test.says) || len(w.Faults.Unfired()) > 0 {
					t.Errorf("%s: %s; unfired %v", r.Outcome, said, w.Faults.Unfired())
				}
			})
		})
	}
}

// TestTrap explains why a token may not make the branch: the commit's workflows differ from the default branch.
func TestTrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{GitHub: func(c *githubtwin.Config) {
			c.Tokens[reltest.GitHubToken] = githubtwin.Permissions{"contents": "write", "actions": "write", "issues": "read"}
		}, Workflow: strings.Replace(releaseWorkflow, "  workflow_dispatch:", "  workflow_call:", 1), Checkout: func(c *release.Checkout) { c.Workflow = release.Workflow{} }})
		next := w.Child(w.Commit, map[string]string{".github/workflows/release.yml": "on: push\n"})
		if err := w.GitHub.PushBranch(t.Context(), "main", next); err != nil {
			t.Fatal(err)
		}
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if r.Outcome != release.Stopped || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Hint, "workflow files differ from the default branch") || !strings.Contains(r.Problems[0].Detail, "workflows=write") {
			t.Errorf("%s %+v", r.Outcome, r.Problems)
		}
	})
}

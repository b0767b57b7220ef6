package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// Watcher is told what happens; its fields may be nil.
type Watcher struct {
	Planned func(release.Snapshot, release.Plan) (observe func(converge.Event)) // once for each run; observe gets the run's events
	Say     func(format string, args ...any)                                    // sentences about the rehearsal itself
}

// maxLives bounds how often a run that a fault ended is started again.
const maxLives = 12

// died ends a run at a place that a fault names.
type died struct{ where string }

func (d *died) Error() string  { return "the process was ended " + d.where }
func (d *died) StopsAll() bool { return true }

// Run rehearses one tag the way GitHub would: the tag push starts the first half; where the repository has a release
// workflow, its dispatch starts the second half as a run of its own. A run that a fault ends is started again, on an
// empty disk, as a re-run of the job would be.
func (s *Stage) Run(ctx context.Context, tag string, artifacts []string, watch Watcher) (*release.Report, error) {
	second := make(chan *release.Report, maxLives)
	s.mu.Lock()
	s.dispatch = func(ctx context.Context, d githubtwin.Dispatch) string {
		watch.say("GitHub starts workflow %s on %s: run %d", d.Workflow, d.Ref, d.RunID)
		r, err := s.live(ctx, release.Request{Branch: d.Ref, Half: release.Second, Artifacts: artifacts}, watch)
		if r != nil {
			second <- r
		}
		if err != nil || r.Outcome != release.Released {
			return "failure"
		}
		return "success"
	}
	s.mu.Unlock()
	first, err := s.live(ctx, release.Request{Tag: tag, Half: release.First, Artifacts: artifacts}, watch)
	return merge(first, second), err
}

// merge makes one report of both halves: what the release workflow's run did counts, with the steps of the first half
// in front.
func merge(first *release.Report, second <-chan *release.Report) *release.Report {
	var last *release.Report
	for {
		select {
		case last = <-second:
			continue
		default:
		}
		break
	}
	if last == nil || first == nil {
		return first
	}
	out := *last
	out.Command = first.Command
	out.Steps = nil
	for _, step := range first.Steps {
		if step.Kind != release.KindCheck {
			out.Steps = append(out.Steps, step)
		}
	}
	out.Steps = append(out.Steps, last.Steps...)
	out.RunURL = first.RunURL
	if first.Outcome != release.Released {
		if first.Outcome != release.Failed || last.Outcome == release.Released {
			out.Outcome = first.Outcome // else the workflow's own end says more than that it ended with failure
		}
		out.Problems = append(append([]release.ReportProblem{}, last.Problems...), first.Problems...)
	}
	return &out
}

// live runs the pipeline until it ends by itself, starting it again each time a fault ends it.
func (s *Stage) live(ctx context.Context, req release.Request, watch Watcher) (*release.Report, error) {
	for life := 1; ; life++ {
		report, err := s.once(ctx, req, watch)
		var d *died
		if !errors.As(err, &d) || ctx.Err() != nil {
			return report, err
		}
		if life == maxLives {
			return report, fmt.Errorf("rehearsal: the run was ended %d times and not finished", life)
		}
		watch.say("the run was ended %s; it is started again on an empty disk (run %d)", d.where, life+1)
	}
}

// once is one process: its own scratch folder, its own clients, and a sudden end where a fault says so.
func (s *Stage) once(parent context.Context, req release.Request, watch Watcher) (*release.Report, error) {
	scratch, err := os.MkdirTemp(s.Config.Dir, "run-")
	if err != nil {
		return nil, fmt.Errorf("make folder for the run: %w", err)
	}
	defer os.RemoveAll(scratch)
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	defer s.enter(func() { end(&died{"in the middle of a request"}) })()
	w, done, err := s.World(ctx, scratch)
	if err != nil {
		return nil, err
	}
	defer done()
	report, err := ship.Converge(ctx, w, req, ship.Options{
		Command: "rehearse", Planned: watch.Planned,
		Backoff: converge.Backoff{Base: 200 * time.Millisecond},
		Between: s.between(end),
	})
	if d := (*died)(nil); errors.As(context.Cause(ctx), &d) {
		return report, d
	}
	return report, err
}

// enter makes end what a fault at a server calls, until the returned function is called: of the runs that are under
// way the one that began last, since the first half only waits for the second.
func (s *Stage) enter(end func()) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives = append(s.lives, end)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lives = s.lives[:len(s.lives)-1]
	}
}

// kill ends the newest run.
func (s *Stage) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.lives); n > 0 {
		s.lives[n-1]()
	}
}

// between makes the faults that name steps happen.
func (s *Stage) between(end context.CancelCauseFunc) func(string, bool) error {
	return func(key string, after bool) error {
		moment := fault.Before
		if after {
			moment = fault.After
		} else if err := s.Config.Faults.StepDisk(key); err != nil {
			return err
		}
		if s.Config.Faults.StepDie(key, moment) {
			d := &died{string(moment) + " " + key}
			end(d)
			return d
		}
		return nil
	}
}

func (w Watcher) say(format string, args ...any) {
	if w.Say != nil {
		w.Say(format, args...)
	}
}

// Leftovers lists what a rehearsal leaves below its folder, for people who want to look.
func (s *Stage) Leftovers() map[string]string {
	return map[string]string{
		"repository on the embedded GitHub": s.Bare.Dir,
		"release assets":                    filepath.Join(s.Config.Dir, "assets"),
	}
}

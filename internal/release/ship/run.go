// Package ship does the steps of a release's plan: look, compare, act, look again. It is the ship zone: it uploads bytes
// over HTTP and starts no program.
package ship

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Options are how a run goes about it; the zero value is right for a real release.
type Options struct {
	Command  string                                                              // for the report: "release", "rehearse"
	Deadline time.Time                                                           // when a wait must not start any more
	Backoff  converge.Backoff                                                    //
	Planned  func(release.Snapshot, release.Plan) (observe func(converge.Event)) // called once, before the first step, by whoever draws the progress; may be nil
	// Between is called after every step with its key; a rehearsal ends a process there. Its error ends the run.
	Between func(key string, after bool) error
}

// Converge brings the world to what the request asks for: observe, plan, run, report. It is the same for real and
// rehearsed releases. The report is never nil and says everything; the error repeats its problems for callers that
// need a chain.
func Converge(ctx context.Context, w observe.World, req release.Request, o Options) (*release.Report, error) {
	if w.Revoke != nil {
		defer w.Revoke() // however this ends: a panic passes here, too
	}
	s, err := observe.Snapshot(ctx, w, req)
	if err != nil {
		r := release.ErrorReport(o.Command, err)
		r.Tag, r.Branch, r.Repository = req.Tag, req.Branch, s.Repository
		return &r, err
	}
	return Run(ctx, w, s, o)
}

// Run plans from a snapshot, runs, and reports, as Converge does.
func Run(ctx context.Context, w observe.World, s release.Snapshot, o Options) (*release.Report, error) {
	p := release.MakePlan(s)
	var watch func(converge.Event)
	if o.Planned != nil {
		watch = o.Planned(s, p)
	}
	r := release.NewReport(o.Command, s, p)
	if r.Outcome == release.Stopped {
		return &r, errStopped
	}
	x := newSteps(w, s)
	run := converge.Runner{
		Do: x.Do, Lanes: lanes(s), Parallel: len(p.Steps), Attempts: max(1, s.Config.Pace.Attempts), Backoff: o.Backoff, Deadline: o.Deadline, Observe: watch,
	}
	if o.Between != nil {
		run.Do = func(ctx context.Context, step converge.Step) (converge.Outcome, error) {
			if err := o.Between(step.Key, false); err != nil {
				return converge.Outcome{}, err
			}
			out, err := x.Do(ctx, step)
			if err == nil {
				err = o.Between(step.Key, true)
			}
			return out, err
		}
	}
	do := run.Do
	run.Do = func(ctx context.Context, step converge.Step) (converge.Outcome, error) {
		out, err := do(ctx, step)
		return out, disk.Explain(err)
	}
	res := run.Run(ctx, p.Plan)
	finish(&r, res, x, p.Half)
	return &r, res.Err()
}

// parallel is how many questions are asked at the same time. It bounds no steps: those that write have lanes, and one
// that waits for an index must not keep another from its upload.
const parallel = 16

// lanes are how much of a kind goes on at the same time. Uploads of assets go to another host than the rest of GitHub
// and may overlap. A registry's lane has no pace of its own: the registry says when its limit is reached and until
// when, and the engine then keeps the whole lane still until that instant.
func lanes(s release.Snapshot) map[string]converge.Lane {
	out := map[string]converge.Lane{release.LaneForge: {Limit: 1}, release.LaneUpload: {Limit: 4}}
	for _, r := range s.Registries {
		for _, lane := range []string{release.RegistryLane(r.Name), release.TrustedLane(r.Name)} {
			out[lane] = converge.Lane{Limit: max(1, s.Config.Pace.Uploads)}
		}
	}
	return out
}

// errStopped tells apart a stop by findings from a fault; it never reaches a person.
var errStopped = errors.New("stopped by a rule")

// finish writes the result of a run into the report.
func finish(r *release.Report, res converge.Result, x *steps, half release.Half) {
	interrupted := res.Outcome().Interrupted
	for i, s := range res.Steps {
		step := &r.Steps[i]
		step.Outcome, step.Attempts, step.ElapsedMS = string(s.Outcome.State), s.Attempts, s.Ended.Sub(s.Started).Milliseconds()
		if s.Outcome.Reason != "" {
			step.Reason = s.Outcome.Reason
		}
		if s.Outcome.State == converge.StateFailed && !(interrupted && errors.Is(s.Err, context.Canceled)) {
			r.Problems = append(r.Problems, release.Problems(s.Err, s.Step.Key)...)
		}
	}
	reached := release.Released
	if half == release.First && x.snap.Request.Detach {
		reached = release.Started
	}
	if r.Conclude(res, reached) {
		r.Problems = append(r.Problems, release.ReportProblem{Summary: "the run was interrupted", Detail: doneSoFar(r), Hint: "run it again: it looks at every step first and goes on where it was"})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bill.Schema != "" {
		bill := x.bill
		r.Bill = &bill
	}
	if rel := x.rel.Release(); rel.ID != 0 {
		r.ReleaseID, r.URL, r.Notes, r.Assets = rel.ID, rel.HTMLURL, rel.Body, observe.Assets(rel)
	}
	r.RunURL, r.Warnings = x.workflow.URL(), x.warnings
}

// doneSoFar says what cannot be taken back, and what may have happened all the same: an upload whose answer never came.
func doneSoFar(r *release.Report) string {
	done, open := 0, 0
	for _, s := range r.Steps {
		switch {
		case s.Kind != release.KindPublish:
		case s.Outcome == string(converge.StateDone):
			done++
		case s.Outcome == string(converge.StateFailed):
			open++
		}
	}
	text := fmt.Sprintf("%d uploads to registries are done", done)
	if open > 0 {
		text += fmt.Sprintf("; %d had begun, and the registry may have accepted them", open)
	}
	return text + "; the rest was not begun"
}

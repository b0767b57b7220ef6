package release

import (
	"context"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/registry"
)

// Options are how a run goes about it; the zero value is right for a real release.
type Options struct {
	Command  string               // for the report: "release", "rehearse"
	Deadline time.Time            // when a wait must not start any more
	Backoff  converge.Backoff     //
	Observe  func(converge.Event) // for whoever draws the progress
	Planned  func(Snapshot, Plan) // called once, before the first step
	// Between is called after every step with its key; a rehearsal ends a process there. Its error ends the run.
	Between func(key string, after bool) error
}

// Converge brings the world to what the request asks for: observe, plan, run, report. It is the same for real and
// rehearsed releases. The report is never nil and says everything; the error repeats its problems for callers that
// need a chain.
func Converge(ctx context.Context, w World, req Request, o Options) (*Report, error) {
	s, err := Observe(ctx, w, req)
	if err != nil {
		r := ErrorReport(o.Command, err)
		r.Tag, r.Branch, r.Repository = req.Tag, req.Branch, s.Repository
		return &r, err
	}
	p := MakePlan(s)
	if o.Planned != nil {
		o.Planned(s, p)
	}
	r := NewReport(o.Command, s, p)
	if r.Outcome == Stopped {
		return &r, errStopped
	}
	x := newSteps(w, s)
	run := converge.Runner{
		Do: x.Do, Lanes: lanes(s), Parallel: parallelLooks, Attempts: max(1, s.Config.Pace.Attempts), Backoff: o.Backoff, Deadline: o.Deadline, Observe: o.Observe,
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
	res := run.Run(ctx, p.Plan)
	r.finish(res, x, p.Half)
	return &r, res.Err()
}

// lanes are how much of a kind goes on at the same time, and how fast. GitHub asks for a second between writes, which
// the forge client keeps; uploads of assets go to another host and may overlap.
func lanes(s Snapshot) map[string]converge.Lane {
	out := map[string]converge.Lane{LaneForge: {Limit: 1}, LaneUpload: {Limit: 4}}
	for _, r := range s.Registries {
		lane := converge.Lane{Limit: max(1, s.Config.Pace.Uploads)}
		if b, ok := s.bucket(r); ok {
			lane.Burst, lane.Every = b.Burst, b.Every
		}
		out[RegistryLane(r.Name)] = lane
	}
	return out
}

// bucket is the limit that holds this release's uploads to a registry up most. Our own pace keeps to it, so that the
// registry need not refuse.
func (s Snapshot) bucket(r Registry) (registry.Bucket, bool) {
	limits := registry.Kind(r.Kind).Traits().Pace
	if c, ok := s.Config.Registries[r.Name]; ok {
		limits.NewCrates = registry.Bucket{Burst: c.NewCrates.Burst, Every: c.NewCrates.Every.Std()}
		limits.NewVersions = registry.Bucket{Burst: c.NewVersions.Burst, Every: c.NewVersions.Every.Std()}
	}
	switch {
	case r.Forecast.New > 0 && limits.NewCrates.Every > 0:
		return limits.NewCrates, true
	case limits.NewVersions.Every > 0:
		return limits.NewVersions, true
	}
	return registry.Bucket{}, false
}

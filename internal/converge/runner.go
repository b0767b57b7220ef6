package converge

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Defaults of a Runner's zero fields.
const (
	DefaultParallel = 8
	DefaultAttempts = 5
	DefaultBase     = 2 * time.Second
	DefaultMax      = 2 * time.Minute
	DefaultSlack    = time.Second // a Retry-After date has whole seconds, so the true instant may be almost one later
)

// Runner runs plans. Only Do must be set.
type Runner struct {
	// Do does one step: it looks first, so calling it again is safe. It may be called for several steps at once. It
	// must return soon after its context is cancelled.
	//
	// An error with Retryable() true is tried again, and where it has a RetryTime() that is not zero, the whole lane
	// keeps still until then. All other errors are final. An error with StopsAll() true lets no further step start.
	Do func(context.Context, Step) (Outcome, error)

	Lanes    map[string]Lane // by Step.Lane; a lane that is not listed has no limit and no pace
	Parallel int             // steps at the same time, over all lanes
	Attempts int             // calls of Do per step; 1 means no retry
	Backoff  Backoff

	// Deadline ends the run's patience: no step starts after it, and a wait that would pass it makes the step
	// waiting instead. Running steps are not cut. The context's deadline counts too, if it is earlier.
	Deadline time.Time

	StopOnFailure bool        // the first failed step lets no further step start
	Observe       func(Event) // called for one event at a time, in order; must not block for long and not call the runner
}

// Lane bounds the steps that share it. The zero Lane bounds nothing.
type Lane struct {
	Limit int           // steps at the same time; 0 is no limit
	Burst int           // attempts that may start at once when the lane has rested; at least 1 is meant
	Every time.Duration // one further attempt per Every; 0 is no pace
}

// Backoff says how long to wait before an attempt is repeated: Base, doubled each time up to Max, of which the second
// half is random. Zero fields have defaults.
type Backoff struct {
	Base  time.Duration
	Max   time.Duration
	Slack time.Duration  // added to a time that a server named
	Rand  func() float64 // in [0,1); called from one goroutine at a time; nil is math/rand/v2
}

// wait returns the pause after the nth attempt, n from 1.
func (b Backoff) wait(n int) time.Duration {
	d := b.Base
	for ; n > 1 && d < b.Max; n-- {
		d *= 2
	}
	d = min(d, b.Max)
	return d/2 + time.Duration(b.Rand()*float64(d/2))
}

func (b Backoff) withDefaults() Backoff {
	if b.Base <= 0 {
		b.Base = DefaultBase
	}
	if b.Max <= 0 {
		b.Max = DefaultMax
	}
	if b.Slack <= 0 {
		b.Slack = DefaultSlack
	}
	if b.Rand == nil {
		b.Rand = rand.Float64
	}
	return b
}

// Run runs the plan and returns when every call of Do has returned. Steps that are not done, skipped, waiting or
// failed in the result are pending, with the reason. A plan that fails Check is not started; see Result.Invalid.
func (r *Runner) Run(ctx context.Context, p Plan) Result {
	err := p.Check()
	if r.Do == nil {
		err = errors.Join(err, errors.New("the runner has no function to do steps"))
	}
	if err != nil {
		result := Result{Invalid: err, Steps: make([]StepResult, len(p.Steps))}
		for i, s := range p.Steps {
			result.Steps[i] = StepResult{Step: s, Outcome: Outcome{State: StatePending, Reason: "the plan is not valid"}}
		}
		return result
	}
	x := newRun(ctx, r, p)
	x.loop(ctx)
	return x.result()
}

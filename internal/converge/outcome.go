package converge

import (
	"errors"
	"fmt"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
)

// State is where a step is. The texts are part of the report's schema.
type State string

// The states of a step. Done and Skipped satisfy the needs of others; the others do not.
const (
	StatePending State = "pending" // not started, or between two attempts
	StateRunning State = "running"
	StateDone    State = "done"
	StateSkipped State = "skipped"
	StateWaiting State = "waiting" // not reached yet and no fault; a later run goes on
	StateFailed  State = "failed"
)

// Outcome is what came out of a step. A step's function returns one made by Done, DoneBecause, Already, Skipped or
// Waiting; failures are errors.
type Outcome struct {
	State  State
	Reason string    // for people; never empty with Skipped and Waiting
	Until  time.Time // with StateWaiting: when to come back, zero when unknown
	Free   bool      // the step asked nothing of its lane, so the lane's pace is not charged for it
}

// Done says that the step did its work.
func Done() Outcome { return Outcome{State: StateDone} }

// DoneBecause says that the wanted state is reached, and how it was seen.
func DoneBecause(reason string) Outcome { return Outcome{State: StateDone, Reason: reason} }

// Already says that the step looked and found everything as wanted, so that it did not act. The lane's pace is not
// charged: a resumed run passes over finished steps at full speed.
func Already(reason string) Outcome { return Outcome{State: StateDone, Reason: reason, Free: true} }

// Skipped says that there is nothing to do here, and why. The lane's pace is not charged.
func Skipped(reason string) Outcome { return Outcome{State: StateSkipped, Reason: reason, Free: true} }

// Waiting says that the wanted state is not reached yet and that nothing is wrong: come back at until, or at any time
// where until is zero.
func Waiting(reason string, until time.Time) Outcome {
	return Outcome{State: StateWaiting, Reason: reason, Until: until}
}

// Result is what came out of a plan, one entry per step in plan order.
type Result struct {
	Steps   []StepResult
	Invalid error // the plan or the runner could not be run at all; every step is pending then
}

// StepResult is what came out of one step.
type StepResult struct {
	Step     Step
	Outcome  Outcome
	Err      error // with StateFailed: why; with StateWaiting between attempts: the last attempt's error
	Attempts int   // calls of the step's function
	Started  time.Time
	Ended    time.Time
}

// Verdict is a whole run in one word.
type Verdict string

// The verdicts, from best to worst.
const (
	VerdictDone    Verdict = "done"
	VerdictWaiting Verdict = "waiting" // come back later
	VerdictFailed  Verdict = "failed"  // a fault or an interruption: try again
	VerdictStopped Verdict = "stopped" // a person must decide
)

// Summary counts the steps of a result by state and names the verdict.
type Summary struct {
	Verdict     Verdict
	Until       time.Time // the earliest time to come back of all waiting steps; zero when none names one
	Interrupted bool      // the run was cancelled before it could finish
	Done        int
	Skipped     int
	Waiting     int
	Failed      int
	Pending     int
}

// Outcome sums the result up. A failed step whose error has StopsAll() true, or is a problem of kind Stopped, makes
// the run stopped.
func (r Result) Outcome() Summary {
	var s Summary
	stopped := false
	for _, step := range r.Steps {
		switch step.Outcome.State {
		case StateDone:
			s.Done++
		case StateSkipped:
			s.Skipped++
		case StateWaiting:
			s.Waiting++
			if u := step.Outcome.Until; !u.IsZero() && (s.Until.IsZero() || u.Before(s.Until)) {
				s.Until = u
			}
		case StateFailed:
			s.Failed++
			stopped = stopped || needsPerson(step.Err)
		default:
			s.Pending++
		}
		s.Interrupted = s.Interrupted || step.Outcome.Reason == reasonInterrupted
	}
	switch {
	case stopped:
		s.Verdict = VerdictStopped
	case r.Invalid != nil, s.Failed > 0, s.Interrupted:
		s.Verdict = VerdictFailed
	case s.Waiting > 0:
		s.Verdict = VerdictWaiting
	case s.Pending > 0:
		s.Verdict = VerdictFailed
	default:
		s.Verdict = VerdictDone
	}
	return s
}

// Err joins the errors of all failed steps in plan order, each with its step's key; nil when there is none.
func (r Result) Err() error {
	errs := []error{r.Invalid}
	for _, step := range r.Steps {
		if step.Outcome.State == StateFailed {
			errs = append(errs, fmt.Errorf("%s: %w", step.Step.Key, step.Err))
		}
	}
	return errors.Join(errs...)
}

func needsPerson(err error) bool {
	if stopsAll(err) {
		return true
	}
	for _, p := range problem.All(err) {
		if p.Kind == problem.Stopped {
			return true
		}
	}
	return false
}

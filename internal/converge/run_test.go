package converge_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
)

// retryError is classified as an adapter would.
type retryError struct {
	text string
	at   time.Time
}

func (e *retryError) Error() string        { return e.text }
func (e *retryError) Retryable() bool      { return true }
func (e *retryError) RetryTime() time.Time { return e.at }

type stopError struct{}

func (stopError) Error() string  { return "sums differ" }
func (stopError) StopsAll() bool { return true }

// world does steps by a script: what each key's nth call does. It records when calls began, in seconds from the start.
type world struct {
	mu     sync.Mutex
	start  time.Time
	began  []string
	calls  map[string]int
	script map[string]func(ctx context.Context, call int) (converge.Outcome, error)
	last   time.Duration // how long a step without a script takes
}

func newWorld() *world {
	return &world{
		start:  time.Now(),
		calls:  make(map[string]int),
		script: make(map[string]func(context.Context, int) (converge.Outcome, error)),
		last:   time.Second,
	}
}

func (w *world) do(ctx context.Context, s converge.Step) (converge.Outcome, error) {
	w.mu.Lock()
	w.calls[s.Key]++
	call := w.calls[s.Key]
	w.began = append(w.began, fmt.Sprintf("%s@%v", s.Key, time.Since(w.start)))
	f := w.script[s.Key]
	w.mu.Unlock()
	if f != nil {
		return f(ctx, call)
	}
	select {
	case <-time.After(w.last):
		return converge.Done(), nil
	case <-ctx.Done():
		return converge.Outcome{}, ctx.Err()
	}
}

func (w *world) runner() *converge.Runner {
	return &converge.Runner{Do: w.do, Backoff: converge.Backoff{Rand: func() float64 { return 0 }}}
}

// always returns a script that gives the same answer at once.
func always(o converge.Outcome, err error) func(context.Context, int) (converge.Outcome, error) {
	return func(context.Context, int) (converge.Outcome, error) { return o, err }
}

// states renders a result as one "key state reason" per step.
func states(r converge.Result) []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", s.Step.Key, s.Outcome.State, s.Outcome.Reason)))
	}
	return out
}

func wantStates(t *testing.T, r converge.Result, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, states(r)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func (w *world) wantBegan(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.began); diff != "" {
		t.Errorf("began (-want +got):\n%s", diff)
	}
}

func wantSummary(t *testing.T, r converge.Result, want converge.Summary) {
	t.Helper()
	if diff := cmp.Diff(want, r.Outcome()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// bubble runs f under a virtual clock.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld()) })
}

func TestRunFollowsNeeds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["b"] = always(converge.Skipped("not asked for"), nil)
		result := w.runner().Run(t.Context(), plan("d b c; c a; b; a"))
		wantStates(t, result, "d done", "c done", "b skipped not asked for", "a done")
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "b@0s", "c@1s", "d@2s")
		wantSummary(t, result, converge.Summary{Verdict: converge.VerdictDone, Done: 3, Skipped: 1})
		if err := result.Err(); err != nil {
			t.Errorf("Err() = %v", err)
		}
	})
}

func TestReadyStepsStartInPlanOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.runner()
		r.Parallel = 1
		r.Run(t.Context(), plan("z; y@lane; x; b a; a; w@lane"))
		w.wantBegan(t, "z@0s", "y@1s", "x@2s", "a@3s", "b@4s", "w@5s")
	})
}

func TestParallelAndLaneLimit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.runner()
		r.Parallel = 3
		r.Lanes = map[string]converge.Lane{"one": {Limit: 1}}
		r.Run(t.Context(), plan("a@one; b@one; c; d; e; f"))
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "b@1s", "c@0s", "d@0s", "e@1s", "f@1s")
	})
}

func TestDefaultParallel(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.runner().Run(t.Context(), plan("a;b;c;d;e;f;g;h;i"))
		if w.began[8] != "i@1s" || !strings.HasSuffix(w.began[7], "@0s") {
			t.Errorf("began %q, want eight at once and then the ninth", w.began)
		}
	})
}

func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.runner()
		r.Lanes = map[string]converge.Lane{"p": {Burst: 2, Every: 10 * time.Second}}
		r.Run(t.Context(), plan("a@p; b@p; c@p; d@p; e"))
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "b@0s", "c@10s", "d@20s", "e@0s")
	})
}

func TestPaceRefillsWhileTheLaneRests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.last = 25 * time.Second
		r := w.runner()
		r.Lanes = map[string]converge.Lane{"p": {Burst: 2, Every: 10 * time.Second}}
		r.Run(t.Context(), plan("a@p; b@p; rest a b; c@p rest; d@p rest; e@p rest"))
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "b@0s", "c@50s", "d@50s", "e@1m0s", "rest@25s")
	})
}

func TestPaceIsNotChargedForStepsThatAskNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Already("same checksum"), nil)
		w.script["b"] = always(converge.Skipped("not asked for"), nil)
		r := w.runner()
		r.Lanes = map[string]converge.Lane{"p": {Every: time.Hour}}
		// The deadline is before the second token: only a token that comes back lets c start.
		r.Deadline = time.Now().Add(time.Minute)
		result := r.Run(t.Context(), plan("a@p; b@p; c@p; d@p"))
		wantStates(t, result, "a done same checksum", "b skipped not asked for", "c done",
			"d waiting the pace of p allows one start per 1h0m0s")
		w.wantBegan(t, "a@0s", "b@0s", "c@0s")
		if got := result.Steps[3].Outcome.Until.Sub(w.start); got != time.Hour {
			t.Errorf("d waits until %v, want 1h", got)
		}
	})
}

func TestPaceDoesNotCloseALaneWhoseStepMayGiveItsTokenBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = func(context.Context, int) (converge.Outcome, error) {
			time.Sleep(3 * time.Second) // longer than other, whose end makes the runner look at the lane
			return converge.Already("same checksum"), nil
		}
		r := w.runner()
		r.Lanes = map[string]converge.Lane{"p": {Every: time.Hour}}
		r.Deadline = time.Now().Add(time.Minute)
		wantStates(t, r.Run(t.Context(), plan("a@p; b@p; other")), "a done same checksum", "b done", "other done")
	})
}

func TestRetryWithBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = func(_ context.Context, call int) (converge.Outcome, error) {
			if call < 4 {
				return converge.Outcome{}, fmt.Errorf("publish: %w", &retryError{text: fmt.Sprint("lost ", call)})
			}
			return converge.DoneBecause("seen in the index"), nil
		}
		r := w.runner()
		r.Backoff = converge.Backoff{Base: 4 * time.Second, Max: 10 * time.Second, Rand: func() float64 { return 0.5 }}
		var events []string
		r.Observe = func(e converge.Event) {
			events = append(events, fmt.Sprintf("%v %s %d %q", e.Time.Sub(w.start), e.State, e.Attempt, e.Reason))
			if e.State == converge.StatePending && !e.Until.After(e.Time) {
				t.Errorf("the retry event at %v names no later time", e.Time)
			}
		}
		result := r.Run(t.Context(), plan("a"))
		wantStates(t, result, "a done seen in the index")
		w.wantBegan(t, "a@0s", "a@3s", "a@9s", "a@16.5s")
		if got := result.Steps[0]; got.Attempts != 4 || got.Err != nil || got.Ended.Sub(got.Started) != 16500*time.Millisecond {
			t.Errorf("result %+v", got)
		}
		want := []string{
			`0s running 1 ""`, `0s pending 1 "publish: lost 1"`,
			`3s running 2 ""`, `3s pending 2 "publish: lost 2"`,
			`9s running 3 ""`, `9s pending 3 "publish: lost 3"`,
			`16.5s running 4 ""`, `16.5s done 4 "seen in the index"`,
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		lost := &retryError{text: "lost"}
		w.script["a"] = always(converge.Outcome{}, lost)
		r := w.runner()
		r.Attempts = 3
		result := r.Run(t.Context(), plan("a; b a; c b; d"))
		wantStates(t, result, "a failed gave up after 3 attempts", "b pending needs a", "c pending needs b", "d done")
		if !errors.Is(result.Err(), lost) || result.Err().Error() != "a: lost" {
			t.Errorf("Err() = %v", result.Err())
		}
		wantSummary(t, result, converge.Summary{Verdict: converge.VerdictFailed, Done: 1, Failed: 1, Pending: 2})
	})
}

func TestErrorsWithoutClassAreFinal(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, errors.New("no such crate"))
		result := w.runner().Run(t.Context(), plan("a"))
		wantStates(t, result, "a failed no such crate")
		w.wantBegan(t, "a@0s")
	})
}

func TestAnOutcomeWithoutStateIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, nil)
		w.script["b"] = always(converge.Outcome{State: converge.StateRunning}, nil)
		wantStates(t, w.runner().Run(t.Context(), plan("a; b")),
			`a failed the step's function returned the state "", which is no outcome`,
			`b failed the step's function returned the state "running", which is no outcome`)
	})
}

func TestRetryTimePausesTheLane(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		until := w.start.Add(10 * time.Minute)
		w.script["b"] = func(_ context.Context, call int) (converge.Outcome, error) {
			if call == 1 {
				return converge.Outcome{}, &retryError{"too many", until}
			}
			time.Sleep(5 * time.Second)
			return converge.Done(), nil
		}
		r := w.runner()
		r.Lanes = map[string]converge.Lane{"crates-io": {Limit: 2}}
		var pauses []string
		r.Observe = func(e converge.Event) {
			if e.Key == "" {
				pauses = append(pauses, fmt.Sprintf("%s %q until %v", e.Lane, e.Reason, e.Until.Sub(w.start)))
			}
		}
		wantStates(t, r.Run(t.Context(), plan("a@crates-io; b@crates-io; c@crates-io; d@crates-io; other")),
			"a done", "b done", "c done", "d done", "other done")
		// b asks again first and alone; when it got through, c and d follow.
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "b@0s", "b@10m1s", "c@10m6s", "d@10m6s", "other@0s")
		if diff := cmp.Diff([]string{`crates-io "crates-io asks to wait" until 10m1s`}, pauses); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryTimeInThePastIsABackoff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, &retryError{"too many", w.start.Add(-time.Minute)})
		r := w.runner()
		r.Attempts = 3
		r.Run(t.Context(), plan("a@lane; b@lane"))
		slices.Sort(w.began)
		w.wantBegan(t, "a@0s", "a@1s", "a@3s", "b@0s")
	})
}

func TestRefusalsDoNotUseUpAStepWhileNeighboursPass(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		// The server lets one attempt through per minute and refuses the rest, whoever asks.
		var next time.Time
		do := func(context.Context, int) (converge.Outcome, error) {
			if now := time.Now(); now.Before(next) {
				return converge.Outcome{}, &retryError{"too many", next}
			}
			next = time.Now().Add(time.Minute)
			return converge.Done(), nil
		}
		var p converge.Plan
		for i := range 12 {
			key := fmt.Sprint("publish/", i)
			p.Steps = append(p.Steps, converge.Step{Key: key, Lane: "r"})
			w.script[key] = func(ctx context.Context, call int) (converge.Outcome, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return do(ctx, call)
			}
		}
		r := w.runner()
		r.Attempts = 2
		wantSummary(t, r.Run(t.Context(), p), converge.Summary{Verdict: converge.VerdictDone, Done: 12})
	})
}

func TestRefusalsEndWhenNobodyPasses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, key := range []string{"a", "b"} {
			w.script[key] = func(context.Context, int) (converge.Outcome, error) {
				return converge.Outcome{}, &retryError{"too many", time.Now().Add(time.Minute)}
			}
		}
		r := w.runner()
		r.Attempts = 3
		wantStates(t, r.Run(t.Context(), plan("a@r; b@r")),
			"a failed gave up after 3 attempts", "b failed gave up after 3 attempts")
	})
}

func TestDeadlineTurnsALongPauseIntoWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		until := w.start.Add(time.Hour)
		w.script["a"] = always(converge.Outcome{}, &retryError{"too many", until})
		r := w.runner()
		r.Parallel = 1
		r.Deadline = w.start.Add(10 * time.Minute)
		result := r.Run(t.Context(), plan("a@lane; b@lane; c; d@lane c; e a"))
		wantStates(t, result, "a waiting too many", "b waiting lane asks to wait", "c done", "d waiting lane asks to wait",
			"e pending needs a")
		wantSummary(t, result, converge.Summary{
			Verdict: converge.VerdictWaiting, Until: until.Add(time.Second), Done: 1, Waiting: 3, Pending: 1})
		if time.Since(w.start) != time.Second {
			t.Errorf("the run took %v, want only the second of c", time.Since(w.start))
		}
	})
}

func TestDeadlineOfTheContextCounts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, &retryError{"too many", w.start.Add(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := w.runner()
		r.Deadline = w.start.Add(2 * time.Hour)
		wantStates(t, r.Run(ctx, plan("a")), "a waiting too many")
	})
}

func TestDeadlineOfABackoffLeavesTheLaneOpen(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, &retryError{text: "lost"})
		r := w.runner()
		r.Deadline = w.start.Add(1500 * time.Millisecond)
		r.Backoff.Base = 4 * time.Second
		r.Lanes = map[string]converge.Lane{"lane": {Limit: 1}}
		result := r.Run(t.Context(), plan("a@lane; b@lane; c@lane; d@lane"))
		wantStates(t, result, "a waiting lost", "b done", "c done",
			"d waiting the time of this run is over")
		if s := result.Outcome(); s.Verdict != converge.VerdictWaiting {
			t.Errorf("summary %+v", s)
		}
	})
}

func TestWaitingStep(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		until := w.start.Add(3 * time.Minute)
		w.script["a"] = always(converge.Waiting("the run is queued", until), nil)
		w.script["b"] = always(converge.Waiting("someone must approve", time.Time{}), nil)
		result := w.runner().Run(t.Context(), plan("a; b; c a; d"))
		wantStates(t, result, "a waiting the run is queued", "b waiting someone must approve", "c pending needs a", "d done")
		wantSummary(t, result, converge.Summary{
			Verdict: converge.VerdictWaiting, Until: until, Done: 1, Waiting: 2, Pending: 1})
		if err := result.Err(); err != nil {
			t.Errorf("Err() = %v", err)
		}
	})
}

func TestStopsAll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["retrying"] = always(converge.Outcome{}, &retryError{text: "lost"})
		w.script["bad"] = func(context.Context, int) (converge.Outcome, error) {
			time.Sleep(500 * time.Millisecond)
			return converge.Outcome{}, fmt.Errorf("publish core: %w", stopError{})
		}
		w.script["late"] = func(context.Context, int) (converge.Outcome, error) {
			time.Sleep(time.Second)
			return converge.Outcome{}, &retryError{text: "lost late"}
		}
		r := w.runner()
		r.Parallel = 4
		result := r.Run(t.Context(), plan("bad; running; late; retrying; free; dependent running; needy bad"))
		wantStates(t, result, "bad failed publish core: sums differ", "running done", "late failed lost late",
			"retrying failed stopped after bad", "free done", "dependent pending stopped after bad", "needy pending needs bad")
		wantSummary(t, result, converge.Summary{Verdict: converge.VerdictStopped, Done: 2, Failed: 3, Pending: 2})
	})
}

func TestStopOnFailure(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["bad"] = always(converge.Outcome{}, errors.New("no"))
		r := w.runner()
		r.StopOnFailure = true
		r.Parallel = 2
		result := r.Run(t.Context(), plan("bad; running; next; after next"))
		if result.Steps[1].Outcome.State != converge.StateDone {
			t.Errorf("a running step was not let finish: %+v", result.Steps[1])
		}
		wantStates(t, converge.Result{Steps: slices.Delete(result.Steps, 1, 2)},
			"bad failed no", "next pending stopped after bad", "after pending stopped after bad")
	})
}

func TestProblemsThatNeedAPersonStop(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.script["a"] = always(converge.Outcome{}, fmt.Errorf("look: %w", &problem.Error{Kind: problem.Stopped, Summary: "sums differ"}))
		w.script["b"] = always(converge.Outcome{}, &problem.Error{Kind: problem.Failed, Summary: "broken"})
		wantSummary(t, w.runner().Run(t.Context(), plan("a; c")), converge.Summary{Verdict: converge.VerdictStopped, Done: 1, Failed: 1})
		wantSummary(t, w.runner().Run(t.Context(), plan("b; c")), converge.Summary{Verdict: converge.VerdictFailed, Done: 1, Failed: 1})
	})
}

func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		w.script["retrying"] = always(converge.Outcome{}, &retryError{text: "lost"})
		returned := false
		w.script["slow"] = func(ctx context.Context, _ int) (converge.Outcome, error) {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // cleaning up
			returned = true
			return converge.Outcome{}, fmt.Errorf("upload: %w", ctx.Err())
		}
		w.script["stubborn"] = func(ctx context.Context, _ int) (converge.Outcome, error) {
			<-ctx.Done()
			return converge.Done(), nil
		}
		w.script["lost"] = func(ctx context.Context, _ int) (converge.Outcome, error) {
			<-ctx.Done()
			return converge.Outcome{}, &retryError{text: "connection closed"}
		}
		w.script["broken"] = func(ctx context.Context, _ int) (converge.Outcome, error) {
			<-ctx.Done()
			return converge.Outcome{}, errors.New("sums differ")
		}
		time.AfterFunc(time.Second/2, cancel)
		r := w.runner()
		r.Parallel = 5
		result := r.Run(ctx, plan("slow; stubborn; retrying; quick; lost; broken; last quick; after slow; then after"))
		if !returned {
			t.Error("Run returned before the running step did")
		}
		wantStates(t, result, "slow failed interrupted", "stubborn done", "retrying failed interrupted",
			"quick failed interrupted", "lost failed interrupted", "broken failed sums differ", "last pending interrupted", "after pending interrupted", "then pending interrupted")
		wantSummary(t, result, converge.Summary{
			Verdict: converge.VerdictFailed, Interrupted: true, Done: 1, Failed: 5, Pending: 3})
		if err := result.Steps[0].Err; !errors.Is(err, context.Canceled) {
			t.Errorf("slow's error is %v", err)
		}
		if err := result.Steps[2].Err; err == nil || err.Error() != "lost" {
			t.Errorf("retrying's error is %v, want that of its last attempt", err)
		}
	})
}

func TestCancelledBeforeTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		result := w.runner().Run(ctx, plan("a; b a"))
		wantStates(t, result, "a pending interrupted", "b pending interrupted")
		w.wantBegan(t)
		if s := result.Outcome(); s.Verdict != converge.VerdictFailed || !s.Interrupted {
			t.Errorf("summary %+v", s)
		}
	})
}

func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cause := &retryError{text: "index out of range"}
		w.script["a"] = func(context.Context, int) (converge.Outcome, error) { panic(cause) }
		w.script["gone"] = func(context.Context, int) (converge.Outcome, error) { runtime.Goexit(); panic("unreachable") }
		result := w.runner().Run(t.Context(), plan("a; gone; b a; c"))
		if got := result.Outcome(); got.Done != 1 || got.Failed != 2 || got.Pending != 1 {
			t.Fatalf("summary %+v", got)
		}
		var p *converge.PanicError
		if err := result.Steps[0].Err; !errors.As(err, &p) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "run_test.go") {
			t.Errorf("error %v, want the panic with its stack", err)
		}
		if result.Steps[0].Attempts != 1 {
			t.Errorf("a panic was tried again: %d attempts", result.Steps[0].Attempts)
		}
		if err := result.Steps[1].Err; err == nil || !strings.Contains(err.Error(), "without returning") {
			t.Errorf("gone's error is %v", err)
		}
	})
}

func TestInvalidPlanIsNotRun(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		result := w.runner().Run(t.Context(), plan("a b; b a"))
		wantStates(t, result, "a pending the plan is not valid", "b pending the plan is not valid")
		w.wantBegan(t)
		if result.Err() == nil || result.Outcome().Verdict != converge.VerdictFailed {
			t.Errorf("Err() = %v, summary %+v", result.Err(), result.Outcome())
		}
		if (&converge.Runner{}).Run(t.Context(), plan("a")).Invalid == nil {
			t.Error("a runner without Do ran")
		}
	})
}

func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var leaked context.Context
		w.script["a"] = func(ctx context.Context, _ int) (converge.Outcome, error) {
			leaked = ctx
			converge.Phase(ctx, "uploading")
			converge.Phase(ctx, "uploading")
			for i := range int64(500) {
				converge.Progress(ctx, i, 1000)
				time.Sleep(time.Millisecond)
			}
			converge.Progress(ctx, 1000, 1000)
			converge.Progress(ctx, 1000, 1000)
			return converge.Done(), nil
		}
		var events []string
		r := w.runner()
		r.Observe = func(e converge.Event) {
			events = append(events, strings.TrimSpace(fmt.Sprintf("%s %d/%d %s", e.State, e.Done, e.Total, e.Phase)))
		}
		r.Run(t.Context(), plan("a"))
		want := []string{"running 0/0", "running 0/0 uploading", "running 0/1000 uploading", "running 100/1000 uploading",
			"running 200/1000 uploading", "running 300/1000 uploading", "running 400/1000 uploading",
			"running 1000/1000 uploading", "done 1000/1000"}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Error(diff)
		}
		converge.Progress(leaked, 5, 5)
		converge.Phase(leaked, "too late")
		converge.Progress(t.Context(), 1, 2)
		converge.Phase(t.Context(), "nobody")
		if len(events) != len(want) {
			t.Errorf("%d events after the end", len(events)-len(want))
		}
	})
}

func TestEventsAreSerial(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var inside, seen int
		last := make(map[string]converge.State)
		var p converge.Plan
		for i := range 40 {
			key := fmt.Sprint(i)
			p.Steps = append(p.Steps, converge.Step{Key: key})
			w.script[key] = func(ctx context.Context, _ int) (converge.Outcome, error) {
				for n := range int64(20) {
					converge.Progress(ctx, n, 20)
					runtime.Gosched()
				}
				return converge.Done(), nil
			}
		}
		r := w.runner()
		r.Observe = func(e converge.Event) {
			// Unguarded on purpose: the race detector and the count see overlapping calls.
			inside++
			if inside != 1 || last[e.Key] == converge.StateDone {
				t.Errorf("event %+v while %d are inside, after %q", e, inside, last[e.Key])
			}
			last[e.Key] = e.State
			seen++
			inside--
		}
		r.Run(t.Context(), p)
		if seen < 80 {
			t.Errorf("saw %d events, want at least two per step", seen)
		}
	})
}

// TestRandomPlans runs random graphs with random faults and holds the invariants: a step runs only after its needs,
// limits are never passed, every step ends in a truthful state, and a second run on the same world finishes.
func TestRandomPlans(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { randomPlan(t, rand.New(rand.NewPCG(seed, 1))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomPlan(t *testing.T, rng *rand.Rand) {
	p, lanes := randomGraph(rng)
	var mu sync.Mutex
	reached := make(map[string]bool)
	var running int
	byLane := make(map[string]int)
	r := &converge.Runner{Lanes: lanes, Parallel: 1 + rng.IntN(6), Attempts: 3, Backoff: converge.Backoff{Rand: rand.New(rand.NewPCG(rng.Uint64(), 2)).Float64}}
	faults := 0.3
	r.Do = func(ctx context.Context, s converge.Step) (converge.Outcome, error) {
		mu.Lock()
		running++
		byLane[s.Lane]++
		if running > r.Parallel || (lanes[s.Lane].Limit > 0 && byLane[s.Lane] > lanes[s.Lane].Limit) {
			t.Errorf("%s: %d steps run, %d in lane %q", s.Key, running, byLane[s.Lane], s.Lane)
		}
		for _, need := range s.Needs {
			if !reached[need] {
				t.Errorf("%s ran before %s was reached", s.Key, need)
			}
		}
		pause, dice := time.Duration(rng.IntN(3000))*time.Millisecond, rng.Float64()
		mu.Unlock()
		time.Sleep(pause)
		mu.Lock()
		defer mu.Unlock()
		running--
		byLane[s.Lane]--
		switch {
		case dice < faults/3:
			return converge.Outcome{}, &retryError{text: "lost"}
		case dice < faults/2:
			return converge.Outcome{}, &retryError{"too many", time.Now().Add(time.Duration(rng.IntN(60)) * time.Second)}
		case dice < faults/1.5:
			return converge.Outcome{}, errors.New("broken")
		case dice < faults/1.2:
			return converge.Waiting("later", time.Time{}), nil
		}
		reached[s.Key] = true
		return converge.Done(), nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(300))*time.Second)
	defer cancel()
	checkTruth(t, r.Run(ctx, p), maps.Clone(reached))
	faults = 0
	second := r.Run(t.Context(), p)
	checkTruth(t, second, reached)
	if s := second.Outcome(); s.Verdict != converge.VerdictDone {
		t.Errorf("without faults the run ends as %+v", s)
	}
}

func randomGraph(rng *rand.Rand) (converge.Plan, map[string]converge.Lane) {
	lanes := map[string]converge.Lane{
		"limited": {Limit: 1 + rng.IntN(3)},
		"paced":   {Burst: rng.IntN(4), Every: time.Duration(1+rng.IntN(5)) * time.Second},
	}
	names := []string{"", "limited", "paced", "unknown"}
	p := converge.Plan{Steps: make([]converge.Step, 1+rng.IntN(40))}
	place := rng.Perm(len(p.Steps))
	for i := range p.Steps {
		s := converge.Step{Key: fmt.Sprint("step/", i), Kind: "step", Lane: names[rng.IntN(len(names))]}
		for range min(i, rng.IntN(4)) {
			s.Needs = append(s.Needs, fmt.Sprint("step/", rng.IntN(i)))
		}
		p.Steps[place[i]] = s
	}
	return p, lanes
}

func checkTruth(t *testing.T, r converge.Result, reached map[string]bool) {
	t.Helper()
	for _, s := range r.Steps {
		done := s.Outcome.State == converge.StateDone
		if done != reached[s.Step.Key] && s.Outcome.State != converge.StateFailed {
			t.Errorf("%s is %s, reached: %v", s.Step.Key, s.Outcome.State, reached[s.Step.Key])
		}
		if !done && s.Outcome.Reason == "" {
			t.Errorf("%s is %s without a reason", s.Step.Key, s.Outcome.State)
		}
		if s.Outcome.State == converge.StateRunning || (s.Outcome.State == converge.StateFailed) != (s.Err != nil) &&
			s.Outcome.State != converge.StateWaiting {
			t.Errorf("%s is %s with error %v", s.Step.Key, s.Outcome.State, s.Err)
		}
	}
}

func BenchmarkRun10000(b *testing.B) {
	var p converge.Plan
	for i := range 10_000 {
		s := converge.Step{Key: fmt.Sprint("publish/", i), Kind: "publish", Lane: fmt.Sprint("registry-", i%4)}
		for n := 1; n <= 3 && i >= n*7; n++ {
			s.Needs = append(s.Needs, fmt.Sprint("publish/", i-n*7))
		}
		p.Steps = append(p.Steps, s)
	}
	r := &converge.Runner{Do: func(context.Context, converge.Step) (converge.Outcome, error) { return converge.Done(), nil }}
	for b.Loop() {
		if s := r.Run(b.Context(), p).Outcome(); s.Done != len(p.Steps) {
			b.Fatalf("%+v", s)
		}
	}
}

package converge

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Reasons of steps that did not run for no fault of their own.
const (
	reasonInterrupted = "interrupted"
	reasonOver        = "the time of this run is over"
)

// laneNotice is the shortest pause of a lane that is told to the observer.
const laneNotice = time.Second

// run is one run of a plan. One goroutine, the caller's, owns all of it; the steps' goroutines only send what came out.
type run struct {
	do       func(context.Context, Step) (Outcome, error)
	parallel int
	attempts int
	backoff  Backoff
	deadline time.Time // zero is none
	failFast bool

	nodes    []node
	lanes    []*lane // in order of first use
	later    alarms
	running  int
	finished chan completion
	emitter  *emitter
	halted   string // why no further step starts; "" while they do
}

type node struct {
	StepResult
	lane       *lane
	missing    int   // needs that are not met
	dependents []int // steps that need this one
	tries      int   // attempts that count against the limit
	passed     int   // the lane's counter at the last refusal with a time
	epoch      int   // the lane's, when the last attempt started
	tracker    *tracker
}

type completion struct {
	index   int
	outcome Outcome
	err     error
}

func newRun(ctx context.Context, r *Runner, p Plan) *run {
	x := &run{
		do:       r.Do,
		parallel: r.Parallel,
		attempts: r.Attempts,
		backoff:  r.Backoff.withDefaults(),
		deadline: r.Deadline,
		failFast: r.StopOnFailure,
		nodes:    make([]node, len(p.Steps)),
		finished: make(chan completion),
		emitter:  &emitter{observe: r.Observe},
	}
	if x.parallel <= 0 {
		x.parallel = DefaultParallel
	}
	if x.attempts <= 0 {
		x.attempts = DefaultAttempts
	}
	if d, ok := ctx.Deadline(); ok && (x.deadline.IsZero() || d.Before(x.deadline)) {
		x.deadline = d
	}
	lanes := make(map[string]*lane)
	index := make(map[string]int, len(p.Steps))
	for i, s := range p.Steps {
		l := lanes[s.Lane]
		if l == nil {
			l = &lane{Lane: r.Lanes[s.Lane], name: s.Lane}
			lanes[s.Lane] = l
			x.lanes = append(x.lanes, l)
		}
		index[s.Key] = i
		x.nodes[i] = node{
			StepResult: StepResult{Step: s, Outcome: Outcome{State: StatePending}},
			lane:       l,
			missing:    len(s.Needs),
			passed:     -1,
		}
	}
	for i, s := range p.Steps {
		for _, need := range s.Needs {
			n := &x.nodes[index[need]]
			n.dependents = append(n.dependents, i)
		}
		if len(s.Needs) == 0 {
			x.nodes[i].lane.ready.add(i)
		}
	}
	return x
}

func (x *run) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if ctx.Err() != nil && x.halted == "" {
			x.halt(reasonInterrupted)
		}
		now := time.Now()
		x.wake(now)
		x.expire(now)
		x.startReady(ctx, now)
		next, idle := x.next(now)
		if idle && x.running == 0 {
			return
		}
		var alarm <-chan time.Time
		if !idle {
			timer.Reset(time.Until(next))
			alarm = timer.C
		}
		var cancelled <-chan struct{}
		if x.halted == "" {
			cancelled = ctx.Done()
		}
		select {
		case c := <-x.finished:
			x.finish(ctx, c)
		case <-alarm:
		case <-cancelled:
		}
	}
}

// wake makes the steps ready whose wait is over.
func (x *run) wake(now time.Time) {
	for len(x.later) > 0 && !x.later[0].at.After(now) {
		a := heap.Pop(&x.later).(alarm)
		x.nodes[a.index].lane.ready.add(a.index)
	}
}

// expire turns ready steps into waiting ones where the deadline is over, or comes before their lane opens.
func (x *run) expire(now time.Time) {
	if x.deadline.IsZero() || x.halted != "" {
		return
	}
	for _, l := range x.lanes {
		if l.closed == nil && l.ready.Len() > 0 {
			opens, reason := l.opens()
			// A running step may still give its token back, so a pace decides only when the lane is empty.
			if opens.After(now) && opens.After(x.deadline) && (l.running == 0 || l.pausedUntil.Equal(opens)) {
				o := Waiting(reason, opens)
				l.closed = &o
			} else if !now.Before(x.deadline) {
				o := Waiting(reasonOver, now)
				l.closed = &o
			}
		}
		if l.closed == nil {
			continue
		}
		for l.ready.Len() > 0 {
			i := l.ready.take()
			x.end(i, *l.closed, x.nodes[i].Err)
		}
	}
}

// startReady starts what can start now, in plan order.
func (x *run) startReady(ctx context.Context, now time.Time) {
	for x.halted == "" && x.running < x.parallel && ctx.Err() == nil {
		var best *lane
		for _, l := range x.lanes {
			if l.ready.Len() == 0 || !l.free() || (best != nil && l.ready.IntSlice[0] > best.ready.IntSlice[0]) {
				continue
			}
			if opens, _ := l.opens(); !opens.After(now) {
				best = l
			}
		}
		if best == nil {
			return
		}
		x.start(ctx, best.ready.take(), now)
	}
}

// next returns when something becomes possible by time alone. It reports idle where nothing does.
func (x *run) next(now time.Time) (next time.Time, idle bool) {
	idle = true
	earlier := func(t time.Time) {
		if idle || t.Before(next) {
			next, idle = t, false
		}
	}
	if x.halted != "" {
		return next, idle
	}
	if len(x.later) > 0 {
		earlier(x.later[0].at)
	}
	for _, l := range x.lanes {
		if l.ready.Len() == 0 {
			continue
		}
		opens, reason := l.opens()
		if !opens.After(now) {
			continue
		}
		earlier(opens)
		if opens.Sub(now) >= laneNotice && !opens.Equal(l.announced) && l.name != "" {
			l.announced = opens
			x.emitter.emit(Event{Lane: l.name, State: StatePending, Reason: reason, Until: opens})
		}
	}
	return next, idle
}

func (x *run) start(ctx context.Context, i int, now time.Time) {
	n := &x.nodes[i]
	n.lane.take(now)
	n.epoch = n.lane.epoch
	n.Attempts++
	if n.Started.IsZero() {
		n.Started = now
	}
	n.Outcome = Outcome{State: StateRunning}
	n.tracker = &tracker{emit: x.emitter, event: x.event(n)}
	x.running++
	x.emitter.emit(n.tracker.event)
	step, do, finished := n.Step, x.do, x.finished
	ctx = context.WithValue(ctx, trackerKey{}, n.tracker)
	go func() {
		c := completion{index: i, err: errVanished}
		defer func() {
			if v := recover(); v != nil {
				c.outcome, c.err = Outcome{}, &PanicError{Value: v, Stack: debug.Stack()}
			}
			finished <- c
		}()
		c.outcome, c.err = do(ctx, step)
	}()
}

// finish takes what came out of one attempt and decides how the step goes on.
func (x *run) finish(ctx context.Context, c completion) {
	n := &x.nodes[c.index]
	n.tracker.close()
	x.running--
	n.lane.release(c.err == nil && c.outcome.Free)
	if c.err == nil {
		switch c.outcome.State {
		case StateDone, StateSkipped, StateWaiting:
			n.lane.letThrough(n.epoch)
			x.end(c.index, c.outcome, nil)
			return
		default:
			c.err = fmt.Errorf("the step's function returned the state %q, which is no outcome", c.outcome.State)
		}
	}
	again := retryable(c.err)
	told := time.Time{}
	now := time.Now()
	if again {
		told = retryTime(c.err)
	}
	if told.After(now) {
		told = told.Add(x.backoff.Slack)
		if n.lane.name != "" {
			n.lane.pause(told, fmt.Sprintf("%s asks to wait", n.lane.name))
		}
	} else {
		told = time.Time{}
		n.lane.letThrough(n.epoch)
	}
	switch {
	case stopsAll(c.err):
		x.fail(c.index, "", c.err)
		x.halt("stopped after " + n.Step.Key)
	case ctx.Err() != nil && (again || errors.Is(c.err, ctx.Err()) || errors.Is(c.err, context.Cause(ctx))):
		x.fail(c.index, reasonInterrupted, c.err)
	case !again || x.halted != "":
		x.fail(c.index, "", c.err)
	default:
		x.retry(c.index, told, c.err)
	}
}

// retry plans the next attempt of a step: at the time its lane was told, or after a back-off.
func (x *run) retry(i int, told time.Time, err error) {
	n := &x.nodes[i]
	// A refusal with a time is no fault of the step: it counts only where nobody in the lane got through since the last
	// one, so that a step is not used up by its neighbours.
	if told.IsZero() || n.lane.name == "" || n.passed < 0 || n.lane.passed == n.passed {
		n.tries++
	}
	if !told.IsZero() {
		n.passed = n.lane.passed
	}
	if n.tries >= x.attempts {
		x.fail(i, fmt.Sprintf("gave up after %d attempts", n.Attempts), err)
		return
	}
	at := told
	if at.IsZero() {
		at = time.Now().Add(x.backoff.wait(n.tries))
	}
	if !x.deadline.IsZero() && at.After(x.deadline) {
		x.end(i, Waiting(err.Error(), at), err)
		return
	}
	n.Outcome, n.Err = Outcome{State: StatePending, Reason: err.Error()}, err
	ev := x.event(n)
	ev.Until, ev.Err = at, err
	x.emitter.emit(ev)
	heap.Push(&x.later, alarm{at: at, index: i})
}

func (x *run) fail(i int, reason string, err error) {
	if reason == "" {
		reason = err.Error()
	}
	x.end(i, Outcome{State: StateFailed, Reason: reason}, err)
	if x.failFast {
		x.halt("stopped after " + x.nodes[i].Step.Key)
	}
}

// end settles a step and makes those ready that needed only it.
func (x *run) end(i int, o Outcome, err error) {
	n := &x.nodes[i]
	n.Outcome, n.Err, n.Ended = o, err, time.Now()
	ev := x.event(n)
	ev.Err = err
	x.emitter.emit(ev)
	if o.State != StateDone && o.State != StateSkipped {
		return
	}
	for _, d := range n.dependents {
		if x.nodes[d].missing--; x.nodes[d].missing == 0 {
			x.nodes[d].lane.ready.add(d)
		}
	}
}

// halt lets no further step start. Steps between two attempts fail with the error of the last one.
func (x *run) halt(reason string) {
	if x.halted != "" {
		return
	}
	x.halted = reason
	x.later = nil
	for _, l := range x.lanes {
		l.ready = indexes{}
	}
	for i := range x.nodes {
		if n := &x.nodes[i]; n.Attempts > 0 && n.Outcome.State == StatePending {
			x.end(i, Outcome{State: StateFailed, Reason: reason}, n.Err)
		}
	}
}

func (x *run) event(n *node) Event {
	ev := Event{
		Key:     n.Step.Key,
		Kind:    n.Step.Kind,
		Lane:    n.Step.Lane,
		State:   n.Outcome.State,
		Attempt: n.Attempts,
		Reason:  n.Outcome.Reason,
		Until:   n.Outcome.Until,
	}
	if n.tracker != nil && n.Outcome.State != StateRunning {
		ev.Done, ev.Total = n.tracker.event.Done, n.tracker.event.Total
	}
	return ev
}

// result gives every step that did not run its reason and tells the observer.
func (x *run) result() Result {
	index := make(map[string]int, len(x.nodes))
	p := Plan{Steps: make([]Step, len(x.nodes))}
	for i := range x.nodes {
		p.Steps[i] = x.nodes[i].Step
		index[x.nodes[i].Step.Key] = i
	}
	for _, i := range p.order(index) {
		if n := &x.nodes[i]; n.Outcome.State == StatePending {
			n.Outcome.Reason = x.pendingReason(n, index)
		}
	}
	r := Result{Steps: make([]StepResult, len(x.nodes))}
	for i := range x.nodes {
		r.Steps[i] = x.nodes[i].StepResult
		if r.Steps[i].Outcome.State == StatePending {
			x.emitter.emit(x.event(&x.nodes[i]))
		}
	}
	return r
}

// pendingReason says why a step did not run: the need that is not met, or what halted the run where that is why the
// need is not met.
func (x *run) pendingReason(n *node, index map[string]int) string {
	for _, need := range n.Step.Needs {
		o := x.nodes[index[need]].Outcome
		switch {
		case o.State == StateDone || o.State == StateSkipped:
		case x.halted != "" && o.Reason == x.halted:
		default:
			return "needs " + need
		}
	}
	return x.halted
}

package converge

import (
	"context"
	"sync"
	"time"
)

// Event says that something about a step changed. Attempt counts from 1 and is 0 before the first one.
//
// A step between two attempts is StatePending with an Attempt, the last attempt's Reason and Err, and the time of the
// next one in Until. An event without a Key is about a whole Lane that keeps still until Until.
type Event struct {
	Time    time.Time `json:"time"`
	Key     string    `json:"key,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	Lane    string    `json:"lane,omitempty"`
	State   State     `json:"state"`
	Attempt int       `json:"attempt,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Phase   string    `json:"phase,omitempty"` // what a running step is at, in its own words
	Done    int64     `json:"done,omitempty"`  // bytes
	Total   int64     `json:"total,omitempty"` // bytes; 0 when unknown
	Err     error     `json:"-"`
}

// progressEvery is how often one step's byte counts become events.
const progressEvery = 100 * time.Millisecond

type trackerKey struct{}

// Progress reports how many bytes of total the step that ctx belongs to has moved; total 0 is unknown. About ten
// reports a second become events, and the one with done == total always does. With any other context, and after the
// step returned, it does nothing. It may be called from several goroutines.
func Progress(ctx context.Context, done, total int64) {
	t, _ := ctx.Value(trackerKey{}).(*tracker)
	if t == nil {
		return
	}
	t.emit.mu.Lock()
	defer t.emit.mu.Unlock()
	if t.closed {
		return
	}
	finished := total > 0 && done >= total && (t.event.Done != done || t.event.Total != total)
	t.event.Done, t.event.Total = done, total
	now := time.Now()
	if !finished && !t.last.IsZero() && now.Sub(t.last) < progressEvery {
		return
	}
	t.last = now
	t.emit.send(t.event, now)
}

// Phase reports what the step that ctx belongs to is at, in a few words for people. Each change becomes an event.
func Phase(ctx context.Context, phase string) {
	t, _ := ctx.Value(trackerKey{}).(*tracker)
	if t == nil {
		return
	}
	t.emit.mu.Lock()
	defer t.emit.mu.Unlock()
	if t.closed || t.event.Phase == phase {
		return
	}
	t.event.Phase = phase
	t.emit.send(t.event, time.Now())
}

// tracker is one attempt of one step as its function sees it. Its fields are guarded by emit.mu.
type tracker struct {
	emit   *emitter
	event  Event // the last one, sent or held back
	last   time.Time
	closed bool
}

// close ends the tracker and returns its last event.
func (t *tracker) close() Event {
	t.emit.mu.Lock()
	defer t.emit.mu.Unlock()
	t.closed = true
	return t.event
}

// emitter hands events to the observer one at a time.
type emitter struct {
	mu      sync.Mutex
	observe func(Event)
}

func (e *emitter) emit(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.send(ev, time.Now())
}

// send calls the observer; mu must be held.
func (e *emitter) send(ev Event, now time.Time) {
	if e.observe == nil {
		return
	}
	ev.Time = now
	e.observe(ev)
}

package converge

import (
	"container/heap"
	"fmt"
	"sort"
	"time"
)

// lane is the state of one lane during a run. The zero Lane's lane is always open.
type lane struct {
	Lane
	name    string
	ready   indexes // steps that could start as far as their needs go
	running int

	full        time.Time // when the bucket is full again; it holds Burst minus what is missing until then
	pausedUntil time.Time // a server named this instant
	pauseReason string
	probing     bool // after a pause one attempt goes first; the rest follow when the server lets it through
	epoch       int  // counts pauses
	passed      int  // attempts that ended without a named time
	closed      *Outcome
	announced   time.Time
}

// free reports whether the lane's limit allows one more attempt.
func (l *lane) free() bool {
	limit := l.Limit
	if l.probing {
		limit = 1
	}
	return limit <= 0 || l.running < limit
}

// opens returns when the lane's pace and pause allow the next attempt, and why not before. It may lie in the past.
func (l *lane) opens() (time.Time, string) {
	var token time.Time
	if l.Every > 0 {
		token = l.full.Add(-time.Duration(max(l.Burst, 1)-1) * l.Every)
	}
	if l.pausedUntil.After(token) {
		return l.pausedUntil, l.pauseReason
	}
	return token, fmt.Sprintf("the pace of %s allows one start per %s", l.name, l.Every)
}

func (l *lane) take(now time.Time) {
	l.running++
	if l.Every > 0 {
		if l.full.Before(now) {
			l.full = now
		}
		l.full = l.full.Add(l.Every)
	}
}

// release ends an attempt; the bucket gets its token back if the attempt asked nothing.
func (l *lane) release(free bool) {
	l.running--
	if free && l.Every > 0 {
		l.full = l.full.Add(-l.Every)
	}
}

func (l *lane) pause(until time.Time, reason string) {
	l.probing = true
	l.epoch++
	if until.After(l.pausedUntil) {
		l.pausedUntil, l.pauseReason = until, reason
	}
}

// letThrough notes that the server answered an attempt without naming a time. What it answered to an attempt from
// before the last pause says nothing about now.
func (l *lane) letThrough(epoch int) {
	l.probing = l.probing && epoch != l.epoch
	l.passed++
}

// indexes is a heap of step indexes, the lowest first.
type indexes struct{ sort.IntSlice }

func (h *indexes) Push(v any) { h.IntSlice = append(h.IntSlice, v.(int)) }

func (h *indexes) Pop() any {
	last := len(h.IntSlice) - 1
	v := h.IntSlice[last]
	h.IntSlice = h.IntSlice[:last]
	return v
}

func (h *indexes) add(i int) { heap.Push(h, i) }
func (h *indexes) take() int { return heap.Pop(h).(int) }

// alarm is a step that becomes ready at a time.
type alarm struct {
	at    time.Time
	index int
}

// alarms is a heap, the earliest first, of equal ones the lowest index.
type alarms []alarm

func (h alarms) Len() int      { return len(h) }
func (h alarms) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h alarms) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].index < h[j].index
}
func (h *alarms) Push(v any) { *h = append(*h, v.(alarm)) }

func (h *alarms) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}

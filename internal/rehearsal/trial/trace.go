package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// entry is one thing that happened. It is put into words only where somebody wants to read it.
type entry struct {
	at      time.Duration
	process *process // nil: the world
	rank    int      // place of the step in its plan
	kind    entryKind
	key     string
	state   string
	attempt int
	phase   string
	text    string
	call    *call
}

type entryKind int

const (
	entryNote entryKind = iota
	entryCall
	entryStep
)

func (t *Trial) record(e entry) {
	e.at = time.Since(t.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, e)
}

// note records a sentence about a process, or about the world.
func (t *Trial) note(who, format string, args ...any) {
	t.record(entry{kind: entryNote, key: who, text: fmt.Sprintf(format, args...)})
}

func (c *call) entry(outcome string) entry {
	c.process.mu.Lock()
	defer c.process.mu.Unlock()
	return entry{process: c.process, rank: c.process.rank[c.Key], kind: entryCall, key: c.Key, text: outcome, call: c}
}

// Trace puts a trial into words. Several things happen at one instant of a virtual clock, in an order that the scheduler
// chooses; they are told in the order of the plan. What a process says at the instant of its death nobody hears.
func (t *Trial) Trace() string {
	t.mu.Lock()
	log := slices.Clone(t.log)
	t.mu.Unlock()
	slices.SortStableFunc(log, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank), cmp.Compare(a.key, b.key), cmp.Compare(a.kind, b.kind), strings.Compare(a.asked(), b.asked()))
	})
	var out strings.Builder
	out.WriteString(t.Scene.String())
	for _, e := range log {
		if e.process != nil {
			at, dead := e.process.deadSince()
			if dead && e.kind == entryStep && e.at >= at.Sub(t.began) {
				continue
			}
		}
		fmt.Fprintf(&out, "%14s  %s\n", fmt.Sprintf("+%.6fs", e.at.Seconds()), e.words())
	}
	return out.String()
}

// asked is what a call asked for, "" where the entry is none.
func (e entry) asked() string {
	if e.call == nil {
		return ""
	}
	return e.call.name()
}

func (e entry) words() string {
	switch e.kind {
	case entryCall:
		who := e.key
		if who == "" {
			who = "look"
		}
		s := fmt.Sprintf("%s  %s: %s -> %s", e.process.name(), who, e.call.name(), e.text)
		if n := e.call.arrived.Load(); n > 1 {
			s += fmt.Sprintf(" (sent %d times)", n)
		}
		if what := e.call.trouble.Load(); what != nil {
			s += "  [" + *what + "]"
		}
		return s
	case entryStep:
		s := fmt.Sprintf("%s  %s %s", e.process.name(), e.key, e.state)
		if e.attempt > 1 {
			s += fmt.Sprintf(" (attempt %d)", e.attempt)
		}
		if e.phase != "" {
			s += ": " + e.phase
		}
		if e.text != "" {
			s += ": " + e.text
		}
		return s
	}
	if e.key != "" {
		return e.key + "  " + e.text
	}
	return e.text
}

// fail notes that something that must always hold does not. Only the first counts: what comes after it may follow from it.
func (t *Trial) fail(invariant, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	t.note("", "VIOLATED: %s: %s", invariant, detail)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.violation == nil {
		t.violation = &Breach{invariant, detail}
	}
}

// ok reports whether everything holds so far.
func (t *Trial) ok() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.violation == nil
}

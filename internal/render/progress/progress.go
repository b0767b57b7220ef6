// Package progress shows a run while it goes on: line by line, or as a live view of a terminal.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// Manner is how progress is shown.
type Manner string

const (
	// Live redraws a few lines in place; the writer must be a terminal.
	Live Manner = "live"
	// Lines writes one line per change.
	Lines Manner = "lines"
	// Quiet writes one line per finished step, and one where something has to be waited for or tried again.
	Quiet Manner = "quiet"
)

// redrawEvery is the shortest time between two frames of the live view.
const redrawEvery = 50 * time.Millisecond

// View shows the events of one run of a plan. It starts no goroutine and reads no clock: Observe is the runner's
// observer, and with Live the caller calls Tick a few times per second so that countdowns move.
type View struct {
	mu     sync.Mutex
	w      io.Writer
	err    error
	screen Screen
	kinds  []*kindProgress // in plan order
	byKind map[string]*kindProgress
	steps  map[string]*stepProgress
	lanes  []laneWait
	began  time.Time
	drawn  time.Time
	rows   int // lines of the frame that is on the screen
}

// Screen says where and how progress is drawn.
type Screen struct {
	Manner Manner
	Style  plain.Style
	Title  string                     // the live view's first line, for instance the tag
	Size   func() (columns, rows int) // asked before each frame, so that a resized window is respected; nil: Style.Width x 24
}

type kindProgress struct {
	name  string
	total int
	steps []*stepProgress // those that started, in order of their start
	count map[converge.State]int
}

type stepProgress struct {
	event    converge.Event // the last one
	name     string
	phase    string // the last one that got a line
	began    time.Time
	moveFrom int64     // bytes at moveAt
	moveAt   time.Time // the attempt's first byte count, from which the rate is taken
}

type laneWait struct {
	name, reason string
	until        time.Time
}

// New returns a Progress for one run of p.
func New(w io.Writer, p converge.Plan, screen Screen) *View {
	v := &View{w: w, screen: screen, byKind: make(map[string]*kindProgress), steps: make(map[string]*stepProgress)}
	for _, s := range p.Steps {
		v.kind(s.Kind).total++
	}
	return v
}

func (p *View) kind(name string) *kindProgress {
	k := p.byKind[name]
	if k == nil {
		k = &kindProgress{name: name, count: make(map[converge.State]int)}
		p.byKind[name] = k
		p.kinds = append(p.kinds, k)
	}
	return k
}

// Observe takes one event.
func (p *View) Observe(ev converge.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began = ev.Time
	}
	if ev.Key == "" {
		p.observeLane(ev)
		return
	}
	s, fresh := p.take(ev)
	if p.screen.Manner == Live {
		if ev.Time.Sub(p.drawn) >= redrawEvery {
			p.draw(ev.Time)
		}
		return
	}
	if line := p.line(s, fresh); line != "" {
		p.write(line + "\n")
	}
}

// Tick redraws the live view as of now. With the other manners it does nothing.
func (p *View) Tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen.Manner == Live && !p.began.IsZero() {
		p.draw(now)
	}
}

// Close draws the last frame, which stays, and returns the first error of the writer.
func (p *View) Close(now time.Time) error {
	p.Tick(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = 0
	return p.err
}

// Interrupt removes the live view, lets f write, and draws the view again below. With the other manners it only calls f.
func (p *View) Interrupt(now time.Time, f func(io.Writer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows > 0 {
		p.write(p.erase())
		p.rows = 0
	}
	f(p.w)
	if p.screen.Manner == Live && !p.began.IsZero() {
		p.draw(now)
	}
}

func (p *View) write(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text)
	}
}

func (p *View) observeLane(ev converge.Event) {
	wait := laneWait{name: plain.Clean(ev.Lane), reason: plain.Clean(ev.Reason), until: ev.Until}
	for i, l := range p.lanes {
		if l.name == wait.name {
			p.lanes = append(p.lanes[:i], p.lanes[i+1:]...)
			break
		}
	}
	p.lanes = append(p.lanes, wait)
	if p.screen.Manner == Live {
		p.draw(ev.Time)
		return
	}
	p.write(fmt.Sprintf("%s %s\n", p.verb("wait", plain.Yellow), untilText(wait.reason, wait.until, ev.Time)))
}

// take enters an event into the state. fresh reports a change of state or attempt.
func (p *View) take(ev converge.Event) (s *stepProgress, fresh bool) {
	k := p.kind(ev.Kind)
	s = p.steps[ev.Key]
	if s == nil {
		s = &stepProgress{name: stepName(ev.Key, ev.Kind), began: ev.Time}
		p.steps[ev.Key] = s
		fresh = true
		if ev.State != converge.StatePending {
			k.steps = append(k.steps, s)
		}
	} else {
		k.count[s.event.State]--
		fresh = s.event.State != ev.State || s.event.Attempt != ev.Attempt
	}
	k.count[ev.State]++
	if fresh {
		s.moveAt = time.Time{}
	}
	if ev.Done > 0 && s.moveAt.IsZero() {
		s.moveFrom, s.moveAt = ev.Done, ev.Time
	}
	s.event = ev
	return s, fresh
}

// stepName is a step's key without its kind, which stands beside it.
func stepName(key, kind string) string {
	return plain.Clean(strings.TrimPrefix(key, kind+"/"))
}

// verb is the first word of a plain line.
func (p *View) verb(word, color string) string {
	return p.screen.Style.Paint(color, plain.Pad(word, 5))
}

// line returns the plain line for the last event of a step, or "".
func (p *View) line(s *stepProgress, fresh bool) string {
	ev, key := s.event, plain.Clean(s.event.Key)
	since := plain.Span(ev.Time.Sub(s.began))
	if !fresh && ev.State != converge.StateRunning {
		return ""
	}
	switch ev.State {
	case converge.StateRunning:
		switch {
		case p.screen.Manner == Quiet:
			return ""
		case fresh && ev.Attempt > 1:
			return fmt.Sprintf("%s %s, attempt %d", p.verb("start", plain.Cyan), key, ev.Attempt)
		case fresh:
			return p.verb("start", plain.Cyan) + " " + key
		case ev.Phase != s.phase:
			s.phase = ev.Phase
			return p.verb("at", plain.Cyan) + " " + key + ": " + plain.Clean(ev.Phase)
		}
		return ""
	case converge.StatePending:
		if ev.Attempt == 0 {
			return "" // steps that were not reached are in the report
		}
		return fmt.Sprintf("%s %s, attempt %d: %s", p.verb("again", plain.Yellow), key, ev.Attempt,
			untilText(plain.Clean(ev.Reason), ev.Until, ev.Time))
	case converge.StateDone:
		return fmt.Sprintf("%s %s, %s%s", p.verb("done", plain.Green), key, since, plain.Because(ev.Reason))
	case converge.StateSkipped:
		return fmt.Sprintf("%s %s%s", p.verb("skip", plain.Dim), key, plain.Because(ev.Reason))
	case converge.StateWaiting:
		return fmt.Sprintf("%s %s: %s", p.verb("wait", plain.Yellow), key, untilText(plain.Clean(ev.Reason), ev.Until, ev.Time))
	case converge.StateFailed:
		return fmt.Sprintf("%s %s, %s%s", p.verb("fail", plain.Red), key, since, plain.Because(ev.Reason))
	}
	return ""
}

// untilText adds to a clean reason when it goes on.
func untilText(reason string, until, now time.Time) string {
	if until.IsZero() {
		return reason
	}
	return strings.TrimPrefix(fmt.Sprintf("%s; goes on at %s, in %s", reason, plain.Clock(until, now), plain.Left(until, now)), "; ")
}

// Package screen draws the runs of one command on standard error, for a terminal or for a log.
package screen

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/progress"
)

// Live reports whether people look at stderr on a terminal of that kind (TERM).
func Live(kind string) bool { return term.IsTerminal(int(os.Stderr.Fd())) && kind != "dumb" }

// Size is the terminal's, or one that a log can do with.
func Size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil || columns <= 0 {
		return 100, 24
	}
	return columns, rows
}

// Progress draws the runs of one command, one after the other, on stderr. A run that only waits for another one keeps
// quiet while that one is drawn.
type Progress struct {
	Err    io.Writer
	Manner progress.Manner
	Style  render.Style
	Talk   func(format string, args ...any) // says a sentence for people

	mu      sync.Mutex // a run that waits and the run that it waits for report side by side
	current *progress.View
	stop    chan struct{}
}

// Planned begins to draw a run.
func (p *Progress) Planned(s release.Snapshot, plan release.Plan) func(converge.Event) {
	return p.Draw(s.Repository+" "+s.Checkout.Tag.Name, plan.Plan)
}

// Draw begins to draw a plan.
func (p *Progress) Draw(title string, plan converge.Plan) func(converge.Event) {
	p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := progress.New(p.Err, plan, progress.Screen{Manner: p.Manner, Style: p.Style, Title: title, Size: Size})
	p.current, p.stop = mine, make(chan struct{})
	if p.Manner == progress.Live {
		go tick(mine, p.stop)
	}
	return func(ev converge.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.current == mine {
			mine.Observe(ev)
		}
	}
}

// tick moves countdowns between events.
func tick(p *progress.View, stop <-chan struct{}) {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			p.Tick(now)
		}
	}
}

// Say writes a sentence between the lines of the progress.
func (p *Progress) Say(format string, args ...any) {
	p.Close()
	p.Talk(format, args...)
}

func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return
	}
	close(p.stop)
	p.current.Close(time.Now())
	p.current = nil
}

package cli

import (
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// live reports whether people look at stderr on a terminal.
func (a *app) live() bool { return term.IsTerminal(int(os.Stderr.Fd())) && a.env["TERM"] != "dumb" }

func (a *app) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil || columns <= 0 {
		return 100, 24
	}
	return columns, rows
}

// progress draws the runs of one command, one after the other, on stderr. A run that only waits for another one keeps
// quiet while that one is drawn.
type progress struct {
	app *app

	mu      sync.Mutex // a run that waits and the run that it waits for report side by side
	current *render.Progress
	stop    chan struct{}
}

// planned begins to draw a run.
func (p *progress) planned(s release.Snapshot, plan release.Plan) func(converge.Event) {
	return p.draw(s.Repository+" "+s.Checkout.Tag.Name, plan.Plan)
}

// draw begins to draw a plan.
func (p *progress) draw(title string, plan converge.Plan) func(converge.Event) {
	p.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	manner := render.Lines
	switch {
	case p.app.live():
		manner = render.Live
	case p.app.quiet:
		manner = render.Quiet
	}
	mine := render.NewProgress(p.app.streams.Err, plan, render.Screen{Manner: manner, Style: p.app.style(p.app.streams.Err), Title: title, Size: p.app.size})
	p.current, p.stop = mine, make(chan struct{})
	if manner == render.Live {
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
func tick(p *render.Progress, stop <-chan struct{}) {
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

// say writes a sentence between the lines of the progress.
func (p *progress) say(format string, args ...any) {
	p.close()
	p.app.say(format, args...)
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return
	}
	close(p.stop)
	p.current.Close(time.Now())
	p.current = nil
}

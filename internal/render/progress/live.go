package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// The live view: one line per kind of step, and below it one per step of the kind that runs, waits or failed.
// Finished steps are only counted.

// erase returns what takes the frame off the screen and puts the cursor where it began.
func (p *View) erase() string {
	if p.rows == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", p.rows)
}

// draw replaces the frame in one write, so that it does not flicker.
func (p *View) draw(now time.Time) {
	width, height := p.screen.Style.Columns(), 24
	if p.screen.Size != nil {
		width, height = p.screen.Size()
	}
	lines := p.frame(now, max(width-1, 1), max(height-1, 3))
	text := p.erase()
	for _, line := range lines {
		text += line + "\n"
	}
	p.write(text)
	p.rows, p.drawn = len(lines), now
}

// entry is one line of the view; details may be left out where the screen is too low.
type entry struct {
	text   string
	detail bool
}

// frame returns the lines of the view, none wider than width columns and not more than height.
func (p *View) frame(now time.Time, width, height int) []string {
	entries := []entry{{text: p.headline(now, width)}}
	nameWidth := 0
	for _, k := range p.kinds {
		nameWidth = max(nameWidth, plain.Columns(plain.Clean(k.name)))
	}
	for _, k := range p.kinds {
		if len(k.steps) == 0 {
			continue
		}
		entries = append(entries, entry{text: p.kindLine(k, nameWidth, width)})
		for _, s := range k.steps {
			if line := p.stepLine(s, now, width); line != "" {
				entries = append(entries, entry{line, true})
			}
		}
	}
	for _, l := range p.lanes {
		if l.until.After(now) {
			rest := ", " + plain.Left(l.until, now) + " left"
			text := plain.Fit("  "+l.reason, max(width-plain.Columns(rest), 0)) + rest
			entries = append(entries, entry{text: p.screen.Style.Paint(plain.Yellow, plain.Fit(text, width))})
		}
	}
	return p.squeeze(entries, width, height)
}

// squeeze leaves out the last details, and says how many, where there are more entries than height.
func (p *View) squeeze(entries []entry, width, height int) []string {
	over := len(entries) - height
	if over > 0 {
		over++ // for the line that says it
	}
	dropped := 0
	for i := len(entries) - 1; i >= 0 && dropped < over; i-- {
		if entries[i].detail {
			entries = append(entries[:i], entries[i+1:]...)
			dropped++
		}
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.text)
	}
	if dropped > 0 {
		lines = append(lines, p.screen.Style.Paint(plain.Dim, plain.Fit(fmt.Sprintf("    and %d more", dropped), width)))
	}
	return lines[:min(len(lines), height)]
}

func (p *View) headline(now time.Time, width int) string {
	finished, total := 0, 0
	for _, k := range p.kinds {
		total += k.total
		finished += k.finished()
	}
	right := fmt.Sprintf("%d of %s, %s", finished, plain.Count(total, "step"), plain.Whole(now.Sub(p.began)))
	title := plain.Fit(plain.Clean(p.screen.Title), max(0, width-plain.Columns(right)-2))
	line := plain.Fit(plain.Pad(title, width-plain.Columns(right))+right, width)
	return p.screen.Style.Paint(plain.Bold, line)
}

func (k *kindProgress) finished() int {
	return k.count[converge.StateDone] + k.count[converge.StateSkipped]
}

func (p *View) kindLine(k *kindProgress, nameWidth, width int) string {
	mark, color := " ", ""
	text := fmt.Sprintf("%d of %d", k.finished(), k.total)
	switch {
	case k.count[converge.StateFailed] > 0:
		mark, color = "✗", plain.Red
		text += fmt.Sprintf(", %d failed", k.count[converge.StateFailed])
	case k.finished() >= k.total:
		mark, color = "✓", plain.Green
		text = fmt.Sprint(k.total)
	case k.count[converge.StateWaiting] > 0:
		mark, color = "…", plain.Yellow
		text += fmt.Sprintf(", %d waiting", k.count[converge.StateWaiting])
	}
	line := plain.Fit(mark+" "+plain.Pad(plain.Clean(k.name), nameWidth)+"  "+text, width)
	if rest, ok := strings.CutPrefix(line, mark); ok && mark != " " {
		return p.screen.Style.Paint(color, mark) + rest
	}
	return line
}

// stepLine returns the line of a step that is not finished, or "".
func (p *View) stepLine(s *stepProgress, now time.Time, width int) string {
	ev := s.event
	var text, color string
	switch ev.State {
	case converge.StateRunning:
		text = s.movement(now, width)
		if ev.Attempt > 1 {
			text = strings.TrimSuffix(fmt.Sprintf("attempt %d, %s", ev.Attempt, text), ", ")
		}
	case converge.StatePending:
		color = plain.Yellow
		text = fmt.Sprintf("attempt %d in %s: %s", ev.Attempt+1, plain.Left(ev.Until, now), plain.Clean(ev.Reason))
		if ev.Attempt == 0 {
			return ""
		}
	case converge.StateWaiting:
		color = plain.Yellow
		text = plain.Clean(ev.Reason)
		if !ev.Until.IsZero() {
			text = fmt.Sprintf("until %s: %s", plain.Clock(ev.Until, now), text)
		}
	case converge.StateFailed:
		color = plain.Red
		text = plain.Clean(ev.Reason)
	default:
		return ""
	}
	name := plain.Fit(s.name, max(10, width/2-4))
	return p.screen.Style.Paint(color, plain.Fit(strings.TrimRight("    "+name+"  "+text, " "), width))
}

// movement says what a running step is at: its phase, its bytes with the time left at the rate so far, and how long
// it runs.
func (s *stepProgress) movement(now time.Time, width int) string {
	ev := s.event
	var parts []string
	if ev.Phase != "" {
		parts = append(parts, plain.Clean(ev.Phase))
	}
	switch {
	case ev.Done > 0 && ev.Total > 0:
		share := min(float64(ev.Done)/float64(ev.Total), 1)
		text := fmt.Sprintf("%s of %s, %.0f%%", plain.Size(ev.Done), plain.Size(ev.Total), share*100)
		if width >= 100 {
			text = bar(share) + " " + text
		}
		parts = append(parts, text)
		if rest, ok := s.eta(now); ok {
			parts = append(parts, rest+" left")
		}
	case ev.Done > 0:
		parts = append(parts, plain.Size(ev.Done))
	}
	if runs := now.Sub(s.began); len(parts) == 0 || (ev.Done == 0 && runs >= 10*time.Second) {
		parts = append(parts, plain.Whole(runs))
	}
	return strings.Join(parts, ", ")
}

// eta is unknown for the first second of an attempt's bytes, when the rate says nothing yet.
func (s *stepProgress) eta(now time.Time) (string, bool) {
	took, moved := now.Sub(s.moveAt), s.event.Done-s.moveFrom
	if took < time.Second || moved <= 0 || s.event.Done >= s.event.Total {
		return "", false
	}
	rest := float64(s.event.Total-s.event.Done) / float64(moved) * float64(took)
	if rest > float64(100*time.Hour) {
		return "", false
	}
	return plain.Left(now.Add(time.Duration(rest)), now), true
}

func bar(share float64) string {
	const cells = 12
	full := int(share * cells)
	return strings.Repeat("━", full) + strings.Repeat("─", cells-full)
}

package progress_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
	"github.com/tagboat/tagboat/internal/acceptance/golden"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/progress"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestProgress reads from each archive a "plan" (one key per line), "events" and a "screen" (manner, columns, rows).
//
// An event is "TIME KEY STATE name=value...", with Go-quoted strings where needed; durations count from noon. The
// words "tick" and "close" in place of a key call the method; "snap" copies the screen as it is to the wanted output.
func TestProgress(t *testing.T) {
	golden.Run(t, "testdata/progress/*.txtar", func(t *testing.T, in map[string]string) map[string]string {
		var manner string
		var columns, rows int
		if _, err := fmt.Sscan(in["screen"], &manner, &columns, &rows); err != nil {
			t.Fatalf("screen: %v", err)
		}
		var plan converge.Plan
		for key := range strings.FieldsSeq(in["plan"]) {
			kind, _, _ := strings.Cut(key, "/")
			plan.Steps = append(plan.Steps, converge.Step{Key: key, Kind: kind})
		}
		screen := &screen{t: t, columns: columns, live: manner == "live"}
		p := progress.New(screen, plan, progress.Screen{
			Manner: progress.Manner(manner),
			Title:  "Release of v0.4.0",
			Style:  render.Style{Width: columns, Color: strings.Contains(in["screen"], "color")},
			Size:   func() (int, int) { return columns, rows },
		})
		var out strings.Builder
		for line := range strings.Lines(in["events"]) {
			words := split(t, line)
			if len(words) == 0 {
				continue
			}
			at := noon.Add(duration(t, words[0]))
			switch words[1] {
			case "tick":
				p.Tick(at)
			case "close":
				if err := p.Close(at); err != nil {
					t.Error(err)
				}
			case "say":
				p.Interrupt(at, func(w io.Writer) { fmt.Fprintln(w, words[2]) })
			case "snap":
				fmt.Fprintf(&out, "--- %s\n%s", words[0], screen)
			default:
				p.Observe(event(t, at, words[1:]))
			}
		}
		if manner != "live" || strings.Contains(in["screen"], "raw") {
			return map[string]string{"output": strings.ReplaceAll(screen.raw.String(), "\x1b", "<ESC>")}
		}
		return map[string]string{"output": out.String()}
	})
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// event reads "KEY STATE name=value...".
func event(t *testing.T, at time.Time, words []string) converge.Event {
	ev := converge.Event{Time: at, Key: words[0], State: converge.State(words[1])}
	ev.Kind, _, _ = strings.Cut(ev.Key, "/")
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "attempt":
			ev.Attempt = int(n)
		case "done":
			ev.Done = n
		case "total":
			ev.Total = n
		case "phase":
			ev.Phase = value
		case "reason":
			ev.Reason = value
		case "until":
			ev.Until = noon.Add(duration(t, value))
		case "lane":
			ev.Key, ev.Kind, ev.Lane = "", "", value
		default:
			t.Fatalf("unknown field %q", word)
		}
	}
	return ev
}

var word = regexp.MustCompile(`(?:[^\s"]|"(?:[^"\\]|\\.)*")+`)

// split splits at white space; parts in double quotes are Go strings.
func split(t *testing.T, line string) []string {
	quoted := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	var out []string
	for _, w := range word.FindAllString(line, -1) {
		out = append(out, quoted.ReplaceAllStringFunc(w, func(q string) string {
			s, err := strconv.Unquote(q)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			return s
		}))
	}
	return out
}

// screen is a terminal that knows what the live view uses: up, carriage return, erase below, colours, line feed.
type screen struct {
	t       *testing.T
	columns int
	live    bool
	raw     bytes.Buffer
	lines   []string
	row     int
}

var control = regexp.MustCompile(`^\x1b\[([0-9]*)([AJm])`)

func (s *screen) Write(b []byte) (int, error) {
	s.raw.Write(b)
	for text := string(b); text != ""; {
		if m := control.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "A":
				s.row -= n
			case "J":
				s.lines = s.lines[:s.row]
			}
			text = text[len(m[0]):]
			continue
		}
		for s.row >= len(s.lines) {
			s.lines = append(s.lines, "")
		}
		switch {
		case text[0] == '\r':
			text = text[1:]
			continue
		case text[0] == '\n':
			s.row++
			text = text[1:]
			continue
		case text[0] < ' ' || text[0] == 0x7f:
			s.t.Errorf("control character %q reached the terminal", text[0])
		}
		end := strings.IndexAny(text[1:], "\x1b\r\n") + 1
		if end == 0 {
			end = len(text)
		}
		s.lines[s.row] += text[:end]
		text = text[end:]
		if w := uniseg.StringWidth(s.lines[s.row]); s.live && w >= s.columns {
			s.t.Errorf("line of %d columns on a screen of %d: %q", w, s.columns, s.lines[s.row])
		}
	}
	return len(b), nil
}

func (s *screen) String() string {
	var out string
	for _, line := range s.lines {
		if line != "" {
			out += line + "\n"
		}
	}
	return out
}

func TestProgressKeepsTheFirstWriteError(t *testing.T) {
	full := errors.New("disk full")
	calls := 0
	w := writerFunc(func([]byte) (int, error) { calls++; return 0, full })
	p := progress.New(w, converge.Plan{}, progress.Screen{Manner: progress.Lines})
	for range 3 {
		p.Observe(converge.Event{Time: noon, Key: "a/b", Kind: "a", State: converge.StateRunning, Attempt: 1})
		p.Observe(converge.Event{Time: noon, Key: "a/b", Kind: "a", State: converge.StateDone, Attempt: 1})
	}
	if err := p.Close(noon); !errors.Is(err, full) || calls != 1 {
		t.Errorf("Close() = %v after %d writes", err, calls)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

package plain

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Style is what a stream can show. The zero Style is plain text of 80 columns.
type Style struct {
	Color bool // the stream is a terminal and nobody asked for no colours
	Width int  // columns; 0 means 80
}

func (s Style) Columns() int {
	if s.Width <= 0 {
		return 80
	}
	return s.Width
}

// Colours, as SGR parameters.
const (
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Cyan   = "36"
)

// Paint colours text, which must be clean.
func (s Style) Paint(color, text string) string {
	if !s.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Size formats a number of bytes: "512 B", "1.2 MB".
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		value /= 1000
		if value < 9.95 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		if value < 999.5 || unit == "TB" {
			return fmt.Sprintf("%.0f %s", value, unit)
		}
	}
	return ""
}

// Span formats a duration for people: "0.4s", "12s", "3m 05s", "2h 10m", "3d 4h".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Whole formats a duration in whole seconds, rounded down: "4s", "3m 05s".
func Whole(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%ds", int(max(d, 0).Seconds()))
	}
	return Span(d)
}

// Left formats the whole seconds until a time, rounded up, so that a countdown ends with 1s.
func Left(until, now time.Time) string {
	if !until.After(now) {
		return "now"
	}
	return Whole(until.Sub(now) + time.Second - 1)
}

// Clock formats an instant as people read it in a log: "15:04:05 UTC", with the date where it is not now's day.
func Clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// Table formats rows in columns that are as wide as their widest cell, two spaces apart. Columns named in right are
// aligned to the right. Cells must be clean. Trailing spaces are cut.
func Table(rows [][]string, right ...int) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Columns(cell))
		}
	}
	out := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			if slices.Contains(right, i) {
				b.WriteString(PadLeft(cell, widths[i]))
			} else {
				b.WriteString(Pad(cell, widths[i]))
			}
		}
		out[n] = strings.TrimRight(b.String(), " ")
	}
	return out
}

// Count formats a number with its noun: "1 crate", "3 crates".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Because appends a reason to a sentence: ": reason", "" where there is none.
func Because(reason string) string {
	if reason = Clean(reason); reason == "" {
		return ""
	}
	return ": " + reason
}

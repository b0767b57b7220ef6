// Package plain makes text of unknown origin safe to show, and formats columns, sizes and times. It is what every
// rendering is built from.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// maxMarks is how many combining marks in a row are shown. Real scripts need three or four; more only smear over the
// lines above and below.
const maxMarks = 4

const zeroWidthJoiner = '\u200d'

// Clean makes s safe to write within one line: control characters, characters that reverse or hide text, and invalid
// UTF-8 become U+FFFD, white space becomes a space, and what a GitHub Actions log would take for a command is broken
// up with a space.
func Clean(s string) string {
	return breakCommands(strings.Join(strings.Fields(visible(s)), " "))
}

// Block makes s safe to write on several lines: line breaks stay, tabs become four spaces, everything else is as with
// Clean. Trailing white space and empty lines at both ends are cut.
func Block(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\t", "    ")
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = breakCommands(strings.TrimRightFunc(visible(line), unicode.IsSpace))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func visible(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks, last := 0, rune(0)
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Variation_Selector, r), r == zeroWidthJoiner && unicode.In(last, unicode.So, unicode.Sk):
			continue // parts of emoji; the rest of them is shown
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case hidden(r):
			r = utf8.RuneError
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > maxMarks {
				continue
			}
			b.WriteRune(r)
			continue
		}
		marks, last = 0, r
		b.WriteRune(r)
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// hidden reports whether a character is not itself shown but changes how others are: controls, bidirectional
// overrides and isolates, zero-width characters, line separators, tags and private use.
func hidden(r rune) bool {
	switch {
	case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return true
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
		return true
	case r == '\u034f', r == '\u115f', r == '\u1160', r == '\u17b4', r == '\u17b5', r == '\u3164', r == '\uffa0':
		return true // blank letters and the grapheme joiner
	}
	return false
}

// breakCommands keeps a line from being a workflow command. The runner takes "::" after leading white space, and "##["
// anywhere (https://github.com/actions/runner, ActionCommand).
func breakCommands(s string) string {
	if text := strings.TrimLeftFunc(s, unicode.IsSpace); strings.HasPrefix(text, "::") {
		s = s[:len(s)-len(text)] + ": " + text[1:]
	}
	return strings.ReplaceAll(s, "##[", "## [")
}

// Tidy is the last thing that happens to a rendered text: no line ends with white space, and none has become a
// workflow command by where it was broken.
func Tidy(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = breakCommands(strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}

// Columns returns how many terminal columns s takes.
func Columns(s string) int { return uniseg.StringWidth(s) }

// Fit cuts s so that it takes at most n columns, with "…" at the end of what was cut.
func Fit(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if Columns(s) <= n {
		return s
	}
	used, at, state := 0, 0, -1
	for rest := s; rest != ""; {
		var cluster string
		var width int
		cluster, rest, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+width > n-1 {
			break
		}
		used += width
		at += len(cluster)
	}
	return s[:at] + "…"
}

// Pad fills s with spaces up to n columns.
func Pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-Columns(s))) }

// PadLeft puts spaces before s up to n columns.
func PadLeft(s string, n int) string { return strings.Repeat(" ", max(0, n-Columns(s))) + s }

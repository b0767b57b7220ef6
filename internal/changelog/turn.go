package changelog

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// unreleased is the heading of the section that gathers what is to come: "## [Unreleased]", "## [Prerelease] - Unreleased",
// "# Upcoming Release".
var unreleased = regexp.MustCompile(`(?i)^(#{1,3})[ \t]+.*\b(?:unreleased|upcoming)\b.*$`)

var bracketed = regexp.MustCompile(`^#{1,3}[ \t]+\[([^\]]+)\]`)

// ErrNoUnreleased means that a changelog has no section for what is to come.
var ErrNoUnreleased = errors.New("it has no section for what is to come")

// Version is what a section is named after.
type Version struct {
	Text     string // as tags and headings have it: "1.2.0", or "53.0"
	Tag      string // "v1.2.0"
	Previous string // the tag before it, "" where there is none
	Date     string // "2026-01-02"
	Insert   bool   // where there is no section for what is to come, a new one goes above the newest version's
}

// Turned is a changelog whose section for what is to come has become a version's.
type Turned struct {
	Text    string
	Line    int  // of the new heading, from 1
	Empty   bool // nothing stands below it but headings
	Already bool // the version had its section before: Text is as it was
}

// Turn gives what stands under the heading for what is to come to the version, under a heading in the style of the
// file's other versions, and leaves an empty section on top. Link definitions that compare with HEAD follow. draft is
// added below what is there, "" for nothing.
func Turn(text string, v Version, draft string) (Turned, error) {
	if _, found := Section(text, v.Text, false); found {
		return Turned{Text: text, Already: true}, nil
	}
	lines := strings.SplitAfter(text, "\n")
	at := headings(lines)
	if at.unreleased < 0 && v.Insert && at.first >= 0 {
		return at.insert(lines, v, draft), nil
	}
	if at.unreleased < 0 {
		return Turned{}, ErrNoUnreleased
	}
	nl := "\n"
	if strings.HasSuffix(lines[at.unreleased], "\r\n") {
		nl = "\r\n"
	}
	body, waiting := at.part(lines[at.unreleased+1:at.end], nl)
	if draft != "" {
		if n := len(body); n > 0 && !strings.HasPrefix(body[n-1], "-") && !strings.HasPrefix(body[n-1], "*") {
			body = append(body, nl)
		}
		if n := len(body); n > 0 && !strings.HasSuffix(body[n-1], "\n") {
			body[n-1] += nl
		}
		body = append(body, strings.ReplaceAll(draft, "\n", nl))
	}
	top := lines[at.unreleased]
	if !strings.HasSuffix(top, "\n") {
		top += nl
	}
	out := append(append(append([]string{}, lines[:at.unreleased]...), top), waiting...)
	out = append(out, nl, at.heading(v)+nl, nl)
	line := len(out) - 1
	if len(body) > 0 {
		last := &body[len(body)-1]
		*last = strings.TrimRight(*last, "\r\n") + nl
		out = append(append(out, body...), nl)
	}
	rest := lines[at.end:]
	if len(strings.Join(rest, "")) == 0 {
		out = out[:len(out)-1]
	}
	t := Turned{Text: strings.Join(append(out, at.links(rest, v, nl)...), ""), Line: line, Empty: true}
	for _, l := range body {
		t.Empty = t.Empty && (strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#"))
	}
	return t, nil
}

// part splits the section for what is to come. Where some of its headings have nothing below them they are there to be filled:
// all of its headings stay for what comes next, and the version gets those with something below.
func (o outline) part(section []string, nl string) (body, waiting []string) {
	depth := len(o.mark) + 1
	var code fence
	var own, open []string // the lines of the heading that is being read, and of those that stay
	filled, apart := true, false
	end := func() {
		if len(own) > 0 && isHeading(own[0], depth) {
			open = append(open, strings.TrimRight(own[0], "\r\n")+nl)
			if len(trim(own)) == 1 {
				filled = false
				return
			}
		}
		body = append(body, own...)
	}
	for _, line := range section {
		if !code.reads(line) && isHeading(line, depth) {
			apart = apart || len(own) > 1 && len(trim(own)) == 1 && isHeading(own[0], depth) // empty lines between two headings
			end()
			own = nil
		}
		own = append(own, line)
	}
	end()
	if filled {
		return trim(section), nil
	}
	for i, heading := range open {
		if above := i > 0 && apart || i == 0 && strings.TrimSpace(section[0]) == ""; above {
			waiting = append(waiting, nl)
		}
		waiting = append(waiting, heading)
	}
	return trim(body), waiting
}

// outline is where things are in a changelog.
type outline struct {
	unreleased, end int    // lines of the heading for what is to come, and behind its section; -1: there is none
	mark            string // the signs of that heading
	label           string // what stands in its brackets, "" without
	first           int    // line of the newest version's heading, -1: there is none
	style           string // the heading of the newest version, "" where there is none
}

func headings(lines []string) outline {
	o := outline{unreleased: -1, end: len(lines), first: -1}
	var code fence
	for i, full := range lines {
		line := strings.TrimRight(strings.TrimPrefix(full, "\ufeff"), "\r\n")
		if code.reads(line) {
			continue
		}
		version := versionHeading.MatchString(line)
		if version && o.first < 0 {
			o.first = i
		}
		switch m := unreleased.FindStringSubmatch(line); {
		case m != nil && o.unreleased < 0 && !version:
			o.unreleased, o.mark = i, m[1]
			if b := bracketed.FindStringSubmatch(line); b != nil {
				o.label = b[1]
			}
		case o.unreleased < 0:
		case o.end == len(lines) && (isHeading(line, len(o.mark)) || version || linkDefinition.MatchString(line)):
			o.end = i
			fallthrough
		default:
			if version && o.style == "" {
				o.style = line
			}
		}
	}
	return o
}

var (
	styled = regexp.MustCompile(`^#{1,3}[ \t]+(\\?\[?)(v?)[0-9][^\]\s\\]*(\\?\]?)(\([^)]*\))?(.*)$`)
	dated  = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}`)
)

// heading writes a version's heading like that of the version before, which may have no date, or as Keep a Changelog has it.
func (o outline) heading(v Version) string {
	m := styled.FindStringSubmatch(o.style)
	if m == nil {
		return fmt.Sprintf("%s [%s] - %s", o.mark, v.Text, v.Date)
	}
	rest := ""
	if dated.MatchString(m[5]) {
		at := dated.FindStringIndex(m[5])
		rest = m[5][:at[0]] + v.Date
		if strings.HasPrefix(m[5][at[1]:], ")") {
			rest += ")"
		}
	}
	return o.mark + " " + m[1] + m[2] + v.Text + m[3] + rest
}

// name is what the heading has in its brackets.
func (o outline) name(v Version) string {
	if m := styled.FindStringSubmatch(o.style); m != nil {
		return m[2] + v.Text
	}
	return v.Text
}

var compare = regexp.MustCompile(`^( {0,3}\[)([^\]]+)(\]:[ \t]*<?)(\S+/compare/)(\S+?)\.\.\.([^\s>]+)(>?[ \t]*)$`)

// links brings the definitions of links up to date: what is to come is compared with the new tag, and the new version
// with the tag before. Where no definition compares anything, none is added.
func (o outline) links(lines []string, v Version, nl string) []string {
	var out []string
	done := o.label == ""
	for _, full := range lines {
		m := compare.FindStringSubmatch(strings.TrimRight(full, "\r\n"))
		switch {
		case m == nil || done:
			out = append(out, full)
		case strings.EqualFold(m[2], o.label):
			ending := full[len(strings.TrimRight(full, "\r\n")):]
			if ending == "" {
				ending = nl
			}
			out = append(out, m[1]+m[2]+m[3]+m[4]+v.Tag+"..."+m[6]+m[7]+ending,
				m[1]+o.name(v)+m[3]+m[4]+cmp.Or(v.Previous, m[5])+"..."+v.Tag+m[7]+full[len(strings.TrimRight(full, "\r\n")):])
			done = true
		default:
			if v.Previous != "" {
				out = append(out, m[1]+o.name(v)+m[3]+m[4]+v.Previous+"..."+v.Tag+m[7]+nl)
			}
			out = append(out, full)
			done = true
		}
	}
	return out
}

// insert puts a version's section above the newest one.
func (o outline) insert(lines []string, v Version, draft string) Turned {
	newest := strings.TrimRight(strings.TrimPrefix(lines[o.first], "\ufeff"), "\r\n")
	nl := "\n"
	if strings.HasSuffix(lines[o.first], "\r\n") {
		nl = "\r\n"
	}
	o.style, o.mark = newest, newest[:len(newest)-len(strings.TrimLeft(newest, "#"))]
	out := append(append([]string{}, lines[:o.first]...), o.heading(v)+nl, nl)
	line := len(out) - 1
	if draft != "" {
		out = append(out, strings.ReplaceAll(draft, "\n", nl)+nl, nl)
	}
	return Turned{Text: strings.Join(append(out, lines[o.first:]...), ""), Line: line, Empty: draft == ""}
}

// trim drops empty lines at both ends.
func trim(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return append([]string{}, lines...)
}

// Package changelog reads and edits the text of a changelog in the manner of Keep a Changelog
// (https://keepachangelog.com/en/1.1.0/), and leaves everything as it stands that it does not have to change.
package changelog

import (
	"regexp"
	"strings"
)

// A heading of Keep a Changelog (https://keepachangelog.com/en/1.1.0/): "## [1.2.0] - 2026-01-02", also with a "v",
// without brackets or with escaped ones, or with one more or one less "#".
var versionHeading = regexp.MustCompile(`^(#{1,3})[ \t]+\\?\[?v?([0-9]+\.[0-9]+(?:\.[0-9]+)?[0-9A-Za-z.+-]*)\\?\]?(?:\([^)]*\))?(?:[ \t].*)?$`)

var linkDefinition = regexp.MustCompile(`^ {0,3}\[([^\]]+)\]:[ \t]*\S`)

// Section returns the text below the heading of a version, without the heading, and the definitions of the
// links that it uses, wherever in the file they stand. found is false where there is no such heading; an empty section
// is found with "". twoPart lets "53.0" stand for "53.0.0".
func Section(text, version string, twoPart bool) (section string, found bool) {
	var out, links []string
	depth, over := 0, false
	var code fence
	for _, line := range strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n") {
		inCode := code.reads(line)
		if m := versionHeading.FindStringSubmatch(line); m != nil && !inCode {
			if found {
				over = over || len(m[1]) <= depth
			} else if sameVersion(m[2], version, twoPart) {
				found, depth = true, len(m[1])
				continue
			}
		} else if found && !inCode && isHeading(line, depth) {
			over = true
		}
		if !inCode && linkDefinition.MatchString(line) {
			links = append(links, line)
		} else if found && !over {
			out = append(out, line)
		}
	}
	section = strings.TrimSpace(strings.Join(out, "\n"))
	return withLinks(section, links), found
}

// withLinks appends the definitions of the links that a section uses.
func withLinks(section string, links []string) string {
	used := strings.ToLower(section)
	var add []string
	for _, line := range links {
		label := linkDefinition.FindStringSubmatch(line)[1]
		if strings.Contains(used, "["+strings.ToLower(label)+"]") {
			add = append(add, line)
		}
	}
	if len(add) == 0 {
		return section
	}
	return section + "\n\n" + strings.Join(add, "\n")
}

// fence follows fenced code (https://spec.commonmark.org/0.31.2/#fenced-code-blocks).
type fence struct{ mark string }

// reads takes the next line and reports whether it belongs to fenced code, the fences included.
func (f *fence) reads(line string) bool {
	line = strings.TrimSpace(line)
	mark := line[:len(line)-len(strings.TrimLeft(line, "`"))]
	if mark == "" {
		mark = line[:len(line)-len(strings.TrimLeft(line, "~"))]
	}
	switch {
	case f.mark == "" && len(mark) >= 3 && !strings.Contains(line[len(mark):], "`"):
		f.mark = mark
		return true
	case f.mark != "" && line == mark && strings.HasPrefix(mark, f.mark):
		f.mark = ""
		return true
	}
	return f.mark != ""
}

func isHeading(line string, depth int) bool {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	return n > 0 && n <= depth && strings.HasPrefix(line[n:], " ")
}

func sameVersion(got, want string, twoPart bool) bool {
	return got == want || twoPart && got+".0" == want
}

package source

import (
	"regexp"
	"strings"
)

// A heading of Keep a Changelog (https://keepachangelog.com/en/1.1.0/): "## [1.2.0] - 2026-01-02", also with a "v",
// without brackets, or with one more or one less "#".
var versionHeading = regexp.MustCompile(`^(#{1,3})[ \t]+\[?v?([0-9]+\.[0-9]+(?:\.[0-9]+)?[0-9A-Za-z.+-]*)\]?(?:\([^)]*\))?(?:[ \t].*)?$`)

var linkDefinition = regexp.MustCompile(`^\[[^\]]+\]:[ \t]*\S+`)

// ChangelogSection returns the text below the heading of a version, without the heading and without link definitions
// that only serve other headings. found is false where there is no such heading; an empty section is found with "".
// twoPart lets "53.0" stand for "53.0.0".
func ChangelogSection(text, version string, twoPart bool) (section string, found bool) {
	var out []string
	depth, fenced := 0, false
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if m := versionHeading.FindStringSubmatch(line); m != nil && !fenced {
			if found {
				if len(m[1]) <= depth {
					break
				}
			} else if sameVersion(m[2], version, twoPart) {
				found, depth = true, len(m[1])
				continue
			}
		} else if found && !fenced && isHeading(line, depth) {
			break
		}
		if found && !linkDefinition.MatchString(line) {
			out = append(out, line)
		}
	}
	return strings.TrimSpace(strings.Join(out, "\n")), found
}

func isHeading(line string, depth int) bool {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	return n > 0 && n <= depth && strings.HasPrefix(line[n:], " ")
}

func sameVersion(got, want string, twoPart bool) bool {
	return got == want || twoPart && got+".0" == want
}

package config

import (
	"path"
	"strings"
)

// Match reports whether a slash-separated name matches a pattern from the configuration: ? and * stand for characters
// within one part, [a-z] for one of a class, and ** alone between slashes for any number of parts. A malformed pattern
// matches nothing; Load refuses it.
func Match(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

func matchParts(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for skip := 0; skip <= len(name); skip++ {
				if matchParts(pattern[1:], name[skip:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// validGlob reports whether Match understands the pattern. Several ** in one pattern would cost exponential time.
func validGlob(pattern string) bool {
	deep := 0
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil || part == "" {
			return false
		}
		if part == "**" {
			deep++
		} else if strings.Contains(part, "**") {
			return false
		}
	}
	return deep <= 2
}

package bump

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// Levels are the words that stand for a version.
var Levels = []string{"major", "minor", "patch", "rc", "release"}

// Next returns the version after v. A pre-release is before its own version: the patch of 1.0.1-rc.2 is 1.0.1.
// Build metadata does not stay.
func Next(v semver.Version, level string, candidate bool) (semver.Version, error) {
	if candidate && !slices.Contains(Levels[:3], level) {
		return v, usage("only major, minor and patch have a release candidate", "tagboat bump minor rc")
	}
	pre := v.Pre
	v.Build = ""
	switch level {
	case "major":
		if pre == "" || v.Minor != 0 || v.Patch != 0 || candidate {
			v = semver.Version{Major: v.Major + 1}
		}
	case "minor":
		if pre == "" || v.Patch != 0 || candidate {
			v = semver.Version{Major: v.Major, Minor: v.Minor + 1}
		}
	case "patch":
		if pre == "" || candidate {
			v.Patch++
		}
	case "rc":
		return nextCandidate(v)
	case "release":
		if pre == "" {
			return v, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s is no pre-release", v), Hint: "tagboat bump patch, minor or major makes the next version"}
		}
	default:
		return explicit(level)
	}
	v.Pre = ""
	if candidate {
		v.Pre = "rc.1"
	}
	return v, nil
}

// nextCandidate counts a release candidate up, makes one of an alpha or a beta, and begins the patch's otherwise.
func nextCandidate(v semver.Version) (semver.Version, error) {
	next := v
	if v.Pre == "" {
		next.Patch++
		next.Pre = "rc.1"
		return next, nil
	}
	next.Pre = "rc.1"
	if n, err := strconv.ParseUint(strings.TrimPrefix(v.Pre, "rc."), 10, 64); err == nil && strings.HasPrefix(v.Pre, "rc.") {
		next.Pre = "rc." + strconv.FormatUint(n+1, 10)
	}
	if next.Compare(v) <= 0 {
		return next, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("no release candidate follows %s by counting", v), Hint: "name the version: tagboat bump " + next.String() + "..."}
	}
	return next, nil
}

func explicit(text string) (semver.Version, error) {
	v, err := semver.Parse(text)
	if err == nil {
		return v, nil
	}
	p := usage(fmt.Sprintf("%q is no version", text), "give major, minor, patch, rc, release, or a version such as 1.2.3-rc.1")
	p.Detail = err.Error()
	if _, err := semver.Parse(strings.TrimPrefix(text, "v")); err == nil {
		p.Hint = "versions have no v in front: tagboat bump " + strings.TrimPrefix(text, "v")
	}
	return v, p
}

func usage(summary, hint string) *problem.Error {
	return &problem.Error{Kind: problem.Usage, Summary: summary, Hint: hint}
}

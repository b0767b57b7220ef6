package bump

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// Line is a version line: the releases that share major and minor.
type Line struct {
	Crate        string // with tags that name one
	Major, Minor uint64
	tags         release.TagForm
	branches     release.BranchForm
}

// LineOf returns the line that a release tag belongs to.
func LineOf(cfg config.Config, tag string) (Line, error) {
	l := Line{tags: release.TagForm{Template: cfg.Tags.Template, TwoPart: cfg.Tags.TwoPart}, branches: release.BranchForm(cfg.Branches.Release)}
	t, err := l.tags.Parse(tag)
	if err != nil {
		return l, err
	}
	v, err := semver.Parse(t.Version)
	l.Crate, l.Major, l.Minor = t.Crate, v.Major, v.Minor
	return l, err
}

// LineOfLabel returns the version line that a label of pull requests names by template, "backport {line}": "backport v0.4",
// or one of the line's tags. ok is false for every other label.
func LineOfLabel(cfg config.Config, template, label string) (l Line, ok bool) {
	before, after, _ := strings.Cut(template, "{line}")
	name, ok := strings.CutPrefix(label, before)
	if ok {
		name, ok = strings.CutSuffix(name, after)
	}
	if !ok {
		return l, false
	}
	short := cfg
	short.Tags.TwoPart = true
	l, err := LineOf(short, name)
	l.tags.TwoPart = cfg.Tags.TwoPart
	return l, err == nil
}

// First is the tag of the line's first release, by which commands name the line.
func (l Line) First() string { return l.tags.Format(l.Crate, fmt.Sprintf("%d.%d.0", l.Major, l.Minor)) }

// Compare orders lines: by crate, the older first.
func (l Line) Compare(o Line) int {
	return cmp.Or(strings.Compare(l.Crate, o.Crate), cmp.Compare(l.Major, o.Major), cmp.Compare(l.Minor, o.Minor))
}

// Newest returns the release branch of the line with the highest version: what the next patch starts from.
func (l Line) Newest(branches []string) (string, error) {
	best, branch := semver.Version{}, ""
	for _, name := range branches {
		tag, ok := l.branches.Tag(name)
		if !ok {
			continue
		}
		t, err := l.tags.Parse(tag)
		if err != nil || t.Crate != l.Crate {
			continue
		}
		if v, err := semver.Parse(t.Version); err == nil && v.Major == l.Major && v.Minor == l.Minor && (branch == "" || v.Compare(best) > 0) {
			best, branch = v, name
		}
	}
	if branch == "" {
		return "", &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no release branch of %d.%d on GitHub", l.Major, l.Minor),
			Hint: "a release makes it: " + l.branches.Of(l.tags.Format(l.Crate, fmt.Sprintf("%d.%d.0", l.Major, l.Minor)))}
	}
	return branch, nil
}

// Next returns the version of the next patch, after what the branch's crates have: theirs, where it was never tagged.
func (l Line) Next(s Snapshot) (string, error) {
	var mine []Crate
	for _, c := range s.Crates {
		if c.Published && (l.Crate == "" || c.Name == l.Crate) {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return "", &problem.Error{Kind: problem.Stopped, Summary: "the branch has no crate that is published", Hint: "a patch releases one at least"}
	}
	now := highest(mine)
	v, err := semver.Parse(now.Version)
	if err != nil {
		return "", err
	}
	if v.Major != l.Major || v.Minor != l.Minor {
		return "", &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s is %s on that branch, which is no version of %d.%d", now.Name, v, l.Major, l.Minor), File: now.File, Line: now.Line,
			Hint: "is the branch named after another version?"}
	}
	for _, tag := range s.Tags {
		if tag == l.tags.Format(l.Crate, v.String()) {
			next, err := Next(v, "patch", false)
			return next.String(), err
		}
	}
	return v.String(), nil
}

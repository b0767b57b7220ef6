package release

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// TagForm is how a repository names its release tags.
type TagForm struct {
	Template string // "v{version}" or "{crate}-v{version}"
	TwoPart  bool   // v53.0 stands for 53.0.0
}

// PerCrate reports whether one tag releases one crate.
func (f TagForm) PerCrate() bool { return strings.Contains(f.Template, "{crate}") }

// tagChars is what a release tag may consist of. It is stricter than git, which allows quotes, dollar signs and
// control-like Unicode in names that end up in branch names, workflow inputs and Markdown.
var tagChars = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@/-]{0,199}$`)

// crateName is what cargo takes for the name of a crate.
var crateName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Parse takes a tag apart. A name that does not fit the template, or whose version is no SemVer, is a problem that
// shows what was expected.
func (f TagForm) Parse(name string) (Tag, error) {
	bad := func(detail, hint string) error {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%q is not a release tag", name), Detail: detail, Hint: hint}
	}
	if !tagChars.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
		return Tag{}, bad("it has characters that a release tag may not have", f.example())
	}
	splits := f.splits(name)
	if len(splits) == 0 {
		return Tag{}, bad("it does not fit the template "+f.Template, f.example())
	}
	hint := f.example()
	for _, s := range splits {
		if v, err := f.version(s.version); err == nil {
			return Tag{Name: name, Crate: s.crate, Version: v.String()}, nil
		}
		if _, err := (TagForm{TwoPart: true}).version(s.version); err == nil {
			hint = "a two-part tag such as v53.0 needs `two_part = true` in [tags] of tagboat.toml"
		}
	}
	_, err := f.version(splits[0].version)
	return Tag{}, bad(err.Error(), hint)
}

// split is one way to read a tag.
type split struct{ crate, version string }

// splits returns every way to read a tag by the template that gives a crate a possible name, the longest name first: a
// name may hold the separator itself ("vm-v2-v1.0.0"), and so may a version ("1.0.0-v2").
func (f TagForm) splits(name string) []split {
	before, after, _ := strings.Cut(f.Template, "{version}")
	text, ok := strings.CutPrefix(name, strings.Split(before, "{crate}")[0])
	if !ok {
		return nil
	}
	parts := strings.Split(after, "{crate}")
	if text, ok = strings.CutSuffix(text, parts[len(parts)-1]); !ok {
		return nil
	}
	if !f.PerCrate() {
		return []split{{version: text}}
	}
	_, between, crateFirst := strings.Cut(before, "{crate}")
	if !crateFirst {
		between = parts[0]
	}
	var out []split
	for i := range text {
		if !strings.HasPrefix(text[i:], between) {
			continue
		}
		s := split{crate: text[i+len(between):], version: text[:i]}
		if crateFirst {
			s = split{crate: text[:i], version: text[i+len(between):]}
		}
		if crateName.MatchString(s.crate) {
			out = append(out, s)
		}
	}
	if crateFirst {
		slices.Reverse(out)
	}
	return out
}

// Format returns the tag of a version; crate is used by per-crate templates only.
func (f TagForm) Format(crate, version string) string {
	if f.TwoPart {
		if short, ok := strings.CutSuffix(version, ".0"); ok && strings.Count(short, ".") == 1 {
			version = short
		}
	}
	return strings.NewReplacer("{crate}", crate, "{version}", version).Replace(f.Template)
}

func (f TagForm) example() string {
	example := TagForm{Template: f.Template, TwoPart: f.TwoPart}
	return "a release tag here looks like " + example.Format("my-crate", "1.2.0")
}

func (f TagForm) version(text string) (semver.Version, error) {
	if f.TwoPart && strings.Count(text, ".") == 1 {
		text += ".0"
	}
	v, err := semver.Parse(text)
	if err != nil {
		return semver.Version{}, fmt.Errorf("%q is not a SemVer version: %w", text, err)
	}
	return v, nil
}

// BranchForm names release branches after tags: "release/{tag}".
type BranchForm string

// Of returns the release branch of a tag.
func (f BranchForm) Of(tag string) string { return strings.ReplaceAll(string(f), "{tag}", tag) }

// Tag returns the tag of a release branch; ok is false where the branch is no release branch.
func (f BranchForm) Tag(branch string) (tag string, ok bool) {
	before, after, found := strings.Cut(string(f), "{tag}")
	if !found || !strings.HasPrefix(branch, before) || !strings.HasSuffix(branch, after) || len(branch) <= len(before)+len(after) {
		return "", false
	}
	return branch[len(before) : len(branch)-len(after)], true
}

package release

import (
	"fmt"
	"regexp"
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
var tagChars = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+/-]{0,199}$`)

// Parse takes a tag apart. A name that does not fit the template, or whose version is no SemVer, is a problem that
// shows what was expected.
func (f TagForm) Parse(name string) (Tag, error) {
	bad := func(detail, hint string) error {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%q is not a release tag", name), Detail: detail, Hint: hint}
	}
	if !tagChars.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
		return Tag{}, bad("it has characters that a release tag may not have", f.example())
	}
	before, rest, _ := strings.Cut(f.Template, "{version}")
	tag := Tag{Name: name}
	text := name
	if prefix, mid, ok := strings.Cut(before, "{crate}"); ok {
		if !strings.HasPrefix(text, prefix) {
			return Tag{}, bad("it does not fit the template "+f.Template, f.example())
		}
		text = strings.TrimPrefix(text, prefix)
		// The crate name may hold the separator itself ("vm-v2-v1.0.0"): the version starts at the last place that fits.
		at := -1
		for i := len(text); i > 0; i-- {
			if strings.HasPrefix(text[i:], mid) {
				if _, err := f.version(strings.TrimSuffix(text[i+len(mid):], rest)); err == nil {
					at = i
					break
				}
			}
		}
		if at < 0 {
			return Tag{}, bad("it does not fit the template "+f.Template, f.example())
		}
		tag.Crate, text = text[:at], text[at+len(mid):]
	} else {
		if !strings.HasPrefix(text, before) {
			return Tag{}, bad("it does not fit the template "+f.Template, f.example())
		}
		text = strings.TrimPrefix(text, before)
	}
	if !strings.HasSuffix(text, rest) {
		return Tag{}, bad("it does not fit the template "+f.Template, f.example())
	}
	v, err := f.version(strings.TrimSuffix(text, rest))
	if err != nil {
		hint := f.example()
		if !f.TwoPart && strings.Count(strings.TrimSuffix(text, rest), ".") == 1 {
			hint = "a two-part tag such as v53.0 needs `two_part = true` in [tags] of tagboat.toml"
		}
		return Tag{}, bad(err.Error(), hint)
	}
	tag.Version = v.String()
	return tag, nil
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

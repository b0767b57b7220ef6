package bump

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/changelog"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// Plan is what shall become of the tree.
type Plan struct {
	Moves      []Move            // by name
	Changelogs map[string]string // path -> new text, those that change
	Tags       []string          // that release what the plan makes
	Title      string            // of the commit and the pull request
	Branch     string            // for a pull request
	Sections   []Section
	Warnings   []string
}

// Section is a version's place in a changelog.
type Section struct {
	Path          string
	Tag, Previous string // Previous is "" for a first version
	New           bool   // made by the plan
}

// Move is a crate that gets a version.
type Move struct{ Name, From, To string }

// Versions returns the moves as the editing of manifests takes them.
func (p Plan) Versions() map[string]semver.Version {
	out := map[string]semver.Version{}
	for _, m := range p.Moves {
		if v, err := semver.Parse(m.To); err == nil {
			out[m.Name] = v
		}
	}
	return out
}

// MakePlan decides. The error is a *problem.Error.
func MakePlan(s Snapshot) (Plan, error) {
	chosen, err := choose(s)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Changelogs: map[string]string{}}
	for _, c := range chosen {
		to, err := target(s, chosen, c)
		if err != nil {
			return Plan{}, err
		}
		p.Moves = append(p.Moves, Move{c.Name, c.Version, to.String()})
	}
	p.name(s)
	p.Warnings = append(along(s, p.Moves), left(s, p.Moves)...)
	return p, p.turn(s, chosen)
}

func (s Snapshot) form() release.TagForm {
	return release.TagForm{Template: s.Config.Tags.Template, TwoPart: s.Config.Tags.TwoPart}
}

// choose picks the crates that were asked for: those that are published, unless others are wanted, too.
func choose(s Snapshot) ([]Crate, error) {
	var out []Crate
	matched := map[string]bool{}
	for _, c := range s.Crates {
		if len(s.Request.Only) > 0 && !matches(s.Request.Only, c.Name, matched) {
			continue
		}
		if !c.Versionless && (s.Request.Private || c.Published && !matches(s.Config.Package.Exclude, c.Name, nil)) {
			out = append(out, c)
		}
	}
	for _, pattern := range s.Request.Only {
		if !matched[pattern] {
			return nil, usage(fmt.Sprintf("--only %s fits no crate", pattern), "the workspace has "+names(s.Crates))
		}
	}
	if len(out) == 0 {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "no crate is left to bump", Detail: "those that fit are not published, or have no version", Hint: "--private takes members that are not published, too"}
	}
	return out, nil
}

func matches(patterns []string, name string, seen map[string]bool) bool {
	found := false
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			found = true
			if seen != nil {
				seen[p] = true
			}
		}
	}
	return found
}

func names(crates []Crate) string {
	var out []string
	for _, c := range crates {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}

// target is the version that a crate gets. Where one tag is for all, it is the same for all, counted from the highest.
func target(s Snapshot, chosen []Crate, c Crate) (semver.Version, error) {
	from := c
	if !s.form().PerCrate() {
		from = highest(chosen)
	}
	v, err := semver.Parse(from.Version)
	if err != nil {
		return v, err // cargo has read it
	}
	to := s.Request.To
	if s.Config.Tags.TwoPart && strings.Count(to, ".") == 1 && !strings.ContainsAny(to, "-+") {
		to += ".0"
	}
	next, err := Next(v, to, s.Request.Candidate)
	if p := (*problem.Error)(nil); errors.As(err, &p) && p.Kind == problem.Stopped {
		p.File, p.Line = from.File, from.Line
	}
	if err != nil {
		return next, err
	}
	if own, err := semver.Parse(c.Version); err == nil && next.Compare(own) < 0 {
		return next, &problem.Error{
			Kind: problem.Stopped, Summary: fmt.Sprintf("%s is lower than the version that %s has", next, c.Name), Detail: fmt.Sprintf("it has %s", own),
			Hint: "no registry takes a version back: choose a higher one", File: c.File, Line: c.Line,
		}
	}
	return next, nil
}

func highest(crates []Crate) Crate {
	return slices.MaxFunc(crates, func(a, b Crate) int {
		v, _ := semver.Parse(a.Version)
		w, _ := semver.Parse(b.Version)
		return v.Compare(w)
	})
}

// name finds the tags of the plan and what it is called after them.
func (p *Plan) name(s Snapshot) {
	form := s.form()
	if !form.PerCrate() {
		p.Tags = []string{form.Format("", p.Moves[0].To)}
	} else {
		for _, m := range p.Moves {
			p.Tags = append(p.Tags, form.Format(m.Name, m.To))
		}
	}
	what := p.Moves[0].To
	for _, m := range p.Moves {
		if m.To != what {
			what = ""
		}
	}
	switch {
	case s.Request.Patch:
		p.Title, p.Branch = "Release "+p.Tags[0], "patch/"+p.Tags[0]
	case !form.PerCrate():
		p.Title, p.Branch = "Release "+p.Tags[0], "bump/"+p.Tags[0]
	case len(p.Moves) == 1:
		p.Title, p.Branch = "Release "+p.Moves[0].Name+" "+what, "bump/"+p.Tags[0]
	case what != "":
		p.Title, p.Branch = fmt.Sprintf("Release %s of %d crates", what, len(p.Moves)), "bump/"+what
	default:
		p.Title, p.Branch = fmt.Sprintf("Release %d crates", len(p.Moves)), "bump/"+s.Request.To
	}
}

// along says which crates move because they share their version with one that does.
func along(s Snapshot, moves []Move) []string {
	moved := map[string]bool{}
	inherits := ""
	for _, m := range moves {
		moved[m.Name] = true
	}
	for _, c := range s.Crates {
		if moved[c.Name] && c.Inherits {
			inherits = c.Name
		}
	}
	var also []string
	for _, c := range s.Crates {
		if inherits != "" && c.Inherits && !moved[c.Name] {
			also = append(also, c.Name)
		}
	}
	if len(also) == 0 {
		return nil
	}
	words := "moves along: it inherits"
	if len(also) > 1 {
		words = "move along: they inherit"
	}
	return []string{fmt.Sprintf("%s %s the version that %s has", strings.Join(also, ", "), words, inherits)}
}

// left says which published crates need one that moves and keep their own version.
func left(s Snapshot, moves []Move) []string {
	moved := map[string]bool{}
	for _, m := range moves {
		moved[m.Name] = true
	}
	var out []string
	for _, c := range s.Crates {
		if i := slices.IndexFunc(c.Needs, func(n string) bool { return moved[n] }); i >= 0 && c.Published && !moved[c.Name] && !c.Inherits {
			out = append(out, fmt.Sprintf("%s needs %s and keeps %s: where its requirement changes, it needs a release, too", c.Name, c.Needs[i], c.Version))
		}
	}
	return out
}

// turn gives each changelog the section of its version.
func (p *Plan) turn(s Snapshot, chosen []Crate) error {
	form := s.form()
	for i, c := range chosen {
		name := ChangelogPath(s.Config.Changelog.Path, c)
		text, ok := s.Changelogs[name]
		if _, done := p.Changelogs[name]; !ok || done || s.Config.Changelog.Required == "never" {
			continue
		}
		crate := ""
		if form.PerCrate() {
			crate = c.Name
		}
		tag := form.Format(crate, p.Moves[i].To)
		version := release.TagForm{Template: "{version}", TwoPart: form.TwoPart}.Format("", p.Moves[i].To) // as the tag has it
		before := Previous(s, crate, p.Moves[i].To)
		t, err := changelog.Turn(text, changelog.Version{Text: version, Tag: tag, Previous: before, Date: s.Date, Insert: s.Request.Patch || s.Request.Notes}, s.Drafts[name])
		if errors.Is(err, changelog.ErrNoUnreleased) {
			return &problem.Error{Kind: problem.Stopped, Summary: "the changelog has no section for what is to come", Detail: "nothing there can become the section of " + version,
				Hint: "give it a heading: ## [Unreleased]; or let --notes write the section from pull requests; or set [changelog] required = \"never\" in tagboat.toml", File: name, Line: 1}
		} else if err != nil {
			return err
		}
		p.Sections = append(p.Sections, Section{name, tag, before, !t.Already})
		if t.Already {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s has a section for %s already and stays as it is", name, version))
			continue
		}
		if t.Empty {
			w := fmt.Sprintf("%s:%d: nothing is written down for %s, which its release asks for", name, t.Line, version)
			if _, asked := s.Drafts[name]; !asked && !s.Request.Patch {
				w += "; --notes drafts entries from pull requests"
			}
			p.Warnings = append(p.Warnings, w)
		}
		p.Changelogs[name] = t.Text
	}
	return nil
}

// ChangelogPath is where a crate's changelog is.
func ChangelogPath(template string, c Crate) string {
	return path.Clean(strings.ReplaceAll(template, "{crate}", c.Dir))
}

// IsChangelog reports whether a path is one that the changelog of a crate may have.
func IsChangelog(cfg config.Config, name string) bool {
	before, after, perCrate := strings.Cut(cfg.Changelog.Path, "{crate}")
	if cfg.Changelog.Required == "never" {
		return false
	}
	after = strings.TrimPrefix(after, "/")
	return name == path.Clean(cfg.Changelog.Path) || perCrate && strings.HasPrefix(name, before) && (name == after || strings.HasSuffix(name, "/"+after))
}

// Previous is the newest release tag of the same crate before a version.
func Previous(s Snapshot, crate, version string) string {
	form := s.form()
	limit, err := semver.Parse(version)
	if err != nil {
		return ""
	}
	best, tag := semver.Version{}, ""
	for _, name := range slices.Sorted(slices.Values(s.Tags)) {
		t, err := form.Parse(name)
		if err != nil || t.Crate != crate {
			continue
		}
		if v, err := semver.Parse(t.Version); err == nil && v.Compare(limit) < 0 && (tag == "" || v.Compare(best) > 0) {
			best, tag = v, name
		}
	}
	return tag
}

// Files returns the paths of the changelogs that change, in order.
func (p Plan) Files() []string { return slices.Sorted(maps.Keys(p.Changelogs)) }

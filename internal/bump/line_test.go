package bump_test

import (
	"testing"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct {
		template, tag string
		twoPart       bool
		branches      []string
		crates        []string
		tags          []string
		branch, next  string // "" is a problem
	}{
		"first":      {tag: "v0.4.0", branches: []string{"main", "release/v0.4.0", "release/v0.5.0", "release/v0.40.0"}, crates: []string{"a 0.4.0"}, tags: []string{"v0.4.0"}, branch: "release/v0.4.0", next: "0.4.1"},
		"second":     {tag: "v0.4.0", branches: []string{"release/v0.4.0", "release/v0.4.1", "release/v0.4.1-rc.1"}, crates: []string{"a 0.4.1"}, tags: []string{"v0.4.0", "v0.4.1"}, branch: "release/v0.4.1", next: "0.4.2"},
		"prepared":   {tag: "v0.4.0", branches: []string{"release/v0.4.0", "release/v0.4.1"}, crates: []string{"a 0.4.0"}, tags: []string{"v0.4.0"}, branch: "release/v0.4.1", next: "0.4.1"},
		"notTagged":  {tag: "v0.4.0", branches: []string{"release/v0.4.0"}, crates: []string{"a 0.4.1"}, tags: []string{"v0.4.0"}, branch: "release/v0.4.0", next: "0.4.1"},
		"tenth":      {tag: "v0.4.3", branches: []string{"release/v0.4.9", "release/v0.4.10"}, crates: []string{"a 0.4.10"}, tags: []string{"v0.4.10"}, branch: "release/v0.4.10", next: "0.4.11"},
		"perCrate":   {template: "{crate}-v{version}", tag: "a-v1.0.0", branches: []string{"release/b-v1.0.5", "release/a-v1.0.0"}, crates: []string{"a 1.0.0", "b 1.0.5"}, tags: []string{"a-v1.0.0"}, branch: "release/a-v1.0.0", next: "1.0.1"},
		"twoPart":    {tag: "v53.0", twoPart: true, branches: []string{"release/v53.0"}, crates: []string{"a 53.0.0"}, tags: []string{"v53.0"}, branch: "release/v53.0", next: "53.0.1"},
		"noBranch":   {tag: "v0.4.0", branches: []string{"release/v0.5.0"}},
		"otherLine":  {tag: "v0.4.0", branches: []string{"release/v0.4.0"}, crates: []string{"a 0.5.0"}, branch: "release/v0.4.0"},
		"allPrivate": {tag: "v0.4.0", branches: []string{"release/v0.4.0"}, crates: []string{"a 0.4.0 private"}, branch: "release/v0.4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Tags.TwoPart = c.twoPart
			if c.template != "" {
				cfg.Tags.Template = c.template
			}
			line, err := bump.LineOf(cfg, c.tag)
			if err != nil {
				t.Fatal(err)
			}
			branch, err := line.Newest(c.branches)
			if branch != c.branch || (c.branch == "") != (len(problem.All(err)) == 1) {
				t.Fatalf("branch %q, %v, want %q", branch, err, c.branch)
			}
			s := bump.Snapshot{Config: cfg, Tags: c.tags}
			for _, text := range c.crates {
				s.Crates = append(s.Crates, crate(text))
			}
			next, err := line.Next(s)
			if next != c.next || (c.next == "") != (len(problem.All(err)) == 1) {
				t.Errorf("next %q, %v, want %q", next, err, c.next)
			}
		})
	}
	if _, err := bump.LineOf(config.Default(), "nonsense"); err == nil {
		t.Error("nonsense has a line")
	}
}

// TestLineOfLabel holds which labels name a line: what a stranger may call a label is not a tag by that.
func TestLineOfLabel(t *testing.T) {
	for label, c := range map[string]struct {
		form, tags string
		twoPart    bool
		first      string // "" for none
	}{
		"backport v0.4":        {first: "v0.4.0"},
		"backport v0.4.0":      {first: "v0.4.0"},
		"backport v0.4.7":      {first: "v0.4.0"},
		"backport v53.0":       {twoPart: true, first: "v53.0"},
		"backport vm-v2-v1.0":  {tags: "{crate}-v{version}", first: "vm-v2-v1.0.0"},
		"pick: v1.2 please":    {form: "pick: {line} please", first: "v1.2.0"},
		"backport":             {},
		"backport v0":          {},
		"backport 0.4":         {},
		"Backport v0.4":        {},
		"backport v0.4 x":      {},
		"backport v0.4.0$(id)": {},
		"backport v0.4-->":     {},
		"bug":                  {},
	} {
		cfg := config.Default()
		cfg.Tags.TwoPart = c.twoPart
		if c.tags != "" {
			cfg.Tags.Template = c.tags
		}
		form := cfg.Patch.Label
		if c.form != "" {
			form = c.form
		}
		line, ok := bump.LineOfLabel(cfg, form, label)
		if ok != (c.first != "") || ok && line.First() != c.first {
			t.Errorf("%q: got %v, %q, want %q", label, ok, line.First(), c.first)
		}
	}
	a, _ := bump.LineOfLabel(config.Default(), "{line}", "v0.9")
	b, _ := bump.LineOfLabel(config.Default(), "{line}", "v0.10.3")
	c, _ := bump.LineOfLabel(config.Default(), "{line}", "v0.10")
	if a.Compare(b) >= 0 || b.Compare(a) <= 0 || b.Compare(c) != 0 {
		t.Error("lines are not ordered by their numbers")
	}
}

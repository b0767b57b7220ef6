package bump_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
)

// A crate is written "name version", with "private", "inherits", "versionless" and what it needs behind.
func crate(text string) bump.Crate {
	words := strings.Fields(text)
	c := bump.Crate{Name: words[0], Version: words[1], Dir: words[0], File: words[0] + "/Cargo.toml", Line: 3, Published: true}
	for _, w := range words[2:] {
		switch w {
		case "private":
			c.Published = false
		case "inherits":
			c.Inherits = true
		case "versionless":
			c.Versionless, c.Published = true, false
		default:
			c.Needs = append(c.Needs, w)
		}
	}
	return c
}

func TestPlan(t *testing.T) {
	const notes = "## [Unreleased]\n- x\n## [1.0.0]\n"
	for name, c := range map[string]struct {
		crates   []string
		request  bump.Request
		template string
		twoPart  bool
		exclude  []string
		tags     []string
		text     string // of CHANGELOG.md
		drafted  bool   // GitHub was asked for entries, and had none
		want     string // moves, tags, branch, title, warnings
		problem  string
	}{
		"lockStepFromTheHighest": {
			crates: []string{"a 1.0.0", "b 1.2.0", "c 0.1.0 private", "d 0.0.0 versionless"}, request: bump.Request{To: "minor"},
			want: "a 1.0.0 1.3.0; b 1.2.0 1.3.0; v1.3.0; bump/v1.3.0; Release v1.3.0",
		},
		"privateToo": {
			crates: []string{"a 1.0.0", "c 0.1.0 private", "d 0.0.0 versionless"}, request: bump.Request{To: "major", Private: true},
			want: "a 1.0.0 2.0.0; c 0.1.0 2.0.0; v2.0.0; bump/v2.0.0; Release v2.0.0",
		},
		"excluded": {
			crates: []string{"a 1.0.0", "a-testing 1.0.0"}, request: bump.Request{To: "patch"}, exclude: []string{"*-testing"},
			want: "a 1.0.0 1.0.1; v1.0.1; bump/v1.0.1; Release v1.0.1",
		},
		"inheritsAlong": {
			crates: []string{"a 1.0.0 inherits", "b 1.0.0 inherits private"}, request: bump.Request{To: "patch"},
			want: "a 1.0.0 1.0.1; v1.0.1; bump/v1.0.1; Release v1.0.1; b moves along: it inherits the version that a has",
		},
		"severalAlong": {
			crates: []string{"a 1.0.0 inherits", "b 1.0.0 inherits private", "c 1.0.0 inherits private"}, request: bump.Request{To: "patch"},
			want: "a 1.0.0 1.0.1; v1.0.1; bump/v1.0.1; Release v1.0.1; b, c move along: they inherit the version that a has",
		},
		"perCrate": {
			crates: []string{"a 1.0.0", "b 1.2.0 a"}, request: bump.Request{To: "minor"}, template: "{crate}-v{version}",
			want: "a 1.0.0 1.1.0; b 1.2.0 1.3.0; a-v1.1.0 b-v1.3.0; bump/minor; Release 2 crates",
		},
		"oneCrate": {
			crates: []string{"a 1.0.0", "b 1.2.0 a"}, request: bump.Request{To: "minor", Only: []string{"a"}}, template: "{crate}-v{version}",
			want: "a 1.0.0 1.1.0; a-v1.1.0; bump/a-v1.1.0; Release a 1.1.0; b needs a and keeps 1.2.0: where its requirement changes, it needs a release, too",
		},
		"twoPart": {
			crates: []string{"a 53.0.0"}, request: bump.Request{To: "54.0"}, twoPart: true, tags: []string{"v53.0", "v52.1"}, text: "## [Unreleased]\n- x\n## [53.0]\n\n[Unreleased]: https://h/o/r/compare/v52.1...HEAD\n",
			want: "a 53.0.0 54.0.0; v54.0; bump/v54.0; Release v54.0; ## [Unreleased]|## [54.0]|- x|## [53.0]|[Unreleased]: https://h/o/r/compare/v54.0...HEAD|[54.0]: https://h/o/r/compare/v53.0...v54.0",
		},
		"again": {
			crates: []string{"a 1.0.0"}, request: bump.Request{To: "1.0.0"}, text: notes,
			want: "a 1.0.0 1.0.0; v1.0.0; bump/v1.0.0; Release v1.0.0; CHANGELOG.md has a section for 1.0.0 already and stays as it is",
		},
		"nothingWritten": {
			crates: []string{"a 1.0.0"}, request: bump.Request{To: "1.0.1"}, text: "## [Unreleased]\n### Added\n",
			want: "a 1.0.0 1.0.1; v1.0.1; bump/v1.0.1; Release v1.0.1; CHANGELOG.md:4: nothing is written down for 1.0.1, which its release asks for; --notes drafts entries from pull requests; ## [Unreleased]|### Added|## [1.0.1] - 2026-11-26",
		},
		"notesHadNothing": {
			crates: []string{"a 1.0.0"}, request: bump.Request{To: "1.0.1"}, text: "## [Unreleased]\n### Added\n", drafted: true,
			want: "a 1.0.0 1.0.1; v1.0.1; bump/v1.0.1; Release v1.0.1; CHANGELOG.md:4: nothing is written down for 1.0.1, which its release asks for; ## [Unreleased]|### Added|## [1.0.1] - 2026-11-26",
		},
		"nothingWrittenForPatch": { // patch has no --notes: its entries come from what is picked
			crates: []string{"a 1.0.0"}, request: bump.Request{To: "1.0.1", Patch: true}, text: "## [Unreleased]\n### Added\n",
			want: "a 1.0.0 1.0.1; v1.0.1; patch/v1.0.1; Release v1.0.1; CHANGELOG.md:4: nothing is written down for 1.0.1, which its release asks for; ## [Unreleased]|### Added|## [1.0.1] - 2026-11-26",
		},
		"lower":     {crates: []string{"a 1.0.0", "b 0.9.0"}, request: bump.Request{To: "0.9.5"}, problem: "a/Cargo.toml:3: 0.9.5 is lower than the version that a has"},
		"lowerPre":  {crates: []string{"a 1.0.0"}, request: bump.Request{To: "1.0.0-rc.1"}, problem: "a/Cargo.toml:3: 1.0.0-rc.1 is lower"},
		"noPre":     {crates: []string{"a 1.0.0"}, request: bump.Request{To: "release"}, problem: "a/Cargo.toml:3: 1.0.0 is no pre-release"},
		"noFit":     {crates: []string{"a 1.0.0"}, request: bump.Request{To: "patch", Only: []string{"a", "z*"}}, problem: "--only z* fits no crate"},
		"noneLeft":  {crates: []string{"a 1.0.0 private"}, request: bump.Request{To: "patch"}, problem: "no crate is left to bump"},
		"noSection": {crates: []string{"a 1.0.0"}, request: bump.Request{To: "patch"}, text: "# Changes\n", problem: "CHANGELOG.md:1: the changelog has no section for what is to come"},
	} {
		t.Run(name, func(t *testing.T) {
			s := bump.Snapshot{Request: c.request, Config: config.Default(), Date: "2026-11-26", Tags: c.tags, Changelogs: map[string]string{}}
			s.Config.Tags.TwoPart, s.Config.Package.Exclude = c.twoPart, c.exclude
			if c.template != "" {
				s.Config.Tags.Template = c.template
			}
			if c.text != "" {
				s.Changelogs["CHANGELOG.md"] = c.text
			}
			if c.drafted {
				s.Drafts = map[string]string{"CHANGELOG.md": ""}
			}
			for _, text := range c.crates {
				s.Crates = append(s.Crates, crate(text))
			}
			p, err := bump.MakePlan(s)
			if c.problem != "" {
				if len(problem.All(err)) != 1 || !strings.HasPrefix(problem.All(err)[0].Error(), c.problem) {
					t.Errorf("got %v, want %s", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := say(p); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func say(p bump.Plan) string {
	var out []string
	for _, m := range p.Moves {
		out = append(out, fmt.Sprintf("%s %s %s", m.Name, m.From, m.To))
	}
	out = append(out, strings.Join(p.Tags, " "), p.Branch, p.Title)
	out = append(out, p.Warnings...)
	for _, name := range p.Files() {
		out = append(out, strings.Join(strings.FieldsFunc(p.Changelogs[name], func(r rune) bool { return r == '\n' }), "|"))
	}
	return strings.Join(out, "; ")
}

// One tag releases all crates, and each has a changelog of its own.
func TestPlanChangelogOfEach(t *testing.T) {
	s := bump.Snapshot{Request: bump.Request{To: "minor"}, Config: config.Default(), Date: "2026-11-26", Crates: []bump.Crate{crate("a 1.0.0"), crate("b 1.0.0"), crate("c 1.0.0")},
		Changelogs: map[string]string{"a/CHANGELOG.md": "## [Unreleased]\n- x\n", "b/CHANGELOG.md": "## [Unreleased]\n- y\n\n## v1.0.0\n"}}
	s.Config.Changelog.Path = "{crate}/CHANGELOG.md"
	p, err := bump.MakePlan(s)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a/CHANGELOG.md": "## [Unreleased]\n\n## [1.1.0] - 2026-11-26\n\n- x\n", "b/CHANGELOG.md": "## [Unreleased]\n\n## v1.1.0\n\n- y\n\n## v1.0.0\n"}
	if diff := cmp.Diff(want, p.Changelogs); diff != "" || len(p.Warnings) > 0 {
		t.Errorf("(-want +got) %s; %q", diff, p.Warnings)
	}
}

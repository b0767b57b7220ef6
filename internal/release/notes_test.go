package release_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

func TestNotes(t *testing.T) {
	b := release.Bill{Crates: []release.BillCrate{{Name: "core", Version: "1.0.0", SHA256: "aa"}, {Name: "driver", Version: "1.0.0", SHA256: "bb"}}}
	const table = "| Crate | Version | SHA-256 |\n|---|---|---|\n| core | 1.0.0 | `aa` |\n| driver | 1.0.0 | `bb` |\n"
	for _, test := range []struct{ name, template, section, generated, want string }{
		{"the default", "", "### Added\n\n- x", "## What's Changed\n* y", "### Added\n\n- x\n\n## What's Changed\n* y\n\n" + table},
		{"the default without texts", "", "", "", table},
		{"all placeholders", "{tag} {version} {crate}: {changelog}|{generated}|{crates}", "c", "g", "core-v1.0.0 1.0.0 core: c|g|" + table},
		{"what is filled in is not read again", "{changelog}", "{tag} {crates} {generated}", "g", "{tag} {crates} {generated}\n"},
		{"unknown placeholders stay", "{who} {tag}", "", "", "{who} core-v1.0.0\n"},
		{"hostile text stays text", "{changelog}", "::error::x ${{ secrets.T }} $(id) <script>", "", "::error::x ${{ secrets.T }} $(id) <script>\n"},
		{"blanks around", "\n\n {tag} \n\n", "", "", "core-v1.0.0\n"},
	} {
		s := release.Snapshot{Config: config.Default(), Checkout: release.Checkout{Tag: release.Tag{Name: "core-v1.0.0", Version: "1.0.0", Crate: "core"}, Changelog: release.Changelog{Section: test.section}}}
		s.Config.Release.Notes = test.template
		if got := release.Notes(s, b, test.generated); got != test.want {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, test.want)
		}
	}
}

// TestNotesLimit cuts by characters and never in the midst of one.
func TestNotesLimit(t *testing.T) {
	s := release.Snapshot{Config: config.Default(), Checkout: release.Checkout{Changelog: release.Changelog{}}}
	s.Config.Release.Notes = "{changelog}"
	for size, cut := range map[int]bool{124_999: false, 125_000: true, 200_000: true} {
		s.Checkout.Changelog.Section = strings.Repeat("é", size)
		got := release.Notes(s, release.Bill{}, "")
		n := utf8.RuneCountInString(got)
		if n > 125_000 || !utf8.ValidString(got) || strings.Contains(got, "longer than GitHub allows") != cut {
			t.Errorf("%d characters become %d, valid %v, ending %q", size, n, utf8.ValidString(got), got[len(got)-40:])
		}
	}
}

func TestTitleAndPrerelease(t *testing.T) {
	s := release.Snapshot{Config: config.Default(), Checkout: release.Checkout{Tag: release.Tag{Name: "core-v1.0.0", Version: "1.0.0", Crate: "core"}}}
	s.Config.Release.Title = "{crate} {version} ({tag}) {x}"
	if got := s.Title(); got != "core 1.0.0 (core-v1.0.0) {x}" {
		t.Errorf("title %q", got)
	}
	for _, test := range []struct {
		mode, version string
		want          bool
	}{{"auto", "1.0.0", false}, {"auto", "1.0.0-rc.1", true}, {"auto", "0.1.0+x", false}, {"always", "1.0.0", true}, {"never", "1.0.0-rc.1", false}} {
		s.Config.Release.Prerelease = test.mode
		v, err := semver.Parse(test.version)
		if err != nil || s.Prerelease(v) != test.want {
			t.Errorf("%s %s: %v, want %v", test.mode, test.version, s.Prerelease(v), test.want)
		}
	}
}

func TestAssetName(t *testing.T) {
	for name, want := range map[string]string{
		"core-1.0.0.crate": "core-1.0.0.crate", "b (1).zip": "b.1.zip", "a b": "a.b", "über.txt": "ber.txt", "../../x": "x", "a/../b": "a.b", "...": "", "": "",
		"a\nb": "a.b", ".hidden": "hidden", "1.0.0+build": "1.0.0.build", "a..b": "a.b", "tool_x86-64": "tool_x86-64", "日本": "", "x.": "x",
	} {
		if got := release.AssetName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
		if got := release.AssetName(release.AssetName(name)); got != want {
			t.Errorf("%q twice becomes %q, want %q", name, got, want)
		}
	}
}

package bumped_test

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/bumped"
)

// hostile is text as a stranger's commit may bring it.
const hostile = "\x1b[31mred\u202e|x`y` <img src=x onerror=y> @everyone\n::error::got you\n# big"

// TestHostile holds that titles of commits and names in files pose as nothing, on the terminal and in a pull request.
func TestHostile(t *testing.T) {
	r := release.Report{Command: "patch", Outcome: release.Changed, Title: "Release v1", Warnings: []string{hostile},
		Bumps: []release.ReportBump{{Name: hostile, From: "1", To: hostile}}, Edits: []release.ReportEdit{{File: hostile, Line: 1, Key: hostile, Old: hostile, New: hostile}},
		Picks:  []release.ReportPick{{Commit: "0123456789abcdef", Title: hostile}, {Commit: hostile, Title: "x", Skipped: hostile}},
		Crates: []release.Crate{{Name: hostile, Version: "1"}, {Name: "b", Version: "1", Needs: []string{hostile}}}}
	terminal := bumped.Terminal(render.Style{}, r, "+"+hostile+"\n-"+hostile, "next")
	for _, bad := range []string{"\x1b", "\u202e", "\n::error"} {
		if strings.Contains(terminal, bad) {
			t.Errorf("the terminal gets %q:\n%q", bad, terminal)
		}
	}
	markdown := bumped.PullRequest(r, "next")
	for _, bad := range []string{"\x1b", "\u202e", "\n# big", "\n::error"} {
		if strings.Contains(markdown, bad) {
			t.Errorf("the pull request gets %q:\n%s", bad, markdown)
		}
	}
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, ">") && (strings.Contains(line, "<img") || strings.Contains(line, "@everyone")) {
			t.Errorf("a warning is no plain text: %s", line)
		}
		if strings.HasPrefix(line, "| `") && strings.Contains(line, "Picked") {
			t.Errorf("a row is broken: %s", line)
		}
	}
}

// TestHostileConflict holds that a path poses as nothing in a comment, and that it stays one.
func TestHostileConflict(t *testing.T) {
	paths := []string{hostile}
	for range 10_000 {
		paths = append(paths, strings.Repeat("d/", 40)+"x.rs")
	}
	text := bumped.Conflict("v0.4.0", "release/v0.4.0", release.ReportPick{Conflicts: paths}, "git fetch\n```\n# big")
	for _, bad := range []string{"\x1b", "\u202e", "\n# big\n```\n#", "\n::error", "\n<img"} {
		if strings.Contains(text, bad) {
			t.Errorf("the comment gets %q:\n%s", bad, text)
		}
	}
	if len(text) > 10_000 || !strings.Contains(text, "and 9981 more") {
		t.Errorf("%d bytes:\n%s", len(text), text[:400])
	}
	if text := bumped.NoConflict("v0.4.0", "release/v0.4.0", release.ReportPick{Skipped: hostile}, ""); strings.Contains(text, "<img") || strings.Contains(text, "@everyone") {
		t.Errorf("the comment gets %s", text)
	}
}

// TestManyEdits holds that a pull request stays below what GitHub takes.
func TestManyEdits(t *testing.T) {
	r := release.Report{Title: "Release v1", Bumps: []release.ReportBump{{Name: "a"}}}
	for range 5000 {
		r.Edits = append(r.Edits, release.ReportEdit{File: strings.Repeat("d/", 40) + "Cargo.toml", Line: 1, Key: "workspace.dependencies.some-crate.version", Old: "=1.0.0", New: "=2.0.0"})
	}
	if text := bumped.PullRequest(r, "next"); len(text) > 65_000 || !strings.Contains(text, "And 4800 more.") {
		t.Errorf("%d characters", len(text))
	}
}

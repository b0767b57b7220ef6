package release

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/semver"
)

// Title is the release's name.
func (s Snapshot) Title() string {
	tag := s.Checkout.Tag
	return strings.NewReplacer("{tag}", tag.Name, "{version}", tag.Version, "{crate}", tag.Crate).Replace(s.Config.Release.Title)
}

// Prerelease reports whether the forge shows the release of v as a pre-release.
func (s Snapshot) Prerelease(v semver.Version) bool {
	switch s.Config.Release.Prerelease {
	case "always":
		return true
	case "never":
		return false
	}
	return v.IsPre()
}

// maxNotes is GitHub's limit for a release's text, in characters.
const maxNotes = 125_000

// Notes fills the configured template: the changelog's section, GitHub's generated notes, the table of crates. What
// is filled in is not read again for placeholders.
func Notes(s Snapshot, b Bill, generated string) string {
	template := s.Config.Release.Notes
	if template == "" {
		template = "{changelog}\n\n{generated}\n\n{crates}"
	}
	var crates strings.Builder
	crates.WriteString("| Crate | Version | SHA-256 |\n|---|---|---|\n")
	for _, c := range b.Crates {
		fmt.Fprintf(&crates, "| %s | %s | `%s` |\n", c.Name, c.Version, c.SHA256)
	}
	tag := s.Checkout.Tag
	text := strings.NewReplacer("{tag}", tag.Name, "{version}", tag.Version, "{crate}", tag.Crate,
		"{changelog}", s.Checkout.Changelog.Section, "{generated}", generated, "{crates}", crates.String()).Replace(template)
	text = strings.TrimSpace(text) + "\n"
	if r := []rune(text); len(r) > maxNotes {
		cut := "\n\n(The notes are longer than GitHub allows; the changelog has all of them.)\n"
		text = string(r[:maxNotes-len(cut)]) + cut
	}
	return text
}

// CorrectSums returns notes whose table of crates, where they have one, names the checksums of b. A draft may have been
// made by a run that never got further, whose packages had other bytes; the rest of its text may be a person's.
func CorrectSums(notes string, b Bill) string {
	rows := map[string][]string{} // start of a row -> checksums in the order of the table
	for _, c := range b.Crates {
		start := fmt.Sprintf("| %s | %s | `", c.Name, c.Version)
		rows[start] = append(rows[start], c.SHA256)
	}
	lines := strings.Split(notes, "\n")
	for i, line := range lines {
		for start, sums := range rows {
			old, ok := strings.CutPrefix(line, start)
			if old, ok2 := strings.CutSuffix(strings.TrimRight(old, "\r"), "` |"); ok && ok2 && len(old) == 64 && len(sums) > 0 {
				lines[i] = strings.Replace(line, old, sums[0], 1)
				rows[start] = sums[1:]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// Public returns the published release with our tag, if there is one.
func (s Snapshot) Public() *Release {
	for i, r := range s.Remote.Releases {
		if !r.Draft {
			return &s.Remote.Releases[i]
		}
	}
	return nil
}

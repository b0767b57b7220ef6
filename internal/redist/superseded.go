package redist

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// RuleSuperseded is a warning: upstream has published a crate, or a newer version of it, itself.
const RuleSuperseded = "superseded"

// Newest returns the highest of the published versions that is newer than ours, "" where none is. Yanked ones must not
// be among them. A version made by {version}-{date} is older than the version that it was made of, once that is
// published; what is older than ours does not replace it.
func Newest(ours string, published []string) string {
	best, err := semver.Parse(ours)
	if err != nil {
		return ""
	}
	newest := ""
	for _, text := range published {
		if v, err := semver.Parse(text); err == nil && !v.IsPre() && v.Compare(best) > 0 {
			best, newest = v, text
		}
	}
	return newest
}

// SupersededFinding says that crates need not be redistributed any more; nil where all must.
func SupersededFinding(all []Superseded) *Finding {
	if len(all) == 0 {
		return nil
	}
	var lines, names []string
	for _, s := range all {
		lines = append(lines, fmt.Sprintf("%s: %s has %s, redistributed is %s", s.Name, s.Registry, s.Upstream, s.Version))
		names = append(names, fmt.Sprintf("%s = %q", s.Name, s.Upstream))
	}
	return &Finding{Rule: RuleSuperseded, Severity: release.Warn, Summary: "upstream has published " + release.CrateCount(len(all)) + " itself, in a newer version", Detail: strings.Join(lines, "\n"),
		Hint: "consumers can depend on it again: " + strings.Join(names, ", ") + "; then take it out of the redistribution"}
}

// Notice is the text of the issue that says which crates of a part need not be redistributed any more; body is "" where
// nothing need be said.
func Notice(name string, p Part) (title, body string) {
	title = "Crates that need not be redistributed any more: " + name
	if len(p.Superseded) == 0 {
		return title, ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Upstream has published these crates of %s itself. Consumers can depend on them there again; then take them out of the redistribution.\n\n", p.From)
	b.WriteString("| Crate | Redistributed | Upstream has | Where |\n|---|---|---|---|\n")
	for _, s := range p.Superseded {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.Name, s.Version, s.Upstream, s.Registry)
	}
	return title, b.String()
}

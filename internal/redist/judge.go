package redist

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// The rules of a redistribution, in the order in which they are judged.
const (
	RuleAccess    = "access"    // both registries can be used
	RuleSource    = "source"    // the source has every crate
	RuleChecksum  = "checksum"  // lock file, source and target agree on every byte
	RuleName      = "name"      // no crate whose name is denied
	RuleAge       = "age"       // every version is old enough
	RuleLicence   = "licence"   // every licence is accepted
	RuleYanked    = "yanked"    // a warning
	RuleElsewhere = "elsewhere" // a warning: packages of a lock file that are from other sources
)

// Judge holds a snapshot against the rules that need no .crate file. Only what would move is judged by name and age:
// what the target holds already is done.
func Judge(s Snapshot) []Finding {
	var out []Finding
	for _, side := range []Side{s.Source, s.Target} {
		if side.Problem != "" {
			out = append(out, Finding{Rule: RuleAccess, Severity: release.Stop, Summary: fmt.Sprintf("registry %s cannot be used", side.Name), Detail: side.Problem, Hint: side.Hint})
		}
	}
	if len(out) > 0 {
		return out
	}
	if len(s.Crates) == 0 {
		return append(out, Finding{Rule: RuleSource, Severity: release.Stop, Summary: fmt.Sprintf("the lock files take nothing from %s", s.Source.Name), Detail: listing(s.Left),
			Hint: fmt.Sprintf("--from names the registry that they take crates from; where %s holds copies of crates.io's crates, say mirror = true in [registries.%s] of %s", s.Source.Name, s.Source.Name, config.File)})
	}
	lists := map[string][]string{}
	note := func(rule string, c Crate, text string) { lists[rule] = append(lists[rule], c.Name+" "+c.Version+text) }
	for _, c := range s.Crates {
		s.judge(c, note)
	}
	for _, f := range texts(s) {
		if lines := lists[f.Rule]; len(lists[f.Rule]) > 0 {
			f.Summary = strings.Replace(f.Summary, "#", release.CrateCount(len(lines)), 1)
			f.Detail = listing(lines)
			out = append(out, f)
		}
	}
	out = append(out, judgeAdvisories(s)...)
	if len(s.Left) > 0 {
		out = append(out, Finding{Rule: RuleElsewhere, Severity: release.Warn, Summary: fmt.Sprintf("the lock files take %s from other sources; they are not moved", release.CrateCount(len(s.Left))), Detail: listing(s.Left)})
	}
	return out
}

// judge notes what is wrong with one crate.
func (s Snapshot) judge(c Crate, note func(rule string, c Crate, text string)) {
	switch {
	case c.Sum != "" && c.Locked != "" && c.Sum != c.Locked:
		note(RuleChecksum, c, fmt.Sprintf("\n  %s  sha256 %s\n  %s  sha256 %s", c.LockedBy, c.Locked, s.Source.Name, c.Sum))
	case !c.Missing() && c.want() != "" && c.There != c.want():
		note(RuleChecksum, c, fmt.Sprintf("\n  %s  sha256 %s\n  %s  sha256 %s", s.Source.Name, c.want(), s.Target.Name, c.There))
	case c.Sum == "" && (c.Missing() || c.Locked == ""):
		note(RuleSource, c, "")
	}
	if c.Yanked {
		note(RuleYanked, c, "")
	}
	if !c.Missing() {
		return
	}
	if Matches(s.Rules.DenyNames, c.Name) {
		note(RuleName, c, "")
	}
	if age := s.Rules.MinAge.Std(); age > 0 && c.Sum != "" {
		switch {
		case c.Published.IsZero():
			note(RuleAge, c, fmt.Sprintf(": the index of %s does not say when it was published", s.Source.Name))
		case s.TakenAt.Sub(c.Published) < age:
			note(RuleAge, c, fmt.Sprintf(": published %s, old enough at %s", c.Published.UTC().Format("2006-01-02 15:04 UTC"), c.Published.Add(age).UTC().Format("2006-01-02 15:04 UTC")))
		}
	}
}

// texts are the findings by rule, a # standing for the number of crates.
func texts(s Snapshot) []Finding {
	return []Finding{
		{Rule: RuleSource, Severity: release.Stop, Summary: fmt.Sprintf("registry %s lacks #", s.Source.Name), Hint: "is --from the registry that the lock file names? A version that was deleted there can only come from somewhere that still has it"},
		{Rule: RuleChecksum, Severity: release.Stop, Summary: "# with other bytes in one place than in another", Hint: "nothing was moved. A registry that changes a published version, or a lock file that somebody edited, must be explained before anything else"},
		{Rule: RuleName, Severity: release.Stop, Summary: "the configuration denies # by name", Hint: "deny_names in [thirdparty] of " + config.File},
		{Rule: RuleAge, Severity: release.Stop, Summary: fmt.Sprintf("# younger than %s", s.Rules.MinAge), Hint: "wait, or lock older versions; min_age in [thirdparty] of " + config.File},
		{Rule: RuleYanked, Severity: release.Warn, Summary: fmt.Sprintf("# yanked in %s: moved, because asked for, and yanked in %s too", s.Source.Name, s.Target.Name)},
	}
}

// JudgeLicences judges what the .crate files say. said maps a crate's key to its licence expression.
func JudgeLicences(s Snapshot, said map[string]string) *Finding {
	rules := Licences{Allow: s.Rules.Licenses, Deny: s.Rules.DenyLicenses}
	var lines []string
	for _, c := range s.Crates {
		if !c.Missing() || Matches(s.Rules.Reviewed, c.Name) {
			continue
		}
		if err := rules.Accept(said[c.Key()]); err != nil {
			lines = append(lines, fmt.Sprintf("%s %s: %v", c.Name, c.Version, err))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return &Finding{Rule: RuleLicence, Severity: release.Stop, Summary: fmt.Sprintf("the licences of %s are not accepted", release.CrateCount(len(lines))), Detail: listing(lines),
		Hint: "nothing was moved. licenses, deny_licenses and reviewed in [thirdparty] of " + config.File + " say what is accepted"}
}

// Matches reports whether one of the patterns, with * and ?, is for a name.
func Matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// maxLines is how many crates a finding names.
const maxLines = 30

func listing(lines []string) string {
	slices.Sort(lines)
	if more := len(lines) - maxLines; more > 0 {
		lines = append(slices.Clone(lines[:maxLines]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

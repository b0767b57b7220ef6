package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/semver"
)

// Judge applies the tag rules and the preflight to a snapshot. It is pure. Findings of a relaxed rule come back as
// warnings that carry the configured reason.
func Judge(s Snapshot) []Finding {
	var out []Finding
	out = append(out, s.Checkout.Findings...)
	if s.Remote.Asked {
		out = append(out, judgeTag(s)...)
		out = append(out, judgeLineage(s)...)
		out = append(out, judgeBranch(s)...)
		out = append(out, judgeBlockers(s)...)
	}
	out = append(out, judgeChangelog(s)...)
	out = append(out, judgeCrates(s)...)
	out = append(out, judgeRegistries(s)...)
	out = distinct(out)
	for i, f := range out {
		if relax, ok := s.Config.Rules[f.Rule]; ok && relax.Relax && f.Severity == Stop {
			out[i].Severity, out[i].Relaxed = Warn, relax.Reason
		}
	}
	return out
}

// distinct drops findings that repeat an earlier one.
func distinct(findings []Finding) []Finding {
	seen := map[Finding]bool{}
	return slices.DeleteFunc(findings, func(f Finding) bool {
		again := seen[f]
		seen[f] = true
		return again
	})
}

// Blocking returns the findings that stop a release.
func Blocking(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if f.Severity == Stop {
			out = append(out, f)
		}
	}
	return out
}

func judgeTag(s Snapshot) []Finding {
	tag, remote, asked := s.Checkout.Tag, s.Remote, s.Request.Commit
	switch {
	case remote.TagCommit == "":
		return []Finding{{Rule: "tag-moved", Severity: Stop, Summary: fmt.Sprintf("tag %s is not on %s", tag.Name, s.Repository),
			Detail: "a release is made from a pushed tag, and Tagboat never makes the tag itself",
			Hint:   fmt.Sprintf("git push origin %s", tag.Name)}}
	case asked != "" && asked != remote.TagCommit:
		return []Finding{{Rule: "tag-moved", Severity: Stop, Summary: fmt.Sprintf("tag %s was moved since this release was asked for", tag.Name),
			Detail: fmt.Sprintf("asked for   %s\nthere now   %s", asked, remote.TagCommit),
			Hint:   "the push that moved the tag asks for a release of its own; look at why it moved"}}
	case s.Checkout.Commit != remote.TagCommit:
		return []Finding{{Rule: "tag-moved", Severity: Stop, Summary: fmt.Sprintf("tag %s points elsewhere on %s", tag.Name, s.Repository),
			Detail: fmt.Sprintf("here    %s\nthere   %s", s.Checkout.Commit, remote.TagCommit),
			Hint:   "the tag was moved after it was fetched: fetch it again (git fetch --tags --force) and look at why it moved"}}
	}
	return nil
}

// judgeLineage holds the users' rule: minor and major versions from the development branch, patches from a release
// branch. A 0.0.x version has no line of its own and counts as minor.
func judgeLineage(s Snapshot) []Finding {
	v, err := semver.Parse(s.Checkout.Tag.Version)
	if err != nil || s.Remote.TagCommit != s.Checkout.Commit {
		return nil // the tag rules have said so, and no branch was asked about another commit
	}
	patch := v.Patch > 0 && (v.Major > 0 || v.Minor > 0)
	if patch && len(s.Remote.OnRelease) == 0 {
		return []Finding{{Rule: "release-branch", Severity: Stop,
			Summary: fmt.Sprintf("%s is a patch version, but no release branch of %d.%d holds its commit", s.Checkout.Tag.Name, v.Major, v.Minor),
			Detail:  fmt.Sprintf("commit %s is on none of the branches %s", s.Checkout.Commit, BranchForm(s.Config.Branches.Release).Of(fmt.Sprintf("*%d.%d.*", v.Major, v.Minor))),
			Hint:    "a patch is committed to the release branch of the version it mends and tagged there; where patches come from the development branch, write relax = true and a reason into [rules.release-branch] of tagboat.toml"}}
	}
	if !patch && !s.Remote.OnDevelopment && !(v.Pre != "" && len(s.Remote.OnRelease) > 0) {
		return []Finding{{Rule: "development-branch", Severity: Stop,
			Summary: fmt.Sprintf("%s is not a patch, but its commit is not on the development branch %s", s.Checkout.Tag.Name, s.Remote.Development),
			Detail:  fmt.Sprintf("commit %s", s.Checkout.Commit),
			Hint:    "minor and major versions are tagged on the development branch; another one is named by `development` in [branches] of tagboat.toml"}}
	}
	return nil
}

func judgeBranch(s Snapshot) []Finding {
	var out []Finding
	r := s.Remote
	if r.BranchCommit != "" && r.BranchCommit != s.Checkout.Commit {
		out = append(out, Finding{Rule: "release-branch", Severity: Stop, Summary: fmt.Sprintf("branch %s is at another commit than tag %s", r.BranchName, s.Checkout.Tag.Name),
			Detail: fmt.Sprintf("branch  %s\ntag     %s", r.BranchCommit, s.Checkout.Commit),
			Hint:   "what is published is the tagged commit: tag the branch's head as the next version, or move the branch back"})
	}
	if r.BranchCommit == "" && len(r.WorkflowTrap) > 0 && s.Request.Half != Second {
		out = append(out, Finding{Rule: "workflow-lint", Severity: Warn, Summary: "the commit's workflow files differ from the default branch",
			Detail: strings.Join(r.WorkflowTrap, "\n"),
			Hint:   "GITHUB_TOKEN may not create a branch on such a commit; a token with the `workflows` permission may"})
	}
	return out
}

func judgeBlockers(s Snapshot) []Finding {
	label := s.Config.Blockers.Label
	if label == "" {
		return nil
	}
	if s.Remote.BlockersError != "" {
		return []Finding{{Rule: "blockers", Severity: Stop, Summary: fmt.Sprintf("could not ask for open issues labelled %s", label),
			Detail: s.Remote.BlockersError, Hint: "a release that cannot be checked for blockers is not made; the token needs issues: read"}}
	}
	if len(s.Remote.Blockers) == 0 {
		return nil
	}
	var lines []string
	for _, i := range s.Remote.Blockers {
		lines = append(lines, fmt.Sprintf("#%d %s", i.Number, i.Title))
	}
	return []Finding{{Rule: "blockers", Severity: Stop, Summary: fmt.Sprintf("%d open issues are labelled %s", len(lines), label),
		Detail: strings.Join(lines, "\n"), Hint: "close them, or take the label off"}}
}

func judgeChangelog(s Snapshot) []Finding {
	c, required := s.Checkout.Changelog, s.Config.Changelog.Required
	if s.Checkout.Sealed {
		return nil // it was there when the crates were packaged, and is in the draft's notes
	}
	if required == "never" || c.Path == "" && required != "always" {
		return nil
	}
	path := c.Path
	if path == "" {
		path = s.Config.Changelog.Path
	}
	f := Finding{Rule: "changelog", Severity: Stop, File: path, Hint: fmt.Sprintf("add a section `## [%s] - YYYY-MM-DD` (https://keepachangelog.com)", s.Checkout.Tag.Version)}
	switch {
	case c.Path == "":
		f.File, f.Summary = "", fmt.Sprintf("there is no changelog %s", path)
	case !c.Found:
		f.Summary = fmt.Sprintf("the changelog has no section for %s", s.Checkout.Tag.Version)
	case strings.TrimSpace(c.Section) == "":
		f.Summary = fmt.Sprintf("the changelog's section for %s is empty", s.Checkout.Tag.Version)
	default:
		return nil
	}
	return []Finding{f}
}

func judgeCrates(s Snapshot) []Finding {
	if len(s.Checkout.Crates) > 0 {
		return nil
	}
	f := Finding{Rule: "tag-version", Severity: Stop, Summary: "there is no crate to publish", Hint: "a crate is published unless it has no version, says publish = false, or is in exclude of [package] in tagboat.toml"}
	if c := s.Checkout.Tag.Crate; c != "" {
		f.Summary = fmt.Sprintf("the workspace has no publishable crate %s", c)
		f.Hint = "the tag names a crate; the tag template is in [tags] of tagboat.toml"
	}
	return []Finding{f}
}

func judgeRegistries(s Snapshot) []Finding {
	var out []Finding
	for _, r := range s.Registries {
		// Who only starts the release workflow need not hold the tokens that it publishes with.
		if r.Access.Asked && r.Access.Problem != "" && !(r.Access.NoToken && s.Dispatches()) {
			out = append(out, Finding{Rule: "registry-access", Severity: Stop, Summary: fmt.Sprintf("registry %s: %s", r.Name, r.Access.Problem), Detail: r.Access.Detail, Hint: r.Access.Hint})
		}
		out = append(out, newWithoutToken(s, r)...)
		out = append(out, judgeLifetime(s, r)...)
		if r.Forecast.Wait > 0 {
			f := Finding{Rule: "rate-limit", Severity: Warn, Summary: "registry " + r.Forecast.Text}
			if end := s.Request.Deadline; !end.IsZero() && s.TakenAt.Add(r.Forecast.Wait).After(end) {
				f.Hint = fmt.Sprintf("this run ends at %s: what does not fit waits for the next run, which goes on from there", end.UTC().Format("2006-01-02 15:04 UTC"))
			}
			out = append(out, f)
		}
		out = append(out, judgeLedgerAgainstIndex(s, r)...)
	}
	return append(out, unkeyed(s)...)
}

// comfort is how long a token should last beyond the last upload's start that the forecast names: packaging comes first.
const comfort = 30 * time.Minute

// judgeLifetime compares the time that a token has left with what there is to upload.
func judgeLifetime(s Snapshot, r Registry) []Finding {
	end := r.Access.Expires
	if end.IsZero() || r.Login.Minted() || r.Access.Problem != "" || s.Dispatches() || r.Forecast.New+r.Forecast.Known == 0 {
		return nil
	}
	f := Finding{Rule: "registry-access", Severity: Stop, Hint: fmt.Sprintf("the token is read from %s: give one that lasts longer", r.Access.Variable)}
	last, at := s.TakenAt.Add(r.Forecast.Wait), end.UTC().Format("2006-01-02 15:04 UTC")
	switch {
	case !s.TakenAt.Before(end):
		f.Summary = fmt.Sprintf("registry %s: its token stopped being good at %s", r.Name, at)
	case last.After(end):
		f.Summary = fmt.Sprintf("registry %s: its token is good until %s, and its rate limits let the last upload start at %s", r.Name, at, last.UTC().Format("15:04 UTC"))
	case last.Add(comfort).After(end):
		f.Severity = Warn
		f.Summary = fmt.Sprintf("registry %s: its token is good until %s only", r.Name, at)
		f.Hint = fmt.Sprintf("what is not uploaded by then waits for the next run; the token is read from %s", r.Access.Variable)
	default:
		return nil
	}
	return []Finding{f}
}

// judgeLedgerAgainstIndex finds a version that the index has with other bytes than the release's bill, before
// anything is packaged; without a bill the compare step finds it.
func judgeLedgerAgainstIndex(s Snapshot, r Registry) []Finding {
	if s.Remote.Ledger.Bill == nil || !s.Remote.Ledger.Authentic {
		return nil
	}
	var out []Finding
	for _, c := range s.Remote.Ledger.Bill.Crates {
		sum := r.Crates[c.Name].Checksum
		if sum != "" && sum != c.SHA256 && c.goesTo(r.Name) {
			out = append(out, DifferentBytes(r.Name, c.Name, c.Version, c.SHA256, sum))
		}
	}
	return out
}

func (c BillCrate) goesTo(registry string) bool {
	for _, r := range c.Registries {
		if r.Name == registry {
			return true
		}
	}
	return false
}

// DifferentBytes is the finding that a registry has a version with other bytes than ours: nothing can mend that.
func DifferentBytes(registry, name, version, ours, theirs string) Finding {
	return Finding{Rule: "same-bytes", Severity: Stop, Summary: fmt.Sprintf("%s %s is on %s with other bytes", name, version, registry),
		Detail: fmt.Sprintf("here   sha256 %s\nthere  sha256 %s", ours, theirs),
		Hint:   "a published version cannot be replaced: release a new version, or find out with which toolchain or commit the published one was made"}
}

package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// What the text and the Markdown renderings have in common: sentences and tables as data, not yet escaped.

// headline says in one sentence what became of a run.
func headline(r release.Report) string {
	what := "the release"
	if r.Command == "redist" {
		what = "the redistribution"
	}
	if r.Tag != "" {
		what = r.Tag
	}
	if r.Repository != "" {
		what += " of " + r.Repository
	}
	if r.Command == "reconcile" && r.Tag == "" {
		return reconciled(r)
	}
	if strings.HasPrefix(r.Command, "token ") {
		return tokenHeadline(r)
	}
	if r.Title != "" && len(r.Bumps) > 0 {
		return bumped(r)
	}
	if r.Command == "patch" && r.Title != "" {
		return r.Title
	}
	text := ""
	switch r.Outcome {
	case release.Released:
		text = "Released " + what
		if hasStep(r, release.KindSeal) && !hasStep(r, release.KindRelease) {
			text = "Prepared the draft of " + what
		}
	case release.Redistributed:
		text = "Redistributed: the registry holds every crate that was asked for"
	case release.Started:
		text = "Started the release workflow for " + what
	case release.Planned:
		text = "Planned " + what + "; nothing was written"
		if r.Command == "tag" {
			text = "Nothing stands in the way of " + what + "; no tag was made"
		}
		if r.Command == "check" {
			text = "Checked " + what + ": nothing stands in the way here; GitHub and the registries were not asked"
		}
	case release.Changed:
		text = "Tagged " + what
	case release.Waiting:
		text = "Waiting with " + what
		if r.Until != nil {
			text += "; run it again at or after " + moment(*r.Until)
		} else {
			text += "; run it again later"
		}
	case release.Stopped:
		text = "Stopped " + what + "; a person must decide"
	default:
		text = "Failed to finish " + what + "; run it again to go on"
	}
	if r.Command == "rehearse" {
		text = "Rehearsal: " + lowerFirst(text)
	}
	return text
}

// bumped says in one sentence what became of a bump.
func bumped(r release.Report) string {
	switch {
	case r.Outcome == release.Planned:
		return r.Title + ": nothing was written"
	case r.Outcome != release.Changed:
		return r.Title + ": stopped; a person must decide"
	case r.URL != "":
		return r.Title + ": the pull request is there"
	case r.Commit != "":
		return r.Title + ": committed"
	case len(r.Files) == 0:
		return r.Title + ": everything is as it shall be"
	}
	return r.Title + ": edited"
}

// reconciled says what became of a look for unfinished releases.
func reconciled(r release.Report) string {
	switch {
	case len(r.Problems) > 0:
		return "Could not look for unfinished releases of " + r.Repository
	case len(r.Releases) == 0:
		return "Nothing to do for " + r.Repository + ": every release tag of late has a public release"
	case r.Outcome == release.Planned:
		return fmt.Sprintf("%s of %s without a finished release; nothing was written", plain.Count(len(r.Releases), "tag"), r.Repository)
	}
	done := 0
	for _, one := range r.Releases {
		if one.ExitCode() == 0 {
			done++
		}
	}
	return fmt.Sprintf("Went on with %s of %s, %d as wanted", plain.Count(len(r.Releases), "unfinished release"), r.Repository, done)
}

func hasStep(r release.Report, kind string) bool {
	return slices.ContainsFunc(r.Steps, func(s release.ReportStep) bool { return s.Kind == kind })
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// moment formats an instant with its date.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// crateRow is one crate in one registry.
type crateRow struct {
	name, version, registry, sha256 string
	size                            int64 // 0: not packaged
	state                           string
	confirmed                       *time.Time
}

// crateRows lists what goes where: from the bill where there is one, else from the checkout.
func crateRows(r release.Report) []crateRow {
	var rows []crateRow
	if r.Bill != nil && len(r.Bill.Crates) > 0 {
		for _, c := range r.Bill.Crates {
			for _, home := range c.Registries {
				rows = append(rows, crateRow{name: c.Name, version: c.Version, registry: home.Name, sha256: c.SHA256, size: c.Size,
					confirmed: home.ConfirmedAt})
			}
		}
	} else {
		for _, c := range r.Crates {
			for _, home := range c.Registries {
				rows = append(rows, crateRow{name: c.Name, version: c.Version, registry: home})
			}
		}
	}
	outcomes := make(map[string]string, len(r.Steps))
	for _, s := range r.Steps {
		outcomes[s.Key] = s.Outcome
	}
	for i := range rows {
		rows[i].state = crateState(rows[i], outcomes)
	}
	return rows
}

// crateState says how far a crate is: the confirmation decides where it was reached, else the upload.
func crateState(c crateRow, outcomes map[string]string) string {
	what := c.registry + "/" + c.name + "@" + c.version
	publish, confirm := outcomes[release.KindPublish+"/"+what], outcomes[release.KindConfirm+"/"+what]
	switch {
	case c.confirmed != nil || confirm == "done":
		return "confirmed"
	case confirm == "failed":
		return "not confirmed"
	case publish == "done":
		return "uploaded"
	case publish == "skipped" || publish == "failed" || publish == "waiting":
		return publish
	case c.sha256 != "":
		return "packaged"
	}
	return "planned"
}

// levels groups the report's crates so that each needs only crates of earlier groups. Crates in a cycle, which the
// rules refuse, come last.
func levels(crates []release.Crate) [][]release.Crate {
	known := make(map[string]bool)
	for _, c := range crates {
		known[c.Name] = true
	}
	placed := make(map[string]bool)
	left := slices.Clone(crates)
	var out [][]release.Crate
	for len(left) > 0 {
		var level, rest []release.Crate
		for _, c := range left {
			if slices.ContainsFunc(c.Needs, func(need string) bool { return known[need] && !placed[need] }) {
				rest = append(rest, c)
			} else {
				level = append(level, c)
			}
		}
		if len(level) == 0 {
			return append(out, rest)
		}
		for _, c := range level {
			placed[c.Name] = true
		}
		out, left = append(out, level), rest
	}
	return out
}

// place returns "file:line", "file", or "".
func place(file string, line int) string {
	if plain.Clean(file) == "" {
		return ""
	}
	if line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// short returns the first n characters of a checksum or commit.
func short(sha string, n int) string { return sha[:min(len(sha), n)] }

// elapsed formats a step's time; it is empty for a step that took none.
func elapsed(ms int64) string {
	if ms <= 0 {
		return ""
	}
	return plain.Span(time.Duration(ms) * time.Millisecond)
}

// warnings are the findings that do not stop, and what registries said to accepted uploads.
func warnings(r release.Report) []release.ReportProblem {
	var out []release.ReportProblem
	for _, f := range r.Findings {
		if f.Severity == release.Stop {
			continue
		}
		p := release.ReportProblem{Rule: f.Rule, Summary: f.Summary, Detail: f.Detail, Hint: f.Hint, File: f.File, Line: f.Line}
		if f.Relaxed != "" {
			p.Hint = "the rule " + f.Rule + " is relaxed: " + f.Relaxed
		}
		out = append(out, p)
	}
	for _, text := range r.Warnings {
		out = append(out, release.ReportProblem{Summary: text})
	}
	return out
}

// page is what a report's URL leads to.
func page(r release.Report) string {
	if r.Command == "patch" || len(r.Bumps) > 0 {
		return "pull request"
	}
	return "release"
}

package redist

import (
	"slices"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
)

// Report is what a redistribution did: a release's report, and what moved.
type Report struct {
	release.Report
	Redist []Part `json:"redist"`
}

// Part is one piece of work: one [[redist]], or what the flags say.
type Part struct {
	Name       string       `json:"name,omitempty"`       // of the [[redist]]
	From       string       `json:"from"`                 // name of the registry, or URL of the git repository
	Rev        string       `json:"rev,omitempty"`        // from git: the commit
	To         string       `json:"to"`                   // name of the registry
	Index      string       `json:"index,omitempty"`      // of the target, as cargo names it
	Crates     []Move       `json:"crates"`               //
	Watched    string       `json:"watched,omitempty"`    // the registry that was asked for upstream's own versions, and answered
	Superseded []Superseded `json:"superseded,omitempty"` // what upstream has published itself
	Config     string       `json:"config,omitempty"`     // lines for the consumers' .cargo/config.toml
	Manifest   string       `json:"manifest,omitempty"`   // lines for the consumers' Cargo.toml
}

// Move is one crate's version and where it stands.
type Move struct {
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	SHA256    string     `json:"sha256,omitempty"`
	State     string     `json:"state"`                  // there, missing, fetched, uploaded, moved
	License   string     `json:"license,omitempty"`      // as its manifest says, where it was read
	Yanked    bool       `json:"yanked,omitempty"`       // in the source
	Published *time.Time `json:"published_at,omitempty"` // in the source, where that says
}

// Superseded is a crate that need not be redistributed any more.
type Superseded struct {
	Name     string `json:"name"`
	Version  string `json:"version"`  // that is published under by us
	Upstream string `json:"upstream"` // that upstream has published
	Registry string `json:"registry"` // where
}

// States of a Move.
const (
	There    = "there"    // before this run
	Missing  = "missing"  // in the target
	Fetched  = "fetched"  // read from the source, not uploaded
	Uploaded = "uploaded" // the target took it, and its index does not show it yet
	Moved    = "moved"    // by this run, and confirmed
)

// NewReport begins a report; nothing is done yet.
func NewReport(s Snapshot, p Plan) Report {
	r := Report{Report: release.Report{Schema: release.ReportSchema, Command: "redist", Outcome: release.Planned, Findings: p.Findings, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}}
	for _, step := range p.Steps {
		r.Steps = append(r.Steps, release.ReportStep{Key: step.Key, Kind: step.Kind, Needs: step.Needs, Outcome: string(converge.StatePending), Reason: step.Reason})
	}
	for _, f := range release.Blocking(p.Findings) {
		r.Stop(f)
	}
	part := Part{Name: s.Name, From: s.Source.Name, To: s.Target.Name, Index: s.Target.Index, Crates: []Move{}, Config: MirrorLines(s.Source, s.Target)}
	for _, c := range s.Crates {
		m := Move{Name: c.Name, Version: c.Version, SHA256: c.want(), State: There, Yanked: c.Yanked}
		if c.Missing() {
			m.State = Missing
		}
		if !c.Published.IsZero() {
			at := c.Published.UTC()
			m.Published = &at
		}
		part.Crates = append(part.Crates, m)
	}
	r.Redist = []Part{part}
	return r
}

// Stop makes a finding the end of the run.
func (r *Report) Stop(f Finding) {
	r.Outcome = release.Stopped
	r.Problems = append(r.Problems, release.ReportProblem{Rule: f.Rule, Summary: f.Summary, Detail: f.Detail, Hint: f.Hint, File: f.File, Line: f.Line})
}

// Finish writes the result of a run into the report. said are the licences that were read.
func (r *Report) Finish(s Snapshot, res converge.Result, said map[string]string) {
	outcomes := map[string]converge.State{}
	for i, step := range res.Steps {
		out := &r.Steps[i]
		out.Outcome, out.Attempts, out.ElapsedMS = string(step.Outcome.State), step.Attempts, step.Ended.Sub(step.Started).Milliseconds()
		if step.Outcome.Reason != "" {
			out.Reason = step.Outcome.Reason
		}
		if step.Outcome.State == converge.StateFailed {
			r.Problems = append(r.Problems, release.Problems(step.Err, step.Step.Key)...)
		}
		outcomes[step.Step.Kind+" "+step.Step.Args["crate"]] = step.Outcome.State
	}
	for i := range r.Redist[0].Crates {
		m := &r.Redist[0].Crates[i]
		key := m.Name + "@" + m.Version
		m.License = said[key]
		for _, stage := range []struct{ kind, state string }{{KindFetch, Fetched}, {release.KindPublish, Uploaded}, {release.KindConfirm, Moved}} {
			if outcomes[stage.kind+" "+key] == converge.StateDone {
				m.State = stage.state
			}
		}
	}
	r.conclude(res, s.DryRun)
}

// conclude names the outcome.
func (r *Report) conclude(res converge.Result, dry bool) {
	reached := release.Redistributed
	if dry {
		reached = release.Planned
	}
	if r.Conclude(res, reached) {
		r.Problems = append(r.Problems, release.ReportProblem{Summary: "the run was interrupted", Hint: "run it again: it looks first, and moves only what is missing"})
	}
}

// rank orders outcomes from good to bad.
var rank = []string{release.Redistributed, release.Planned, release.Waiting, release.Failed, release.Stopped}

// Join adds another part's report to r. The worse outcome is that of both.
func (r *Report) Join(other Report) {
	r.Redist = append(r.Redist, other.Redist...)
	r.Steps = append(r.Steps, other.Steps...)
	r.Findings = append(r.Findings, other.Findings...)
	r.Problems = append(r.Problems, other.Problems...)
	r.Warnings = append(r.Warnings, other.Warnings...)
	worse := max(slices.Index(rank, r.Outcome), slices.Index(rank, other.Outcome))
	if worse >= 0 {
		r.Outcome = rank[worse]
	}
	if r.Until == nil || other.Until != nil && other.Until.Before(*r.Until) {
		r.Until = other.Until
	}
}

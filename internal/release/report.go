package release

import (
	"context"
	"errors"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
)

// ReportSchema names the version of the report's shape. Additive changes keep it.
const ReportSchema = "tagboat.report/v1"

// Outcomes of a run, as the report names them.
const (
	Released = "released" // the release is public, or as far as the configuration lets it go
	Started  = "started"  // the release workflow runs and was not followed
	Planned  = "planned"  // nothing was written
	Verified = "verified" // the bill of lading holds; tokens need nobody
	Changed  = "changed"  // what was asked for is there: files, a commit, a tag, a pull request
	Waiting  = "waiting"
	Stopped  = "stopped"
	Failed   = "failed"
	// Redistributed: the registry holds every crate of others that was asked for.
	Redistributed = "redistributed"
)

// Report is what a run did, for people and programs. It is the one document that --json prints.
type Report struct {
	Schema     string          `json:"schema"`
	Command    string          `json:"command"`
	Outcome    string          `json:"outcome"`
	Repository string          `json:"repository,omitempty"`
	Tag        string          `json:"tag,omitempty"`
	Version    string          `json:"version,omitempty"` // of the tag, without "v"
	Commit     string          `json:"commit,omitempty"`
	Branch     string          `json:"branch,omitempty"`
	Title      string          `json:"title,omitempty"`
	ReleaseID  int64           `json:"release_id,omitempty"` // of the forge
	URL        string          `json:"url,omitempty"`        // of the release
	RunURL     string          `json:"run_url,omitempty"`    // of the release workflow's run
	Notes      string          `json:"notes,omitempty"`
	Until      *time.Time      `json:"until,omitempty"` // with "waiting": when to come back
	Crates     []Crate         `json:"crates,omitempty"`
	Registries []Registry      `json:"registries,omitempty"`
	Steps      []ReportStep    `json:"steps"`
	Bill       *Bill           `json:"bill,omitempty"`
	Assets     []Asset         `json:"assets,omitempty"`
	Findings   []Finding       `json:"findings,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Releases   []Report        `json:"releases,omitempty"` // of a command that made several
	Bumps      []ReportBump    `json:"bumps,omitempty"`    // crates that get another version
	Edits      []ReportEdit    `json:"edits,omitempty"`    // values that change
	Files      []string        `json:"files,omitempty"`    // that change, or would
	Picks      []ReportPick    `json:"picks,omitempty"`    // of a patch, in order
	Tokens     []ReportToken   `json:"tokens,omitempty"`   // of a command about tokens
	Notice     *ReportNotice   `json:"notice,omitempty"`   // the issue that says what tokens need
	Problems   []ReportProblem `json:"problems"`
}

// ReportStep is one step and what came of it.
type ReportStep struct {
	Key       string   `json:"key"`
	Kind      string   `json:"kind"`
	Needs     []string `json:"needs,omitempty"`
	Outcome   string   `json:"outcome"` // done, skipped, waiting, failed, pending
	Reason    string   `json:"reason"`
	Attempts  int      `json:"attempts"`
	ElapsedMS int64    `json:"elapsed_ms"`
}

// ReportBump is a crate whose version changes.
type ReportBump struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// ReportPick is a commit that was to be picked for a patch.
type ReportPick struct {
	Commit  string `json:"commit"`
	Pull    int    `json:"pull,omitempty"` // number of the pull request that it came with
	Title   string `json:"title"`
	Skipped string `json:"skipped,omitempty"` // why it was not picked

	Conflicts []string      `json:"conflicts,omitempty"` // paths, where it does not go onto the branch as it is
	Comment   *ReportNotice `json:"comment,omitempty"`   // under the pull request, about what came of it
}

// ReportEdit is one value of a file that changes. Old is empty for a key that is added.
type ReportEdit struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Key  string `json:"key"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// ReportProblem is a problem.Error as data.
type ReportProblem struct {
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Step    string `json:"step,omitempty"`
}

// ReportToken is what was found out about one token, and never the token.
type ReportToken struct {
	Name        string     `json:"name"`
	Registry    string     `json:"registry"`
	Variable    string     `json:"variable"`               // that holds it
	Given       bool       `json:"given"`                  // the variable was set in this run
	Secret      string     `json:"secret"`                 // its name on GitHub
	Scope       string     `json:"scope"`                  // whose secret it is
	State       string     `json:"state"`                  // ok, expiring, expired, refused, untested, unreachable
	Read        string     `json:"read"`                   // yes, no, unknown
	Publish     string     `json:"publish"`                // yes, no, unknown
	Reach       string     `json:"reach,omitempty"`        // of a personal access token of Azure DevOps: organization, global, unknown
	Expires     *time.Time `json:"expires,omitempty"`      // absent where nobody tells
	ExpiresFrom string     `json:"expires_from,omitempty"` // tagboat.toml, the token, its service, Azure DevOps
	Notes       []string   `json:"notes"`
}

// States of a token.
const (
	TokenOK          = "ok"
	TokenExpiring    = "expiring"    // it works, and not much longer
	TokenExpired     = "expired"     // its day has passed
	TokenRefused     = "refused"     // it does not do what it is for
	TokenUntested    = "untested"    // nothing could be asked
	TokenUnreachable = "unreachable" // its registry did not answer
)

// ReportNotice is a text on GitHub that is kept current: the issue that says what tokens need, a comment.
type ReportNotice struct {
	Did    string `json:"did"` // made, updated, current, closed, none
	URL    string `json:"url,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // nothing was done: it is what would be
}

// NewReport begins a report with what the snapshot and the plan say; every step is pending.
func NewReport(command string, s Snapshot, p Plan) Report {
	r := Report{Schema: ReportSchema, Command: command, Outcome: Planned, Repository: s.Repository, Tag: s.Checkout.Tag.Name, Version: s.Checkout.Tag.Version, Commit: s.Checkout.Commit,
		Branch: s.Remote.BranchName, Title: s.Title(), Crates: s.Checkout.Crates, Registries: s.Registries, Findings: p.Findings, Steps: []ReportStep{}, Problems: []ReportProblem{}}
	for _, step := range p.Steps {
		outcome := converge.StatePending
		if step.Kind == KindCheck { // judged already
			outcome = converge.StateDone
			if step.Args["severity"] == string(Stop) {
				outcome = converge.StateFailed
			}
		}
		r.Steps = append(r.Steps, ReportStep{Key: step.Key, Kind: step.Kind, Needs: step.Needs, Outcome: string(outcome), Reason: step.Reason})
	}
	if l := s.Remote.Ledger; l.Bill != nil {
		r.Bill = l.Bill
	}
	for _, rel := range s.Remote.Releases {
		r.ReleaseID, r.URL, r.Assets = rel.ID, rel.URL, rel.Assets
		break
	}
	blocking := Blocking(p.Findings)
	for _, f := range blocking {
		r.Problems = append(r.Problems, ReportProblem{Rule: f.Rule, Summary: f.Summary, Detail: f.Detail, Hint: f.Hint, File: f.File, Line: f.Line})
	}
	if len(blocking) > 0 {
		r.Outcome = Stopped
	}
	return r
}

// ErrorReport is the report of a run that ended before there was a plan.
func ErrorReport(command string, err error) Report {
	r := Report{Schema: ReportSchema, Command: command, Steps: []ReportStep{}, Problems: Problems(err, "")}
	switch problem.ExitCode(err) {
	case problem.ExitStopped, problem.ExitUsage:
		r.Outcome = Stopped
	case problem.ExitWaiting:
		r.Outcome = Waiting
		for _, p := range problem.All(err) {
			if until := p.Until.UTC().Truncate(time.Second); !p.Until.IsZero() && (r.Until == nil || until.After(*r.Until)) {
				r.Until = &until
			}
		}
	default:
		r.Outcome = Failed
	}
	return r
}

// Problems turns an error into what people read; one that nobody explained keeps its own text, unless it is
// that of an interruption.
func Problems(err error, step string) []ReportProblem {
	out := []ReportProblem{}
	if err == nil {
		return out
	}
	for _, p := range problem.All(err) {
		rp := ReportProblem{Step: step, Summary: p.Summary, Detail: p.Detail, Hint: p.Hint, File: p.File, Line: p.Line}
		if rp.Detail == "" && p.Err != nil {
			rp.Detail = p.Err.Error()
		}
		out = append(out, rp)
	}
	switch {
	case len(out) > 0:
	case errors.Is(err, context.Canceled):
		out = append(out, ReportProblem{Step: step, Summary: "the run was interrupted", Hint: "run it again"})
	default:
		out = append(out, ReportProblem{Step: step, Summary: err.Error()})
	}
	return out
}

// Conclude names the outcome of a run whose steps came to res; reached is what it is where all are done.
func (r *Report) Conclude(res converge.Result, reached string) (interrupted bool) {
	sum := res.Outcome()
	if res.Invalid != nil {
		r.Problems = append(r.Problems, Problems(res.Invalid, "")...)
	}
	switch sum.Verdict {
	case converge.VerdictDone:
		r.Outcome = reached
	case converge.VerdictWaiting:
		r.Outcome = Waiting
		if !sum.Until.IsZero() {
			until := sum.Until.UTC().Truncate(time.Second)
			r.Until = &until
		}
	case converge.VerdictStopped:
		r.Outcome = Stopped
	default:
		r.Outcome = Failed
	}
	return sum.Interrupted
}

// ExitCode returns the exit code of the run.
func (r *Report) ExitCode() int {
	switch r.Outcome {
	case Released, Started, Planned, Verified, Changed, Redistributed:
		return problem.ExitDone
	case Waiting:
		return problem.ExitWaiting
	case Stopped:
		return problem.ExitStopped
	}
	return problem.ExitFailed
}

package care

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

// Ask asks a token's registry what the token may do.
type Ask func(ctx context.Context, t Token) (registry.Access, error)

// atOnce bounds how many registries are asked side by side.
const atOnce = 4

// Look asks about each token that was given.
func Look(ctx context.Context, tokens []Token, ask Ask) ([]Seen, error) {
	out := make([]Seen, len(tokens))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, t := range tokens {
		out[i].Token = t
		if t.Value.IsZero() {
			continue
		}
		g.Go(func() error {
			out[i].Access, out[i].Err = ask(ctx, t)
			return ctx.Err()
		})
	}
	return out, g.Wait()
}

// Tolerance says which tokens end a check as stopped.
type Tolerance string

// The tolerances.
const (
	FailExpiring Tolerance = "expiring" // those that stop working soon, too
	FailExpired  Tolerance = "expired"  // those alone that do not work any more
)

// Check is the report about tokens at a time.
func Check(repository string, seen []Seen, tolerance Tolerance, now time.Time) release.Report {
	r := release.Report{Schema: release.ReportSchema, Command: "token check", Outcome: release.Verified, Repository: repository, Tokens: []release.ReportToken{}, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	for _, s := range seen {
		t, findings := Judge(s, now)
		r.Tokens = append(r.Tokens, t)
		for _, f := range findings {
			if t.State == release.TokenExpiring && tolerance == FailExpired {
				f.Severity = release.Warn
			}
			add(&r, f)
		}
		if t.State == release.TokenUnreachable {
			r.Problems = append(r.Problems, release.ReportProblem{Summary: fmt.Sprintf("registry %s does not answer, so the token %s could not be checked", t.Registry, t.Name),
				Detail: s.Err.Error(), Hint: "run again when it does"})
			if r.Outcome == release.Verified {
				r.Outcome = release.Failed
			}
		}
	}
	return r
}

// add enters a finding; one that stops decides the outcome.
func add(r *release.Report, f release.Finding) {
	r.Findings = append(r.Findings, f)
	if f.Severity != release.Stop {
		return
	}
	r.Problems = append(r.Problems, release.ReportProblem{Summary: f.Summary, Detail: f.Detail, Hint: f.Hint})
	r.Outcome = release.Stopped
}

// kind is how our issue is told from others.
const kind = "tokens"

// Text is what an issue says.
type Text struct{ Title, Body, Farewell string }

// Tell keeps one issue current that says what tokens need: it is opened, changed or closed as the report asks, and left
// alone while a registry does not answer. What goes wrong with it is entered into the report.
func Tell(ctx context.Context, hub notice.Tracker, r *release.Report, text Text) {
	needed, unsure := false, false
	for _, t := range r.Tokens {
		needed = needed || t.State == release.TokenExpiring || t.State == release.TokenExpired || t.State == release.TokenRefused
		unsure = unsure || t.State == release.TokenUnreachable
	}
	needed = needed || r.Outcome == release.Stopped
	var kept notice.Kept
	var err error
	switch {
	case needed:
		kept, err = notice.Issue(ctx, hub, kind, text.Title, text.Body)
	case unsure:
		return
	default:
		kept, err = notice.Close(ctx, hub, kind, text.Farewell)
	}
	if err == nil {
		r.Notice = &release.ReportNotice{Did: kept.Did, URL: kept.URL}
		return
	}
	f := release.Finding{Severity: release.Warn, Summary: "the issue about tokens could not be kept current", Detail: err.Error(),
		Hint: "the job needs `permissions: issues: write`, and the repository its issues"}
	if needed {
		f.Severity = release.Stop // nobody else says it
	}
	if !forge.IsDenied(err) && !forge.IsNotFound(err) {
		f.Hint = "run again"
	}
	add(r, f)
}

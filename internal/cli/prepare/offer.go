package prepare

import (
	"context"
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/bump/offer"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/bumped"
)

// offer makes a pull request of a bump.
func (a *Edge) offer(ctx context.Context, b bumping, w worked, r *release.Report) error {
	client, err := a.forge(ctx, w.repo, b.target)
	if err != nil {
		return err
	}
	if err := a.needToken("make a pull request"); err != nil {
		return err
	}
	if b.base == "" {
		b.base = w.yard.Config().Branches.Development
	}
	if b.base == "" {
		repository, err := client.Repository(ctx)
		if err != nil {
			return err
		}
		b.base = repository.DefaultBranch
	}
	at, err := client.Branch(ctx, b.base)
	if err != nil {
		return err
	}
	if at != w.snap.Commit {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("HEAD is not where %s is on GitHub", b.base), Detail: fmt.Sprintf("here    %s\nthere   %s", w.snap.Commit, at),
			Hint: fmt.Sprintf("git switch %s && git pull, or name another branch with --base", b.base)}
	}
	r.Repository, r.Branch, r.Crates = client.Slug(), w.plan.Branch, published(w.snap, w.plan)
	next := fmt.Sprintf("Merge this, then run `tagboat tag` on %s: it checks the commit, makes %s, and the push of the tag starts the release.", b.base, strings.Join(w.plan.Tags, ", "))
	files, err := w.yard.Changes(w.files)
	if err != nil {
		return err
	}
	return a.bumped(r, w, a.pull(ctx, client, r, w, offer.Offer{
		Base: b.base, BaseCommit: at, Branch: w.plan.Branch, Title: w.plan.Title, Body: bumped.PullRequest(*r, next),
		Commits: []offer.Commit{{Headline: w.plan.Title, Files: files}},
	}))
}

func (a *Edge) needToken(what string) error {
	token, err := a.Token()
	if err == nil && token.IsZero() {
		err = &problem.Error{Kind: problem.Usage, Summary: "a token is needed to " + what, Hint: "set GITHUB_TOKEN, with contents: write and pull_requests: write"}
	}
	return err
}

// published are the crates that move and those that need them, for the picture of their order.
func published(s bump.Snapshot, p bump.Plan) []release.Crate {
	to := map[string]string{}
	for _, m := range p.Moves {
		to[m.Name] = m.To
	}
	var out []release.Crate
	for _, c := range s.Crates {
		if version, ok := to[c.Name]; ok {
			out = append(out, release.Crate{Name: c.Name, Version: version, Manifest: c.File, Line: c.Line, Needs: c.Needs})
		}
	}
	return out
}

// pull runs an offer's steps, puts into the report what came of them, and returns what to do next.
func (a *Edge) pull(ctx context.Context, client *forge.Client, r *release.Report, w worked, o offer.Offer) string {
	steps := &offer.Steps{Forge: client, Offer: o}
	run := converge.Runner{Do: steps.Do, Parallel: 1, Attempts: max(1, w.yard.Config().Pace.Attempts)}
	res := run.Run(ctx, o.Plan())
	for _, s := range res.Steps {
		r.Steps = append(r.Steps, release.ReportStep{Key: s.Step.Key, Kind: s.Step.Kind, Needs: s.Step.Needs, Outcome: string(s.Outcome.State), Reason: s.Outcome.Reason,
			Attempts: s.Attempts, ElapsedMS: s.Ended.Sub(s.Started).Milliseconds()})
		r.Problems = append(r.Problems, release.Problems(s.Err, s.Step.Key)...)
	}
	r.URL, r.Commit = steps.Pull.URL, steps.Head
	next := "Next: look at it and merge it; then `tagboat tag` makes the tag."
	if err := res.Err(); err != nil {
		next = ""
		r.Outcome = release.Failed
		if problem.ExitCode(err) == problem.ExitStopped {
			r.Outcome = release.Stopped
		}
	}
	return next
}

package prepare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/bump/yard"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/git/pick"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/bumped"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// wish is a version line, and the merged pull requests that are labelled for it in the order in which they were merged.
type wish struct {
	line  bump.Line
	pulls []forge.Pull
}

// labelled keeps one pull request for each version line that merged pull requests are labelled for.
func (a *Edge) labelled(ctx context.Context, p patching) error {
	repo, client, err := a.offering(ctx, p)
	if err != nil {
		return err
	}
	cfg, err := yard.ConfigAt(ctx, repo, "HEAD")
	if err != nil {
		return err
	}
	wishes, err := wanted(ctx, client, cfg)
	if err != nil {
		return fmt.Errorf("look for labelled pull requests: %w", err)
	}
	if len(wishes) > 0 {
		if err := whole(ctx, repo); err != nil {
			return err
		}
	}
	refs, err := releaseBranches(ctx, client, cfg)
	if err != nil {
		return err
	}
	sum := release.Report{Schema: release.ReportSchema, Command: "patch", Outcome: release.Changed, Repository: client.Slug(), Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	var diffs, current, unclear []string // current are what was offered, as "HEAD BASE"; unclear are bases of lines about which nothing is known
	for _, w := range wishes {
		at, err := newest(w.line, refs)
		if err != nil {
			sum.Warnings = append(sum.Warnings, fmt.Sprintf("%s labelled for %s: %v", numbers(w.pulls), w.line.First(), err))
			continue
		}
		a.Say("%s: %s labelled, onto %s", w.line.First(), plain.Count(len(w.pulls), "pull request"), at.name)
		r, diff := a.line(ctx, p, backport{repo: repo, client: client, base: at, pulls: w.pulls})
		sum.Releases, diffs = append(sum.Releases, r), append(diffs, diff)
		if len(r.Bumps) > 0 {
			current = append(current, r.Branch+" "+at.name)
		} else if len(r.Problems) > 0 {
			unclear = append(unclear, at.name)
		}
	}
	left, err := leftOpen(ctx, client, current, unclear)
	if err != nil {
		return err
	}
	sum.Warnings = append(sum.Warnings, left...)
	summed(&sum, p.dryRun)
	return a.Print(&sum, func(s render.Style) string { return bumped.Lines(s, sum, diffs) })
}

// keptByLabels stands in the text of pull requests that this keeps, by which it knows them again.
const keptByLabels = "`tagboat patch --labelled` keeps this current: a label brings a commit in, and takes it out when it is taken away."

// leftOpen tells of the pull requests that were kept once and that no label asks for any more. Somebody may want them all
// the same, so they stay as they are.
func leftOpen(ctx context.Context, client *forge.Client, current, unclear []string) ([]string, error) {
	open, err := client.OpenPulls(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for pull requests that were kept: %w", err)
	}
	var out []string
	for _, p := range open {
		if !strings.Contains(p.Body, keptByLabels) || slices.Contains(current, p.Head+" "+p.Base) || slices.Contains(unclear, p.Base) {
			continue
		}
		out = append(out, fmt.Sprintf("#%d %q is open, and no label asks for anything in it any more: close it and delete its branch %s, or merge it into %s as it is", p.Number, p.Title, p.Head, p.Base))
	}
	return out, nil
}

// wanted finds the lines that merged pull requests are labelled for.
func wanted(ctx context.Context, client *forge.Client, cfg config.Config) ([]wish, error) {
	labels, err := client.Labels(ctx)
	if err != nil {
		return nil, err
	}
	var out []wish
	for _, label := range labels {
		line, ok := bump.LineOfLabel(cfg, cfg.Patch.Label, label)
		if !ok {
			continue
		}
		pulls, err := client.MergedPulls(ctx, label)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(w wish) bool { return w.line.Compare(line) == 0 })
		switch {
		case len(pulls) == 0:
		case i < 0:
			out = append(out, wish{line, pulls})
		default: // two labels for one line
			out[i].pulls = append(out[i].pulls, pulls...)
		}
	}
	for i := range out {
		slices.SortStableFunc(out[i].pulls, forge.Pull.CompareMerged)
		out[i].pulls = slices.CompactFunc(out[i].pulls, func(a, b forge.Pull) bool { return a.Number == b.Number })
	}
	slices.SortFunc(out, func(a, b wish) int { return a.line.Compare(b.line) })
	return out, nil
}

func numbers(pulls []forge.Pull) string {
	var out []string
	for _, p := range pulls {
		out = append(out, fmt.Sprintf("#%d", p.Number))
	}
	return strings.Join(out, ", ")
}

// backport is what is wanted of one line.
type backport struct {
	repo   *git.Repo
	client *forge.Client
	base   branchAt
	pulls  []forge.Pull
}

// line does what is wanted of one line, and reports: what goes wrong with one line is no reason to leave the others.
func (a *Edge) line(ctx context.Context, p patching, b backport) (release.Report, string) {
	scratch, err := disk.Scratch(a.Env["RUNNER_TEMP"])
	var o offered
	var conflicts []*yard.ConflictError
	if err == nil {
		defer os.RemoveAll(scratch)
		o, conflicts, err = a.backport(ctx, p, b, scratch)
	}
	if err != nil {
		r := release.ErrorReport("patch", err)
		r.Repository, r.Title = b.client.Slug(), fmt.Sprintf("Patch of %s: %s", b.base.line.First(), r.Outcome)
		return r, ""
	}
	r := o.report
	hands := map[int]string{} // number of a pull request that conflicts -> commands
	for _, c := range conflicts {
		hands[c.Pick.Number] = byHand(b, c)
		r.Picks = append(r.Picks, release.ReportPick{Commit: c.Pick.Commit, Pull: c.Pick.Number, Title: c.Pick.Title, Skipped: "it conflicts in " + strings.Join(c.Paths, ", "), Conflicts: c.Paths})
	}
	tell(ctx, p, b, r, hands)
	for _, c := range conflicts {
		r.Problems = append(r.Problems, release.ReportProblem{
			Summary: fmt.Sprintf("#%d %q conflicts with %s", c.Pick.Number, c.Pick.Title, b.base.name),
			Detail:  "in " + strings.Join(c.Paths, ", ") + "\n\n" + hands[c.Pick.Number],
			Hint:    "bring it there with the commands above, or take the label away",
		})
	}
	if len(r.Problems) > 0 && r.Outcome != release.Failed {
		r.Outcome = release.Stopped
	}
	return *r, o.diff
}

// backport picks what the line lacks, and offers it.
func (a *Edge) backport(ctx context.Context, p patching, b backport, scratch string) (o offered, conflicts []*yard.ConflictError, err error) {
	if err := here(ctx, b.repo, b.base.commit, "the branch "+b.base.name, b.base.name); err != nil {
		return o, nil, err
	}
	work, err := pick.WorkAt(ctx, b.repo, b.base.commit, filepath.Join(scratch, "work"))
	if err != nil {
		return o, nil, err
	}
	picks, vague, err := b.picks(ctx, work)
	if err != nil {
		return o, nil, err
	}
	cfg, err := yard.ConfigAt(ctx, b.repo, b.base.commit)
	if err != nil {
		return o, nil, err
	}
	var done []yard.Pick
	head := ""
	for left := picks; ; {
		var some []yard.Pick
		some, head, err = yard.Picked(ctx, work, cfg, left, picker)
		done = append(done, some...)
		c := (*yard.ConflictError)(nil)
		if !errors.As(err, &c) {
			break
		}
		conflicts, left = append(conflicts, c), c.Rest[1:]
	}
	if err != nil {
		return o, nil, err
	}
	if head != b.base.commit {
		o, err = a.patched(ctx, p, patched{repo: b.repo, work: work, client: b.client, base: b.base, picks: done, head: head, date: lastMerged(b.pulls, done), scratch: scratch})
		if err == nil {
			o.report.Problems = append(o.report.Problems, vague...)
		}
		return o, conflicts, err
	}
	o.report = &release.Report{Schema: release.ReportSchema, Command: "patch", Outcome: release.Changed, Repository: b.client.Slug(), Branch: b.base.name,
		Title: fmt.Sprintf("Patch of %s: nothing is left to pick onto %s", b.base.line.First(), b.base.name), Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	if p.dryRun {
		o.report.Outcome = release.Planned
	}
	o.report.Picks, o.report.Problems = reported(done), append(o.report.Problems, vague...)
	return o, conflicts, nil
}

// picks are the commits that the pull requests became. What they became cannot be told of some: vague says so.
func (b backport) picks(ctx context.Context, work *git.Repo) (picks []yard.Pick, vague []release.ReportProblem, err error) {
	for _, pull := range b.pulls {
		if err := here(ctx, b.repo, pull.MergeCommit, fmt.Sprintf("pull request #%d", pull.Number), pull.Base); err != nil {
			return nil, nil, err
		}
		several, err := unclear(ctx, b.repo, pull)
		if err != nil {
			return nil, nil, err
		}
		skipped := ""
		if several {
			if skipped, err = yard.Already(ctx, work, b.base.commit, pull.MergeCommit); err != nil {
				return nil, nil, err
			}
		}
		if several && skipped == "" {
			vague = append(vague, release.ReportProblem{Summary: fmt.Sprintf("which commits #%d %q became cannot be told", pull.Number, pull.Title), Detail: severalCommits,
				Hint: fmt.Sprintf("pick them by hand, in their order, and push them to %s: git cherry-pick -x; the last is %s", b.base.name, pull.MergeCommit)})
			continue
		}
		picks = append(picks, yard.Pick{Commit: pull.MergeCommit, Number: pull.Number, Title: pull.Title})
	}
	return picks, vague, nil
}

// lastMerged is when the last of what is picked was merged. It dates the patch, so that what is offered changes only with
// what is in it.
func lastMerged(pulls []forge.Pull, done []yard.Pick) (at time.Time) {
	for _, pull := range pulls {
		if pull.MergedAt.After(at) && slices.ContainsFunc(done, func(p yard.Pick) bool { return p.Number == pull.Number && p.Skipped == "" }) {
			at = pull.MergedAt
		}
	}
	return at
}

// byHand are the commands that bring a commit that conflicts to the release branch.
func byHand(b backport, c *yard.ConflictError) string {
	parent := ""
	if c.Merge {
		parent = "-m 1 "
	}
	return strings.Join([]string{
		"git fetch origin",
		fmt.Sprintf("git switch -c backport/%d-%s origin/%s", c.Pick.Number, b.base.line.First(), b.base.name),
		"git cherry-pick -x " + parent + c.Pick.Commit,
		solving(c.Paths),
		"git push origin HEAD",
		"gh pr create --base " + b.base.name + " --fill",
	}, "\n")
}

// tell keeps a comment current under each pull request that conflicts. One that was commented on before, and conflicts no
// more, gets to know.
func tell(ctx context.Context, p patching, b backport, r *release.Report, hands map[int]string) {
	var d notice.Discussion = b.client
	if p.dryRun {
		d = notice.Silent(d)
	}
	kind := "backport " + b.base.line.First()
	for i := range r.Picks {
		pick := &r.Picks[i]
		at := slices.IndexFunc(b.pulls, func(pull forge.Pull) bool { return pull.Number == pick.Pull })
		var kept notice.Kept
		var err error
		if commands, conflicts := hands[pick.Pull]; conflicts {
			kept, err = notice.Comment(ctx, d, pick.Pull, kind, bumped.Conflict(b.base.line.First(), b.base.name, *pick, commands))
		} else if at >= 0 && b.pulls[at].Comments > 0 && (r.Outcome == release.Changed || r.Outcome == release.Planned) {
			kept, err = notice.Amend(ctx, d, pick.Pull, kind, bumped.NoConflict(b.base.line.First(), b.base.name, *pick, r.URL))
		}
		switch {
		case err != nil:
			r.Warnings = append(r.Warnings, fmt.Sprintf("the comment under #%d could not be kept current, for which the job needs pull-requests: write: %v", pick.Pull, err))
		case kept.Did != "" && kept.Did != notice.None:
			pick.Comment = &release.ReportNotice{Did: kept.Did, URL: kept.URL, DryRun: p.dryRun}
		}
	}
}

// summed gives the report of all lines its outcome, which is that of the worst, and its title.
func summed(sum *release.Report, dryRun bool) {
	rank := []string{release.Changed, release.Planned, release.Failed, release.Stopped}
	if dryRun {
		sum.Outcome = release.Planned
	}
	offered := 0
	for _, r := range sum.Releases {
		if slices.Index(rank, r.Outcome) > slices.Index(rank, sum.Outcome) {
			sum.Outcome = r.Outcome
		}
		if len(r.Bumps) > 0 && (r.URL != "" || dryRun) {
			offered++
		}
	}
	what := plain.Count(offered, "pull request") + " kept current"
	if dryRun {
		what = plain.Count(offered, "pull request") + " to be kept; nothing was written"
	}
	sum.Title = fmt.Sprintf("Patches of %s: %s, %s", sum.Repository, plain.Count(len(sum.Releases), "labelled line"), what)
	if len(sum.Releases) == 0 {
		sum.Title = "Nothing to do for " + sum.Repository + ": no merged pull request is labelled for a line that has a release branch"
	}
}

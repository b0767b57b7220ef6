package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/keys"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/reconcile"
	"github.com/tagboat/tagboat/internal/release/ship"
)

func (a *app) reconcileCommand() *cobra.Command {
	var t target
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Find tags without a finished release, and finish them",
		Long: `Find every release tag of the last days that has no public release, and do for each what ` + "`tagboat release --tag`" + ` does,
the lowest version first. GitHub sends no event where more than three tags are pushed at once; a release may have
broken off, or wait for a rate limit. It is for a scheduled workflow, and changes nothing where nothing is open.

Tags that are older than --since are left alone: they were released by other means, or never shall be.`,
		Example: "  tagboat reconcile\n  tagboat reconcile --since 720h --dry-run",
		Args:    cobra.NoArgs,
	}
	a.targetFlags(cmd, &t)
	for _, name := range []string{"tag", "commit", "branch"} {
		cmd.Flags().MarkHidden(name)
	}
	dry := false
	cmd.Flags().DurationVar(&since, "since", 7*24*time.Hour, "how old a tag may be")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only list the tags")
	cmd.Flags().BoolVar(&t.detach, "detach", false, "do not follow the release workflows, only see that they started")
	cmd.Flags().DurationVar(&t.deadline, "deadline", 0, "end as waiting rather than run longer than this")
	cmd.Flags().StringVar(&t.summary, "summary", a.env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.reconcile(cmd.Context(), t, since, dry) }
	return cmd
}

func (a *app) reconcile(ctx context.Context, t target, since time.Duration, dry bool) error {
	due, repository, err := a.due(ctx, t, since)
	if err != nil {
		return err
	}
	var reports []release.Report
	for _, d := range due {
		a.say("%s: %s", d.Tag.Name, d.Reason)
		if dry {
			reports = append(reports, release.Report{Schema: release.ReportSchema, Command: "reconcile", Outcome: release.Planned, Repository: repository, Tag: d.Tag.Name, Version: d.Tag.Version, Commit: d.Tag.Commit, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}})
			continue
		}
		t.tag, t.commit = d.Tag.Name, d.Tag.Commit
		r, err := a.converge(ctx, "reconcile", t)
		if r == nil { // there was no world to work on; the other tags may fare better
			failed := release.ErrorReport("reconcile", err)
			failed.Repository, failed.Tag = repository, d.Tag.Name
			r = &failed
		}
		reports = append(reports, *r)
	}
	sum := reconcile.Sum(repository, reports)
	if dry {
		sum.Outcome = release.Planned
	}
	return a.report(&sum, nil, t.summary)
}

// due are the tags to work on.
func (a *app) due(ctx context.Context, t target, since time.Duration) ([]reconcile.Due, string, error) {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return nil, "", notRepository(err, a.dir)
	}
	client, err := a.forge(ctx, repo, t)
	if err != nil {
		return nil, "", err
	}
	cfg, _, err := keys.AtHead(ctx, repo)
	if err != nil {
		return nil, "", err
	}
	form := release.TagForm{Template: cfg.Tags.Template, TwoPart: cfg.Tags.TwoPart}
	due, err := reconcile.Find(ctx, client, form, time.Now().Add(-since))
	if err != nil {
		return nil, "", observe.Unreachable(fmt.Errorf("look for unfinished releases: %w", err), client.Slug())
	}
	return due, client.Slug(), nil
}

// converge makes one release; the report is nil where there was no world to work on.
func (a *app) converge(ctx context.Context, command string, t target) (*release.Report, error) {
	req, err := t.request()
	if err != nil {
		return nil, err
	}
	w, end, err := a.world(ctx, t)
	if err != nil {
		return nil, err
	}
	defer end()
	p := a.progress()
	defer p.Close()
	o := ship.Options{Command: command, Planned: p.Planned}
	if t.deadline > 0 {
		o.Deadline = time.Now().Add(t.deadline)
		req.Deadline = o.Deadline.UTC().Truncate(time.Second)
	}
	return ship.Converge(ctx, w, req, o)
}

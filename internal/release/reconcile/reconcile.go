// Package reconcile finds the tags whose release is missing or unfinished. GitHub sends no event where more than three
// tags are pushed at once, runs break off, and rate limits make releases wait: somebody must look again.
package reconcile

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// Due is a tag whose release is not finished.
type Due struct {
	Tag    release.Tag
	At     time.Time // when the tag was made; of a lightweight tag, when its commit was
	Reason string
}

// maxLooks bounds how many tags without a release are looked at: those of the highest versions.
const maxLooks = 100

// Find returns the release tags that were made after since and have no public release, in the order of their versions.
// Tags that are older were released by other means, or never shall be.
func Find(ctx context.Context, f *forge.Client, form release.TagForm, since time.Time) ([]Due, error) {
	names, err := f.TagNames(ctx)
	if err != nil {
		return nil, err
	}
	state := map[string]string{}
	for r, err := range f.Releases(ctx) {
		if err != nil {
			return nil, err
		}
		if !r.Draft {
			state[r.Tag] = "public"
		} else if state[r.Tag] == "" {
			state[r.Tag] = "draft"
		}
	}
	var open []Due
	for _, name := range names {
		tag, err := form.Parse(name)
		if err != nil || state[name] == "public" {
			continue
		}
		reason := "it has no release"
		if state[name] == "draft" {
			reason = "its release is a draft"
		}
		open = append(open, Due{Tag: tag, Reason: reason})
	}
	slices.SortStableFunc(open, func(a, b Due) int { return compare(a.Tag, b.Tag) })
	open = open[max(0, len(open)-maxLooks):]
	if err := date(ctx, f, open); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(open, func(d Due) bool { return d.At.Before(since) }), nil
}

func compare(a, b release.Tag) int {
	x, errX := semver.Parse(a.Version)
	y, errY := semver.Parse(b.Version)
	if errX != nil || errY != nil {
		return cmp.Compare(a.Name, b.Name) // unreachable: form.Parse has parsed them
	}
	return cmp.Or(x.Compare(y), cmp.Compare(a.Name, b.Name))
}

// date fills in when each tag was made, and its commit.
func date(ctx context.Context, f *forge.Client, open []Due) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range open {
		g.Go(func() error {
			tag, err := f.Tag(ctx, open[i].Tag.Name)
			if err != nil {
				return err
			}
			open[i].Tag.Commit, open[i].Tag.Annotated, open[i].At = tag.Commit, tag.Annotated, tag.At
			if open[i].At.IsZero() {
				open[i].At, err = f.CommitDate(ctx, tag.Commit)
			}
			return err
		})
	}
	return g.Wait()
}

// Sum is the report of a reconciliation from those of its releases: it is as good as the worst of them.
func Sum(repository string, reports []release.Report) release.Report {
	out := release.Report{Schema: release.ReportSchema, Command: "reconcile", Outcome: release.Released, Repository: repository, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}, Releases: reports}
	worst := 0
	rank := []string{release.Released, release.Started, release.Waiting, release.Failed, release.Stopped}
	for _, r := range reports {
		if at := slices.Index(rank, r.Outcome); at > worst {
			worst, out.Outcome = at, r.Outcome
		}
		if r.Until != nil && (out.Until == nil || r.Until.Before(*out.Until)) {
			out.Until = r.Until
		}
	}
	return out
}

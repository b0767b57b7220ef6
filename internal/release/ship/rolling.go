package ship

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/draft"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Roll brings the rolling pre-release to the commit of the request: the tag on the built commit, the assets replaced
// one by one so that each is missing for a moment at most. Where releases are immutable a tag cannot roll; then each
// build is a dated pre-release of its own, and those older than the configured days are removed.
//
// A build that finishes after a newer one changes nothing.
func Roll(ctx context.Context, w observe.World, req release.Request, o Options) (*release.Report, error) {
	s, err := observe.Snapshot(ctx, w, req)
	if err != nil {
		r := release.ErrorReport(o.Command, err)
		return &r, err
	}
	if !s.Config.Release.Rolling.Enabled {
		err := &problem.Error{Kind: problem.Stopped, Summary: "the rolling pre-release is not enabled", Hint: "set enabled = true in [release.rolling] of tagboat.toml"}
		r := release.ErrorReport(o.Command, err)
		return &r, err
	}
	x := &roller{steps: newSteps(w, s), tag: s.Config.Release.Rolling.Tag}
	if x.past, err = w.Forge.ReleasesWithPrefix(ctx, x.tag); err != nil {
		r := release.ErrorReport(o.Command, err)
		return &r, err
	}
	if err := x.name(ctx); err != nil {
		r := release.ErrorReport(o.Command, err)
		return &r, err
	}
	x.rel = draft.New(w.Forge, x.tag)
	p := release.Plan{Plan: x.plan(), Half: release.Both}
	var watch func(converge.Event)
	if o.Planned != nil {
		watch = o.Planned(s, p)
	}
	r := release.NewReport(o.Command, s, p)
	r.Tag, r.Title, r.Branch = x.tag, x.tag, s.Remote.Development
	run := converge.Runner{Do: x.do, Lanes: lanes(s), Parallel: parallel, Attempts: max(1, s.Config.Pace.Attempts), Backoff: o.Backoff, Deadline: o.Deadline, Observe: watch}
	res := run.Run(ctx, p.Plan)
	finish(&r, res, x.steps, release.Both)
	r.Crates, r.Registries, r.Bill = nil, nil, nil // it publishes none: what the registries have of them is a release's
	var outrun *outrunError
	if errors.As(res.Err(), &outrun) {
		r.Outcome, r.Problems, r.Warnings = release.Released, []release.ReportProblem{}, append(r.Warnings, outrun.Error())
		return &r, nil
	}
	return &r, res.Err()
}

// roller does the steps of a rolling pre-release.
type roller struct {
	*steps
	tag   string // of this build
	past  []forge.Release
	dated bool // releases are immutable: one pre-release for each build
}

// name decides between one tag that moves and a tag for each build. Whether releases are immutable may be asked by
// administrators only, so the newest release tells.
func (x *roller) name(ctx context.Context) error {
	for newest, err := range x.world.Forge.Releases(ctx) {
		if err != nil {
			return err
		}
		if x.dated = newest.Immutable; !newest.Draft {
			break
		}
	}
	if x.dated = x.dated || slices.ContainsFunc(x.past, func(r forge.Release) bool { return r.Immutable }); x.dated {
		x.tag = fmt.Sprintf("%s-%s-%s", x.tag, x.snap.TakenAt.Format("20060102"), x.snap.Checkout.Commit[:7])
	}
	return nil
}

func (x *roller) plan() converge.Plan {
	tag := release.KindRollTag + "/" + x.tag
	draft := release.KindDraft + "/" + x.tag
	plan := converge.Plan{Steps: []converge.Step{
		{Key: tag, Kind: release.KindRollTag, Lane: release.LaneForge, Reason: "the tag at the built commit " + release.Short(x.snap.Checkout.Commit)},
		{Key: draft, Kind: release.KindDraft, Lane: release.LaneForge, Needs: []string{tag}, Reason: "the pre-release"},
	}}
	last := []string{draft}
	for _, name := range append(x.names(), release.SumsName) {
		key := release.KindAsset + "/" + name
		plan.Steps = append(plan.Steps, converge.Step{Key: key, Kind: release.KindAsset, Lane: release.LaneForge, Needs: []string{draft}, Reason: "replaced where it differs"})
		last = append(last, key)
	}
	public := release.KindRelease + "/" + x.tag
	plan.Steps = append(plan.Steps, converge.Step{Key: public, Kind: release.KindRelease, Lane: release.LaneForge, Needs: last, Reason: "public, as a pre-release"},
		converge.Step{Key: release.KindPrune + "/" + x.tag, Kind: release.KindPrune, Lane: release.LaneForge, Needs: []string{public}, Reason: "what earlier builds left"})
	return plan
}

func (x *roller) names() []string {
	var out []string
	for _, a := range x.snap.Artifacts {
		out = append(out, a.Name)
	}
	return out
}

func (x *roller) do(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	switch step.Kind {
	case release.KindRollTag:
		return x.move(ctx)
	case release.KindDraft:
		return x.prerelease(ctx)
	case release.KindAsset:
		return x.replace(ctx, strings.TrimPrefix(step.Key, release.KindAsset+"/"))
	case release.KindRelease:
		return x.publish(ctx)
	case release.KindPrune:
		return x.prune(ctx)
	}
	return converge.Outcome{}, fmt.Errorf("step %s: unknown kind %q", step.Key, step.Kind)
}

// outrunError ends a build that a newer one has overtaken.
type outrunError struct{ newer string }

func (e *outrunError) Error() string {
	return "a newer commit is there already: " + release.Short(e.newer)
}
func (e *outrunError) StopsAll() bool { return true }

// move puts the tag on the built commit, unless the tag is at a newer commit of the same line.
func (x *roller) move(ctx context.Context) (converge.Outcome, error) {
	if err := x.enterArtifacts(&x.bill, x.files); err != nil {
		return converge.Outcome{}, err
	}
	commit := x.snap.Checkout.Commit
	at, err := x.world.Forge.Tag(ctx, x.tag)
	switch {
	case forge.IsNotFound(err):
	case err != nil:
		return converge.Outcome{}, err
	case at.Commit == commit:
		return converge.Already("is at the built commit"), nil
	default:
		newer, err := x.world.Forge.Contains(ctx, x.tag, commit)
		if err != nil {
			return converge.Outcome{}, err
		}
		if newer {
			return converge.Outcome{}, &outrunError{at.Commit}
		}
	}
	if err := x.world.Forge.UpsertTag(ctx, x.tag, commit); err != nil {
		return converge.Outcome{}, err
	}
	return converge.DoneBecause("moved to " + release.Short(commit)), nil
}

func (x *roller) prerelease(ctx context.Context) (converge.Outcome, error) {
	all, err := x.world.Forge.FindRelease(ctx, x.tag)
	if err != nil {
		return converge.Outcome{}, err
	}
	if len(all) > 0 {
		x.rel.Keep(all[0])
		return converge.Already("is there"), nil
	}
	rel, err := x.world.Forge.CreateDraft(ctx, forge.DraftRequest{Tag: x.tag, Name: "Latest build of " + x.snap.Remote.Development, Body: x.body(), Prerelease: true})
	if err != nil {
		return converge.Outcome{}, draft.Denied(err, "make the pre-release")
	}
	x.rel.Keep(rel)
	return converge.DoneBecause("made"), nil
}

func (x *roller) body() string {
	return fmt.Sprintf("Built from %s on %s. Not a release: the files change with every push.\n", x.snap.Checkout.Commit, x.snap.TakenAt.Format(time.RFC3339))
}

// replace makes the release hold the file of this build: the new one is uploaded under another name, the old one is
// deleted and the new one renamed.
func (x *roller) replace(ctx context.Context, name string) (converge.Outcome, error) {
	u, err := x.file(name)
	if err != nil {
		return converge.Outcome{}, err
	}
	old, err := x.rel.Asset(ctx, name)
	if err != nil {
		return converge.Outcome{}, err
	}
	if old == nil {
		return x.rel.Put(ctx, u)
	}
	if same, err := x.rel.Holds(ctx, *old, u); err != nil || same {
		return converge.Already("is there with our digest"), err
	}
	next := u
	next.Name = "next." + name
	if left, err := x.rel.Asset(ctx, next.Name); err != nil {
		return converge.Outcome{}, err
	} else if left != nil {
		if err := x.world.Forge.DeleteAsset(ctx, left.ID); err != nil && !forge.IsNotFound(err) {
			return converge.Outcome{}, err
		}
	}
	defer x.rel.Distrust()
	asset, err := x.world.Forge.UploadAsset(ctx, x.rel.Release(), forge.Upload{Name: next.Name, Size: u.Size, Open: u.Open, Progress: func(n int64) { converge.Progress(ctx, n, u.Size) }})
	if err != nil {
		return converge.Outcome{}, draft.Denied(err, "upload release assets")
	}
	if err := x.world.Forge.DeleteAsset(ctx, old.ID); err != nil && !forge.IsNotFound(err) {
		return converge.Outcome{}, err
	}
	if _, err := x.world.Forge.RenameAsset(ctx, asset.ID, name); err != nil {
		return converge.Outcome{}, err
	}
	return converge.DoneBecause("replaced"), nil
}

func (x *roller) file(name string) (draft.File, error) {
	if name == release.SumsName {
		return draft.Bytes(name, x.bill.Sums()), nil
	}
	for _, a := range x.bill.Artifacts {
		if a.Name == name {
			return draft.File{Name: name, Sum: a.SHA256, Size: a.Size, Open: x.opensFile(name)}, nil
		}
	}
	return draft.File{}, fmt.Errorf("asset %s: not an artifact of this build", name)
}

// publish makes the pre-release public, never as the latest release, and says what it was built from.
func (x *roller) publish(ctx context.Context) (converge.Outcome, error) {
	rel := x.rel.Release()
	no, yes, body := false, true, x.body()
	if !rel.Draft && strings.Contains(rel.Body, x.snap.Checkout.Commit) {
		return converge.Already("is public: " + rel.HTMLURL), nil
	}
	rel, err := x.world.Forge.UpdateRelease(ctx, rel.ID, forge.Update{Tag: x.tag, Body: &body, Draft: &no, Prerelease: &yes, MakeLatest: "false"})
	if err != nil {
		return converge.Outcome{}, draft.Denied(err, "publish the pre-release")
	}
	x.rel.Keep(rel)
	return converge.DoneBecause(rel.HTMLURL), nil
}

// prune removes what this build no longer has, and dated pre-releases that are older than the configured days.
func (x *roller) prune(ctx context.Context) (converge.Outcome, error) {
	removed := 0
	if x.dated {
		keep := time.Duration(x.snap.Config.Release.Rolling.KeepDays) * 24 * time.Hour
		for _, r := range x.past {
			if r.Tag == x.tag || !r.Prerelease || x.snap.TakenAt.Sub(r.PublishedAt) < keep {
				continue
			}
			if err := x.world.Forge.DeleteRelease(ctx, r.ID); err != nil && !forge.IsNotFound(err) {
				return converge.Outcome{}, err
			}
			removed++
		}
		return converge.DoneBecause(fmt.Sprintf("%d old pre-releases removed", removed)), nil
	}
	wanted := append(x.names(), release.SumsName)
	assets, err := x.world.Forge.Assets(ctx, x.rel.Release().ID)
	if err != nil {
		return converge.Outcome{}, err
	}
	for _, a := range assets {
		if slices.Contains(wanted, a.Name) {
			continue
		}
		if err := x.world.Forge.DeleteAsset(ctx, a.ID); err != nil && !forge.IsNotFound(err) {
			return converge.Outcome{}, err
		}
		removed++
	}
	return converge.DoneBecause(fmt.Sprintf("%d files of earlier builds removed", removed)), nil
}

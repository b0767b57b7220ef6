package ship

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/draft"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// steps does the steps of one plan. What one step learns and a later one needs is here; nothing of it has to survive
// the process, since every step looks at the world first.
type steps struct {
	world observe.World
	snap  release.Snapshot
	looks chan struct{} // holds one for each index that is being looked at
	rel   *draft.Draft

	mu        sync.Mutex
	bill      release.Bill
	files     map[string]string // asset name -> local file of this run
	run       forge.Run
	confirmed map[string]time.Time // "registry/crate" -> when the index first showed our checksum
	absent    map[string]time.Time // "registry/crate" -> when the comparison found the version in no index
	warnings  []string             // what registries said to accepted uploads
}

func newSteps(w observe.World, s release.Snapshot) *steps {
	x := &steps{world: w, snap: s, looks: make(chan struct{}, parallel), rel: draft.New(w.Forge, s.Checkout.Tag.Name), files: map[string]string{}, confirmed: map[string]time.Time{}, absent: map[string]time.Time{}}
	if l := s.Remote.Ledger; l.Complete() {
		x.bill = *l.Bill
	}
	return x
}

// Do does one step: look, compare, act, look again.
func (x *steps) Do(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	switch step.Kind {
	case release.KindCheck:
		return x.check(step)
	case release.KindBranch:
		return x.branch(ctx)
	case release.KindDispatch:
		return x.dispatch(ctx)
	case release.KindPackage:
		return x.pack(ctx)
	case release.KindCompare:
		return x.compare(ctx)
	case release.KindDraft:
		return x.draft(ctx)
	case release.KindAsset:
		return x.asset(ctx, step)
	case release.KindLedger:
		return x.ledger(ctx)
	case release.KindPublish:
		return x.publish(ctx, step)
	case release.KindConfirm:
		return x.confirm(ctx, step)
	case release.KindSeal:
		return x.seal(ctx)
	case release.KindRelease:
		return x.public(ctx)
	}
	return converge.Outcome{}, fmt.Errorf("step %s: unknown kind %q", step.Key, step.Kind)
}

// check repeats what was judged when the plan was made.
func (x *steps) check(step converge.Step) (converge.Outcome, error) {
	if step.Args["severity"] == string(release.Stop) {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: step.Reason})
	}
	return converge.Already(step.Reason), nil
}

func (x *steps) branch(ctx context.Context) (converge.Outcome, error) {
	name, want := x.snap.Remote.BranchName, x.snap.Checkout.Commit
	look := func() (string, error) {
		sha, err := x.world.Forge.Branch(ctx, name)
		if forge.IsNotFound(err) {
			return "", nil
		}
		return sha, err
	}
	got, err := look()
	if err != nil {
		return converge.Outcome{}, err
	}
	if got == "" {
		err := x.world.Forge.CreateBranch(ctx, name, want)
		if err != nil && !forge.IsConflict(err) {
			return converge.Outcome{}, branchDenied(err, name, x.snap.Remote.WorkflowTrap)
		}
		if got, err = look(); err != nil {
			return converge.Outcome{}, err
		}
		switch got {
		case want:
			return converge.DoneBecause("made at " + release.Short(want)), nil
		case "":
			return converge.Outcome{}, converge.Again(fmt.Errorf("make branch %s: it is not there yet", name))
		}
	}
	switch {
	case got == want:
		return converge.Already("is there, at the tag's commit"), nil
	case x.relaxed("release-branch"):
		return converge.Already(fmt.Sprintf("is at %s, the tag at %s; the rule release-branch is relaxed", release.Short(got), release.Short(want))), nil
	}
	return converge.Outcome{}, converge.Halt(problem.Error{Summary: fmt.Sprintf("branch %s is at another commit than tag %s", name, x.snap.Checkout.Tag.Name),
		Detail: fmt.Sprintf("branch  %s\ntag     %s", got, want)})
}

// branchDenied explains the refusal that users meet most: a commit whose workflow files differ from the default
// branch needs a permission that GITHUB_TOKEN cannot have.
func branchDenied(err error, name string, trap []string) error {
	var fe *forge.Error
	if !forge.IsDenied(err) || !errors.As(err, &fe) {
		return err
	}
	p := problem.Error{Summary: fmt.Sprintf("the token may not create branch %s", name), Detail: fe.Message, Err: err, Hint: "the job needs `permissions: contents: write`"}
	if fe.Accepted != "" {
		p.Detail += "\nGitHub accepts: " + fe.Accepted
	}
	if len(trap) > 0 {
		p.Hint = "the commit's workflow files differ from the default branch, and GITHUB_TOKEN never has the `workflows` permission: use a GitHub App token with contents and workflows: write, or make the branch by hand"
	}
	return converge.Halt(p)
}

func (x *steps) relaxed(rule string) bool { return x.snap.Config.Rules[rule].Relax }

// dispatch starts the release workflow and follows it: starting and awaiting are one step, since a start without an
// answer can only be judged by looking for the run.
func (x *steps) dispatch(ctx context.Context) (converge.Outcome, error) {
	if r := x.snap.Public(); r != nil && x.snap.Remote.Ledger.Complete() {
		return converge.Skipped("the release is public: " + r.URL), nil
	}
	run, err := x.ourRun(ctx)
	if err != nil {
		return converge.Outcome{}, err
	}
	if run.ID == 0 {
		converge.Phase(ctx, "starting")
		w := x.snap.Checkout.Workflow.File
		if run, err = x.world.Forge.Dispatch(ctx, w, x.snap.Remote.BranchName, nil); err != nil {
			return converge.Outcome{}, dispatchRefused(err, w)
		}
		x.follows(run)
	}
	if run, err = x.awaitStart(ctx, run); err != nil {
		return converge.Outcome{}, err
	}
	x.follows(run)
	if x.snap.Request.Detach {
		return converge.DoneBecause("started: " + run.HTMLURL), nil
	}
	return x.follow(ctx, run)
}

func dispatchRefused(err error, file string) error {
	var fe *forge.Error
	if errors.As(err, &fe) && !fe.Retryable() {
		hint := "the job needs `permissions: actions: write`"
		if fe.Status == 422 {
			hint = "the workflow file must be on the default branch and, at the tagged commit, have a `workflow_dispatch` trigger"
		}
		return converge.Halt(problem.Error{Summary: fmt.Sprintf("GitHub refused to start workflow %s", file), Detail: fe.Message, Hint: hint, Err: err})
	}
	return err
}

// ourRun returns the run that this process has followed before, however it ended, else one that findRun finds.
func (x *steps) ourRun(ctx context.Context) (forge.Run, error) {
	x.mu.Lock()
	run := x.run
	x.mu.Unlock()
	if run.ID != 0 {
		return x.look(ctx, run)
	}
	return x.findRun(ctx)
}

func (x *steps) follows(run forge.Run) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.run = run
}

// look reads a run again. One that was started a moment ago may not be there yet.
func (x *steps) look(ctx context.Context, run forge.Run) (forge.Run, error) {
	next, err := x.world.Forge.Run(ctx, run.ID)
	if forge.IsNotFound(err) {
		run.Status = "requested"
		return run, nil
	}
	return next, err
}

// findRun looks for a run of the release workflow on our branch and commit that is under way, or that succeeded.
func (x *steps) findRun(ctx context.Context) (forge.Run, error) {
	runs, err := x.world.Forge.Runs(ctx, x.snap.Checkout.Workflow.File, x.snap.Remote.BranchName, time.Time{})
	if err != nil {
		return forge.Run{}, err
	}
	for _, r := range runs {
		here := r.HeadSHA == x.snap.Checkout.Commit || r.HeadSHA == x.snap.Remote.BranchCommit && x.relaxed("release-branch")
		ours := r.Event == "workflow_dispatch" && here
		if ours && (r.Status != "completed" || r.Conclusion == "success" && x.snap.Public() != nil) {
			return r, nil
		}
	}
	return forge.Run{}, nil
}

// awaitStart sees that the run leaves the queue within the configured time: a dispatch that GitHub accepted and then
// forgot must not look like a release that is under way.
func (x *steps) awaitStart(ctx context.Context, run forge.Run) (forge.Run, error) {
	began := time.Now()
	limit := x.snap.Config.Workflow.StartTimeout.Std()
	for {
		var err error
		if run.ID == 0 {
			run, err = x.findRun(ctx)
		} else {
			run, err = x.look(ctx, run)
		}
		if err != nil {
			return run, err
		}
		if run.ID != 0 && run.Status != "queued" && run.Status != "requested" && run.Status != "pending" {
			return run, nil
		}
		if time.Since(began) >= limit {
			where := run.HTMLURL
			if where == "" {
				where = "no run appeared"
			}
			return run, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("workflow %s did not start within %s", x.snap.Checkout.Workflow.File, limit), Detail: where,
				Hint: "is a runner free, and are Actions enabled? Run Tagboat again: it finds the run if it has started since"}
		}
		if err := pause(ctx, x.world.Poll); err != nil {
			return run, err
		}
	}
}

func (x *steps) follow(ctx context.Context, run forge.Run) (converge.Outcome, error) {
	limit := x.snap.Config.Workflow.RunTimeout.Std()
	for began := time.Now(); run.Status != "completed"; {
		converge.Phase(ctx, run.Status+" "+run.HTMLURL)
		if time.Since(began) >= limit {
			return converge.Waiting("the release workflow still runs: "+run.HTMLURL, time.Time{}), nil
		}
		if err := pause(ctx, x.world.Poll); err != nil {
			return converge.Outcome{}, err
		}
		next, err := x.world.Forge.Run(ctx, run.ID)
		if err != nil {
			return converge.Outcome{}, err
		}
		run = next
	}
	if run.Conclusion != "success" {
		return converge.Outcome{}, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("the release workflow ended with %s", run.Conclusion), Detail: run.HTMLURL,
			Hint: "look at the run, then re-run it or push nothing and run Tagboat again: what is done stays done"}
	}
	return converge.DoneBecause("succeeded: " + run.HTMLURL), nil
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// client returns the client of one of the release's registries.
func (x *steps) client(name string) (*registry.Client, error) {
	for _, r := range x.snap.Registries {
		if r.Name == name {
			return x.world.Registry(r.Name, r.Index)
		}
	}
	return nil, fmt.Errorf("registry %s: not one of this release", name)
}

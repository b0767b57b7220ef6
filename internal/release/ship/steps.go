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
	"github.com/tagboat/tagboat/internal/release/dispatch"
	"github.com/tagboat/tagboat/internal/release/draft"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// steps does the steps of one plan. What one step learns and a later one needs is here; nothing of it has to survive
// the process, since every step looks at the world first.
type steps struct {
	world    observe.World
	snap     release.Snapshot
	looks    chan struct{} // holds one for each index that is being looked at
	rel      *draft.Draft
	workflow *dispatch.Workflow

	mu        sync.Mutex
	bill      release.Bill
	files     map[string]string    // asset name -> local file of this run
	confirmed map[string]time.Time // "registry/crate" -> when the index first showed our checksum
	absent    map[string]time.Time // "registry/crate" -> when the comparison found the version in no index
	unclear   map[string]bool      // "registry/crate" -> an upload may have been taken although no answer said so
	taken     map[string]bool      // "registry/crate" -> the registry said that it has the version
	warnings  []string             // what registries said to accepted uploads
}

func newSteps(w observe.World, s release.Snapshot) *steps {
	x := &steps{world: w, snap: s, looks: make(chan struct{}, parallel), rel: draft.New(w.Forge, s.Checkout.Tag.Name), workflow: workflow(w, s), files: map[string]string{}, confirmed: map[string]time.Time{}, absent: map[string]time.Time{}, unclear: map[string]bool{}, taken: map[string]bool{}}
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
	case release.KindLogin:
		return x.login(ctx, step.Args["registry"])
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

// dispatch starts the release workflow and follows it.
func (x *steps) dispatch(ctx context.Context) (converge.Outcome, error) {
	if r := x.snap.Public(); r != nil && x.snap.Remote.Ledger.Complete() {
		return converge.Skipped("the release is public: " + r.URL), nil
	}
	return x.workflow.Run(ctx)
}

// workflow is the release workflow at our commit.
func workflow(w observe.World, s release.Snapshot) *dispatch.Workflow {
	f := &dispatch.Workflow{Forge: w.Forge, File: s.Checkout.Workflow.File, Branch: s.Remote.BranchName, Commits: []string{s.Checkout.Commit}, Public: s.Public() != nil,
		StartTimeout: s.Config.Workflow.StartTimeout.Std(), RunTimeout: s.Config.Workflow.RunTimeout.Std(), Poll: w.Poll, Detach: s.Request.Detach}
	if s.Config.Rules["release-branch"].Relax {
		f.Commits = append(f.Commits, s.Remote.BranchCommit)
	}
	return f
}

// registry returns what was seen of one of the release's registries.
func (x *steps) registry(name string) release.Registry {
	for _, r := range x.snap.Registries {
		if r.Name == name {
			return r
		}
	}
	return release.Registry{}
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

package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

// Options are how a run goes about it.
type Options struct {
	Parallel int // uploads at the same time; 0 is DefaultParallel
	Attempts int // of each step; 0 is the engine's default
	Deadline time.Time
	Backoff  converge.Backoff
	// Planned is called once, before the first step, by whoever draws the progress. May be nil.
	Planned func(redist.Snapshot, redist.Plan) (observe func(converge.Event))
	// Between is called before and after every step with its key; its error ends the run. For tests.
	Between func(key string, after bool) error
}

// DefaultParallel is how many crates are on their way at the same time.
const DefaultParallel = 24

// Move brings what is wanted to the target: observe, plan, run, report. The report is never nil.
func Move(ctx context.Context, w World, req Request, o Options) (*redist.Report, error) {
	s, err := Observe(ctx, w, req)
	if err != nil {
		r := redist.Report{Report: release.ErrorReport("redist", err), Redist: []redist.Part{}}
		return &r, err
	}
	p := redist.MakePlan(s)
	var watch func(converge.Event)
	r := redist.NewReport(s, p)
	if r.Outcome == release.Stopped {
		return &r, errStopped
	}
	if o.Planned != nil {
		watch = o.Planned(s, p)
	}
	x := newSteps(w, s)
	parallel := o.Parallel
	if parallel <= 0 {
		parallel = DefaultParallel
	}
	run := converge.Runner{Do: x.do, Parallel: max(1, len(p.Steps)), Attempts: o.Attempts, Backoff: o.Backoff, Deadline: o.Deadline, Observe: watch,
		Lanes: map[string]converge.Lane{release.RegistryLane(s.Source.Name): {Limit: parallel}, release.RegistryLane(s.Target.Name): {Limit: parallel}}}
	if o.Between != nil {
		run.Do = between(x.do, o.Between)
	}
	do := run.Do
	run.Do = func(ctx context.Context, step converge.Step) (converge.Outcome, error) {
		out, err := do(ctx, step)
		return out, disk.Explain(err)
	}
	res := run.Run(ctx, p.Plan)
	r.Finish(s, res, x.said)
	r.Warnings = append(r.Warnings, x.warnings...)
	return &r, res.Err()
}

// errStopped tells a stop by findings, which are in the report, from a fault.
var errStopped = errors.New("stopped by a rule")

func between(do func(context.Context, converge.Step) (converge.Outcome, error), hook func(string, bool) error) func(context.Context, converge.Step) (converge.Outcome, error) {
	return func(ctx context.Context, step converge.Step) (converge.Outcome, error) {
		if err := hook(step.Key, false); err != nil {
			return converge.Outcome{}, err
		}
		out, err := do(ctx, step)
		if err == nil {
			err = hook(step.Key, true)
		}
		return out, err
	}
}

// steps does the steps of one plan. Nothing here has to survive the process: every run looks at the target first.
type steps struct {
	world World
	snap  redist.Snapshot
	by    map[string]redist.Crate
	looks chan struct{}

	mu       sync.Mutex
	said     map[string]string // key -> licence expression
	tried    map[string]bool   // an upload was tried by this run, so the snapshot's look is old
	warnings []string
}

func newSteps(w World, s redist.Snapshot) *steps {
	x := &steps{world: w, snap: s, by: map[string]redist.Crate{}, looks: make(chan struct{}, looks), said: map[string]string{}, tried: map[string]bool{}}
	for _, c := range s.Crates {
		x.by[c.Key()] = c
	}
	return x
}

func (x *steps) do(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	c := x.by[step.Args["crate"]]
	switch step.Kind {
	case redist.KindFetch:
		return x.fetch(ctx, c)
	case redist.KindJudge:
		return x.judge()
	case release.KindPublish:
		return x.publish(ctx, c)
	case release.KindConfirm:
		return x.confirm(ctx, c)
	case redist.KindYank:
		return x.yank(ctx, c)
	}
	return converge.Outcome{}, fmt.Errorf("step %s: unknown kind %q", step.Key, step.Kind)
}

func (x *steps) path(c redist.Crate) string {
	return filepath.Join(x.world.Scratch, c.Name+"-"+c.Version+".crate")
}

// fetch downloads a .crate into a file and holds it against the checksum of the index, which is the lock file's.
func (x *steps) fetch(ctx context.Context, c redist.Crate) (converge.Outcome, error) {
	f, err := os.Create(x.path(c))
	if err != nil {
		return converge.Outcome{}, fmt.Errorf("keep %s %s: %w", c.Name, c.Version, err)
	}
	_, err = x.world.Source.Download(ctx, registry.Entry{Name: c.Name, Version: c.Version, Checksum: c.Sum}, f)
	if err = errors.Join(err, f.Close()); err != nil {
		if until := x.putOff(err); !until.IsZero() {
			return converge.Waiting(fmt.Sprintf("registry %s gives nothing until %s", x.snap.Source.Name, until.UTC().Format(time.RFC3339)), until), nil
		}
		return converge.Outcome{}, unfetched(err, x.snap.Source.Name, c)
	}
	if !x.snap.ContentRules() {
		return converge.Done(), nil
	}
	crate, err := x.open(c)
	if err != nil {
		return converge.Outcome{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if l := crate.Manifest.License; l != nil {
		x.said[c.Key()] = *l
	}
	return converge.Done(), nil
}

// unfetched explains a download that no retry can mend.
func unfetched(err error, source string, c redist.Crate) error {
	var re *registry.Error
	if !errors.As(err, &re) || re.Retryable() {
		return err
	}
	p := problem.Error{Summary: fmt.Sprintf("registry %s does not give %s %s", source, c.Name, c.Version), Detail: re.Detail, Err: err, Hint: "its index has it and its store has not: ask who runs it"}
	switch {
	case re.Class == registry.Denied:
		p.Hint = "the token may not download"
	case re.Status == 0 && re.Detail != "":
		p.Summary = fmt.Sprintf("what registry %s gives for %s %s is not what its index says", source, c.Name, c.Version)
		p.Hint = "nothing of it was uploaded. Somebody changed the file or the index: ask who runs the registry"
	}
	if p.Detail == "" {
		p.Detail = re.Error()
	}
	return converge.Halt(p)
}

// open reads a fetched .crate, which is untrusted, and holds it against its name.
func (x *steps) open(c redist.Crate) (*registry.Crate, error) {
	crate, err := registry.OpenPublished(x.path(c))
	if err != nil {
		return nil, converge.Halt(problem.Error{Summary: fmt.Sprintf("%s %s cannot be published again", c.Name, c.Version), Detail: err.Error(), Err: err, Hint: "registries take no such file any more; without it, what needs it cannot be built from " + x.snap.Target.Name})
	}
	if crate.Name != c.Name || crate.Version != c.Version || crate.SHA256 != c.Sum {
		return nil, converge.Halt(problem.Error{Summary: fmt.Sprintf("what was fetched as %s %s is another crate", c.Name, c.Version), Detail: fmt.Sprintf("index  %s %s sha256 %s\nfile   %s %s sha256 %s", c.Name, c.Version, c.Sum, crate.Name, crate.Version, crate.SHA256), Hint: "nothing of it was uploaded: ask who runs the registry " + x.snap.Source.Name})
	}
	return crate, nil
}

func (x *steps) judge() (converge.Outcome, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := redist.JudgeLicences(x.snap, x.said); f != nil {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: f.Summary, Detail: f.Detail, Hint: f.Hint})
	}
	return converge.DoneBecause(fmt.Sprintf("%d licence expressions are accepted", len(x.said))), nil
}

// publish uploads one crate unless the index has it already. The first attempt relies on what the snapshot saw.
func (x *steps) publish(ctx context.Context, c redist.Crate) (converge.Outcome, error) {
	x.mu.Lock()
	again := x.tried[c.Key()] || time.Since(x.snap.TakenAt) > lookHolds
	x.tried[c.Key()] = true
	x.mu.Unlock()
	if again {
		if seen, err := x.seen(ctx, c); err != nil || seen {
			return converge.Already("the index has it with this checksum"), err
		}
	}
	crate, err := x.open(c)
	if err != nil {
		return converge.Outcome{}, err
	}
	receipt, err := x.world.Target.Publish(ctx, crate)
	switch {
	case err == nil:
		x.warn(c, receipt.Warnings)
		_ = os.Remove(x.path(c)) // makes room early; the folder goes with the run
		return converge.Done(), nil
	case registry.IsClass(err, registry.Duplicate):
		// Perhaps our own upload whose answer was lost, perhaps somebody else's: the confirmation compares checksums.
		if _, err := x.seen(ctx, c); err != nil {
			return converge.Outcome{}, err
		}
		return converge.DoneBecause("the registry says it has this version; the index decides"), nil
	}
	if seen, e := x.seen(ctx, c); e == nil && seen {
		return converge.DoneBecause("accepted, although the answer was: " + err.Error()), nil
	}
	if until := x.putOff(err); !until.IsZero() {
		return converge.Waiting(fmt.Sprintf("registry %s takes no more uploads until %s", x.snap.Target.Name, until.UTC().Format(time.RFC3339)), until), nil
	}
	return converge.Outcome{}, x.refused(err, c)
}

// putOff returns when a registry wants to be asked again, where that is later than a run waits; else zero.
func (x *steps) putOff(err error) time.Time {
	var re *registry.Error
	if errors.As(err, &re) && re.Class == registry.RateLimited && x.world.MaxWait > 0 && time.Until(re.RetryAt) > x.world.MaxWait {
		return re.RetryAt
	}
	return time.Time{}
}

// lookHolds is how long the snapshot's look may stand for looking again right before an upload. A version that appears
// in between is refused by the registry, or confirmed by its checksum.
const lookHolds = 5 * time.Minute

// refused turns an answer that no retry can mend into something a person can act on.
func (x *steps) refused(err error, c redist.Crate) error {
	var re *registry.Error
	if !errors.As(err, &re) || re.Retryable() {
		return err
	}
	p := &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s refused %s %s", x.snap.Target.Name, c.Name, c.Version), Detail: re.Detail, Err: err,
		Hint: "mend what it names and run again: what has moved is not uploaded twice"}
	if re.Class == registry.Denied {
		p.Hint = fmt.Sprintf("the token in %s may not publish %s: check its scope and the crate's owners, then run again", x.world.TokenVariable, c.Name)
	}
	return p
}

func (x *steps) warn(c redist.Crate, warnings []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range warnings {
		x.warnings = append(x.warnings, fmt.Sprintf("%s: %s: %s", x.snap.Target.Name, c.Name, w))
	}
}

// lookup returns the target's entry of a crate, nil where it lacks it.
func (x *steps) lookup(ctx context.Context, c redist.Crate) (*registry.Entry, error) {
	select {
	case x.looks <- struct{}{}:
		defer func() { <-x.looks }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	entries, err := x.world.Target.Lookup(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	if e, ok := registry.Find(entries, c.Version); ok {
		return &e, nil
	}
	return nil, nil
}

// seen reports whether the index shows the version with our checksum; another one stops the run.
func (x *steps) seen(ctx context.Context, c redist.Crate) (bool, error) {
	e, err := x.lookup(ctx, c)
	if err != nil || e == nil {
		return false, err
	}
	if e.Checksum != c.Sum {
		return false, converge.Halt(problem.Error{Summary: fmt.Sprintf("%s has %s %s with other bytes", x.snap.Target.Name, c.Name, c.Version),
			Detail: fmt.Sprintf("%s  sha256 %s\n%s  sha256 %s", x.snap.Source.Name, c.Sum, x.snap.Target.Name, e.Checksum), Hint: "somebody published it while this run was under way. A published version cannot be replaced: look at who wrote it"})
	}
	return true, nil
}

// confirm waits until the index shows the version with our checksum.
func (x *steps) confirm(ctx context.Context, c redist.Crate) (converge.Outcome, error) {
	wait := 250 * time.Millisecond
	for began := time.Now(); ; {
		seen, err := x.seen(ctx, c)
		if err != nil {
			return converge.Outcome{}, err
		}
		if seen {
			return converge.Done(), nil
		}
		if x.world.MaxWait > 0 && time.Since(began) >= x.world.MaxWait {
			return converge.Waiting(fmt.Sprintf("the index of %s does not show %s %s after %s", x.snap.Target.Name, c.Name, c.Version, x.world.MaxWait), time.Now().Add(10*time.Minute)), nil
		}
		converge.Phase(ctx, "waiting for the index")
		if err := converge.Sleep(ctx, wait); err != nil {
			return converge.Outcome{}, err
		}
		wait = min(wait*3/2, 10*time.Second)
	}
}

// yank does in the target what was done in the source. Where the token may not, it is said and no more: the crate has
// moved, and its consumers' lock files name it.
func (x *steps) yank(ctx context.Context, c redist.Crate) (converge.Outcome, error) {
	e, err := x.lookup(ctx, c)
	if err != nil {
		return converge.Outcome{}, err
	}
	if e != nil && e.Yanked {
		return converge.Already("is yanked"), nil
	}
	err = x.world.Target.Yank(ctx, c.Name, c.Version)
	var re *registry.Error
	if errors.As(err, &re) && !re.Retryable() {
		x.warn(c, []string{"cannot be yanked there: " + re.Error()})
		return converge.Skipped("the registry does not let it be yanked"), nil
	}
	return converge.Done(), err
}

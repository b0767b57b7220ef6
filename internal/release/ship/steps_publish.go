package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/artifact"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// pack fills the bill: from the ledger where the draft holds everything, else by packaging in the build zone.
func (x *steps) pack(ctx context.Context) (converge.Outcome, error) {
	if l := x.snap.Remote.Ledger; l.Complete() {
		return converge.Already(fmt.Sprintf("the draft holds %s; %s", release.CrateCount(len(l.Bill.Crates)), l.Reason)), nil
	}
	bill := release.Bill{Schema: release.BillSchema, Repository: x.snap.Repository, Tag: x.snap.Checkout.Tag.Name, Commit: x.snap.Checkout.Commit, Branch: x.snap.Remote.BranchName, HandedOver: x.snap.Checkout.Handed, Upstream: x.snap.Checkout.Upstream}
	for _, f := range release.Judge(x.snap) {
		if f.Relaxed != "" {
			bill.Relaxed = append(bill.Relaxed, release.BillRelaxed{Rule: f.Rule, Reason: f.Relaxed})
		}
	}
	files := map[string]string{}
	for _, r := range x.snap.Registries {
		packed, err := x.packFor(ctx, r)
		if err != nil {
			return converge.Outcome{}, err
		}
		if packed == nil {
			continue
		}
		bill.Toolchain, bill.Cargo, bill.Isolation = packed.Rustc, packed.Cargo, packed.Isolation
		if err := x.enter(&bill, files, r, packed); err != nil {
			return converge.Outcome{}, err
		}
	}
	if err := x.enterArtifacts(&bill, files); err != nil {
		return converge.Outcome{}, err
	}
	if err := bill.Sign(x.world.Keys); err != nil {
		return converge.Outcome{}, err
	}
	x.mu.Lock()
	x.bill, x.files = bill, files
	x.mu.Unlock()
	if bill.HandedOver {
		return converge.DoneBecause(fmt.Sprintf("%s that another job packaged, by its own word with %s", release.CrateCount(len(bill.Crates)), bill.Cargo)), nil
	}
	return converge.DoneBecause(fmt.Sprintf("%s with %s", release.CrateCount(len(bill.Crates)), bill.Cargo)), nil
}

func (x *steps) packFor(ctx context.Context, r release.Registry) (*pack.Result, error) {
	var names []string
	for _, c := range x.snap.Checkout.Crates {
		if slices.Contains(c.Registries, r.Name) {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	out := filepath.Join(x.world.Scratch, "crates-"+r.Name)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for crates: %w", err)
	}
	client, err := x.client(r.Name)
	if err != nil {
		return nil, err
	}
	return x.world.Source.Package(ctx, observe.PackageOrder{Registry: client.Registry(), Crates: names, Out: out, Progress: func(crate, phase string) {
		converge.Phase(ctx, strings.TrimSpace(crate+" "+phase))
	}})
}

// enter writes what was packaged for one registry into the bill. Bytes that another registry has too are one entry.
func (x *steps) enter(bill *release.Bill, files map[string]string, r release.Registry, packed *pack.Result) error {
	for _, c := range x.snap.Checkout.Crates {
		if !slices.Contains(c.Registries, r.Name) {
			continue
		}
		p, ok := find(packed.Crates, c.Name)
		if !ok {
			return fmt.Errorf("package %s for %s: cargo made no .crate of it", c.Name, r.Name)
		}
		packed := release.BillCrate{SHA256: p.SHA256, Size: p.Size, Files: len(p.Files)}
		if asset := bill.Enter(c, packed, release.BillRegistry{Name: r.Name, Index: r.Index}); asset != "" {
			files[asset] = p.Path
		}
	}
	return nil
}

func find(list []pack.Crate, name string) (pack.Crate, bool) {
	for _, c := range list {
		if c.Name == name {
			return c, true
		}
	}
	return pack.Crate{}, false
}

func (x *steps) enterArtifacts(bill *release.Bill, files map[string]string) error {
	for _, a := range x.snap.Artifacts {
		path := a.Path
		if a.Folder {
			path = filepath.Join(x.world.Scratch, a.Name)
			if err := artifact.Archive(a.Path, path); err != nil {
				return err
			}
		}
		sum, size, err := artifact.Sum(path)
		if err != nil {
			return fmt.Errorf("artifact %s: %w", a.Name, err)
		}
		bill.Artifacts = append(bill.Artifacts, release.BillArtifact{Name: a.Name, SHA256: sum, Size: size})
		files[a.Name] = path
	}
	return nil
}

// compare stops the run before anything is written where an index, or a draft that somebody else may have written,
// has other bytes than we have.
func (x *steps) compare(ctx context.Context) (converge.Outcome, error) {
	if out := x.compareDraft(); out != nil {
		return converge.Outcome{}, out
	}
	if large := x.tooLarge(); len(large) > 0 {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: "a crate is larger than its registry takes", Detail: strings.Join(large, "\n"), Hint: "leave files out with `exclude` or `include` in its manifest. Nothing was uploaded by this run"})
	}
	there, differ, err := x.compareIndexes(ctx)
	if err != nil {
		return converge.Outcome{}, err
	}
	if len(differ) > 0 {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: "a registry has a version of this release with other bytes", Detail: strings.Join(differ, "\n"),
			Hint: "a published version cannot be replaced: release a new version. Nothing was uploaded by this run"})
	}
	return converge.DoneBecause(fmt.Sprintf("%d versions are in an index already, with our checksums; none differs", there)), nil
}

// tooLarge describes the crates that a registry would refuse for their size.
func (x *steps) tooLarge() []string {
	var out []string
	for _, c := range x.bill.Crates {
		for _, r := range c.Registries {
			limit := int64(x.snap.Config.Registries[r.Name].MaxSize)
			for _, known := range x.snap.Registries {
				if known.Name == r.Name && limit == 0 {
					limit = registry.Kind(known.Kind).Traits().MaxCrate
				}
			}
			if limit > 0 && c.Size > limit {
				out = append(out, fmt.Sprintf("%s %s: %d bytes, %s takes %d", c.Name, c.Version, c.Size, r.Name, limit))
			}
		}
	}
	return out
}

// compareIndexes counts the versions that an index has with our bytes, and describes those that it has with others.
func (x *steps) compareIndexes(ctx context.Context) (there int, differ []string, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, c := range x.bill.Crates {
		for _, r := range c.Registries {
			g.Go(func() error {
				asked := time.Now()
				entry, err := x.lookup(ctx, r.Name, c.Name, c.Version)
				if err != nil {
					return err
				}
				if entry == nil {
					x.mu.Lock()
					defer x.mu.Unlock()
					x.absent[r.Name+"/"+c.Name] = asked
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if entry.Checksum == c.SHA256 {
					there++
				} else {
					differ = append(differ, fmt.Sprintf("%s %s on %s\n  here   sha256 %s\n  there  sha256 %s", c.Name, c.Version, r.Name, c.SHA256, entry.Checksum))
				}
				return nil
			})
		}
	}
	err = g.Wait()
	slices.Sort(differ)
	return there, differ, err
}

// compareDraft holds a draft without an authentic bill against what was packaged from the tagged commit.
func (x *steps) compareDraft() error {
	l := x.snap.Remote.Ledger
	if l.Complete() {
		return nil
	}
	if l.Bill != nil && l.Authentic {
		for _, c := range l.Bill.Crates {
			if ours := x.bill.SameBytes(c.Name, c.SHA256); ours < 0 {
				return converge.Halt(problem.Error{Summary: fmt.Sprintf("packaging %s %s again gave other bytes than the bill of the first run", c.Name, c.Version),
					Detail: "the draft lacks: " + strings.Join(l.Missing, ", "), Hint: "package with the toolchain that the bill names (" + l.Bill.Cargo + "), or delete the draft if nothing of it was published"})
			}
		}
	}
	for _, rel := range x.snap.Remote.Releases {
		for _, a := range rel.Assets {
			c := x.bill.ByAsset(a.Name)
			if c == nil || !a.Whole || a.SHA256 == "" || a.SHA256 == c.SHA256 {
				continue
			}
			return converge.Halt(problem.Error{Summary: fmt.Sprintf("the release holds %s with other bytes than the tagged commit gives", a.Name),
				Detail: fmt.Sprintf("commit   sha256 %s\nrelease  sha256 %s\nbill     %s", c.SHA256, a.SHA256, l.Reason),
				Hint:   "somebody changed the draft, or it was made with another toolchain: look at who wrote it, then delete it"})
		}
	}
	return nil
}

func (x *steps) lookup(ctx context.Context, reg, crate, version string) (*registry.Entry, error) {
	client, err := x.client(reg)
	if err != nil {
		return nil, err
	}
	select {
	case x.looks <- struct{}{}:
		defer func() { <-x.looks }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	entries, err := client.Lookup(ctx, crate)
	if registry.IsClass(err, registry.Denied) {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s takes the token no more", reg), Detail: err.Error(), Err: err,
			Hint: "give one that has not expired and run again: what is published stays published and is not uploaded twice"}
	}
	if err != nil {
		return nil, err
	}
	if e, ok := registry.Find(entries, version); ok {
		return &e, nil
	}
	return nil, nil
}

// login makes the token of trusted publishing that the uploads to a registry use.
func (x *steps) login(ctx context.Context, reg string) (converge.Outcome, error) {
	client, err := x.client(reg)
	if err == nil {
		err = client.Login(ctx)
	}
	if err != nil {
		return x.delayed(notMinted(err), reg)
	}
	return converge.Done(), nil
}

// delayed turns a limit that lasts longer than anybody waits into the time to come back.
func (x *steps) delayed(err error, reg string) (converge.Outcome, error) {
	var re *registry.Error
	if limit := x.snap.Config.Pace.MaxWait.Std(); errors.As(err, &re) && re.Class == registry.RateLimited && time.Until(re.RetryAt) > limit {
		return converge.Waiting(fmt.Sprintf("registry %s takes no more uploads until %s", reg, re.RetryAt.UTC().Format(time.RFC3339)), re.RetryAt), nil
	}
	return converge.Outcome{}, err
}

// notMinted halts the run where no credential could be made for it: no other upload fares better.
func notMinted(err error) error {
	var re *registry.Error
	told := problem.All(err)
	if len(told) == 0 || told[0].Kind == problem.Failed || errors.As(err, &re) && re.Retryable() {
		return err
	}
	return converge.Halt(*told[0])
}

// publish uploads one crate to one registry unless its index has it already.
func (x *steps) publish(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	reg, name := step.Args["registry"], step.Args["crate"]
	entry := x.bill.Bound(name, reg)
	if entry == nil {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: fmt.Sprintf("the bill has no %s for %s", name, reg), Hint: "the bill and the plan come from different commits: delete the draft and run again"})
	}
	if !x.justLooked(reg, name) {
		seen, err := x.seen(ctx, reg, *entry)
		if err != nil {
			return converge.Outcome{}, err
		}
		if seen {
			return converge.Already("in the index with our checksum"), nil
		}
	}
	file, err := x.crateFile(ctx, *entry)
	if err != nil {
		return converge.Outcome{}, err
	}
	receipt, err := x.upload(ctx, reg, file, *entry)
	switch {
	case err == nil:
		x.warn(reg, name, receipt.Warnings)
		return converge.Done(), nil
	case registry.IsClass(err, registry.Duplicate):
		// Perhaps our own upload whose answer was lost, and the index lags; perhaps somebody else's bytes, which stop
		// the run here where the index shows them. Where it does not yet, the confirmation compares checksums, and nothing
		// becomes public before it.
		if _, err := x.seen(ctx, reg, *entry); err != nil {
			return converge.Outcome{}, err
		}
		x.mu.Lock()
		x.taken[reg+"/"+name] = true
		x.mu.Unlock()
		return converge.DoneBecause("the registry says it has this version; the index decides"), nil
	}
	if seen, e := x.seen(ctx, reg, *entry); e == nil && seen {
		return converge.DoneBecause("accepted, although the answer was: " + err.Error()), nil
	}
	if seen, e := x.lookLonger(ctx, reg, *entry, err); e != nil || seen {
		return converge.DoneBecause("in the index with our checksum, although the answer was: " + err.Error()), e
	}
	return x.delayed(x.refused(err, reg, *entry), reg)
}

// lookHolds is how long what an index showed may stand for looking again right before an upload.
const lookHolds = 10 * time.Second

// justLooked reports whether the comparison of this run saw a moment ago that the index lacks the version. It says so
// once: whoever comes back after an error must look again.
func (x *steps) justLooked(reg, name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := reg + "/" + name
	at, ok := x.absent[k]
	delete(x.absent, k)
	return ok && time.Since(at) < lookHolds
}

// patience is how long the index is looked at after a refusal that may say that the version is there.
const patience = 5 * time.Minute

// lookLonger decides a refusal that no retry can mend, of a registry whose answer to a version that it has is not known:
// where an earlier attempt, or an earlier run, may have uploaded it, the index is given time to show it.
func (x *steps) lookLonger(ctx context.Context, reg string, c release.BillCrate, err error) (bool, error) {
	var re *registry.Error
	if !errors.As(err, &re) || re.Retryable() {
		x.mu.Lock()
		x.unclear[reg+"/"+c.Name] = x.unclear[reg+"/"+c.Name] || re != nil && re.Unclear
		x.mu.Unlock()
		return false, nil
	}
	client, err := x.client(reg)
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	maybe := x.unclear[reg+"/"+c.Name] || x.snap.Remote.Ledger.Bill != nil
	x.mu.Unlock()
	if !maybe || !slices.Contains(client.Registry().Kind.Traits().Unverified, kind.FactDuplicate) {
		return false, nil
	}
	return x.awaitIndex(ctx, reg, c, patience)
}

// awaitIndex looks at the index until it shows the version with our checksum, or for as long as limit.
func (x *steps) awaitIndex(ctx context.Context, reg string, c release.BillCrate, limit time.Duration) (bool, error) {
	wait := 500 * time.Millisecond
	for began := time.Now(); ; {
		if seen, err := x.seen(ctx, reg, c); err != nil || seen || time.Since(began) >= limit {
			return seen, err
		}
		converge.Phase(ctx, "waiting for the index")
		if err := converge.Sleep(ctx, wait); err != nil {
			return false, err
		}
		wait = min(wait*3/2, 10*time.Second)
	}
}

// refused turns an answer that no retry can mend into something a person can act on.
func (x *steps) refused(err error, reg string, c release.BillCrate) error {
	var re *registry.Error
	if len(problem.All(err)) > 0 {
		return notMinted(err)
	}
	if !errors.As(err, &re) || re.Retryable() {
		return err
	}
	p := &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s refused %s %s", reg, c.Name, c.Version), Detail: re.Detail, Err: err,
		Hint: "mend what it names and run again: what is published stays published and is not uploaded twice"}
	if re.Class == registry.Denied {
		p.Hint = fmt.Sprintf("the token for %s may not publish %s: check its scope, whether it expired, and the crate's owners, then run again", reg, c.Name)
		if r := x.registry(reg); r.Lane(c.Name) == release.LoginTrusted {
			p.Hint = trustedHint(*r.Login, c.Name)
		}
	}
	return p
}

// trustedHint says what to register where a crate is not among those that the job may publish.
func trustedHint(l release.Login, crate string) string {
	environment := "no environment"
	if l.Environment != "" {
		environment = "environment " + l.Environment
	}
	return fmt.Sprintf("at https://crates.io/crates/%s/settings, under Trusted Publishing, register repository %s, workflow %s and %s; then run again: what is published stays published", crate, l.Repository, l.Workflow, environment)
}

func (x *steps) upload(ctx context.Context, reg, file string, c release.BillCrate) (registry.Receipt, error) {
	client, err := x.client(reg)
	if err != nil {
		return registry.Receipt{}, err
	}
	if x.snap.Config.Package.Publisher == "cargo" && x.world.Token != nil {
		token, err := x.world.Token(ctx, reg)
		if err != nil {
			return registry.Receipt{}, err
		}
		return registry.Receipt{}, x.world.Source.Publish(ctx, observe.PackageOrder{Registry: client.Registry(), Crates: []string{c.Name}}, token)
	}
	crate, err := registry.OpenCrate(file)
	if err != nil {
		return registry.Receipt{}, err
	}
	if crate.SHA256 != c.SHA256 || crate.Name != c.Name || crate.Version != c.Version {
		return registry.Receipt{}, converge.Halt(problem.Error{Summary: fmt.Sprintf("%s is not what the bill says", c.Asset),
			Detail: fmt.Sprintf("bill  %s %s sha256 %s\nfile  %s %s sha256 %s", c.Name, c.Version, c.SHA256, crate.Name, crate.Version, crate.SHA256)})
	}
	return client.Publish(ctx, crate)
}

func (x *steps) warn(reg, name string, warnings []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range warnings {
		x.warnings = append(x.warnings, fmt.Sprintf("%s: %s: %s", reg, name, w))
	}
}

// seen reports whether the index shows the crate's version with our checksum; another checksum halts the run.
func (x *steps) seen(ctx context.Context, reg string, c release.BillCrate) (bool, error) {
	entry, err := x.lookup(ctx, reg, c.Name, c.Version)
	if err != nil || entry == nil {
		return false, err
	}
	if entry.Checksum != c.SHA256 {
		f := release.DifferentBytes(reg, c.Name, c.Version, c.SHA256, entry.Checksum)
		return false, converge.Halt(problem.Error{Summary: f.Summary, Detail: f.Detail, Hint: f.Hint})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if k := reg + "/" + c.Name; x.confirmed[k].IsZero() {
		x.confirmed[k] = time.Now().UTC().Truncate(time.Second)
	}
	return true, nil
}

// confirm waits until the index shows the version with our checksum.
func (x *steps) confirm(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	reg, name := step.Args["registry"], step.Args["crate"]
	entry := x.bill.Bound(name, reg)
	limit := x.snap.Config.Pace.MaxWait.Std()
	seen, err := x.awaitIndex(ctx, reg, *entry, limit)
	switch {
	case err != nil:
		return converge.Outcome{}, err
	case seen:
		return converge.Done(), nil
	}
	client, err := x.client(reg)
	if err != nil {
		return converge.Outcome{}, err
	}
	x.mu.Lock()
	taken := x.taken[reg+"/"+name]
	x.mu.Unlock()
	if taken && client.Registry().Kind.Traits().Again == kind.Never {
		return converge.Outcome{}, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s says that it has %s %s, and its index does not show it", reg, name, entry.Version),
			Detail: fmt.Sprintf("looked for %s", limit),
			Hint:   "if the version was deleted there, its number can never be used again: release a new version. If the index is only late, run again later: nothing is uploaded twice"}
	}
	return converge.Waiting(fmt.Sprintf("the index of %s does not show %s %s after %s", reg, name, entry.Version, limit), time.Now().Add(10*time.Minute)), nil
}

// crateFile returns a local file with a crate's bytes: the one packaged by this run, or the draft's, whose digest
// must be the bill's.
func (x *steps) crateFile(ctx context.Context, c release.BillCrate) (string, error) {
	x.mu.Lock()
	path, ok := x.files[c.Asset]
	x.mu.Unlock()
	if ok {
		return path, nil
	}
	asset, err := x.rel.Asset(ctx, c.Asset)
	if err != nil {
		return "", err
	}
	if asset == nil {
		return "", converge.Halt(problem.Error{Summary: fmt.Sprintf("the draft lacks %s", c.Asset), Hint: "it was there when the run began: somebody deletes assets; run again"})
	}
	body, err := x.world.Forge.DownloadAsset(ctx, *asset)
	if err != nil {
		return "", err
	}
	defer body.Close()
	if path, err = x.save(body, c); err != nil {
		return "", err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.files[c.Asset] = path
	return path, nil
}

// save writes a crate of the draft to a file of its own: the same bytes may be on their way to another registry, and
// what is being uploaded must not change.
func (x *steps) save(body io.Reader, c release.BillCrate) (string, error) {
	f, err := os.CreateTemp(x.world.Scratch, "draft-*.crate")
	if err != nil {
		return "", fmt.Errorf("keep %s: %w", c.Asset, err)
	}
	path := f.Name()
	if _, err = io.Copy(f, io.LimitReader(body, c.Size+1)); err == nil {
		err = f.Close()
	} else {
		f.Close()
	}
	if err != nil {
		return "", converge.Again(fmt.Errorf("download %s: %w", c.Asset, err))
	}
	sum, size, err := artifact.Sum(path)
	if err != nil {
		return "", err
	}
	if size < c.Size {
		return "", converge.Again(fmt.Errorf("download %s: %d of %d bytes arrived", c.Asset, size, c.Size))
	}
	if sum != c.SHA256 {
		return "", converge.Halt(problem.Error{Summary: fmt.Sprintf("the draft's %s has other bytes than the bill says", c.Asset), Detail: fmt.Sprintf("bill   sha256 %s\ndraft  sha256 %s", c.SHA256, sum),
			Hint: "somebody changed the draft: look at who wrote it, delete it, and run again"})
	}
	return path, nil
}

package observe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/artifact"
	"github.com/tagboat/tagboat/internal/semver"
)

// maxBill bounds what is read of an asset that calls itself a bill.
const maxBill = 16 << 20

// parallelLooks is how many questions an observation asks at the same time.
const parallelLooks = 16

// Snapshot looks at the world and returns the snapshot that a plan is made from. It writes nothing. What a rule must
// judge comes back in the snapshot; an error means that the world could not be seen.
func Snapshot(ctx context.Context, w World, req release.Request) (release.Snapshot, error) {
	s := release.Snapshot{Schema: release.SnapshotSchema, TakenAt: time.Now().UTC().Truncate(time.Second), Request: req}
	var err error
	if w.Forge != nil {
		s.Repository = w.Forge.Slug()
	}
	ctx, cancel := context.WithCancel(ctx)
	looks := &forgeLooks{world: w}
	defer looks.wait()
	defer cancel()
	if s.Checkout, s.Config, err = w.Source.Checkout(ctx, req, func(_ context.Context, c release.Checkout, cfg config.Config) *release.Bill {
		if c.Tag.Commit == "" {
			return nil
		}
		looks.begin(ctx, release.Snapshot{Repository: s.Repository, Checkout: c, Config: cfg})
		return looks.sealed()
	}); err != nil {
		return s, err
	}
	looks.begin(ctx, s) // where no tag was known before the crates were
	err = Patiently(ctx, func() (err error) {
		s.Registries, err = observeRegistries(ctx, w, s.Config, s.Checkout)
		return err
	})
	if err == nil {
		s.Remote, err = looks.remote(ctx)
	}
	s.Unkeyed = unkeyed(s.Registries, w.Keys)
	if err != nil || w.WorkingDir == "" || s.Dispatches() || s.Remote.Ledger.Complete() {
		return s, err // the artifacts are another run's, or in the draft already
	}
	s.Artifacts, err = artifact.Find(w.WorkingDir, slices.Concat(s.Config.Release.Artifacts, req.Artifacts))
	return s, err
}

// unkeyed reports whether every credential of a run that makes some for itself is gone with it.
func unkeyed(registries []release.Registry, keys []release.BillKey) bool {
	lasts := func(k release.BillKey) bool { return !k.Value.IsZero() }
	return slices.ContainsFunc(registries, func(r release.Registry) bool { return r.Login.Minted() }) && !slices.ContainsFunc(keys, lasts)
}

// later is what becomes of a look that a service put off: the run has nothing to do until then.
func later(err error, until time.Time) error {
	return &problem.Error{Kind: problem.Waiting, Summary: "a service asks to come back at " + until.UTC().Format("2006-01-02 15:04:05 UTC"), Detail: err.Error(), Until: until,
		Hint: "start the run again then; a scheduled tagboat reconcile does it by itself"}
}

// Patiently asks again where a service stumbled, a few times within seconds: a plan needs every answer, and one lost
// answer out of hundreds should not end a run that has not begun. A longer outage is for the person to see.
func Patiently(ctx context.Context, ask func() error) error {
	for wait := 500 * time.Millisecond; ; wait *= 2 {
		err := ask()
		var fault interface {
			Retryable() bool
			RetryTime() time.Time
		}
		switch {
		case err == nil || !errors.As(err, &fault) || !fault.Retryable():
			return err
		case time.Until(fault.RetryTime()) > 4*time.Second:
			return later(err, fault.RetryTime())
		case wait > 2*time.Second:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(wait, time.Until(fault.RetryTime()))):
		}
	}
}

func observeRegistries(ctx context.Context, w World, cfg config.Config, c release.Checkout) ([]release.Registry, error) {
	homes := map[string][]string{}
	for _, crate := range c.Crates {
		for _, r := range crate.Registries {
			homes[r] = append(homes[r], crate.Name)
		}
	}
	names := make([]string, 0, len(homes))
	for name := range homes {
		names = append(names, name)
	}
	sort.Strings(names)
	out := make([]release.Registry, len(names))
	g, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		g.Go(func() error {
			at := IndexOf(c, cfg, name)
			out[i] = release.Registry{Name: name, Index: at, Crates: map[string]release.IndexState{}}
			client, err := w.Registry(name, at)
			if err != nil {
				out[i].Access = release.Access{Asked: true, Problem: err.Error(), Hint: fmt.Sprintf("[registries.%s] in .cargo/config.toml or tagboat.toml says where its index is", name)}
				return nil
			}
			reg := client.Registry()
			out[i].Index, out[i].Kind, out[i].AwaitAll = reg.Index, string(reg.Kind), reg.Wait == registry.Index
			// The credential and the index are asked about at once; where the credential is the problem, it explains the rest.
			index := out[i]
			seen := make(chan error, 1)
			go func() { seen <- observeIndex(ctx, client, &index, c.Crates) }()
			access, unpaced, err := observeAccess(ctx, client, w.tokenFrom(cfg, name))
			if err == nil && access.Problem == "" {
				index.Login, access, err = observeLogin(ctx, w, name, access)
			}
			lost := <-seen
			out[i].Login = index.Login
			if out[i].Access = access; err != nil || access.Problem != "" {
				return err
			}
			if lost != nil {
				return lost
			}
			index.Access = access
			out[i] = index
			if unpaced {
				reg.Pace = registry.Pace{}
			}
			out[i].Forecast = forecast(reg, out[i], time.Now())
			return nil
		})
	}
	return out, g.Wait()
}

// IndexOf returns where a registry's index is: tagboat.toml before .cargo/config.toml.
func IndexOf(c release.Checkout, cfg config.Config, name string) string {
	if r, ok := cfg.Registries[name]; ok && r.Index != "" {
		return r.Index
	}
	return c.Indexes[name]
}

// observeAccess asks what the token at hand may do. A registry that does not answer is a fault of the world and no
// finding about the release. unpaced: the registry's limits do not hold for the token.
func observeAccess(ctx context.Context, client *registry.Client, variable string) (_ release.Access, unpaced bool, _ error) {
	a := release.Access{Asked: true, Variable: variable}
	got, err := client.Check(ctx)
	name := client.Registry().Name
	a.NoToken, a.Auth = err == nil && !got.Token, got.AuthRequired
	a.Publish, a.Notes, a.Expires = string(got.Publish), got.Detail, got.Expires
	form := client.Registry().Kind.Traits().TokenForm
	var re *registry.Error
	switch {
	case err == nil && got.Publish == registry.No:
		cause := max(0, len(got.Detail)-1) // the last sentence is why; those before it are to be minded
		a.Problem, a.Detail = "it cannot be published to: "+strings.Join(got.Detail[cause:], ""), strings.Join(got.Detail[:cause], "\n")
		a.Hint = fmt.Sprintf("the token is read from %s: %s, with the right to read and to publish", variable, form)
		if a.NoToken && client.Registry().Kind == registry.KindCratesIO {
			a.Hint += "; a job with `id-token: write` needs none (docs/trusted-publishing.md)"
		}
	case err == nil || ctx.Err() != nil:
		return a, got.Unpaced, ctx.Err()
	case len(problem.All(err)) > 0: // of making a credential for this run
		a, err = refusedLogin(a, err)
		return a, false, err
	case errors.As(err, &re) && re.Retryable():
		return a, false, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer", name), Detail: re.Error(), Err: err,
			Hint: "run again when it does; its index is named in .cargo/config.toml or tagboat.toml"}
	case errors.As(err, &re):
		a.Problem, a.Hint = "it cannot be used: "+re.Error(), "is the index URL in .cargo/config.toml or tagboat.toml right?"
	default:
		a.Problem, a.Hint = "it cannot be used: "+err.Error(), fmt.Sprintf("the token is read from %s: %s", variable, form)
	}
	return a, false, nil
}

// observeLogin asks how the run logs in. A job that cannot prove what it is counts as one without a credential: who only
// starts the release workflow needs none.
func observeLogin(ctx context.Context, w World, name string, a release.Access) (*release.Login, release.Access, error) {
	if w.Login == nil {
		return nil, a, nil
	}
	login, err := w.Login(ctx, name)
	if err != nil {
		a, err = refusedLogin(a, err)
	}
	if !login.Minted() {
		return nil, a, err
	}
	return &login, a, err
}

func refusedLogin(a release.Access, err error) (release.Access, error) {
	var fault interface{ Retryable() bool }
	found := problem.All(err)
	if errors.As(err, &fault) && fault.Retryable() || len(found) == 0 {
		return a, err
	}
	a.NoToken, a.Problem, a.Detail, a.Hint = true, found[0].Summary, found[0].Detail, found[0].Hint
	return a, nil
}

func observeIndex(ctx context.Context, client *registry.Client, r *release.Registry, crates []release.Crate) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLooks)
	for _, c := range crates {
		if !slices.Contains(c.Registries, r.Name) {
			continue
		}
		g.Go(func() error {
			entries, err := client.Lookup(ctx, c.Name)
			if err != nil {
				return err
			}
			state := release.IndexState{Exists: len(entries) > 0}
			if e, ok := registry.Find(entries, c.Version); ok {
				state.Checksum, state.Yanked = e.Checksum, e.Yanked
			}
			mu.Lock()
			defer mu.Unlock()
			r.Crates[c.Name] = state
			return nil
		})
	}
	return g.Wait()
}

func forecast(reg registry.Registry, r release.Registry, now time.Time) release.Forecast {
	var f release.Forecast
	for _, state := range r.Crates {
		switch {
		case state.Checksum != "":
		case state.Exists:
			f.Known++
		default:
			f.New++
		}
	}
	limited := f.Known
	if r.Login != nil && r.Login.How == release.LoginTrusted {
		limited = 0 // trusted publishing has no limit for each user
	}
	got := reg.Forecast(f.New, limited, now)
	f.Wait, f.Text = got.Pause, got.Text
	return f
}

// Remote looks at the forge alone, and returns what it knows of a checkout's tag, branches, blockers and releases.
func Remote(ctx context.Context, w World, s release.Snapshot) (release.Remote, error) {
	looks := &forgeLooks{world: w}
	looks.begin(ctx, s)
	return looks.remote(ctx)
}

// forgeLooks are the questions to the forge. They need the tag, its commit and the configuration, and begin when these are
// known, while the disk and cargo work.
type forgeLooks struct {
	world World
	known release.Snapshot
	begun bool

	nowAsked, pastAsked sync.WaitGroup
	now, past           release.Remote // all but the releases; the releases
	nowErr, pastErr     error
}

// begin asks everything, once.
func (l *forgeLooks) begin(ctx context.Context, known release.Snapshot) {
	if l.begun {
		return
	}
	l.begun, l.known = true, known
	l.now.BranchName = release.BranchForm(known.Config.Branches.Release).Of(known.Checkout.Tag.Name)
	if l.world.Forge == nil {
		return
	}
	l.nowAsked.Go(func() {
		l.nowErr = Patiently(ctx, func() (err error) {
			l.now, err = observeRemote(ctx, l.world, known)
			return err
		})
	})
	l.pastAsked.Go(func() { l.pastErr = observeReleases(ctx, l.world, known, &l.past) })
}

// sealed returns the authentic bill of a release that holds every crate already, nil where there is none.
func (l *forgeLooks) sealed() *release.Bill {
	if l.pastAsked.Wait(); l.pastErr != nil || !l.past.Ledger.Complete() {
		return nil
	}
	return l.past.Ledger.Bill
}

func (l *forgeLooks) wait() {
	l.nowAsked.Wait()
	l.pastAsked.Wait()
}

// remote returns the answers. What is wrong with the repository explains why its releases could not be listed, so that
// question is asked again last.
func (l *forgeLooks) remote(ctx context.Context) (release.Remote, error) {
	if l.wait(); l.nowErr != nil || l.world.Forge == nil {
		return l.now, l.nowErr
	}
	if l.pastErr != nil {
		l.pastErr = Patiently(ctx, func() error {
			l.past = release.Remote{}
			return observeReleases(ctx, l.world, l.known, &l.past)
		})
	}
	r := l.now
	r.Releases, r.Ledger, r.Latest = l.past.Releases, l.past.Ledger, l.past.Latest
	return r, l.pastErr
}

func observeRemote(ctx context.Context, w World, s release.Snapshot) (release.Remote, error) {
	r := release.Remote{}
	r.Asked, r.BranchName = true, release.BranchForm(s.Config.Branches.Release).Of(s.Checkout.Tag.Name)
	g, looks := errgroup.WithContext(ctx)
	g.Go(func() error {
		tag, err := w.Forge.Tag(looks, s.Checkout.Tag.Name)
		r.TagCommit = tag.Commit
		if s.Request.Propose && forge.IsNotFound(err) {
			r.TagCommit, r.Proposed = s.Checkout.Commit, true
		}
		return present(err)
	})
	g.Go(func() (err error) {
		r.BranchCommit, err = w.Forge.Branch(looks, r.BranchName)
		return present(err)
	})
	g.Go(func() error { return observeBlockers(looks, w.Forge, s.Config.Blockers.Label, &r) })
	// What is wrong with the repository explains what failed beside it, so this question outlives the others.
	repo, err := w.Forge.Repository(ctx)
	others := g.Wait()
	switch {
	case err != nil:
		return r, Unreachable(err, s.Repository)
	case others != nil:
		return r, others
	}
	r.DefaultBranch, r.Development = repo.DefaultBranch, s.Config.Branches.Development
	if r.Development == "" {
		r.Development = repo.DefaultBranch
	}
	if r.TagCommit == "" || r.TagCommit != s.Checkout.Commit {
		return r, nil // the rules stop here; comparing an unknown commit would only add noise
	}
	err = observeBranches(ctx, w.Forge, s, &r)
	return r, err
}

// present drops the error that says that something is not there, which is an answer.
func present(err error) error {
	if forge.IsNotFound(err) {
		return nil
	}
	return err
}

func observeBlockers(ctx context.Context, f *forge.Client, label string, r *release.Remote) error {
	if label == "" {
		return nil
	}
	issues, err := f.OpenIssues(ctx, label)
	var fe *forge.Error
	switch {
	case ctx.Err() != nil, errors.As(err, &fe) && fe.Retryable():
		return err // a fault of the world: trying again helps, and no person has to decide
	case err != nil:
		r.BlockersError = err.Error()
		return nil
	}
	for _, i := range issues {
		r.Blockers = append(r.Blockers, release.Issue{Number: i.Number, Title: i.Title, URL: i.URL})
	}
	return nil
}

// Unreachable explains why a repository on GitHub cannot be read; other errors come back as they are.
func Unreachable(err error, repository string) error {
	var fe *forge.Error
	if !errors.As(err, &fe) {
		return err
	}
	p := &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("cannot read repository %s on GitHub", repository), Detail: fe.Error(), Err: err, Hint: "is GitHub reachable (--api-url)?"}
	switch {
	case forge.IsNotFound(err):
		p.Kind, p.Hint = problem.Stopped, "is the name right, and may the token in GITHUB_TOKEN see it?"
	case forge.IsDenied(err):
		p.Kind, p.Hint = problem.Stopped, "the token in GITHUB_TOKEN is refused: is it expired?"
	}
	return p
}

// observeBranches compares the tag's commit with the branches that matter.
func observeBranches(ctx context.Context, f *forge.Client, s release.Snapshot, r *release.Remote) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		r.OnDevelopment, err = f.Contains(ctx, r.Development, s.Checkout.Commit)
		return present(err)
	})
	g.Go(func() (err error) {
		r.OnRelease, err = releaseBranches(ctx, f, s)
		return err
	})
	g.Go(func() (err error) {
		if r.BranchCommit == "" && r.DefaultBranch != "" {
			r.WorkflowTrap, err = f.WorkflowChanges(ctx, r.DefaultBranch, s.Checkout.Commit)
		}
		return present(err)
	})
	return g.Wait()
}

// releaseBranches returns the release branches of the tag's line (same major and minor) that contain its commit.
func releaseBranches(ctx context.Context, f *forge.Client, s release.Snapshot) ([]string, error) {
	v, err := semver.Parse(s.Checkout.Tag.Version)
	if err != nil || v.Patch == 0 && v.Pre == "" {
		return nil, nil // only patches and pre-releases ask
	}
	tags := release.TagForm{Template: s.Config.Tags.Template, TwoPart: s.Config.Tags.TwoPart}
	names := release.BranchForm(s.Config.Branches.Release)
	line := fmt.Sprintf("%d.%d", v.Major, v.Minor)
	stem, _, _ := strings.Cut(names.Of(tags.Format(s.Checkout.Tag.Crate, line)), line)
	branches, err := f.Branches(ctx, stem+line)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range branches {
		if !sameLine(tags, names, b.Name, s.Checkout.Tag.Crate, v) {
			continue
		}
		if ok, err := f.Contains(ctx, b.Name, s.Checkout.Commit); err != nil {
			return nil, err
		} else if ok {
			out = append(out, b.Name)
		}
	}
	return out, nil
}

// sameLine reports whether a branch is the release branch of a version with v's major and minor.
func sameLine(tags release.TagForm, names release.BranchForm, branch, crate string, v semver.Version) bool {
	name, ok := names.Tag(branch)
	if !ok {
		return false
	}
	tag, err := tags.Parse(name)
	if err != nil || tag.Crate != crate {
		return false
	}
	w, err := semver.Parse(tag.Version)
	return err == nil && w.Major == v.Major && w.Minor == v.Minor
}

func observeReleases(ctx context.Context, w World, s release.Snapshot, r *release.Remote) error {
	form := release.TagForm{Template: s.Config.Tags.Template, TwoPart: s.Config.Tags.TwoPart}
	var latest semver.Version
	var ours []forge.Release
	for rel, err := range w.Forge.Releases(ctx) {
		if err != nil {
			return err
		}
		if rel.Tag == s.Checkout.Tag.Name {
			ours = append(ours, rel)
		} else if t, err := form.Parse(rel.Tag); err == nil && !rel.Draft && !rel.Prerelease {
			if v, err := semver.Parse(t.Version); err == nil && v.Compare(latest) > 0 {
				latest, r.Latest = v, t.Version
			}
		}
	}
	Order(ours)
	for i, rel := range ours {
		r.Releases = append(r.Releases, release.Release{ID: rel.ID, Draft: rel.Draft, Immutable: rel.Immutable, URL: rel.HTMLURL, Assets: Assets(rel)})
		if i == 0 {
			var err error
			if r.Ledger, err = ReadLedger(ctx, w, rel); err != nil {
				return err
			}
			r.Ledger.Bind(s)
			r.Ledger.Miss(Assets(rel))
		}
	}
	return nil
}

// Order puts the release that counts first, of several with one tag: the public one, else the draft with most assets,
// else the oldest.
func Order(all []forge.Release) {
	slices.SortFunc(all, func(a, b forge.Release) int {
		switch {
		case a.Draft != b.Draft && b.Draft:
			return -1
		case a.Draft != b.Draft:
			return 1
		}
		return cmp.Or(cmp.Compare(len(b.Assets), len(a.Assets)), cmp.Compare(a.ID, b.ID))
	})
}

// Assets is what a release of the forge holds.
func Assets(rel forge.Release) []release.Asset {
	var out []release.Asset
	for _, a := range rel.Assets {
		out = append(out, release.Asset{Name: a.Name, SHA256: strings.TrimPrefix(a.Digest, "sha256:"), Size: a.Size, Whole: a.State == "uploaded"})
	}
	return out
}

// ReadLedger reads the bill of a release. A bill that cannot be read is a bill that is not authentic.
func ReadLedger(ctx context.Context, w World, rel forge.Release) (release.Ledger, error) {
	reason := "the release holds no bill"
	for _, name := range []string{release.BillName, release.BillNext} {
		for _, a := range rel.Assets {
			if a.Name != name || a.State != "uploaded" || a.Size > maxBill {
				continue
			}
			body, err := w.Forge.DownloadAsset(ctx, a)
			if err != nil {
				return release.Ledger{}, err
			}
			content, err := io.ReadAll(io.LimitReader(body, maxBill))
			body.Close()
			if err != nil {
				return release.Ledger{}, fmt.Errorf("download %s: %w", name, err)
			}
			l, err := openLedger(content, w.Keys)
			if err == nil {
				return l, nil
			}
			reason = fmt.Sprintf("%s cannot be read: %v", name, err)
		}
	}
	return release.Ledger{Reason: reason}, nil
}

func openLedger(content []byte, keys []release.BillKey) (release.Ledger, error) {
	var b release.Bill
	if err := json.Unmarshal(content, &b); err != nil {
		return release.Ledger{}, err
	}
	if err := b.Check(); err != nil {
		return release.Ledger{}, err
	}
	l := release.Ledger{Bill: &b}
	l.Authentic, l.Reason = b.Authentic(keys)
	return l, nil
}

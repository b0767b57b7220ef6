// Package source reads the commit of a release from a local git repository, with the real cargo in the build zone.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/cargo/rustup"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/semver"
)

// Repository is a Source over a local git repository and the real cargo in a build zone. Close removes what it made.
type Repository struct {
	Repo    *git.Repo
	Scratch string // an existing folder of this run alone

	// Stands says which sparse index (without "sparse+") the build zone's cargo reads instead of another, by the name
	// that cargo has for the other: an embedded registry in a rehearsal. The packaged bytes do not change.
	Stands map[string]string
	// Gate opens a reading address for a registry that wants a token, and returns its sparse index, "" where none is
	// needed. The token stays outside of the build zone. May be nil.
	Gate func(name, index string) (url string, err error)
	// ReadOnly: nothing will be packaged. The commit is then read without a clone of it, and what was made for reading is
	// removed while the caller goes on.
	ReadOnly bool
	// Toolchains is a folder where a toolchain that had to be installed is kept for later runs; "" keeps none.
	Toolchains string
	// Say tells a person what takes long before there is a plan. May be nil.
	Say func(sentence string)

	publishing sync.Mutex // one cargo publish at a time

	mu        sync.Mutex
	zone      *zone.Zone
	files     string    // where the commit's files are
	memory    string    // the folder in memory around them, "" where they are on the disk
	clone     *git.Repo // the repository around them, nil where nothing is packaged
	config    config.Config
	workspace *cargo.Workspace
	isolation []string
	removing  sync.WaitGroup
}

// Close ends the build zone.
func (r *Repository) Close() error {
	r.removing.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.zone == nil {
		return nil
	}
	z := r.zone
	r.zone = nil
	return z.Close()
}

// Checkout takes the files of the commit that the request names out of the repository and reads them. Without a tag and a
// branch it reads the given commit or HEAD, for checks before there is a tag; the version is then the crates' own.
func (r *Repository) Checkout(ctx context.Context, req release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	var c release.Checkout
	cfg, err := r.configAt(ctx, "HEAD")
	if err != nil {
		return c, cfg, err
	}
	if c.Tag, err = r.tag(ctx, cfg, req); err != nil {
		return c, cfg, err
	}
	if c.Commit = c.Tag.Commit; c.Commit == "" && req.Commit != "" {
		if c.Commit, err = r.Repo.Commit(ctx, req.Commit); errors.Is(err, git.ErrNotFound) {
			err = &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no commit %s in %s", req.Commit, r.Repo.Dir), Hint: "fetch it: git fetch origin " + req.Commit}
		}
		if err != nil {
			return c, cfg, err
		}
	}
	if c.Commit == "" {
		if c.Commit, _, err = r.Repo.Head(ctx); err != nil {
			return c, cfg, err
		}
	} else if cfg, err = r.configAt(ctx, c.Commit); err != nil { // what holds is what the tagged commit says
		return c, cfg, err
	}
	bill := make(chan *release.Bill, 1)
	go func(c release.Checkout) { // the forge is asked while the disk works
		if sealed == nil {
			bill <- nil
			return
		}
		bill <- sealed(ctx, c, cfg)
	}(c)
	err = r.fetch(ctx, c.Commit)
	known := <-bill
	if r.ReadOnly {
		defer r.removeFiles()
	}
	if err != nil {
		return c, cfg, unfetched(err, c.Commit)
	}
	r.config = cfg
	if known != nil {
		c.Sealed = true
		c.Crates, c.Indexes = known.Contents()
	} else if err := r.open(ctx, &c); err != nil {
		return c, cfg, err
	}
	contents := Contents{Dir: r.files, Config: &r.config, Workspace: r.workspace}
	if known == nil {
		if err := contents.Crates(&c); err != nil {
			return c, cfg, err
		}
	}
	err = contents.Texts(&c)
	return c, r.config, err
}

// fetch takes the commit's files out of the repository: as a clone where they may be packaged, for cargo asks it what
// commit they are from.
func (r *Repository) fetch(ctx context.Context, commit string) error {
	if r.ReadOnly {
		err := r.Repo.Export(ctx, commit, func(size int64) (dir string, err error) {
			r.memory = inMemory(size)
			r.files = filepath.Join(cmp.Or(r.memory, r.Scratch), "source")
			return r.files, nil
		})
		if !errors.Is(err, git.ErrSubmodules) {
			return err
		}
	}
	var err error
	r.files = filepath.Join(r.Scratch, "source")
	r.clone, err = r.Repo.CloneAt(ctx, commit, r.files)
	return err
}

// removeFiles removes what was made for reading, which takes about as long as asking a registry.
func (r *Repository) removeFiles() {
	r.removing.Go(func() { os.RemoveAll(cmp.Or(r.memory, r.files)) })
}

// opened makes the build zone where the checkout needed none.
func (r *Repository) opened(ctx context.Context) error {
	if r.workspace != nil {
		return nil
	}
	var again release.Checkout
	return r.open(ctx, &again)
}

// unfetched explains files that could not be taken out of the repository: of a commit that is here, mostly for want of
// space.
func unfetched(err error, commit string) error {
	var ge *git.Error
	var disk *fs.PathError
	if sub := (*git.SubmoduleError)(nil); errors.As(err, &sub) {
		return err
	}
	if (!errors.As(err, &ge) || ge.Exit < 0) && !errors.As(err, &disk) {
		return err
	}
	return &problem.Error{Kind: problem.Failed, Summary: "cannot make a clean copy of " + release.Short(commit), Err: err,
		Hint: "is the disk full? RUNNER_TEMP or TMPDIR can name a folder on a larger one"}
}

// configAt reads tagboat.toml as a commit has it; without one the defaults hold.
func (r *Repository) configAt(ctx context.Context, rev string) (config.Config, error) {
	text, err := r.Repo.File(ctx, rev, config.File)
	if errors.Is(err, git.ErrNotFound) {
		return config.Default(), nil
	}
	if err != nil {
		return config.Config{}, err
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, err
}

// tag finds the tag that the request is about and what it points to here.
func (r *Repository) tag(ctx context.Context, cfg config.Config, req release.Request) (release.Tag, error) {
	form := release.TagForm{Template: cfg.Tags.Template, TwoPart: cfg.Tags.TwoPart}
	name := req.Tag
	if name == "" && req.Branch != "" {
		ok := false
		if name, ok = release.BranchForm(cfg.Branches.Release).Tag(req.Branch); !ok {
			return release.Tag{}, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("branch %s is not a release branch", req.Branch),
				Hint: "release branches are named " + cfg.Branches.Release + "; start the workflow on one of them, or give --tag"}
		}
	}
	if name == "" {
		return release.Tag{}, nil
	}
	tag, err := form.Parse(name)
	if err != nil {
		return release.Tag{}, err
	}
	there, err := r.Repo.Tag(ctx, name)
	if req.Propose {
		tag.Commit, tag.Annotated = req.Commit, true
		switch {
		case errors.Is(err, git.ErrNotFound):
			return tag, nil
		case err == nil && there.Commit != req.Commit:
			err = &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is a tag %s here, and it points elsewhere", name), Detail: fmt.Sprintf("tag      %s\nto tag   %s", there.Commit, req.Commit),
				Hint: "a version is tagged once; if it was never pushed: git tag -d " + name}
		}
		return tag, err
	}
	if errors.Is(err, git.ErrNotFound) {
		return release.Tag{}, r.noTag(ctx, form, name)
	}
	tag.Commit, tag.Annotated = there.Commit, there.Annotated
	return tag, err
}

func (r *Repository) noTag(ctx context.Context, form release.TagForm, name string) error {
	p := &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no tag %s in %s", name, r.Repo.Dir), Hint: fmt.Sprintf("git fetch origin tag %s, or make it: git tag -a %s", name, name)}
	if shallow, err := r.Repo.Shallow(ctx); err == nil && shallow {
		p.Detail = "the clone is shallow, so it has only the tags that were fetched with it"
		p.Hint = fmt.Sprintf("give actions/checkout `fetch-depth: 0`, or run: git fetch --depth=1 origin tag %s", name)
	} else if tags, err := r.Repo.Tags(ctx); err == nil {
		p.Detail = newest(form, tags)
	}
	return p
}

// newest names the release tags with the highest versions.
func newest(form release.TagForm, tags []git.Tag) string {
	versions := map[string]semver.Version{}
	for _, t := range tags {
		if tag, err := form.Parse(t.Name); err == nil {
			versions[t.Name], _ = semver.Parse(tag.Version) // the form has seen to it
		}
	}
	if len(versions) == 0 {
		return "there is no release tag at all"
	}
	names := slices.SortedFunc(maps.Keys(versions), func(a, b string) int {
		return cmp.Or(versions[b].Compare(versions[a]), cmp.Compare(a, b))
	})
	return "the newest are " + strings.Join(names[:min(5, len(names))], ", ")
}

// open makes the build zone and loads the workspace in it: even asking cargo for the crates may start a program that
// the repository names.
func (r *Repository) open(ctx context.Context, c *release.Checkout) error {
	demand := zone.Report
	if r.config.Package.Isolation == "require" {
		demand = zone.Require
	}
	at := zone.Config{Dir: r.Scratch, Toolchain: r.config.Package.Toolchain, Toolchains: r.Toolchains, Checkout: r.files, Mounts: r.config.Package.Mounts, Env: r.config.Package.Env, Demand: demand}
	if err := r.install(ctx, &at); err != nil {
		return err
	}
	z, err := zone.New(at)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.zone = z
	r.mu.Unlock()
	isolated(c, z.Isolation())
	if wanted := z.Toolchain().Wanted; wanted != "" {
		c.Findings = append(c.Findings, release.Finding{Rule: "toolchain", Severity: release.Stop, Summary: fmt.Sprintf("the repository asks for toolchain %s, which is not installed", wanted),
			Detail: "another toolchain packages other bytes", Hint: notInstalled(wanted)})
	}
	run := func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
		out, err := z.Run(ctx, zone.Command{Dir: dir, Argv: argv})
		if err == nil {
			err = out.Err()
		}
		return out.Stdout, err
	}
	var version []byte
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		version, err = run(ctx, r.files, "cargo", "--version")
		return err
	})
	g.Go(func() (err error) {
		r.workspace, err = cargo.Load(ctx, run, r.files)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return packagedWith(c, strings.TrimSpace(string(version)))
}

// notInstalled says what to do about a toolchain that is missing and was not installed.
func notInstalled(channel string) string {
	hint := "rustup toolchain install " + channel
	if !rustup.Pinned(channel) {
		hint += "; where rustup is there, Tagboat installs a toolchain that is pinned, such as 1.95 or nightly-2026-01-31"
	}
	return hint
}

// install brings a pinned toolchain that the commit asks for and this machine lacks, where rustup is there to do so.
func (r *Repository) install(ctx context.Context, at *zone.Config) error {
	channel := zone.Missing(*at)
	if channel == "" || !rustup.Possible(channel, os.Environ()) {
		return nil // the rules stop where it is missing all the same
	}
	if at.Toolchains == "" {
		at.Toolchains = filepath.Join(r.Scratch, "toolchains")
	}
	say := func(text string) {
		if r.Say != nil {
			r.Say(text)
		}
	}
	say(fmt.Sprintf("The commit asks for Rust %s, which is not here: rustup installs it into %s.", channel, at.Toolchains))
	return rustup.Install{Channel: channel, Checkout: r.files, Home: at.Toolchains, Scratch: r.Scratch, Environ: os.Environ()}.Run(ctx)
}

// Circumstances enters how another job says that it packaged, and judges that as if this one had.
func Circumstances(c *release.Checkout, cargoVersion string, isolation []string) error {
	isolated(c, isolation)
	return packagedWith(c, cargoVersion)
}

func isolated(c *release.Checkout, isolation []string) {
	c.Isolation = isolation
	for _, line := range isolation {
		if gap, ok := strings.CutPrefix(line, "not isolated: "); ok {
			c.Findings = append(c.Findings, release.Finding{Rule: "isolation", Severity: release.Warn, Summary: "the build zone cannot be enclosed fully here", Detail: gap, Hint: "isolation = \"require\" in [package] of tagboat.toml stops such a run"})
		}
	}
}

func packagedWith(c *release.Checkout, cargoVersion string) error {
	c.Toolchain = cargoVersion
	v, err := cargo.ParseCargoVersion(cargoVersion)
	if err != nil {
		return err
	}
	if p := cargo.ToolchainProblem(v); p != nil {
		c.Findings = append(c.Findings, release.Finding{Rule: "toolchain", Severity: release.Stop, Summary: p.Summary, Detail: p.Detail, Hint: p.Hint})
	}
	return nil
}

// Package packages crates of the checkout in its build zone.
func (r *Repository) Package(ctx context.Context, order observe.PackageOrder) (*pack.Result, error) {
	if r.ReadOnly {
		return nil, errors.New("package crates: the commit was opened for reading alone")
	}
	if err := r.opened(ctx); err != nil {
		return nil, err
	}
	p := r.config.Package
	indexes := indexes(r.workspace, r.config)
	stands, err := r.stands(indexes)
	if err != nil {
		return nil, err
	}
	req := pack.Request{Source: r.clone, Crates: order.Crates, Registry: order.Registry.Name, Indexes: indexes, Stands: stands, Own: r.config.Registries[order.Registry.Name].OwnSiblings,
		Locked: mode(p.Locked), Verify: mode(p.Verify), Features: p.Features, AllFeatures: p.AllFeatures, NoDefaultFeatures: p.NoDefaultFeatures, Out: order.Out, Progress: order.Progress}
	public, rest := r.workspace.Shared(req.Registry, req.Crates)
	if req.Own || len(public) == 0 {
		return pack.All(ctx, r.zone, req)
	}
	// What finds its siblings on crates.io is the same file for both registries, and cargo can only make it for that one.
	req.Crates, req.Registry = public, cargo.CratesIO
	made, err := pack.All(ctx, r.zone, req)
	if err != nil || len(rest) == 0 {
		return made, err
	}
	req.Crates, req.Registry, req.Out = rest, order.Registry.Name, filepath.Join(order.Out, "rest")
	if err := os.MkdirAll(req.Out, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for crates: %w", err)
	}
	more, err := pack.All(ctx, r.zone, req)
	if err != nil {
		return nil, err
	}
	for _, c := range more.Crates {
		if !slices.Contains(public, c.Name) {
			made.Crates = append(made.Crates, c)
		}
	}
	made.LockMade = made.LockMade || more.LockMade
	return made, nil
}

func mode(on bool) pack.Mode {
	if on {
		return pack.On
	}
	return pack.Off
}

// stands are the indexes that cargo must read instead of others: those given, and gates for registries that want a token.
func (r *Repository) stands(indexes map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for index, url := range r.Stands {
		out[index] = "sparse+" + url
	}
	if r.Gate == nil {
		return out, nil
	}
	for alias, index := range indexes {
		if out[index] != "" {
			continue
		}
		url, err := r.Gate(alias, index)
		if err != nil {
			return nil, err
		}
		if url != "" {
			out[index] = "sparse+" + url
		}
	}
	return out, nil
}

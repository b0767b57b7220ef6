// Package source reads the commit of a release from a local git repository, with the real cargo in the build zone.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/changelog"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
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

// Checkout takes the files of the commit that the request names out of the repository and reads them. Without a tag and a branch it reads HEAD, for checks
// before there is a tag; the version is then the crates' own.
func (r *Repository) Checkout(ctx context.Context, req release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	var c release.Checkout
	cfg, err := r.configAt(ctx, "HEAD")
	if err != nil {
		return c, cfg, err
	}
	if c.Tag, err = r.tag(ctx, cfg, req); err != nil {
		return c, cfg, err
	}
	if c.Commit = c.Tag.Commit; c.Commit == "" && req.Commit != "" && req.Tag == "" && req.Branch == "" {
		c.Commit = req.Commit
		if cfg, err = r.configAt(ctx, c.Commit); err != nil {
			return c, cfg, err
		}
	} else if c.Commit == "" {
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
		err = r.readTexts(&c)
		return c, r.config, err
	}
	if err := r.open(ctx, &c); err != nil {
		return c, cfg, err
	}
	if err := r.readCrates(&c); err != nil {
		return c, cfg, err
	}
	err = r.readTexts(&c)
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
		return release.Tag{}, r.noTag(ctx, name)
	}
	tag.Commit, tag.Annotated = there.Commit, there.Annotated
	return tag, err
}

func (r *Repository) noTag(ctx context.Context, name string) error {
	p := &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no tag %s in %s", name, r.Repo.Dir), Hint: fmt.Sprintf("git fetch origin tag %s, or make it: git tag -a %s", name, name)}
	if shallow, err := r.Repo.Shallow(ctx); err == nil && shallow {
		p.Detail = "the clone is shallow, so it has only the tags that were fetched with it"
		p.Hint = fmt.Sprintf("give actions/checkout `fetch-depth: 0`, or run: git fetch --depth=1 origin tag %s", name)
	}
	return p
}

// open makes the build zone and loads the workspace in it: even asking cargo for the crates may start a program that
// the repository names.
func (r *Repository) open(ctx context.Context, c *release.Checkout) error {
	demand := zone.Report
	if r.config.Package.Isolation == "require" {
		demand = zone.Require
	}
	z, err := zone.New(zone.Config{Dir: r.Scratch, Toolchain: r.config.Package.Toolchain, Checkout: r.files, Mounts: r.config.Package.Mounts, Env: r.config.Package.Env, Demand: demand})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.zone = z
	r.mu.Unlock()
	c.Isolation = z.Isolation()
	for _, line := range c.Isolation {
		if gap, ok := strings.CutPrefix(line, "not isolated: "); ok {
			c.Findings = append(c.Findings, release.Finding{Rule: "isolation", Severity: release.Warn, Summary: "the build zone cannot be enclosed fully here", Detail: gap, Hint: "isolation = \"require\" in [package] of tagboat.toml stops such a run"})
		}
	}
	if wanted := z.Toolchain().Wanted; wanted != "" {
		c.Findings = append(c.Findings, release.Finding{Rule: "toolchain", Severity: release.Stop, Summary: fmt.Sprintf("the repository asks for toolchain %s, which is not installed", wanted),
			Detail: "another toolchain packages other bytes", Hint: "rustup toolchain install " + wanted})
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
	c.Toolchain = strings.TrimSpace(string(version))
	if v, err := cargo.ParseCargoVersion(c.Toolchain); err != nil {
		return err
	} else if p := cargo.ToolchainProblem(v); p != nil {
		c.Findings = append(c.Findings, release.Finding{Rule: "toolchain", Severity: release.Stop, Summary: p.Summary, Detail: p.Detail, Hint: p.Hint})
	}
	return nil
}

// readCrates picks the crates of this release and judges the manifests.
func (r *Repository) readCrates(c *release.Checkout) error {
	w := r.workspace
	c.Indexes = w.Registries
	homes := map[string][]string{}
	for _, registry := range w.PublishRegistries() {
		for _, p := range w.Publishable(registry) {
			if (c.Tag.Crate == "" || c.Tag.Crate == p.Name) && !excluded(r.config.Package.Exclude, p.Name) {
				homes[p.Name] = append(homes[p.Name], registry)
			}
		}
	}
	names := make([]string, 0, len(homes))
	for name := range homes {
		names = append(names, name)
	}
	sort.Strings(names)
	graph, err := w.Graph(names)
	var cycle *cargo.CycleError
	if errors.As(err, &cycle) {
		graph = cargo.Graph{Order: names} // the manifest lint names the cycle and its cure
	} else if err != nil {
		return err
	}
	for _, name := range graph.Order {
		p, _ := w.Member(name)
		c.Crates = append(c.Crates, release.Crate{Name: name, Version: p.Version, Manifest: p.Manifest, Line: p.VersionAt.Line, Registries: homes[name], Needs: graph.Needs[name]})
	}
	for _, p := range w.Members {
		if homes[p.Name] == nil {
			c.Private = append(c.Private, p.Name)
		}
	}
	r.judge(c)
	return nil
}

func excluded(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// judge asks the lints that read the workspace.
func (r *Repository) judge(c *release.Checkout) {
	w := r.workspace
	if c.Tag.Name == "" && len(c.Crates) > 0 {
		c.Tag.Version = c.Crates[0].Version // a check before there is a tag: the version is the crates' own
		form := release.TagForm{Template: r.config.Tags.Template, TwoPart: r.config.Tags.TwoPart}
		if form.PerCrate() {
			c.Tag.Crate = c.Crates[0].Name
		}
		c.Tag.Name = form.Format(c.Tag.Crate, c.Tag.Version)
		c.Tag.Crate = ""
	}
	if form := (release.TagForm{Template: r.config.Tags.Template}); !form.PerCrate() {
		add(c, "tag-version", w.VersionsAgree(c.Tag.Version))
		add(c, "sibling-requirement", w.Siblings(c.Tag.Version))
	} else {
		for _, crate := range c.Crates {
			if c.Tag.Crate != "" && crate.Version != c.Tag.Version {
				c.Findings = append(c.Findings, release.Finding{Rule: "tag-version", Severity: release.Stop, Summary: fmt.Sprintf("the version of %s is %s, not %s", crate.Name, crate.Version, c.Tag.Version), File: crate.Manifest, Line: crate.Line, Hint: "tag the commit that has it"})
			}
		}
		add(c, "sibling-requirement", w.Siblings(""))
	}
	w.OwnSiblings = nil
	for name, registry := range r.config.Registries {
		if registry.OwnSiblings {
			w.OwnSiblings = append(w.OwnSiblings, name)
		}
	}
	add(c, "manifest-lint", cargo.Lint(w, w.Registries))
	add(c, "manifest-lint", twoAddresses(w.Registries, r.config.Registries))
	add(c, "lock-current", w.LockFindings())
}

// twoAddresses finds registries that cargo's configuration and tagboat.toml place at different indexes: the packaged
// manifests then name another registry than people's own builds use.
func twoAddresses(cargos map[string]string, ours map[string]config.Registry) []cargo.Finding {
	names := make([]string, 0, len(cargos))
	for name := range cargos {
		names = append(names, name)
	}
	sort.Strings(names)
	var out []cargo.Finding
	for _, name := range names {
		if r, ok := ours[name]; ok && name != cargo.CratesIO && r.Index != "" && r.Index != cargos[name] {
			out = append(out, cargo.Finding{Rule: "registry-index", Warn: true, Summary: fmt.Sprintf("registry %s has two addresses", name),
				Detail: fmt.Sprintf(".cargo/config.toml  %s\n%s        %s", cargos[name], config.File, r.Index),
				Hint:   "the packages name the one in " + config.File + ": write the same in both, or in one of them only", At: cargo.Position{File: config.File}})
		}
	}
	return out
}

func add(c *release.Checkout, rule string, found []cargo.Finding) {
	for _, f := range found {
		severity := release.Stop
		if f.Warn {
			severity = release.Warn
		}
		c.Findings = append(c.Findings, release.Finding{Rule: rule, Severity: severity, Summary: f.Summary, Detail: f.Detail, Hint: f.Hint, File: f.At.File, Line: f.At.Line})
	}
}

// readTexts reads the changelog and the workflows of the commit.
func (r *Repository) readTexts(c *release.Checkout) error {
	root, err := os.OpenRoot(r.files) // links must not lead out of the checkout
	if err != nil {
		return err
	}
	defer root.Close()
	if err := r.readNotes(root); err != nil {
		return err
	}
	name := r.config.Changelog.Path
	if r.workspace == nil {
		// no cargo was asked, and no text is needed
	} else if m, ok := r.workspace.Member(c.Tag.Crate); ok {
		name = strings.ReplaceAll(name, "{crate}", m.Dir())
	}
	if text, err := root.ReadFile(filepath.FromSlash(path.Clean(name))); err == nil {
		c.Changelog = release.Changelog{Path: name}
		c.Changelog.Section, c.Changelog.Found = changelog.Section(string(text), c.Tag.Version, r.config.Tags.TwoPart)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return unreadableFile("the changelog", name, err)
	}
	files, err := workflowFiles(root)
	if err != nil {
		return err
	}
	found, findings := FindWorkflow(files, r.config.Workflow.File)
	c.Workflow, c.Findings = found, append(c.Findings, findings...)
	for _, f := range files {
		if f.Name == found.File {
			c.Findings = append(c.Findings, LintWorkflow(f)...)
		}
	}
	return nil
}

// unreadableFile is the problem that a file of the commit is there and cannot be read: a folder, or a link that leads
// out of the repository.
func unreadableFile(what, name string, err error) error {
	return &problem.Error{Kind: problem.Stopped, Summary: what + " cannot be read", Detail: err.Error(), File: name, Hint: "it must be a file of the repository, or a link to one"}
}

// readNotes puts the text of notes_file where a text in tagboat.toml would stand.
func (r *Repository) readNotes(root *os.Root) error {
	name := r.config.Release.NotesFile
	if name == "" {
		return nil
	}
	text, err := root.ReadFile(filepath.FromSlash(path.Clean(name)))
	if err != nil {
		return &problem.Error{Kind: problem.Stopped, Summary: "the file for the release notes cannot be read", Detail: err.Error(), File: config.File, Hint: "notes_file in [release] names it, relative to the repository"}
	}
	r.config.Release.Notes = string(text)
	return nil
}

func workflowFiles(root *os.Root) ([]WorkflowFile, error) {
	entries, err := fs.ReadDir(root.FS(), ".github/workflows")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read workflows: %w", err)
	}
	var out []WorkflowFile
	for _, e := range entries {
		if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yml" && ext != ".yaml" {
			continue
		}
		text, err := root.ReadFile(filepath.Join(".github", "workflows", e.Name()))
		if err != nil {
			return nil, unreadableFile("a workflow", workflowPath(e.Name()), err)
		}
		out = append(out, WorkflowFile{Name: e.Name(), Content: text})
	}
	return out, nil
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
	indexes := r.indexes()
	stands, err := r.stands(indexes)
	if err != nil {
		return nil, err
	}
	req := pack.Request{Source: r.clone, Crates: order.Crates, Registry: order.Registry.Name, Indexes: indexes, Stands: stands, Own: r.config.Registries[order.Registry.Name].OwnSiblings,
		Locked: mode(p.Locked), Verify: mode(p.Verify), Features: p.Features, AllFeatures: p.AllFeatures, NoDefaultFeatures: p.NoDefaultFeatures, Out: order.Out, Progress: order.Progress}
	return pack.All(ctx, r.zone, req)
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

// indexes are the registries by alias, as cargo must find them.
func (r *Repository) indexes() map[string]string {
	out := map[string]string{}
	for alias, index := range r.workspace.Registries {
		out[alias] = index
	}
	for alias, c := range r.config.Registries {
		if alias != cargo.CratesIO && c.Index != "" {
			out[alias] = c.Index
		}
	}
	return out
}

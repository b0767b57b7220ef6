// Package repack publishes crates of others from one revision of a git repository: it rewrites the manifests of a clean
// clone so that the crates can live in another registry, and lets a release's own pipeline package, verify, keep and
// publish them. The ledger is a release in the repository that runs it, one for each revision.
package repack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
	"github.com/tagboat/tagboat/internal/semver"
)

// Order is what to publish.
type Order struct {
	Job   config.Redist
	Index string // of the registry that it goes to
	Rules config.ThirdParty
}

// Source is a release's source over a foreign repository. Close removes what it made.
type Source struct {
	Order   Order
	Config  config.Config // of the repository that runs it: toolchain, isolation, pace
	Scratch string        // an existing folder of this run alone
	Now     time.Time     // the day that {date} names
	// Gate opens a reading address for a registry that wants a token; see source.Repository. May be nil.
	Gate func(name, index string) (url string, err error)
	// Stands says which index cargo reads instead of another; see pack.Request.
	Stands map[string]string
	// Watch is the registry on which upstream might publish the crates itself. May be nil.
	Watch *registry.Client

	ledger   func(ctx context.Context, tag string) (*release.Bill, error) // as it stands in the release, whoever wrote it; may be nil
	mirror   *git.Repo
	clone    *git.Repo
	zone     *zone.Zone
	versions map[string]string // of the crates, where a bill says them
}

// Close ends the build zone.
func (s *Source) Close() error {
	if s.zone == nil {
		return nil
	}
	return s.zone.Close()
}

// TagPrefix begins the name of every ledger.
const TagPrefix = "redist-"

// Tag names the release that is the ledger of a revision: it is the same for every run with that revision.
func Tag(name, commit string) string { return TagPrefix + name + "-" + release.Short(commit) }

// Name is what the ledger calls the work where no [[redist]] names it: the repository's own name.
func Name(job config.Redist) string {
	if job.Name != "" {
		return job.Name
	}
	name := strings.TrimSuffix(path.Base(strings.TrimRight(filepath.ToSlash(job.Source), "/")), ".git")
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, name), "-")
}

// Checkout finds the revision, asks the ledger, and where that lacks it rewrites a clean clone.
func (s *Source) Checkout(ctx context.Context, _ release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	cfg := s.settings()
	commit, err := s.resolve(ctx)
	if err != nil {
		return release.Checkout{}, cfg, err
	}
	name := Name(s.Order.Job)
	c := release.Checkout{Commit: commit, Indexes: map[string]string{s.Order.Job.Registry: s.Order.Index},
		Tag:      release.Tag{Name: Tag(name, commit), Crate: name, Commit: commit},
		Upstream: &release.Upstream{Repository: git.StripCredentials(s.Order.Job.Source), Rev: s.Order.Job.Rev}}
	if sealed != nil {
		if bill := sealed(ctx, c, cfg); bill != nil && len(bill.Crates) > 0 {
			if err := s.covers(c.Tag.Name, bill); err != nil {
				return c, cfg, err
			}
			c.Sealed, c.Upstream = true, bill.Upstream
			c.Crates, _ = bill.Contents()
			c.Tag.Version = c.Crates[0].Version
			return c, cfg, nil
		}
	}
	if err := s.repeat(ctx, c.Tag.Name); err != nil {
		return c, cfg, err
	}
	return c, cfg, s.rewrite(ctx, &c)
}

// repeat takes the versions from a ledger that is there and cannot be believed, as after a change of the token. The same
// versions again give the same bytes, which proves it, or the run stops; those of today would be published beside them.
func (s *Source) repeat(ctx context.Context, tag string) error {
	if s.ledger == nil {
		return nil
	}
	bill, err := s.ledger(ctx, tag)
	if err != nil || bill == nil {
		return err
	}
	s.of(bill)
	return s.covers(tag, bill)
}

// of makes the source package under the versions of a bill.
func (s *Source) of(bill *release.Bill) {
	s.versions = map[string]string{}
	for _, c := range bill.Crates {
		s.versions[c.Name] = c.Version
	}
}

// covers refuses a ledger that is about other crates or another registry than this run: to go by it would leave out what
// is wanted, and say that nothing is missing.
func (s *Source) covers(tag string, bill *release.Bill) error {
	var missing []string
	for _, name := range s.Order.Job.Crates {
		if bill.Bound(name, s.Order.Job.Registry) == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 && bill.Upstream != nil {
		return nil
	}
	var there []string
	for _, c := range bill.Crates {
		for _, r := range c.Registries {
			there = append(there, fmt.Sprintf("%s %s -> %s", c.Name, c.Version, r.Name))
		}
	}
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the ledger %s of this revision is about other crates or another registry", tag),
		Detail: fmt.Sprintf("wanted  %s -> %s\nledger  %s", strings.Join(missing, ", "), s.Order.Job.Registry, strings.Join(there, ", ")),
		Hint:   "a revision is published once under one name: give this work another one, by --name or as a [[redist]] of its own"}
}

// settings are those of the repository that runs it, without what is said there of its own releases.
func (s *Source) settings() config.Config {
	cfg := s.Config
	own := config.Default()
	cfg.Release, cfg.Changelog, cfg.Blockers, cfg.Rules = own.Release, own.Changelog, own.Blockers, own.Rules
	cfg.Package.Publisher, cfg.Package.Features, cfg.Package.AllFeatures, cfg.Package.NoDefaultFeatures, cfg.Package.Exclude = own.Package.Publisher, own.Package.Features, false, false, own.Package.Exclude
	cfg.Release.GeneratedNotes, cfg.Release.Prerelease, cfg.Changelog.Required, cfg.Blockers.Label = false, "always", "never", ""
	name := Name(s.Order.Job)
	cfg.Release.Title = "Redistribution of " + name + " {version}"
	cfg.Release.Notes = fmt.Sprintf("Crates of %s at `%s`, published to the registry `%s`. bill.json says what was changed in their manifests.\n\n{crates}", git.StripCredentials(s.Order.Job.Source), s.Order.Job.Rev, s.Order.Job.Registry)
	return cfg
}

// resolve returns the commit of the revision. A whole hash needs no look at the repository.
func (s *Source) resolve(ctx context.Context) (string, error) {
	if rev := s.Order.Job.Rev; len(rev) == 40 && strings.Trim(rev, "0123456789abcdef") == "" {
		return rev, nil
	}
	if err := s.fetch(ctx); err != nil {
		return "", err
	}
	commit, err := s.mirror.Named(ctx, s.Order.Job.Rev)
	return commit, s.unknown(err)
}

func (s *Source) unknown(err error) error {
	if !errors.Is(err, git.ErrNotFound) && !errors.Is(err, git.ErrName) {
		return err
	}
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s has no revision %s", git.StripCredentials(s.Order.Job.Source), s.Order.Job.Rev), Err: err,
		Hint: "a commit must be reachable from a branch or a tag of that repository; a hash may be shortened"}
}

func (s *Source) fetch(ctx context.Context) (err error) {
	if s.mirror != nil {
		return nil
	}
	from := s.Order.Job.Source
	if s.mirror, err = git.Mirror(ctx, from, filepath.Join(s.Scratch, "upstream.git")); err != nil {
		s.mirror = nil
		return &problem.Error{Kind: problem.Failed, Summary: "cannot fetch " + git.StripCredentials(from), Err: err, Hint: "is the URL right, and can everybody read the repository? Tagboat gives git no credentials"}
	}
	return nil
}

// rewrite clones the revision and changes its manifests.
func (s *Source) rewrite(ctx context.Context, c *release.Checkout) error {
	if err := s.fetch(ctx); err != nil {
		return err
	}
	if _, err := s.mirror.Named(ctx, c.Commit); err != nil {
		return s.unknown(err)
	}
	var err error
	if s.clone, err = s.mirror.CloneAt(ctx, c.Commit, filepath.Join(s.Scratch, "source")); err != nil {
		return err
	}
	if err := absolutePaths(s.clone.Dir, s.Order.Job.Crates); err != nil {
		return err
	}
	w, err := s.open(ctx, c)
	if err != nil {
		return err
	}
	origin := redist.Origin{Date: s.Now, Commit: c.Commit}
	if origin.Count, err = s.mirror.Count(ctx, c.Commit); err != nil {
		return err
	}
	changes, err := s.changes(w, origin)
	if err != nil {
		return err
	}
	made, err := edit.Make(w, changes)
	if err == nil {
		err = edit.Write(w.Root, made.Files)
	}
	if err != nil {
		return err
	}
	for _, f := range made.Files {
		for _, e := range f.Edits {
			c.Upstream.Changes = append(c.Upstream.Changes, fmt.Sprintf("%s: %s = %q", f.Name, e.Key, e.New))
		}
	}
	return s.describe(ctx, c)
}

// open makes the build zone and loads the workspace in it.
func (s *Source) open(ctx context.Context, c *release.Checkout) (*cargo.Workspace, error) {
	demand := zone.Report
	if s.Config.Package.Isolation == "require" {
		demand = zone.Require
	}
	var err error
	if s.zone, err = zone.New(zone.Config{Dir: s.Scratch, Toolchain: s.Config.Package.Toolchain, Checkout: s.clone.Dir, Mounts: s.Config.Package.Mounts, Env: s.Config.Package.Env, Demand: demand}); err != nil {
		return nil, err
	}
	c.Isolation = s.zone.Isolation()
	for _, line := range c.Isolation {
		if gap, ok := strings.CutPrefix(line, "not isolated: "); ok {
			c.Findings = append(c.Findings, release.Finding{Rule: "isolation", Severity: release.Warn, Summary: "the build zone cannot be enclosed fully here", Detail: gap, Hint: "isolation = \"require\" in [package] of tagboat.toml stops such a run"})
		}
	}
	if wanted := s.zone.Toolchain().Wanted; wanted != "" {
		c.Findings = append(c.Findings, release.Finding{Rule: "toolchain", Severity: release.Warn, Summary: fmt.Sprintf("upstream asks for toolchain %s, which is not installed", wanted), Hint: "rustup toolchain install " + wanted})
	}
	out, err := s.run(ctx, s.clone.Dir, "cargo", "--version")
	if err != nil {
		return nil, err
	}
	c.Toolchain = strings.TrimSpace(string(out))
	v, err := cargo.ParseCargoVersion(c.Toolchain)
	if err != nil {
		return nil, err
	}
	if p := cargo.ToolchainProblem(v); p != nil {
		return nil, p
	}
	w, err := cargo.Load(ctx, s.run, s.clone.Dir)
	if err != nil { // also a member that is not wanted keeps cargo from reading the workspace
		if absolute := absolutePaths(s.clone.Dir, nil); absolute != nil {
			return nil, absolute
		}
	}
	return w, err
}

// run runs a program in the build zone, without a network.
func (s *Source) run(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	variable := "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(s.Order.Job.Registry, "-", "_")) + "_INDEX"
	out, err := s.zone.Run(ctx, zone.Command{Dir: dir, Argv: argv, Env: map[string]string{variable: s.Order.Index}})
	if err == nil {
		err = out.Err()
	}
	return out.Stdout, err
}

// changes works out what the manifests must say: versions, and where the chosen crates find each other.
func (s *Source) changes(w *cargo.Workspace, origin redist.Origin) (out edit.Changes, err error) {
	job := s.Order.Job
	out = edit.Changes{Versions: map[string]semver.Version{}}
	for _, name := range job.Crates {
		m, ok := w.Member(name)
		if !ok {
			return out, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s has no crate %s at %s", git.StripCredentials(job.Source), name, job.Rev),
				Detail: "it has: " + strings.Join(members(w), ", "), Hint: "crates are named as in their Cargo.toml"}
		}
		if !m.PublishAny && !slices.Contains(m.Publish, job.Registry) {
			return out, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the manifest of %s keeps it from registries like %s", name, job.Registry), File: m.Manifest, Line: m.Place("publish").Line,
				Hint: "its authors wrote publish = false, or named other registries; ask them, or leave it out"}
		}
		if err := s.whole(m); err != nil {
			return out, err
		}
		text, known := s.versions[name]
		if !known {
			if text, err = redist.Version(job.Version, m.Version, origin); err != nil {
				return out, err
			}
		}
		if out.Versions[name], err = semver.Parse(text); err != nil {
			return out, err
		}
		out.Depend = append(out.Depend, edit.Depend{On: name, In: job.Crates, Set: []edit.Value{{Key: "version", Value: "=" + text}, {Key: "registry", Value: job.Registry}}})
		for _, key := range slices.Sorted(maps.Keys(job.Metadata)) {
			if lacks(m, key) {
				out.Package = append(out.Package, edit.Key{Member: name, Value: edit.Value{Key: key, Value: job.Metadata[key]}})
			}
		}
	}
	return out, nil
}

func members(w *cargo.Workspace) []string {
	var out []string
	for _, m := range w.Members {
		out = append(out, m.Name)
	}
	return out
}

// lacks reports whether a manifest has no such key in [package], so that what is supplied never replaces what its
// authors say.
func lacks(m cargo.Package, key string) bool {
	_, there := m.At[key]
	return !there
}

// whole refuses a crate that needs another member of its workspace that is not chosen and cannot come from a registry.
func (s *Source) whole(m cargo.Package) error {
	for _, d := range m.Dependencies {
		switch {
		case d.Git != "" && !d.HasVersion && d.Kind != "dev":
			return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s depends on %s from git alone", m.Name, d.Name), Detail: d.Git, File: d.At.File, Line: d.At.Line, Hint: "no registry takes that; redistribute that repository first, with a revision that depends on a version"}
		case d.Path != "" && !d.HasVersion && d.Kind != "dev" && !slices.Contains(s.Order.Job.Crates, d.Name):
			return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s needs %s, which is not among the crates to publish", m.Name, d.Name), File: d.At.File, Line: d.At.Line, Hint: "add it: --crate " + d.Name}
		}
	}
	return nil
}

// describe reads the rewritten workspace: the crates in the order in which they are published.
func (s *Source) describe(ctx context.Context, c *release.Checkout) error {
	w, err := cargo.Load(ctx, s.run, s.clone.Dir)
	if err != nil {
		return err
	}
	graph, err := w.Graph(s.Order.Job.Crates)
	var cycle *cargo.CycleError
	if errors.As(err, &cycle) {
		return cycle.Problem()
	}
	if err != nil {
		return err
	}
	licences := redist.Licences{Allow: s.Order.Rules.Licenses, Deny: s.Order.Rules.DenyLicenses}
	for _, name := range graph.Order {
		m, _ := w.Member(name)
		if err := s.accepted(m, licences); err != nil {
			return err
		}
		c.Crates = append(c.Crates, release.Crate{Name: name, Version: m.Version, Manifest: m.Manifest, Line: m.VersionAt.Line, Registries: []string{s.Order.Job.Registry}, Needs: graph.Needs[name]})
		if doubts := redist.Doubts(m.Version); doubts != "" {
			c.Findings = append(c.Findings, release.Finding{Rule: "version", Severity: release.Warn, Summary: doubts, Hint: "another scheme avoids it: {version}-{date}, {version}-{date}.r{rev}, or {version}.{date} where upstream's own version is a pre-release"})
		}
		if m.Description == "" || m.License == "" && m.LicenseFile == "" {
			c.Findings = append(c.Findings, release.Finding{Rule: "metadata", Severity: release.Warn, Summary: fmt.Sprintf("the manifest of %s has no description or no license", name), File: m.Manifest, Hint: "some registries refuse that: supply them with metadata = { description = \"...\", license = \"...\" }"})
		}
	}
	c.Tag.Version = c.Crates[0].Version
	return nil
}

// accepted holds a crate against the rules for crates of others.
func (s *Source) accepted(m cargo.Package, licences redist.Licences) error {
	if redist.Matches(s.Order.Rules.DenyNames, m.Name) {
		return &problem.Error{Kind: problem.Stopped, Summary: "the configuration denies the crate " + m.Name, Hint: "deny_names in [thirdparty] of " + config.File}
	}
	if len(licences.Allow)+len(licences.Deny) == 0 || redist.Matches(s.Order.Rules.Reviewed, m.Name) {
		return nil
	}
	if err := licences.Accept(m.License); err != nil {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the licence of %s is not accepted", m.Name), Detail: err.Error(), File: m.Manifest, Hint: "nothing was published. licenses, deny_licenses and reviewed in [thirdparty] of " + config.File + " say what is accepted"}
	}
	return nil
}

// Package packages the rewritten crates in the build zone. cargo writes into each package that it comes from the
// upstream commit and is "dirty", which is what it is: that commit with other lines in its manifests.
func (s *Source) Package(ctx context.Context, order observe.PackageOrder) (*pack.Result, error) {
	indexes := map[string]string{s.Order.Job.Registry: s.Order.Index}
	stands := map[string]string{}
	maps.Copy(stands, s.Stands)
	if s.Gate != nil {
		url, err := s.Gate(s.Order.Job.Registry, s.Order.Index)
		if err != nil {
			return nil, err
		}
		if url != "" {
			stands[s.Order.Index] = "sparse+" + url
		}
	}
	verify := pack.On
	if !s.Config.Package.Verify {
		verify = pack.Off
	}
	packed, err := pack.All(ctx, s.zone, pack.Request{Source: s.clone, Changed: true, Crates: order.Crates, Registry: order.Registry.Name, Indexes: indexes, Stands: stands, Locked: pack.Off, Verify: verify, Out: order.Out, Progress: order.Progress})
	if err != nil {
		return nil, err
	}
	return packed, s.compare(ctx, packed)
}

// Publish is not for crates of others: cargo would show the token to their build scripts.
func (s *Source) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	return errors.New("crates of others are never published by cargo itself")
}

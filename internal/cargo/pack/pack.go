// Package pack makes the .crate files of a workspace inside the build zone: it fetches dependencies, lets cargo package
// and verify, and takes the files out before any code of a crate has run.
package pack

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
)

// Mode is a switch whose zero value is the safe side.
type Mode int

const (
	// On is the default: do it.
	On Mode = iota
	// Off leaves it out.
	Off
)

// Request says what to package, and how.
type Request struct {
	Source   *git.Repo // a clean clone at the commit
	Crates   []string  // names of the members to package; those among them that need each other may be unpublished
	Registry string    // alias of the registry that they go to; "" and cargo.CratesIO are crates.io

	Indexes map[string]string // alias -> index; told to cargo by environment, never in files
	// Stands says what cargo reads instead of an index: the index ("sparse+https://..." or cargo.CratesIOIndex) -> another one
	// ("sparse+http://..."), such as a gate that adds a token, or an embedded registry. It does not change the packages.
	Stands map[string]string

	// Own makes the crates find their siblings in Registry, where these go there too and the manifests name no registry. The
	// packages then have other bytes than the commit alone gives, and say so (.cargo_vcs_info.json: dirty).
	Own bool

	// Changed: the files of Source differ from its commit, on purpose. cargo then writes into the package that it comes from
	// that commit and is "dirty".
	Changed  bool
	Locked   Mode     // Off lets cargo bring a stale Cargo.lock up to date. Without a Cargo.lock one is made in either case
	Verify   Mode     // Off leaves the verification builds out; the result says so
	Features []string // features to verify with; empty is the default features
	// AllFeatures and NoDefaultFeatures are cargo's switches of these names, for the verification.
	AllFeatures, NoDefaultFeatures bool
	Out                            string                    // folder for the .crate files; it must exist
	Progress                       func(crate, phase string) // phase is "fetch", "package", "verify" or "compile NAME VERSION"; crate may be ""
}

// Result holds the crates in the order in which cargo packaged them, and what made them.
type Result struct {
	Crates    []Crate
	Rustc     string   // as `rustc --version` prints it
	Cargo     string   // as `cargo --version` prints it
	Isolation []string // of the zone
	Verified  bool     // every crate was built from its packaged sources
	LockMade  bool     // the commit has no usable Cargo.lock: dependencies were chosen today, and may be others tomorrow
}

// Crate is one .crate file.
type Crate struct {
	Name, Version string
	Path          string // of the .crate file, in Out
	SHA256        string // hex
	Size          int64
	Files         []string // paths inside the crate, without the leading name-version/
}

// All packages crates of one workspace inside the zone, verifies that each builds from its packaged sources, and
// leaves the .crate files in req.Out. They are what `cargo publish` would upload, and the same commit, toolchain and
// Cargo.lock give the same bytes again, whatever the registries hold by then.
//
// Only fetching dependencies has a network, and it runs no code of any crate. The .crate files are taken out of the zone
// before the first build script starts; the verification packages once more and must come to the same bytes. What an
// earlier call left in the zone is removed first.
func All(ctx context.Context, z *zone.Zone, req Request) (*Result, error) {
	if len(req.Crates) == 0 {
		return &Result{Verified: req.Verify == On, Isolation: z.Isolation()}, nil
	}
	if err := z.Reset(); err != nil {
		return nil, err
	}
	p := &packer{zone: z, req: req}
	result := &Result{Isolation: z.Isolation()}
	if err := p.versions(ctx, result); err != nil {
		return nil, err
	}
	var err error
	if p.dir, err = z.Import(req.Source.Dir); err != nil {
		return nil, err
	}
	defer os.RemoveAll(p.dir)
	if p.workspace, err = cargo.Load(ctx, p.metadata, p.dir); err != nil {
		return nil, err
	}
	if req.Own && req.Registry != "" && req.Registry != cargo.CratesIO {
		if err := p.own(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.fetch(ctx, result); err != nil {
		return nil, err
	}
	made, err := p.cargoPackage(ctx, "package", "--no-verify")
	if err != nil {
		return nil, err
	}
	if result.Crates, err = collect(z, "package", made, req.Out); err != nil {
		return nil, err
	}
	if err := p.complete(result.Crates); err != nil || req.Verify == Off {
		return result, err
	}
	if made, err = p.cargoPackage(ctx, "verify"); err != nil {
		return nil, err
	}
	result.Verified = true
	return result, p.same(result.Crates, made)
}

// packer is one packaging under way.
type packer struct {
	zone      *zone.Zone
	req       Request
	workspace *cargo.Workspace
	dir       string // the sources inside the zone, read-only there
	changed   bool   // by own
}

// versions asks for the toolchain's versions, outside of the checkout, and refuses one that cannot package workspaces.
func (p *packer) versions(ctx context.Context, result *Result) error {
	for _, v := range []struct {
		program string
		to      *string
	}{{"cargo", &result.Cargo}, {"rustc", &result.Rustc}} {
		out, err := p.zone.Run(ctx, zone.Command{Argv: []string{v.program, "--version"}})
		if err = cmp.Or(err, out.Err()); err != nil {
			return fmt.Errorf("ask %s for its version: %w", v.program, err)
		}
		*v.to = strings.TrimSpace(string(out.Stdout))
	}
	version, err := cargo.ParseCargoVersion(result.Cargo)
	if err != nil {
		return err
	}
	if bad := cargo.ToolchainProblem(version); bad != nil {
		return bad
	}
	return nil
}

// metadata runs a command that needs neither network nor lock for Load.
func (p *packer) metadata(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	out, err := p.zone.Run(ctx, zone.Command{Dir: dir, Argv: argv, Env: p.env("metadata")})
	return out.Stdout, cmp.Or(err, out.Err())
}

// fetch downloads every dependency into the zone's cargo home, so that all later phases need no network.
func (p *packer) fetch(ctx context.Context, result *Result) error {
	p.progress("", "fetch")
	if !p.workspace.HasLock || p.req.Locked == Off {
		changed, err := p.makeLock(ctx)
		if err != nil {
			return err
		}
		result.LockMade = changed
	}
	if err := p.open(ctx, p.dir, "fetch", "--locked"); err != nil {
		return err
	}
	return p.fetchSiblings(ctx)
}

// makeLock lets cargo write a lock file in a copy of the sources and takes that file alone over; it reports whether it
// differs from the commit's.
func (p *packer) makeLock(ctx context.Context) (bool, error) {
	copied, err := p.zone.Scratch("lock", p.dir)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(p.dir, p.workspace.Root)
	if err != nil {
		return false, fmt.Errorf("find the workspace in the sources: %w", err)
	}
	if err := p.open(ctx, filepath.Join(copied, rel), "metadata", "--format-version", "1"); err != nil {
		return false, err
	}
	made, err := readOut(copied, filepath.Join(rel, "Cargo.lock"))
	if err != nil {
		return false, fmt.Errorf("take over the lock file that cargo made: %w", err)
	}
	lock := filepath.Join(p.workspace.Root, "Cargo.lock")
	before, err := os.ReadFile(lock)
	if err == nil && string(before) == string(made) {
		return false, nil
	}
	if err := os.WriteFile(lock, made, 0o644); err != nil {
		return false, fmt.Errorf("take over the lock file that cargo made: %w", err)
	}
	return true, nil
}

// fetchSiblings downloads the members that the wanted crates need and that are not packaged now: they were published
// before, and cargo must find them in its cache when it works without a network. A manifest of ours names them.
func (p *packer) fetchSiblings(ctx context.Context) error {
	manifest := p.siblingManifest()
	if manifest == "" {
		return nil
	}
	dir, err := os.MkdirTemp(p.zone.Dir(), "siblings-")
	if err != nil {
		return fmt.Errorf("make a folder for a manifest: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(manifest), 0o644); err != nil {
		return fmt.Errorf("write a manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lib.rs"), nil, 0o644); err != nil {
		return fmt.Errorf("write a manifest: %w", err)
	}
	scratch, err := p.zone.Scratch("siblings", dir)
	if err != nil {
		return err
	}
	return p.open(ctx, scratch, "fetch")
}

// siblingManifest depends on each member that is needed but not wanted, "" when there is none. A requirement that no
// published version satisfies fails there, with cargo's own words, before anything is packaged.
func (p *packer) siblingManifest() string {
	var b strings.Builder
	for _, m := range p.workspace.Members {
		if !slices.Contains(p.req.Crates, m.Name) {
			continue
		}
		for _, d := range m.Dependencies {
			if d.Path == "" || !d.HasVersion || slices.Contains(p.req.Crates, d.Name) {
				continue
			}
			fmt.Fprintf(&b, "s%d = { package = %q, version = %q", b.Len(), d.Name, d.Req)
			if alias := p.alias(d.Registry); alias != "" {
				fmt.Fprintf(&b, ", registry = %q", alias)
			}
			b.WriteString(" }\n")
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "[package]\nname = \"tagboat-siblings\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n[lib]\npath = \"lib.rs\"\n\n[dependencies]\n" + b.String()
}

// alias returns the name under which cargo knows an index, "" for crates.io.
func (p *packer) alias(index string) string {
	if index == "" {
		return ""
	}
	for _, names := range []map[string]string{p.req.Indexes, p.workspace.Registries} {
		for alias, url := range names {
			if url == index {
				return alias
			}
		}
	}
	return ""
}

// complete fails where cargo left a wanted crate out.
func (p *packer) complete(made []Crate) error {
	for _, name := range p.req.Crates {
		if !slices.ContainsFunc(made, func(c Crate) bool { return c.Name == name }) {
			return fmt.Errorf("package %s: cargo did not package it and said nothing", name)
		}
	}
	return nil
}

// same compares what the verification packaged with what was taken out before it.
func (p *packer) same(taken []Crate, verified []madeCrate) error {
	for _, c := range taken {
		sum, size, err := sumOf(p.zone, "verify", madeCrate{c.Name, c.Version})
		if err != nil {
			return err
		}
		if sum != c.SHA256 {
			return &problem.Error{
				Kind:    problem.Stopped,
				Summary: fmt.Sprintf("the verified package of %s %s is not the one that would be published", c.Name, c.Version),
				Detail:  fmt.Sprintf("packaged: sha256 %s, %d bytes; verified: sha256 %s, %d bytes", c.SHA256, c.Size, sum, size),
				Hint:    "a build script or proc macro of a dependency changes packages while they are verified; find it before you publish anything",
			}
		}
	}
	if len(taken) != len(verified) {
		return fmt.Errorf("verify %d crates: cargo packaged %d", len(taken), len(verified))
	}
	return p.unpackedSame(taken)
}

// unpackedSame compares the sources that siblings were built against with the packages that they came from.
func (p *packer) unpackedSame(taken []Crate) error {
	root, err := os.OpenRoot(p.zone.CargoHome())
	if err != nil {
		return fmt.Errorf("read the zone's cargo home: %w", err)
	}
	defer root.Close()
	for _, c := range taken {
		dirs, err := fs.Glob(root.FS(), "registry/src/*/"+c.Name+"-"+c.Version)
		if err != nil {
			return fmt.Errorf("look for the unpacked %s: %w", c.Name, err)
		}
		for _, dir := range dirs {
			file, err := changedFile(root, dir, c)
			if err != nil {
				return fmt.Errorf("compare the unpacked %s %s: %w", c.Name, c.Version, err)
			}
			if file != "" {
				return &problem.Error{
					Kind:    problem.Stopped,
					Summary: fmt.Sprintf("crates were verified against a changed %s %s", c.Name, c.Version),
					Detail:  file + " was changed after it was unpacked",
					Hint:    "a build script or proc macro changes other crates' sources; find it before you publish anything",
				}
			}
		}
	}
	return nil
}

func (p *packer) progress(crate, phase string) {
	if p.req.Progress != nil {
		p.req.Progress(crate, phase)
	}
}

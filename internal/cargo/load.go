package cargo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
)

// maxMetadata bounds what a checkout may make us read. The largest workspaces in the open stay far below it.
const maxMetadata = 64 << 20

// Runner runs a program with dir as its working directory and returns its standard output. Its error holds what the
// program wrote to standard error. A checkout can name the programs that cargo starts, so the runner of a release is
// the build zone's.
type Runner func(ctx context.Context, dir string, argv ...string) (stdout []byte, err error)

// Load reads the workspace that dir belongs to: what `cargo metadata --no-deps` says of it, and from the files
// themselves what cargo does not say: lines, inheritance, cargo configuration. Neither needs the network. Whatever is
// wrong in a manifest comes back as a *problem.Error with file and line as far as they are known.
func Load(ctx context.Context, run Runner, dir string) (*Workspace, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("load workspace: %w", err)
	}
	reading := make(chan *loader, 1)
	go func() { reading <- readAll(dir) }() // while cargo reads the same files
	out, err := run(ctx, dir, "cargo", "metadata", "--no-deps", "--format-version", "1")
	l := <-reading
	defer func() { l.close() }()
	if err != nil {
		return nil, refused(ctx, dir, err)
	}
	if len(out) > maxMetadata {
		return nil, fmt.Errorf("load workspace %s: cargo metadata wrote %d bytes, the limit is %d", dir, len(out), maxMetadata)
	}
	if err := json.Unmarshal(out, &l.meta); err != nil {
		return nil, fmt.Errorf("load workspace %s: decode cargo metadata: %w", dir, err)
	}
	if l.meta.Root != dir {
		meta := l.meta
		l.close()
		l = readAll(meta.Root)
		l.meta = meta
	}
	if l.err != nil {
		return nil, fmt.Errorf("load workspace %s: %w", dir, l.err)
	}
	return l.workspace()
}

var (
	cargoPlace = regexp.MustCompile(`(?m)^ *--> (.+):(\d+):\d+$`)
	cargoFile  = regexp.MustCompile("(?m)manifest at `(.+)`$")
)

// refused turns cargo's refusal of a manifest into a problem with the place that cargo named.
func refused(ctx context.Context, dir string, err error) error {
	text := err.Error()
	if ctx.Err() != nil || !strings.Contains(text, "error: ") {
		return fmt.Errorf("load workspace %s: %w", dir, err)
	}
	p := &problem.Error{Kind: problem.Stopped, Summary: "cargo cannot read the workspace", Detail: text, Err: err}
	if _, none := os.Stat(filepath.Join(dir, "Cargo.toml")); errors.Is(none, os.ErrNotExist) {
		return &problem.Error{Kind: problem.Stopped, Summary: "the commit has no Cargo.toml", Err: err, Detail: "cargo needs one to say which crates there are",
			Hint: "the workspace is expected at the top of the repository"}
	}
	if m := cargoPlace.FindStringSubmatch(text); m != nil {
		p.File = filepath.ToSlash(m[1])
		p.Line, _ = strconv.Atoi(m[2])
	} else if m := cargoFile.FindStringSubmatch(text); m != nil {
		if rel, err := filepath.Rel(dir, m[1]); err == nil {
			p.File = filepath.ToSlash(rel)
		}
	}
	return p
}

// metadata is what `cargo metadata --format-version 1` prints, as far as it is used here.
// https://doc.rust-lang.org/cargo/commands/cargo-metadata.html#json-format
type metadata struct {
	Root     string        `json:"workspace_root"`
	Target   string        `json:"target_directory"`
	Packages []metaPackage `json:"packages"`
}

type metaPackage struct {
	Name, Version, Description, License, Readme string
	Repository, Homepage, Documentation, Links  string
	LicenseFile                                 string `json:"license_file"`
	RustVersion                                 string `json:"rust_version"`
	ManifestPath                                string `json:"manifest_path"`
	Keywords, Categories, Authors               []string
	Publish                                     *[]string
	Features                                    map[string][]string
	Dependencies                                []metaDependency
	Targets                                     []struct{ Kind []string }
}

type metaDependency struct {
	Name, Source, Req, Kind, Rename, Target, Registry, Path string
	Optional                                                bool
}

type loader struct {
	meta      metadata
	tree      *manifest.Tree
	manifests []string // every Cargo.toml below the root, but its own
	err       error
}

// maxEntries bounds the search for manifests.
const maxEntries = 200_000

// readAll opens a folder and reads every manifest in it.
func readAll(root string) *loader {
	l := &loader{}
	if l.tree, l.err = manifest.Open(root); l.err != nil {
		return l
	}
	seen := 0
	l.err = fs.WalkDir(l.tree.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if seen++; err != nil || seen > maxEntries {
			return cmp.Or(err, fs.SkipAll)
		}
		if e.IsDir() && e.Name() == ".git" {
			return fs.SkipDir
		}
		if e.Name() == "Cargo.toml" && name != "Cargo.toml" {
			l.manifests = append(l.manifests, name)
			l.tree.Read(name) // an error comes again where the manifest is needed
		}
		return nil
	})
	if l.err != nil {
		l.err = fmt.Errorf("look for manifests: %w", l.err)
	}
	return l
}

func (l *loader) close() {
	if l.tree != nil {
		l.tree.Close()
	}
}

func (l *loader) workspace() (*Workspace, error) {
	set, err := l.settings()
	if err != nil {
		return nil, err
	}
	w := &Workspace{
		Root: l.meta.Root, Registries: set.Registries, DefaultRegistry: set.DefaultRegistry, ReplacedBy: set.ReplacedBy,
		Programs: set.Programs, Toolchain: set.Toolchain,
	}
	for _, m := range l.meta.Packages {
		p, err := l.member(m)
		if err != nil {
			return nil, err
		}
		w.Members = append(w.Members, p)
	}
	slices.SortFunc(w.Members, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	_, err = l.tree.Stat("Cargo.lock")
	w.HasLock = err == nil
	w.Nested = l.nested()
	return w, nil
}

// settings reads what tells cargo and rustup how to behave here. Both look in every folder from the workspace's up; those
// above the repository are this machine's and no business of the release. The nearest value wins.
func (l *loader) settings() (manifest.Settings, error) {
	set, err := l.tree.Settings()
	if err != nil {
		return manifest.Settings{}, err
	}
	up := ""
	for _, dir := range above(l.meta.Root) {
		up = path.Join(up, "..")
		tree, err := manifest.Open(dir)
		if err != nil {
			return manifest.Settings{}, fmt.Errorf("read the settings above the workspace: %w", err)
		}
		next, err := tree.Settings()
		tree.Close()
		if err != nil {
			return manifest.Settings{}, fmt.Errorf("read the settings above the workspace, in %s: %w", up, err)
		}
		set.Fill(next.Under(up))
	}
	return set, nil
}

// above returns the folders above root that belong to its repository, nearest first.
func above(root string) []string {
	var out []string
	for dir := root; ; dir = filepath.Dir(dir) {
		if dir != root {
			out = append(out, dir)
		}
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return out
		}
		if filepath.Dir(dir) == dir {
			return nil // no repository: nothing says where the checkout ends
		}
	}
}

// member joins what cargo says of a package with the places in its manifest.
func (l *loader) member(m metaPackage) (Package, error) {
	file, err := l.below(m.ManifestPath)
	if err != nil {
		return Package{}, err
	}
	doc, err := l.tree.Read(file)
	if err != nil {
		return Package{}, err
	}
	p := Package{
		Name: m.Name, Version: m.Version, Manifest: file, PublishAny: m.Publish == nil, Features: m.Features,
		Description: m.Description, License: m.License, LicenseFile: m.LicenseFile, Readme: m.Readme,
		Repository: m.Repository, Homepage: m.Homepage, Documentation: m.Documentation,
		Links: m.Links, RustVersion: m.RustVersion,
		Keywords: m.Keywords, Categories: m.Categories, Authors: m.Authors,
	}
	if m.Publish != nil {
		p.Publish = *m.Publish
	}
	for _, t := range m.Targets {
		p.ProcMacro = p.ProcMacro || slices.Contains(t.Kind, "proc-macro")
		p.BuildScript = p.BuildScript || slices.Contains(t.Kind, "custom-build")
	}
	if err := l.places(&p, doc); err != nil {
		return Package{}, err
	}
	for key, name := range map[string]string{"readme": p.Readme, "license-file": p.LicenseFile} {
		if _, err := os.Stat(filepath.Join(l.meta.Root, filepath.FromSlash(path.Join(p.Dir(), name)))); name != "" && err != nil {
			p.MissingFiles = append(p.MissingFiles, key)
		}
	}
	slices.Sort(p.MissingFiles)
	for _, d := range m.Dependencies {
		dep, err := l.dependency(p, doc, d)
		if err != nil {
			return Package{}, err
		}
		p.Dependencies = append(p.Dependencies, dep)
	}
	return p, nil
}

// below returns the slash path of a manifest relative to the root.
func (l *loader) below(manifestPath string) (string, error) {
	rel, err := filepath.Rel(l.meta.Root, manifestPath)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &problem.Error{
			Kind: problem.Stopped, File: "Cargo.toml", Summary: "a workspace member lies outside of the workspace's folder",
			Detail: manifestPath, Hint: "move it below the folder of the root manifest",
		}
	}
	return filepath.ToSlash(rel), nil
}

// places notes where each key of [package] is really written.
func (l *loader) places(p *Package, doc *manifest.Node) error {
	table := doc.First("package", "project")
	p.At = map[string]Position{"package": table.At(p.Manifest)}
	p.Versionless = table.Get("version") == nil
	for _, key := range table.Keys() {
		p.At[key] = table.Get(key).At(p.Manifest)
		if table.Get(key, "workspace").True() {
			root, err := l.tree.Read("Cargo.toml")
			if err != nil {
				return err
			}
			if v := root.Get("workspace", "package", key); v != nil {
				p.At[key] = v.At("Cargo.toml")
			}
		}
	}
	p.VersionAt = p.Place("version")
	return nil
}

// dependency joins what cargo says of a dependency with the place of its requirement.
func (l *loader) dependency(p Package, doc *manifest.Node, m metaDependency) (Dependency, error) {
	d := Dependency{
		Name: m.Name, Rename: m.Rename, Req: m.Req, Kind: cmp.Or(m.Kind, "normal"), Target: m.Target,
		Registry: m.Registry, Optional: m.Optional, At: p.Place("package"),
	}
	if git, ok := strings.CutPrefix(m.Source, "git+"); ok {
		d.Git = git
	}
	if isCratesIO(d.Registry) {
		d.Registry = ""
	}
	if m.Path != "" {
		rel, err := filepath.Rel(l.meta.Root, m.Path)
		if err != nil {
			return Dependency{}, fmt.Errorf("load %s: dependency %s: %w", p.Manifest, m.Name, err)
		}
		d.Path = filepath.ToSlash(rel)
	}
	key, file := cmp.Or(m.Rename, m.Name), p.Manifest
	node := listed(doc, d, key)
	if node.Get("workspace").True() {
		root, err := l.tree.Read("Cargo.toml")
		if err != nil {
			return Dependency{}, err
		}
		node, file = root.Get("workspace", "dependencies", key), "Cargo.toml"
	}
	if node == nil {
		return d, nil
	}
	version := node.Get("version")
	d.HasVersion = node.String() != "" || version.String() != ""
	d.At = node.At(file)
	if version != nil {
		d.At = version.At(file)
	}
	return d, nil
}

// listed returns the entry of a dependency in its member's manifest. Cargo prints a target's cfg() without the spaces
// that the manifest may have.
func listed(doc *manifest.Node, d Dependency, key string) *manifest.Node {
	tables := []*manifest.Node{doc}
	if d.Target != "" {
		tables = nil
		targets := doc.Get("target")
		for _, name := range targets.Keys() {
			if squeeze(name) == squeeze(d.Target) {
				tables = append(tables, targets.Get(name))
			}
		}
	}
	names := map[string][]string{
		"normal": {"dependencies"},
		"dev":    {"dev-dependencies", "dev_dependencies"},
		"build":  {"build-dependencies", "build_dependencies"},
	}
	for _, t := range tables {
		if n := t.First(names[d.Kind]...).Get(key); n != nil {
			return n
		}
	}
	return nil
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// isCratesIO reports whether an index URL is crates.io's, in either of its protocols.
func isCratesIO(index string) bool {
	return index == "https://github.com/rust-lang/crates.io-index" || index == "sparse+https://index.crates.io/"
}

// nested returns the folders below the root, other than the root, that are workspaces of their own: those whose
// manifest has a [workspace] table, and the root's `exclude` entries that are packages.
func (l *loader) nested() []string {
	found := map[string]bool{}
	target, _ := filepath.Rel(l.meta.Root, l.meta.Target)
	for _, name := range l.manifests {
		if strings.HasPrefix(name, filepath.ToSlash(target)+"/") {
			continue
		}
		// A tree may hold broken manifests as test data; only those that cargo names are the release's concern.
		if doc, err := l.tree.Read(name); err == nil && doc.Get("workspace") != nil {
			found[path.Dir(name)] = true
		}
	}
	if root, err := l.tree.Read("Cargo.toml"); err == nil {
		for _, dir := range root.Get("workspace", "exclude").Strings() {
			if _, err := l.tree.Stat(filepath.Join(filepath.FromSlash(dir), "Cargo.toml")); err == nil {
				found[path.Clean(dir)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

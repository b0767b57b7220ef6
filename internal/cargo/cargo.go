// Package cargo knows Rust on disk: a workspace's crates, what they need of each other, and what a registry or a consumer
// would hold against their manifests. Package pack makes them into .crate files.
//
// [Load] reads a checkout, [Workspace.Graph] orders its crates, [Lint] and [Workspace.Siblings] judge the manifests.
// Nothing in this package talks to a registry. Names, versions and positions come from files that others wrote: they
// are data to show, never paths to follow or commands to run.
package cargo

import (
	"path"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
)

// CratesIO is the name of the public registry in `publish` and on the command line.
const CratesIO = "crates-io"

// CratesIOIndex is how cargo names the index of crates.io.
const CratesIOIndex = "https://github.com/rust-lang/crates.io-index"

// Workspace is one cargo workspace as its files say it is. A single package is a workspace of one.
type Workspace struct {
	Root    string    // absolute folder of the workspace's root manifest
	Members []Package // by name

	Registries      map[string]string // alias -> index URL, from the checkout's cargo configuration
	DefaultRegistry string            // [registry] default, "" = crates.io
	ReplacedBy      map[string]string // [source.X] replace-with, X -> name
	Programs        []Program         // what the checkout asks cargo or rustup to start
	Toolchain       string            // rust-toolchain channel, "" when the checkout names none
	Withheld        []string          // members that are published some other time or way, if at all; Load leaves it empty
	OwnSiblings     []string          // registries whose packages name themselves as the registry of siblings; Load leaves it empty
	HasLock         bool              // a Cargo.lock lies beside the root manifest
	Nested          []string          // folders of other workspaces below Root, relative and slash-separated
}

// Package is one member of a workspace.
type Package struct {
	Name, Version string
	Manifest      string // slash path of its Cargo.toml relative to Root

	Publish     []string // registries it may go to; empty with PublishAny false: none
	PublishAny  bool     // `publish` is absent or true: it goes to the default registry
	Versionless bool     // its manifest has no version: cargo says 0.0.0 and refuses to publish it

	Dependencies []Dependency
	Features     map[string][]string

	Description, License, LicenseFile, Readme   string // file paths are relative to the crate's own folder
	Repository, Homepage, Documentation         string
	Links, RustVersion                          string
	Keywords, Categories, Authors, MissingFiles []string // MissingFiles: "readme", "license-file" whose file is not in the tree
	ProcMacro, BuildScript                      bool

	VersionAt Position            // where the version is really written: with inheritance, in the root manifest
	At        map[string]Position // the same for every [package] key, "package" for the table itself
}

// Dependency is one dependency of a member, after inheritance.
type Dependency struct {
	Name       string // the crate
	Rename     string // the name it has in the manifest, "" when that is Name
	Req        string // version requirement as cargo reads it; "*" when there is none
	Kind       string // "normal", "dev" or "build"
	Target     string // platform, such as "cfg(unix)", "" = all
	Registry   string // index URL, "" = crates.io
	Path       string // folder, slash path relative to Root, "" = none
	Git        string // repository URL with its query, "" = none
	HasVersion bool   // the manifest states a requirement; without one cargo leaves a dev-dependency out of the package
	Optional   bool
	At         Position // where the requirement is really written, else where the dependency is
}

// Position is a place in a file of the workspace: its slash path relative to Root, and its line from 1.
type Position = manifest.Position

// Program is a place where the checkout makes cargo or rustup start a program or changes the environment of one.
type Program = manifest.Program

// Finding is what a check holds against a manifest.
type Finding struct {
	Rule    string // stable name, such as "sibling-registry"
	Summary string // one sentence without a final period
	Detail  string
	Hint    string // what to write instead
	At      Position
	Warn    bool // worth a sentence, no reason to stop
}

// Edge says that From needs To to be published before it.
type Edge struct {
	From, To string
	Kind     string   // as in Dependency
	At       Position // the dependency in From's manifest
}

// Graph is the order in which crates of one workspace can be published.
type Graph struct {
	Order []string            // dependencies first, by name among those that are ready
	Needs map[string][]string // crate -> the crates that must be there before it, by name
}

// Dir returns the crate's folder as a slash path relative to the root, "." for the root itself.
func (p Package) Dir() string { return path.Dir(p.Manifest) }

// Place returns where a [package] key is really written, or the table where the key is not written at all.
func (p Package) Place(key string) Position {
	if at, ok := p.At[key]; ok {
		return at
	}
	return p.At["package"]
}

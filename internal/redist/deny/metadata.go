package deny

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/redist"
)

// CratesIO is how cargo spells crates.io as a source. Advisories without a source are about its crates alone.
const CratesIO = "registry+https://github.com/rust-lang/crates.io-index"

// root is the one member of the workspace that the document describes; it uses the crates that were asked for by
// themselves. rest, a package beside it, uses all of them. So whatever deny.toml says of advisories about direct and
// other dependencies ("workspace", "transitive") is judged, and every crate is reached.
const (
	root = "tagboat-wanted"
	rest = "tagboat-rest"
)

// The document is what `cargo metadata --format-version 1` prints, as far as readers insist on it.
// https://doc.rust-lang.org/cargo/commands/cargo-metadata.html
type document struct {
	Packages       []pkg    `json:"packages"`
	Members        []string `json:"workspace_members"`
	DefaultMembers []string `json:"workspace_default_members"`
	Resolve        struct {
		Nodes []node  `json:"nodes"`
		Root  *string `json:"root"`
	} `json:"resolve"`
	Target   string `json:"target_directory"`
	Version  int    `json:"version"`
	Root     string `json:"workspace_root"`
	Metadata any    `json:"metadata"`
}

type pkg struct {
	Name         string              `json:"name"`
	Version      string              `json:"version"`
	ID           string              `json:"id"`
	Source       *string             `json:"source"`
	Dependencies []dependency        `json:"dependencies"`
	Targets      []struct{}          `json:"targets"`
	Features     map[string][]string `json:"features"`
	Manifest     string              `json:"manifest_path"`
	Edition      string              `json:"edition"`
	Publish      []string            `json:"publish"` // null: exclude-unpublished in deny.toml must not leave it out
	Metadata     any                 `json:"metadata"`
}

type dependency struct {
	Name     string   `json:"name"`
	Source   *string  `json:"source"`
	Req      string   `json:"req"`
	Kind     *string  `json:"kind"`
	Optional bool     `json:"optional"`
	Defaults bool     `json:"uses_default_features"`
	Features []string `json:"features"`
	Path     string   `json:"path,omitempty"`
}

type node struct {
	ID           string   `json:"id"`
	Dependencies []string `json:"dependencies"`
	Deps         []edge   `json:"deps"`
	Features     []string `json:"features"`
}

type edge struct {
	Name  string `json:"name"`
	Pkg   string `json:"pkg"`
	Kinds []kind `json:"dep_kinds"`
}

type kind struct {
	Kind   *string `json:"kind"`
	Target *string `json:"target"`
}

// metadata describes a workspace in dir that uses the crates. Packages that are not there are never read.
func metadata(dir, source string, crates []redist.Crate) []byte {
	local := func(name, at string) (pkg, node) {
		p := newPackage(name, "0.0.0", "path+file://"+filepath.ToSlash(at)+"#"+name+"@0.0.0", filepath.Join(at, "Cargo.toml"))
		return p, newNode(p.ID)
	}
	member, top := local(root, dir)
	others, below := local(rest, filepath.Join(dir, rest))
	use(&member, &top, others, dependency{Path: filepath.Join(dir, rest)})
	d := document{Members: []string{member.ID}, DefaultMembers: []string{member.ID}, Target: filepath.Join(dir, "target"), Version: 1, Root: dir}
	crates = slices.Clone(crates)
	slices.SortFunc(crates, func(a, b redist.Crate) int { return strings.Compare(a.Key(), b.Key()) })
	for _, c := range crates {
		p := newPackage(c.Name, c.Version, source+"#"+c.Key(), filepath.Join(dir, "registry", "src", "index", c.Name+"-"+c.Version, "Cargo.toml"))
		p.Source = &source
		use(&others, &below, p, dependency{Source: &source})
		if c.Direct {
			use(&member, &top, p, dependency{Source: &source})
		}
		d.Packages, d.Resolve.Nodes = append(d.Packages, p), append(d.Resolve.Nodes, newNode(p.ID))
	}
	d.Packages, d.Resolve.Nodes = append(d.Packages, member, others), append(d.Resolve.Nodes, top, below)
	d.Resolve.Root = &member.ID
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and lists alone
	}
	return text
}

func newPackage(name, version, id, manifest string) pkg {
	return pkg{Name: name, Version: version, ID: id, Manifest: manifest, Edition: "2021", Dependencies: []dependency{}, Targets: []struct{}{}, Features: map[string][]string{}}
}

func newNode(id string) node {
	return node{ID: id, Dependencies: []string{}, Deps: []edge{}, Features: []string{}}
}

// use makes one package use exactly another one. None has features, so that nothing is left out for want of one.
func use(user *pkg, at *node, used pkg, d dependency) {
	d.Name, d.Req, d.Features = used.Name, "="+used.Version, []string{}
	user.Dependencies = append(user.Dependencies, d)
	at.Dependencies = append(at.Dependencies, used.ID)
	at.Deps = append(at.Deps, edge{Name: strings.ReplaceAll(used.Name, "-", "_"), Pkg: used.ID, Kinds: []kind{{}}})
}

package cargodeny

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

const cratesIO = "registry+https://github.com/rust-lang/crates.io-index"

// graph is what a metadata document says, as far as its roots lead.
type graph struct {
	packages map[string]krate
	nodes    map[string]knot
	users    map[string][]string // of reached packages
	members  []string
	reached  []string
}

type krate struct {
	Name, Version, ID, Source string
	Publish                   *[]string
	Dependencies              []wish
}

type wish struct {
	Name, Req    string
	Kind, Target *string
	Optional     bool
}

type knot struct {
	ID   string
	Deps []struct {
		Name, Pkg string
		Kinds     []struct {
			Kind, Target *string
		} `json:"dep_kinds"`
	}
}

// needed are the keys that the document's reader insists on.
// https://github.com/EmbarkStudios/krates/blob/0.21.2/src/cm/de.rs
var needed = map[string][]string{
	"":           {"packages", "workspace_members", "workspace_root", "target_directory", "resolve"},
	"package":    {"name", "version", "id", "dependencies", "targets", "features", "manifest_path"},
	"dependency": {"name", "req", "optional", "uses_default_features", "features"},
	"resolve":    {"nodes", "root"},
	"node":       {"id", "dependencies"},
	"dep":        {"name", "pkg"},
}

func insist(kind string, v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("invalid type: want a %s", kind)
	}
	for _, key := range needed[kind] {
		if _, ok := m[key]; !ok {
			return nil, fmt.Errorf("missing field `%s`", key)
		}
	}
	return m, nil
}

// insistAll holds that every element of a list has what its kind needs, and then of the list inside it.
func insistAll(v any, kinds ...string) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("invalid type: want a list of %s", kinds[0])
	}
	inner := map[string]string{"package": "dependencies", "node": "deps"}
	for _, e := range list {
		m, err := insist(kinds[0], e)
		if err == nil && len(kinds) > 1 {
			err = insistAll(m[inner[kinds[0]]], kinds[1:]...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readGraph(text []byte, exclude []string) (g graph, err error) {
	var loose any
	if err := json.Unmarshal(text, &loose); err != nil {
		return g, err
	}
	top, err := insist("", loose)
	if err == nil {
		err = insistAll(top["packages"], "package", "dependency")
	}
	if err != nil {
		return g, err
	}
	resolve, err := insist("resolve", top["resolve"])
	if err == nil {
		err = insistAll(resolve["nodes"], "node", "dep")
	}
	if err != nil {
		return g, err
	}
	var d struct {
		Packages []krate
		Members  []string `json:"workspace_members"`
		Resolve  struct {
			Nodes []knot
			Root  *string
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return g, err
	}
	g = graph{packages: map[string]krate{}, nodes: map[string]knot{}, users: map[string][]string{}, members: d.Members}
	for _, p := range d.Packages {
		g.packages[p.ID] = p
		if _, key, ok := strings.Cut(p.ID, "#"); !ok || key != p.Name+"@"+p.Version {
			panicked("unable to parse package id '%s'", p.ID)
		}
	}
	for _, n := range d.Resolve.Nodes {
		if _, ok := g.packages[n.ID]; !ok {
			panicked("oh no, it looks we couldn't find '%s'", n.ID)
		}
		g.nodes[n.ID] = n
	}
	roots := d.Members
	if d.Resolve.Root != nil {
		roots = []string{*d.Resolve.Root}
	}
	for _, id := range roots {
		g.visit(id, exclude)
	}
	if len(g.reached) == 0 {
		return g, fmt.Errorf("no root crates")
	}
	slices.Sort(g.reached)
	return g, nil
}

// visit follows what a package uses. A resolved dependency must be one that the package declares.
func (g *graph) visit(id string, exclude []string) {
	n, ok := g.nodes[id]
	if !ok {
		panicked("called `Result::unwrap()` on an `Err` value: no node for %s", id)
	}
	user := g.packages[id]
	if slices.Contains(g.reached, id) || slices.Contains(exclude, user.Name) {
		return
	}
	g.reached = append(g.reached, id)
	for _, e := range n.Deps {
		used := g.packages[e.Pkg]
		for _, k := range e.Kinds {
			i := slices.IndexFunc(user.Dependencies, func(d wish) bool {
				return d.Name == used.Name && strings.ReplaceAll(d.Name, "-", "_") == strings.ReplaceAll(e.Name, "-", "_") && d.Kind == nil && k.Kind == nil && d.Target == nil && k.Target == nil && d.Req == "="+used.Version
			})
			if i < 0 {
				panicked("cargo metadata resolved a dependency for a dependency not specified by the crate: %s", e.Pkg)
			}
			if !user.Dependencies[i].Optional {
				g.users[e.Pkg] = append(g.users[e.Pkg], id)
				g.visit(e.Pkg, exclude)
			}
		}
	}
}

func panicked(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\nthread 'main' panicked at src/builder.rs:\n"+format+"\n", args...)
	os.Exit(101)
}

// within reports whether advisories of a scope are told about a package.
func (g graph) within(id, scope string) bool {
	if scope == "all" || scope == "none" {
		return scope == "all"
	}
	return slices.ContainsFunc(g.users[id], func(user string) bool { return slices.Contains(g.members, user) != (scope == "transitive") })
}

// inclusion tells who uses a package.
func (g graph) inclusion(id string) map[string]any {
	p := g.packages[id]
	n := map[string]any{"Krate": map[string]any{"name": p.Name, "version": p.Version}}
	var parents []any
	for _, user := range g.users[id] {
		parents = append(parents, g.inclusion(user))
	}
	if parents != nil {
		n["parents"] = parents
	}
	return n
}

package cargo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// Member returns the member of that name.
func (w *Workspace) Member(name string) (Package, bool) {
	i, ok := slices.BinarySearchFunc(w.Members, name, func(p Package, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return Package{}, false
	}
	return w.Members[i], true
}

// Publishable returns the members that go to the registry of that name, by name. A member without a `publish` list
// goes to the workspace's default registry, which is crates-io unless the checkout's cargo configuration names another.
func (w *Workspace) Publishable(registry string) []Package {
	var out []Package
	for _, p := range w.Members {
		if slices.Contains(w.destinations(p), registry) {
			out = append(out, p)
		}
	}
	return out
}

// PublishRegistries returns every registry that a member goes to, by name.
func (w *Workspace) PublishRegistries() []string {
	var out []string
	for _, p := range w.Members {
		out = append(out, w.destinations(p)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Shared splits crates that go to a registry, where some of them find siblings on crates.io although these are in that
// registry, too. public are those that go to crates.io as well; rest is what must be packaged for the registry, with those of
// public that others may need of it. Both are nil where no crate does so.
func (w *Workspace) Shared(registry string, crates []string) (public, rest []string) {
	stray := false
	for _, name := range crates {
		p, ok := w.Member(name)
		if !ok || registry == CratesIO || !slices.Contains(w.destinations(p), CratesIO) {
			rest = append(rest, name)
			continue
		}
		public = append(public, name)
		if w.straysFrom(p, registry) {
			stray = true
		} else {
			rest = append(rest, name)
		}
	}
	if !stray {
		return nil, nil
	}
	if !slices.ContainsFunc(rest, func(name string) bool { return !slices.Contains(public, name) }) {
		rest = nil
	}
	return public, rest
}

// straysFrom reports whether consumers of p in a registry find one of its siblings on crates.io that is in the registry, too.
func (w *Workspace) straysFrom(p Package, registry string) bool {
	return slices.ContainsFunc(p.Dependencies, func(d Dependency) bool {
		s, ok := w.sibling(d)
		if !ok || s.Name == p.Name || d.Path == "" || !d.HasVersion || d.Registry != "" {
			return false
		}
		there := w.destinations(s)
		return slices.Contains(there, registry) && slices.Contains(there, CratesIO)
	})
}

// destinations returns the registries that p goes to.
func (w *Workspace) destinations(p Package) []string {
	switch {
	case !p.PublishAny: // none, where the manifest has no version
		return p.Publish
	case w.DefaultRegistry != "":
		return []string{w.DefaultRegistry}
	default:
		return []string{CratesIO}
	}
}

// releases reports whether a member is one of those that a release publishes.
func (w *Workspace) releases(p Package) bool {
	return len(w.destinations(p)) > 0 && !slices.Contains(w.Withheld, p.Name)
}

// sibling returns the member that d stands for: the one at its path, or, where the manifest gives no place, the one
// whose version the requirement accepts (a workspace that patches a registry with its own folders).
func (w *Workspace) sibling(d Dependency) (Package, bool) {
	s, ok := w.Member(d.Name)
	switch {
	case !ok || d.Git != "" && d.Path == "":
		return Package{}, false
	case d.Path != "":
		return s, d.Path == s.Dir()
	default:
		return s, accepts(d.Req, s.Version)
	}
}

// edges returns what p needs published before it: its siblings among its normal, build and versioned dev-dependencies,
// as far as they reach.
func (w *Workspace) edges(p Package, which reach) []Edge {
	var out []Edge
	for _, d := range p.Dependencies {
		if d.Kind == "dev" && !d.HasVersion || d.Path == "" && which == byPath {
			continue
		}
		if s, ok := w.sibling(d); ok && s.Name != p.Name {
			out = append(out, Edge{From: p.Name, To: s.Name, Kind: d.Kind, At: d.At})
		}
	}
	return out
}

// reach says which dependencies count as such on a sibling.
type reach int

const (
	byName reach = iota // also those that a registry is asked for
	byPath
)

// Graph orders the members of those names by their normal, build and versioned dev-dependencies. A dependency of a
// crate on itself is no edge, and neither is one on a member outside of names. The error is a *CycleError where no
// order exists.
func (w *Workspace) Graph(names []string) (Graph, error) {
	g, err := w.order(names, byName)
	if c := (*CycleError)(nil); errors.As(err, &c) {
		// A crate may need an older release of one that needs it: only a path says that it means the sibling.
		return w.order(names, byPath)
	}
	return g, err
}

func (w *Workspace) order(names []string, which reach) (Graph, error) {
	edges := map[string][]Edge{}
	g := Graph{Needs: map[string][]string{}}
	counts := make(map[string]bool, len(names))
	for _, name := range names {
		counts[name] = true
	}
	for _, name := range names {
		p, ok := w.Member(name)
		if !ok {
			return Graph{}, fmt.Errorf("order crates: the workspace has no member %q", name)
		}
		edges[name], g.Needs[name] = nil, nil
		for _, e := range w.edges(p, which) {
			if counts[e.To] {
				edges[name] = append(edges[name], e)
				g.Needs[name] = append(g.Needs[name], e.To)
			}
		}
		slices.Sort(g.Needs[name])
		g.Needs[name] = slices.Compact(g.Needs[name])
	}
	missing, neededBy := map[string]int{}, map[string][]string{}
	var ready []string // by name
	for name, needs := range g.Needs {
		if missing[name] = len(needs); len(needs) == 0 {
			ready = append(ready, name)
		}
		for _, need := range needs {
			neededBy[need] = append(neededBy[need], name)
		}
	}
	slices.Sort(ready)
	for len(ready) > 0 {
		next := ready[0]
		ready = ready[1:]
		g.Order = append(g.Order, next)
		for _, name := range neededBy[next] {
			if missing[name]--; missing[name] == 0 {
				at, _ := slices.BinarySearch(ready, name)
				ready = slices.Insert(ready, at, name)
			}
		}
	}
	if len(g.Order) < len(edges) {
		placed := map[string]bool{}
		for _, name := range g.Order {
			placed[name] = true
		}
		return Graph{}, &CycleError{Edges: cycle(edges, placed)}
	}
	return g, nil
}

// Levels returns Order cut into rounds: a crate's needs are all in earlier rounds.
func (g Graph) Levels() [][]string {
	var levels [][]string
	level := map[string]int{}
	for _, name := range g.Order {
		for _, need := range g.Needs[name] {
			level[name] = max(level[name], level[need]+1)
		}
		if level[name] == len(levels) {
			levels = append(levels, nil)
		}
		levels[level[name]] = append(levels[level[name]], name)
	}
	return levels
}

// CycleError says that crates need each other, so that none can be published first.
type CycleError struct {
	Edges []Edge // each edge's To is the next one's From, the last leads back to the first
}

// Error names the crates of the cycle, every edge with its place, and the cure.
func (e *CycleError) Error() string {
	p := e.Problem()
	return p.Summary + ": " + p.Detail + ": " + p.Hint
}

// Problem returns the cycle as a person reads it.
func (e *CycleError) Problem() *problem.Error {
	names, lines := []string{e.Edges[0].From}, []string{}
	for _, edge := range e.Edges {
		names = append(names, edge.To)
		lines = append(lines, fmt.Sprintf("%s needs %s (%s dependency, %s)", edge.From, edge.To, edge.Kind, edge.At))
	}
	culprit, hint := e.Edges[0], "break the cycle: no order of publishing exists"
	if i := slices.IndexFunc(e.Edges, func(e Edge) bool { return e.Kind == "dev" }); i >= 0 {
		culprit = e.Edges[i]
		hint = fmt.Sprintf("drop `version` from the dev-dependency on %s at %s: cargo then leaves it out of the package", culprit.To, culprit.At)
	}
	return &problem.Error{
		Kind:    problem.Stopped,
		Summary: "dependency cycle " + strings.Join(names, " -> "),
		Detail:  strings.Join(lines, "\n"),
		Hint:    hint,
		File:    culprit.At.File,
		Line:    culprit.At.Line,
		Err:     e,
	}
}

// cycle returns one cycle among the crates that could not be placed: from the first by name, along the first edge by
// name, until a crate comes up again.
func cycle(edges map[string][]Edge, placed map[string]bool) []Edge {
	var left []string
	for name := range edges {
		if !placed[name] {
			left = append(left, name)
		}
	}
	at := slices.Min(left)
	var path []Edge
	for {
		if i := slices.IndexFunc(path, func(e Edge) bool { return e.From == at }); i >= 0 {
			return path[i:]
		}
		open := slices.DeleteFunc(slices.Clone(edges[at]), func(e Edge) bool { return placed[e.To] })
		step := slices.MinFunc(open, func(a, b Edge) int {
			// Where a crate is both a dependency and a dev-dependency, dropping the latter cures nothing.
			return cmp.Or(strings.Compare(a.To, b.To), rank(a.Kind)-rank(b.Kind))
		})
		path = append(path, step)
		at = step.To
	}
}

func rank(kind string) int {
	if kind == "dev" {
		return 1
	}
	return 0
}

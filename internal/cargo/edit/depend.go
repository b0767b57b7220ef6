package edit

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// maxEntries bounds the search for manifests.
const maxEntries = 200_000

// dependency is one entry of a dependency table.
type dependency struct {
	path  []string // of the entry in its file
	key   string
	dev   bool
	patch bool // it says where a crate comes from, not that one is needed
	node  *manifest.Node
}

func (d dependency) crate() string { return cmp.Or(d.node.Get("package").String(), d.key) }

// requirement returns the version requirement and the path of its string.
func (d dependency) requirement() (string, []string, *manifest.Node) {
	if v := d.node.Get("version"); v != nil {
		return v.String(), append(slices.Clone(d.path), "version"), v
	}
	return d.node.String(), append(slices.Clone(d.path), "version"), d.node
}

// listed returns every dependency of a manifest: its own, those for a target, those its members inherit, and patches.
func listed(doc *manifest.Node) []dependency {
	var out []dependency
	from := func(table []string, dev, patch bool) {
		n := doc.Get(table...)
		for _, key := range n.Keys() {
			out = append(out, dependency{append(slices.Clone(table), key), key, dev, patch, n.Get(key)})
		}
	}
	below := [][]string{nil}
	for _, target := range doc.Get("target").Keys() {
		below = append(below, []string{"target", target})
	}
	for _, at := range below {
		for _, name := range []string{"dependencies", "build-dependencies", "build_dependencies", "dev-dependencies", "dev_dependencies"} {
			from(append(slices.Clone(at), name), strings.HasPrefix(name, "dev"), false)
		}
	}
	from([]string{"workspace", "dependencies"}, false, false)
	for _, source := range doc.Get("patch").Keys() {
		from([]string{"patch", source}, false, true)
	}
	return out
}

// dependencies lets every manifest below the root follow what its path dependencies have become.
func (e *editor) dependencies(c Changes) error {
	names, err := e.manifests()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := e.file(name)
		if err != nil {
			return err
		}
		if err := e.replaced(name, f.orig); err != nil {
			return err
		}
		patched := e.patched(name)
		for _, d := range listed(f.orig) {
			m, byPath := e.member(name, d, patched)
			if m == nil {
				continue
			}
			if err := e.requirement(c, name, d, *m); err != nil {
				return err
			}
			if byPath && !d.patch {
				if err := e.depend(c, name, d, m.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// requirement lets one requirement follow a member that has moved.
func (e *editor) requirement(c Changes, name string, d dependency, m cargo.Package) error {
	to, moved := e.moved[m.Name]
	req, at, node := d.requirement()
	if !moved || req == "" {
		return nil
	}
	if set := chosen(c, e.memberOf(name), m.Name); slices.ContainsFunc(set, func(v Value) bool { return v.Key == "version" }) {
		return nil
	}
	next, err := follow(req, to, c.Exact && !d.patch, node.At(name))
	if err != nil || next == req {
		return err
	}
	return e.set(name, at, next)
}

// depend sets the keys that were asked for.
func (e *editor) depend(c Changes, name string, d dependency, on string) error {
	if req, _, _ := d.requirement(); d.dev && req == "" {
		return nil
	}
	for _, v := range chosen(c, e.memberOf(name), on) {
		if err := e.set(name, append(slices.Clone(d.path), v.Key), v.Value); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns the keys to set on dependencies on a member in the manifest of another; in may be "", for a manifest
// that is no member's, such as that of the workspace.
func chosen(c Changes, in, on string) []Value {
	var out []Value
	for _, d := range c.Depend {
		if d.On == on && (len(d.In) == 0 || in == "" || slices.Contains(d.In, in)) {
			out = append(out, d.Set...)
		}
	}
	return out
}

func (e *editor) memberOf(manifest string) string {
	for _, m := range e.workspace.Members {
		if m.Manifest == manifest {
			return m.Name
		}
	}
	return ""
}

// member returns the member that a dependency means: the one in the folder of its path, or the one that a patch of
// the workspace puts in its place.
func (e *editor) member(name string, d dependency, patched map[string]bool) (m *cargo.Package, byPath bool) {
	found, ok := e.workspace.Member(d.crate())
	if !ok || d.node.Get("workspace").True() || d.node.Get("git") != nil && d.node.Get("path") == nil {
		return nil, false
	}
	if at := d.node.Get("path"); at != nil {
		if path.Join(path.Dir(name), at.String()) != found.Dir() {
			return nil, false
		}
		return &found, true
	}
	req, _, _ := d.requirement()
	r, err := semver.ParseReq(req)
	v, bad := semver.Parse(found.Version)
	if !patched[found.Name] || err != nil || bad != nil || !r.Matches(v) {
		return nil, false
	}
	return &found, false
}

// patched returns the members that the workspace of a manifest puts in the place of a registry's crates.
func (e *editor) patched(name string) map[string]bool {
	out := map[string]bool{}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		root := path.Join(dir, "Cargo.toml")
		if doc, err := e.tree.Read(root); err == nil && (doc.Get("workspace") != nil || doc.Get("patch") != nil) {
			for _, d := range listed(doc) {
				m, ok := e.workspace.Member(d.crate())
				out[d.crate()] = out[d.crate()] || ok && d.patch && path.Join(dir, d.node.Get("path").String()) == m.Dir()
			}
			return out
		}
		if dir == "." {
			return out
		}
	}
}

// replaced refuses a [replace] of a member that moves: its key holds the version.
func (e *editor) replaced(name string, doc *manifest.Node) error {
	for _, key := range doc.Get("replace").Keys() {
		crate, version, _ := strings.Cut(key[strings.LastIndexAny(key, "/#")+1:], ":")
		if m, ok := e.workspace.Member(crate); ok && version == m.Version && e.moved[crate] != (semver.Version{}) {
			at := doc.Get("replace", key).At(name)
			return &problem.Error{
				Kind: problem.Stopped, Summary: fmt.Sprintf("[replace] names %s, and this is a key, which is not rewritten", key),
				Hint: "use [patch] instead, as cargo advises", File: at.File, Line: at.Line,
			}
		}
	}
	return nil
}

// manifests returns the members' manifests, the root's, and every other one below the root that depends on a member by
// its path: nested and excluded workspaces, examples. Others may be anything, test data for instance.
func (e *editor) manifests() ([]string, error) {
	var out []string
	for _, m := range e.workspace.Members {
		out = append(out, m.Manifest)
	}
	if !slices.Contains(out, "Cargo.toml") {
		out = append(out, "Cargo.toml")
	}
	err := walk(e.tree, "Cargo.toml", func(name string) {
		if slices.Contains(out, name) {
			return
		}
		doc, err := e.tree.Read(name)
		if err != nil {
			return // cargo does not read it for the workspace, and no path can be told
		}
		for _, d := range listed(doc) {
			if m, byPath := e.member(name, d, nil); m != nil && byPath {
				out = append(out, name)
				return
			}
		}
	})
	slices.Sort(out)
	return out, err
}

// walk calls f for every file of that name below the tree's root that is not in a folder of git's or cargo's.
func walk(tree *manifest.Tree, name string, f func(string)) error {
	seen := 0
	err := fs.WalkDir(tree.FS(), ".", func(at string, entry fs.DirEntry, err error) error {
		if seen++; err != nil || seen > maxEntries {
			return cmp.Or(err, fs.SkipAll)
		}
		if entry.IsDir() {
			// Cargo marks its target folders: https://bford.info/cachedir/
			if _, err := tree.Stat(path.Join(at, "CACHEDIR.TAG")); entry.Name() == ".git" || at != "." && err == nil {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Name() == name && entry.Type().IsRegular() {
			f(at)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for %s files: %w", name, err)
	}
	return nil
}

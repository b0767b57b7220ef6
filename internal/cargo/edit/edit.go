// Package edit changes the manifests of a workspace: versions, requirements, keys. It splices bytes, so that everything
// but the new values stays as it was written: comments, order, spaces, line ends, quotes.
//
// [Make] works out all files or none and writes nothing; [Write] puts them in place, all or none; [Locks] lets the lock
// files follow. [Apply] does the three in one. Every error is a *problem.Error with file and line.
package edit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// Changes is what is to become of a workspace.
type Changes struct {
	// Versions are the members' new versions. Members that inherit theirs from [workspace.package] move together.
	Versions map[string]semver.Version
	// Exact makes every requirement on a member that moves `=version`. Without it a requirement changes only where it
	// does not take the new version, and then keeps its operator.
	Exact bool
	// Depend sets keys of the dependencies on a member.
	Depend []Depend
	// Package sets keys of members' [package] tables.
	Package []Key
}

// Depend sets keys wherever a manifest depends on a member by its path. Dependencies for tests alone that state no
// version are left as they are: cargo leaves them out of what it packages.
type Depend struct {
	On  string   // the member
	In  []string // only in the manifests of these members; empty: in all
	Set []Value
}

// Key sets a key of a member's [package] table, or of [workspace.package] where the member inherits it.
type Key struct {
	Member string
	Value
}

// Value is a key with the string it shall have.
type Value struct{ Key, Value string }

// Result is what [Make] worked out.
type Result struct {
	Files []File                    // those that change, by name
	Moved map[string]semver.Version // members with another version than before
}

// File is a file before and after.
type File struct {
	Name          string // slash path relative to the workspace's root
	Before, After []byte
	Edits         []Edit // in the order of their lines; none for a lock file
}

// Edit is one value that changes.
type Edit struct {
	At       manifest.Position // where it stands before; for a key that is added, where its table is
	Key      string            // such as "dependencies.core.version"
	Old, New string            // Old is "" for a key that is added
}

// Make works out the edits.
func Make(w *cargo.Workspace, c Changes) (Result, error) {
	tree, err := manifest.Open(w.Root)
	if err != nil {
		return Result{}, fmt.Errorf("edit the manifests: %w", err)
	}
	defer tree.Close()
	e := &editor{workspace: w, tree: tree, files: map[string]*file{}, moved: map[string]semver.Version{}}
	for _, step := range []func(Changes) error{e.versions, e.packages, e.dependencies} {
		if err := step(c); err != nil {
			return Result{}, err
		}
	}
	r := Result{Moved: e.moved}
	for _, name := range slices.Sorted(maps.Keys(e.files)) {
		f := e.files[name]
		if len(f.edits) == 0 {
			continue
		}
		if err := f.onlyThat(name); err != nil {
			return Result{}, err
		}
		slices.SortStableFunc(f.edits, func(a, b Edit) int { return cmp.Compare(a.At.Line, b.At.Line) })
		r.Files = append(r.Files, File{Name: name, Before: f.before, After: f.doc.data, Edits: f.edits})
	}
	return r, nil
}

type editor struct {
	workspace *cargo.Workspace
	tree      *manifest.Tree
	files     map[string]*file
	moved     map[string]semver.Version
}

type file struct {
	before []byte
	orig   *manifest.Node
	doc    *document
	edits  []Edit
	set    map[string]string // nameOf a path -> what it was set to
	paths  [][]string        // those of set
}

// file returns the file of that name, opened once.
func (e *editor) file(name string) (*file, error) {
	if f, ok := e.files[name]; ok {
		return f, nil
	}
	orig, err := e.tree.Read(name)
	if err != nil {
		return nil, err
	}
	data, err := e.tree.Bytes(name)
	if err != nil {
		return nil, err
	}
	f := &file{before: data, orig: orig, doc: &document{data, orig}, set: map[string]string{}}
	e.files[name] = f
	return f, nil
}

// set changes one value of a file. The same change twice is one; two that differ are an error.
func (e *editor) set(name string, path []string, value string) error {
	f, err := e.file(name)
	if err != nil {
		return err
	}
	id := nameOf(path...)
	table, was := f.orig.Get(path[:len(path)-1]...), f.orig.Get(path...)
	old, at, key := was.String(), cmp.Or(was, table).At(name), path
	if table.String() != "" && path[len(path)-1] == "version" {
		old, key = table.String(), path[:len(path)-1] // x = "1": the dependency itself is the string
	}
	if before, ok := f.set[id]; ok && before != value {
		return &problem.Error{
			Kind: problem.Stopped, Summary: "two members share this value and are to have different ones", Detail: fmt.Sprintf("%s: %q and %q", strings.Join(key, "."), before, value),
			Hint: "give both the same, or write one where it does not inherit", File: at.File, Line: at.Line,
		}
	} else if ok || old == value && old != "" {
		f.note(id, path, value)
		return nil
	}
	now := path
	if f.doc.root.Get(path[:len(path)-1]...).String() != "" {
		now = key
	}
	if err := f.doc.set(now, value); err != nil {
		return &problem.Error{
			Kind: problem.Stopped, Summary: "the value cannot be changed here", Detail: err.Error(),
			Hint: "write it in the usual form, key = \"value\"", File: at.File, Line: at.Line,
		}
	}
	f.note(id, path, value)
	f.edits = append(f.edits, Edit{At: at, Key: strings.Join(key, "."), Old: old, New: value})
	return nil
}

// onlyThat holds the file as it came out against the file as it was: nothing but the intended values differs.
func (f *file) onlyThat(name string) error {
	want, got := leaves(f.orig), leaves(f.doc.root)
	for _, path := range f.paths {
		want[nameOf(path...)] = "s:" + f.set[nameOf(path...)]
	}
	// A bare requirement says the same as a table with nothing but a version.
	for _, path := range f.paths {
		table := path[:len(path)-1]
		bare, version := nameOf(table...), nameOf(append(table[:len(table):len(table)], "version")...)
		for _, m := range []map[string]string{want, got} {
			if req, ok := m[bare]; ok {
				if delete(m, bare); m[version] == "" {
					m[version] = req
				}
			}
		}
	}
	if !maps.Equal(want, got) {
		return fmt.Errorf("edit %s: more than the intended values would change", name)
	}
	return nil
}

func (f *file) note(id string, path []string, value string) {
	if _, ok := f.set[id]; !ok {
		f.paths = append(f.paths, path)
	}
	f.set[id] = value
}

// nameOf makes one name of a path of keys, which may hold anything.
func nameOf(path ...string) string {
	var b strings.Builder
	for _, key := range path {
		b.WriteString(strconv.Quote(key))
	}
	return b.String()
}

// leaves returns every scalar of a document by nameOf its path, strings as "s:" and others as "p:".
func leaves(n *manifest.Node) map[string]string {
	out := map[string]string{}
	var walk func(n *manifest.Node, at string)
	walk = func(n *manifest.Node, at string) {
		switch keys := n.Keys(); {
		case len(n.Items) > 0:
			for i, item := range n.Items {
				walk(item, fmt.Sprint(at, i))
			}
		case len(keys) > 0:
			for _, key := range keys {
				walk(n.Get(key), at+nameOf(key))
			}
		case n.Plain:
			out[at] = "p:" + n.Text
		default:
			out[at] = "s:" + n.Text
		}
	}
	walk(n, "")
	return out
}

// versions gives members their new versions.
func (e *editor) versions(c Changes) error {
	for _, name := range slices.Sorted(maps.Keys(c.Versions)) {
		m, ok := e.workspace.Member(name)
		if !ok {
			return fmt.Errorf("edit the manifests: the workspace has no member %q", name)
		}
		if m.Versionless {
			return &problem.Error{
				Kind: problem.Stopped, Summary: fmt.Sprintf("%s has no version", name), Hint: "write version = \"0.0.0\" first, or leave it out",
				File: m.VersionAt.File, Line: m.VersionAt.Line,
			}
		}
		if err := e.packageKey(m, Value{"version", c.Versions[name].String()}); err != nil {
			return err
		}
	}
	// Who inherits moves along, named or not.
	for _, m := range e.workspace.Members {
		f, err := e.file(m.Manifest)
		if err != nil {
			return err
		}
		v, named := c.Versions[m.Name]
		if !named && f.orig.First("package", "project").Get("version", "workspace").True() {
			root, err := e.file("Cargo.toml")
			if err != nil {
				return err
			}
			if v, err = semver.Parse(root.doc.root.Get("workspace", "package", "version").String()); err != nil {
				continue // cargo has refused it before
			}
			named = true
		}
		if named && v.String() != m.Version {
			e.moved[m.Name] = v
		}
	}
	return nil
}

func (e *editor) packages(c Changes) error {
	for _, k := range c.Package {
		m, ok := e.workspace.Member(k.Member)
		if !ok {
			return fmt.Errorf("edit the manifests: the workspace has no member %q", k.Member)
		}
		if err := e.packageKey(m, k.Value); err != nil {
			return err
		}
	}
	return nil
}

// packageKey sets a key of [package] where it is really written.
func (e *editor) packageKey(m cargo.Package, v Value) error {
	f, err := e.file(m.Manifest)
	if err != nil {
		return err
	}
	table := "package"
	if f.orig.Get("package") == nil {
		table = "project"
	}
	n := f.orig.Get(table, v.Key)
	if n.Get("workspace").True() {
		return e.set("Cargo.toml", []string{"workspace", "package", v.Key}, v.Value)
	}
	return e.set(m.Manifest, []string{table, v.Key}, v.Value)
}

// follow returns the requirement on a member that has moved.
func follow(req string, v semver.Version, exact bool, at manifest.Position) (string, error) {
	if exact {
		return semver.Exactly(v), nil
	}
	out, err := semver.Follow(req, v)
	if err == nil {
		return out, nil
	}
	p := &problem.Error{
		Kind: problem.Stopped, Summary: fmt.Sprintf("the requirement %q does not take %s and cannot be rewritten", req, v),
		Detail: err.Error(), Hint: fmt.Sprintf("write %q there, or let --exact write it", semver.Exactly(v)),
		File: at.File, Line: at.Line, Err: err,
	}
	if errors.Is(err, semver.ErrFollow) {
		p.Detail = "it has several parts, or one that sets a limit: which of them shall move is for you to say"
	}
	return "", p
}

// Package outline says of a workspace what `cargo metadata --no-deps` says of it, from its files alone: for a process that
// has no cargo and must start none. Tests hold it against the real cargo.
//
// It judges nothing. What cargo refuses is not always refused here; the crates were packaged by a cargo before.
package outline

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/problem"
)

// Files is a tree of files by slash paths from its root on.
type Files interface {
	// Read returns a file's content; its error wraps fs.ErrNotExist for one that is absent.
	Read(path string) ([]byte, error)
	// Has reports whether there is a file or a link of that path.
	Has(path string) bool
	// Folders lists all folders, without the root.
	Folders() []string
}

// maxMembers bounds what a hostile commit may make us read.
const maxMembers = 2000

// Metadata returns the JSON document for the workspace at the root of files. root is the absolute path that it names as
// the workspace's, indexes the registries by alias.
//
// https://doc.rust-lang.org/cargo/commands/cargo-metadata.html#json-format
func Metadata(root string, files Files, indexes map[string]string) ([]byte, error) {
	o := &outline{root: root, files: files, indexes: indexes, manifests: map[string]*manifest{}}
	top, err := o.manifest("")
	if err != nil {
		return nil, err
	}
	o.top = top
	dirs, err := o.members()
	if err != nil {
		return nil, err
	}
	doc := metadata{Root: root, Target: root + "/target", Version: 1, Packages: []metaPackage{}}
	for _, dir := range dirs {
		p, err := o.member(dir)
		if err != nil {
			return nil, err
		}
		doc.Packages = append(doc.Packages, p)
	}
	return json.Marshal(doc)
}

type metadata struct {
	Root     string        `json:"workspace_root"`
	Target   string        `json:"target_directory"`
	Version  int           `json:"version"`
	Packages []metaPackage `json:"packages"`
}

// manifest is a Cargo.toml as far as it matters here. A dependency is a requirement or a table.
type manifest struct {
	Package   map[string]any            `toml:"package"`
	Project   map[string]any            `toml:"project"` // [package] before 2015
	Lib       map[string]any            `toml:"lib"`
	Features  map[string][]string       `toml:"features"`
	Target    map[string]map[string]any `toml:"target"`
	Workspace *struct {
		Members      []string       `toml:"members"`
		Exclude      []string       `toml:"exclude"`
		Package      map[string]any `toml:"package"`
		Dependencies map[string]any `toml:"dependencies"`
	} `toml:"workspace"`
	Deps     map[string]any `toml:"dependencies"`
	Dev      map[string]any `toml:"dev-dependencies"`
	OldDev   map[string]any `toml:"dev_dependencies"`
	Build    map[string]any `toml:"build-dependencies"`
	OldBuild map[string]any `toml:"build_dependencies"`
}

type outline struct {
	root      string
	files     Files
	indexes   map[string]string
	top       *manifest
	manifests map[string]*manifest // by folder
}

func file(dir string) string { return path.Join(dir, "Cargo.toml") }

// manifest reads the manifest of a folder, "" for the root.
func (o *outline) manifest(dir string) (*manifest, error) {
	if m, ok := o.manifests[dir]; ok {
		return m, nil
	}
	if len(o.manifests) >= maxMembers {
		return nil, fmt.Errorf("read workspace: more than %d manifests", maxMembers)
	}
	text, err := o.files.Read(file(dir))
	if err != nil {
		return nil, fmt.Errorf("read workspace: %w", err)
	}
	var m manifest
	if err := toml.Unmarshal(text, &m); err != nil {
		p := &problem.Error{Kind: problem.Stopped, Summary: "the manifest cannot be read", Detail: err.Error(), File: file(dir), Err: err}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			p.Line, _ = at.Position()
		}
		return nil, p
	}
	if m.Package == nil {
		m.Package = m.Project
	}
	o.manifests[dir] = &m
	return &m, nil
}

// members returns the folders of the workspace's members: those that the root names, and whatever they reach by paths.
//
// https://doc.rust-lang.org/cargo/reference/workspaces.html#the-members-and-exclude-fields
func (o *outline) members() ([]string, error) {
	var dirs, queue []string
	if o.top.Package != nil {
		queue = append(queue, "")
	}
	if o.top.Workspace == nil {
		return queue, nil
	}
	if n := max(len(o.top.Workspace.Members), len(o.top.Workspace.Exclude)); n > maxMembers {
		return nil, fmt.Errorf("read workspace: it names %d members, more than %d", n, maxMembers)
	}
	for _, pattern := range o.top.Workspace.Members {
		queue = append(queue, o.matches(path.Clean(pattern))...)
	}
	seen := map[string]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		dir := queue[0]
		if seen[dir] || o.excluded(dir) {
			continue
		}
		seen[dir] = true
		m, err := o.manifest(dir)
		if err != nil {
			return nil, err
		}
		if m.Package == nil || dir != "" && m.Workspace != nil {
			continue // cargo refuses it as a member
		}
		dirs = append(dirs, dir)
		for _, to := range o.paths(dir, m) {
			if to != ".." && !strings.HasPrefix(to, "../") && o.files.Has(file(to)) {
				queue = append(queue, to)
			}
		}
	}
	slices.Sort(dirs)
	return dirs, nil
}

// matches returns the folders that fit a pattern of members; one without special characters stands for itself.
func (o *outline) matches(pattern string) []string {
	if pattern == "." {
		return []string{""}
	}
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	want := strings.Split(strings.ReplaceAll(pattern, "[!", "[^"), "/")
	var out []string
	for _, dir := range o.files.Folders() {
		if fits(want, strings.Split(dir, "/")) && o.files.Has(file(dir)) {
			out = append(out, dir)
		}
	}
	return out
}

// fits matches a path with a pattern, part by part; "**" stands for any number of parts. What a later "**" can take an
// earlier one need not, so there is one way back at most.
func fits(pattern, parts []string) bool {
	p, back, from := 0, -1, 0
	for i := 0; i < len(parts); {
		if p < len(pattern) && pattern[p] == "**" {
			back, from = p, i
			p++
			continue
		}
		if p < len(pattern) {
			if ok, err := path.Match(pattern[p], parts[i]); ok && err == nil {
				p++
				i++
				continue
			}
		}
		if back < 0 {
			return false
		}
		from++
		p, i = back+1, from
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

// excluded reports whether a folder is left out: below an entry of `exclude`, and below no entry of `members`.
func (o *outline) excluded(dir string) bool {
	below := func(entries []string) bool {
		return slices.ContainsFunc(entries, func(e string) bool {
			e = path.Clean(e)
			return e == "." || dir == e || strings.HasPrefix(dir, e+"/")
		})
	}
	return below(o.top.Workspace.Exclude) && !below(o.top.Workspace.Members)
}

// paths returns the folders that a member's dependencies name.
func (o *outline) paths(dir string, m *manifest) []string {
	var out []string
	for _, t := range m.tables() {
		for _, key := range sorted(t.entries) {
			if e := o.entry(dir, key, t.entries[key]); e.path != "" || e.hasPath {
				out = append(out, e.path)
			}
		}
	}
	return out
}

// table is one table of dependencies.
type table struct {
	kind, target string // kind "" is normal
	entries      map[string]any
}

// tables returns every table of dependencies.
func (m *manifest) tables() []table {
	out := []table{{"", "", m.Deps}, {"dev", "", either(m.Dev, m.OldDev)}, {"build", "", either(m.Build, m.OldBuild)}}
	for _, target := range sorted(m.Target) {
		t := m.Target[target]
		sub := func(names ...string) map[string]any {
			for _, name := range names {
				if found, ok := t[name].(map[string]any); ok {
					return found
				}
			}
			return nil
		}
		out = append(out, table{"", target, sub("dependencies")}, table{"dev", target, sub("dev-dependencies", "dev_dependencies")}, table{"build", target, sub("build-dependencies", "build_dependencies")})
	}
	return out
}

func either(a, b map[string]any) map[string]any {
	if a != nil {
		return a
	}
	return b
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

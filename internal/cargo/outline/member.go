package outline

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

type metaPackage struct {
	Name          string              `json:"name"`
	Version       string              `json:"version"`
	ManifestPath  string              `json:"manifest_path"`
	Description   string              `json:"description,omitempty"`
	License       string              `json:"license,omitempty"`
	LicenseFile   string              `json:"license_file,omitempty"`
	Readme        string              `json:"readme,omitempty"`
	Repository    string              `json:"repository,omitempty"`
	Homepage      string              `json:"homepage,omitempty"`
	Documentation string              `json:"documentation,omitempty"`
	Links         string              `json:"links,omitempty"`
	RustVersion   string              `json:"rust_version,omitempty"`
	Keywords      []string            `json:"keywords"`
	Categories    []string            `json:"categories"`
	Authors       []string            `json:"authors"`
	Publish       *[]string           `json:"publish"` // null: wherever `default` says
	Features      map[string][]string `json:"features"`
	Dependencies  []metaDependency    `json:"dependencies"`
	Targets       []metaTarget        `json:"targets"`
}

type metaTarget struct {
	Kind []string `json:"kind"`
}

type metaDependency struct {
	Name     string `json:"name"`
	Source   string `json:"source,omitempty"`
	Req      string `json:"req"`
	Kind     string `json:"kind,omitempty"`
	Rename   string `json:"rename,omitempty"`
	Target   string `json:"target,omitempty"`
	Registry string `json:"registry,omitempty"`
	Path     string `json:"path,omitempty"`
	Optional bool   `json:"optional"`
}

// member describes the package of a folder.
func (o *outline) member(dir string) (metaPackage, error) {
	m, err := o.manifest(dir)
	if err != nil {
		return metaPackage{}, err
	}
	get := o.inherits(m)
	p := metaPackage{
		Name: text(get("name")), Version: text(get("version")), ManifestPath: path.Join(o.root, file(dir)),
		Description: text(get("description")), License: text(get("license")),
		Repository: text(get("repository")), Homepage: text(get("homepage")), Documentation: text(get("documentation")), Links: text(get("links")),
		Keywords: texts(get("keywords")), Categories: texts(get("categories")), Authors: texts(get("authors")),
		Publish: publish(get("publish")), Features: map[string][]string{}, Targets: o.targets(dir, m),
	}
	if p.Name == "" {
		return p, &problem.Error{Kind: problem.Stopped, Summary: "the package has no name", File: file(dir)}
	}
	if p.RustVersion = text(get("rust-version")); p.Version == "" {
		p.Version, p.Publish = "0.0.0", &[]string{}
	}
	p.Readme, p.LicenseFile = o.readme(dir, m), o.ownFile(dir, m, "license-file")
	for name, values := range m.Features {
		p.Features[name] = values
	}
	for _, t := range m.tables() {
		for _, key := range sorted(t.entries) {
			d, err := o.dependency(dir, key, t)
			if err != nil {
				return p, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the dependency %s cannot be read", key), Err: err, File: file(dir)}
			}
			p.Dependencies = append(p.Dependencies, d)
			if d.Optional && !named(m.Features, key) {
				p.Features[key] = []string{"dep:" + key}
			}
		}
	}
	return p, nil
}

// named reports whether a feature turns an optional dependency on by "dep:": it then is no feature of its own.
func named(features map[string][]string, key string) bool {
	for _, values := range features {
		if slices.Contains(values, "dep:"+key) {
			return true
		}
	}
	return false
}

// inherits returns the keys of [package], with those of [workspace.package] where they are inherited.
//
// https://doc.rust-lang.org/cargo/reference/workspaces.html#the-package-table
func (o *outline) inherits(m *manifest) func(key string) any {
	return func(key string) any {
		if !fromWorkspace(m.Package[key]) {
			return m.Package[key]
		}
		if o.top.Workspace == nil {
			return nil
		}
		return o.top.Workspace.Package[key]
	}
}

func fromWorkspace(v any) bool {
	t, ok := v.(map[string]any)
	return ok && t["workspace"] == true
}

func text(v any) string { s, _ := v.(string); return s }

func texts(v any) []string {
	out := []string{}
	list, _ := v.([]any)
	for _, item := range list {
		out = append(out, text(item))
	}
	return out
}

func publish(v any) *[]string {
	switch v := v.(type) {
	case bool:
		if v {
			return nil
		}
		return &[]string{}
	case []any:
		list := texts(v)
		return &list
	}
	return nil
}

// readme is the path that the manifest names, from the package's folder on, or the file that cargo takes without one.
func (o *outline) readme(dir string, m *manifest) string {
	switch v := o.inherits(m)("readme").(type) {
	case string:
		return o.ownFile(dir, m, "readme")
	case bool:
		if !v {
			return ""
		}
		return "README.md"
	}
	for _, name := range []string{"README.md", "README.txt", "README"} {
		if o.files.Has(path.Join(dir, name)) {
			return name
		}
	}
	return ""
}

// ownFile is a path of [package] as it is seen from the package's folder; an inherited one is relative to the root.
func (o *outline) ownFile(dir string, m *manifest, key string) string {
	name := text(o.inherits(m)(key))
	if name == "" || !fromWorkspace(m.Package[key]) || dir == "" {
		return name
	}
	return strings.Repeat("../", strings.Count(dir, "/")+1) + name
}

// targets are the kinds of target that change what a crate is.
func (o *outline) targets(dir string, m *manifest) []metaTarget {
	out := []metaTarget{}
	for _, key := range []string{"proc-macro", "proc_macro"} {
		if m.Lib[key] == true {
			out = append(out, metaTarget{Kind: []string{"proc-macro"}})
		}
	}
	build, said := m.Package["build"]
	if said && build != false || !said && o.files.Has(path.Join(dir, "build.rs")) {
		out = append(out, metaTarget{Kind: []string{"custom-build"}})
	}
	return out
}

// entry is one dependency, with what it inherits.
type entry struct {
	name, req, path, git, registry, index string
	renamed, hasPath, optional            bool
}

// entry reads one entry of a table. A path comes relative to the root.
//
// https://doc.rust-lang.org/cargo/reference/workspaces.html#the-dependencies-table
func (o *outline) entry(dir, key string, value any) entry {
	e := entry{name: key}
	t, ok := value.(map[string]any)
	if !ok {
		e.req = text(value)
		return e
	}
	if t["workspace"] == true && o.top.Workspace != nil {
		inherited := o.top.Workspace.Dependencies[key]
		if fromWorkspace(inherited) { // cargo refuses one that inherits from itself
			return e
		}
		e = o.entry("", key, inherited)
		e.optional = t["optional"] == true
		return e
	}
	e.req, e.git, e.registry, e.index, e.optional = text(t["version"]), text(t["git"]), text(t["registry"]), text(t["registry-index"]), t["optional"] == true
	if name := text(t["package"]); name != "" {
		e.name, e.renamed = name, true
	}
	if p, ok := t["path"].(string); ok {
		if e.path, e.hasPath = path.Join(dir, p), true; e.path == "." {
			e.path = ""
		}
	}
	if e.git != "" {
		for _, part := range []string{"branch", "tag", "rev"} {
			if ref := text(t[part]); ref != "" {
				e.git += "?" + part + "=" + ref
			}
		}
	}
	return e
}

// cratesIO is how cargo names the index of crates.io.
const cratesIO = "https://github.com/rust-lang/crates.io-index"

// dependency describes one entry of a table as cargo does.
func (o *outline) dependency(dir, key string, t table) (metaDependency, error) {
	e := o.entry(dir, key, t.entries[key])
	req, err := semver.ParseReq(orAny(e.req))
	if err != nil {
		return metaDependency{}, err
	}
	d := metaDependency{Name: e.name, Req: req.String(), Kind: t.kind, Target: t.target, Optional: e.optional}
	if e.renamed {
		d.Rename = key
	}
	if e.registry != "" && e.registry != "crates-io" {
		if d.Registry = o.indexes[e.registry]; d.Registry == "" {
			return d, fmt.Errorf("no index is known of its registry %s", e.registry)
		}
	} else if e.index != "" && e.index != cratesIO {
		d.Registry = e.index
	}
	switch {
	case e.hasPath:
		d.Path = path.Join(o.root, e.path)
	case e.git != "":
		d.Source = "git+" + e.git
	case d.Registry != "":
		d.Source = d.Registry
	default:
		d.Source = "registry+" + cratesIO
	}
	return d, nil
}

func orAny(req string) string {
	if req == "" {
		return "*"
	}
	return req
}

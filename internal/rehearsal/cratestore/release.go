package cratestore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
)

// Release is what a registry knows of a version, from the upload's JSON or from the manifest in the .crate.
type Release struct {
	Name        string              `json:"name"`
	Version     string              `json:"vers"`
	Deps        []Dependency        `json:"deps"`
	Features    map[string][]string `json:"features"`
	Description *string             `json:"description"`
	License     *string             `json:"license"`
	LicenseFile *string             `json:"license_file"`
	Homepage    *string             `json:"homepage"`
	Docs        *string             `json:"documentation"`
	Repository  *string             `json:"repository"`
	Links       *string             `json:"links"`
	RustVersion *string             `json:"rust_version"`
	Keywords    []string            `json:"keywords"`
	Categories  []string            `json:"categories"`
}

// Dependency is a dependency as an upload's JSON writes it.
type Dependency struct {
	Name            string   `json:"name"`
	Req             string   `json:"version_req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"`
	Target          *string  `json:"target"`
	Kind            string   `json:"kind"`
	Registry        *string  `json:"registry"`
	Explicit        *string  `json:"explicit_name_in_toml"`
}

// fromManifest is the release that a packaged manifest describes. In a manifest an absent registry is crates.io; here it
// is the registry itself, which stands for crates.io or mirrors it.
func fromManifest(m *cratefile.Manifest) *Release {
	r := &Release{
		Name: m.Name, Version: m.Version, Features: m.Features, Description: m.Description, License: m.License,
		LicenseFile: m.LicenseFile, Homepage: m.Homepage, Docs: m.Documentation, Repository: m.Repository,
		Links: m.Links, RustVersion: m.RustVersion, Keywords: m.Keywords, Categories: m.Categories,
	}
	for _, d := range m.Dependencies {
		dep := Dependency{
			Name: d.Package, Req: d.Req, Features: d.Features, Optional: d.Optional, DefaultFeatures: d.Defaults,
			Target: present(d.Target), Kind: d.Kind,
		}
		if !cratefile.SameIndex(d.Registry, "") {
			dep.Registry = present(d.Registry)
		}
		if d.Renamed {
			dep.Explicit = present(d.Key)
		}
		r.Deps = append(r.Deps, dep)
	}
	return r
}

func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Line is a version in an index file, with the fields in the order of crates.io's index.
type Line struct {
	Name        string              `json:"name"`
	Version     string              `json:"vers"`
	Deps        []LineDependency    `json:"deps"`
	Checksum    string              `json:"cksum"`
	Features    map[string][]string `json:"features"`
	Features2   map[string][]string `json:"features2,omitempty"`
	Yanked      bool                `json:"yanked"`
	Links       *string             `json:"links,omitempty"`
	RustVersion *string             `json:"rust_version,omitempty"`
	Published   string              `json:"pubtime,omitempty"`
	V           int                 `json:"v,omitempty"`
}

// LineDependency is a dependency in an index file.
type LineDependency struct {
	Name            string   `json:"name"`
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"`
	Target          *string  `json:"target"`
	Kind            string   `json:"kind"`
	Registry        *string  `json:"registry,omitempty"`
	Package         *string  `json:"package,omitempty"`
}

// Line returns the release's line in the index of a registry that writes what it was told, and no rust_version.
func (r *Release) Line(checksum string) Line {
	l := Line{Name: r.Name, Version: r.Version, Checksum: checksum, Features: r.Features, Links: r.Links}
	if l.Features == nil {
		l.Features = map[string][]string{}
	}
	l.Deps = make([]LineDependency, len(r.Deps))
	for i, d := range r.Deps {
		l.Deps[i] = d.index()
	}
	return l
}

// CratesIOLine returns the release's line in the index of crates.io, which splits features and sorts dependencies so that
// old cargos read them. A zero time of publishing is left out.
func (r *Release) CratesIOLine(checksum string, at time.Time) Line {
	l := r.Line(checksum)
	l.RustVersion = r.RustVersion
	if !at.IsZero() {
		l.Published = at.UTC().Format(time.RFC3339)
	}
	slices.SortStableFunc(l.Deps, compareDependencies)
	if l.Features, l.Features2 = splitFeatures(l.Features); len(l.Features2) > 0 {
		l.V = 2
	}
	return l
}

func (d Dependency) index() LineDependency {
	out := LineDependency{
		Name: d.Name, Req: d.Req, Features: d.Features, Optional: d.Optional, DefaultFeatures: d.DefaultFeatures,
		Target: d.Target, Kind: d.Kind, Registry: d.Registry,
	}
	if out.Features == nil {
		out.Features = []string{}
	}
	if out.Kind == "" {
		out.Kind = "normal"
	}
	if d.Explicit != nil && *d.Explicit != "" {
		out.Name, out.Package = *d.Explicit, &d.Name
	}
	return out
}

// compareDependencies puts normal dependencies before build and dev ones of the same name, as old cargos need it
// (https://github.com/rust-lang/crates.io/blob/main/crates/crates_io_index/src/data.rs).
func compareDependencies(a, b LineDependency) int {
	kinds := []string{"normal", "build", "dev"}
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
		cmp.Compare(a.Req, b.Req),
	)
}

// splitFeatures takes the features with dep: or ?/ values, and those that enable them, out of the ones that a cargo
// before 1.60 can read.
func splitFeatures(all map[string][]string) (features, features2 map[string][]string) {
	features, features2 = map[string][]string{}, map[string][]string{}
	isNew := func(v string) bool { return strings.HasPrefix(v, "dep:") || strings.Contains(v, "?/") }
	for name, values := range all {
		if values == nil {
			values = []string{}
		}
		if slices.ContainsFunc(values, isNew) {
			features2[name] = values
		} else {
			features[name] = values
		}
	}
	for moved := true; moved; {
		moved = false
		for name, values := range features {
			if slices.ContainsFunc(values, func(v string) bool { _, in := features2[v]; return in }) {
				features2[name], moved = values, true
				delete(features, name)
			}
		}
	}
	return features, features2
}

// Encode returns the line as JSON with a newline.
func (l Line) Encode() ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("index line of %s %s: %w", l.Name, l.Version, err)
	}
	return append(b, '\n'), nil
}

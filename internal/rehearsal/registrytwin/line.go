package registrytwin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
)

// release is what a registry knows of a version, from the upload's JSON or from the manifest in the .crate.
type release struct {
	Name        string              `json:"name"`
	Version     string              `json:"vers"`
	Deps        []dependency        `json:"deps"`
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

// dependency is a dependency as an upload's JSON writes it.
type dependency struct {
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
func fromManifest(m *cratefile.Manifest) *release {
	r := &release{
		Name: m.Name, Version: m.Version, Features: m.Features, Description: m.Description, License: m.License,
		LicenseFile: m.LicenseFile, Homepage: m.Homepage, Docs: m.Documentation, Repository: m.Repository,
		Links: m.Links, RustVersion: m.RustVersion, Keywords: m.Keywords, Categories: m.Categories,
	}
	for _, d := range m.Dependencies {
		dep := dependency{
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

// line is a version in an index file, with the fields in the order of crates.io's index.
type line struct {
	Name        string              `json:"name"`
	Version     string              `json:"vers"`
	Deps        []indexDependency   `json:"deps"`
	Checksum    string              `json:"cksum"`
	Features    map[string][]string `json:"features"`
	Features2   map[string][]string `json:"features2,omitempty"`
	Yanked      bool                `json:"yanked"`
	Links       *string             `json:"links,omitempty"`
	RustVersion *string             `json:"rust_version,omitempty"`
	Published   string              `json:"pubtime,omitempty"`
	V           int                 `json:"v,omitempty"`
}

type indexDependency struct {
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

// index returns the release's line in an index with the given manners. CratesIO splits features and sorts dependencies
// so that old cargos read them; the others write what they were told, and no rust_version.
func (r *release) index(m Manners, checksum string, at time.Time) line {
	l := line{Name: r.Name, Version: r.Version, Checksum: checksum, Features: r.Features, Links: r.Links}
	if l.Features == nil {
		l.Features = map[string][]string{}
	}
	l.Deps = make([]indexDependency, len(r.Deps))
	for i, d := range r.Deps {
		l.Deps[i] = d.index()
	}
	if m == CratesIO {
		l.RustVersion = r.RustVersion
		if !at.IsZero() {
			l.Published = at.UTC().Format(time.RFC3339)
		}
		slices.SortStableFunc(l.Deps, compareDependencies)
		if l.Features, l.Features2 = splitFeatures(l.Features); len(l.Features2) > 0 {
			l.V = 2
		}
	}
	return l
}

func (d dependency) index() indexDependency {
	out := indexDependency{
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
func compareDependencies(a, b indexDependency) int {
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

// encode returns the line as JSON with a newline.
func (l line) encode() ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("index line of %s %s: %w", l.Name, l.Version, err)
	}
	return append(b, '\n'), nil
}

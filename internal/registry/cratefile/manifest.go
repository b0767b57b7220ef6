package cratefile

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// CratesIOIndex is how cargo names the index of crates.io in published metadata, whatever protocol it reads it with.
const CratesIOIndex = "https://github.com/rust-lang/crates.io-index"

// Manifest is the part of a packaged Cargo.toml that a registry is told about. A nil string is an absent key, which
// differs from an empty one.
type Manifest struct {
	Name, Version                                        string
	Authors, Keywords, Categories                        []string
	Description, Documentation, Homepage, Repository     *string
	License, LicenseFile, ReadmeFile, Links, RustVersion *string
	Features                                             map[string][]string
	Badges                                               map[string]map[string]string
	Dependencies                                         []Dependency // in the order of cargo's publish request
}

// Dependency is one entry of a dependency table.
type Dependency struct {
	Key      string // the name in the table, by which the code knows the crate
	Package  string // the crate's name in its registry
	Renamed  bool   // the entry names its package itself
	Req      string // canonical requirement
	Kind     string // "normal", "dev" or "build"
	Target   string // canonical platform; "" for every platform
	Registry string // index URL; "" is crates.io
	Features []string
	Optional bool
	Defaults bool // the default features are wanted

	Artifact       []string // kinds of an artifact dependency, else nil
	ArtifactTarget string
	ArtifactLib    bool
}

type tomlManifest struct {
	Package *tomlPackage                 `toml:"package"`
	Project *tomlPackage                 `toml:"project"` // [package] before 2015
	Feature map[string][]string          `toml:"features"`
	Badges  map[string]map[string]string `toml:"badges"`
	Target  map[string]tomlTables        `toml:"target"`
	tomlTables
}

// tomlTables holds dependency tables under both spellings; cargo takes the underscored ones in old editions.
type tomlTables struct {
	Normal   map[string]any `toml:"dependencies"`
	Dev      map[string]any `toml:"dev-dependencies"`
	OldDev   map[string]any `toml:"dev_dependencies"`
	Build    map[string]any `toml:"build-dependencies"`
	OldBuild map[string]any `toml:"build_dependencies"`
}

func (t tomlTables) dev() map[string]any   { return either(t.Dev, t.OldDev) }
func (t tomlTables) build() map[string]any { return either(t.Build, t.OldBuild) }

func either(a, b map[string]any) map[string]any {
	if a != nil {
		return a
	}
	return b
}

type tomlPackage struct {
	Name          string   `toml:"name"`
	Version       string   `toml:"version"`
	Authors       []string `toml:"authors"`
	Keywords      []string `toml:"keywords"`
	Categories    []string `toml:"categories"`
	Description   *string  `toml:"description"`
	Documentation *string  `toml:"documentation"`
	Homepage      *string  `toml:"homepage"`
	Repository    *string  `toml:"repository"`
	License       *string  `toml:"license"`
	LicenseFile   *string  `toml:"license-file"`
	Links         *string  `toml:"links"`
	RustVersion   *string  `toml:"rust-version"`
	Readme        any      `toml:"readme"` // a path, or whether there is one
}

// parseManifest reads a packaged Cargo.toml. files are the paths of the archive: a manifest that does not mention a
// README means one of the usual names.
func parseManifest(text []byte, files map[string]bool) (*Manifest, error) {
	var raw tomlManifest
	if err := toml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("Cargo.toml: %w", err)
	}
	pkg := raw.Package
	if pkg == nil {
		pkg = raw.Project
	}
	if pkg == nil {
		return nil, fmt.Errorf("Cargo.toml: no [package]")
	}
	m := &Manifest{
		Name: pkg.Name, Version: pkg.Version,
		Authors: pkg.Authors, Keywords: pkg.Keywords, Categories: pkg.Categories,
		Description: pkg.Description, Documentation: pkg.Documentation, Homepage: pkg.Homepage, Repository: pkg.Repository,
		License: pkg.License, LicenseFile: pkg.LicenseFile, Links: pkg.Links, RustVersion: pkg.RustVersion,
		Features: raw.Feature, Badges: raw.Badges,
	}
	if err := CheckName(m.Name); err != nil {
		return nil, fmt.Errorf("Cargo.toml: %w", err)
	}
	var err error
	if m.ReadmeFile, err = readmePath(pkg.Readme, files); err != nil {
		return nil, err
	}
	return m, m.addDependencies(raw)
}

func readmePath(value any, files map[string]bool) (*string, error) {
	path := "README.md"
	switch v := value.(type) {
	case nil:
		for _, name := range []string{"README.md", "README.txt", "README"} {
			if files[name] {
				return &name, nil
			}
		}
		return nil, nil
	case bool:
		if !v {
			return nil, nil
		}
	case string:
		path = v
	default:
		return nil, fmt.Errorf("Cargo.toml: package.readme is neither a path nor a boolean")
	}
	return &path, nil
}

// addDependencies appends the entries in cargo's order. Within a target table build comes before dev; at the top it is
// the other way round.
func (m *Manifest) addDependencies(raw tomlManifest) error {
	add := func(table map[string]any, kind, target string) error {
		for _, key := range sortedKeys(table) {
			d, err := parseDependency(key, table[key])
			if err != nil {
				return fmt.Errorf("Cargo.toml: dependency %q: %w", key, err)
			}
			d.Kind, d.Target = kind, target
			m.Dependencies = append(m.Dependencies, d)
		}
		return nil
	}
	if err := add(raw.Normal, "normal", ""); err != nil {
		return err
	}
	if err := add(raw.dev(), "dev", ""); err != nil {
		return err
	}
	if err := add(raw.build(), "build", ""); err != nil {
		return err
	}
	for _, key := range sortedKeys(raw.Target) {
		target, err := canonicalPlatform(key)
		if err != nil {
			return fmt.Errorf("Cargo.toml: %w", err)
		}
		tables := raw.Target[key]
		if err := add(tables.Normal, "normal", target); err != nil {
			return err
		}
		if err := add(tables.build(), "build", target); err != nil {
			return err
		}
		if err := add(tables.dev(), "dev", target); err != nil {
			return err
		}
	}
	return nil
}

func parseDependency(key string, value any) (Dependency, error) {
	d := Dependency{Key: key, Package: key, Defaults: true}
	if req, ok := value.(string); ok {
		var err error
		d.Req, err = canonicalReq(req)
		return d, err
	}
	table, ok := value.(map[string]any)
	if !ok {
		return d, fmt.Errorf("neither a requirement nor a table")
	}
	f := fields{table: table}
	for _, name := range []string{"path", "git", "workspace"} {
		if _, found := table[name]; found {
			return d, fmt.Errorf("%q in a packaged manifest: this archive was not made by cargo", name)
		}
	}
	req := "*"
	f.text("version", &req)
	d.Renamed = f.text("package", &d.Package)
	f.text("registry-index", &d.Registry)
	f.list("features", &d.Features)
	f.flag("optional", &d.Optional)
	f.flag("default_features", &d.Defaults)
	f.flag("default-features", &d.Defaults)
	f.artifact(&d)
	if f.err != nil {
		return d, f.err
	}
	var err error
	d.Req, err = canonicalReq(req)
	return d, err
}

// fields reads typed values out of a TOML table and keeps the first mismatch.
type fields struct {
	table map[string]any
	err   error
}

func (f *fields) mismatch(key, want string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s is not %s", key, want)
	}
}

func (f *fields) text(key string, to *string) bool {
	v, found := f.table[key]
	if !found {
		return false
	}
	s, ok := v.(string)
	if !ok {
		f.mismatch(key, "a string")
		return false
	}
	*to = s
	return true
}

func (f *fields) flag(key string, to *bool) {
	if v, found := f.table[key]; found {
		b, ok := v.(bool)
		if !ok {
			f.mismatch(key, "a boolean")
			return
		}
		*to = b
	}
}

func (f *fields) list(key string, to *[]string) {
	v, found := f.table[key]
	if !found {
		return
	}
	items, ok := v.([]any)
	for _, item := range items {
		s, isText := item.(string)
		ok = ok && isText
		*to = append(*to, s)
	}
	if !ok {
		f.mismatch(key, "a list of strings")
	}
}

func (f *fields) artifact(d *Dependency) {
	var one string
	if _, isText := f.table["artifact"].(string); isText && f.text("artifact", &one) {
		d.Artifact = []string{one}
	} else {
		f.list("artifact", &d.Artifact)
	}
	f.text("target", &d.ArtifactTarget)
	f.flag("lib", &d.ArtifactLib)
}

// CheckName reports whether s can be a crate's name: ASCII letters, digits, - and _, at most 64 of them, and a letter or
// _ first. What passes is safe as a path element and in a URL.
func CheckName(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("crate name %q: want 1 to 64 characters", s)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return fmt.Errorf("crate name %q: unexpected character %q", s, c)
		}
	}
	return nil
}

// SameIndex reports whether a and b name the same registry for cargo: it ignores one trailing slash and a .git suffix,
// and the case of paths on github.com. "" is crates.io.
func SameIndex(a, b string) bool { return canonicalIndex(a) == canonicalIndex(b) }

func canonicalIndex(s string) string {
	if s == "" {
		s = CratesIOIndex
	}
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	if u.Host == "github.com" {
		u.Scheme, u.Path = "https", strings.ToLower(u.Path)
	}
	u.Path = strings.TrimSuffix(u.Path, ".git")
	return u.String()
}

// Package lockfile reads Cargo.lock files: which packages, from where, with which checksums, and what each one uses.
// It asks neither cargo nor a registry.
package lockfile

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// MaxSize bounds the files that are read, in bytes. Those of the largest workspaces have two million.
const MaxSize = 32 << 20

// Package is one entry.
type Package struct {
	Name, Version string
	// Source is how cargo spells it: "registry+https://github.com/rust-lang/crates.io-index", "sparse+https://…/",
	// "git+https://…#commit"; "" is a package of the workspace, or one by path.
	Source   string
	Checksum string   // sha256 of the .crate in hex; "" where the source has none
	Needs    []string // keys of the packages that it uses, as this file resolves them
}

// Key names a package within one source.
func (p Package) Key() string { return p.Name + "@" + p.Version }

// Index returns the index of the registry that the package is from, in cargo's spelling, and whether it is from one.
func (p Package) Index() (string, bool) {
	if index, ok := strings.CutPrefix(p.Source, "registry+"); ok {
		return index, true
	}
	return p.Source, strings.HasPrefix(p.Source, "sparse+")
}

// Parse reads a lock file of any format that cargo still reads.
func Parse(text []byte) ([]Package, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", len(text), MaxSize)
	}
	var raw struct {
		Package []struct {
			Name         string   `toml:"name"`
			Version      string   `toml:"version"`
			Source       string   `toml:"source"`
			Checksum     string   `toml:"checksum"`
			Dependencies []string `toml:"dependencies"`
		} `toml:"package"`
		Metadata map[string]any `toml:"metadata"` // where the first format keeps its checksums
	}
	if err := toml.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	named := map[string][]int{} // by "name" and by "name version"
	out := make([]Package, len(raw.Package))
	for i, p := range raw.Package {
		if p.Name == "" || p.Version == "" {
			return nil, fmt.Errorf("package %d has no name or no version", i+1)
		}
		out[i] = Package{Name: p.Name, Version: p.Version, Source: p.Source, Checksum: p.Checksum}
		if sum, ok := raw.Metadata["checksum "+p.Name+" "+p.Version+" ("+p.Source+")"].(string); ok && p.Checksum == "" && sum != "<none>" {
			out[i].Checksum = sum
		}
		for _, key := range []string{p.Name, p.Name + " " + p.Version} {
			named[key] = append(named[key], i)
		}
	}
	for i, p := range raw.Package {
		for _, text := range p.Dependencies {
			need, ok := find(out, named, text)
			if !ok {
				return nil, fmt.Errorf("package %s %s uses %q, which the file does not have", p.Name, p.Version, text)
			}
			out[i].Needs = append(out[i].Needs, out[need].Key())
		}
	}
	return out, nil
}

// find returns the package that "name", "name version" or "name version (source)" means. The source is without the commit
// that a git repository was at.
func find(all []Package, named map[string][]int, text string) (int, bool) {
	name, rest, _ := strings.Cut(text, " ")
	version, source, _ := strings.Cut(rest, " ")
	source = strings.Trim(source, "()")
	for _, i := range named[strings.TrimSpace(name+" "+version)] {
		if source == "" || bare(all[i].Source) == bare(source) {
			return i, true
		}
	}
	return 0, false
}

func bare(source string) string {
	source, _, _ = strings.Cut(source, "#")
	return source
}

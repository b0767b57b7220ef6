package cratefile

import (
	"fmt"
)

// Target says for which registry metadata is made.
type Target struct {
	Index string // as cargo names it; "" is crates.io
	// Mirror makes dependencies on another registry count as dependencies within this one: it holds copies of the other's
	// crates, under their own names and with their own bytes. MirrorOf is the other's index; "" is crates.io.
	Mirror   bool
	MirrorOf string
}

// Metadata returns the JSON document that goes ahead of the archive in a publish request, byte for byte what cargo 1.95
// sends for the same package (https://doc.rust-lang.org/cargo/reference/registry-web-api.html#publish). It depends on
// the archive and the target only.
func (f *File) Metadata(t Target) ([]byte, error) {
	m := f.Manifest
	w := &jsonWriter{out: make([]byte, 0, 4096+len(f.readme))}
	var readme *string
	if m.ReadmeFile != nil {
		text := string(f.readme)
		readme = &text
	}
	w.text("{")
	w.key("name")
	w.string(m.Name)
	w.key("vers")
	w.string(m.Version)
	w.key("deps")
	w.text("[")
	for i, d := range m.Dependencies {
		if i > 0 {
			w.text(",")
		}
		d.write(w, t)
	}
	w.text("]")
	w.key("features")
	object(w, m.Features, w.strings)
	w.key("authors")
	w.strings(m.Authors)
	writeOptional(w, "description", m.Description)
	writeOptional(w, "documentation", m.Documentation)
	writeOptional(w, "homepage", m.Homepage)
	writeOptional(w, "readme", readme)
	writeOptional(w, "readme_file", m.ReadmeFile)
	w.key("keywords")
	w.strings(m.Keywords)
	w.key("categories")
	w.strings(m.Categories)
	writeOptional(w, "license", m.License)
	writeOptional(w, "license_file", m.LicenseFile)
	writeOptional(w, "repository", m.Repository)
	w.key("badges")
	object(w, m.Badges, func(attributes map[string]string) { object(w, attributes, w.string) })
	writeOptional(w, "links", m.Links)
	writeOptional(w, "rust_version", m.RustVersion)
	w.text("}")
	if len(w.out) > maxJSON {
		return nil, fmt.Errorf("metadata of %s %s: %d bytes, more than %d", m.Name, m.Version, len(w.out), maxJSON)
	}
	return w.out, nil
}

func writeOptional(w *jsonWriter, key string, value *string) {
	w.key(key)
	w.optional(value)
}

func (d *Dependency) write(w *jsonWriter, t Target) {
	w.text("{")
	w.key("optional")
	w.bool(d.Optional)
	w.key("default_features")
	w.bool(d.Defaults)
	w.key("name")
	w.string(d.Package)
	w.key("features")
	w.strings(d.Features)
	w.key("version_req")
	w.string(d.Req)
	w.key("target")
	if d.Target == "" {
		w.text("null")
	} else {
		w.string(d.Target)
	}
	w.key("kind")
	w.string(d.Kind)
	if index := d.registryFor(t); index != "" {
		w.key("registry")
		w.string(index)
	}
	if d.Renamed {
		w.key("explicit_name_in_toml")
		w.string(d.Key)
	}
	if d.Artifact != nil {
		w.key("artifact")
		w.strings(d.Artifact)
		if d.ArtifactTarget != "" {
			w.key("bindep_target")
			w.string(d.ArtifactTarget)
		}
		if d.ArtifactLib {
			w.key("lib")
			w.bool(true)
		}
	}
	w.text("}")
}

// registryFor returns what a request to t says of the dependency's registry: "" where it is t itself. In a manifest the
// absent registry is crates.io; in a request it is the registry that is published to.
func (d *Dependency) registryFor(t Target) string {
	switch {
	case SameIndex(d.Registry, t.Index), t.Mirror && SameIndex(d.Registry, t.MirrorOf):
		return ""
	case d.Registry == "":
		return CratesIOIndex
	default:
		return d.Registry
	}
}

// Foreign returns the dependencies that lie in another registry than t, with their indexes. crates.io refuses a crate
// that has any.
func (m *Manifest) Foreign(t Target) []Dependency {
	var out []Dependency
	for _, d := range m.Dependencies {
		if index := d.registryFor(t); index != "" {
			d.Registry = index
			out = append(out, d)
		}
	}
	return out
}

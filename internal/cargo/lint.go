package cargo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/semver"
)

// Lint judges the manifests of everything that is published: as a consumer without any source replacement would
// resolve them, and as the registries would take them. registries gives the index URL of each registry by name; those
// of the checkout's own cargo configuration need not be repeated. The findings are in the order of files and lines.
func Lint(w *Workspace, registries map[string]string) []Finding {
	l := &linter{w: w, indexes: maps.Clone(w.Registries), abroad: map[string][]string{}}
	if l.indexes == nil {
		l.indexes = map[string]string{}
	}
	maps.Copy(l.indexes, registries)
	l.indexes[CratesIO] = ""
	for _, p := range w.Members {
		if !w.releases(p) {
			continue
		}
		to := w.destinations(p)
		l.member(p, to)
		for _, d := range p.Dependencies {
			l.dependency(p, to, d)
		}
		l.shared(p, to)
		if slices.Contains(to, CratesIO) {
			l.cratesIO(p)
		}
	}
	l.elsewhere()
	l.workspace()
	return tidy(l.out)
}

type linter struct {
	w       *Workspace
	indexes map[string]string   // registry -> index URL, "" for crates.io
	abroad  map[string][]string // registry -> crates in it whose siblings consumers find on crates.io
	out     []Finding
}

func (l *linter) add(f Finding) { l.out = append(l.out, f) }

// member judges what every registry asks of a package.
func (l *linter) member(p Package, to []string) {
	for _, registry := range to {
		if _, ok := l.indexes[registry]; !ok {
			l.add(Finding{
				Rule: "unknown-registry", At: p.Place("publish"),
				Summary: fmt.Sprintf("%s goes to the registry %q, of which no index is known", p.Name, registry),
				Hint:    fmt.Sprintf("name its index in tagboat.toml or .cargo/config.toml: [registries.%s] index", registry),
			})
		}
	}
	for _, key := range p.MissingFiles {
		l.add(Finding{
			Rule: "missing-file", At: p.Place(key),
			Summary: fmt.Sprintf("the %s of %s is not in the tree", key, p.Name),
			Detail:  map[string]string{"readme": p.Readme, "license-file": p.LicenseFile}[key],
			Hint:    "add the file, or correct the path: it is relative to the manifest that names it",
		})
	}
}

// dependency judges one dependency of a package that goes to those registries. Dev-dependencies without a version are
// left out of packages, so nothing is asked of them.
func (l *linter) dependency(p Package, to []string, d Dependency) {
	switch {
	case !d.HasVersion && d.Kind == "dev":
		return
	case !d.HasVersion:
		l.add(Finding{
			Rule: "no-requirement", At: d.At,
			Summary: fmt.Sprintf("the dependency on %s has no version, so %s cannot be packaged", d.Name, p.Name),
			Detail:  "a registry knows neither paths nor git repositories: consumers find the crate by its version",
			Hint:    "add version = \"...\"",
		})
		return
	}
	l.origin(p, d)
	if slices.Contains(to, CratesIO) {
		l.cratesIODependency(p, d)
	}
	if strings.Contains(d.Registry, "~force-auth") {
		l.add(Finding{
			Rule: "force-auth", At: d.At,
			Summary: fmt.Sprintf("the index URL of %s has ~force-auth in it, which the published crate would keep", d.Name),
			Detail:  d.Registry,
			Hint:    "use the index URL without ~force-auth in the manifest's registry; a token reaches that one too",
		})
	}
	if unbounded(d.Req) {
		l.add(Finding{
			Rule: "unbounded", At: d.At, Warn: true,
			Summary: fmt.Sprintf("the requirement %s = %q takes every later version, breaking ones too", d.Name, d.Req),
			Hint:    "give it an upper bound, such as \">=1.2, <3\"",
		})
	}
}

// origin judges where a consumer would look for a sibling.
func (l *linter) origin(p Package, d Dependency) {
	s, ok := l.w.sibling(d)
	if !ok || s.Name == p.Name || d.Path == "" && d.Registry != "" {
		return
	}
	there := l.w.destinations(s)
	if len(there) == 0 && d.Path != "" {
		l.add(Finding{
			Rule: "private-sibling", At: d.At,
			Summary: fmt.Sprintf("%s is published and needs %s, which never is", p.Name, s.Name),
			Detail:  fmt.Sprintf("%s says publish = false or has no version", s.Manifest),
			Hint:    fmt.Sprintf("publish %s too; where it is a dev-dependency, drop its version", s.Name),
		})
		return
	}
	if l.owned(p, there, d) {
		return
	}
	if slices.ContainsFunc(there, func(r string) bool { return l.indexes[r] == d.Registry && (r == CratesIO || d.Registry != "") }) {
		return
	}
	if len(there) == 0 {
		return // the registry has a crate of the same name
	}
	f := Finding{
		Rule: "sibling-registry", At: d.At, Warn: d.Path == "",
		Summary: fmt.Sprintf("consumers of %s would look for %s at %s, where it is not published", p.Name, s.Name, l.name(d.Registry)),
		Detail:  fmt.Sprintf("%s goes to %s; a path does not reach consumers", s.Name, strings.Join(there, ", ")),
		Hint:    fmt.Sprintf("add registry = %q to the dependency", there[0]),
	}
	if d.Path != "" && d.Registry == "" && !slices.ContainsFunc(l.w.destinations(p), func(r string) bool { return !slices.Contains(there, r) }) {
		f.Hint += fmt.Sprintf(", or own_siblings = true to [registries.%s] in tagboat.toml, which does it in the packages alone", there[0])
	}
	if there[0] == CratesIO {
		f.Hint = "drop `registry` from the dependency"
	}
	if by := l.w.ReplacedBy[CratesIO]; by != "" && d.Registry == "" {
		f.Detail += fmt.Sprintf("\nbuilds of this checkout do not show it, because [source.crates-io] is replaced with %q", by)
	}
	l.add(f)
}

// owned reports whether every registry that p goes to has its own packages name itself, and the sibling, which goes to
// those registries, is there.
func (l *linter) owned(p Package, there []string, d Dependency) bool {
	if d.Path == "" || d.Registry != "" {
		return false
	}
	for _, r := range l.w.destinations(p) {
		if !slices.Contains(there, r) || r != CratesIO && !slices.Contains(l.w.OwnSiblings, r) {
			return false
		}
	}
	return true
}

// shared notes the registries beside crates.io whose consumers of p find a sibling on crates.io, although it is in their
// registry as well.
func (l *linter) shared(p Package, to []string) {
	for _, r := range to {
		if r != CratesIO && !slices.Contains(l.w.OwnSiblings, r) && l.w.straysFrom(p, r) {
			l.abroad[r] = append(l.abroad[r], p.Name)
		}
	}
}

// elsewhere explains the choice between the same bytes in two registries and bytes of each one's own.
func (l *linter) elsewhere() {
	for _, r := range slices.Sorted(maps.Keys(l.abroad)) {
		names := slices.Sorted(slices.Values(l.abroad[r]))
		first, _ := l.w.Member(names[0])
		l.add(Finding{
			Rule: "siblings-elsewhere", At: first.Place("publish"), Warn: true,
			Summary: fmt.Sprintf("crates in %s find their siblings on crates.io: %s", r, strings.Join(names, ", ")),
			Detail:  "their manifests name no registry for them, so both registries get the same bytes",
			Hint:    fmt.Sprintf("that is right where consumers reach crates.io; where they do not, write own_siblings = true in [registries.%s] of tagboat.toml: %s then gets packages of its own", r, r),
		})
	}
}

// name returns a registry's name by its index URL, or the URL.
func (l *linter) name(index string) string {
	if index == "" {
		return CratesIO
	}
	for _, name := range slices.Sorted(maps.Keys(l.indexes)) {
		if l.indexes[name] == index {
			return name
		}
	}
	return index
}

// unbounded reports whether a requirement has a lower bound and nothing above it.
func unbounded(req string) bool {
	r, err := semver.ParseReq(req)
	if err != nil {
		return false
	}
	for c := range strings.SplitSeq(r.String(), ", ") {
		if !strings.HasPrefix(c, ">") {
			return false
		}
	}
	return true
}

// workspace judges what no single member can answer for.
func (l *linter) workspace() {
	links := map[string]Package{}
	for _, registry := range l.w.PublishRegistries() {
		var names []string
		for _, p := range l.w.Publishable(registry) {
			names = append(names, p.Name)
		}
		_, err := l.w.Graph(names)
		if c := (*CycleError)(nil); errors.As(err, &c) {
			p := c.Problem()
			l.add(Finding{Rule: "cycle", Summary: p.Summary, Detail: p.Detail, Hint: p.Hint, At: Position{File: p.File, Line: p.Line}})
		}
	}
	for _, p := range l.w.Members {
		other, taken := links[p.Links]
		if p.Links == "" || len(l.w.destinations(p)) == 0 {
			continue
		}
		links[p.Links] = p
		if taken {
			l.add(Finding{
				Rule: "links", At: p.Place("links"), Warn: true,
				Summary: fmt.Sprintf("%s and %s both say links = %q: nothing can depend on both", other.Name, p.Name, p.Links),
				Hint:    "let one crate own the native library and the other depend on it",
			})
		}
	}
	for _, p := range l.w.Programs {
		if strings.HasPrefix(p.Key, "alias.") {
			continue // cargo lets no alias take the place of a command of its own
		}
		l.add(Finding{
			Rule: "program", At: p.At, Warn: true,
			Summary: fmt.Sprintf("%s has a part in what runs while crates are packaged", p.Key),
			Detail:  p.Value,
			Hint:    "it runs in the build zone, without any token; leave it out where the release does not need it",
		})
	}
}

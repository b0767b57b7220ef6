package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/changelog"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// Contents is a commit whose files lie in a folder, those at least that decide about its release.
type Contents struct {
	Dir       string
	Config    *config.Config   // of the commit; Texts puts the text of notes_file into it
	Workspace *cargo.Workspace // nil where the crates are known otherwise
}

// Crates picks the crates of this release and judges the manifests.
func (f Contents) Crates(c *release.Checkout) error {
	w := f.Workspace
	c.Indexes = w.Registries
	w.Withheld = nil
	for _, p := range w.Members {
		if excluded(f.Config.Package.Exclude, p.Name) {
			w.Withheld = append(w.Withheld, p.Name)
		}
	}
	homes := map[string][]string{}
	for _, registry := range w.PublishRegistries() {
		for _, p := range w.Publishable(registry) {
			if (c.Tag.Crate == "" || c.Tag.Crate == p.Name) && !slices.Contains(w.Withheld, p.Name) {
				homes[p.Name] = append(homes[p.Name], registry)
			}
		}
	}
	names := make([]string, 0, len(homes))
	for name := range homes {
		names = append(names, name)
	}
	sort.Strings(names)
	graph, err := w.Graph(names)
	var cycle *cargo.CycleError
	if errors.As(err, &cycle) {
		graph = cargo.Graph{Order: names} // the manifest lint names the cycle and its cure
	} else if err != nil {
		return err
	}
	for _, name := range graph.Order {
		p, _ := w.Member(name)
		c.Crates = append(c.Crates, release.Crate{Name: name, Version: p.Version, Manifest: p.Manifest, Line: p.VersionAt.Line, Registries: homes[name], Needs: graph.Needs[name]})
	}
	for _, p := range w.Members {
		if homes[p.Name] == nil {
			c.Private = append(c.Private, p.Name)
		}
	}
	f.judge(c)
	return nil
}

func excluded(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// judge asks the lints that read the workspace.
func (f Contents) judge(c *release.Checkout) {
	w := f.Workspace
	form := release.TagForm{Template: f.Config.Tags.Template, TwoPart: f.Config.Tags.TwoPart}
	agreed := true
	if c.Tag.Name == "" && len(c.Crates) > 0 { // a check before there is a tag: the version is the crates' own
		crate := ""
		if form.PerCrate() {
			crate, c.Tag.Version = c.Crates[0].Name, c.Crates[0].Version
		} else {
			c.Tag.Version, agreed = mostly(c.Crates)
		}
		c.Tag.Name = form.Format(crate, c.Tag.Version)
	}
	switch {
	case form.PerCrate():
		for _, crate := range c.Crates {
			if c.Tag.Crate != "" && crate.Version != c.Tag.Version {
				c.Findings = append(c.Findings, release.Finding{Rule: "tag-version", Severity: release.Stop, Summary: fmt.Sprintf("the version of %s is %s, not %s", crate.Name, crate.Version, c.Tag.Version), File: crate.Manifest, Line: crate.Line, Hint: "tag the commit that has it"})
			}
		}
		add(c, "sibling-requirement", w.Siblings(""))
	case !agreed:
		var versions []string
		for _, crate := range c.Crates {
			versions = append(versions, crate.Name+" "+crate.Version)
		}
		c.Findings = append(c.Findings, release.Finding{Rule: "tag-version", Severity: release.Stop, Summary: "the crates have different versions, and a tag names one", Detail: strings.Join(versions, ", "),
			Hint: "where each crate has a version of its own, let tags say whose: template = \"{crate}-v{version}\" in [tags] of " + config.File + "; else give them one: tagboat bump"})
		add(c, "sibling-requirement", w.Siblings(""))
	default:
		add(c, "tag-version", w.VersionsAgree(c.Tag.Version))
		add(c, "sibling-requirement", w.Siblings(c.Tag.Version))
	}
	w.OwnSiblings = nil
	for name, registry := range f.Config.Registries {
		if registry.OwnSiblings {
			w.OwnSiblings = append(w.OwnSiblings, name)
		}
	}
	add(c, "manifest-lint", cargo.Lint(w, indexes(w, *f.Config)))
	add(c, "manifest-lint", twoAddresses(w.Registries, f.Config.Registries))
	add(c, "lock-current", w.LockFindings())
}

// mostly returns the version that most crates have, of several the highest, and whether more than half have it.
func mostly(crates []release.Crate) (version string, most bool) {
	count := map[string]int{}
	for _, c := range crates {
		count[c.Version]++
	}
	var best semver.Version
	for text, n := range count {
		v, err := semver.Parse(text)
		if d := n - count[version]; err == nil && (version == "" || d > 0 || d == 0 && v.Compare(best) > 0) {
			version, best = text, v
		}
	}
	return version, 2*count[version] > len(crates)
}

// indexes are the registries by alias, as cargo must find them.
func indexes(w *cargo.Workspace, cfg config.Config) map[string]string {
	out := maps.Clone(w.Registries)
	if out == nil {
		out = map[string]string{}
	}
	for alias, c := range cfg.Registries {
		if alias != cargo.CratesIO && c.Index != "" {
			out[alias] = c.Index
		}
	}
	return out
}

// twoAddresses finds registries that cargo's configuration and tagboat.toml place at different indexes: the packaged
// manifests then name another registry than people's own builds use.
func twoAddresses(cargos map[string]string, ours map[string]config.Registry) []cargo.Finding {
	names := make([]string, 0, len(cargos))
	for name := range cargos {
		names = append(names, name)
	}
	sort.Strings(names)
	var out []cargo.Finding
	for _, name := range names {
		if r, ok := ours[name]; ok && name != cargo.CratesIO && r.Index != "" && r.Index != cargos[name] {
			out = append(out, cargo.Finding{Rule: "registry-index", Warn: true, Summary: fmt.Sprintf("registry %s has two addresses", name),
				Detail: fmt.Sprintf(".cargo/config.toml  %s\n%s        %s", cargos[name], config.File, r.Index),
				Hint:   "the packages name the one in " + config.File + ": write the same in both, or in one of them only", At: cargo.Position{File: config.File}})
		}
	}
	return out
}

func add(c *release.Checkout, rule string, found []cargo.Finding) {
	for _, f := range found {
		severity := release.Stop
		if f.Warn {
			severity = release.Warn
		}
		c.Findings = append(c.Findings, release.Finding{Rule: rule, Severity: severity, Summary: f.Summary, Detail: f.Detail, Hint: f.Hint, File: f.At.File, Line: f.At.Line})
	}
}

// Texts reads the changelog and the workflows of the commit.
func (f Contents) Texts(c *release.Checkout) error {
	root, err := os.OpenRoot(f.Dir) // links must not lead out of the checkout
	if err != nil {
		return err
	}
	defer root.Close()
	if err := f.readNotes(root); err != nil {
		return err
	}
	if err := f.tell(root, c); err != nil {
		return err
	}
	files, err := workflowFiles(root)
	if err != nil {
		return err
	}
	found, findings := FindWorkflow(files, f.Config.Workflow.File)
	c.Workflow, c.Findings = found, append(c.Findings, findings...)
	for _, file := range files {
		if file.Name == found.File {
			c.Findings = append(c.Findings, LintWorkflow(file)...)
			c.Findings = append(c.Findings, LintIdentity(file, *f.Config)...)
		}
	}
	return nil
}

// Changelogs returns the changelogs that tell of a release, by path, with the version that each is asked for: one, or,
// with {crate}, that of each crate.
func (f Contents) Changelogs(c release.Checkout) (paths, versions []string) {
	template := f.Config.Changelog.Path
	if f.Workspace == nil || !strings.Contains(template, "{crate}") { // without a workspace no cargo was asked, and no text is needed
		return []string{path.Clean(template)}, []string{c.Tag.Version}
	}
	for _, crate := range c.Crates {
		if m, ok := f.Workspace.Member(crate.Name); ok {
			paths, versions = append(paths, path.Clean(strings.ReplaceAll(template, "{crate}", m.Dir()))), append(versions, crate.Version)
		}
	}
	return paths, versions
}

// tell reads the section of the version. That of several changelogs has a heading for each.
func (f Contents) tell(root *os.Root, c *release.Checkout) error {
	var told []release.Changelog
	names, versions := f.Changelogs(*c)
	for i, name := range names {
		text, err := root.ReadFile(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return unreadableFile("the changelog", name, err)
		}
		one := release.Changelog{Path: name}
		one.Section, one.Found = changelog.Section(string(text), versions[i], f.Config.Tags.TwoPart)
		if !one.Found { // the first that lacks it is the one to be named
			c.Changelog = one
			return nil
		}
		told = append(told, one)
	}
	switch len(told) {
	case 0:
	case 1:
		c.Changelog = told[0]
	default:
		c.Changelog = release.Changelog{Path: told[0].Path, Found: true}
		var sections []string
		for _, one := range told {
			if one.Section != "" {
				sections = append(sections, "## "+path.Dir(one.Path)+"\n\n"+one.Section)
			}
		}
		c.Changelog.Section = strings.Join(sections, "\n\n")
	}
	return nil
}

// unreadableFile is the problem that a file of the commit is there and cannot be read: a folder, or a link that leads
// out of the repository.
func unreadableFile(what, name string, err error) error {
	return &problem.Error{Kind: problem.Stopped, Summary: what + " cannot be read", Detail: err.Error(), File: name, Hint: "it must be a file of the repository, or a link to one"}
}

// readNotes puts the text of notes_file where a text in tagboat.toml would stand.
func (f Contents) readNotes(root *os.Root) error {
	name := f.Config.Release.NotesFile
	if name == "" {
		return nil
	}
	text, err := root.ReadFile(filepath.FromSlash(path.Clean(name)))
	if err != nil {
		return &problem.Error{Kind: problem.Stopped, Summary: "the file for the release notes cannot be read", Detail: err.Error(), File: config.File, Hint: "notes_file in [release] names it, relative to the repository"}
	}
	f.Config.Release.Notes = string(text)
	return nil
}

func workflowFiles(root *os.Root) ([]WorkflowFile, error) {
	entries, err := fs.ReadDir(root.FS(), ".github/workflows")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read workflows: %w", err)
	}
	var out []WorkflowFile
	for _, e := range entries {
		if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yml" && ext != ".yaml" {
			continue
		}
		text, err := root.ReadFile(filepath.Join(".github", "workflows", e.Name()))
		if err != nil {
			return nil, unreadableFile("a workflow", workflowPath(e.Name()), err)
		}
		out = append(out, WorkflowFile{Name: e.Name(), Content: text})
	}
	return out, nil
}

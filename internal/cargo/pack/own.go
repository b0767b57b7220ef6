package pack

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/problem"
)

// own makes the crates find their siblings in the registry that they go to: dependencies by path and version that name no
// registry get it. The sources are the zone's copy, for this registry alone. Only lines are put in; the workspace is read
// again, and anything but the wished change is an error.
func (p *packer) own(ctx context.Context) error {
	index := cmp.Or(p.req.Indexes[p.req.Registry], p.workspace.Registries[p.req.Registry])
	places := p.strays()
	if len(places) == 0 || index == "" {
		return nil
	}
	for file, lines := range places {
		name := filepath.Join(p.workspace.Root, filepath.FromSlash(file))
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		text, err = nameRegistry(text, lines, p.req.Registry)
		if err != nil {
			return p.unowned(file, err.Error())
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return fmt.Errorf("write a manifest: %w", err)
		}
	}
	before := p.workspace
	var err error
	if p.workspace, err = cargo.Load(ctx, p.metadata, p.dir); err != nil {
		return p.unowned("", err.Error())
	}
	if left := p.strays(); len(left) > 0 || !onlyOwned(before, p.workspace, index) {
		return p.unowned("", fmt.Sprintf("left without it: %v", left))
	}
	p.changed = true
	return nil
}

func (p *packer) unowned(file, detail string) error {
	return &problem.Error{Kind: problem.Stopped, File: file, Summary: fmt.Sprintf("the siblings could not be given registry = %q for the packages of that registry", p.req.Registry), Detail: detail,
		Hint: "write each as name = { version = \"...\", path = \"...\" } on a line of its own, or switch own_siblings off for the registry"}
}

// strays are the lines, by manifest, where a wanted crate states the version of a sibling that goes to the same registry,
// and no registry.
func (p *packer) strays() map[string][]int {
	out := map[string][]int{}
	var homes []string
	for _, m := range p.workspace.Publishable(p.req.Registry) {
		homes = append(homes, m.Name)
	}
	for _, m := range p.workspace.Members {
		if !slices.Contains(p.req.Crates, m.Name) {
			continue
		}
		for _, d := range m.Dependencies {
			if d.Path == "" || !d.HasVersion || d.Registry != "" || !slices.Contains(homes, d.Name) {
				continue
			}
			if !slices.Contains(out[d.At.File], d.At.Line) {
				out[d.At.File] = append(out[d.At.File], d.At.Line)
			}
		}
	}
	return out
}

// versionKey is the version of a dependency as manifests have it: in braces, in a table of its own, with a dotted key.
var versionKey = regexp.MustCompile(`(^|[{,.\s])("version"|'version'|version)\s*=`)

// nameRegistry puts the registry beside the versions on those lines.
func nameRegistry(text []byte, lines []int, registry string) ([]byte, error) {
	all := strings.SplitAfter(string(text), "\n")
	slices.Sort(lines)
	for i := len(lines) - 1; i >= 0; i-- {
		n := lines[i] - 1
		if n < 0 || n >= len(all) {
			return nil, fmt.Errorf("line %d is not there", n+1)
		}
		line := all[n]
		at := versionKey.FindStringSubmatchIndex(line)
		if at == nil {
			return nil, fmt.Errorf("line %d has no version: %s", n+1, strings.TrimSpace(line))
		}
		key := fmt.Sprintf("registry = %q", registry)
		head := line[:at[4]] // all before the key
		switch {
		case strings.HasSuffix(head, "."):
			all[n] = head + key + "\n" + line
		case strings.TrimSpace(head) == "" && !strings.HasSuffix(strings.TrimSpace(line), ","):
			all[n] = head + key + "\n" + line
		default:
			all[n] = head + key + ", " + line[at[4]:]
		}
	}
	return []byte(strings.Join(all, "")), nil
}

// onlyOwned reports whether two readings of a workspace differ in nothing but registries that became index.
func onlyOwned(before, after *cargo.Workspace, index string) bool {
	if len(before.Members) != len(after.Members) {
		return false
	}
	for i, a := range after.Members {
		b := before.Members[i]
		if a.Name != b.Name || a.Version != b.Version || len(a.Dependencies) != len(b.Dependencies) {
			return false
		}
		for j, d := range a.Dependencies {
			was := b.Dependencies[j]
			if d.Registry != was.Registry && (d.Registry != index || was.Registry != "" || d.Path == "") {
				return false
			}
			d.At, was.At, d.Registry, was.Registry = cargo.Position{}, cargo.Position{}, "", ""
			if d != was {
				return false
			}
		}
	}
	return true
}

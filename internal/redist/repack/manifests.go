package repack

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
)

// absolutePaths refuses crates that depend on a folder of somebody's machine, before cargo looks for it; without names,
// all of the repository's.
func absolutePaths(dir string, crates []string) error {
	tree, err := manifest.Open(dir)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	defer tree.Close()
	return fs.WalkDir(tree.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == ".git" {
			return cmpSkip(err)
		}
		if d.IsDir() || d.Name() != "Cargo.toml" {
			return nil
		}
		node, err := tree.Read(name)
		if err != nil {
			return nil // cargo says what is wrong with it, where it matters
		}
		if name != "Cargo.toml" && crates != nil && !slices.Contains(crates, node.First("package", "project").Get("name").String()) {
			return nil
		}
		return absoluteIn(node, name)
	})
}

func cmpSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// absoluteIn looks through every table of dependencies of one manifest.
func absoluteIn(root *manifest.Node, file string) error {
	tables := []*manifest.Node{root, root.Get("workspace")}
	for _, platform := range root.Get("target").Keys() {
		tables = append(tables, root.Get("target", platform))
	}
	for _, table := range tables {
		for _, kind := range []string{"dependencies", "build-dependencies", "dev-dependencies"} {
			for _, name := range table.Get(kind).Keys() {
				at := table.Get(kind, name, "path")
				if p := at.String(); path.IsAbs(p) || filepath.IsAbs(p) || strings.HasPrefix(p, `\`) || len(p) > 1 && p[1] == ':' {
					return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the dependency %s has an absolute path", name), Detail: p, File: file, Line: at.At(file).Line,
						Hint: "it names a folder of the machine on which it was written; choose another revision, or ask upstream"}
				}
			}
		}
	}
	return nil
}

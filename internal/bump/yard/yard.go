// Package yard is where a bump is worked out: a clean clone of the commit, in which the real cargo runs inside a build
// zone. What comes out is a set of files; the user's own tree is written to last, and only those files.
package yard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
)

// maxText bounds a changelog.
const maxText = 8 << 20

// Yard is a commit laid out for work. Close removes what it made.
type Yard struct {
	repo   *git.Repo
	clone  *git.Repo
	zone   *zone.Zone
	copy   string // where cargo works
	space  *cargo.Workspace
	config config.Config
	commit string
}

// Open lays a commit out, in scratch, an existing folder of this run alone.
func Open(ctx context.Context, repo *git.Repo, commit, scratch string) (_ *Yard, err error) {
	y := &Yard{repo: repo, commit: commit}
	defer func() {
		if err != nil {
			err = errors.Join(err, y.Close())
		}
	}()
	if y.config, err = ConfigAt(ctx, repo, commit); err != nil {
		return y, err
	}
	if y.clone, err = repo.CloneAt(ctx, commit, filepath.Join(scratch, "bump")); err != nil {
		return y, err
	}
	demand := zone.Report
	if y.config.Package.Isolation == "require" {
		demand = zone.Require
	}
	y.zone, err = zone.New(zone.Config{Dir: scratch, Toolchain: y.config.Package.Toolchain, Checkout: y.clone.Dir, Demand: demand})
	if err != nil {
		return y, err
	}
	if y.copy, err = y.zone.Scratch("bump", y.clone.Dir); err != nil {
		return y, err
	}
	y.space, err = cargo.Load(ctx, y.run, y.copy)
	return y, err
}

// Close ends the zone.
func (y *Yard) Close() error {
	if y.zone == nil {
		return nil
	}
	z := y.zone
	y.zone = nil
	return z.Close()
}

// Config is what tagboat.toml says at the commit.
func (y *Yard) Config() config.Config { return y.config }

// ConfigAt returns what tagboat.toml says at a commit; without one the defaults hold.
func ConfigAt(ctx context.Context, repo *git.Repo, commit string) (config.Config, error) {
	text, err := repo.File(ctx, commit, config.File)
	if errors.Is(err, git.ErrNotFound) {
		return config.Default(), nil
	} else if err != nil {
		return config.Config{}, err
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, err
}

// run starts cargo in the zone. Only a look at the registries gets the network.
func (y *Yard) run(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	c := zone.Command{Dir: dir, Argv: argv}
	if slices.Contains(argv, "update") && !slices.Contains(argv, "--offline") {
		c.Network = zone.Open
	}
	out, err := y.zone.Run(ctx, c)
	if err == nil {
		err = out.Err()
	}
	return out.Stdout, err
}

// Snapshot is the commit as a plan sees it.
func (y *Yard) Snapshot(ctx context.Context, req bump.Request) (bump.Snapshot, error) {
	s := bump.Snapshot{Request: req, Config: y.config, Commit: y.commit, Changelogs: map[string]string{}, Drafts: map[string]string{}}
	tags, err := y.repo.Tags(ctx)
	if err != nil {
		return s, err
	}
	for _, t := range tags {
		s.Tags = append(s.Tags, t.Name)
	}
	published := map[string]bool{}
	for _, registry := range y.space.PublishRegistries() {
		for _, p := range y.space.Publishable(registry) {
			published[p.Name] = true
		}
	}
	root, err := os.OpenRoot(y.clone.Dir) // links must not lead out of the checkout
	if err != nil {
		return s, fmt.Errorf("read the changelogs: %w", err)
	}
	defer root.Close()
	for _, m := range y.space.Members {
		c := bump.Crate{
			Name: m.Name, Version: m.Version, Dir: m.Dir(), File: m.VersionAt.File, Line: m.VersionAt.Line,
			Published: published[m.Name], Versionless: m.Versionless, Inherits: m.VersionAt.File != m.Manifest,
		}
		for _, d := range m.Dependencies {
			if other, ok := y.space.Member(d.Name); ok && d.HasVersion && d.Path == other.Dir() && d.Kind != "dev" {
				c.Needs = append(c.Needs, d.Name)
			}
		}
		slices.Sort(c.Needs)
		c.Needs = slices.Compact(c.Needs)
		s.Crates = append(s.Crates, c)
		name := bump.ChangelogPath(y.config.Changelog.Path, c)
		text, err := readText(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return s, &problem.Error{Kind: problem.Stopped, Summary: "the changelog cannot be read", File: name, Err: err, Hint: "it must be a file of the repository, or a link to one"}
		}
		s.Changelogs[name] = text
	}
	return s, nil
}

func readText(root *os.Root, name string) (string, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("it is larger than %d bytes", maxText)
	}
	return string(text), err
}

// Edit makes the files of a plan: manifests, lock files, changelogs. Everything happens in the copy.
func (y *Yard) Edit(ctx context.Context, p bump.Plan, exact bool) ([]edit.File, error) {
	r, err := edit.Apply(ctx, y.run, y.space, edit.Changes{Versions: p.Versions(), Exact: exact})
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(y.clone.Dir)
	if err != nil {
		return nil, fmt.Errorf("edit the changelogs: %w", err)
	}
	defer root.Close()
	files := r.Files
	for _, name := range p.Files() {
		before, err := readText(root, name)
		if err != nil {
			return nil, fmt.Errorf("edit %s: %w", name, err)
		}
		files = append(files, edit.File{Name: name, Before: []byte(before), After: []byte(p.Changelogs[name])})
	}
	slices.SortFunc(files, func(a, b edit.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// Changes are files as a commit has them: what is executable stays so.
func (y *Yard) Changes(files []edit.File) (map[string]forge.Change, error) {
	out := map[string]forge.Change{}
	for _, f := range files {
		info, err := os.Lstat(filepath.Join(y.clone.Dir, filepath.FromSlash(f.Name)))
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", f.Name, err)
		}
		change := forge.Change{Content: f.After}
		if info.Mode().Perm()&0o100 != 0 {
			change.Mode = "100755"
		}
		out[f.Name] = change
	}
	return out, nil
}

// Diff shows files as git shows changes.
func (y *Yard) Diff(ctx context.Context, files []edit.File) (string, error) {
	if err := edit.Write(y.clone.Dir, files); err != nil {
		return "", err
	}
	text, err := y.clone.Diff(ctx)
	return text, errors.Join(err, edit.Restore(y.clone.Dir, files))
}

// Write puts the files into the user's tree. A file that is not as the commit has it is refused before any is written.
func Write(ctx context.Context, repo *git.Repo, files []edit.File) error {
	dirty, err := repo.Dirty(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		if slices.Contains(dirty, f.Name) {
			return &problem.Error{Kind: problem.Stopped, Summary: "the file has changes that are not committed", File: f.Name, Hint: "commit or stash them first: what is edited must be what the commit has"}
		}
	}
	return edit.Write(repo.Dir, files)
}

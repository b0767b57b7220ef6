// Package commit is the source of a release where another job packaged the crates: it reads over GitHub's API what the
// commit says, holds the handed-over packages against that, and starts no program.
package commit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/cargo/outline"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
	"github.com/tagboat/tagboat/internal/secret"
)

// Commit is a Source over GitHub's API and a folder of packages.
type Commit struct {
	Forge   *forge.Client
	Scratch string // an existing folder of this run alone
	Folder  string // what `tagboat package` left

	packages *handover.Folder
}

// Configuration returns the configuration of the commit that a request names, and cargo's own, .cargo/config.toml, where
// it has one.
func (s *Commit) Configuration(ctx context.Context, req release.Request) (cfg config.Config, cargos []byte, err error) {
	tag, cfg, err := s.resolve(ctx, req)
	if err == nil {
		cargos, err = s.file(ctx, tag.Commit, ".cargo/config.toml")
	}
	return cfg, cargos, err
}

// resolve finds the tag of a request on GitHub, and the configuration of its commit.
func (s *Commit) resolve(ctx context.Context, req release.Request) (release.Tag, config.Config, error) {
	name := req.Tag
	if name == "" {
		head, err := s.ref(ctx, "branch", req.Branch, s.Forge.Branch)
		if err != nil {
			return release.Tag{}, config.Config{}, err
		}
		cfg, err := s.config(ctx, head)
		if err != nil {
			return release.Tag{}, cfg, err
		}
		ok := false
		if name, ok = release.BranchForm(cfg.Branches.Release).Tag(req.Branch); !ok {
			return release.Tag{}, cfg, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("branch %s is not a release branch", req.Branch),
				Hint: "release branches are named " + cfg.Branches.Release + "; start the workflow on one of them, or give --tag"}
		}
	}
	var there forge.Tag
	_, err := s.ref(ctx, "tag", name, func(ctx context.Context, name string) (_ string, err error) {
		there, err = s.Forge.Tag(ctx, name)
		return there.Commit, err
	})
	if err != nil {
		return release.Tag{}, config.Config{}, err
	}
	cfg, err := s.config(ctx, there.Commit) // what holds is what the tagged commit says
	if err != nil {
		return release.Tag{}, cfg, err
	}
	tag, err := release.TagForm{Template: cfg.Tags.Template, TwoPart: cfg.Tags.TwoPart}.Parse(name)
	tag.Commit, tag.Annotated = there.Commit, there.Annotated
	return tag, cfg, err
}

// ref asks for a tag or a branch.
func (s *Commit) ref(ctx context.Context, what, name string, ask func(context.Context, string) (string, error)) (sha string, err error) {
	err = observe.Patiently(ctx, func() (err error) {
		sha, err = ask(ctx, name)
		return err
	})
	if !forge.IsNotFound(err) {
		return sha, observe.Unreachable(err, s.Forge.Slug())
	}
	// A repository that the token cannot see answers in the same way.
	if _, seen := s.Forge.Repository(ctx); seen != nil {
		return "", observe.Unreachable(seen, s.Forge.Slug())
	}
	return "", &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no %s %s in %s", what, name, s.Forge.Slug()), Hint: fmt.Sprintf("git push origin %s; with --packages, what is released is what GitHub has", name)}
}

// config reads tagboat.toml of a commit; without one the defaults hold.
func (s *Commit) config(ctx context.Context, sha string) (config.Config, error) {
	text, err := s.file(ctx, sha, config.File)
	if err != nil {
		return config.Config{}, err
	}
	if text == nil {
		return config.Default(), nil
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, err
}

// file reads a file of a commit, nil where there is none.
func (s *Commit) file(ctx context.Context, sha, name string) (text []byte, err error) {
	err = observe.Patiently(ctx, func() (err error) {
		text, err = s.Forge.File(ctx, sha, name)
		return err
	})
	if forge.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, observe.Unreachable(err, s.Forge.Slug())
	}
	return text, nil
}

// Checkout reads the commit that the request names, and the packages. What decides about the release comes from the commit
// alone.
func (s *Commit) Checkout(ctx context.Context, req release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	var c release.Checkout
	tag, cfg, err := s.resolve(ctx, req)
	if err != nil {
		return c, cfg, err
	}
	if cfg.Package.Publisher == "cargo" {
		return c, cfg, &problem.Error{Kind: problem.Stopped, Summary: "publisher = \"cargo\" cannot publish packages that another job made", File: config.File,
			Detail: "cargo publishes what it packages itself, from a checkout", Hint: "leave `publisher` out of [package], or release without --packages"}
	}
	c.Tag, c.Commit = tag, tag.Commit
	contents := source.Contents{Dir: filepath.Join(s.Scratch, "commit"), Config: &cfg}
	if err := os.MkdirAll(contents.Dir, 0o755); err != nil {
		return c, cfg, fmt.Errorf("make a folder for the commit's files: %w", err)
	}
	files, err := list(ctx, s.Forge, c.Commit, contents.Dir)
	if err != nil {
		return c, cfg, err
	}
	defer files.root.Close()
	if err := files.keep(".git", nil); err != nil { // here the repository ends, for those who look for settings above it
		return c, cfg, err
	}
	var known *release.Bill
	if sealed != nil {
		known = sealed(ctx, c, cfg)
	}
	if known != nil {
		c.Sealed = true
		c.Crates, c.Indexes = known.Contents()
	} else if contents.Workspace, err = s.judge(ctx, files, contents, &c); err != nil {
		return c, cfg, err
	}
	names, _ := contents.Changelogs(c)
	names = append(files.paths(isWorkflow), names...)
	if name := cfg.Release.NotesFile; name != "" {
		names = append(names, path.Clean(name))
	}
	if err := files.gather(ctx, names); err != nil {
		return c, cfg, err
	}
	err = contents.Texts(&c)
	return c, cfg, err
}

func isWorkflow(name string) bool {
	ext := path.Ext(name)
	return path.Dir(name) == ".github/workflows" && (ext == ".yml" || ext == ".yaml")
}

// judge reads the workspace and the packages, and compares the two.
func (s *Commit) judge(ctx context.Context, files *tree, contents source.Contents, c *release.Checkout) (*cargo.Workspace, error) {
	packages := filepath.Join(s.Scratch, "packages")
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for the packages: %w", err)
	}
	var err error
	if s.packages, err = handover.Open(s.Folder, packages); err != nil {
		return nil, err
	}
	if err := s.about(c); err != nil {
		return nil, err
	}
	workspace, err := load(ctx, files, contents.Dir)
	if err != nil {
		return nil, err
	}
	contents.Workspace = workspace
	c.Handed = true
	if err := source.Circumstances(c, s.packages.Cargo, s.packages.Isolation); err != nil {
		return nil, differs("how they were packaged", err.Error())
	}
	if err := contents.Crates(c); err != nil {
		return nil, err
	}
	return workspace, comparison{packages: s.packages, checkout: c, config: *contents.Config, workspace: workspace, tree: files}.run(ctx)
}

// about holds the document against the commit that is released.
func (s *Commit) about(c *release.Checkout) error {
	d := s.packages.Document
	switch {
	case d.Commit != c.Commit:
		return differs("of another commit", fmt.Sprintf("packages  %s\n%-8s  %s", d.Commit, c.Tag.Name, c.Commit))
	case d.Repository != "" && !strings.EqualFold(d.Repository, s.Forge.Slug()):
		return differs("of another repository", fmt.Sprintf("packages  %s\nrelease   %s", d.Repository, s.Forge.Slug()))
	}
	return nil
}

// differs is the stop that packages are not those of the commit.
func differs(what, detail string) error {
	return &problem.Error{Kind: problem.Stopped, Summary: "the packages are not those of the tagged commit: " + what, Detail: detail,
		Hint: "package that commit again and hand over what comes out; if it was, find out who changed it. Nothing was uploaded"}
}

// load reads the workspace of a commit as cargo would.
func load(ctx context.Context, files *tree, dir string) (*cargo.Workspace, error) {
	names := files.paths(func(name string) bool {
		return path.Base(name) == "Cargo.toml" || path.Dir(name) == ".cargo" || name == "Cargo.lock" || name == "rust-toolchain" || name == "rust-toolchain.toml"
	})
	if len(names) > maxManifests {
		names = names[:maxManifests] // the rest is read when it is needed
	}
	if err := files.gather(ctx, names); err != nil {
		return nil, err
	}
	read := func(name string) ([]byte, error) { return files.read(ctx, name) }
	if _, err := read("Cargo.toml"); errors.Is(err, fs.ErrNotExist) {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "the commit has no Cargo.toml at its root", Hint: "release it without --packages, from a checkout"}
	} else if err != nil {
		return nil, err
	}
	registries, err := registries(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("load workspace: %w", err)
	}
	text, err := outline.Metadata(filepath.ToSlash(dir), view{files, read}, registries)
	if err == nil {
		err = mentionMembers(ctx, files, dir, text)
	}
	if err != nil && len(problem.All(err)) == 0 && ctx.Err() == nil {
		err = &problem.Error{Kind: problem.Stopped, Summary: "the workspace of the commit cannot be read without cargo", Err: err, Hint: "release it without --packages, from a checkout"}
	}
	if err != nil {
		return nil, err
	}
	return cargo.Load(ctx, func(context.Context, string, ...string) ([]byte, error) { return text, nil }, dir)
}

// maxManifests is how many manifests are read before it is known which ones are needed.
const maxManifests = 300

// registries are those that the commit's cargo configuration names.
func registries(dir string) (map[string]string, error) {
	t, err := manifest.Open(dir)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	set, err := t.Settings()
	return set.Registries, err
}

// mentionMembers lets those who look for a member's files find them.
func mentionMembers(ctx context.Context, files *tree, root string, metadata []byte) error {
	var meta struct {
		Packages []struct {
			Path    string `json:"manifest_path"`
			Readme  string `json:"readme"`
			License string `json:"license_file"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(metadata, &meta); err != nil {
		return err
	}
	for _, p := range meta.Packages {
		rel, err := filepath.Rel(root, filepath.FromSlash(p.Path))
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(rel))
		var more []string
		for _, name := range []string{p.Readme, p.License} {
			if name != "" && filepath.IsLocal(path.Join(dir, name)) {
				more = append(more, path.Join(dir, name))
			}
		}
		if dir == "." {
			dir = ""
		}
		if err := files.mention(ctx, dir, more...); err != nil {
			return err
		}
	}
	return nil
}

// Package hands on the packages for one registry, which were compared with the commit.
func (s *Commit) Package(_ context.Context, order observe.PackageOrder) (*pack.Result, error) {
	if s.packages == nil {
		return nil, errors.New("hand over packages: the release held every crate when the run began, and does no longer: run again")
	}
	out := &pack.Result{Rustc: s.packages.Toolchain, Cargo: s.packages.Cargo, Isolation: s.packages.Isolation, Verified: s.packages.Verified}
	for _, name := range order.Crates {
		c := s.packages.Crate(name, order.Registry.Name)
		if c == nil {
			return nil, fmt.Errorf("hand over %s for %s: it is not among the packages", name, order.Registry.Name)
		}
		crate, file := s.packages.File(c.Asset)
		out.Crates = append(out.Crates, pack.Crate{Name: c.Name, Version: c.Version, Path: file, SHA256: crate.SHA256, Size: crate.Size, Files: crate.Files})
	}
	return out, nil
}

// Publish is for publisher = "cargo", which Checkout refuses.
func (s *Commit) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	return errors.New("publish with cargo: there is no checkout to publish from")
}

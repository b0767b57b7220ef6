package repack

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
)

// upstream is the commit that crates are said to be from.
type upstream struct {
	repo  *git.Repo
	clone *git.Repo // a checkout of it with its submodules; nil where their files cannot be seen
	bill  *release.Bill
	files map[string]entry // by path
}

type entry struct {
	mode, id string
	repo     *git.Repo
}

const (
	linkMode   = "120000"
	moduleMode = "160000"
)

func (u *upstream) list(ctx context.Context) error {
	u.files = map[string]entry{}
	return u.add(ctx, u.repo, u.bill.Commit, "")
}

// add lists the files of a commit that stand below prefix.
func (u *upstream) add(ctx context.Context, repo *git.Repo, commit, prefix string) error {
	out, err := repo.Exec(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		meta, name, _ := strings.Cut(line, "\t")
		f := strings.Fields(meta)
		if len(f) != 3 {
			continue
		}
		name = prefix + name
		u.files[name] = entry{f[0], f[2], repo}
		if f[0] != moduleMode || u.clone == nil {
			continue
		}
		if module, err := git.Open(ctx, filepath.Join(u.clone.Dir, filepath.FromSlash(name))); err == nil { // nobody can check out what .gitmodules lacks
			if err := u.add(ctx, module, f[2], name+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxLinks is how many links a path may lead over, as Linux has it.
const maxLinks = 40

// find returns the file at a path, over links to files and folders of the commit, as cargo packages it.
func (u *upstream) find(ctx context.Context, name string) (entry, bool, error) {
	for range maxLinks {
		at := u.link(name)
		if at == "" {
			e, ok := u.files[name]
			return e, ok, nil
		}
		target, err := u.files[at].repo.Exec(ctx, nil, "cat-file", "blob", u.files[at].id)
		if err != nil || path.IsAbs(target) {
			return entry{}, false, err
		}
		name = path.Join(path.Dir(at), target, strings.TrimPrefix(name, at))
	}
	return entry{}, false, nil
}

// link returns the first part of a path that is a link, "" where none is.
func (u *upstream) link(name string) string {
	for i, r := range name + "/" {
		if r == '/' && u.files[name[:i]].mode == linkMode {
			return name[:i]
		}
	}
	return ""
}

// brought reports whether a file of a package is the readme or the licence that its manifest names somewhere else in the
// repository; cargo brings them to the package's root.
func (u *upstream) brought(m *cratefile.Manifest, name, id string) bool {
	if named := func(p *string) bool { return p != nil && *p == name }; !named(m.ReadmeFile) && !named(m.LicenseFile) {
		return false
	}
	for at, e := range u.files {
		if path.Base(at) == name && e.id == id {
			return true
		}
	}
	return false
}

// module returns where the submodule that is at a commit lies, "" where none is: to cargo it is the repository of its crates.
func (u *upstream) module(commit string) string {
	for at, e := range u.files {
		if e.mode == moduleMode && e.id == commit {
			return at
		}
	}
	return ""
}

func (u *upstream) inModule(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if u.files[dir].mode == moduleMode {
			return true
		}
	}
	return false
}

// compare refuses packages that hold what the commit does not: cargo packages whatever a link leads to, also out of the
// repository.
func (s *Source) compare(ctx context.Context, packed *pack.Result) error {
	commit, _, err := s.clone.Head(ctx)
	if err != nil {
		return err
	}
	u := upstream{repo: s.clone, clone: s.clone, bill: &release.Bill{Commit: commit, Upstream: &release.Upstream{}}}
	if err := u.list(ctx); err != nil {
		return err
	}
	for _, p := range packed.Crates {
		file, err := cratefile.Open(p.Path, cratefile.Limits{})
		if err != nil {
			return err
		}
		proofs, err := u.crate(ctx, file)
		if err != nil {
			return err
		}
		if proofs[0].State == "different" {
			return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the package of %s %s holds what the commit does not have", p.Name, p.Version), Detail: proofs[0].Detail,
				Hint: "nothing was published. A link that leads out of the repository does this: ask upstream, or choose another revision"}
		}
	}
	return nil
}

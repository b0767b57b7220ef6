package commit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
)

const (
	maxText  = 4 << 20 // bytes of a manifest, a lock file, a changelog, a workflow
	maxLinks = 16      // links that are followed for one path
	parallel = 16      // files that are read at once
)

// Modes of git that are not plain files.
const (
	linkMode      = "120000"
	submoduleMode = "160000"
)

// tree is the files of a commit, listed at once and read one by one, each when it is needed. What was read lies in a
// folder, too, for those who read folders.
type tree struct {
	forge   *forge.Client
	root    *os.Root
	entries map[string]forge.TreeEntry
	folders map[string]bool

	mu    sync.Mutex
	blobs map[string][]byte // by id
}

// list asks for the files of a commit. dir is an empty folder for what will be read of them.
func list(ctx context.Context, f *forge.Client, sha, dir string) (*tree, error) {
	var files []forge.TreeEntry
	err := observe.Patiently(ctx, func() (err error) {
		files, err = f.Tree(ctx, sha)
		return err
	})
	if errors.Is(err, forge.ErrTruncated) {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("commit %s has more files than GitHub lists", release.Short(sha)), Err: err,
			Hint: "release it without --packages, from a checkout"}
	}
	if err != nil {
		return nil, observe.Unreachable(err, f.Slug())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder for the commit's files: %w", err)
	}
	t := &tree{forge: f, root: root, entries: map[string]forge.TreeEntry{}, folders: map[string]bool{}, blobs: map[string][]byte{}}
	for _, e := range files {
		if !filepath.IsLocal(filepath.FromSlash(e.Path)) || path.Clean(e.Path) != e.Path {
			continue // git makes no such path, and nothing that we read has one
		}
		t.entries[e.Path] = e
		for d := path.Dir(e.Path); d != "." && !t.folders[d]; d = path.Dir(d) {
			t.folders[d] = true
		}
	}
	return t, nil
}

// blob reads the content of a file of the commit.
func (t *tree) blob(ctx context.Context, e forge.TreeEntry) ([]byte, error) {
	t.mu.Lock()
	b, ok := t.blobs[e.SHA]
	t.mu.Unlock()
	if ok {
		return b, nil
	}
	if e.Size > maxText {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "a file of the commit is too large to be read", Detail: fmt.Sprintf("%d bytes, the limit is %d", e.Size, maxText), File: e.Path}
	}
	err := observe.Patiently(ctx, func() (err error) {
		b, err = t.forge.Blob(ctx, e.SHA)
		return err
	})
	if err != nil {
		return nil, observe.Unreachable(err, t.forge.Slug())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blobs[e.SHA] = b
	return b, nil
}

// find returns the file that a path leads to, through the links of the commit. The file of a path inside of a submodule
// is that submodule. An absent one, and a link that leads out, wraps fs.ErrNotExist.
func (t *tree) find(ctx context.Context, name string) (forge.TreeEntry, error) {
	absent := &fs.PathError{Op: "find in the commit", Path: name, Err: fs.ErrNotExist}
	done, rest := "", path.Clean(name)
	for links := 0; rest != ""; {
		part, after, _ := strings.Cut(rest, "/")
		at := path.Join(done, part)
		if at == ".." || strings.HasPrefix(at, "../") || path.IsAbs(at) {
			return forge.TreeEntry{}, absent
		}
		e, isFile := t.entries[at]
		switch {
		case isFile && e.Mode == linkMode:
			if links++; links > maxLinks {
				return forge.TreeEntry{}, absent
			}
			target, err := t.blob(ctx, e)
			if err != nil {
				return forge.TreeEntry{}, err
			}
			if path.IsAbs(string(target)) {
				return forge.TreeEntry{}, absent
			}
			done, rest = "", path.Join(path.Dir(at), string(target), after)
		case isFile && (e.Mode == submoduleMode || after == ""):
			return e, nil
		case isFile:
			return forge.TreeEntry{}, absent
		default:
			done, rest = at, after
			if done == "." {
				done = ""
			}
		}
	}
	return forge.TreeEntry{}, absent
}

// read returns a file's content and leaves it in the folder.
func (t *tree) read(ctx context.Context, name string) ([]byte, error) {
	e, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if e.Mode == submoduleMode {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "the file is in a submodule, which cannot be read over GitHub's API", File: name, Hint: "release without --packages, from a checkout"}
	}
	b, err := t.blob(ctx, e)
	if err != nil {
		return nil, err
	}
	return b, t.keep(name, b)
}

// keep writes a file into the folder.
func (t *tree) keep(name string, content []byte) error {
	err := t.root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755)
	if err == nil {
		err = t.root.WriteFile(filepath.FromSlash(name), content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep %s of the commit: %w", name, err)
	}
	return nil
}

// mention leaves empty files in the folder for all that a folder of the commit holds and the given paths, so that
// whoever looks there sees that they are there.
func (t *tree) mention(ctx context.Context, dir string, more ...string) error {
	names := slices.Clone(more)
	for name, e := range t.entries {
		if parent := path.Dir(name); (parent == dir || parent == "." && dir == "") && e.Mode != submoduleMode {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if _, err := t.root.Lstat(filepath.FromSlash(name)); err == nil {
			continue
		}
		if _, err := t.find(ctx, name); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := t.keep(name, nil); err != nil {
			return err
		}
	}
	return nil
}

// gather reads files side by side; those that are absent are left out.
func (t *tree) gather(ctx context.Context, names []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, name := range names {
		g.Go(func() error {
			_, err := t.read(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// paths lists the files that fit, sorted.
func (t *tree) paths(fits func(name string) bool) []string {
	var out []string
	for name := range t.entries {
		if fits(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// view is the tree as the outline of a workspace reads it.
type view struct {
	tree *tree
	text func(name string) ([]byte, error)
}

func (v view) Read(name string) ([]byte, error) { return v.text(name) }

func (v view) Has(name string) bool { _, ok := v.tree.entries[name]; return ok }

func (v view) Folders() []string {
	out := make([]string, 0, len(v.tree.folders))
	for d := range v.tree.folders {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

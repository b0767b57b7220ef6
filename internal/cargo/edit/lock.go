package edit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// Locks lets every lock file below the root follow that holds a member which has moved, and returns those that changed.
// w is the workspace as it was before. The new versions in place of the old ones are all that a lock file needs, for which
// nobody has to be asked. Where the workspace's own did not agree with the manifests before, it is given to `cargo update
// --workspace`, which may need the network. After an error all are as they were.
func Locks(ctx context.Context, run cargo.Runner, w *cargo.Workspace, r Result) ([]File, error) {
	tree, err := manifest.Open(w.Root)
	if err != nil {
		return nil, fmt.Errorf("update the lock files: %w", err)
	}
	defer tree.Close()
	var names []string
	if err := walk(tree, "Cargo.lock", func(name string) { names = append(names, name) }); err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []File
	for _, name := range names {
		f, err := lock(ctx, run, w, r, name)
		if err != nil {
			return nil, errors.Join(err, Restore(w.Root, out))
		}
		if !bytes.Equal(f.Before, f.After) {
			out = append(out, f)
		}
	}
	return out, nil
}

// lock lets one lock file follow, where it has to.
func lock(ctx context.Context, run cargo.Runner, w *cargo.Workspace, r Result, name string) (File, error) {
	text, err := readLock(w.Root, name)
	f := File{Name: name, Before: text, After: text}
	if err != nil {
		return f, err
	}
	packages, err := lockfile.Parse(text)
	own := name == "Cargo.lock"
	if err != nil && !own {
		return f, nil // test data
	}
	moves, inOrder := moves(packages, w, r)
	current := inOrder && (!own || len(w.LockFindings()) == 0)
	switch {
	case len(moves) == 0 && (current || len(r.Moved) == 0):
	case current:
		if f.After, err = renumber(text, moves); err == nil {
			err = Write(w.Root, []File{f})
		}
	default:
		f.After, err = update(ctx, run, w.Root, name, text)
	}
	return f, err
}

// move is a package's version before and after.
type move struct{ from, to string }

// moves returns the packages of a lock file that move, and whether packages of one name stay in their order, by which cargo
// sorts. What has another version than the member had does not move: such a file was behind already, or nobody uses it.
func moves(packages []lockfile.Package, w *cargo.Workspace, r Result) (map[string]move, bool) {
	moves, inOrder := map[string]move{}, true
	for _, p := range packages {
		m, _ := w.Member(p.Name)
		if to, ok := r.Moved[p.Name]; ok && p.Source == "" && p.Version == m.Version {
			moves[p.Name] = move{p.Version, to.String()}
		}
	}
	for _, p := range packages {
		if m, ok := moves[p.Name]; ok && p.Source != "" {
			was := order(m.from, p.Version)
			inOrder = inOrder && was != 0 && was == order(m.to, p.Version)
		}
	}
	return moves, inOrder
}

// order compares two versions; 0 also for what is none.
func order(a, b string) int {
	v, err := semver.Parse(a)
	w, bad := semver.Parse(b)
	if err != nil || bad != nil {
		return 0
	}
	return v.Compare(w)
}

// renumber writes the new versions into a lock file: of the packages, and where another one names its version.
func renumber(text []byte, moves map[string]move) ([]byte, error) {
	root, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	type splice struct {
		at   manifest.Span
		text string
	}
	var all []splice
	put := func(n *manifest.Node, value string) {
		all = append(all, splice{n.Span, like(text[n.Span.Start:n.Span.End], value)})
	}
	for _, p := range items(root.Get("package")) {
		if m, ok := moves[p.Get("name").String()]; ok && p.Get("source").String() == "" {
			put(p.Get("version"), m.to)
		}
		for _, d := range items(p.Get("dependencies")) {
			name, rest, _ := strings.Cut(d.String(), " ")
			version, source, _ := strings.Cut(rest, " ")
			if m, ok := moves[name]; ok && version == m.from && strings.Trim(source, "()") == "" {
				put(d, name+" "+m.to)
			}
		}
	}
	slices.SortFunc(all, func(a, b splice) int { return b.at.Start - a.at.Start })
	for _, s := range all {
		text = slices.Concat(text[:s.at.Start], []byte(s.text), text[s.at.End:])
	}
	return text, nil
}

func items(array *manifest.Node) []*manifest.Node {
	if array == nil {
		return nil
	}
	return array.Items
}

func readLock(root, name string) ([]byte, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer dir.Close()
	if info, err := dir.Stat(filepath.FromSlash(name)); err != nil || info.Size() > lockfile.MaxSize {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(err, fs.ErrInvalid))
	}
	return dir.ReadFile(filepath.FromSlash(name))
}

// update runs cargo for one lock file, offline where that is enough, and returns its new text; after an error the file is
// as it was.
func update(ctx context.Context, run cargo.Runner, root, name string, was []byte) ([]byte, error) {
	dir := filepath.Join(root, filepath.FromSlash(path.Dir(name)))
	_, err := run(ctx, dir, "cargo", "update", "--workspace", "--offline")
	if err != nil && ctx.Err() == nil {
		_, err = run(ctx, dir, "cargo", "update", "--workspace")
	}
	now, bad := readLock(root, name)
	if err == nil {
		return now, bad
	}
	if bad == nil && !bytes.Equal(was, now) {
		bad = Restore(root, []File{{Name: name, Before: was, After: now}})
	}
	return nil, errors.Join(&problem.Error{
		Kind: problem.Failed, Summary: "the lock file cannot follow the new versions", Detail: err.Error(),
		Hint: "cargo has to ask the registries where a crate is not in its cache: run this where they can be reached, or fill the cache before with `cargo fetch`; nothing was changed",
		File: name, Err: err,
	}, bad)
}

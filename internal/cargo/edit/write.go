package edit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
)

// Apply makes the edits, writes them and lets the lock files follow. The result holds the lock files, too. After an
// error everything is as it was.
func Apply(ctx context.Context, run cargo.Runner, w *cargo.Workspace, c Changes) (Result, error) {
	r, err := Make(w, c)
	if err != nil {
		return Result{}, err
	}
	if err := Write(w.Root, r.Files); err != nil {
		return Result{}, err
	}
	locks, err := Locks(ctx, run, w.Root, r)
	if err != nil {
		return Result{}, errors.Join(err, Restore(w.Root, r.Files))
	}
	r.Files = append(r.Files, locks...)
	return r, nil
}

// Write puts the files in place, each by a rename: all, or after an error none. A file that is not as it was when the
// edits were made is such an error.
func Write(dir string, files []File) error { return replace(dir, files, before, after) }

// Restore undoes Write.
func Restore(dir string, files []File) error { return replace(dir, files, after, before) }

func before(f File) []byte { return f.Before }
func after(f File) []byte  { return f.After }

func replace(dir string, files []File, from, to func(File) []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write the edits: %w", err)
	}
	defer root.Close()
	temps := make([]string, len(files))
	defer func() {
		for _, t := range temps {
			if t != "" {
				_ = root.Remove(t)
			}
		}
	}()
	for i, f := range files {
		if temps[i], err = stage(root, f, from(f), to(f)); err != nil {
			return failed(f, err)
		}
	}
	for i, f := range files {
		if err := root.Rename(temps[i], filepath.FromSlash(f.Name)); err != nil {
			return errors.Join(failed(f, err), replace(dir, files[:i], to, from))
		}
		temps[i] = ""
	}
	return nil
}

func failed(f File, err error) error {
	return &problem.Error{Kind: problem.Failed, Summary: "the file cannot be written", Hint: "nothing was changed", File: f.Name, Err: err}
}

// stage writes the new text of a file beside it and returns the name.
func stage(root *os.Root, f File, from, to []byte) (string, error) {
	name := filepath.FromSlash(f.Name)
	info, err := root.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is a link or no file: its target would not be edited, but replaced")
	}
	if now, err := root.ReadFile(name); err != nil || !bytes.Equal(now, from) {
		return "", errors.Join(err, errors.New("it has changed meanwhile"))
	}
	temp := filepath.Join(filepath.Dir(name), ".tagboat-"+rand.Text())
	file, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return "", err
	}
	_, err = file.Write(to)
	err = errors.Join(err, file.Chmod(info.Mode().Perm()), file.Close()) // Chmod: the umask took its part
	return temp, err
}

// Locks lets every lock file below the root follow that holds a member which has moved: by `cargo update --workspace`,
// offline where that is enough. It returns those that changed. After an error all are as they were.
func Locks(ctx context.Context, run cargo.Runner, root string, r Result) ([]File, error) {
	tree, err := manifest.Open(root)
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
		was, err := readLock(root, name)
		if err != nil {
			return nil, errors.Join(err, Restore(root, out))
		}
		if _, err := tree.Stat(path.Join(path.Dir(name), "Cargo.toml")); err != nil || !holds(was, r) {
			continue
		}
		now, err := update(ctx, run, root, name, was)
		if err != nil {
			return nil, errors.Join(err, Restore(root, out))
		}
		if !bytes.Equal(was, now) {
			out = append(out, File{Name: name, Before: was, After: now})
		}
	}
	return out, nil
}

// maxLock bounds a lock file. Those with thousands of crates have less than a tenth of it.
const maxLock = 16 << 20

func readLock(root, name string) ([]byte, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer dir.Close()
	if info, err := dir.Stat(filepath.FromSlash(name)); err != nil || info.Size() > maxLock {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(err, fs.ErrInvalid))
	}
	return dir.ReadFile(filepath.FromSlash(name))
}

// holds reports whether a lock file has one of the members that moved, as a crate that comes from a folder.
func holds(text []byte, r Result) bool {
	var lock struct {
		Package []struct{ Name, Version, Source string }
	}
	if toml.Unmarshal(text, &lock) != nil {
		return false // test data; cargo would refuse the one of the workspace itself
	}
	for _, p := range lock.Package {
		if to, ok := r.Moved[p.Name]; ok && p.Source == "" && p.Version != to.String() {
			return true
		}
	}
	return false
}

// update runs cargo for one lock file and returns its new text; after an error the file is as it was.
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

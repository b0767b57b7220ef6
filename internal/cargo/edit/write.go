package edit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tagboat/tagboat/internal/cargo"
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
	locks, err := Locks(ctx, run, w, r)
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

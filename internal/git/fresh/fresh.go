// Package fresh fills an empty folder with the files of a commit, whose names and links are not trusted.
package fresh

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrAbsent: the repository does not have the content of a file.
var ErrAbsent = errors.New("the content is not there")

// maxLink bounds the target of a symbolic link, in bytes.
const maxLink = 4096

// Entry is one file: a slash-separated clean path, the hash of its content, and what it is beside a plain file.
type Entry struct {
	Path, Hash       string
	Link, Executable bool
}

// Fill writes the entries into dir, which must be empty or absent. Their contents come in their order, as
// `git cat-file --batch` writes them.
func Fill(dir string, entries []Entry, from io.Reader) error {
	f, err := emptyFolder(dir)
	if err != nil {
		return err
	}
	defer f.close()
	return f.fill(entries, bufio.NewReaderSize(from, 64<<10))
}

// folder is what is being filled. Paths are looked up below it alone, wherever links lead.
type folder struct {
	root *os.Root
	at   string   // the folder that files go to at the moment, slash-separated
	here *os.Root // that folder
}

func emptyFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return nil, errors.Join(err, errors.New("the folder is not empty"))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, at: ".", here: root}, nil
}

func (f *folder) close() {
	if f.here != f.root {
		f.here.Close()
	}
	f.root.Close()
}

// fill writes the entries, whose contents come in their order from `cat-file --batch`. Links come last, so that no file
// is written through one.
// https://git-scm.com/docs/git-cat-file#_batch_output
func (f *folder) fill(entries []Entry, from *bufio.Reader) error {
	type link struct{ path, target string }
	var links []link
	for _, e := range entries {
		header, err := from.ReadString('\n')
		if err != nil {
			return err
		}
		words := strings.Fields(header)
		if len(words) != 3 || words[0] != e.Hash || words[1] != "blob" {
			return fmt.Errorf("%s: cat-file answered %q: %w", e.Path, strings.TrimSpace(header), ErrAbsent)
		}
		size, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: cat-file answered %q", e.Path, strings.TrimSpace(header))
		}
		if e.Link {
			if size > maxLink {
				return fmt.Errorf("%s: the target of the link is longer than %d bytes", e.Path, maxLink)
			}
			target := make([]byte, size)
			if _, err = io.ReadFull(from, target); err == nil {
				links = append(links, link{e.Path, string(target)})
			}
		} else {
			err = f.file(e, io.LimitReader(from, size))
		}
		if err != nil {
			return err
		}
		if _, err := from.Discard(1); err != nil {
			return err
		}
	}
	for _, l := range links {
		if err := f.enter(path.Dir(l.path)); err != nil {
			return err
		}
		if err := f.here.Symlink(filepath.FromSlash(l.target), path.Base(l.path)); err != nil {
			return err
		}
	}
	return nil
}

// file writes one regular file.
func (f *folder) file(e Entry, content io.Reader) error {
	if err := f.enter(path.Dir(e.Path)); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if e.Executable {
		mode = 0o755
	}
	file, err := f.here.OpenFile(path.Base(e.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// enter makes a folder the one that files go to. Entries of one folder mostly follow each other.
func (f *folder) enter(dir string) error {
	if dir == f.at {
		return nil
	}
	next := f.root
	if dir != "." {
		name := filepath.FromSlash(dir)
		if err := f.root.MkdirAll(name, 0o755); err != nil {
			return err
		}
		var err error
		if next, err = f.root.OpenRoot(name); err != nil {
			return err
		}
	}
	if f.here != f.root {
		f.here.Close()
	}
	f.at, f.here = dir, next
	return nil
}

package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrSubmodules: the commit has submodules, whose files are in other repositories.
var ErrSubmodules = errors.New("it has submodules")

// maxLink bounds the target of a symbolic link, in bytes.
const maxLink = 4096

// Export writes the files of one commit into the folder that place names for their size in bytes, which must be empty or
// absent: every file as the commit has it, no line ending conversion, no filter, no repository around them. It takes two
// processes where CloneAt takes a dozen, and is for reading alone: cargo, which asks the repository for the commit,
// packages a clone. A commit with submodules is ErrSubmodules, and nothing is written then.
func (r *Repo) Export(ctx context.Context, commit string, place func(size int64) (dir string, err error)) error {
	entries, err := r.tree(ctx, commit)
	if err != nil {
		return err
	}
	size := int64(0)
	blobs := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.mode == modeSubmodule {
			return fmt.Errorf("export %s of %s: %w", commit, r.Dir, ErrSubmodules)
		}
		if err := checkPath(e.path); err != nil {
			return fmt.Errorf("export %s of %s: %w", commit, r.Dir, err)
		}
		blobs, size = append(blobs, e.hash), size+e.size
	}
	dir, err := place(size)
	if err != nil {
		return err
	}
	tree, err := emptyTree(dir)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	defer tree.close()
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := r.run(ctx, command{args: []string{"cat-file", "--batch", "--buffer"}, stdin: []byte(strings.Join(blobs, "\n") + "\n"), to: writer})
		writer.CloseWithError(err)
		read <- err
	}()
	err = tree.fill(entries, bufio.NewReaderSize(reader, 64<<10))
	reader.CloseWithError(err)
	if sent := <-read; exitCode(sent) > 0 || err == nil {
		err = sent // the reader fails too when the sender does
	}
	if err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	return nil
}

// fresh is a folder that is being filled. Paths are looked up below it alone, wherever links lead.
type fresh struct {
	root *os.Root
	at   string   // the folder that files go to at the moment, slash-separated
	here *os.Root // that folder
}

func emptyTree(dir string) (*fresh, error) {
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
	return &fresh{root: root, at: ".", here: root}, nil
}

func (f *fresh) close() {
	if f.here != f.root {
		f.here.Close()
	}
	f.root.Close()
}

// fill writes the entries, whose contents come in their order from `cat-file --batch`. Links come last, so that no file
// is written through one.
// https://git-scm.com/docs/git-cat-file#_batch_output
func (f *fresh) fill(entries []treeEntry, from *bufio.Reader) error {
	type link struct{ path, target string }
	var links []link
	for _, e := range entries {
		header, err := from.ReadString('\n')
		if err != nil {
			return err
		}
		words := strings.Fields(header)
		if len(words) != 3 || words[0] != e.hash || words[1] != "blob" {
			return fmt.Errorf("%s: cat-file answered %q: %w", e.path, strings.TrimSpace(header), ErrNotFound)
		}
		size, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: cat-file answered %q", e.path, strings.TrimSpace(header))
		}
		if e.mode == modeLink {
			if size > maxLink {
				return fmt.Errorf("%s: the target of the link is longer than %d bytes", e.path, maxLink)
			}
			target := make([]byte, size)
			if _, err = io.ReadFull(from, target); err == nil {
				links = append(links, link{e.path, string(target)})
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
func (f *fresh) file(e treeEntry, content io.Reader) error {
	if err := f.enter(path.Dir(e.path)); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if e.mode == modeExecutable {
		mode = 0o755
	}
	file, err := f.here.OpenFile(path.Base(e.path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// enter makes a folder the one that files go to. Entries of one folder mostly follow each other.
func (f *fresh) enter(dir string) error {
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

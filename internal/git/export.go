package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tagboat/tagboat/internal/git/fresh"
)

// ErrSubmodules: the commit has submodules, whose files are in other repositories.
var ErrSubmodules = errors.New("it has submodules")

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
	var blobs strings.Builder
	files := make([]fresh.Entry, 0, len(entries))
	for _, e := range entries {
		if e.mode == modeSubmodule {
			return fmt.Errorf("export %s of %s: %w", commit, r.Dir, ErrSubmodules)
		}
		if err := checkPath(e.path); err != nil {
			return fmt.Errorf("export %s of %s: %w", commit, r.Dir, err)
		}
		blobs.WriteString(e.hash + "\n")
		size += e.size
		files = append(files, fresh.Entry{Path: e.path, Hash: e.hash, Link: e.mode == modeLink, Executable: e.mode == modeExecutable})
	}
	dir, err := place(size)
	if err != nil {
		return err
	}
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := r.run(ctx, command{args: []string{"cat-file", "--batch", "--buffer"}, stdin: []byte(blobs.String()), to: writer})
		writer.CloseWithError(err)
		read <- err
	}()
	err = fresh.Fill(dir, files, reader)
	reader.CloseWithError(err)
	if sent := <-read; exitCode(sent) > 0 || err == nil {
		err = sent // the reader fails too when the sender does
	}
	if errors.Is(err, fresh.ErrAbsent) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	return nil
}

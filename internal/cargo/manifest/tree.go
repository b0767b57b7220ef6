package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tagboat/tagboat/internal/problem"
)

// maxSize bounds a file that a checkout may make us read.
const maxSize = 1 << 20

// Position is a place in a file of a tree.
type Position struct {
	File string `json:"file"` // slash path relative to the tree
	Line int    `json:"line"` // from 1
}

// String returns "file:line".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Tree is a folder whose files are read but not trusted: no path and no link leads out of it. It keeps what it has
// read and is not safe for concurrent use.
type Tree struct {
	root *os.Root
	docs map[string]*Node
}

// Open opens the folder of that name. The caller closes the tree.
func Open(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{root: root, docs: map[string]*Node{}}, nil
}

// Close frees the folder.
func (t *Tree) Close() error { return t.root.Close() }

// FS returns the tree as a file system.
func (t *Tree) FS() fs.FS { return t.root.FS() }

// Stat describes the file at a slash path.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.root.Stat(filepath.FromSlash(name)) }

// Read returns the TOML file at a slash path. The error is a *problem.Error with the file, and with the line where the
// file is not TOML; it wraps fs.ErrNotExist for a file that is absent.
func (t *Tree) Read(name string) (*Node, error) {
	if doc, ok := t.docs[name]; ok {
		return doc, nil
	}
	data, err := t.Bytes(name)
	if err != nil {
		return nil, err
	}
	doc, err := Parse(data)
	if err != nil {
		p := &problem.Error{Kind: problem.Stopped, Summary: "the file is not TOML", Detail: err.Error(), File: name, Err: err}
		if s := (*SyntaxError)(nil); errors.As(err, &s) {
			p.Detail, p.Line = s.Message, s.Line
		}
		return nil, p
	}
	t.docs[name] = doc
	return doc, nil
}

// Bytes returns the regular file at a slash path, with errors as those of Read.
func (t *Tree) Bytes(name string) ([]byte, error) {
	unreadable := func(err error) error {
		return &problem.Error{Kind: problem.Stopped, Summary: "the file cannot be read", File: name, Err: err}
	}
	// A link's target or a pipe must not be waited for: the kind is asked before the file is opened.
	if info, err := t.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, unreadable(cmp.Or(err, fs.ErrInvalid))
	}
	f, err := t.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(data) > maxSize {
		return nil, unreadable(fmt.Errorf("it is larger than %d bytes", maxSize))
	}
	return data, nil
}

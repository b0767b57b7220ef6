// Package gitstore keeps the git side of an embedded GitHub: refs, commits, annotated tags and files. Bare is a real
// bare repository behind the git command line, with the smart HTTP protocol; Memory is the same world without a
// single process, for storms under a virtual clock.
package gitstore

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrNotFound is the answer for a ref or an object that does not exist.
var ErrNotFound = errors.New("not found")

// ErrConflict is the answer to a ref update whose expected old value is not the present one, or whose name cannot
// stand beside an existing ref (release and release/v1).
var ErrConflict = errors.New("ref is in another state than expected")

// Object types, as git and the REST API spell them.
const (
	TypeCommit = "commit"
	TypeTag    = "tag"
	TypeTree   = "tree"
	TypeBlob   = "blob"
)

// modeSubmodule is the mode of an entry whose object is in another repository.
const modeSubmodule = "160000"

// Zero is the object id that stands for "no object" in push payloads.
const Zero = "0000000000000000000000000000000000000000"

// Ref is a full name ("refs/tags/v1.0.0") and the object it points to.
type Ref struct{ Name, Object, Type string }

// Short returns the name without "refs/heads/" or "refs/tags/".
func (r Ref) Short() string {
	if s, ok := strings.CutPrefix(r.Name, "refs/heads/"); ok {
		return s
	}
	return strings.TrimPrefix(r.Name, "refs/tags/")
}

// Signature says who and when.
type Signature struct {
	Name, Email string
	When        time.Time
}

// Commit is one commit without its files.
type Commit struct {
	SHA, Tree, Message string
	Parents            []string
	Author, Committer  Signature
}

// Tag is an annotated tag object. Type is the type of the object it points to.
type Tag struct {
	SHA, Name, Message, Object, Type string
	Tagger                           Signature
}

// Entry is one file of a tree. Mode is git's: 100644, 100755, 120000 (symbolic link), 160000 (submodule).
type Entry struct {
	Path, Mode, SHA string
	Size            int64
}

// Change is one file that differs between two commits. Status is "added", "modified" or "removed"; SHA is the new
// blob, or the old one of a removed file. Renames show as one removed and one added file.
type Change struct {
	Path, Status, SHA    string
	Additions, Deletions int
}

// Store holds one repository. Every method is safe for concurrent use; object ids are 40 hex digits.
type Store interface {
	// Refs returns all refs, sorted by name.
	Refs(ctx context.Context) ([]Ref, error)
	// Ref returns one ref by its full name, or ErrNotFound.
	Ref(ctx context.Context, name string) (Ref, error)
	// SetRef moves name from old to new, all or nothing. An empty old means that the ref must not exist, an empty
	// new deletes it. It returns ErrConflict if the ref is elsewhere and ErrNotFound if new does not exist.
	SetRef(ctx context.Context, name, old, new string) error
	// Type returns the type of an object, or ErrNotFound.
	Type(ctx context.Context, object string) (string, error)
	// Commit returns a commit, or ErrNotFound if there is no such object or it is none.
	Commit(ctx context.Context, sha string) (Commit, error)
	// Tag returns an annotated tag object, or ErrNotFound.
	Tag(ctx context.Context, sha string) (Tag, error)
	// CreateTag stores a tag object (no ref) and returns its id.
	CreateTag(ctx context.Context, t Tag) (string, error)
	// MakeBlob stores a file's content and returns its id.
	MakeBlob(ctx context.Context, content []byte) (string, error)
	// MakeTree stores the files of a tree, or of none, with changes, and returns its id: each entry is put in or replaced,
	// and one without an id is taken out. It returns ErrNotFound if the tree or an entry's object does not exist.
	MakeTree(ctx context.Context, base string, changes []Entry) (string, error)
	// MakeCommit stores a commit (no ref), whose SHA is not read, and returns its id. It returns ErrNotFound if its tree or
	// a parent does not exist.
	MakeCommit(ctx context.Context, k Commit) (string, error)
	// Tree returns every file of a commit, or of a tree, sorted by path.
	Tree(ctx context.Context, object string) ([]Entry, error)
	// Blob returns a file's bytes by its id.
	Blob(ctx context.Context, sha string) ([]byte, error)
	// Ahead returns the commits reachable from head and not from base, oldest first.
	Ahead(ctx context.Context, base, head string) ([]string, error)
	// MergeBase returns the best common ancestor, or ErrNotFound for unrelated histories.
	MergeBase(ctx context.Context, a, b string) (string, error)
	// Diff returns what changed from commit base to commit head, sorted by path.
	Diff(ctx context.Context, base, head string) ([]Change, error)
}

// Peel follows annotated tags, nested ones too, down to what is not a tag.
func Peel(ctx context.Context, s Store, object string) (sha, typ string, err error) {
	for {
		typ, err = s.Type(ctx, object)
		if err != nil || typ != TypeTag {
			return object, typ, err
		}
		t, err := s.Tag(ctx, object)
		if err != nil {
			return "", "", err
		}
		object = t.Object
	}
}

// Resolve turns what people and the REST API call a commit-ish into a commit: a full ref, a branch, a tag, or a full
// object id. A branch goes before a tag of the same name.
func Resolve(ctx context.Context, s Store, name string) (string, error) {
	for _, full := range []string{name, "refs/" + name, "refs/heads/" + name, "refs/tags/" + name} {
		if !strings.HasPrefix(full, "refs/") {
			continue
		}
		ref, err := s.Ref(ctx, full)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		return peelCommit(ctx, s, ref.Object)
	}
	if IsObjectID(name) {
		return peelCommit(ctx, s, name)
	}
	return "", ErrNotFound
}

func peelCommit(ctx context.Context, s Store, object string) (string, error) {
	sha, typ, err := Peel(ctx, s, object)
	if err == nil && typ != TypeCommit {
		err = ErrNotFound
	}
	return sha, err
}

// IsObjectID reports whether s is a full object id: 40 lower-case hex digits.
func IsObjectID(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// TreeAt returns every file of a commit-ish; see Resolve.
func TreeAt(ctx context.Context, s Store, name string) ([]Entry, error) {
	sha, err := Resolve(ctx, s, name)
	if err != nil {
		return nil, err
	}
	return s.Tree(ctx, sha)
}

// File returns one file of a commit by its path, or ErrNotFound.
func File(ctx context.Context, s Store, commit, path string) ([]byte, error) {
	tree, err := s.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	for _, e := range tree {
		if e.Path == path {
			return s.Blob(ctx, e.SHA)
		}
	}
	return nil, ErrNotFound
}

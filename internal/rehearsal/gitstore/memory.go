package gitstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Memory is a repository without processes or files. The zero value is not usable; see NewMemory. Object ids are
// stable for equal content, but they are not those git would compute.
type Memory struct {
	mu      sync.RWMutex
	refs    map[string]string
	commits map[string]Commit
	tags    map[string]Tag
	trees   map[string][]Entry // by tree id
	blobs   map[string][]byte
}

// NewMemory returns an empty repository.
func NewMemory() *Memory {
	return &Memory{refs: map[string]string{}, commits: map[string]Commit{}, tags: map[string]Tag{}, trees: map[string][]Entry{}, blobs: map[string][]byte{}}
}

// AddCommit stores a commit whose tree is exactly files (path to content) and returns its id. Parents must exist.
func (m *Memory) AddCommit(message string, files map[string]string, parents ...string) (string, error) {
	m.mu.Lock()
	var tree []Entry
	for path, content := range files {
		sha := objectID(TypeBlob, content)
		m.blobs[sha] = []byte(content)
		tree = append(tree, Entry{Path: path, Mode: "100644", SHA: sha, Size: int64(len(content))})
	}
	sha := m.keepTree(tree)
	m.mu.Unlock()
	who := Signature{Name: "Rehearsal", Email: "rehearsal@tagboat.invalid", When: time.Now()}
	return m.MakeCommit(context.Background(), Commit{Tree: sha, Message: message, Parents: parents, Author: who, Committer: who})
}

// objectID is git's own id for a file; commits and trees have a form of their own here.
func objectID(typ, content string) string {
	sum := sha1.Sum([]byte(fmt.Sprintf("%s %d\x00%s", typ, len(content), content)))
	return hex.EncodeToString(sum[:])
}

// Refs implements Store.
func (m *Memory) Refs(context.Context) ([]Ref, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]Ref, 0, len(m.refs))
	for name, object := range m.refs {
		out = append(out, Ref{Name: name, Object: object, Type: m.typeOf(object)})
	}
	slices.SortFunc(out, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Ref implements Store.
func (m *Memory) Ref(_ context.Context, name string) (Ref, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	object, ok := m.refs[name]
	if !ok {
		return Ref{}, ErrNotFound
	}
	return Ref{Name: name, Object: object, Type: m.typeOf(object)}, nil
}

// SetRef implements Store.
func (m *Memory) SetRef(_ context.Context, name, old, new string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.refs[name] != old:
		return ErrConflict
	case new == "":
		delete(m.refs, name)
		return nil
	case m.typeOf(new) == "":
		return ErrNotFound
	}
	if old == "" {
		for other := range m.refs {
			if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
				return ErrConflict
			}
		}
	}
	m.refs[name] = new
	return nil
}

// Type implements Store.
func (m *Memory) Type(_ context.Context, object string) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if typ := m.typeOf(object); typ != "" {
		return typ, nil
	}
	return "", ErrNotFound
}

func (m *Memory) typeOf(object string) string {
	if _, ok := m.commits[object]; ok {
		return TypeCommit
	}
	if _, ok := m.tags[object]; ok {
		return TypeTag
	}
	if _, ok := m.trees[object]; ok {
		return TypeTree
	}
	if _, ok := m.blobs[object]; ok {
		return TypeBlob
	}
	return ""
}

// Commit implements Store.
func (m *Memory) Commit(_ context.Context, sha string) (Commit, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return found(m.commits, sha)
}

// Tag implements Store.
func (m *Memory) Tag(_ context.Context, sha string) (Tag, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return found(m.tags, sha)
}

func found[T any](in map[string]T, key string) (T, error) {
	v, ok := in[key]
	if !ok {
		return v, ErrNotFound
	}
	return v, nil
}

// CreateTag implements Store.
func (m *Memory) CreateTag(_ context.Context, t Tag) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.typeOf(t.Object) == "" {
		return "", ErrNotFound
	}
	t.Type = m.typeOf(t.Object)
	t.SHA = objectID(TypeTag, fmt.Sprintf("%s %s %s %d", t.Object, t.Name, t.Message, t.Tagger.When.Unix()))
	m.tags[t.SHA] = t
	return t.SHA, nil
}

// Tree implements Store.
func (m *Memory) Tree(_ context.Context, object string) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if c, ok := m.commits[object]; ok {
		object = c.Tree
	}
	return found(m.trees, object)
}

// Blob implements Store.
func (m *Memory) Blob(_ context.Context, sha string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return found(m.blobs, sha)
}

// Ahead implements Store.
func (m *Memory) Ahead(_ context.Context, base, head string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	seen := map[string]bool{}
	if _, err := m.reach(base, seen); err != nil {
		return nil, err
	}
	return m.reach(head, seen)
}

// reach returns the commits reachable from sha that are not in seen yet, parents before children, and adds them.
func (m *Memory) reach(sha string, seen map[string]bool) ([]string, error) {
	if seen[sha] {
		return nil, nil
	}
	c, err := found(m.commits, sha)
	if err != nil {
		return nil, err
	}
	seen[sha] = true
	var out []string
	for _, p := range c.Parents {
		above, err := m.reach(p, seen)
		if err != nil {
			return nil, err
		}
		out = append(out, above...)
	}
	return append(out, sha), nil
}

// MergeBase implements Store.
func (m *Memory) MergeBase(_ context.Context, a, b string) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ofA := map[string]bool{}
	if _, err := m.reach(a, ofA); err != nil {
		return "", err
	}
	ofB, err := m.reach(b, map[string]bool{})
	if err != nil {
		return "", err
	}
	for _, sha := range slices.Backward(ofB) { // parents come first, so the last common commit is a best one
		if ofA[sha] {
			return sha, nil
		}
	}
	return "", ErrNotFound
}

// Diff implements Store.
func (m *Memory) Diff(_ context.Context, base, head string) ([]Change, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	from, to := map[string]Entry{}, map[string]Entry{}
	for _, side := range []struct {
		commit string
		files  map[string]Entry
	}{{base, from}, {head, to}} {
		c, err := found(m.commits, side.commit)
		if err != nil {
			return nil, err
		}
		for _, e := range m.trees[c.Tree] {
			side.files[e.Path] = e
		}
	}
	return m.changes(from, to), nil
}

func (m *Memory) changes(from, to map[string]Entry) []Change {
	var out []Change
	for path, e := range to {
		old, had := from[path]
		if had && old == e {
			continue
		}
		c := Change{Path: path, Status: "added", SHA: e.SHA}
		if had {
			c.Status = "modified"
		}
		c.Additions, c.Deletions = countLines(m.blobs[old.SHA], m.blobs[e.SHA])
		out = append(out, c)
	}
	for path, e := range from {
		if _, has := to[path]; !has {
			c := Change{Path: path, Status: "removed", SHA: e.SHA}
			c.Additions, c.Deletions = countLines(m.blobs[e.SHA], nil)
			out = append(out, c)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// countLines compares two texts as bags of lines: moved lines count as unchanged, which is near enough to a diff.
func countLines(old, new []byte) (additions, deletions int) {
	bag := map[string]int{}
	for line := range strings.Lines(string(old)) {
		bag[line]++
		deletions++
	}
	for line := range strings.Lines(string(new)) {
		if bag[line] > 0 {
			bag[line]--
			deletions--
			continue
		}
		additions++
	}
	return additions, deletions
}

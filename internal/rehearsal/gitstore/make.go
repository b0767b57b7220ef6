package gitstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MakeBlob implements Store.
func (b *Bare) MakeBlob(ctx context.Context, content []byte) (string, error) {
	out, err := b.git(ctx, content, "hash-object", "-t", TypeBlob, "-w", "--stdin")
	return strings.TrimSpace(string(out)), err
}

// MakeTree implements Store.
func (b *Bare) MakeTree(ctx context.Context, base string, changes []Entry) (string, error) {
	const ref = "refs/tagboat/made"
	var in bytes.Buffer
	fmt.Fprintf(&in, "reset %s\n\ncommit %s\ncommitter <> 0 +0000\ndata 0\n", ref, ref)
	if base != "" {
		if typ, err := b.Type(ctx, base); err != nil {
			return "", err
		} else if typ != TypeTree {
			return "", ErrNotFound
		}
		fmt.Fprintf(&in, "M 040000 %s \n", base)
	}
	for _, e := range changes {
		if strings.ContainsAny(e.Path, "\"\n\x00") {
			return "", fmt.Errorf("tree with %q: a path that is not plain", e.Path)
		}
		if e.SHA == "" {
			fmt.Fprintf(&in, "D %s\n", e.Path)
			continue
		}
		if _, err := b.Type(ctx, e.SHA); err != nil && e.Mode != modeSubmodule {
			return "", err
		}
		fmt.Fprintf(&in, "M %s %s %s\n", e.Mode, e.SHA, e.Path)
	}
	in.WriteString("ls \"\"\n")
	out, err := b.git(ctx, in.Bytes(), "fast-import", "--quiet", "--force", "--date-format=raw", "--cat-blob-fd=1")
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(out)) // mode, type, id
	if len(f) != 3 {
		return "", fmt.Errorf("git fast-import: unclear tree %q", out)
	}
	_, err = b.git(ctx, nil, "update-ref", "-d", ref)
	return f[2], err
}

// MakeCommit implements Store.
func (b *Bare) MakeCommit(ctx context.Context, k Commit) (string, error) {
	if typ, err := b.Type(ctx, k.Tree); err != nil {
		return "", err
	} else if typ != TypeTree {
		return "", ErrNotFound
	}
	var in bytes.Buffer
	fmt.Fprintf(&in, "tree %s\n", k.Tree)
	for _, p := range k.Parents {
		if _, err := b.Commit(ctx, p); err != nil {
			return "", err
		}
		fmt.Fprintf(&in, "parent %s\n", p)
	}
	fmt.Fprintf(&in, "author %s <%s> %d +0000\ncommitter %s <%s> %d +0000\n\n%s", k.Author.Name, k.Author.Email, k.Author.When.Unix(), k.Committer.Name, k.Committer.Email, k.Committer.When.Unix(), k.Message)
	out, err := b.git(ctx, in.Bytes(), "hash-object", "-t", TypeCommit, "-w", "--stdin")
	return strings.TrimSpace(string(out)), err
}

// MakeBlob implements Store.
func (m *Memory) MakeBlob(_ context.Context, content []byte) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sha := objectID(TypeBlob, string(content))
	m.blobs[sha] = slices.Clone(content)
	return sha, nil
}

// MakeTree implements Store.
func (m *Memory) MakeTree(_ context.Context, base string, changes []Entry) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var tree []Entry
	if base != "" {
		old, err := found(m.trees, base)
		if err != nil {
			return "", err
		}
		tree = slices.Clone(old)
	}
	for _, e := range changes {
		tree = slices.DeleteFunc(tree, func(old Entry) bool { return old.Path == e.Path })
		if e.SHA == "" {
			continue
		}
		content, err := found(m.blobs, e.SHA)
		if err != nil {
			return "", err
		}
		e.Size = int64(len(content))
		tree = append(tree, e)
	}
	return m.keepTree(tree), nil
}

// keepTree stores a tree and returns its id.
func (m *Memory) keepTree(tree []Entry) string {
	slices.SortFunc(tree, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	var lines strings.Builder
	for _, e := range tree {
		fmt.Fprintf(&lines, "%s %s %s\n", e.Mode, e.SHA, e.Path)
	}
	sha := objectID(TypeTree, lines.String())
	m.trees[sha] = tree
	return sha
}

// MakeCommit implements Store.
func (m *Memory) MakeCommit(_ context.Context, k Commit) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := found(m.trees, k.Tree); err != nil {
		return "", err
	}
	for _, p := range k.Parents {
		if _, err := found(m.commits, p); err != nil {
			return "", fmt.Errorf("commit with parent %s: %w", p, err)
		}
	}
	k.Parents = slices.Clone(k.Parents)
	k.Author.When, k.Committer.When = k.Author.When.UTC().Truncate(time.Second), k.Committer.When.UTC().Truncate(time.Second)
	k.SHA = objectID(TypeCommit, fmt.Sprintf("%s %v %s %v %v", k.Tree, k.Parents, k.Message, k.Author, k.Committer))
	m.commits[k.SHA] = k
	return k.SHA, nil
}

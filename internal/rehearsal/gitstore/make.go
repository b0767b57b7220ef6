package gitstore

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// NewCommit is a commit to be stored: the files of another one with changes.
type NewCommit struct {
	From    string            // commit whose files it has
	Files   map[string][]byte // path -> content, put in or replaced; nil takes the file out
	Parents []string
	Message string
	By      Signature
}

// MakeCommit implements Store. No ref points to the commit afterwards.
func (b *Bare) MakeCommit(ctx context.Context, n NewCommit) (string, error) {
	from, err := b.Commit(ctx, n.From)
	if err != nil {
		return "", err
	}
	const ref = "refs/tagboat/made"
	var in bytes.Buffer
	fmt.Fprintf(&in, "reset %s\n\ncommit %s\nmark :1\ncommitter %s <%s> %d +0000\ndata %d\n%s\n", ref, ref, n.By.Name, n.By.Email, n.By.When.Unix(), len(n.Message), n.Message)
	for i, p := range n.Parents {
		fmt.Fprintf(&in, "%s %s\n", []string{"from", "merge"}[min(i, 1)], p)
	}
	fmt.Fprintf(&in, "M 040000 %s \n", from.Tree)
	for _, path := range slices.Sorted(maps.Keys(n.Files)) {
		if strings.ContainsAny(path, "\"\n\x00") {
			return "", fmt.Errorf("commit %q: a path that is not plain", path)
		}
		if content := n.Files[path]; content == nil {
			fmt.Fprintf(&in, "D %s\n", path)
		} else {
			fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n%s\n", path, len(content), content)
		}
	}
	in.WriteString("\nget-mark :1\n")
	out, err := b.git(ctx, in.Bytes(), "fast-import", "--quiet", "--force", "--date-format=raw", "--cat-blob-fd=1")
	if err != nil {
		return "", err
	}
	if _, err := b.git(ctx, nil, "update-ref", "-d", ref); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// MakeCommit implements Store.
func (m *Memory) MakeCommit(_ context.Context, n NewCommit) (string, error) {
	m.mu.RLock()
	from, err := found(m.commits, n.From)
	files := map[string]string{}
	for _, e := range m.trees[from.Tree] {
		files[e.Path] = string(m.blobs[e.SHA])
	}
	m.mu.RUnlock()
	if err != nil {
		return "", err
	}
	for path, content := range n.Files {
		if files[path] = string(content); content == nil {
			delete(files, path)
		}
	}
	sha, err := m.AddCommit(n.Message, files, n.Parents...)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.commits[sha]
	c.Author, c.Committer = n.By, n.By
	c.Author.When, c.Committer.When = n.By.When.UTC().Truncate(time.Second), n.By.When.UTC().Truncate(time.Second)
	m.commits[sha] = c
	return sha, nil
}

package git

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Modes of tree entries that are no plain file.
const (
	modeExecutable = "100755"
	modeLink       = "120000"
	modeSubmodule  = "160000"
)

type treeEntry struct {
	mode, kind, hash, path string
	size                   int64 // of a file, in bytes
}

// treeEntries reads the output of ls-tree -lz: "mode kind hash size\tpath" per entry, the size being "-" for a submodule.
func treeEntries(out string) []treeEntry {
	var entries []treeEntry
	for _, line := range fields0(out) {
		meta, path, _ := strings.Cut(line, "\t")
		if f := strings.Fields(meta); len(f) == 4 {
			size, _ := strconv.ParseInt(f[3], 10, 64)
			entries = append(entries, treeEntry{f[0], f[1], f[2], path, size})
		}
	}
	return entries
}

// object asks cat-file for one object; mode is --batch or --batch-check.
func (r *Repo) object(ctx context.Context, hash, mode string) (content []byte, kind string, err error) {
	out, err := r.run(ctx, command{args: []string{"cat-file", mode}, stdin: []byte(hash + "\n")})
	if err != nil {
		return nil, "", err
	}
	_, content, kind, _, err = r.nextObject(out, hash, mode == "--batch")
	return content, kind, err
}

// nextObject takes one answer from the output of cat-file.
func (r *Repo) nextObject(out []byte, want string, withContent bool) (hash string, content []byte, kind string, rest []byte, err error) {
	header, rest, _ := bytes.Cut(out, []byte("\n"))
	f := strings.Fields(string(header))
	if len(f) != 3 {
		return "", nil, "", nil, fmt.Errorf("object %s in %s: %w", want, r.Dir, ErrNotFound)
	}
	if !withContent {
		return f[0], nil, f[1], rest, nil
	}
	size, err := strconv.Atoi(f[2])
	if err != nil || size+1 > len(rest) {
		return "", nil, "", nil, fmt.Errorf("object %s in %s: cat-file answered %q", want, r.Dir, header)
	}
	return f[0], rest[:size], f[1], rest[size+1:], nil
}

// commits reads commit objects in one process.
func (r *Repo) commits(ctx context.Context, hashes []string) ([]Commit, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	out, err := r.run(ctx, command{args: []string{"cat-file", "--batch"}, stdin: []byte(strings.Join(hashes, "\n") + "\n")})
	if err != nil {
		return nil, err
	}
	commits := make([]Commit, 0, len(hashes))
	for _, want := range hashes {
		var content []byte
		var hash string
		if hash, content, _, out, err = r.nextObject(out, want, true); err != nil {
			return nil, err
		}
		commits = append(commits, parseCommit(hash, string(content)))
	}
	return commits, nil
}

// parseCommit reads a commit object: header lines, an empty line, the message. Further header lines (signatures) may
// continue on lines that begin with a space.
func parseCommit(hash, text string) Commit {
	header, message, _ := strings.Cut(text, "\n\n")
	c := Commit{Hash: hash, Message: strings.TrimSuffix(message, "\n")}
	for line := range strings.SplitSeq(header, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author, _ = parseSignature(value)
		case "committer":
			_, c.Time = parseSignature(value)
		}
	}
	return c
}

// parseSignature reads "Name <email> seconds +zone".
func parseSignature(s string) (Identity, time.Time) {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(when, " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Identity{name, email}, time.Time{}
	}
	return Identity{name, email}, time.Unix(n, 0).UTC()
}

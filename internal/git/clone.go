package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CloneAt makes a clean checkout of one commit in dir, which must be empty or absent, and returns it: a repository of
// its own with a detached HEAD at the commit, no history before it, no remote, no hook, no credential, no object shared
// with the source, every file as the commit has it (no line ending conversion).
func (r *Repo) CloneAt(ctx context.Context, commit, dir string) (*Repo, error) {
	hash, err := r.resolve(ctx, commit)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("clone to %s: %w", dir, err)
	}
	if entries, err := os.ReadDir(abs); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("clone to %s: the folder is not empty", abs)
	}
	return r.copyCommit(ctx, hash, abs)
}

// copyCommit makes a repository in dir with one commit and checks it out. The objects travel as a pack between two
// plumbing commands: no transport, so nothing that the source's configuration could hook into.
func (r *Repo) copyCommit(ctx context.Context, hash, dir string) (*Repo, error) {
	format := "--object-format=sha1"
	if len(hash) == 64 {
		format = "--object-format=sha256"
	}
	clone, err := initialise(ctx, dir, format)
	if err != nil {
		return nil, err
	}
	objects, err := r.git(ctx, "rev-list", "--objects", "--no-object-names", "--no-walk", hash)
	if err != nil {
		return nil, err
	}
	pack, err := r.run(ctx, command{args: []string{"pack-objects", "--quiet", "--stdout", "--window=0"}, stdin: []byte(objects)})
	if err != nil {
		return nil, err
	}
	if _, err := clone.run(ctx, command{args: []string{"index-pack", "--stdin"}, stdin: pack}); err != nil {
		return nil, err
	}
	if strings.Contains(objects, hash) {
		if err := os.WriteFile(filepath.Join(clone.Dir, ".git", "shallow"), []byte(hash+"\n"), 0o644); err != nil {
			return nil, fmt.Errorf("clone to %s: %w", dir, err)
		}
	}
	for _, kv := range [][2]string{{"core.autocrlf", "false"}, {"core.hooksPath", os.DevNull}, {"gc.auto", "0"}} {
		if _, err := clone.git(ctx, "config", "--local", kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	_, err = clone.git(ctx, "checkout", "--quiet", "--force", "--detach", hash)
	return clone, err
}

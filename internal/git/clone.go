package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// CloneAt makes a clean checkout of one commit in dir, which must be empty or absent, and returns it: a repository of
// its own with a detached HEAD at the commit, no history before it, no remote, no hook, no credential, no object shared
// with the source, every file as the commit has it (no line ending conversion, no filter such as Git LFS).
//
// Submodules are checked out at the recorded commits: from the source's own copies where it has them, else from their
// URLs, relative ones resolved against the source's remote origin or its folder. Only http and https are used to fetch,
// without any credential; SSH forms are tried as https. A URL that names a folder of this machine is followed where the
// source is from this machine, too: a stranger must not name the folder whose files are then published. A *SubmoduleError names the one that cannot be had.
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
	clone, err := r.copyCommit(ctx, hash, abs)
	if err != nil {
		return nil, err
	}
	base, err := r.Remote(ctx, "origin")
	if errors.Is(err, ErrNotFound) {
		base = r.Dir
	} else if err != nil {
		return nil, err
	}
	if err := clone.submodules(ctx, hash, r, base, nil); err != nil {
		return nil, unreachable(err)
	}
	return clone, nil
}

// copyCommit makes a repository in dir with one commit of r and checks it out. The objects travel as a pack between
// two plumbing commands: no transport, so nothing that the source's configuration could hook into.
func (r *Repo) copyCommit(ctx context.Context, hash, dir string) (*Repo, error) {
	clone, err := initialise(ctx, dir, objectFormat(hash))
	if err != nil {
		return nil, err
	}
	clone.fleeting = true
	objects, err := r.run(ctx, command{args: []string{"rev-list", "--objects", "--no-object-names", "--no-walk", hash}})
	if err != nil {
		return nil, err
	}
	reader, writer := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		_, err := r.run(ctx, command{args: []string{"pack-objects", "--quiet", "--stdout", "--window=0"}, stdin: objects, to: writer})
		writer.CloseWithError(err)
		packed <- err
	}()
	_, err = clone.run(ctx, command{args: []string{"index-pack", "--stdin"}, from: reader})
	reader.CloseWithError(err)
	if sent := <-packed; exitCode(sent) > 0 || err == nil {
		err = sent // the receiver fails too when the sender does
	}
	if err != nil {
		return nil, err
	}
	return clone, clone.checkout(ctx, hash)
}

// checkout makes a fresh repository that has a commit's objects a checkout of that commit.
func (r *Repo) checkout(ctx context.Context, hash string) error {
	commits, err := r.commits(ctx, []string{hash})
	if err != nil {
		return err
	}
	if len(commits[0].Parents) > 0 {
		if err := os.WriteFile(filepath.Join(r.Dir, ".git", "shallow"), []byte(hash+"\n"), 0o644); err != nil {
			return fmt.Errorf("clone to %s: %w", r.Dir, err)
		}
	}
	info := filepath.Join(r.Dir, ".git", "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return fmt.Errorf("clone to %s: %w", r.Dir, err)
	}
	if err := os.WriteFile(filepath.Join(info, "attributes"), []byte(asCommitted), 0o644); err != nil {
		return fmt.Errorf("clone to %s: %w", r.Dir, err)
	}
	for _, kv := range [][2]string{{"core.autocrlf", "false"}, {"core.hooksPath", os.DevNull}, {"gc.auto", "0"}} {
		if err := r.configure(ctx, kv[0], kv[1]); err != nil {
			return err
		}
	}
	_, err = r.git(ctx, "checkout", "--quiet", "--force", "--detach", hash)
	return err
}

// asCommitted takes back what a .gitattributes says of files: each is checked out with the bytes that the commit has.
const asCommitted = "* -text -ident -filter !working-tree-encoding\n"

func (r *Repo) configure(ctx context.Context, key, value string) error {
	_, err := r.git(ctx, "config", "--local", key, value)
	return err
}

func objectFormat(hash string) string {
	if len(hash) == 64 {
		return "--object-format=sha256"
	}
	return "--object-format=sha1"
}

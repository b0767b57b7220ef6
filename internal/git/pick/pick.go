// Package pick makes commits of one branch again on another, in a work tree of its own.
package pick

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/git"
)

// WorkAt makes a work tree in dir, which must be empty or absent, at one commit, with the whole history before it at
// hand: it borrows the objects of r, which must outlive it. Like a clone it has no remote, no hook and no credential.
func WorkAt(ctx context.Context, r *git.Repo, commit, dir string) (*git.Repo, error) {
	hash, err := r.Commit(ctx, commit)
	if err != nil {
		return nil, err
	}
	common, err := r.Exec(ctx, nil, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return nil, err
	}
	w, err := git.Init(ctx, dir)
	if err != nil {
		return nil, err
	}
	objects := filepath.Join(strings.TrimSpace(common), "objects")
	if err := os.WriteFile(filepath.Join(w.Dir, ".git/objects/info/alternates"), []byte(objects+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("work at %s: %w", hash, err)
	}
	_, err = w.Exec(ctx, nil, "checkout", "--quiet", "--force", "--detach", hash)
	return w, err
}

// Picked is what came of picking a commit.
type Picked struct {
	Commit    string   // the new one; empty where nothing was left to change, or where it conflicts
	Conflicts []string // paths; the work tree is as before then
	Kept      []string // paths that would conflict, and stay as they were
}

// Cherry makes what a commit changed again on top of HEAD, and says in the message where it is from. Of a merge it
// takes what it brought to its first parent. Files that yield stay as they are where nothing else conflicts.
func Cherry(ctx context.Context, r *git.Repo, commit string, who git.Identity, yields func(path string) bool) (Picked, error) {
	info, err := r.CommitInfo(ctx, commit)
	if err != nil {
		return Picked{}, err
	}
	args := []string{"cherry-pick", "-x"}
	if len(info.Parents) > 1 {
		args = append(args, "-m", "1")
	}
	config := [][2]string{{"user.name", who.Name}, {"user.email", who.Email}, {"rerere.enabled", "false"}, {"merge.renames", "true"}}
	_, failed := r.Exec(ctx, config, append(args, info.Hash)...)
	if failed == nil {
		head, _, err := r.Head(ctx)
		return Picked{Commit: head}, err
	}
	if e := (*git.Error)(nil); !errors.As(failed, &e) || e.Exit != 1 {
		return Picked{}, failed
	}
	out, err := r.Exec(ctx, nil, "diff", "--name-only", "--diff-filter=U", "-z")
	if err != nil {
		return Picked{}, err
	}
	conflicts := fields0(out)
	stay := !slices.ContainsFunc(conflicts, func(path string) bool { return !yields(path) })
	if stay && len(conflicts) > 0 { // it fails where the branch has no such file
		_, err := r.Exec(ctx, nil, append([]string{"checkout", "--quiet", "HEAD", "--"}, conflicts...)...)
		stay = err == nil
	}
	if !stay {
		_, err := r.Exec(ctx, nil, "cherry-pick", "--abort")
		return Picked{Conflicts: conflicts}, err
	}
	_, differs := r.Exec(ctx, nil, "diff", "--cached", "--quiet", "HEAD")
	switch {
	case differs == nil:
		_, err = r.Exec(ctx, nil, "cherry-pick", "--skip")
		return Picked{Kept: conflicts}, err
	case len(conflicts) == 0:
		return Picked{}, failed
	}
	if _, err := r.Exec(ctx, append(config, [2]string{"core.editor", "true"}), "cherry-pick", "--continue"); err != nil {
		return Picked{}, err
	}
	head, _, err := r.Head(ctx)
	return Picked{Commit: head, Kept: conflicts}, err
}

// Added returns the lines that a commit adds to a file, compared with its first parent.
func Added(ctx context.Context, r *git.Repo, commit, path string) ([]string, error) {
	info, err := r.CommitInfo(ctx, commit)
	if err != nil || len(info.Parents) == 0 {
		return nil, err
	}
	out, err := r.Exec(ctx, nil, "diff-tree", "-p", "--unified=0", "--no-ext-diff", "--no-textconv", "--no-color", info.Parents[0], info.Hash, "--", path)
	if err != nil {
		return nil, err
	}
	_, hunks, _ := strings.Cut(out, "\n@@ ")
	var lines []string
	for line := range strings.Lines(hunks) {
		if text, added := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "+"); added {
			lines = append(lines, text)
		}
	}
	return lines, nil
}

// FileChange is one file that differs between two commits. Modes are git's, "000000" where the file is not.
type FileChange struct {
	Path, Was, Mode string
	Content         []byte // as it is now; of a link it is where that leads, of a submodule and of a file that is gone nil
}

// Submodule is the mode of a path that names a commit of another repository.
const Submodule = "160000"

// Changes returns the files that differ between two commits, by path.
func Changes(ctx context.Context, r *git.Repo, base, head string) ([]FileChange, error) {
	for _, rev := range []*string{&base, &head} {
		hash, err := r.Commit(ctx, *rev)
		if err != nil {
			return nil, err
		}
		*rev = hash
	}
	out, err := r.Exec(ctx, nil, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", base, head)
	if err != nil {
		return nil, err
	}
	fields := fields0(out)
	var all []FileChange
	for i := 0; i+1 < len(fields); i += 2 {
		meta := strings.Fields(fields[i]) // :old-mode new-mode old-id new-id status
		if len(meta) != 5 {
			return nil, fmt.Errorf("git diff-tree: unclear line %q", fields[i])
		}
		f := FileChange{Path: fields[i+1], Was: strings.TrimPrefix(meta[0], ":"), Mode: meta[1]}
		if f.Mode != "000000" && f.Mode != Submodule {
			content, err := r.Exec(ctx, nil, "cat-file", "blob", meta[3])
			if err != nil {
				return nil, err
			}
			f.Content = []byte(content)
		}
		all = append(all, f)
	}
	return all, nil
}

// fields0 splits output that ends every entry with a NUL.
func fields0(out string) []string {
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
}

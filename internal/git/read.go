package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Identity is a person or bot as git records it.
type Identity struct {
	Name, Email string
}

// Commit is what a commit object says.
type Commit struct {
	Hash    string
	Tree    string
	Parents []string
	Author  Identity
	Time    time.Time // when it was committed
	Message string    // with its final newline removed
}

// tagFormat asks for-each-ref for one tag; fields end with NUL because a message may hold anything else.
// What a tag object points at directly is asked for, too.
const tagFormat = "%(refname)%00%(objectname)%00%(objecttype)%00%(contents)%00%(contents:signature)%00%(*objecttype)%00%(*objectname)%00"

func (r *Repo) tags(ctx context.Context, pattern string) ([]Tag, error) {
	out, err := r.git(ctx, "for-each-ref", "--format="+tagFormat, "--", pattern)
	if err != nil {
		return nil, err
	}
	var tags []Tag
	fields := strings.Split(out, "\x00")
	for ; len(fields) >= 7; fields = fields[7:] {
		t := Tag{Name: strings.TrimPrefix(strings.TrimPrefix(fields[0], "\n"), "refs/tags/"), Object: fields[1]}
		if t.Annotated = fields[2] == "tag"; t.Annotated {
			t.Message = strings.TrimSpace(strings.TrimSuffix(fields[3], fields[4]))
		}
		switch "commit" {
		case fields[2]:
			t.Commit = t.Object
		case fields[5]:
			t.Commit = fields[6]
		}
		tags = append(tags, t)
	}
	if err := r.peel(ctx, tags); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tags, func(t Tag) bool { return t.Commit == "" }), nil
}

// peel finds, in one process, the commits of tags that point at further tags. Those of anything else stay without one.
func (r *Repo) peel(ctx context.Context, tags []Tag) error {
	var ask strings.Builder
	var asked []*Tag
	for i := range tags {
		if t := &tags[i]; t.Commit == "" {
			ask.WriteString(t.Object + "^{}\n")
			asked = append(asked, t)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	out, err := r.run(ctx, command{args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"}, stdin: []byte(ask.String())})
	if err != nil {
		return err
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(asked) {
		return fmt.Errorf("peel tags of %s: got %d answers, want %d", r.Dir, len(answers), len(asked))
	}
	for i, t := range asked {
		if hash, ok := strings.CutSuffix(answers[i], " commit"); ok {
			t.Commit = hash
		}
	}
	return nil
}

// ListRefs returns the refs whose full name starts with prefix ("refs/heads/", "refs/tags/v1"), sorted by name.
func (r *Repo) ListRefs(ctx context.Context, prefix string) ([]Ref, error) {
	if !strings.HasPrefix(prefix, "refs/") && prefix != "" {
		return nil, fmt.Errorf("ref prefix %q: %w: it does not start with refs/", prefix, ErrName)
	}
	args := []string{"for-each-ref", "--format=%(refname)%00%(objectname)"}
	if folder := prefix[:strings.LastIndexByte(prefix, '/')+1]; folder != "" {
		if err := CheckRef(folder + "x"); err != nil {
			return nil, err
		}
		args = append(args, "--", folder)
	}
	out, err := r.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for line := range strings.Lines(out) {
		name, object, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		if strings.HasPrefix(name, prefix) {
			refs = append(refs, Ref{name, object})
		}
	}
	return refs, nil
}

// Ref returns a ref by its full name, not peeled; ErrNotFound where there is none.
func (r *Repo) Ref(ctx context.Context, name string) (Ref, error) {
	if err := CheckRef(name); err != nil {
		return Ref{}, err
	}
	object, err := r.parse(ctx, name, "")
	return Ref{name, object}, err
}

// IsAncestor reports whether commit a is b or lies in b's history.
func (r *Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	a, b, err := r.both(ctx, a, b)
	if err != nil {
		return false, err
	}
	_, err = r.git(ctx, "merge-base", "--is-ancestor", a, b)
	if exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

// MergeBase returns the best common ancestor of two commits; ErrNotFound where their histories do not meet.
func (r *Repo) MergeBase(ctx context.Context, a, b string) (string, error) {
	a, b, err := r.both(ctx, a, b)
	if err != nil {
		return "", err
	}
	out, err := r.git(ctx, "merge-base", a, b)
	if exitCode(err) == 1 {
		return "", fmt.Errorf("merge base of %s and %s: %w", a, b, ErrNotFound)
	}
	return strings.TrimSpace(out), err
}

// DiffNames returns the paths that differ between the trees of two commits, sorted; a renamed file counts as two.
func (r *Repo) DiffNames(ctx context.Context, base, head string) ([]string, error) {
	base, head, err := r.both(ctx, base, head)
	if err != nil {
		return nil, err
	}
	out, err := r.git(ctx, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-commit-id", base, head)
	return fields0(out), err
}

// CountCommits returns how many commits are in b's history but not in a's (a..b).
func (r *Repo) CountCommits(ctx context.Context, a, b string) (int, error) {
	a, b, err := r.both(ctx, a, b)
	if err != nil {
		return 0, err
	}
	out, err := r.git(ctx, "rev-list", "--count", b, "^"+a)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// Log returns the commits in b's history that are not in a's, newest first, at most limit. An empty a means all.
func (r *Repo) Log(ctx context.Context, a, b string, limit int) ([]Commit, error) {
	b, err := r.resolve(ctx, b)
	if err != nil {
		return nil, err
	}
	args := []string{"rev-list", "--max-count=" + strconv.Itoa(limit), b}
	if a != "" {
		if a, err = r.resolve(ctx, a); err != nil {
			return nil, err
		}
		args = append(args, "^"+a)
	}
	out, err := r.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	return r.commits(ctx, strings.Fields(out))
}

// both resolves two revisions to commits.
func (r *Repo) both(ctx context.Context, a, b string) (string, string, error) {
	hashA, err := r.resolve(ctx, a)
	if err != nil {
		return "", "", err
	}
	hashB, err := r.resolve(ctx, b)
	return hashA, hashB, err
}

// ObjectType returns "commit", "tree", "blob" or "tag"; ErrNotFound where the repository has no such object.
func (r *Repo) ObjectType(ctx context.Context, hash string) (string, error) {
	if err := checkHash(hash); err != nil {
		return "", err
	}
	_, kind, err := r.object(ctx, hash, "--batch-check")
	return kind, err
}

// CommitInfo returns what the commit says that rev names.
func (r *Repo) CommitInfo(ctx context.Context, rev string) (Commit, error) {
	hash, err := r.resolve(ctx, rev)
	if err != nil {
		return Commit{}, err
	}
	commits, err := r.commits(ctx, []string{hash})
	if err != nil {
		return Commit{}, err
	}
	return commits[0], nil
}

// File returns the content of the file at a slash-separated path in a commit. ErrNotFound where the path is absent or
// no regular file.
func (r *Repo) File(ctx context.Context, commit, path string) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	entries, err := r.tree(ctx, commit, path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.path == path && e.kind == "blob" && e.mode != modeLink {
			return r.run(ctx, command{args: []string{"cat-file", "blob", e.hash}})
		}
	}
	return nil, fmt.Errorf("file %s at %s: %w", path, commit, ErrNotFound)
}

// Tree returns the slash-separated paths of all files in a commit, sorted. A submodule counts as one path.
func (r *Repo) Tree(ctx context.Context, commit string) ([]string, error) {
	entries, err := r.tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(entries))
	for _, e := range entries {
		paths = append(paths, e.path)
	}
	return paths, nil
}

// tree lists all files of a commit, at any depth, or those at or below a path.
func (r *Repo) tree(ctx context.Context, commit string, paths ...string) ([]treeEntry, error) {
	if err := checkRevision(commit); err != nil {
		return nil, err
	}
	args := append([]string{"ls-tree", "-r", "-l", "-z", "--full-tree", commit + "^{commit}", "--"}, paths...)
	out, err := r.git(ctx, args...)
	if err != nil {
		if _, unknown := r.resolve(ctx, commit); unknown != nil {
			return nil, unknown // asked only now: most commits are there
		}
	}
	return treeEntries(out), err
}

// Diff returns the difference between HEAD and the work tree as a patch, "" where there is none.
func (r *Repo) Diff(ctx context.Context) (string, error) {
	return r.git(ctx, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "HEAD", "--")
}

// Configured returns a value of the repository's configuration, or of the user's own below home; "" where neither has
// it. Reading one starts nothing.
func (r *Repo) Configured(ctx context.Context, key, home string) (string, error) {
	places := [][]string{{"--local"}}
	for _, name := range []string{".gitconfig", ".config/git/config"} {
		if file := filepath.Join(home, name); home != "" {
			if _, err := os.Stat(file); err == nil {
				places = append(places, []string{"--file", file})
			}
		}
	}
	for _, at := range places {
		out, err := r.git(ctx, slices.Concat([]string{"config"}, at, []string{"--includes", "--get", key})...)
		if err == nil || exitCode(err) != 1 {
			return strings.TrimSpace(out), err
		}
	}
	return "", nil
}

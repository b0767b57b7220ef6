// Package git drives the git command line: never through a shell, with an environment of its own making, without
// prompts, hooks, credentials or network unless a method says otherwise.
//
// Names that come from outside (refs, commits, paths) are checked before they reach an argument list: a name that git
// could read as an option or a pattern is refused with ErrName.
package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// Errors for errors.Is.
var (
	// ErrNotRepository: the folder is not the top of a git work tree and no bare repository.
	ErrNotRepository = errors.New("not a git repository")
	// ErrNotFound: the ref, commit, path or remote does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a ref is not where the caller expected it.
	ErrConflict = errors.New("the ref is not where it was expected")
	// ErrName: a name that git does not allow or that could be taken for an option.
	ErrName = errors.New("not a valid name for git")
)

// Repo is a local repository. Dir is the top of a work tree, or the folder of a bare repository; it must be absolute.
type Repo struct {
	Dir string

	fleeting bool // a clone of our own making: after a power failure it is made anew, so nothing waits for the disk
	separate bool // Dir is the git folder of a submodule, whose work tree is elsewhere and may be gone
}

// Tag is a tag with what it points at. Object is the hash that the ref holds: of the tag object where Annotated, else
// of the commit itself. Commit is the commit at the end, however many tag objects lie between. Message is the text of
// an annotated tag without signature.
type Tag struct {
	Name      string
	Object    string
	Commit    string
	Annotated bool
	Message   string
}

// Ref is a full ref name ("refs/heads/main") and the object it holds, not peeled.
type Ref struct {
	Name   string
	Object string
}

// Open returns the repository at dir: the top of a work tree or a bare repository. A folder inside a work tree is
// ErrNotRepository, as is anything else.
func Open(ctx context.Context, dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("open repository %s: %w: %w", dir, ErrNotRepository, err)
	}
	r := &Repo{Dir: abs}
	out, err := r.git(ctx, "rev-parse", "--is-bare-repository", "--absolute-git-dir")
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			return nil, err
		}
		return nil, fmt.Errorf("open repository %s: %w: %w", dir, ErrNotRepository, err)
	}
	answers := strings.Split(out, "\n")
	bare, gitDir := answers[0] == "true", answers[1]
	if bare != (gitDir == abs) {
		return nil, fmt.Errorf("open repository %s: %w: it belongs to %s", dir, ErrNotRepository, gitDir)
	}
	return r, nil
}

// Head returns the commit that HEAD is at and the short name of its branch, "" where detached. A repository without
// a commit is ErrNotFound.
func (r *Repo) Head(ctx context.Context) (commit, branch string, err error) {
	if commit, err = r.resolve(ctx, "HEAD"); err != nil {
		return "", "", err
	}
	out, err := r.git(ctx, "symbolic-ref", "--quiet", "HEAD")
	switch {
	case err == nil:
		return commit, strings.TrimPrefix(strings.TrimSpace(out), "refs/heads/"), nil
	case exitCode(err) == 1:
		return commit, "", nil
	}
	return "", "", err
}

// Commit returns the full hash of the commit that rev names: a hash, a ref ("main", "refs/tags/v1.0.0") or HEAD.
// A tag is peeled.
func (r *Repo) Commit(ctx context.Context, rev string) (string, error) {
	return r.resolve(ctx, rev)
}

func (r *Repo) resolve(ctx context.Context, rev string) (string, error) {
	return r.parse(ctx, rev, "^{commit}")
}

// parse resolves rev plus a peeling suffix to one hash.
func (r *Repo) parse(ctx context.Context, rev, peel string) (string, error) {
	if err := checkRevision(rev); err != nil {
		return "", err
	}
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", rev+peel)
	switch {
	case exitCode(err) == 1 && rev == "HEAD":
		return "", &problem.Error{Kind: problem.Stopped, Summary: r.Dir + " has no commit yet", Detail: "the branch of HEAD is empty", Err: ErrNotFound, Hint: "commit first: what Tagboat looks at is a commit, and not the folder"}
	case exitCode(err) == 1:
		return "", fmt.Errorf("%s in %s: %w", rev, r.Dir, ErrNotFound)
	}
	return strings.TrimSpace(out), err
}

// Tag returns the tag of that name ("v1.0.0", without refs/tags/). ErrNotFound where there is none or where it does
// not lead to a commit.
func (r *Repo) Tag(ctx context.Context, name string) (Tag, error) {
	ref := "refs/tags/" + name
	if err := CheckRef(ref); err != nil {
		return Tag{}, err
	}
	tags, err := r.tags(ctx, ref)
	if err != nil {
		return Tag{}, err
	}
	for _, t := range tags {
		if t.Name == name {
			return t, nil
		}
	}
	return Tag{}, fmt.Errorf("tag %s in %s: %w", name, r.Dir, ErrNotFound)
}

// Tags returns all tags that lead to a commit, sorted by name.
func (r *Repo) Tags(ctx context.Context) ([]Tag, error) { return r.tags(ctx, "refs/tags/") }

// Branches returns the local branches by full ref name, sorted.
func (r *Repo) Branches(ctx context.Context) ([]Ref, error) { return r.ListRefs(ctx, "refs/heads/") }

// Shallow reports whether history is cut off, as after a checkout with a depth.
func (r *Repo) Shallow(ctx context.Context) (bool, error) {
	out, err := r.git(ctx, "rev-parse", "--is-shallow-repository")
	return strings.TrimSpace(out) == "true", err
}

// Dirty returns the slash-separated paths that differ from HEAD or are untracked, sorted; ignored files do not count.
func (r *Repo) Dirty(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none")
	if err != nil {
		if bare, _ := r.git(ctx, "rev-parse", "--is-bare-repository"); strings.TrimSpace(bare) == "true" {
			return nil, &problem.Error{Kind: problem.Usage, Summary: r.Dir + " is a bare repository", Detail: "it has no files to look at or to edit", Hint: "work in a clone of it", Err: err}
		}
		return nil, err
	}
	var paths []string
	for _, entry := range fields0(out) {
		if len(entry) > 3 {
			paths = append(paths, entry[3:])
		}
	}
	return paths, nil
}

// Remote returns the URL of a remote with user name and password removed. ErrNotFound where there is none.
func (r *Repo) Remote(ctx context.Context, name string) (string, error) {
	if err := CheckRef("refs/remotes/" + name); err != nil {
		return "", err
	}
	out, err := r.git(ctx, "config", "--local", "--get", "remote."+name+".url")
	if exitCode(err) == 1 {
		return "", fmt.Errorf("remote %s of %s: %w", name, r.Dir, ErrNotFound)
	}
	return StripCredentials(strings.TrimSpace(out)), err
}

// StripCredentials removes user name and password from a URL. Forms like git@host:path stay: they hold no secret.
func StripCredentials(remote string) string {
	scheme, rest, ok := strings.Cut(remote, "://")
	if !ok {
		return remote
	}
	authority, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

// ParseGitHub returns owner and name from the URL of a repository on GitHub or a GitHub Enterprise server, in any form
// that git takes: https://host/owner/name(.git), ssh://git@host/owner/name, git@host:owner/name.
func ParseGitHub(remote string) (owner, name string, ok bool) {
	path := ""
	if strings.Contains(remote, "://") {
		if u, err := url.Parse(remote); err == nil && u.Host != "" {
			path = u.Path
		}
	} else if host, rest, found := strings.Cut(remote, ":"); found && !strings.Contains(host, "/") {
		path = rest
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	owner, name, ok = strings.Cut(path, "/")
	if !ok || !isGitHubName(owner) || !isGitHubName(name) {
		return "", "", false
	}
	return owner, name, true
}

// isGitHubName reports whether s can be an owner or repository name: [A-Za-z0-9._-], and no dots alone.
func isGitHubName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-", c) >= 0) {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

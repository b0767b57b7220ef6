package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Init makes an empty repository with a work tree and the branch main.
func Init(ctx context.Context, dir string) (*Repo, error) {
	return initialise(ctx, dir, "--object-format=sha1")
}

// InitBare makes an empty bare repository with the branch main.
func InitBare(ctx context.Context, dir string) (*Repo, error) {
	return initialise(ctx, dir, "--object-format=sha1", "--bare")
}

func initialise(ctx context.Context, dir string, options ...string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("create repository %s: %w", dir, err)
	}
	if err = os.MkdirAll(abs, 0o755); err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	r := &Repo{Dir: abs}
	_, err = r.git(ctx, append([]string{"init", "--quiet", "--initial-branch=main", "--template="}, options...)...)
	return r, err
}

// SetHead points HEAD at a branch ("main"), which need not exist yet.
func (r *Repo) SetHead(ctx context.Context, branch string) error {
	ref := "refs/heads/" + branch
	if err := CheckRef(ref); err != nil {
		return err
	}
	_, err := r.git(ctx, "symbolic-ref", "HEAD", ref)
	return err
}

// Fetch brings refs from a local repository ("refs/heads/*:refs/heads/*", "+a:b") with all they need. Tags come only
// by refspec. Neither side keeps a link to the other.
func (r *Repo) Fetch(ctx context.Context, from string, refspecs ...string) error {
	for _, spec := range refspecs {
		if err := checkRefspec(spec); err != nil {
			return err
		}
	}
	source, err := filepath.Abs(strings.TrimPrefix(from, "file://"))
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", from, err)
	}
	trust, err := trusting(source)
	if err != nil {
		return err
	}
	defer os.Remove(trust)
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-head-ok", "--", source}
	_, err = r.run(ctx, command{args: append(args, refspecs...), protocols: "file", env: []string{"GIT_CONFIG_GLOBAL=" + trust}})
	return err
}

// trusting writes a configuration file that lets git read a repository of another owner. The reading process is a
// child of git's, and only files reach it: it clears the settings that come by environment.
func trusting(dir string) (string, error) {
	f, err := os.CreateTemp("", "tagboat-git-*")
	if err != nil {
		return "", fmt.Errorf("write git configuration: %w", err)
	}
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(dir) + `"`
	gitDir := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(filepath.Join(dir, ".git")) + `"`
	_, err = f.WriteString("[safe]\n\tdirectory = " + quoted + "\n\tdirectory = " + gitDir + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("write git configuration: %w", err)
	}
	return f.Name(), nil
}

// checkRefspec allows [+]source:target with full ref names, a hash as source, and one trailing * on both sides.
func checkRefspec(spec string) error {
	source, target, ok := strings.Cut(strings.TrimPrefix(spec, "+"), ":")
	if !ok {
		return fmt.Errorf("refspec %q: %w: no colon", spec, ErrName)
	}
	starred := func(ref string) error { return CheckRef(strings.Replace(ref, "*", "x", 1)) }
	if !isHash(source) && source != "HEAD" {
		if err := starred(source); err != nil {
			return err
		}
	}
	return starred(target)
}

// UpdateRef moves a ref (full name) to an object. old is what it must hold now: "" for anything, Zero for "must not
// exist". ErrConflict where that is not so.
func (r *Repo) UpdateRef(ctx context.Context, ref, object, old string) error {
	if err := errors.Join(CheckRef(ref), checkHash(object)); err != nil {
		return err
	}
	return r.updateRef(ctx, ref, old, "update-ref", "--no-deref", ref, object)
}

// DeleteRef removes a ref (full name). old as for UpdateRef; with "" an absent ref is fine.
func (r *Repo) DeleteRef(ctx context.Context, ref, old string) error {
	if err := CheckRef(ref); err != nil {
		return err
	}
	return r.updateRef(ctx, ref, old, "update-ref", "--no-deref", "-d", ref)
}

// Zero is the hash of no object: the old value of a ref that must not exist.
const Zero = "0000000000000000000000000000000000000000"

func (r *Repo) updateRef(ctx context.Context, ref, old string, args ...string) error {
	if old != "" {
		if err := checkHash(old); err != nil {
			return err
		}
		args = append(args, old)
	}
	_, err := r.git(ctx, args...)
	if err == nil || old == "" || exitCode(err) < 0 {
		return err
	}
	now, refErr := r.Ref(ctx, ref)
	if errors.Is(refErr, ErrNotFound) {
		now.Object = Zero
	} else if refErr != nil {
		return errors.Join(err, refErr)
	}
	if now.Object != old {
		return fmt.Errorf("%s: %w: got %s, want %s", ref, ErrConflict, now.Object, old)
	}
	return err
}

// CreateBranch makes a branch ("release/v1.0.0") at a commit; ErrConflict where it exists.
func (r *Repo) CreateBranch(ctx context.Context, name, commit string) error {
	return r.UpdateRef(ctx, "refs/heads/"+name, commit, zeroLike(commit))
}

// zeroLike is Zero in the length of the repository's hashes.
func zeroLike(hash string) string { return strings.Repeat("0", len(hash)) }

// TagRequest describes a tag to be made. With an empty Message it is a light one and Tagger and Time do not matter.
type TagRequest struct {
	Name    string
	Object  string // hash; of a tag object for a nested tag
	Message string
	Tagger  Identity
	Time    time.Time
}

// CreateTag makes a tag and returns the hash that its ref holds. ErrConflict where the name is taken.
func (r *Repo) CreateTag(ctx context.Context, t TagRequest) (string, error) {
	if err := errors.Join(CheckRef("refs/tags/"+t.Name), checkHash(t.Object)); err != nil {
		return "", err
	}
	object := t.Object
	if t.Message != "" {
		kind, err := r.ObjectType(ctx, t.Object)
		if err != nil {
			return "", err
		}
		signature, err := signature(t.Tagger, t.Time)
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s\n\n%s\n", t.Object, kind, t.Name, signature,
			strings.TrimSuffix(t.Message, "\n"))
		out, err := r.run(ctx, command{args: []string{"hash-object", "-t", "tag", "-w", "--stdin"}, stdin: []byte(text)})
		if err != nil {
			return "", err
		}
		object = strings.TrimSpace(string(out))
	}
	return object, r.UpdateRef(ctx, "refs/tags/"+t.Name, object, zeroLike(object))
}

// CommitRequest describes a commit to be made without a work tree.
type CommitRequest struct {
	Branch  string            // short name; made where it does not exist
	Parent  string            // hash that the branch must be at; "" with a new branch for a first commit
	Files   map[string][]byte // slash path -> content; nil content deletes the file
	Message string
	Author  Identity // also the committer
	Time    time.Time
}

// CommitFiles makes a commit on top of Parent's tree and moves the branch to it. ErrConflict where the branch is elsewhere.
func (r *Repo) CommitFiles(ctx context.Context, q CommitRequest) (string, error) {
	ref := "refs/heads/" + q.Branch
	if err := CheckRef(ref); err != nil {
		return "", err
	}
	if q.Parent != "" {
		if err := checkHash(q.Parent); err != nil {
			return "", err
		}
	}
	signature, err := signature(q.Author, q.Time)
	if err != nil {
		return "", err
	}
	tree, err := r.writeTree(ctx, q.Parent, q.Files)
	if err != nil {
		return "", err
	}
	text := "tree " + tree + "\n"
	if q.Parent != "" {
		text += "parent " + q.Parent + "\n"
	}
	text += "author " + signature + "\ncommitter " + signature + "\n\n" + strings.TrimSuffix(q.Message, "\n") + "\n"
	out, err := r.run(ctx, command{args: []string{"hash-object", "-t", "commit", "-w", "--stdin"}, stdin: []byte(text)})
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(string(out))
	old := q.Parent
	if old == "" {
		old = zeroLike(commit)
	}
	return commit, r.UpdateRef(ctx, ref, commit, old)
}

// writeTree returns the tree of parent with files put in, through an index of its own.
func (r *Repo) writeTree(ctx context.Context, parent string, files map[string][]byte) (string, error) {
	dir, err := os.MkdirTemp("", "tagboat-index-*")
	if err != nil {
		return "", fmt.Errorf("write tree: %w", err)
	}
	defer os.RemoveAll(dir)
	none := Zero
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if parent != "" {
		none = zeroLike(parent)
		if _, err := r.run(ctx, command{args: []string{"read-tree", parent}, env: index}); err != nil {
			return "", err
		}
	}
	var info strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := checkPath(path); err != nil {
			return "", err
		}
		if files[path] == nil {
			info.WriteString("0 " + none + "\t" + path + "\x00")
			continue
		}
		out, err := r.run(ctx, command{args: []string{"hash-object", "-w", "--stdin"}, stdin: files[path]})
		if err != nil {
			return "", err
		}
		info.WriteString("100644 " + strings.TrimSpace(string(out)) + "\t" + path + "\x00")
	}
	if _, err := r.run(ctx, command{args: []string{"update-index", "-z", "--index-info"}, env: index, stdin: []byte(info.String())}); err != nil {
		return "", err
	}
	out, err := r.run(ctx, command{args: []string{"write-tree"}, env: index})
	return strings.TrimSpace(string(out)), err
}

// signature is "Name <email> seconds +0000" as objects hold it.
func signature(id Identity, when time.Time) (string, error) {
	if strings.ContainsAny(id.Name+id.Email, "<>\n\x00") || id.Name == "" || id.Email == "" {
		return "", fmt.Errorf("identity %q <%s>: %w", id.Name, id.Email, ErrName)
	}
	return fmt.Sprintf("%s <%s> %d +0000", id.Name, id.Email, when.Unix()), nil
}

// Unstage makes the index hold those paths as HEAD has them, and leaves the work tree alone.
func (r *Repo) Unstage(ctx context.Context, paths ...string) error {
	for _, path := range paths {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	_, err := r.git(ctx, append([]string{"reset", "--quiet", "HEAD", "--"}, paths...)...)
	return err
}

package gitstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bare is a real bare repository, read and written by the git command line. What a hash names never changes, so commits
// and trees are read once.
type Bare struct {
	dir string

	mu      sync.Mutex
	commits map[string]Commit
	trees   map[string][]Entry
}

// keptTrees bounds the trees in memory; a rehearsal looks at a handful of commits.
const keptTrees = 64

// OpenBare takes an existing bare repository.
func OpenBare(ctx context.Context, dir string) (*Bare, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	b := &Bare{dir: dir, commits: map[string]Commit{}, trees: map[string][]Entry{}}
	out, err := b.git(ctx, nil, "rev-parse", "--is-bare-repository")
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	if strings.TrimSpace(string(out)) != "true" {
		return nil, fmt.Errorf("open repository %s: it is not bare", dir)
	}
	return b, nil
}

// InitBare makes a new bare repository whose HEAD names a branch, and opens it.
func InitBare(ctx context.Context, dir, branch string) (*Bare, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	b := &Bare{dir: dir, commits: map[string]Commit{}, trees: map[string][]Entry{}}
	if _, err := b.git(ctx, nil, "init", "-q", "--bare", "--template=", "--initial-branch="+branch); err != nil {
		return nil, fmt.Errorf("make repository %s: %w", dir, err)
	}
	return b, nil
}

// environment is built from nothing: no user configuration, no hooks, no questions.
func (b *Bare) environment() []string {
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "GIT_DIR=" + b.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0"}
	config := [][2]string{{"safe.directory", b.dir}, {"core.hooksPath", os.DevNull}, {"gc.auto", "0"}, {"maintenance.auto", "false"}, {"receive.autogc", "false"},
		{"uploadpack.allowAnySHA1InWant", "true"}}
	for i, kv := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
}

func (b *Bare) git(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = b.dir, b.environment(), bytes.NewReader(stdin)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// Refs implements Store.
func (b *Bare) Refs(ctx context.Context) ([]Ref, error) { return b.list(ctx) }

func (b *Bare) list(ctx context.Context, patterns ...string) ([]Ref, error) {
	out, err := b.git(ctx, nil, append([]string{"for-each-ref", "--format=%(refname) %(objectname) %(objecttype)", "--"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for line := range strings.Lines(string(out)) {
		var r Ref
		if _, err := fmt.Sscan(line, &r.Name, &r.Object, &r.Type); err != nil {
			return nil, fmt.Errorf("git for-each-ref: unclear line %q", line)
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// Ref implements Store.
func (b *Bare) Ref(ctx context.Context, name string) (Ref, error) {
	if !strings.HasPrefix(name, "refs/") || strings.ContainsAny(name, "*?[\\ \n") {
		return Ref{}, ErrNotFound
	}
	refs, err := b.list(ctx, name) // lists what is below it too
	for _, r := range refs {
		if r.Name == name {
			return r, nil
		}
	}
	return Ref{}, errors.Join(err, absent(err))
}

func absent(err error) error {
	if err != nil {
		return nil
	}
	return ErrNotFound
}

// SetRef implements Store.
func (b *Bare) SetRef(ctx context.Context, name, old, new string) error {
	if new == "" {
		_, err := b.git(ctx, nil, "update-ref", "-d", "--no-deref", "--", name, old)
		return conflict(err)
	}
	if _, err := b.Type(ctx, new); err != nil {
		return err
	}
	if old == "" {
		old = Zero
	}
	_, err := b.git(ctx, nil, "update-ref", "--no-deref", "--", name, new, old)
	return conflict(err)
}

// conflict reads a refusal of git as what it nearly always is.
func conflict(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

// object reads one object of any type.
func (b *Bare) object(ctx context.Context, sha string) (typ string, content []byte, err error) {
	if !IsObjectID(sha) {
		return "", nil, ErrNotFound
	}
	out, err := b.git(ctx, []byte(sha+"\n"), "cat-file", "--batch")
	if err != nil {
		return "", nil, err
	}
	head, content, _ := bytes.Cut(out, []byte("\n"))
	fields := strings.Fields(string(head))
	if len(fields) != 3 { // "<sha> missing"
		return "", nil, ErrNotFound
	}
	return fields[1], bytes.TrimSuffix(content, []byte("\n")), nil
}

// Type implements Store.
func (b *Bare) Type(ctx context.Context, object string) (string, error) {
	if !IsObjectID(object) {
		return "", ErrNotFound
	}
	out, err := b.git(ctx, []byte(object+"\n"), "cat-file", "--batch-check=%(objecttype)")
	typ := strings.TrimSpace(string(out))
	if err == nil && strings.Contains(typ, " ") { // "<sha> missing"
		return "", ErrNotFound
	}
	return typ, err
}

// Commit implements Store.
func (b *Bare) Commit(ctx context.Context, sha string) (Commit, error) {
	b.mu.Lock()
	c, known := b.commits[sha]
	b.mu.Unlock()
	if known {
		return c, nil
	}
	typ, content, err := b.object(ctx, sha)
	if err != nil {
		return Commit{}, err
	}
	if typ != TypeCommit {
		return Commit{}, ErrNotFound
	}
	c = Commit{SHA: sha}
	headers(content, &c.Message, func(key, value string) {
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author = parseSignature(value)
		case "committer":
			c.Committer = parseSignature(value)
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commits[sha] = c
	return c, nil
}

// headers reads the header lines of a commit or tag; continued lines (signatures) are skipped.
func headers(content []byte, message *string, line func(key, value string)) {
	head, text, _ := strings.Cut(string(content), "\n\n")
	*message = text
	for l := range strings.SplitSeq(head, "\n") {
		if key, value, ok := strings.Cut(l, " "); ok && key != "" {
			line(key, value)
		}
	}
}

// parseSignature reads "Name <mail> 1700000000 +0100".
func parseSignature(s string) Signature {
	name, rest, _ := strings.Cut(s, " <")
	mail, when, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(when, " ")
	n, _ := strconv.ParseInt(seconds, 10, 64) // a broken date is the epoch, as git shows it
	return Signature{Name: name, Email: mail, When: time.Unix(n, 0).UTC()}
}

// Tag implements Store.
func (b *Bare) Tag(ctx context.Context, sha string) (Tag, error) {
	typ, content, err := b.object(ctx, sha)
	if err != nil {
		return Tag{}, err
	}
	if typ != TypeTag {
		return Tag{}, ErrNotFound
	}
	t := Tag{SHA: sha}
	headers(content, &t.Message, func(key, value string) {
		switch key {
		case "object":
			t.Object = value
		case "type":
			t.Type = value
		case "tag":
			t.Name = value
		case "tagger":
			t.Tagger = parseSignature(value)
		}
	})
	return t, nil
}

// CreateTag implements Store.
func (b *Bare) CreateTag(ctx context.Context, t Tag) (string, error) {
	typ, err := b.Type(ctx, t.Object)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(t.Name+t.Tagger.Name+t.Tagger.Email, "\n<>") {
		return "", fmt.Errorf("tag %q: name or tagger holds a line break or an angle bracket", t.Name)
	}
	text := fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s <%s> %d +0000\n\n%s", t.Object, typ, t.Name, t.Tagger.Name, t.Tagger.Email, t.Tagger.When.Unix(), t.Message)
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	out, err := b.git(ctx, []byte(text), "mktag")
	return strings.TrimSpace(string(out)), err
}

// Tree implements Store.
func (b *Bare) Tree(ctx context.Context, object string) ([]Entry, error) {
	b.mu.Lock()
	tree, known := b.trees[object]
	b.mu.Unlock()
	if known {
		return tree, nil
	}
	if typ, err := b.Type(ctx, object); err != nil {
		return nil, err
	} else if typ != TypeCommit && typ != TypeTree {
		return nil, ErrNotFound
	}
	out, err := b.git(ctx, nil, "ls-tree", "-r", "-l", "-z", "--full-tree", object)
	if err != nil {
		return nil, err
	}
	for _, line := range fields0(out) {
		meta, path, _ := strings.Cut(line, "\t")
		f := strings.Fields(meta) // mode, type, id, size ("-" for a submodule)
		if len(f) != 4 {
			return nil, fmt.Errorf("git ls-tree: unclear line %q", line)
		}
		size, _ := strconv.ParseInt(f[3], 10, 64)
		tree = append(tree, Entry{Path: path, Mode: f[0], SHA: f[2], Size: size})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.trees) >= keptTrees {
		clear(b.trees)
	}
	b.trees[object] = tree
	return tree, nil
}

func fields0(out []byte) []string {
	s := strings.TrimSuffix(string(out), "\x00")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}

// Blob implements Store.
func (b *Bare) Blob(ctx context.Context, sha string) ([]byte, error) {
	typ, content, err := b.object(ctx, sha)
	if err == nil && typ != TypeBlob {
		err = ErrNotFound
	}
	return content, err
}

// Ahead implements Store.
func (b *Bare) Ahead(ctx context.Context, base, head string) ([]string, error) {
	if !IsObjectID(base) || !IsObjectID(head) {
		return nil, ErrNotFound
	}
	out, err := b.git(ctx, nil, "rev-list", "--reverse", "--topo-order", head, "^"+base)
	return strings.Fields(string(out)), err
}

// MergeBase implements Store.
func (b *Bare) MergeBase(ctx context.Context, x, y string) (string, error) {
	if !IsObjectID(x) || !IsObjectID(y) {
		return "", ErrNotFound
	}
	out, err := b.git(ctx, nil, "merge-base", x, y)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", ErrNotFound
	}
	return strings.TrimSpace(string(out)), err
}

// Diff implements Store.
func (b *Bare) Diff(ctx context.Context, base, head string) ([]Change, error) {
	if !IsObjectID(base) || !IsObjectID(head) {
		return nil, ErrNotFound
	}
	out, err := b.git(ctx, nil, "diff-tree", "-r", "-z", "--no-renames", "--raw", "--numstat", base, head)
	if err != nil {
		return nil, err
	}
	var changes []Change
	at := map[string]int{}
	parts := fields0(out)
	for i := 0; i < len(parts); i++ {
		if raw, isRaw := strings.CutPrefix(parts[i], ":"); isRaw && i+1 < len(parts) {
			f := strings.Fields(raw) // modes, ids, status
			i++
			c := Change{Path: parts[i], Status: "modified", SHA: f[3]}
			switch f[4] {
			case "A":
				c.Status = "added"
			case "D":
				c.Status, c.SHA = "removed", f[2]
			}
			at[c.Path] = len(changes)
			changes = append(changes, c)
			continue
		}
		if f := strings.SplitN(parts[i], "\t", 3); len(f) == 3 { // counts are "-" for binary files
			c := &changes[at[f[2]]]
			c.Additions, _ = strconv.Atoi(f[0])
			c.Deletions, _ = strconv.Atoi(f[1])
		}
	}
	return changes, nil
}

// ServeGit answers one request of the smart HTTP protocol through git http-backend. Path is "/info/refs",
// "/git-upload-pack" or "/git-receive-pack"; a user must be given for a push. The request's credentials stay here.
func (b *Bare) ServeGit(w http.ResponseWriter, r *http.Request, path, user string) {
	program, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, "git is not installed", http.StatusInternalServerError)
		return
	}
	inner := r.Clone(r.Context())
	inner.Header.Del("Authorization")
	inner.Header.Del("Cookie")
	inner.URL.Path = path
	var env []string
	for _, kv := range b.environment() {
		if !strings.HasPrefix(kv, "GIT_DIR=") {
			env = append(env, kv)
		}
	}
	env = append(env, "GIT_PROJECT_ROOT="+b.dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+user)
	(&cgi.Handler{Path: program, Args: []string{"http-backend"}, Dir: b.dir, Env: env, Logger: log.New(io.Discard, "", 0), Stderr: io.Discard}).ServeHTTP(w, inner)
}

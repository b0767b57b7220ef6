package git_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/git"
)

var (
	someone = git.Identity{Name: "Some One", Email: "one@example.invalid"}
	then    = time.Unix(1700000000, 0).UTC()
)

// world is a repository with a work tree, made by the plain git command as its owner would.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{t, realDir(t)}
	w.git("init", "--quiet", "--initial-branch=main")
	return w
}

// realDir is an empty folder by its path without links.
func realDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (w world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME="+someone.Name, "GIT_AUTHOR_EMAIL="+someone.Email, "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME="+someone.Name, "GIT_COMMITTER_EMAIL="+someone.Email, "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// commit writes files (name, text, name, text, ...), commits everything and returns the hash.
func (w world) commit(message string, files ...string) string {
	w.t.Helper()
	for i := 0; i < len(files); i += 2 {
		w.write(files[i], files[i+1])
	}
	w.git("add", "--all", "--force")
	w.git("commit", "--quiet", "--allow-empty", "--message", message)
	return w.git("rev-parse", "HEAD")
}

func (w world) open() *git.Repo {
	w.t.Helper()
	r, err := git.Open(w.ctx(), w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w world) ctx() context.Context { return w.t.Context() }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recordAuthorization notes the Authorization header of every request, "" where there is none.
func recordAuthorization(asked *[]string, next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		*asked = append(*asked, r.Header.Get("Authorization"))
		mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

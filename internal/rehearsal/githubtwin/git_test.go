package githubtwin_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// work is a clone that the git command line uses against the twin.
type work struct {
	t   *testing.T
	dir string
}

func (w work) git(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func (w work) try(args ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w work) commit(message string, files map[string]string) string {
	w.t.Helper()
	for name, content := range files {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.git("add", "-A")
	w.git("commit", "-q", "-m", message)
	return w.git("rev-parse", "HEAD")
}

func TestRealGit(t *testing.T) {
	ctx := t.Context()
	store, err := gitstore.InitBare(ctx, filepath.Join(t.TempDir(), "bare.git"), "main")
	if err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: owner, Repo: repo, Refs: store,
		Tokens: map[string]githubtwin.Permissions{"writer": {"contents": "write", "workflows": "write"}, "reader": {"contents": "read"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { twin.Close() })
	server := httptest.NewServer(checked(t, twin.Handler()))
	t.Cleanup(server.Close)
	address := func(token string) string {
		u := must(url.Parse(server.URL + "/" + owner + "/" + repo + ".git"))
		if token != "" {
			u.User = url.UserPassword("x-access-token", token)
		}
		return u.String()
	}

	wk := work{t: t, dir: t.TempDir()}
	wk.git("init", "-q", "-b", "main")
	first := wk.commit("first", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/release.yml": releaseWorkflow, "big": strings.Repeat("x", 100)})
	if out, err := wk.try("push", "-q", address(""), "main"); err == nil {
		t.Errorf("push without a token worked: %s", out)
	}
	if out, err := wk.try("push", "-q", address("reader"), "main"); err == nil {
		t.Errorf("push with a reader's token worked: %s", out)
	}
	wk.git("push", "-q", address("writer"), "main")
	wk.git("tag", "v1.0.0")
	wk.git("tag", "-a", "-m", "annotated", "v1.1.0")
	annotated := wk.git("rev-parse", "v1.1.0")
	wk.git("push", "-q", address("writer"), "v1.0.0", "v1.1.0")
	noise := make([]byte, 3<<20) // more than git sends without chunks
	for i, x := range noise {
		noise[i] = byte(uint32(i)*2654435761>>13) ^ x
	}
	second := wk.commit("second", map[string]string{"noise": string(noise), "Cargo.toml": "[package]\nname = \"x\"\n"})
	wk.git("push", "-q", address("writer"), "main")

	w := &world{t: t, twin: twin, url: server.URL, token: "writer", http: server.Client()}
	want := []string{"create", "push refs/heads/main " + gitstore.Zero + ".." + first + " head " + first,
		"create", "push refs/tags/v1.0.0 " + gitstore.Zero + ".." + first + " head " + first,
		"create", "push refs/tags/v1.1.0 " + gitstore.Zero + ".." + annotated + " head " + first,
		"push refs/heads/main " + first + ".." + second + " head " + second}
	got := events(t, w)
	if len(got) != len(want) {
		t.Fatalf("events: %v", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("event %d: got %s, want %s", i, got[i], want[i])
		}
	}
	w.want(200, annotated, "GET", "/git/ref/tags/v1.1.0", nil)
	w.want(200, `"message":"annotated\n"`, "GET", "/git/tags/"+annotated, nil)
	w.want(200, `"ahead_by":1`, "GET", "/compare/v1.1.0...main", nil)
	w.want(200, `"filename":"noise"`, "GET", "/compare/v1.1.0...main", nil)
	w.want(201, "v1.2.0", "POST", "/releases", obj{"tag_name": "v1.2.0", "target_commitish": "main"})
	clone := filepath.Join(t.TempDir(), "clone")
	work{t: t, dir: t.TempDir()}.git("clone", "-q", address(""), clone)
	cl := work{t: t, dir: clone}
	if head, tags := cl.git("rev-parse", "HEAD"), strings.Fields(cl.git("tag")); head != second || fmt.Sprint(tags) != "[v1.0.0 v1.1.0 v1.2.0]" {
		t.Errorf("clone: head %s, tags %v", head, tags)
	}
	cl.git("fetch", "-q", "--depth=1", address(""), first)
}

package git_test

import (
	"errors"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/git"
)

// A mirror has the branches and tags of a folder, or of a server, and can be cloned from like the original.
func TestMirror(t *testing.T) {
	w := newWorld(t)
	w.write("a.txt", "1")
	first := w.commit("first")
	w.git("tag", "v1")
	w.git("branch", "side")
	w.write("a.txt", "2")
	second := w.commit("second")

	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{Path: program, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(w.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}})
	defer server.Close()
	for _, from := range []string{w.dir, "file://" + w.dir, server.URL + "/" + filepath.Base(w.dir) + "/.git"} {
		m, err := git.Mirror(t.Context(), from, filepath.Join(t.TempDir(), "mirror"))
		if err != nil {
			t.Errorf("%s: %v", from, err)
			continue
		}
		for rev, want := range map[string]string{"v1": first, "side": first, "main": second, second: second, second[:9]: second} {
			if got, err := m.Named(t.Context(), rev); got != want || err != nil {
				t.Errorf("%s: %s is %s, %v, want %s", from, rev, got, err, want)
			}
		}
		if _, err := m.Named(t.Context(), "nothing"); !errors.Is(err, git.ErrNotFound) {
			t.Errorf("%s: a revision that is not there: %v", from, err)
		}
		if n, err := m.Count(t.Context(), "main"); n != 2 || err != nil {
			t.Errorf("%s: %d commits, %v", from, n, err)
		}
		if origin, err := m.Remote(t.Context(), "origin"); origin != from || err != nil {
			t.Errorf("%s: its origin is %q, %v", from, origin, err)
		}
		clone, err := m.CloneAt(t.Context(), first, filepath.Join(t.TempDir(), "clone"))
		if err != nil {
			t.Errorf("%s: %v", from, err)
			continue
		}
		if text, err := clone.File(t.Context(), "HEAD", "a.txt"); string(text) != "1" || err != nil {
			t.Errorf("%s: the clone has %q, %v", from, text, err)
		}
	}
	for _, from := range []string{"", "-x", "relative/path", "a\nb", "ftp://example.com/x"} {
		if _, err := git.Mirror(t.Context(), from, filepath.Join(t.TempDir(), "mirror")); !errors.Is(err, git.ErrName) {
			t.Errorf("%q: %v", from, err)
		}
	}
	if _, err := git.Mirror(t.Context(), filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "mirror")); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

package artifact

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/problem"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	dir := tree(t, map[string]string{"dist/a.zip": "a", "dist/b (1).zip": "b", "dist/deep/c.zip": "c", "docs/x/index.html": "x", "README": "r"})
	for _, test := range []struct {
		globs []string
		want  []string // names
		fails string
	}{
		{[]string{"dist/*.zip"}, []string{"a.zip", "b.1.zip"}, ""},
		{[]string{"dist/**/*.zip"}, []string{"a.zip", "b.1.zip", "c.zip"}, ""},
		{[]string{"docs"}, []string{"docs.tar.gz"}, ""},
		{[]string{"README", "./README", "dist/a.zip"}, []string{"README", "a.zip"}, ""},
		{[]string{filepath.Join(dir, "dist", "a.zip")}, []string{"a.zip"}, ""},
		{[]string{"dist/*.tar"}, nil, "no file matches"},
		{[]string{"nowhere/*"}, nil, "no file matches"},
		{nil, nil, ""},
	} {
		found, err := Find(dir, test.globs)
		if test.fails != "" {
			var p *problem.Error
			if !errors.As(err, &p) || !strings.Contains(p.Summary, test.fails) || p.Hint == "" {
				t.Errorf("%q: error %v, want %q with a hint", test.globs, err, test.fails)
			}
			continue
		}
		var names []string
		for _, a := range found {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff(test.want, names); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", test.globs, err, diff)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	dir := tree(t, map[string]string{"bill.json": "{}", "x/SHA256SUMS": "x", "core-1.0.0.crate": "x", "empty": "", "one/same": "1", "two/same": "2"})
	for _, test := range []struct{ glob, says string }{
		{"bill.json", "cannot be named"}, {"x/SHA256SUMS", "cannot be named"}, {"*.crate", "cannot be named"}, {"empty", "is empty"}, {"*/same", "two artifacts"},
	} {
		if _, err := Find(dir, []string{test.glob}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.glob, err, test.says)
		}
	}
}

// TestArchive gives the same bytes for the same content, whatever the files' times are.
func TestArchive(t *testing.T) {
	var archives [][]byte
	for _, when := range []time.Time{time.Unix(1, 0), time.Now()} {
		dir := tree(t, map[string]string{"site/b": "b", "site/a/deep": "a", "site/tool": "#!"})
		site := filepath.Join(dir, "site")
		if err := os.Symlink("b", filepath.Join(site, "link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(site, "tool"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(site, "b"), when, when); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "out.tar.gz")
		if err := Archive(site, to); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, content)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same content differ")
	}
}

// TestArchiveRefuses what is neither a file, a folder nor a link, and says which; a link that leads out stays a link.
func TestArchiveRefuses(t *testing.T) {
	dir := tree(t, map[string]string{"site/a": "a"})
	site := filepath.Join(dir, "site")
	if err := os.Symlink("/etc/passwd", filepath.Join(site, "out")); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "out.tar.gz")
	if err := Archive(site, to); err != nil {
		t.Fatal(err)
	}
	listing, err := exec.CommandContext(t.Context(), "tar", "-tvzf", to).CombinedOutput()
	if err != nil || !strings.Contains(string(listing), "site/out -> /etc/passwd") || !strings.Contains(string(listing), "site/a") {
		t.Errorf("%v\n%s", err, listing)
	}
	socket, err := net.Listen("unix", filepath.Join(site, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := Archive(site, to); err == nil || !strings.Contains(err.Error(), "socket") {
		t.Errorf("a socket: %v", err)
	}
	for _, test := range []struct{ folder, to string }{{filepath.Join(dir, "nowhere"), to}, {site, filepath.Join(dir, "no", "folder")}} {
		if err := Archive(test.folder, test.to); err == nil {
			t.Errorf("%s to %s: no error", test.folder, test.to)
		}
	}
}

func TestSum(t *testing.T) {
	dir := tree(t, map[string]string{"a": "a"})
	if sum, size, err := Sum(filepath.Join(dir, "a")); err != nil || size != 1 || sum != "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" {
		t.Errorf("%s, %d, %v", sum, size, err)
	}
	if _, _, err := Sum(filepath.Join(dir, "b")); err == nil {
		t.Error("a file that is not there has a sum")
	}
}

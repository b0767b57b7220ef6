package sample_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/sample"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command("git", argv...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestStage(t *testing.T) {
	src := t.TempDir()
	write(t, src, map[string]string{
		".gitignore":          "Cargo.lock\n",
		"Cargo.lock":          "version = 4\n",
		"build.sh":            "true\r\n",
		"target/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
		"target/debug/lab":    "left behind by cargo\n",
		"unpack.txtar":        "-- \"a|\\nb\" --\n1\n-- -rf --\n2\n",
	})
	if err := os.Chmod(filepath.Join(src, "build.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A person's own configuration must not reach the repository.
	home := t.TempDir()
	write(t, home, map[string]string{".gitconfig": "[user]\n\tname = Somebody\n[init]\n\tdefaultBranch = trunk\n[core]\n\tautocrlf = true\n"})
	t.Setenv("HOME", home)

	var commits []string
	for _, name := range []string{"one", "two"} {
		dst := filepath.Join(t.TempDir(), name)
		if err := sample.Stage(t.Context(), src, dst); err != nil {
			t.Fatal(err)
		}
		if got, want := git(t, dst, "ls-files"), "-rf\n.gitignore\nCargo.lock\n\"a|\\nb\"\nbuild.sh"; got != want {
			t.Errorf("committed files:\n%s\nwant:\n%s", got, want)
		}
		if got := git(t, dst, "status", "--porcelain"); got != "" {
			t.Errorf("the tree is dirty:\n%s", got)
		}
		if got := git(t, dst, "ls-tree", "HEAD", "build.sh"); !strings.HasPrefix(got, "100755 ") {
			t.Errorf("the exec bit is lost: %s", got)
		}
		if got := git(t, dst, "log", "--format=%an %aI %cn"); got != "Sample 2026-01-02T03:04:05+00:00 Sample" && got != "Sample 2026-01-02T03:04:05Z Sample" {
			t.Errorf("commit by %s", got)
		}
		commits = append(commits, git(t, dst, "rev-parse", "main"))
	}
	if commits[0] != commits[1] {
		t.Errorf("the same files gave two commits: %s", commits)
	}
}

func TestStageKeepsWhatIsThere(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	write(t, src, map[string]string{"a": "new"})
	write(t, dst, map[string]string{"a": "old"})
	if err := sample.Stage(t.Context(), src, dst); err == nil {
		t.Error("staged over a folder that is not empty")
	}
	if got, err := os.ReadFile(filepath.Join(dst, "a")); string(got) != "old" {
		t.Errorf("the file is %q now (%v)", got, err)
	}
}

func TestStageUnpacksBelowItsFolder(t *testing.T) {
	src, above := t.TempDir(), t.TempDir()
	write(t, src, map[string]string{"unpack.txtar": "-- ../escaped --\n"})
	if err := sample.Stage(t.Context(), src, filepath.Join(above, "dst")); err == nil {
		t.Error("unpacked a file outside of the folder")
	}
	if _, err := os.Stat(filepath.Join(above, "escaped")); err == nil {
		t.Error("the file is there")
	}
}

package tree

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestGoMod holds that what we build with is pinned and comes from where it says.
func TestGoMod(t *testing.T) {
	text := read(t, "go.mod")
	exact := regexp.MustCompile(`^\t(\S+) v\d+\.\d+\.\d+\S*( // indirect)?$`)
	block := false
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "replace"), strings.HasPrefix(line, "exclude"):
			t.Errorf("go.mod:%d: %s", i+1, line)
		case strings.HasPrefix(line, "require ("):
			block = true
		case line == ")":
			block = false
		case block && !exact.MatchString(line):
			t.Errorf("go.mod:%d: not pinned: %s", i+1, line)
		}
	}
	for _, want := range []string{"module github.com/tagboat/tagboat", "github.com/google/go-github/v62 v62.0.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("go.mod lacks %q", want)
		}
	}
}

// TestNothingDownloadedIsCommitted asks git, where there is a repository.
func TestNothingDownloadedIsCommitted(t *testing.T) {
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "--", ".cache", "bin", "node_modules", "**/target/**")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Logf("no repository to ask: %v", err)
		return
	}
	if len(out) > 0 {
		t.Errorf("committed:\n%s", out)
	}
}

// TestRequirements holds that the direct requirements are those that something here imports, and no others.
func TestRequirements(t *testing.T) {
	direct := map[string]bool{}
	for line := range strings.Lines(read(t, "go.mod")) {
		if f := strings.Fields(line); strings.HasPrefix(line, "\t") && len(f) == 2 {
			direct[f[0]] = false
		}
	}
	for _, s := range sources(t) {
		for _, i := range s.imports() {
			if first, _, _ := strings.Cut(i, "/"); !strings.Contains(first, ".") {
				continue
			}
			found := false
			for m := range direct {
				if i == m || strings.HasPrefix(i, m+"/") {
					direct[m], found = true, true
				}
			}
			if !found {
				t.Errorf("%s imports %s, which go.mod does not require directly", s.path, i)
			}
		}
	}
	for m, used := range direct {
		if !used {
			t.Errorf("go.mod requires %s, which nothing imports", m)
		}
	}
}

package fault

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGitHubOperations holds the vocabulary against what the GitHub twin calls its requests.
func TestGitHubOperations(t *testing.T) {
	files, err := filepath.Glob("../githubtwin/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources of the GitHub twin: %v", err)
	}
	op := regexp.MustCompile(`\bop: +"([a-z-]+)"`)
	served := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range op.FindAllSubmatch(b, -1) {
			served[string(m[1])] = true
		}
	}
	issuer, err := os.ReadFile("../githubid/githubid.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\breturn "([a-z-]+)"\n`).FindAllSubmatch(issuer, -1) {
		served[string(m[1])] = true
	}
	if len(served) < 20 {
		t.Fatalf("found %d operations in the GitHub twin's routes, want its table", len(served))
	}
	known := names(githubOperations)
	for name := range served {
		if !slices.Contains(known, name) {
			t.Errorf("the GitHub twin serves %q, which no fault can name", name)
		}
	}
	for _, name := range known {
		if !served[name] {
			t.Errorf("faults may name %q, which the GitHub twin does not serve", name)
		}
	}
}

func TestReference(t *testing.T) {
	text := Reference()
	for _, words := range [][]word{actions, registryOperations, githubOperations} {
		all := slices.Sorted(slices.Values(names(words)))
		if once := slices.Compact(slices.Clone(all)); len(once) < len(all) {
			t.Errorf("a word stands twice in %q", all)
		}
	}
	for _, w := range slices.Concat(actions, registryOperations, githubOperations) {
		if !strings.Contains(text, "| `"+w.name) {
			t.Errorf("the reference does not mention %s", w.name)
		}
	}
	for _, line := range examples {
		if _, err := Parse(line); err != nil {
			t.Errorf("example: %v", err)
		}
		if !strings.Contains(text, line) {
			t.Errorf("the reference does not show %s", line)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"pubish": "publish", "indx": "index", "uplod-asset": "upload-asset", "zebra": ""} {
		if got := nearest(name, Operations()); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

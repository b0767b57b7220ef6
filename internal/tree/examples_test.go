package tree

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tagboat/tagboat/internal/release/source"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var out []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(root, p))
		if err != nil || len(found) == 0 {
			t.Fatalf("glob %s: %d files (%v)", p, len(found), err)
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, filepath.ToSlash(rel))
		}
	}
	return out
}

// pinned is an action by commit, with its version for people; our own is named as its documents name it.
var pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|tagboat/tagboat(/setup)?@v1)$`)

// TestWorkflows holds what our own workflows and the examples have in common: actions pinned by their commit, no
// permission by default, no expression inside a script, where text from outside could become a command.
func TestWorkflows(t *testing.T) {
	for _, name := range glob(t, "examples/*.yml", ".github/workflows/*.yml") {
		text := read(t, name)
		for i, line := range strings.Split(text, "\n") {
			if _, uses, ok := strings.Cut(line, "uses: "); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") && !pinned.MatchString(uses) {
				t.Errorf("%s:%d: not pinned by a commit with the version as a comment: %s", name, i+1, uses)
			}
		}
		var w struct {
			Permissions map[string]string `yaml:"permissions"`
			Concurrency map[string]any    `yaml:"concurrency"`
			Jobs        map[string]struct {
				Permissions map[string]string `yaml:"permissions"`
				Steps       []struct {
					Uses string            `yaml:"uses"`
					Run  string            `yaml:"run"`
					With map[string]any    `yaml:"with"`
					Env  map[string]string `yaml:"env"`
				} `yaml:"steps"`
			} `yaml:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(text), &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.Contains(text, "\npermissions:") {
			t.Errorf("%s: no permissions at the top: the repository's default would hold", name)
		}
		for what, value := range w.Permissions {
			if value == "write" {
				t.Errorf("%s: every job may write %s", name, what)
			}
		}
		if w.Concurrency["group"] == nil {
			t.Errorf("%s: no concurrency group", name)
		}
		for job, j := range w.Jobs {
			for _, s := range j.Steps {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: job %s: an expression in a script: %s", name, job, s.Run)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: job %s: the checkout keeps the token", name, job)
				}
				if strings.Contains(s.Run, "cargo ") && (j.Permissions["id-token"] != "" || len(s.Env) > 0) {
					t.Errorf("%s: job %s: cargo runs where a token is", name, job)
				}
			}
		}
	}
}

// TestExamplesAreRecognised holds that Tagboat finds its way with the examples, and has nothing to say against them.
func TestExamplesAreRecognised(t *testing.T) {
	file := func(name string) source.WorkflowFile {
		return source.WorkflowFile{Name: name, Content: []byte(read(t, path.Join("examples", name)))}
	}
	w, findings := source.FindWorkflow([]source.WorkflowFile{file("check.yml"), file("release.yml"), file("tag.yml")}, "")
	if w.File != "release.yml" || !w.Dispatch || len(findings) > 0 {
		t.Errorf("with the examples the release workflow is %+v, %v", w, findings)
	}
	for _, f := range source.LintWorkflow(file("release.yml")) {
		t.Errorf("examples/release.yml:%d: %s", f.Line, f.Summary)
	}
	if w, findings := source.FindWorkflow([]source.WorkflowFile{file("check.yml"), file("combined.yml")}, ""); w.File != "" || len(findings) > 0 {
		t.Errorf("with combined.yml the release workflow is %+v, %v", w, findings)
	}
}

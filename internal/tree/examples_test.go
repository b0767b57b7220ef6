package tree

import (
	"os"
	"path"
	"path/filepath"
	"testing"

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
	w, findings = source.FindWorkflow([]source.WorkflowFile{file("check.yml"), file("slim.yml"), file("tag.yml")}, "")
	if w.File != "slim.yml" || !w.Dispatch || len(findings) > 0 {
		t.Errorf("with slim.yml the release workflow is %+v, %v", w, findings)
	}
	for _, f := range source.LintWorkflow(file("slim.yml")) {
		t.Errorf("examples/slim.yml:%d: %s", f.Line, f.Summary)
	}
	if w, findings := source.FindWorkflow([]source.WorkflowFile{file("check.yml"), file("combined.yml")}, ""); w.File != "" || len(findings) > 0 {
		t.Errorf("with combined.yml the release workflow is %+v, %v", w, findings)
	}
}

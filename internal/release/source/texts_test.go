package source

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/acceptance/golden"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// TestWorkflows finds and lints the release workflow among the files of a case. A first line "file: NAME" is the
// configured name.
func TestWorkflows(t *testing.T) {
	golden.Last(t, "testdata/workflow/*.txtar", func(t *testing.T, a *txtar.Archive) string {
		configured, _, _ := strings.Cut(string(a.Comment), "\n")
		configured, ok := strings.CutPrefix(configured, "file: ")
		if !ok {
			configured = ""
		}
		var files []WorkflowFile
		for _, f := range a.Files {
			files = append(files, WorkflowFile{Name: f.Name, Content: f.Data})
		}
		found, findings := FindWorkflow(files, configured)
		for _, f := range files {
			if f.Name == found.File {
				findings = append(findings, LintWorkflow(f)...)
			}
		}
		var b strings.Builder
		fmt.Fprintf(&b, "file %q dispatch %v\n", found.File, found.Dispatch)
		for _, f := range findings {
			fmt.Fprintf(&b, "%s %s:%d: %s\n", f.Severity, f.File, f.Line, f.Summary)
			if strings.HasPrefix(f.Detail, "if: ") {
				fmt.Fprintf(&b, "  %s\n", f.Detail)
			}
		}
		return b.String()
	})
}

// TestIdentity: what a workflow lacks that shall publish without a stored secret.
func TestIdentity(t *testing.T) {
	const trigger = "on: {workflow_dispatch: {}}\n"
	for _, test := range []struct {
		name, login, text string
		want              []string
	}{
		{"a token", "token", trigger + "permissions: {contents: write}\njobs: {}\n", nil},
		{"nothing is said", "auto", trigger + "permissions: {contents: write}\njobs: {}\n", nil},
		{"no permission", "trusted-publishing", trigger + "permissions: {contents: write}\njobs: {release: {steps: []}}\n", []string{"2: no job of the release workflow has `id-token: write`, and crates-io is logged in to by trusted-publishing"}},
		{"of a job", "trusted-publishing", trigger + "permissions: {}\njobs: {release: {permissions: {contents: write, id-token: write}}}\n", nil},
		{"of all jobs", "trusted-publishing", trigger + "permissions: write-all\njobs: {}\n", nil},
		{"an event that crates.io refuses", "trusted-publishing", "on:\n  workflow_dispatch:\n  workflow_run:\n    workflows: [CI]\npermissions: {id-token: write}\njobs: {}\n", []string{"3: crates.io takes no trusted publishing from a run that `workflow_run` starts"}},
	} {
		cfg := config.Default()
		r := cfg.Registries[config.CratesIO]
		r.Login = test.login
		cfg.Registries[config.CratesIO] = r
		var got []string
		for _, f := range LintIdentity(WorkflowFile{Name: "release.yml", Content: []byte(test.text)}, cfg) {
			got = append(got, fmt.Sprintf("%d: %s", f.Line, f.Summary))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestHostileWorkflows must end soon, whatever a file says.
func TestHostileWorkflows(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 30 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	const head = "on: workflow_dispatch\npermissions: write-all\n"
	identified := config.Default()
	identified.Registries[config.CratesIO] = config.Registry{Login: config.LoginTrusted}
	for name, content := range map[string]string{
		"aliases of aliases":   head + bomb + "jobs: {a: {if: *a30, steps: *a30}}\n",
		"the bomb as a step":   head + "x:\n  " + strings.ReplaceAll(strings.TrimSpace(bomb), "\n", "\n  ") + "\njobs: {a: {steps: [{with: {a: *a30}}]}}\n",
		"an alias of itself":   head + "jobs: &j {a: {steps: [{with: {b: *j}}]}}\n",
		"merges of itself":     head + "jobs: &j\n  <<: *j\n  a: {}\n",
		"merges of merges":     head + "a: &a {x: 1}\nb: &b {<<: [*a, *a, *a]}\njobs: {j: {<<: [*b, *b]}}\n",
		"no such anchor":       head + "jobs: *nowhere\n",
		"deep":                 head + "jobs: " + strings.Repeat("[", 20000) + "\n",
		"deep lists in a line": head + "jobs:\n  " + strings.Repeat("- ", 50000) + "\n",
		"deep questions":       head + "jobs:\n  " + strings.Repeat("? ", 50000) + "\n",
		"deep maps":            head + "jobs: " + strings.Repeat("{a: ", 20000) + "\n",
		"huge":                 head + "jobs: {}\n#" + strings.Repeat("x", 2<<20),
		"many keys":            head + "jobs:\n" + strings.Repeat("  a: {}\n", 20000),
		"not text":             "\x00\x01\xff\xfe",
		"nothing":              "",
		"a list":               "- a\n- b\n",
		"tabs":                 "on:\n\tworkflow_dispatch:\n",
		"numbers for names":    "on: 1\njobs: {1: {steps: [{uses: 1, run: 2, with: {command: 3}}]}}\n",
		"two documents":        head + "jobs: {}\n---\njobs: {a: {if: \"${{ x }} y\"}}\n",
		"a step that is none":  head + "jobs: {a: {steps: [null, {uses: null}]}}\n",
		"jobs that are none":   head + "jobs: null\n",
		"steps that are a map": head + "jobs: {a: {steps: {uses: x}}}\n",
	} {
		done := make(chan []release.Finding, 1)
		go func() {
			f := WorkflowFile{Name: "release.yml", Content: []byte(content)}
			_, found := FindWorkflow([]WorkflowFile{f}, "release.yml")
			done <- append(append(found, LintWorkflow(f)...), LintIdentity(f, identified)...)
		}()
		began := time.Now()
		select {
		case <-done:
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("%s: read in %s", name, d)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: still reading", name)
		}
	}
}

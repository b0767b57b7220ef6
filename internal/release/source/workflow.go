package source

import (
	"bytes"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/tagboat/tagboat/internal/release"
)

// WorkflowFile is one file of .github/workflows at the commit.
type WorkflowFile struct {
	Name    string // base name
	Content []byte
}

// workflow is the part of a workflow file that matters here.
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
type workflow struct {
	On          any            `yaml:"on"`
	Permissions any            `yaml:"permissions"`
	Concurrency any            `yaml:"concurrency"`
	Jobs        map[string]job `yaml:"jobs"`
}

type job struct {
	Permissions any    `yaml:"permissions"`
	Concurrency any    `yaml:"concurrency"`
	Uses        string `yaml:"uses"`
	Steps       []struct {
		Uses string         `yaml:"uses"`
		Run  string         `yaml:"run"`
		With map[string]any `yaml:"with"`
	} `yaml:"steps"`
}

// maxWorkflow is the size from which on a workflow file is not read: GitHub's own limit is far below.
const maxWorkflow = 1 << 20

// FindWorkflow returns the release workflow among files: the configured one, or the one that can be dispatched and
// calls Tagboat's second half or is named like a release. configured "none" means that there is none.
func FindWorkflow(files []WorkflowFile, configured string) (release.Workflow, []release.Finding) {
	if configured == "none" {
		return release.Workflow{}, nil
	}
	var found release.Workflow
	best := 0
	for _, f := range files {
		w, err := parseWorkflow(f.Content)
		if err != nil {
			if f.Name == configured {
				return release.Workflow{File: f.Name}, []release.Finding{{Rule: "workflow-lint", Severity: release.Stop, Summary: "the release workflow cannot be read", Detail: err.Error(), File: workflowPath(f.Name)}}
			}
			continue
		}
		dispatch := w.hasTrigger("workflow_dispatch")
		if f.Name == configured {
			return release.Workflow{File: f.Name, Dispatch: dispatch}, nil
		}
		if rank := w.rank(f.Name); configured == "" && dispatch && rank > best {
			found, best = release.Workflow{File: f.Name, Dispatch: true}, rank
		}
	}
	if configured != "" {
		return release.Workflow{}, []release.Finding{{Rule: "workflow-lint", Severity: release.Stop, Summary: fmt.Sprintf("the release workflow %s is not in .github/workflows", configured),
			Hint: "it is named by `file` in [workflow] of tagboat.toml; \"none\" says that there is none"}}
	}
	return found, nil
}

func workflowPath(name string) string { return ".github/workflows/" + name }

var releaseWords = regexp.MustCompile(`(?i)(^|[^a-z])(create)?-?release(\.ya?ml$|[^a-z])`)

// rank says how much a dispatchable workflow looks like the release workflow: one that runs Tagboat's second half is
// certain, one that is named like it is likely.
func (w workflow) rank(name string) int {
	for _, j := range w.Jobs {
		for _, s := range j.Steps {
			command := fmt.Sprint(s.With["command"])
			if strings.HasPrefix(s.Uses, "tagboat/tagboat@") && (command == "release" || command == "auto" || command == "<nil>") || strings.Contains(s.Run, "tagboat release") {
				return 2
			}
		}
	}
	if releaseWords.MatchString(name) || strings.EqualFold(strings.TrimSuffix(strings.TrimSuffix(name, ".yml"), ".yaml"), "createrelease") {
		return 1
	}
	return 0
}

func parseWorkflow(content []byte) (workflow, error) {
	var w workflow
	if len(content) > maxWorkflow {
		return w, fmt.Errorf("the file has %d bytes", len(content))
	}
	return w, yaml.Unmarshal(content, &w)
}

func (w workflow) hasTrigger(name string) bool {
	switch on := w.On.(type) {
	case string:
		return on == name
	case []any:
		for _, v := range on {
			if v == name {
				return true
			}
		}
	case map[string]any:
		_, ok := on[name]
		return ok
	}
	return false
}

// LintWorkflow checks the release workflow for what is known to break releases silently.
func LintWorkflow(f WorkflowFile) []release.Finding {
	path := workflowPath(f.Name)
	w, err := parseWorkflow(f.Content)
	if err != nil {
		return []release.Finding{{Rule: "workflow-lint", Severity: release.Stop, Summary: "the release workflow cannot be read", Detail: err.Error(), File: path}}
	}
	var out []release.Finding
	if !w.hasTrigger("workflow_dispatch") {
		out = append(out, release.Finding{Rule: "workflow-lint", Severity: release.Stop, File: path, Line: lineOf(f.Content, "on:"), Summary: "the release workflow cannot be started: it has no `workflow_dispatch` trigger",
			Detail: "a branch pushed with GITHUB_TOKEN starts no workflow", Hint: "add `workflow_dispatch:` under `on:`"})
	}
	out = append(out, lintPermissions(w, f)...)
	out = append(out, lintConcurrency(w, f)...)
	return append(out, lintConditions(f)...)
}

func lintPermissions(w workflow, f WorkflowFile) []release.Finding {
	if canWrite(w.Permissions, "contents") {
		return nil
	}
	for _, j := range w.Jobs {
		if canWrite(j.Permissions, "contents") {
			return nil
		}
	}
	return []release.Finding{{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: lineOf(f.Content, "permissions:"), Summary: "no job of the release workflow has `contents: write`",
		Detail: "a release and its assets cannot be made with the default token where the repository's default is read-only", Hint: "add `permissions: {contents: write}` to the release job"}}
}

func canWrite(permissions any, what string) bool {
	switch p := permissions.(type) {
	case string:
		return p == "write-all"
	case map[string]any:
		return p[what] == "write"
	}
	return false
}

func lintConcurrency(w workflow, f WorkflowFile) []release.Finding {
	var out []release.Finding
	check := func(c any, where string) {
		var cancels, queued bool
		switch c := c.(type) {
		case nil:
			return
		case map[string]any:
			cancels, queued = fmt.Sprint(c["cancel-in-progress"]) != "<nil>" && c["cancel-in-progress"] != false, c["queue"] == "max"
		}
		finding := release.Finding{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: lineOf(f.Content, "concurrency:"), Hint: "set `queue: max` and leave `cancel-in-progress` out"}
		switch {
		case cancels:
			finding.Summary = "the concurrency group" + where + " cancels a release that is running"
		case !queued:
			finding.Summary = "the concurrency group" + where + " cancels a release that is waiting when another one comes"
		default:
			return
		}
		out = append(out, finding)
	}
	check(w.Concurrency, "")
	names := make([]string, 0, len(w.Jobs))
	for name := range w.Jobs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		check(w.Jobs[name].Concurrency, " of job "+name)
	}
	return out
}

// lintConditions finds `if: ${{ a }} || ${{ b }}`: text outside of the expression makes a non-empty string, which is
// always true. It reads the file's syntax tree, since only that knows lines.
func lintConditions(f WorkflowFile) []release.Finding {
	file, err := parser.ParseBytes(f.Content, 0)
	if err != nil {
		return nil // reported by the caller's decoding
	}
	v := conditions{path: workflowPath(f.Name)}
	for _, doc := range file.Docs {
		ast.Walk(&v, doc.Body)
	}
	return v.out
}

type conditions struct {
	path string
	out  []release.Finding
}

var wholeExpression = regexp.MustCompile(`(?s)^\$\{\{.*\}\}$`)

func (v *conditions) Visit(n ast.Node) ast.Visitor {
	m, ok := n.(*ast.MappingValueNode)
	if !ok || m.Key.String() != "if" || m.Value == nil {
		return v
	}
	text := strings.TrimSpace(scalar(m.Value))
	mixed := strings.Contains(text, "${{") && (!wholeExpression.MatchString(text) || strings.Count(text, "${{") > 1)
	if mixed {
		v.out = append(v.out, release.Finding{Rule: "workflow-lint", Severity: release.Warn, File: v.path, Line: m.Key.GetToken().Position.Line,
			Summary: "a condition with text around `${{ }}` is always true", Detail: "if: " + text, Hint: "write one expression: `if: ${{ a || b }}`, or without the braces"})
	}
	return v
}

func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return n.String()
}

func lineOf(content []byte, key string) int {
	for i, line := range bytes.Split(content, []byte("\n")) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte(key)) {
			return i + 1
		}
	}
	return 0
}

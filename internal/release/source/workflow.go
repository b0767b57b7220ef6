package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
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

	file *ast.File // where everything stands
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
				return release.Workflow{File: f.Name}, []release.Finding{unreadable(f.Name, err)}
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
			if (strings.HasPrefix(s.Uses, "tagboat/tagboat@") || strings.HasPrefix(s.Uses, "docker://ghcr.io/tagboat/tagboat")) && (command == "release" || command == "auto" || command == "<nil>") || strings.Contains(s.Run, "tagboat release") {
				return 2
			}
		}
	}
	if releaseWords.MatchString(name) || strings.EqualFold(strings.TrimSuffix(strings.TrimSuffix(name, ".yml"), ".yaml"), "createrelease") {
		return 1
	}
	return 0
}

// maxNodes bounds what a workflow file may grow to when its aliases are written out.
const maxNodes = 200_000

func parseWorkflow(content []byte) (workflow, error) {
	var w workflow
	if len(content) > maxWorkflow {
		return w, fmt.Errorf("the file has %d bytes", len(content))
	}
	if deep(content) {
		return w, errors.New("it is nested deeper than any workflow")
	}
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return w, err
	}
	var n nodes
	for _, doc := range file.Docs {
		n.count(doc.Body)
	}
	if n.total > maxNodes {
		return w, errors.New("its aliases stand for more than any workflow holds")
	}
	if err := yaml.Unmarshal(content, &w); err != nil {
		return w, err
	}
	w.file = file
	return w, nil
}

// maxDepth bounds nesting, for which the parser needs time and stack. Scripts may leave some brackets open.
const maxDepth = 1000

// deep reports whether a file opens more brackets, or more lists in one line, than any workflow needs.
func deep(content []byte) bool {
	open, dashes := 0, 0
	for _, c := range content {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?':
			dashes++
		case '\n':
			dashes = 0
		}
		if open > maxDepth || dashes > maxDepth {
			return true
		}
	}
	return false
}

// nodes counts what a document holds once each alias is replaced by what it stands for.
type nodes struct {
	total   int
	anchors map[string]int
}

func (n *nodes) count(node ast.Node) {
	if n.total++; n.total > maxNodes {
		return
	}
	switch node := node.(type) {
	case *ast.MappingNode:
		for _, v := range node.Values {
			n.count(v)
		}
	case *ast.MappingValueNode:
		n.count(node.Key)
		n.count(node.Value)
	case *ast.SequenceNode:
		for _, v := range node.Values {
			n.count(v)
		}
	case *ast.TagNode:
		n.count(node.Value)
	case *ast.AnchorNode:
		before := n.total
		n.count(node.Value)
		if n.anchors == nil {
			n.anchors = map[string]int{}
		}
		n.anchors[node.Name.String()] = n.total - before
	case *ast.AliasNode:
		n.total += n.anchors[node.Value.String()] // 0 for one that stands for itself, which the decoder refuses
	}
}

// unreadable is the finding about a file that is no workflow.
func unreadable(name string, err error) release.Finding {
	f := release.Finding{Rule: "workflow-lint", Severity: release.Stop, Summary: "the release workflow cannot be read", Detail: err.Error(), File: workflowPath(name)}
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		f.Line = at.GetToken().Position.Line
	}
	return f
}

// line returns the line of a key, given by the keys above it; of the last key that is there where not all are.
func (w workflow) line(keys ...string) int {
	line := 0
	if w.file == nil || len(w.file.Docs) == 0 {
		return line
	}
	node := w.file.Docs[0].Body
	for _, key := range keys {
		if a, ok := node.(*ast.AnchorNode); ok {
			node = a.Value
		}
		var values []*ast.MappingValueNode
		switch m := node.(type) {
		case *ast.MappingNode:
			values = m.Values
		case *ast.MappingValueNode:
			values = []*ast.MappingValueNode{m}
		}
		i := slices.IndexFunc(values, func(v *ast.MappingValueNode) bool { return keyOf(v) == key })
		if i < 0 {
			return line
		}
		line, node = values[i].Key.GetToken().Position.Line, values[i].Value
	}
	return line
}

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.String()
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
		return []release.Finding{unreadable(f.Name, err)}
	}
	var out []release.Finding
	if !w.hasTrigger("workflow_dispatch") {
		out = append(out, release.Finding{Rule: "workflow-lint", Severity: release.Stop, File: path, Line: w.line("on"), Summary: "the release workflow cannot be started: it has no `workflow_dispatch` trigger",
			Detail: "a branch pushed with GITHUB_TOKEN starts no workflow", Hint: "add `workflow_dispatch:` under `on:`"})
	}
	out = append(out, lintPermissions(w, f)...)
	out = append(out, lintConcurrency(w, f)...)
	return append(out, lintConditions(w, f)...)
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
	return []release.Finding{{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: w.line("permissions"), Summary: "no job of the release workflow has `contents: write`",
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
	check := func(c any, where string, keys ...string) {
		var cancels, queued bool
		switch c := c.(type) {
		case nil:
			return
		case map[string]any:
			cancels, queued = fmt.Sprint(c["cancel-in-progress"]) != "<nil>" && c["cancel-in-progress"] != false, c["queue"] == "max"
		}
		finding := release.Finding{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: w.line(keys...), Hint: "set `queue: max` and leave `cancel-in-progress` out"}
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
	check(w.Concurrency, "", "concurrency")
	names := make([]string, 0, len(w.Jobs))
	for name := range w.Jobs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		check(w.Jobs[name].Concurrency, " of job "+name, "jobs", name, "concurrency")
	}
	return out
}

// lintConditions finds `if: ${{ a }} || ${{ b }}`: text outside of the expression makes a non-empty string, which is
// always true. It reads the file's syntax tree, since only that knows lines.
func lintConditions(w workflow, f WorkflowFile) []release.Finding {
	v := conditions{path: workflowPath(f.Name)}
	for _, doc := range w.file.Docs {
		if doc.Body != nil {
			ast.Walk(&v, doc.Body)
		}
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
	if !ok || m.Value == nil {
		return v
	}
	switch keyOf(m) {
	case "if":
	case "with", "env", "outputs", "inputs", "secrets": // names that the user chooses
		return nil
	default:
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

package tree

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// workflow is what the rules ask of a workflow, and of an action, whose steps are below runs.
type workflow struct {
	On          any            `yaml:"on"`
	Permissions any            `yaml:"permissions"`
	Concurrency map[string]any `yaml:"concurrency"`
	Jobs        map[string]job `yaml:"jobs"`
	Inputs      map[string]struct{ Description string }
	Outputs     map[string]struct{ Description string }
	Runs        struct {
		Using, Image string
		Steps        []step
	} `yaml:"runs"`
}

type job struct {
	Permissions any    `yaml:"permissions"`
	Steps       []step `yaml:"steps"`
}

type step struct {
	Uses  string            `yaml:"uses"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	With  map[string]any    `yaml:"with"`
	Env   map[string]string `yaml:"env"`
}

var (
	// pinned is an action by commit, with its version for people; our own is named as its documents name it, the slim image
	// by the tag that its release gives it: an example cannot know a digest that is made after it.
	pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|tagboat/tagboat(/setup)?@v1|docker://ghcr\.io/tagboat/tagboat:v\d+\.\d+\.\d+-slim|docker://\S+@sha256:[0-9a-f]{64})$`)
	usesOf = regexp.MustCompile(`^\s*(?:- )?uses: *(.*)$`)

	// foreign are the events that run with the repository's own rights on what somebody else has written.
	foreign = []string{"pull_request_target", "workflow_run", "issue_comment"}
	// headOf is what is checked out where it is the pull request's own state.
	headOf  = regexp.MustCompile(`github\.(head_ref|event\.(pull_request|workflow_run|issue|number))`)
	fetches = regexp.MustCompile(`gh pr checkout|refs/pull/|\bpull/|gh run download`)

	aSecret   = regexp.MustCompile(`\$\{\{[^}]*\b(secrets\b|github\.token\b)`)
	allowedAt = regexp.MustCompile(`(^|\.)steps\.\d+\.(env|with)\.[^.]+$|^jobs\.[^.]+\.secrets\.[^.]+$|^inputs\.[^.]+\.default$`)
	allOfThem = regexp.MustCompile(`toJSON\(\s*secrets\s*\)`)
)

// hygiene names what is wrong with a workflow or an action.
func hygiene(text string) []string {
	var w workflow
	var tree any
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return []string{err.Error()}
	}
	out := slices.Concat(unpinned(text), secretsOutside(tree, ""))
	if w.Runs.Using != "" {
		return append(out, actionRules(w)...)
	}
	out = append(out, workflowRules(w, text)...)
	may := false
	for _, j := range w.Jobs {
		may = may || writes(j.Permissions)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Jobs)) {
		for _, s := range w.Jobs[name].Steps {
			for _, wrong := range slices.Concat(stepRules(s), foreignRules(w.On, s), cacheRules(may, s), cargoRules(w.Jobs[name], s)) {
				out = append(out, "job "+name+": "+wrong)
			}
		}
	}
	return out
}

// unpinned finds actions that are not named by their commit, with the version as a comment. A local one is ours.
func unpinned(text string) (out []string) {
	for i, line := range strings.Split(text, "\n") {
		if m := usesOf.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1], "./") && !pinned.MatchString(m[1]) {
			out = append(out, fmt.Sprintf("line %d: not pinned by a commit with the version as a comment: %s", i+1, m[1]))
		}
	}
	return out
}

// secretsOutside finds a secret that more than one step, or a script itself, would get.
func secretsOutside(node any, at string) (out []string) {
	below := func(key string) string { return strings.TrimPrefix(at+"."+key, ".") }
	switch v := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, secretsOutside(v[key], below(key))...)
		}
	case []any:
		for i, item := range v {
			out = append(out, secretsOutside(item, below(fmt.Sprint(i)))...)
		}
	case string:
		if allOfThem.MatchString(v) || v == "inherit" && strings.HasSuffix(at, ".secrets") {
			out = append(out, at+": all secrets at once")
		} else if aSecret.MatchString(v) && !allowedAt.MatchString(at) {
			out = append(out, at+": a secret outside the env or with of one step")
		}
	}
	return out
}

func workflowRules(w workflow, text string) (out []string) {
	if !strings.Contains(text, "\npermissions:") {
		out = append(out, "no permissions at the top: the repository's default would hold")
	}
	if writes(w.Permissions) {
		out = append(out, "every job may write")
	}
	if w.Concurrency["group"] == nil {
		out = append(out, "no concurrency group")
	}
	return out
}

func writes(permissions any) bool {
	switch p := permissions.(type) {
	case string:
		return p != "read-all"
	case map[string]any:
		for _, value := range p {
			if value == "write" {
				return true
			}
		}
	}
	return false
}

func actionRules(w workflow) (out []string) {
	if w.Runs.Using == "docker" && w.Runs.Image != "Dockerfile" && !imageReleased.MatchString("  image: "+w.Runs.Image) {
		out = append(out, "the image is not named by its digest: "+w.Runs.Image)
	}
	for name, input := range w.Inputs {
		if input.Description == "" {
			out = append(out, "input "+name+" has no description")
		}
	}
	for name, output := range w.Outputs {
		if output.Description == "" {
			out = append(out, "output "+name+" has no description")
		}
	}
	for _, s := range w.Runs.Steps {
		out = append(out, stepRules(s)...)
		if s.Run != "" && s.Shell != "bash" {
			out = append(out, "a script whose shell is not bash on every system")
		}
	}
	return out
}

func stepRules(s step) (out []string) {
	script, _ := s.With["script"].(string)
	if strings.Contains(s.Run+script, "${{") {
		out = append(out, "an expression in a script: "+s.Run+script)
	}
	if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
		out = append(out, "the checkout keeps the token")
	}
	return out
}

// foreignRules finds the known way to let a stranger's code run with the repository's own rights.
func foreignRules(on any, s step) []string {
	var event string
	for _, name := range foreign {
		if strings.Contains(fmt.Sprint(on), name) {
			event = name
		}
	}
	if event == "" {
		return nil
	}
	if headOf.MatchString(fmt.Sprint(s.With["ref"], s.With["repository"])) || fetches.MatchString(s.Run) {
		return []string{event + " gets what the pull request holds"}
	}
	return nil
}

// cacheRules finds what another run could have written, in a workflow that may publish.
func cacheRules(may bool, s step) []string {
	if !may {
		return nil
	}
	name, _, _ := strings.Cut(s.Uses, "@")
	cache, said := s.With["cache"]
	switch {
	case strings.Contains(name, "cache"), said && cache != false, name == "actions/setup-go" && !said,
		s.With["cache-from"] != nil, strings.Contains(s.Run, "--cache-from"):
		return []string{"a cache in a workflow that may publish"}
	}
	return nil
}

func cargoRules(j job, s step) []string {
	permissions, _ := j.Permissions.(map[string]any)
	if strings.Contains(s.Run, "cargo ") && (permissions["id-token"] != nil || len(s.Env) > 0) {
		return []string{"cargo runs where a token is"}
	}
	return nil
}

// TestWorkflows holds our own workflows, the examples and the actions to the rules above.
func TestWorkflows(t *testing.T) {
	for _, name := range glob(t, "examples/*.yml", ".github/workflows/*.yml", "action.yml", "*/action.yml") {
		for _, wrong := range hygiene(read(t, name)) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

const (
	goodWorkflow = `on:
  push:
    tags: ["v*"]
permissions: {}
concurrency:
  group: release
jobs:
  release:
    permissions:
      contents: write
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: actions/setup-go@b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0
        with:
          cache: false
      - run: make release
        env:
          TOKEN: ${{ secrets.TOKEN }}
          TAG: ${{ github.ref_name }}
`
	goodAction = `inputs:
  token:
    description: The token
    default: ${{ github.token }}
runs:
  using: composite
  steps:
    - run: echo "$TOKEN"
      shell: bash
      env:
        TOKEN: ${{ inputs.token }}
`
)

// TestHygiene breaks each rule once.
func TestHygiene(t *testing.T) {
	for _, good := range []string{goodWorkflow, goodAction} {
		if wrong := hygiene(good); len(wrong) > 0 {
			t.Errorf("found in a good one: %q", wrong)
		}
	}
	const checkout, setup = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "          cache: false\n"
	const target, keep = "on:\n  pull_request_target:\npermissions", "          persist-credentials: false\n"
	for _, c := range []struct{ good, old, new, want string }{
		{goodWorkflow, checkout, "actions/checkout@v7", "not pinned"},
		{goodWorkflow, checkout, "actions/checkout@3d3c42e # v7.0.1", "not pinned"},
		{goodWorkflow, checkout, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "not pinned"},
		{goodWorkflow, checkout, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7", "not pinned"},
		{goodWorkflow, checkout, "docker://alpine:3", "not pinned"},
		{goodWorkflow, checkout, "docker://ghcr.io/tagboat/tagboat:v1.0.0-slim", ""},
		{goodWorkflow, checkout, "docker://ghcr.io/tagboat/tagboat:v1-slim", "not pinned"},
		{goodWorkflow, checkout, "docker://ghcr.io/tagboat/tagboat:v1.0.0", "not pinned"},
		{goodWorkflow, checkout, "docker://ghcr.io/other/tagboat:v1.0.0-slim", "not pinned"},
		{goodWorkflow, "      contents: write\n    steps:", "      contents: write\n    uses: other/repo/.github/workflows/x.yml@main\n    steps:", "not pinned"},
		{goodWorkflow, "permissions: {}\n", "", "no permissions at the top"},
		{goodWorkflow, "permissions: {}\n", "permissions:\n  contents: write\n", "every job may write"},
		{goodWorkflow, "permissions: {}\n", "permissions: write-all\n", "every job may write"},
		{goodWorkflow, "concurrency:\n  group: release\n", "", "no concurrency group"},
		{goodWorkflow, "make release", "make release TAG=${{ github.ref_name }}", "an expression in a script"},
		{goodWorkflow, setup, setup + "          script: console.log('${{ github.ref_name }}')\n", "an expression in a script"},
		{goodWorkflow, keep, "          fetch-depth: 0\n", "keeps the token"},
		{goodWorkflow, keep, "          persist-credentials: true\n", "keeps the token"},
		{goodWorkflow, "on:\n  push:\n    tags: [\"v*\"]\npermissions: {}", target + ": {}", ""},
		{strings.Replace(goodWorkflow, "on:\n  push:\n    tags: [\"v*\"]\npermissions", target, 1), keep, keep + "          ref: ${{ github.event.pull_request.head.sha }}\n", "gets what the pull request holds"},
		{strings.Replace(goodWorkflow, "on:\n  push:\n    tags: [\"v*\"]\npermissions", "on: [pull_request_target]\npermissions", 1), keep, keep + "          ref: ${{ github.head_ref }}\n", "gets what the pull request holds"},
		{strings.Replace(goodWorkflow, "on:\n  push:\n    tags: [\"v*\"]\npermissions", "on:\n  workflow_run:\npermissions", 1), keep, keep + "          repository: ${{ github.event.workflow_run.head_repository.full_name }}\n", "gets what the pull request holds"},
		{strings.Replace(goodWorkflow, "on:\n  push:\n    tags: [\"v*\"]\npermissions", target, 1), "make release", "gh pr checkout 1", "gets what the pull request holds"},
		{goodWorkflow, setup, "          go-version: stable\n", "a cache"},
		{goodWorkflow, setup, "          cache: true\n", "a cache"},
		{goodWorkflow, "actions/setup-go@b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0", "actions/cache@b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0", "a cache"},
		{goodWorkflow, "make release", "docker buildx build --cache-from type=gha .", "a cache"},
		{goodWorkflow, "permissions: {}\n", "permissions: {}\nenv:\n  TOKEN: ${{ secrets.TOKEN }}\n", "env.TOKEN: a secret outside"},
		{goodWorkflow, "    steps:", "    env:\n      TOKEN: ${{ secrets.TOKEN }}\n    steps:", "jobs.release.env.TOKEN: a secret outside"},
		{goodWorkflow, "    steps:", "    if: ${{ secrets.TOKEN != '' }}\n    steps:", "jobs.release.if: a secret outside"},
		{goodWorkflow, "    steps:", "    env:\n      TOKEN: ${{ github.token }}\n    steps:", "a secret outside"},
		{goodWorkflow, "    steps:", "    secrets: inherit\n    steps:", "all secrets at once"},
		{goodWorkflow, "${{ secrets.TOKEN }}", "${{ toJSON(secrets) }}", "all secrets at once"},
		{goodWorkflow, "make release", "cargo build", "cargo runs where a token is"},
		{goodAction, `echo "$TOKEN"`, "echo ${{ inputs.token }}", "an expression in a script"},
		{goodAction, "      shell: bash\n", "      shell: pwsh\n", "shell is not bash"},
		{goodAction, "    description: The token\n", "", "no description"},
		{goodAction, "    - run:", "    - uses: actions/cache@v4\n    - run:", "not pinned"},
		{goodAction, "  using: composite\n", "  using: docker\n  image: docker://ghcr.io/tagboat/tagboat:v1\n", "not named by its digest"},
	} {
		bad := strings.Replace(c.good, c.old, c.new, 1)
		if bad == c.good {
			t.Errorf("%q is not in the good one", c.old)
		}
		wrong := hygiene(bad)
		found := slices.ContainsFunc(wrong, func(s string) bool { return strings.Contains(s, c.want) })
		if c.want == "" && len(wrong) > 0 || c.want != "" && !found {
			t.Errorf("%q instead of %q: found %q, want %q", c.new, c.old, wrong, c.want)
		}
	}
}

package tree

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/problem"
)

// prose are the documents whose names, links, commands and sentences are held against the repository.
func prose(t *testing.T) []string {
	t.Helper()
	return glob(t, "*.md", "docs/*.md", "examples/*.yml", "testdata/workspaces/README.md")
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	span     = regexp.MustCompile("`([^`\n]+)`")
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	testName = regexp.MustCompile(`^Test[A-Z]\w*$`)
	pathLike = regexp.MustCompile(`^[\w.{}*-]+(/[\w.{}*@-]+)*/?$`)
	target   = regexp.MustCompile(`(?m)^([a-z0-9]+):`)
)

// anchor is what GitHub makes of a heading.
func anchor(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	text = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}

// TestLinks holds that every relative link leads somewhere, its heading included.
func TestLinks(t *testing.T) {
	for _, name := range prose(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			to, part, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			file := path.Join(path.Dir(name), to)
			if to == "" {
				file = name
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links %s, which does not exist", name, m[1])
				continue
			}
			if part == "" || path.Ext(file) != ".md" {
				continue
			}
			known := func(h []string) bool { return anchor(h[1]) == part }
			if !slices.ContainsFunc(heading.FindAllStringSubmatch(read(t, file), -1), known) {
				t.Errorf("%s links %s, and %s has no such heading", name, m[1], file)
			}
		}
	}
}

// TestNames holds that what a document names between backticks exists: files, tests, make targets.
func TestNames(t *testing.T) {
	tests := map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			for n := range s.file.Scope.Objects {
				tests[n] = true
			}
		}
	}
	top := map[string]bool{}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		top[e.Name()] = true
	}
	targets := target.FindAllStringSubmatch(read(t, "Makefile"), -1)
	for _, name := range prose(t) {
		for _, m := range span.FindAllStringSubmatch(read(t, name), -1) {
			word := m[1]
			first, _, below := strings.Cut(word, "/")
			switch {
			case testName.MatchString(word):
				if !tests[word] {
					t.Errorf("%s names %s, which is no test", name, word)
				}
			case strings.HasPrefix(word, "make "):
				if !slices.ContainsFunc(targets, func(m []string) bool { return m[1] == strings.Fields(word)[1] }) {
					t.Errorf("%s names `%s`, which the Makefile does not have", name, word)
				}
			case pathLike.MatchString(word) && below && top[first]:
				pattern := strings.TrimSuffix(strings.TrimSuffix(word, "/**"), "/...")
				if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
					t.Errorf("%s names %s, which does not exist", name, word)
				}
			}
		}
	}
}

var (
	call   = regexp.MustCompile("(?m)(?:^|[`$ ])tagboat ([a-z]+)((?: [^`\n|]*)?)")
	option = regexp.MustCompile(`(?:^| )(--[a-z][a-z-]*|-[a-zA-Z])\b`)
)

// TestCalls holds that every call of the program in a document names a command and flags that exist.
func TestCalls(t *testing.T) {
	common, sections, _ := strings.Cut(read(t, "docs/commands.md"), "\n## tagboat ")
	commands := map[string]string{"completion": "", "help": ""}
	for section := range strings.SplitSeq(sections, "\n## tagboat ") {
		name, text, _ := strings.Cut(section, "\n")
		commands[name] = text
	}
	for _, name := range prose(t) {
		for _, m := range codeCalls(read(t, name), path.Ext(name) == ".yml") {
			reference, ok := commands[m[1]]
			if !ok {
				t.Errorf("%s calls `tagboat %s`: there is no such command", name, m[1])
				continue
			}
			own, _, _ := strings.Cut(m[2], " -- ") // the rest is another program's
			for _, f := range option.FindAllStringSubmatch(own, -1) {
				want := regexp.MustCompile("[` ]" + f[1] + "[`, ]")
				if !want.MatchString(reference) && !want.MatchString(common) && f[1] != "--help" {
					t.Errorf("%s calls `tagboat %s`: it has no %s", name, strings.TrimSpace(m[1]+m[2]), f[1])
				}
			}
		}
	}
}

// codeCalls finds calls in code spans, code blocks and scripts; prose about tagboat is none.
func codeCalls(text string, script bool) [][]string {
	if script {
		var out [][]string
		for line := range strings.Lines(text) {
			if i := strings.Index(line, "run: tagboat "); i >= 0 {
				out = append(out, call.FindAllStringSubmatch(line[i+len("run: "):], -1)...)
			}
		}
		return out
	}
	var code strings.Builder
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			_, part, _ = strings.Cut(part, "\n")
			for line := range strings.Lines(part) {
				if strings.HasPrefix(strings.TrimPrefix(line, "$ "), "tagboat ") {
					code.WriteString(line)
				}
			}
			continue
		}
		for _, m := range span.FindAllStringSubmatch(part, -1) {
			if strings.HasPrefix(m[1], "tagboat ") {
				code.WriteString(m[1] + "\n")
			}
		}
	}
	return call.FindAllStringSubmatch(code.String(), -1)
}

var exitSentence = regexp.MustCompile("exit(?:s with)? codes? `(\\d+)` \\((done|failed|stopped|waiting|usage)\\)")

// TestExitCodes holds that a sentence about an exit code says what the program returns.
func TestExitCodes(t *testing.T) {
	codes := map[string]int{"done": problem.ExitDone, "failed": problem.ExitFailed, "stopped": problem.ExitStopped, "waiting": problem.ExitWaiting, "usage": problem.ExitUsage}
	sentences := 0
	for _, name := range prose(t) {
		for _, m := range exitSentence.FindAllStringSubmatch(read(t, name), -1) {
			sentences++
			if want := fmt.Sprint(codes[m[2]]); m[1] != want {
				t.Errorf("%s says that %s is exit code %s, it is %s", name, m[2], m[1], want)
			}
		}
	}
	if sentences < 3 {
		t.Errorf("%d sentences about exit codes found: has their form changed?", sentences)
	}
}

// TestPlainProse holds the house's manner in documents.
func TestPlainProse(t *testing.T) {
	for _, name := range prose(t) {
		for i, line := range strings.Split(read(t, name), "\n") {
			for _, r := range line {
				if r == '\u2014' || r == '\u2013' || r >= 0x1F000 || r == '\u2705' || r == '\u274C' {
					t.Errorf("%s:%d: %q", name, i+1, r)
				}
			}
			for _, word := range []string{"seamless", "blazing", "effortless", "powerful", "world-class", "cutting-edge", "simply ", "just works"} {
				if strings.Contains(strings.ToLower(line), word) {
					t.Errorf("%s:%d: %s", name, i+1, word)
				}
			}
		}
	}
}

//go:build e2e

package acceptance

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// hostile are the samples that attack whoever packages or reports them.
var hostile = []string{"hostile-build", "hostile-config", "hostile-names"}

// Names, descriptions and changelogs that attack terminals, Markdown and workflow commands come through a whole
// rehearsal without harm, in every form that a report has.
func TestHostileNames(t *testing.T) {
	s := stageSample(t, "hostile-names")
	for _, r := range rehearse(t, s) {
		text := render.Report(render.Style{Width: 100}, *r)
		for i, c := range text {
			if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c)) {
				t.Errorf("the report has %U at byte %d", c, i)
			}
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "::") || strings.HasPrefix(line, "##[") {
				t.Errorf("the report has a workflow command: %q", line)
			}
		}
		markdown := unfenced(render.Markdown(*r))
		for _, attack := range []string{"<script", "<img", "javascript:"} {
			if strings.Contains(strings.ToLower(markdown), attack) {
				t.Errorf("the Markdown has %s", attack)
			}
		}
		var out bytes.Buffer
		if err := render.JSON(&out, r); err != nil {
			t.Fatal(err)
		}
		var back release.Report
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Tag != r.Tag || len(back.Bill.Crates) != len(r.Bill.Crates) {
			t.Errorf("the JSON does not come back: %v", err)
		}
		if strings.ContainsFunc(out.String(), func(c rune) bool { return c != '\n' && unicode.IsControl(c) }) {
			t.Error("the JSON has raw control characters")
		}
		bill, err := r.Bill.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(string(bill), func(c rune) bool { return c != '\n' && unicode.IsControl(c) }) {
			t.Error("the bill has raw control characters")
		}
	}
	for _, name := range []string{"pwned"} {
		if found, _ := filepath.Glob(filepath.Join(s.Config.Path, name)); len(found) > 0 {
			t.Errorf("something made %s", name)
		}
	}
}

// unfenced is Markdown without its code blocks, which show their text as it is.
func unfenced(markdown string) string {
	var out []string
	fence := ""
	for line := range strings.Lines(markdown) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence == "":
			out = append(out, line)
		case len(ticks) >= len(fence) && strings.TrimSpace(line) == ticks:
			fence = ""
		}
	}
	return strings.Join(out, "")
}

// reports is what the programs of the hostile samples write down.
var reports = map[string][]string{"hostile-build": {"hostile-build.txt", "hostile-macro.txt"}, "hostile-config": {"hostile-config.txt"}}

// The build scripts, proc macros and configured programs of the hostile samples run in the build zone of a real release,
// whose process holds the tokens. They find none, and nothing of them is left when it is over.
func TestHostileWorkspaces(t *testing.T) {
	for name := range reports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, filepath.Join(workspaces, name), outside.Config{Mark: "_CANARY-acceptance-0123456789"}, forFeed)
			pushTag(t, w, "v0.1.0")
			attacked(t, w, name, "release", "--tag", "v0.1.0")
		})
	}
}

// They do as little to whoever publishes them as somebody else's crates.
func TestHostileUpstreams(t *testing.T) {
	for name, crates := range map[string][]string{"hostile-build": {"hostile-user", "hostile-macro", "hostile-build", "hostile-attack"}, "hostile-config": {"hostile-config"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := filepath.Join(t.TempDir(), name)
			if err := sample.Stage(t.Context(), filepath.Join(workspaces, name), up); err != nil {
				t.Fatal(err)
			}
			args := []string{"redist", "--watch", "none", "--git", up, "--rev", "main", "--to", "feed"}
			for _, crate := range crates {
				args = append(args, "--crate", crate)
			}
			attacked(t, ledgerWorld(t, outside.Config{Mark: "_CANARY-acceptance-0123456789"}), name, args...)
		})
	}
}

// attacked runs a process that builds a hostile sample, and another one that finishes its work.
func attacked(t *testing.T, w *outside.World, name string, args ...string) {
	t.Helper()
	// Everything was built when the draft is made; the process waits while the zone is looked at.
	held := w.Hold("github", "create-release *")
	r := newRun(t.Context(), t, w, map[string]string{"RUNNER_DEBUG": "1"}, args...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }()
	select {
	case <-held.Reached:
	case err := <-ended:
		t.Fatalf("the run ended early: %v\n%s\n%s", err, r.out.String(), r.errs.String())
	}
	for _, file := range reports[name] {
		foundNothing(t, zoneFile(t, r, file))
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-ended
	if strings.Contains(r.out.String()+r.errs.String(), "CANARY") {
		t.Error("the output holds a token")
	}
	if left, err := filepath.Glob(filepath.Join(r.temp, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
	newRun(t.Context(), t, w, nil, args...).must(t, 0)
}

// zoneFile is what a program wrote into the target folder of the run's build zone.
func zoneFile(t *testing.T, r *run, name string) string {
	t.Helper()
	var found []string
	for _, base := range []string{r.temp, os.TempDir()} {
		for _, pattern := range []string{"tagboat-zone-*", "tagboat-*/tagboat-zone-*"} {
			some, err := filepath.Glob(filepath.Join(base, pattern, "target", "verify", name))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, some...)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s is in %q", name, found)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// foundNothing holds that a hostile program ran and wrote down no secret.
func foundNothing(t *testing.T, text string) {
	t.Helper()
	if !strings.HasSuffix(text, "end\n") && !strings.Contains(text, "ran as evil") {
		t.Errorf("the report is not complete:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "CANARY") {
			t.Errorf("found: %s", line)
		}
	}
}

package action

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/secret"
)

const canary = "canary-7f3a\"+/=x"

// stage is a runner whose files are in a folder of the test, and what it prints.
func stage(t *testing.T) (*runner, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	m := &secret.Masker{}
	if err := m.Add(secret.New(canary)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return newRunner(map[string]string{"GITHUB_OUTPUT": filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary")}, &out, m), &out
}

// TestMasks holds that the runner is told of every secret, plain and encoded, before anything else.
func TestMasks(t *testing.T) {
	r, out := stage(t)
	r.gha.Infof("after\n")
	r.flush()
	text := out.String()
	for _, form := range []string{canary, strings.ReplaceAll(canary, `"`, `\"`), base64.StdEncoding.EncodeToString([]byte(canary))} {
		at := strings.Index(text, "::add-mask::"+form+"\n")
		if at < 0 || at > strings.Index(text, "after") {
			t.Errorf("no mask for %q in front of the first line", form)
		}
	}
	// Somewhere within a Basic credential, whatever stands before it, most of it is masked by one of the forms.
	for _, user := range []string{"PAT:", "x:", ":"} {
		encoded := base64.StdEncoding.EncodeToString([]byte(user + canary))
		masked := false
		for _, line := range strings.Split(text, "\n") {
			form := strings.TrimPrefix(line, "::add-mask::")
			masked = masked || form != line && len(form) > len(canary) && strings.Contains(encoded, form)
		}
		if !masked {
			t.Errorf("Basic %s is not masked", user)
		}
	}
}

// TestHide tells the runner later of a secret that a variable of any name holds, once, and with the token in its base64.
func TestHide(t *testing.T) {
	r, out := stage(t)
	const token = "an0ther-s3cret-token"
	before := out.Len()
	r.hide("Basic " + base64.StdEncoding.EncodeToString([]byte("PAT:"+token)))
	r.hide("Basic " + base64.StdEncoding.EncodeToString([]byte("PAT:"+token)))
	r.gha.Infof("after %s\n", token)
	r.flush()
	text := out.String()[before:]
	if n := strings.Count(text, "::add-mask::"+token+"\n"); n != 1 || strings.Contains(text, "after "+token) || strings.Contains(text, canary) {
		t.Errorf("%d masks:\n%s", n, text)
	}
}

// TestOutputs holds that no value can end its own delimiter, and that no secret gets into an output.
func TestOutputs(t *testing.T) {
	r, _ := stage(t)
	evil := "x\ntagboat-\n_GitHubActionsFileCommandDelimeter_\noutcome=released\nEOF"
	if err := r.output([][2]string{{"tag", evil}, {"release-url", "https://x/" + canary}}); err != nil {
		t.Fatal(err)
	}
	if err := r.output([][2]string{{"tag", evil}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.env["GITHUB_OUTPUT"])
	if err != nil {
		t.Fatal(err)
	}
	delimiters := regexp.MustCompile(`(?m)^[a-z-]+<<(tagboat-[0-9a-f]{32})$`).FindAllStringSubmatch(string(text), -1)
	if len(delimiters) != 3 {
		t.Fatalf("got %d outputs in %q, want 3", len(delimiters), text)
	}
	seen := map[string]bool{}
	for _, d := range delimiters {
		if seen[d[1]] || strings.Count(string(text), d[1]) != 2 {
			t.Errorf("the delimiter %s is not alone", d[1])
		}
		seen[d[1]] = true
	}
	if strings.Contains(string(text), canary) {
		t.Error("an output holds the secret")
	}
}

// TestAnnotationLimits holds the runner's limits, and that the reader learns where the rest is.
func TestAnnotationLimits(t *testing.T) {
	r, out := stage(t)
	var list []annotation
	for i := range 25 {
		list = append(list, annotation{kind: "error", title: fmt.Sprint("error ", i), text: strings.Repeat("ä", 5000), file: "a,b:c\nCargo.toml", line: i + 1})
	}
	list = append(list, annotation{kind: "warning", title: "w\n::error::forged", text: "100%\n::set-output name=x::" + canary})
	out.Reset()
	r.annotate(list)
	r.flush()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != maxAnnotations+1 {
		t.Fatalf("got %d lines, want %d", len(lines), maxAnnotations+1)
	}
	for i, line := range lines {
		kind := "::error "
		if i == maxAnnotations {
			kind = "::warning "
		}
		if !strings.HasPrefix(line, kind) || strings.Contains(line[2:], "::set-output") || strings.Contains(line[2:], "::error::") {
			t.Errorf("line %d: %.80q", i, line)
		}
		_, message, _ := strings.Cut(line[2:], "::")
		if n := len([]rune(strings.NewReplacer("%0A", "\n", "%25", "%").Replace(message))); n > maxMessage {
			t.Errorf("line %d has %d characters", i, n)
		}
	}
	if !strings.Contains(lines[0], "(cut; the job summary") || !strings.Contains(lines[9], "16 more") {
		t.Errorf("the reader does not learn where the rest is: %.60q … %q", lines[0], lines[9])
	}
	if strings.Contains(out.String(), canary) {
		t.Error("an annotation holds the secret")
	}
}

// TestQuietly holds that no line of a stranger's is a command, and that commands work again afterwards.
func TestQuietly(t *testing.T) {
	r, out := stage(t)
	out.Reset()
	r.quietly(func() { fmt.Fprint(r.out, "::error::forged\n::stop-commands::x\nno line end ", canary) })
	r.gha.Noticef("after")
	r.flush()
	got := regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllString(out.String(), "TOKEN")
	if want := "::stop-commands::TOKEN\n::error::forged\n::stop-commands::x\nno line end ***\n::TOKEN::\n::notice::after\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

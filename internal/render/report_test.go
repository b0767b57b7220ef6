package render_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/golden"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// TestReport renders the report.json of each archive in every way.
func TestReport(t *testing.T) {
	golden.Run(t, "testdata/report/*.txtar", func(t *testing.T, in map[string]string) map[string]string {
		var r release.Report
		d := json.NewDecoder(strings.NewReader(in["report.json"]))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		style := render.Style{Width: 90}
		out := map[string]string{
			"report.md":  render.Markdown(r),
			"report.txt": render.Report(style, r),
		}
		if r.Outcome == release.Planned || r.Outcome == release.Stopped {
			out["plan.txt"] = render.Plan(style, r)
		}
		for name, text := range out {
			holdText(t, name, text)
		}
		holdMarkdown(t, r, out["report.md"])
		// Colours change nothing but colours.
		style.Color = true
		if got := uncolored(render.Report(style, r)); got != out["report.txt"] {
			t.Errorf("with colours the text differs:\n%s", got)
		}
		return out
	})
}

// holdText checks what holds for everything that is written.
func holdText(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			t.Errorf("%s has a line that is a workflow command: %q", name, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("%s has a line with a space at its end: %q", name, line)
		}
		for _, r := range line {
			if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f", r) {
				t.Errorf("%s has the character %U in %q", name, r, line)
			}
		}
	}
}

func uncolored(s string) string {
	for _, code := range []string{"0", "1", "2", "31", "32", "33", "36"} {
		s = strings.ReplaceAll(s, "\x1b["+code+"m", "")
	}
	return s
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := render.JSON(&b, release.Report{Schema: "x", Tag: "a<b>&c", Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}); err != nil {
		t.Fatal(err)
	}
	want := `{
  "schema": "x",
  "command": "",
  "outcome": "",
  "tag": "a<b>&c",
  "steps": [],
  "problems": []
}
`
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
	if err := render.JSON(&b, func() {}); err == nil || !strings.Contains(err.Error(), "encode func()") {
		t.Errorf("a function as JSON: %v", err)
	}
}

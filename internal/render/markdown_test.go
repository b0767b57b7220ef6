package render_test

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// ours is all the HTML that a report may contain.
var ours = regexp.MustCompile(`^(<details><summary>[^<>]*</summary>|</details>|<code>|</code>)$`)

// holdMarkdown reads the report as GitHub does and checks that only our own structure is in it: headings, tables with
// the right number of rows and cells, our HTML, and links to the addresses that the report names.
func holdMarkdown(t *testing.T, r release.Report, source string) {
	t.Helper()
	src := []byte(source)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
	var headings []string
	tables, mermaid := 0, 0
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			headings = append(headings, strings.Repeat("#", n.Level))
		case *ast.HTMLBlock:
			for line := range strings.Lines(string(n.Lines().Value(src))) {
				holdHTML(t, line)
			}
		case *ast.RawHTML:
			holdHTML(t, string(n.Segments.Value(src)))
		case *ast.AutoLink:
			holdLink(t, r, string(n.URL(src)))
		case *ast.Link, *ast.Image, *ast.Blockquote, *ast.List, *ast.ThematicBreak, *ast.CodeBlock, *extast.Strikethrough:
			t.Errorf("the report has a %s", n.Kind())
		case *ast.FencedCodeBlock:
			if string(n.Language(src)) == "mermaid" {
				mermaid++
				holdMermaid(t, string(n.Lines().Value(src)))
			}
		case *extast.Table:
			tables++
		case *extast.TableRow:
			cells := 0
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				cells++
			}
			if cells != len(n.Parent().(*extast.Table).Alignments) {
				t.Errorf("a row has %d cells", cells)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(headings) == 0 || headings[0] != "##" || slices.Contains(headings[1:], "##") || slices.Contains(headings, "#") || tables > 5 || mermaid > 1 {
		t.Errorf("the report has headings %q, %d tables, %d graphs", headings, tables, mermaid)
	}
	if len(source) > 1<<20 {
		t.Errorf("the report has %d bytes", len(source))
	}
}

func holdHTML(t *testing.T, line string) {
	t.Helper()
	if line = strings.TrimSpace(line); line != "" && !ours.MatchString(line) {
		t.Errorf("the report has the HTML %q", line)
	}
}

func holdLink(t *testing.T, r release.Report, url string) {
	t.Helper()
	hints := ""
	for _, p := range r.Problems {
		hints += p.Hint
	}
	for _, f := range r.Findings {
		hints += f.Hint + f.Relaxed
	}
	if r.Notice != nil && strings.HasPrefix(r.Notice.URL, url) {
		return
	}
	if slices.ContainsFunc(r.Releases, func(sub release.Report) bool { return sub.URL == url }) {
		return
	}
	if !strings.HasPrefix(r.URL, url) && !strings.HasPrefix(r.RunURL, url) && !strings.Contains(hints, url) {
		t.Errorf("the report has a link to %s", url)
	}
}

var mermaidLine = regexp.MustCompile(`^(graph LR|  c\d+\["(?:[\p{L}\p{Nd} ._+-]|#\d+;)*"\](?::::\w+)?|  c\d+ --> c\d+|  classDef \w+ [\w:#,]+)$`)

func holdMermaid(t *testing.T, source string) {
	t.Helper()
	for line := range strings.Lines(source) {
		if !mermaidLine.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("the graph has the line %q", line)
		}
	}
}

// hostile are strings that try to become something else.
var hostile = []string{
	"", " ", "\n", "`", "``", "```", "`a`b``", "|", "\\|", "a\\", "\\", "a | b", "<b>", "</details>", "<!--", "-->", "&lt;", "&#64;",
	"@tagboat", "a@b.example", "#1", "x#12", "GH-7", "owner/name#3", "https://evil.example", "http://evil.example/x", "www.evil.example", "ftp://x.example",
	"[x](https://evil.example)", "![x](https://evil.example)", "[x]: https://evil.example", "<https://evil.example>", "**b**", "_i_", "__i__", "~~s~~", "$x$", "$$x$$",
	"# h", "## h", "- l", "* l", "+ l", "1. l", "1) l", "12345. l", "> q", "---", "***", "===", "    code", "\tcode", "~~~", "a\n\n# b", "a\r# b",
	"::error::x", "  ::error::x", "a\n::set-output name=x::y", "##[add-matcher]x", ":tada:", "- [ ] task", "|---|", "a\n|---|\nb",
	"\x1b[31mred", "\x00", "\u202eabc", "\u2066", "a\u200bb", "\xff\xfe", "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "%%{init}%%", "\"]\nclick c0 \"x\"", "end", "graph", "⚠️", "漢字",
	"``` \n# x\n```", "<script>alert(1)</script>", "<details open>", "a  \nb", "\u2028x", "{{x}}", "${{ x }}", "^1", "[^1]", "!", "!a", "(a)", "'\"", "a-b_c.d+e/f@1.0.0",
}

// TestHostileReport puts each hostile string into every field of a report.
func TestHostileReport(t *testing.T) {
	for _, s := range hostile {
		t.Run(fmt.Sprintf("%q", s), func(t *testing.T) { holdReport(t, reportOf(s)) })
	}
}

func FuzzReport(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { holdReport(t, reportOf(s)) })
}

func holdReport(t *testing.T, r release.Report) {
	t.Helper()
	for _, style := range []render.Style{{}, {Width: 20}} {
		holdText(t, "report", render.Report(style, r))
		holdText(t, "plan", render.Plan(style, r))
	}
	md := render.Markdown(r)
	holdText(t, "markdown", md)
	holdMarkdown(t, r, md)
	title, body := render.TokenIssue(r)
	holdText(t, "issue", title+"\n"+body)
	holdMarkdown(t, r, "## x\n\n"+body)
	if strings.ContainsAny(title, "\r\n") || title == "" {
		t.Errorf("the issue is called %q", title)
	}
}

// reportOf is a report whose every text is s.
func reportOf(s string) release.Report {
	crate := func(name string, needs ...string) release.Crate {
		return release.Crate{Name: name, Version: s, Manifest: s, Registries: []string{s}, Needs: needs}
	}
	return release.Report{
		Schema: s, Command: s, Outcome: s, Repository: s, Tag: s, Commit: s, Branch: s, Title: s, URL: s, RunURL: s, Notes: s,
		Crates:     []release.Crate{crate(s), crate("core", s), crate("net"+s, s, "core")},
		Registries: []release.Registry{{Name: s, Forecast: release.Forecast{Wait: 1, Text: s}, Login: &release.Login{How: release.LoginTrusted, Repository: s, Workflow: s, Environment: s}}, {Name: s, Login: &release.Login{How: release.LoginEntra}}},
		Steps: []release.ReportStep{
			{Key: s, Kind: s, Outcome: s, Reason: s},
			{Key: "publish/" + s, Kind: "publish", Outcome: "failed", Reason: s, Attempts: 2, ElapsedMS: 1},
		},
		Bill:     &release.Bill{Crates: []release.BillCrate{{Name: s, Version: s, SHA256: s, Size: 1, Registries: []release.BillRegistry{{Name: s}}}}},
		Assets:   []release.Asset{{Name: s, SHA256: s, Whole: true}, {Name: s}},
		Findings: []release.Finding{{Rule: s, Severity: release.Warn, Summary: s, Detail: s, Hint: s, File: s, Line: 3, Relaxed: s}},
		Picks:    []release.ReportPick{{Commit: s, Title: s}, {Commit: s, Title: s, Pull: 3, Skipped: s}, {Commit: s, Title: s, Skipped: s, Conflicts: []string{s}}},
		Tokens: []release.ReportToken{{Name: s, Registry: s, Variable: s, Secret: s, Scope: s, State: s, Read: s, Publish: s, Reach: s, Notes: []string{s}},
			{Name: s, Secret: s, Scope: s, State: release.TokenExpired, Expires: &time.Time{}, ExpiresFrom: s}},
		Notice:   &release.ReportNotice{Did: "made", URL: s},
		Warnings: []string{s},
		Problems: []release.ReportProblem{{Summary: s, Detail: s, Hint: s, File: s, Line: 1, Rule: s, Step: s}, {Summary: s}},
	}
}

// TestProseIsWhatItWas renders escaped text and compares it with the cleaned original.
func TestProseIsWhatItWas(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	for _, s := range append(slices.Clone(hostile), strings.Join(hostile, " ")) {
		for name, pattern := range map[string]string{"paragraph": "%s", "bold": "**%s**", "cell": "| a | b |\n|---|---|\n| %s | x |"} {
			want := render.Clean(s)
			if want == "" {
				continue
			}
			var page strings.Builder
			if err := md.Convert(fmt.Appendf(nil, pattern, render.Escape(s)), &page); err != nil {
				t.Fatal(err)
			}
			if got := plainText(page.String()); got != want && got != "a b "+want+" x" {
				t.Errorf("%s of %q: escaped %q, rendered %q, want %q", name, s, render.Escape(s), got, want)
			}
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// plainText returns the text of an HTML page without its tags, and without the spaces that break mentions.
func plainText(page string) string {
	text := strings.ReplaceAll(html.UnescapeString(tags.ReplaceAllString(page, " ")), "\u200b", "")
	return strings.Join(strings.Fields(text), " ")
}

func TestLongReports(t *testing.T) {
	r := reportOf("x")
	for i := range 5000 {
		key := fmt.Sprintf("publish/crates-io/a-crate-with-a-name-%d@1.0.0", i)
		r.Steps = append(r.Steps, release.ReportStep{Key: key, Kind: "publish", Outcome: "pending", Reason: strings.Repeat("why ", 10)})
		r.Problems = append(r.Problems, release.ReportProblem{Summary: key, Detail: strings.Repeat("line\n", 200), Hint: "try again"})
	}
	for _, limit := range []int{1 << 20, 100_000, 10_000, 1000} {
		got := render.MarkdownWithin(r, limit)
		if len(got) > limit {
			t.Errorf("%d bytes, want at most %d", len(got), limit)
		}
		if !strings.HasPrefix(got, "## Failed to finish x of x") {
			t.Errorf("the report begins with %q", got[:100])
		}
		holdText(t, "long", got)
	}
	holdMarkdown(t, r, render.MarkdownWithin(r, 100_000))
}

func TestManyCratesAreATable(t *testing.T) {
	r := release.Report{Outcome: release.Released, Tag: "v1.0.0"}
	for i := range 61 {
		c := release.Crate{Name: fmt.Sprint("crate-", i), Version: "1.0.0", Registries: []string{"crates-io"}}
		if i > 0 {
			c.Needs = []string{fmt.Sprint("crate-", (i-1)/2)}
		}
		r.Crates = append(r.Crates, c)
	}
	got := render.Markdown(r)
	if strings.Contains(got, "mermaid") || !strings.Contains(got, "| 3 | `crate-3`, `crate-4`, `crate-5`, `crate-6` |") {
		t.Errorf("got %s", got)
	}
	r.Crates = r.Crates[:60]
	if got := render.Markdown(r); !strings.Contains(got, "```mermaid\n") || !strings.Contains(got, "  c29 --> c59\n") {
		t.Errorf("got %s", got)
	}
	holdMarkdown(t, r, got)
}

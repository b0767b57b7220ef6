package render

import (
	"strings"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// What the packages below this one share with it.

// Title is the first lines of a report: what became of it, of which commit.
func Title(s Style, r release.Report) string {
	var b strings.Builder
	writeTitle(&b, s, r)
	return b.String()
}

// Mermaid is the picture of the order of publishing.
func Mermaid(r release.Report) string {
	var b strings.Builder
	writeMermaid(&b, r)
	return b.String()
}

// Findings are the warnings and problems of a report.
func Findings(s Style, r release.Report) string {
	var b strings.Builder
	writeFindings(&b, s, r)
	return b.String()
}

// MarkdownFindings are the same as Markdown; of very many, the first.
func MarkdownFindings(r release.Report) string {
	var b strings.Builder
	brief := brevities[2]
	writeProblems(&b, "### What is wrong\n\n", r.Problems, brief)
	writeProblems(&b, "### Warnings\n\n", warnings(r), brief)
	return b.String()
}

// Code makes text of unknown origin a code span of Markdown, Words words of it, and Fence a block of code.
func Code(s string) string  { return code(s) }
func Words(s string) string { return escape(plain.Clean(s)) }
func Fence(s string) string { return fence(s) }

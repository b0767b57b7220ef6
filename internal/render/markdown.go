package render

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// summaryLimit is what GitHub takes as the job summary of one step
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary).
const summaryLimit = 1 << 20

// graphLimit is how many crates are drawn; above, the picture is no help any more.
const graphLimit = 60

// brevity says what is left out of a report that is too long. Each next one leaves out more.
type brevity struct {
	done     bool // list steps that are done, too
	rows     int  // of each table and list
	detail   int  // bytes of each problem's detail
	problems int
	notes    int // bytes
}

var brevities = []brevity{
	{done: true, rows: 100_000, detail: 64 << 10, problems: 10_000, notes: 128 << 10},
	{rows: 2000, detail: 8 << 10, problems: 500, notes: 32 << 10},
	{rows: 200, detail: 1 << 10, problems: 100, notes: 4 << 10},
	{rows: 20, detail: 200, problems: 10},
}

// Markdown renders a report for a job summary or a check run: below 1 MiB, with what matters first.
func Markdown(r release.Report) string {
	return markdownWithin(r, summaryLimit)
}

// commentLimit is what GitHub takes as a comment, in characters; a byte is at least none fewer.
const commentLimit = 65_000

// Comment renders a report for a comment on a pull request.
func Comment(r release.Report) string {
	return markdownWithin(r, commentLimit)
}

// markdownWithin tries one brevity after the other; the last one is cut if need be, at the end of a line.
func markdownWithin(r release.Report, limit int) string {
	var text string
	for _, b := range brevities {
		if text = markdown(r, b); len(text) <= limit {
			return text
		}
	}
	const more = "\n\n(The report is longer than GitHub shows; the log has all of it.)\n"
	text = text[:max(0, limit-len(more))]
	return text[:strings.LastIndex(text, "\n")+1] + more
}

func markdown(r release.Report, brief brevity) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", escape(headline(r)))
	writeFacts(&b, r)
	writeProblems(&b, "### What is wrong\n\n", r.Problems, brief)
	writeTokens(&b, r)
	writePicks(&b, r, brief)
	writeMermaid(&b, r)
	writeCrates(&b, r, brief)
	for _, line := range logins(r) {
		b.WriteString("Published to " + escape(cut(line, brief.detail)) + "\n\n")
	}
	writeProblems(&b, "### Warnings\n\n", warnings(r), brief)
	writeNotes(&b, r, brief)
	writeSteps(&b, r, brief)
	for _, sub := range r.Releases {
		b.WriteString(strings.Replace(markdown(sub, brief), "## ", "### ", 1) + "\n")
	}
	return plain.Tidy(b.String())
}

// writeFacts writes commit, branch and addresses in one line.
func writeFacts(b *strings.Builder, r release.Report) {
	var facts []string
	for _, fact := range [][2]string{
		{"commit", code(r.Commit)}, {"branch", code(r.Branch)}, {page(r), link(r.URL)}, {"workflow run", link(r.RunURL)}, {"issue", link(noticed(r.Notice))},
	} {
		if fact[1] != "" {
			facts = append(facts, fact[0]+" "+fact[1])
		}
	}
	if len(facts) > 0 {
		b.WriteString(strings.Join(facts, ", ") + "\n\n")
	}
}

func writeProblems(b *strings.Builder, title string, problems []release.ReportProblem, brief brevity) {
	if len(problems) == 0 {
		return
	}
	b.WriteString(title)
	for i, p := range problems {
		if i == brief.problems {
			fmt.Fprintf(b, "And %d more, see the log.\n\n", len(problems)-i)
			return
		}
		summary := prose(p.Summary, escape)
		if summary == "" {
			summary = "(no text)"
		}
		b.WriteString("**" + summary + "**")
		if at := place(p.File, p.Line); at != "" {
			b.WriteString(" at " + code(at))
		}
		if step := code(p.Step); step != "" {
			b.WriteString(" in " + step)
		}
		b.WriteString("\n\n")
		if detail := fence(cut(p.Detail, brief.detail)); detail != "" {
			b.WriteString(detail + "\n")
		}
		if hint := prose(p.Hint, link); hint != "" {
			b.WriteString(hint + "\n\n")
		}
	}
}

// cut shortens text to about n bytes, at the end of a line where there is one.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = strings.ToValidUTF8(text[:n], "")
	if at := strings.LastIndex(text, "\n"); at > 0 {
		text = text[:at]
	}
	return text + "\n(cut)"
}

// nodeClasses colours a crate by its state. The fills are readable on GitHub's light and dark pages.
const nodeClasses = `  classDef good fill:#2da44e,stroke:#1a7f37,color:#ffffff
  classDef bad fill:#cf222e,stroke:#a40e26,color:#ffffff
  classDef wait fill:#bf8700,stroke:#9a6700,color:#ffffff
`

// writeMermaid draws the crates with an arrow from each to those that need it, or lists their levels where there are
// too many.
func writeMermaid(b *strings.Builder, r release.Report) {
	if len(r.Crates) < 2 {
		return
	}
	b.WriteString("### Order of publishing\n\n")
	if len(r.Crates) > graphLimit {
		b.WriteString("| Level | Crates |\n|---:|---|\n")
		for n, level := range levels(r.Crates) {
			names := make([]string, len(level))
			for i, c := range level {
				names[i] = code(c.Name)
			}
			fmt.Fprintf(b, "| %d | %s |\n", n+1, strings.Join(names, ", "))
		}
		b.WriteString("\n")
		return
	}
	node := make(map[string]int)
	for i, c := range r.Crates {
		node[c.Name] = i
	}
	classes := crateClasses(r)
	b.WriteString("```mermaid\ngraph LR\n")
	for i, c := range r.Crates {
		fmt.Fprintf(b, "  c%d[\"%s\"]%s\n", i, label(c.Name+" "+c.Version), classes[c.Name])
	}
	for i, c := range r.Crates {
		for _, need := range c.Needs {
			if from, ok := node[need]; ok {
				fmt.Fprintf(b, "  c%d --> c%d\n", from, i)
			}
		}
	}
	b.WriteString(nodeClasses + "```\n\n")
}

// crateClasses names the worst state of a crate over its registries as a class of the graph.
func crateClasses(r release.Report) map[string]string {
	classes := make(map[string]string)
	for _, row := range crateRows(r) {
		switch row.state {
		case "failed", "not confirmed":
			classes[row.name] = ":::bad"
		case "waiting":
			if classes[row.name] != ":::bad" {
				classes[row.name] = ":::wait"
			}
		case "confirmed":
			if _, ok := classes[row.name]; !ok {
				classes[row.name] = ":::good"
			}
		default:
			if c, ok := classes[row.name]; !ok || c == ":::good" {
				classes[row.name] = ""
			}
		}
	}
	return classes
}

func writeCrates(b *strings.Builder, r release.Report, brief brevity) {
	rows := crateRows(r)
	if len(rows) == 0 {
		return
	}
	b.WriteString("### Crates\n\n| Crate | Version | Registry | SHA-256 | Size | State | Confirmed |\n|---|---|---|---|---:|---|---|\n")
	for i, c := range rows {
		if i == brief.rows {
			fmt.Fprintf(b, "\nAnd %d more.\n", len(rows)-i)
			break
		}
		size, confirmed := "", ""
		if c.size > 0 {
			size = plain.Size(c.size)
		}
		if c.confirmed != nil {
			confirmed = moment(*c.confirmed)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", code(c.name), code(c.version), code(c.registry), code(c.sha256), size, c.state, confirmed)
	}
	b.WriteString("\n")
}

// writePicks writes what came of each commit that was to be picked.
func writePicks(b *strings.Builder, r release.Report, brief brevity) {
	if len(r.Picks) == 0 {
		return
	}
	b.WriteString("### Picks\n\n| Commit | Title | Pull request | Outcome | Reason |\n|---|---|---|---|---|\n")
	for i, p := range r.Picks {
		if i == brief.rows {
			fmt.Fprintf(b, "\nAnd %d more.\n", len(r.Picks)-i)
			break
		}
		pull, outcome := "", "picked"
		if p.Pull > 0 {
			pull = fmt.Sprintf("%d", p.Pull)
		}
		if len(p.Conflicts) > 0 {
			outcome = "conflicts"
		} else if p.Skipped != "" {
			outcome = "skipped"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", code(p.Commit), code(cut(p.Title, 200)), pull, outcome, escape(cut(p.Skipped, max(brief.detail, 200))))
	}
	b.WriteString("\n")
}

// writeNotes shows the notes as their source. They are rendered on the release page; here they could pose as part of
// the report.
func writeNotes(b *strings.Builder, r release.Report, brief brevity) {
	if notes := fence(cut(r.Notes, brief.notes)); notes != "" && brief.notes > 0 {
		fmt.Fprintf(b, "<details><summary>Release notes: %s</summary>\n\n%s\n</details>\n\n", htmlText(r.Title), notes)
	}
}

func writeSteps(b *strings.Builder, r release.Report, brief brevity) {
	steps := r.Steps
	title := plain.Count(len(steps), "step")
	if !brief.done {
		steps = unfinished(steps)
		title = fmt.Sprintf("%d of %s not done", len(steps), title)
	}
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(b, "<details><summary>%s</summary>\n\n| Outcome | Step | Attempts | Time | Reason |\n|---|---|---:|---:|---|\n", title)
	for i, s := range steps {
		if i == brief.rows {
			fmt.Fprintf(b, "\nAnd %d more.\n", len(steps)-i)
			break
		}
		outcome := s.Outcome
		if !isState(outcome) {
			outcome = "pending"
		}
		fmt.Fprintf(b, "| %s | %s | %d | %s | %s |\n", outcome, code(s.Key), s.Attempts, elapsed(s.ElapsedMS), escape(cut(s.Reason, max(brief.detail, 200))))
	}
	b.WriteString("\n</details>\n\n")
}

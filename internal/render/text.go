package render

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// Problems renders what went wrong: for each problem its sentence, the place, the values below each other, and the
// hint. It is empty where there is none.
func Problems(s Style, problems []release.ReportProblem) string {
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteString("\n")
		}
		writeProblem(&b, s, s.paint(red, "error"), p)
	}
	return tidy(b.String())
}

// Error renders an error as its problems.
func Error(s Style, err error) string {
	if err == nil {
		return ""
	}
	return Problems(s, release.ErrorReport("", err).Problems)
}

func writeProblem(b *strings.Builder, s Style, label string, p release.ReportProblem) {
	writeWrapped(b, label+": ", "  ", Clean(p.Summary), s.width())
	if at := place(Clean(p.File), p.Line); at != "" {
		fmt.Fprintf(b, "  at %s\n", at)
	}
	if step := Clean(p.Step); step != "" {
		fmt.Fprintf(b, "  in %s\n", step)
	}
	if detail := Block(p.Detail); detail != "" {
		for line := range strings.Lines(detail) {
			b.WriteString("    " + line)
		}
		b.WriteString("\n")
	}
	if hint := Clean(p.Hint); hint != "" {
		writeWrapped(b, "  "+s.paint(cyan, "hint")+": ", "  ", hint, s.width())
	}
}

// writeWrapped writes clean text after a first prefix, broken at spaces before width columns; further lines begin with
// the next prefix. A word that is wider than the line stays whole, so that it can be copied.
func writeWrapped(b *strings.Builder, first, next, text string, width int) {
	line, used := first, columns(stripColor(first))
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && used+1+columns(word) > width {
			b.WriteString(line + "\n")
			line, used, empty = next, columns(next), true
		}
		if !empty {
			line += " "
			used++
		}
		line += word
		used += columns(word)
		empty = false
	}
	b.WriteString(line + "\n")
}

func stripColor(s string) string {
	for {
		before, rest, ok := strings.Cut(s, "\x1b[")
		if !ok {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}

// Crates renders the crates of a report as a table.
func Crates(s Style, r release.Report) string {
	rows := crateRows(r)
	if len(rows) == 0 {
		return ""
	}
	cells := [][]string{{"CRATE", "VERSION", "REGISTRY", "SHA-256", "SIZE", "STATE", "CONFIRMED"}}
	for _, c := range rows {
		size, confirmed := "", ""
		if c.size > 0 {
			size = Size(c.size)
		}
		if c.confirmed != nil {
			confirmed = moment(*c.confirmed)
		}
		cells = append(cells, []string{Clean(c.name), Clean(c.version), Clean(c.registry), Clean(short(c.sha256, 12)), size, c.state, confirmed})
	}
	return tidy(heading(s, table(cells, 4)))
}

// heading joins a table's lines; the first is its heading.
func heading(s Style, lines []string) string {
	lines[0] = s.paint(dim, lines[0])
	return strings.Join(lines, "\n") + "\n"
}

// Plan renders a report before the run: what goes where in which order, every step with its reason, and what was found.
func Plan(s Style, r release.Report) string {
	var b strings.Builder
	writeTitle(&b, s, r)
	if text := Graph(r.Crates); text != "" {
		b.WriteString("\n" + s.paint(bold, "Order of publishing") + "\n" + text)
	}
	b.WriteString("\n" + s.paint(bold, "Steps") + "\n" + Steps(s, r.Steps))
	writeForecast(&b, s, r)
	writeFindings(&b, s, r)
	return tidy(b.String())
}

func writeTitle(b *strings.Builder, s Style, r release.Report) {
	color := map[string]string{release.Released: green, release.Started: green, release.Planned: cyan, release.Waiting: yellow}[r.Outcome]
	if color == "" {
		color = red
	}
	b.WriteString(s.paint(color, Clean(headline(r))) + "\n")
	var facts []string
	if commit := Clean(r.Commit); commit != "" {
		facts = append(facts, "commit "+commit)
	}
	if branch := Clean(r.Branch); branch != "" {
		facts = append(facts, "branch "+branch)
	}
	if len(facts) > 0 {
		b.WriteString(strings.Join(facts, ", ") + "\n")
	}
}

// Graph renders the crates in levels: a crate needs only crates of the levels before.
func Graph(crates []release.Crate) string {
	var rows [][]string
	for n, level := range levels(crates) {
		for _, c := range level {
			needs := ""
			if len(c.Needs) > 0 {
				needs = "needs " + Clean(strings.Join(c.Needs, ", "))
			}
			rows = append(rows, []string{fmt.Sprintf("  %d", n+1), Clean(c.Name + " " + c.Version), Clean(strings.Join(c.Registries, ", ")), needs})
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return tidy(strings.Join(table(rows), "\n") + "\n")
}

// stateColors are the colours of the outcomes of steps.
var stateColors = map[string]string{"done": green, "failed": red, "waiting": yellow, "skipped": dim, "pending": dim}

// Steps renders steps, one per line: outcome, key, time, reason.
func Steps(s Style, steps []release.ReportStep) string {
	var b strings.Builder
	widest := 0
	for _, step := range steps {
		widest = max(widest, columns(Clean(step.Key)))
	}
	widest = min(widest, s.width()/2)
	for _, step := range steps {
		outcome := step.Outcome
		if !isState(outcome) {
			outcome = "pending"
		}
		line := pad(Clean(step.Key), widest)
		if t := elapsed(step.ElapsedMS); t != "" {
			line += "  " + t
		}
		if step.Attempts > 1 {
			line += "  " + count(step.Attempts, "attempt")
		}
		if reason := Clean(step.Reason); reason != "" {
			line += "  " + reason
		}
		b.WriteString("  " + s.paint(stateColors[outcome], pad(outcome, 7)) + "  " + line + "\n")
	}
	return tidy(b.String())
}

func isState(outcome string) bool {
	_, ok := stateColors[outcome]
	return ok
}

func writeForecast(b *strings.Builder, s Style, r release.Report) {
	var lines []string
	for _, reg := range r.Registries {
		if reg.Forecast.Wait > 0 {
			lines = append(lines, fmt.Sprintf("  %s: about %s of waiting for its rate limits%s", Clean(reg.Name), Span(reg.Forecast.Wait), because(reg.Forecast.Text)))
		}
	}
	if len(lines) > 0 {
		b.WriteString("\n" + s.paint(bold, "Forecast") + "\n" + strings.Join(lines, "\n") + "\n")
	}
}

func writeFindings(b *strings.Builder, s Style, r release.Report) {
	for _, p := range warnings(r) {
		b.WriteString("\n")
		writeProblem(b, s, s.paint(yellow, "warning"), p)
	}
	for _, p := range r.Problems {
		b.WriteString("\n")
		writeProblem(b, s, s.paint(red, "error"), p)
	}
}

// Report renders the end of a run: what became of it, the release page as it would look, the crates, what went wrong,
// and where to look further.
func Report(s Style, r release.Report) string {
	var b strings.Builder
	writeTitle(&b, s, r)
	writePage(&b, s, r)
	if text := Crates(s, r); text != "" {
		b.WriteString("\n" + text)
	}
	if open := unfinished(r.Steps); len(open) > 0 {
		b.WriteString("\n" + s.paint(bold, "Not reached") + "\n" + Steps(s, open))
	}
	writeFindings(&b, s, r)
	writeLinks(&b, s, r)
	return tidy(b.String())
}

// unfinished are the steps that a further run has to do.
func unfinished(steps []release.ReportStep) []release.ReportStep {
	var out []release.ReportStep
	for _, s := range steps {
		if s.Outcome != "done" && s.Outcome != "skipped" {
			out = append(out, s)
		}
	}
	return out
}

// writePage draws the release page in a frame: title, notes, assets.
func writePage(b *strings.Builder, s Style, r release.Report) {
	if r.Notes == "" && len(r.Assets) == 0 {
		return
	}
	bar := s.paint(dim, "│") + " "
	b.WriteString("\n" + s.paint(dim, "┌ ") + s.paint(bold, Clean(r.Title)) + "\n")
	if notes := Block(r.Notes); notes != "" {
		for line := range strings.SplitSeq(notes, "\n") {
			b.WriteString(bar + line + "\n")
		}
	}
	if len(r.Assets) > 0 {
		b.WriteString(bar + "\n" + bar + count(len(r.Assets), "asset") + "\n")
		var rows [][]string
		for _, a := range r.Assets {
			rows = append(rows, []string{Clean(a.Name), Size(a.Size), assetSum(a)})
		}
		for _, line := range table(rows, 1) {
			b.WriteString(bar + "  " + line + "\n")
		}
	}
	b.WriteString(s.paint(dim, "└") + "\n")
}

func assetSum(a release.Asset) string {
	switch {
	case !a.Whole:
		return "upload not finished"
	case a.SHA256 == "":
		return ""
	}
	return "sha256 " + Clean(short(a.SHA256, 12))
}

func writeLinks(b *strings.Builder, s Style, r release.Report) {
	var rows [][]string
	for _, link := range [][2]string{{"release", r.URL}, {"workflow", r.RunURL}} {
		if url := Clean(link[1]); url != "" {
			rows = append(rows, []string{"  " + link[0], url})
		}
	}
	if len(rows) > 0 {
		b.WriteString("\n" + s.paint(bold, "Look here") + "\n" + strings.Join(table(rows), "\n") + "\n")
	}
}

// Check is one thing that was compared, for a verification of a release.
type Check struct {
	Name   string // "core 0.4.0 in crates-io"
	State  string // "same", "different", "missing", "unknown"
	Detail string // the values, where they differ or are unknown
}

// Verification renders the result of comparing a release with the world, the checks that are not the same last, so
// that they stand where the eye is.
func Verification(s Style, title string, checks []Check) string {
	var same, other []Check
	for _, c := range checks {
		if c.State == "same" {
			same = append(same, c)
		} else {
			other = append(other, c)
		}
	}
	var b strings.Builder
	b.WriteString(s.paint(bold, Clean(title)) + "\n")
	widest := 0
	for _, c := range checks {
		widest = max(widest, columns(Clean(c.State)))
	}
	for _, c := range append(same, other...) {
		color := map[string]string{"same": green, "unknown": yellow}[c.State]
		if color == "" {
			color = red
		}
		b.WriteString("  " + s.paint(color, pad(Clean(c.State), widest)) + "  " + Clean(c.Name) + "\n")
		if detail := Block(c.Detail); detail != "" {
			for line := range strings.SplitSeq(detail, "\n") {
				b.WriteString("      " + line + "\n")
			}
		}
	}
	if len(other) == 0 {
		fmt.Fprintf(&b, "%s, all as recorded\n", count(len(checks), "check"))
	} else {
		fmt.Fprintf(&b, "%d of %s not as recorded\n", len(other), count(len(checks), "check"))
	}
	return tidy(b.String())
}

// Settings renders every configuration key with its value and where the value comes from.
func Settings(s Style, settings []config.Setting) string {
	rows := [][]string{{"KEY", "VALUE", "FROM"}}
	for _, x := range settings {
		rows = append(rows, []string{Clean(x.Key), fit(Clean(settingText(x.Value)), 60), Clean(x.Origin.String())})
	}
	return tidy(heading(s, table(rows)))
}

// settingText writes a value as TOML does.
func settingText(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		quoted := make([]string, len(v))
		for i, item := range v {
			quoted[i] = fmt.Sprintf("%q", item)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(v)
}

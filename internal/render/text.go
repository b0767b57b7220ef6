package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// Problems renders what went wrong: for each problem its sentence, the place, the values below each other, and the
// hint. It is empty where there is none.
func Problems(s Style, problems []release.ReportProblem) string {
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteString("\n")
		}
		writeProblem(&b, s, s.Paint(plain.Red, "error"), p)
	}
	return plain.Tidy(b.String())
}

// Error renders an error as its problems.
func Error(s Style, err error) string {
	if err == nil {
		return ""
	}
	return Problems(s, release.ErrorReport("", err).Problems)
}

func writeProblem(b *strings.Builder, s Style, label string, p release.ReportProblem) {
	writeWrapped(b, label+": ", "  ", plain.Clean(p.Summary), s.Columns())
	if at := place(plain.Clean(p.File), p.Line); at != "" {
		fmt.Fprintf(b, "  at %s\n", at)
	}
	if step := plain.Clean(p.Step); step != "" {
		fmt.Fprintf(b, "  in %s\n", step)
	}
	if detail := plain.Block(p.Detail); detail != "" {
		for line := range strings.SplitSeq(detail, "\n") {
			writeLine(b, s, "    ", line)
		}
	}
	if hint := plain.Clean(p.Hint); hint != "" {
		writeWrapped(b, "  "+s.Paint(plain.Cyan, "hint")+": ", "  ", hint, s.Columns())
	}
}

// writeLine writes a clean line after an indent. A log, and a terminal of usual width, get it whole, to be searched and
// copied; a narrow one would break it within words, and without the indent.
func writeLine(b *strings.Builder, s Style, indent, line string) {
	if width := s.Columns(); width < 80 && plain.Columns(stripColor(indent+line)) > width {
		indent += line[:len(line)-len(strings.TrimLeft(line, " "))]
		writeWrapped(b, indent, indent, line, width)
		return
	}
	b.WriteString(indent + line + "\n")
}

// writeWrapped writes clean text after a first prefix, broken at spaces before width columns; further lines begin with
// the next prefix. A word that is wider than the line stays whole, so that it can be copied.
func writeWrapped(b *strings.Builder, first, next, text string, width int) {
	line, used := first, plain.Columns(stripColor(first))
	empty := true
	for word := range strings.FieldsSeq(text) {
		wide := plain.Columns(stripColor(word))
		if !empty && used+1+wide > width {
			b.WriteString(line + "\n")
			line, used, empty = next, plain.Columns(next), true
		}
		if !empty {
			line += " "
			used++
		}
		line += word
		used += wide
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
			size = plain.Size(c.size)
		}
		if c.confirmed != nil {
			confirmed = moment(*c.confirmed)
		}
		cells = append(cells, []string{plain.Clean(c.name), plain.Clean(c.version), plain.Clean(c.registry), plain.Clean(short(c.sha256, 12)), size, c.state, confirmed})
	}
	return plain.Tidy(heading(s, plain.Table(cells, 4)))
}

// Packages renders crates that were packaged, below a title.
func Packages(s Style, title string, crates []release.BillCrate) string {
	cells := [][]string{{"CRATE", "VERSION", "REGISTRIES", "SHA-256", "SIZE", "FILE"}}
	for _, c := range crates {
		var homes []string
		for _, r := range c.Registries {
			homes = append(homes, plain.Clean(r.Name))
		}
		cells = append(cells, []string{plain.Clean(c.Name), plain.Clean(c.Version), strings.Join(homes, " "), plain.Clean(short(c.SHA256, 12)), plain.Size(c.Size), plain.Clean(c.Asset)})
	}
	return s.Paint(plain.Bold, plain.Clean(title)) + "\n\n" + plain.Tidy(heading(s, plain.Table(cells, 4)))
}

// heading joins a table's lines; the first is its heading.
func heading(s Style, lines []string) string {
	lines[0] = s.Paint(plain.Dim, lines[0])
	return strings.Join(lines, "\n") + "\n"
}

// Plan renders a report before the run: what goes where in which order, every step with its reason, and what was found.
func Plan(s Style, r release.Report) string {
	var b strings.Builder
	writeTitle(&b, s, r)
	if text := Graph(r.Crates); text != "" {
		b.WriteString("\n" + s.Paint(plain.Bold, "Order of publishing") + "\n" + text)
	}
	b.WriteString("\n" + s.Paint(plain.Bold, "Steps") + "\n" + Steps(s, r.Steps))
	if lines := logins(r); lines != nil {
		b.WriteString("\n" + s.Paint(plain.Bold, "Logins") + "\n")
		for _, line := range lines {
			writeWrapped(&b, "  ", "    ", plain.Clean(line), s.Columns())
		}
	}
	writeAccess(&b, s, r)
	writeForecast(&b, s, r)
	writeFindings(&b, s, r)
	return plain.Tidy(b.String())
}

// writeAccess says where the token of each registry comes from and what could be found out about it.
func writeAccess(b *strings.Builder, s Style, r release.Report) {
	var rows [][]string
	for _, reg := range r.Registries {
		a := reg.Access
		if a.Variable == "" || a.NoToken {
			continue
		}
		says := strings.Join(a.Notes, "; ")
		if !a.Expires.IsZero() {
			says += "; good until " + moment(a.Expires)
		}
		rows = append(rows, []string{"  " + plain.Clean(reg.Name), "token from " + plain.Clean(a.Variable), plain.Clean(says)})
	}
	if len(rows) > 0 {
		b.WriteString("\n" + s.Paint(plain.Bold, "Registries") + "\n" + strings.Join(plain.Table(rows), "\n") + "\n")
	}
}

func writeTitle(b *strings.Builder, s Style, r release.Report) {
	color := map[string]string{release.Released: plain.Green, release.Started: plain.Green, release.Planned: plain.Cyan, release.Verified: plain.Green, release.Changed: plain.Green, release.Waiting: plain.Yellow}[r.Outcome]
	if color == "" {
		color = plain.Red
	}
	writeLine(b, s, "", s.Paint(color, plain.Clean(headline(r))))
	var facts []string
	if commit := plain.Clean(r.Commit); commit != "" {
		facts = append(facts, "commit "+commit)
	}
	if branch := plain.Clean(r.Branch); branch != "" {
		facts = append(facts, "branch "+branch)
	}
	if len(facts) > 0 {
		writeLine(b, s, "", strings.Join(facts, ", "))
	}
}

// Graph renders the crates in levels: a crate needs only crates of the levels before.
func Graph(crates []release.Crate) string {
	var rows [][]string
	for n, level := range levels(crates) {
		for _, c := range level {
			needs := ""
			if len(c.Needs) > 0 {
				needs = "needs " + plain.Clean(strings.Join(c.Needs, ", "))
			}
			rows = append(rows, []string{fmt.Sprintf("  %d", n+1), plain.Clean(c.Name + " " + c.Version), plain.Clean(strings.Join(c.Registries, ", ")), needs})
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return plain.Tidy(strings.Join(plain.Table(rows), "\n") + "\n")
}

// stateColors are the colours of the outcomes of steps.
var stateColors = map[string]string{"done": plain.Green, "failed": plain.Red, "waiting": plain.Yellow, "skipped": plain.Dim, "pending": plain.Dim}

// Steps renders steps, one per line: outcome, key, time, reason.
func Steps(s Style, steps []release.ReportStep) string {
	var b strings.Builder
	widest := 0
	for _, step := range steps {
		widest = max(widest, plain.Columns(plain.Clean(step.Key)))
	}
	widest = min(widest, s.Columns()/2)
	for _, step := range steps {
		outcome := step.Outcome
		if !isState(outcome) {
			outcome = "pending"
		}
		line := plain.Pad(plain.Clean(step.Key), widest)
		if t := elapsed(step.ElapsedMS); t != "" {
			line += "  " + t
		}
		if step.Attempts > 1 {
			line += "  " + plain.Count(step.Attempts, "attempt")
		}
		if reason := plain.Clean(step.Reason); reason != "" {
			line += "  " + reason
		}
		b.WriteString("  " + s.Paint(stateColors[outcome], plain.Pad(outcome, 7)) + "  " + line + "\n")
	}
	return plain.Tidy(b.String())
}

func isState(outcome string) bool {
	_, ok := stateColors[outcome]
	return ok
}

func writeForecast(b *strings.Builder, s Style, r release.Report) {
	var lines []string
	for _, reg := range r.Registries {
		if reg.Forecast.Wait > 0 {
			lines = append(lines, fmt.Sprintf("  %s: about %s of waiting for its rate limits%s", plain.Clean(reg.Name), plain.Span(reg.Forecast.Wait), plain.Because(reg.Forecast.Text)))
		}
	}
	if len(lines) > 0 {
		b.WriteString("\n" + s.Paint(plain.Bold, "Forecast") + "\n" + strings.Join(lines, "\n") + "\n")
	}
}

func writeFindings(b *strings.Builder, s Style, r release.Report) {
	for _, p := range warnings(r) {
		b.WriteString("\n")
		writeProblem(b, s, s.Paint(plain.Yellow, "warning"), p)
	}
	for _, p := range r.Problems {
		b.WriteString("\n")
		writeProblem(b, s, s.Paint(plain.Red, "error"), p)
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
	if text := Tokens(s, r); text != "" {
		b.WriteString("\n" + text)
	}
	if open := unfinished(r.Steps); len(open) > 0 && began(r.Steps) {
		b.WriteString("\n" + s.Paint(plain.Bold, "Not reached") + "\n" + Steps(s, open))
	}
	writeFindings(&b, s, r)
	writeLinks(&b, s, r)
	for _, sub := range r.Releases {
		b.WriteString("\n" + Report(s, sub))
	}
	return plain.Tidy(b.String())
}

// began reports whether a run got as far as its first step; one that a rule stopped has nothing to go on with.
func began(steps []release.ReportStep) bool {
	return slices.ContainsFunc(steps, func(s release.ReportStep) bool { return s.Attempts > 0 })
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
	bar := s.Paint(plain.Dim, "│") + " "
	b.WriteString("\n" + s.Paint(plain.Dim, "┌ ") + s.Paint(plain.Bold, plain.Clean(r.Title)) + "\n")
	if notes := plain.Block(r.Notes); notes != "" {
		for line := range strings.SplitSeq(notes, "\n") {
			b.WriteString(bar + line + "\n")
		}
	}
	if len(r.Assets) > 0 {
		b.WriteString(bar + "\n" + bar + plain.Count(len(r.Assets), "asset") + "\n")
		var rows [][]string
		for _, a := range r.Assets {
			rows = append(rows, []string{plain.Clean(a.Name), plain.Size(a.Size), assetSum(a)})
		}
		for _, line := range plain.Table(rows, 1) {
			b.WriteString(bar + "  " + line + "\n")
		}
	}
	b.WriteString(s.Paint(plain.Dim, "└") + "\n")
}

func assetSum(a release.Asset) string {
	switch {
	case !a.Whole:
		return "upload not finished"
	case a.SHA256 == "":
		return ""
	}
	return "sha256 " + plain.Clean(short(a.SHA256, 12))
}

func writeLinks(b *strings.Builder, s Style, r release.Report) {
	var rows [][]string
	for _, link := range [][2]string{{page(r), r.URL}, {"workflow", r.RunURL}, {"issue", noticed(r.Notice)}} {
		if url := plain.Clean(link[1]); url != "" {
			rows = append(rows, []string{"  " + link[0], url})
		}
	}
	if len(rows) > 0 {
		b.WriteString("\n" + s.Paint(plain.Bold, "Look here") + "\n" + strings.Join(plain.Table(rows), "\n") + "\n")
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
	b.WriteString(s.Paint(plain.Bold, plain.Clean(title)) + "\n")
	widest := 0
	for _, c := range checks {
		widest = max(widest, plain.Columns(plain.Clean(c.State)))
	}
	for _, c := range append(same, other...) {
		color := map[string]string{"same": plain.Green, "unknown": plain.Yellow}[c.State]
		if color == "" {
			color = plain.Red
		}
		b.WriteString("  " + s.Paint(color, plain.Pad(plain.Clean(c.State), widest)) + "  " + plain.Clean(c.Name) + "\n")
		if detail := plain.Block(c.Detail); detail != "" {
			for line := range strings.SplitSeq(detail, "\n") {
				writeLine(&b, s, "      ", line)
			}
		}
	}
	if len(other) == 0 {
		fmt.Fprintf(&b, "%s, all as recorded\n", plain.Count(len(checks), "check"))
	} else {
		fmt.Fprintf(&b, "%d of %s not as recorded\n", len(other), plain.Count(len(checks), "check"))
	}
	return plain.Tidy(b.String())
}

// Settings renders every configuration key with its value and where the value comes from.
func Settings(s Style, settings []config.Setting) string {
	rows := [][]string{{"KEY", "VALUE", "FROM"}}
	for _, x := range settings {
		rows = append(rows, []string{plain.Clean(x.Key), plain.Fit(plain.Clean(settingText(x.Value)), 60), plain.Clean(x.Origin.String())})
	}
	return plain.Tidy(heading(s, plain.Table(rows)))
}

// TokenSource is where a registry's token comes from; never the token.
type TokenSource struct {
	Registry string `json:"registry"`
	Kind     string `json:"kind"`
	Variable string `json:"variable"`          // the environment variable that it is read from
	Set      bool   `json:"set"`               // it has a value
	SentAs   string `json:"sent_as,omitempty"` // Basic, Bearer, or bare where it has no scheme
	Problem  string `json:"problem,omitempty"` // why the value cannot be used
}

// TokenSources renders where the registries' tokens come from.
func TokenSources(s Style, sources []TokenSource) string {
	rows := [][]string{{"REGISTRY", "KIND", "TOKEN FROM", "STATE"}}
	for _, x := range sources {
		state := "not set"
		switch {
		case x.Problem != "":
			state = "cannot be used: " + x.Problem
		case x.Set:
			state = "set, sent " + x.SentAs
			if x.SentAs != "bare" {
				state = "set, sent as " + x.SentAs
			}
		}
		rows = append(rows, []string{plain.Clean(x.Registry), plain.Clean(x.Kind), plain.Clean(x.Variable), plain.Clean(state)})
	}
	return plain.Tidy(heading(s, plain.Table(rows)))
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

package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// tokenHeadline says what became of a command about tokens.
func tokenHeadline(r release.Report) string {
	names := make([]string, len(r.Tokens))
	for i, t := range r.Tokens {
		names[i] = t.Name
	}
	if r.Command == "token rotate" {
		switch r.Outcome {
		case release.Verified:
			return "Renewed the token " + strings.Join(names, ", ")
		case release.Planned:
			return "The new value of the token " + strings.Join(names, ", ") + " is good; nothing was written"
		}
		return "The token was not renewed"
	}
	switch care := caredFor(r); {
	case r.Outcome == release.Failed:
		return "Not every token could be checked"
	case len(care) > 0, r.Outcome == release.Stopped:
		return tokenTitle(r)
	case len(r.Tokens) == 0:
		return "There are no tokens to check; tagboat config says which variables are read"
	}
	return plain.Count(len(r.Tokens), "token") + ": all well"
}

// caredFor are the names of the tokens that need a person.
func caredFor(r release.Report) []string {
	var out []string
	for _, t := range r.Tokens {
		if slices.Contains([]string{release.TokenExpiring, release.TokenExpired, release.TokenRefused}, t.State) {
			out = append(out, t.Name)
		}
	}
	return out
}

func tokenTitle(r release.Report) string {
	care := caredFor(r)
	if len(care) == 1 {
		return "The token " + care[0] + " needs a person"
	}
	if len(care) == 0 {
		return "Tokens need a person"
	}
	last := len(care) - 1
	return "The tokens " + strings.Join(care[:last], ", ") + " and " + care[last] + " need a person"
}

// TokenIssue returns the title and the text of the issue about tokens. They tell no time at which they were made, so that
// the same state gives the same text.
func TokenIssue(r release.Report) (title, body string) {
	var b strings.Builder
	b.WriteString("What needs one of these tokens fails, now or from the day below on, until somebody has seen to it.\n\n")
	var problems []release.ReportProblem
	for _, f := range r.Findings {
		problems = append(problems, release.ReportProblem{Summary: f.Summary, Detail: f.Detail, Hint: f.Hint})
	}
	brief := brevity{rows: 200, detail: 2 << 10, problems: 40}
	writeProblems(&b, "", problems, brief)
	writeTokens(&b, r)
	b.WriteString("`tagboat token check` keeps this issue current and closes it when all is well.\n")
	return plain.Clean(tokenTitle(r)), plain.Tidy(b.String())
}

// TokenFarewell is the comment with which the issue about tokens is closed.
func TokenFarewell(r release.Report) string {
	return fmt.Sprintf("All is well again: %s checked.\n", plain.Count(len(r.Tokens), "token"))
}

var tokenHeads = []string{"Token", "State", "Read", "Publish", "Stops working", "Secret", "Scope"}

func tokenCells(t release.ReportToken) []string {
	until := "nobody tells"
	if t.Expires != nil {
		until = t.Expires.UTC().Format(time.DateOnly)
		if t.ExpiresFrom != "" {
			until += " (" + t.ExpiresFrom + ")"
		}
	}
	return []string{t.Name, t.State, t.Read, t.Publish, until, t.Secret, t.Scope}
}

func writeTokens(b *strings.Builder, r release.Report) {
	if len(r.Tokens) == 0 {
		return
	}
	b.WriteString("| " + strings.Join(tokenHeads, " | ") + " |\n" + strings.Repeat("|---", len(tokenHeads)) + "|\n")
	for _, t := range r.Tokens {
		var cells []string
		for i, c := range tokenCells(t) {
			if i == 0 || i == 5 || i == 6 {
				cells = append(cells, code(c))
			} else {
				cells = append(cells, escape(c))
			}
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	b.WriteString("\n")
}

// Tokens renders a report about tokens: what was found out of each, and below it what to mind.
func Tokens(s Style, r release.Report) string {
	if len(r.Tokens) == 0 {
		return ""
	}
	var head []string
	for _, h := range tokenHeads {
		head = append(head, strings.ToUpper(h))
	}
	rows := [][]string{head}
	for _, t := range r.Tokens {
		cells := tokenCells(t)
		for i := range cells {
			cells[i] = plain.Clean(cells[i])
		}
		rows = append(rows, cells)
	}
	var b strings.Builder
	b.WriteString(heading(s, plain.Table(rows)))
	for _, t := range r.Tokens {
		for _, note := range t.Notes {
			writeWrapped(&b, "  "+plain.Clean(t.Name)+": ", "    ", plain.Clean(note), s.Columns())
		}
	}
	return plain.Tidy(b.String())
}

// noticed says what was done with the issue about tokens, and where it is.
func noticed(n *release.ReportNotice) string {
	if n == nil {
		return ""
	}
	text := map[string]string{"made": "opened", "updated": "brought up to date", "closed": "closed"}[n.Did]
	switch {
	case n.Did == "current":
		text = "says so already"
	case text == "":
		return ""
	case n.DryRun:
		text = "would be " + text
	}
	return strings.TrimSpace(text + " " + n.URL)
}

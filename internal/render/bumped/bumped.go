// Package bumped renders what bump and patch change: for the terminal, and as the text of a pull request.
package bumped

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// Terminal renders what a bump changes: the versions, the difference as git shows it, what to know, what to do next.
func Terminal(s render.Style, r release.Report, diff, next string) string {
	var b strings.Builder
	b.WriteString(render.Title(s, r))
	if len(r.Bumps) > 0 {
		cells := [][]string{{"CRATE", "FROM", "TO"}}
		for _, m := range r.Bumps {
			cells = append(cells, []string{plain.Clean(m.Name), plain.Clean(m.From), plain.Clean(m.To)})
		}
		rows := plain.Table(cells)
		rows[0] = s.Paint(plain.Dim, rows[0])
		b.WriteString("\n" + strings.Join(rows, "\n") + "\n")
	}
	if len(r.Picks) > 0 {
		b.WriteString("\n")
	}
	for _, p := range r.Picks {
		line := "picked  " + release.Short(plain.Clean(p.Commit)) + " " + plain.Clean(p.Title)
		if p.Skipped != "" {
			line = s.Paint(plain.Dim, "skipped "+release.Short(plain.Clean(p.Commit))+" "+plain.Clean(p.Title)+": "+plain.Clean(p.Skipped))
		}
		b.WriteString(line + "\n")
	}
	if diff != "" {
		b.WriteString("\n" + Diff(s, diff))
	}
	b.WriteString(render.Findings(s, r))
	if r.URL != "" {
		b.WriteString("\n" + plain.Clean(r.URL) + "\n")
	}
	if next != "" {
		b.WriteString("\n" + plain.Block(next) + "\n")
	}
	return plain.Tidy(b.String())
}

// Diff renders a patch, with git's colours where there are any.
func Diff(s render.Style, patch string) string {
	var b strings.Builder
	for line := range strings.Lines(patch) {
		line = plain.Block(line)
		color := ""
		switch {
		case strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "index "), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			color = plain.Bold
		case strings.HasPrefix(line, "@@"):
			color = plain.Cyan
		case strings.HasPrefix(line, "+"):
			color = plain.Green
		case strings.HasPrefix(line, "-"):
			color = plain.Red
		}
		b.WriteString(s.Paint(color, line) + "\n")
	}
	return b.String()
}

// bumpRows bounds the tables of a pull request: GitHub takes 65,536 characters.
const bumpRows = 200

// PullRequest is the text of a pull request with a bump: what changes, the order of publishing, what to do next.
func PullRequest(r release.Report, next string) string {
	var b strings.Builder
	b.WriteString("| Crate | From | To |\n|---|---|---|\n")
	for _, m := range r.Bumps {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", render.Code(m.Name), render.Code(m.From), render.Code(m.To))
	}
	b.WriteString("\n")
	if len(r.Picks) > 0 {
		b.WriteString("| Picked | Commit | Skipped |\n|---|---|---|\n")
		for _, p := range r.Picks {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", render.Code(p.Title), plain.Clean(p.Commit), render.Words(p.Skipped))
		}
		b.WriteString("\n")
	}
	if len(r.Edits) > 0 {
		b.WriteString("<details><summary>Values that change</summary>\n\n| Place | Key | From | To |\n|---|---|---|---|\n")
		for i, e := range r.Edits {
			if i == bumpRows {
				fmt.Fprintf(&b, "\nAnd %d more.\n", len(r.Edits)-i)
				break
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", render.Code(fmt.Sprintf("%s:%d", e.File, e.Line)), render.Code(e.Key), render.Code(e.Old), render.Code(e.New))
		}
		b.WriteString("\n</details>\n\n")
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "> [!WARNING]\n> %s\n\n", render.Words(w))
	}
	b.WriteString(render.Mermaid(r))
	b.WriteString("### Next\n\n" + next + "\n")
	return plain.Tidy(b.String())
}

// Lines renders the patches of several version lines, each as Terminal does one.
func Lines(s render.Style, r release.Report, diffs []string) string {
	var b strings.Builder
	b.WriteString(render.Title(s, r))
	b.WriteString(render.Findings(s, r))
	for i, line := range r.Releases {
		b.WriteString("\n" + Terminal(s, line, diffs[i], ""))
		for _, p := range line.Picks {
			if p.Comment != nil {
				did := map[string]string{"made": "made", "updated": "brought up to date", "current": "says so already"}[p.Comment.Did]
				if p.Comment.DryRun {
					did = "would be " + map[string]string{"made": "made", "updated": "brought up to date", "current": "left as it is"}[p.Comment.Did]
				}
				fmt.Fprintf(&b, "\ncomment under #%d: %s %s\n", p.Pull, did, plain.Clean(p.Comment.URL))
			}
		}
	}
	return plain.Tidy(b.String())
}

// Conflict is the comment under a pull request that is wanted on a release branch and does not go there as it is.
func Conflict(line, branch string, p release.ReportPick, commands string) string {
	var paths []string
	for i, path := range p.Conflicts {
		if i == 20 {
			paths = append(paths, fmt.Sprintf("and %d more", len(p.Conflicts)-i))
			break
		}
		paths = append(paths, render.Code(path))
	}
	return fmt.Sprintf("This is labelled for %s, and conflicts with %s in %s. Others that are labelled for it go on without it. To bring it there by hand:\n\n%s\n"+
		"Keep the line `(cherry picked from commit ...)` of its message: by that it is known as done when it is merged. Or take the label away.\n",
		render.Code(line), render.Code(branch), strings.Join(paths, ", "), render.Fence(commands))
}

// NoConflict is what such a comment says when that is over.
func NoConflict(line, branch string, p release.ReportPick, url string) string {
	if p.Skipped != "" {
		return fmt.Sprintf("This conflicts with the patches of %s no more: %s has it (%s).\n", render.Code(line), render.Code(branch), render.Words(p.Skipped))
	}
	return fmt.Sprintf("This conflicts with the patches of %s no more: it was picked for %s. %s\n", render.Code(line), render.Code(branch), render.Words(url))
}

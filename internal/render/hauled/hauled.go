// Package hauled renders what redist moves: for the terminal, and as a job summary.
package hauled

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// headline says in one sentence what became of a redistribution.
func headline(r redist.Report) string {
	total, there, moved := 0, 0, 0
	var to []string
	for _, p := range r.Redist {
		to = append(to, p.To)
		for _, c := range p.Crates {
			total++
			switch c.State {
			case redist.There:
				there++
			case redist.Moved:
				moved++
			}
		}
	}
	where := strings.Join(to, ", ")
	switch {
	case r.Outcome == release.Redistributed && moved == 0:
		return fmt.Sprintf("Nothing to move: %s has all %s", where, plain.Count(total, "crate"))
	case r.Outcome == release.Redistributed:
		return fmt.Sprintf("Moved %s to %s; %d were there", plain.Count(moved, "crate"), where, there)
	case r.Outcome == release.Planned:
		return fmt.Sprintf("Would move %s to %s; %d are there. Nothing was written", plain.Count(total-there, "crate"), where, there)
	case len(r.Redist) == 0:
		return "Could not redistribute"
	}
	so := fmt.Sprintf("%d of %s are in %s", there+moved, plain.Count(total, "crate"), where)
	switch r.Outcome {
	case release.Waiting:
		if r.Until != nil {
			return "Waiting: " + so + "; run it again at or after " + r.Until.UTC().Format("2006-01-02 15:04 UTC")
		}
		return "Waiting: " + so + "; run it again later"
	case release.Stopped:
		return "Stopped: " + so + "; a person must decide"
	}
	return "Failed to finish: " + so + "; run it again to go on"
}

// Terminal renders the end of a redistribution: what became of it, what did not move, what was found, and the lines for
// consumers where everything is there.
func Terminal(s render.Style, r redist.Report) string {
	var b strings.Builder
	color := map[string]string{release.Redistributed: plain.Green, release.Planned: plain.Cyan, release.Waiting: plain.Yellow}[r.Outcome]
	if color == "" {
		color = plain.Red
	}
	b.WriteString(s.Paint(color, plain.Clean(headline(r))) + "\n")
	if cells := openMoves(r, 40); len(cells) > 1 {
		rows := plain.Table(cells)
		rows[0] = s.Paint(plain.Dim, rows[0])
		b.WriteString("\n" + strings.Join(rows, "\n") + "\n")
	}
	b.WriteString(render.Findings(s, r.Report))
	if r.ExitCode() == 0 {
		for _, p := range r.Redist {
			writeLines(&b, s, "Consumers put this into .cargo/config.toml", p.Config)
			writeLines(&b, s, "and this into Cargo.toml", p.Manifest)
		}
	}
	return plain.Tidy(b.String())
}

func writeLines(b *strings.Builder, s render.Style, title, lines string) {
	if text := plain.Block(lines); text != "" {
		b.WriteString("\n" + s.Paint(plain.Bold, title) + "\n")
		for line := range strings.Lines(text) {
			b.WriteString("  " + line)
		}
		b.WriteString("\n")
	}
}

// openMoves are the crates that are not in the target, as rows below a heading.
func openMoves(r redist.Report, most int) [][]string {
	rows := [][]string{{"CRATE", "VERSION", "TO", "SHA-256", "STATE"}}
	more := 0
	for _, p := range r.Redist {
		for _, c := range p.Crates {
			switch {
			case c.State == redist.There || c.State == redist.Moved:
			case len(rows) > most:
				more++
			default:
				rows = append(rows, []string{plain.Clean(c.Name), plain.Clean(c.Version), plain.Clean(p.To), plain.Clean(c.SHA256[:min(12, len(c.SHA256))]), c.State})
			}
		}
	}
	if more > 0 {
		rows = append(rows, []string{fmt.Sprintf("and %d more", more), "", "", "", ""})
	}
	return rows
}

// most is how many crates a job summary lists.
const most = 2000

// Markdown renders a redistribution for a job summary.
func Markdown(r redist.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s", render.Words(headline(r)), render.MarkdownFindings(r.Report))
	b.WriteString("| Crate | Version | From | To | SHA-256 | State |\n|---|---|---|---|---|---|\n")
	n := 0
	for _, p := range r.Redist {
		for _, c := range p.Crates {
			if n++; n <= most {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", render.Words(c.Name), render.Words(c.Version), render.Words(p.From), render.Words(p.To), render.Code(c.SHA256[:min(12, len(c.SHA256))]), c.State)
			}
		}
	}
	b.WriteString("\n")
	if n > most {
		fmt.Fprintf(&b, "And %d more.\n\n", n-most)
	}
	for _, p := range r.Redist {
		for _, lines := range []string{p.Config, p.Manifest} {
			if lines != "" {
				b.WriteString(render.Fence(lines) + "\n")
			}
		}
	}
	return plain.Tidy(b.String())
}

package deny

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
)

// line is one line of what cargo-deny says. https://embarkstudios.github.io/cargo-deny/cli/common.html
type line struct {
	Type   string `json:"type"` // "diagnostic", "log", "summary"
	Fields struct {
		// of a diagnostic and of a log
		Severity string   `json:"severity"`
		Message  string   `json:"message"`
		Code     string   `json:"code"`
		Notes    []string `json:"notes"`
		Graphs   []struct {
			Krate struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			}
		} `json:"graphs"`
		Advisory *struct {
			ID            string `json:"id"`
			Title         string `json:"title"`
			Informational string `json:"informational"` // null is a vulnerability
		} `json:"advisory"`
		// of the summary
		Advisories *struct {
			Errors int `json:"errors"`
		} `json:"advisories"`
	} `json:"fields"`
}

// read turns what cargo-deny said into advisories. A verdict is one only where it is complete: the summary is there, it
// counts what was said, and the exit code agrees.
func read(out []byte, exit int, crates []redist.Crate) ([]redist.Advisory, error) {
	var found []redist.Advisory
	var faults []string
	counted := -1
	for text := range strings.Lines(string(out)) {
		text = strings.TrimSpace(text)
		var l line
		switch err := json.Unmarshal([]byte(text), &l); {
		case text == "":
		case err != nil:
			faults = append(faults, text)
		case l.Type == "log":
			faults = append(faults, l.Fields.Message)
		case l.Type == "summary" && l.Fields.Advisories != nil && counted < 0:
			counted = l.Fields.Advisories.Errors
		case l.Type == "diagnostic" && l.Fields.Severity == "error":
			a, ok := l.advisory(crates)
			if !ok {
				return nil, noVerdict(exit, []string{strings.TrimSpace(l.Fields.Code + " " + l.Fields.Message + "\n" + strings.Join(l.Fields.Notes, "\n"))})
			}
			found = append(found, a)
		}
	}
	switch {
	case counted < 0:
		return nil, noVerdict(exit, append(faults, "it ended without a summary"))
	case counted != len(found) || exit != min(counted, 1):
		return nil, noVerdict(exit, append(faults, fmt.Sprintf("it told %d advisories and counts %d", len(found), counted)))
	}
	return found, nil
}

// advisory is what a diagnostic denies, of one of the crates.
func (l line) advisory(crates []redist.Crate) (redist.Advisory, bool) {
	f := l.Fields
	if f.Advisory == nil || f.Advisory.ID == "" || len(f.Graphs) == 0 {
		return redist.Advisory{}, false
	}
	of := f.Graphs[0].Krate
	a := redist.Advisory{ID: f.Advisory.ID, Package: of.Name, Denied: of.Version, Title: f.Advisory.Title, Informational: f.Advisory.Informational}
	for _, note := range f.Notes {
		if cure, ok := strings.CutPrefix(note, "Solution: "); ok {
			a.Cure = cure
		}
	}
	return a, slices.ContainsFunc(crates, func(c redist.Crate) bool { return c.Name == of.Name && c.Version == of.Version })
}

// noVerdict ends a run, with the last of what was said.
func noVerdict(exit int, said []string) error {
	return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("cargo-deny gave no verdict: exit code %d", exit), Detail: strings.Join(said[max(0, len(said)-20):], "\n"),
		Hint: "it must be " + needed + ", its deny.toml right and its database of advisories reachable; nothing was moved"}
}

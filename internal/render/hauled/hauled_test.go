package hauled

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

func redistReport(outcome string, crates ...redist.Move) redist.Report {
	return redist.Report{Report: release.Report{Outcome: outcome}, Redist: []redist.Part{{From: "crates-io", To: "feed", Crates: crates, Config: "[registries.feed]\n", Manifest: "[dependencies]\n"}}}
}

func TestHeadline(t *testing.T) {
	until := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	waiting := redistReport(release.Waiting, redist.Move{State: redist.Moved}, redist.Move{State: redist.Missing})
	later := waiting
	later.Until = &until
	for want, r := range map[string]redist.Report{
		"Nothing to move: feed has all 2 crates":                                            redistReport(release.Redistributed, redist.Move{State: redist.There}, redist.Move{State: redist.There}),
		"Moved 1 crate to feed; 1 were there":                                               redistReport(release.Redistributed, redist.Move{State: redist.There}, redist.Move{State: redist.Moved}),
		"Would move 1 crate to feed; 0 are there. Nothing was written":                      redistReport(release.Planned, redist.Move{State: redist.Missing}),
		"Stopped: 1 of 2 crates are in feed; a person must decide":                          redistReport(release.Stopped, redist.Move{State: redist.There}, redist.Move{State: redist.Fetched}),
		"Failed to finish: 0 of 1 crate are in feed; run it again to go on":                 redistReport(release.Failed, redist.Move{State: redist.Uploaded}),
		"Waiting: 1 of 2 crates are in feed; run it again later":                            waiting,
		"Waiting: 1 of 2 crates are in feed; run it again at or after 2026-05-04 12:00 UTC": later,
		"Could not redistribute":                                                            {Report: release.Report{Outcome: release.Failed}},
	} {
		if got, _, _ := strings.Cut(Terminal(render.Style{}, r), "\n"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := Markdown(r); !strings.HasPrefix(got, "## "+render.Words(want)+"\n") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// The lines for consumers are given where all is there, and only there.
func TestLines(t *testing.T) {
	for outcome, want := range map[string]bool{release.Redistributed: true, release.Stopped: false} {
		if got := strings.Contains(Terminal(render.Style{}, redistReport(outcome, redist.Move{State: redist.There})), "[registries.feed]"); got != want {
			t.Errorf("%s: lines for consumers: %v, want %v", outcome, got, want)
		}
	}
}

// What came from outside neither steers a terminal nor breaks a table, and a report of thousands has its limits.
func TestHauledIsSafe(t *testing.T) {
	evil := redist.Move{Name: "a\x1b[31m|\n| b", Version: "1\u202e0", SHA256: strings.Repeat("`", 64), State: redist.Missing}
	r := redistReport(release.Stopped, evil)
	r.Problems = []release.ReportProblem{{Summary: "bad\x1b]0;x\a", Detail: "\x1b[2J"}}
	r.Warnings = []string{"<img src=x>"}
	text, markdown := Terminal(render.Style{}, r), Markdown(r)
	for _, got := range []string{text, markdown} {
		if strings.ContainsAny(got, "\x1b\a\u202e") {
			t.Errorf("control characters in %q", got)
		}
	}
	if strings.Contains(markdown, "<img") || strings.Contains(markdown, "\n| b") {
		t.Errorf("markup of others in %s", markdown)
	}
	var many []redist.Move
	for i := range 30_000 {
		many = append(many, redist.Move{Name: fmt.Sprintf("crate-%d", i), Version: "1.0.0", SHA256: strings.Repeat("a", 64), State: redist.Missing})
	}
	r = redistReport(release.Stopped, many...)
	if got := Terminal(render.Style{}, r); strings.Count(got, "\n") > 60 || !strings.Contains(got, "and 29960 more") {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := Markdown(r); len(got) > 1<<20 || !strings.Contains(got, "more.") {
		t.Errorf("%d bytes", len(got))
	}
}

package storm

import (
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
	"github.com/tagboat/tagboat/internal/release"
)

// Each case is what a storm found once, cut down to what it takes. They stay when the seeds mean something else.
func TestCases(t *testing.T) {
	cases := map[string]struct {
		scene  scene.Scene
		faults []string
		runs   int    // how many it takes
		says   string // what one of them says before the last
	}{
		"nothing happens": {runs: 1},
		"the question about blockers is not answered for a while": {
			faults: []string{"github issues #1: refuse 500", "github issues #2: refuse 500", "github issues #3: drop", "github issues #4: refuse 503", "github issues #5: refuse 503"}, runs: 2, says: "ends: failed; list open issues",
		},
		"a run dies between the new bill and the old one": {
			faults: []string{"github delete-asset bill.json: die"}, runs: 2,
		},
		"a person deletes the draft while it is filled": {
			scene: scene.Scene{Meddling: []scene.Meddling{{Act: scene.DropDraft, Process: 1, Step: release.KindLedger, After: true}}}, runs: 2, says: "ends: failed; the draft release of v0.4.0 is gone",
		},
		"a person deletes the bill before the release is public": {
			scene: scene.Scene{Pardon: true, Meddling: []scene.Meddling{{Act: scene.DropBill, Process: 1, Step: release.KindSeal, After: true}}}, runs: 2, says: "ends: stopped; the draft is no longer what the bill says",
		},
		"a draft with other bytes is listed late": {
			scene: scene.Scene{DraftLag: 10 * time.Second, Drift: 2}, faults: []string{"die after ledger"}, runs: 3, says: "ends: failed; a release of v0.4.0 with other bytes has appeared",
		},
		"an empty draft names the checksums of another toolchain": {
			scene: scene.Scene{Drift: 2}, faults: []string{"die after draft"}, runs: 2, says: "its notes named other checksums",
		},
		"a run that need not replace the bill dies while it does": {
			// It packages again since the draft is listed late; the bill that it wants to replace is sealed.
			scene: scene.Scene{DraftLag: 30 * time.Second}, faults: []string{"die before release", "github delete-asset bill.json #2: die"}, runs: 3,
		},
		"a full draft is listed too late to be found": {
			scene: scene.Scene{DraftLag: time.Minute, Lag: time.Minute}, faults: []string{"die after ledger"}, runs: 2, says: "github delete-release v0.4.0 -> 204",
		},
		"the draft of a run is listed after it has published": {
			scene: scene.Scene{DraftLag: time.Hour}, runs: 1,
		},
		"a run dies after each step of the bill": {
			faults: []string{"github upload-asset bill.next.json: die-after", "github delete-asset bill.json: die-after", "github rename-asset bill.next.json: die-after"}, runs: 4,
		},
	}
	stock, err := world.NewStock("")
	if err != nil {
		t.Fatal(err)
	}
	defer stock.Close()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := storm{stock: stock, testing: t}
			c.scene.Stormy = 10
			for _, line := range c.faults {
				f, err := fault.Parse(line)
				if err != nil {
					t.Fatal(err)
				}
				c.scene.Faults = append(c.scene.Faults, f)
			}
			out, err := s.release(t.Context(), &c.scene, true)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case out.Violation != nil:
				t.Errorf("violates %q: %s\n%s", out.Violation.Invariant, out.Violation.Detail, out.Trace)
			case out.End != "released" || out.Runs != c.runs || !strings.Contains(out.Trace, c.says):
				t.Errorf("got %q after %d runs, want released after %d, and one that says %q\n%s", out.End, out.Runs, c.runs, c.says, out.Trace)
			}
		})
	}
}

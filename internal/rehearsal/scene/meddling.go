package scene

import (
	"fmt"
	"math/rand/v2"

	"github.com/tagboat/tagboat/internal/release"
)

// Act is what somebody does who has the right to write releases, or to publish crates.
type Act string

// The acts.
const (
	SwapCrate Act = "replaces a crate in the draft"
	ForgeBill Act = "rewrites the bill"
	ForgeAll  Act = "replaces all crates and rewrites the bill and the sums"
	DropAsset Act = "deletes a crate from the draft"
	DropBill  Act = "deletes the bill"
	DropDraft Act = "deletes the draft"
	EditNotes Act = "edits the notes"
	AddFile   Act = "adds a file"
	TakeCrate Act = "publishes a crate of the release with other bytes"
)

// Forges reports whether the act puts other bytes in the place of ours.
func (a Act) Forges() bool { return a == SwapCrate || a == ForgeBill || a == ForgeAll }

// Meddling is an act and its time: around a step of some process, or, where step is empty, after a process has ended.
type Meddling struct {
	Act     Act
	Process int // the first process to which it can happen
	Step    string
	After   bool
}

func (m Meddling) String() string {
	when := "after the run"
	if m.Step != "" {
		when = map[bool]string{false: "before ", true: "after "}[m.After] + m.Step
	}
	return fmt.Sprintf("%s, %s, from run %d on", m.Act, when, m.Process)
}

// refusable reports whether Tagboat may refuse to go on: where bytes are forged, and where a file vanishes under a run's
// hands, or a version is taken. Where there is a workflow its run goes on when another process has ended. The rest
// Tagboat must survive.
func (m Meddling) refusable(workflow bool) bool {
	return m.Act.Forges() || m.Act == TakeCrate || (m.Step != "" || workflow) && (m.Act == DropAsset || m.Act == DropBill)
}

func randomMeddling(rng *rand.Rand) Meddling {
	acts := []Act{SwapCrate, ForgeBill, ForgeAll, ForgeAll, DropAsset, DropBill, DropDraft, EditNotes, AddFile, TakeCrate, TakeCrate}
	m := Meddling{Act: acts[rng.IntN(len(acts))], Process: 1 + rng.IntN(4)}
	if rng.IntN(2) == 0 {
		steps := []string{release.KindLedger, release.KindSeal, release.KindRelease, release.KindPublish + "/crates-io/hyperlight-common@" + Version, release.KindConfirm + "/crates-io/hyperlight-host@" + Version}
		m.Step, m.After = steps[rng.IntN(len(steps))], rng.IntN(2) == 0
	}
	return m
}

//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/release"
)

// rounds is how often what is short runs.
const rounds = 3

// sides are the times of both sides of a comparison.
type sides struct {
	ours, oursPublish     []time.Duration
	theirs, theirsPublish []time.Duration
}

// compare releases the same workspace with Tagboat, so many times, and once with cargo, each time in a new world.
func compare(t *testing.T, g grid, rounds int) sides {
	repository := g.stage(t)
	var out sides
	for range rounds {
		s := build(t, repository, indexLag, roundTrip)
		r := whole(t, s, "v"+gridVersion)
		accepted(t, s, "crates-io", g.levels*g.wide)
		out.ours = append(out.ours, r.took)
		out.oursPublish = append(out.oursPublish, r.span(release.KindPublish, release.KindConfirm))
	}
	s := build(t, repository, indexLag, roundTrip)
	args := []string{"--workspace"}
	if !g.verify {
		args = append(args, "--no-verify")
	}
	c := cargo(t, repository, publishArgs(s, args...)...)
	accepted(t, s, "crates-io", g.levels*g.wide)
	out.theirs, out.theirsPublish = append(out.theirs, c.took), append(out.theirsPublish, c.uploading)
	t.Logf("verify %v: tagboat %s, of it publishing %s; cargo %s, of it publishing %s", g.verify, spread(out.ours), spread(out.oursPublish), short(c.took), short(c.uploading))
	return out
}

// oneByOne publishes each crate with a cargo of its own.
func oneByOne(t *testing.T, g grid) (took, uploading time.Duration) {
	repository := g.stage(t)
	s := build(t, repository, indexLag, roundTrip)
	dir := t.TempDir()
	for _, name := range g.names() {
		c := cargoIn(t, repository, dir, publishArgs(s, "--no-verify", "--package", name)...)
		took += c.took
		uploading += c.uploading
	}
	t.Logf("one by one: %s, of it publishing %s", short(took), short(uploading))
	accepted(t, s, "crates-io", g.levels*g.wide)
	return took, uploading
}

// packaging is what cargo needs to package the crates where no round trip is added, and how many requests it makes.
func packaging(t *testing.T, g grid) (out []time.Duration, requests int) {
	repository := g.stage(t)
	for range rounds {
		s := build(t, repository, 0, 0)
		index := "sparse+" + s.Feeds["crates-io"].URL
		c := cargo(t, repository, "package", "--workspace", "--no-verify", "--locked", "--index", index,
			"--config", `source.crates-io.replace-with="stand-in"`, "--config", `source.stand-in.registry="`+index+`"`)
		out = append(out, c.took)
		requests = 0
		for _, n := range s.Feeds["crates-io"].Twin.Requests() {
			requests += n
		}
	}
	return out, requests
}

func measurePublish(t *testing.T) section {
	plain, verified := grid{levels: 10, wide: 5}, grid{levels: 10, wide: 5, verify: true}
	bare, full := compare(t, plain, rounds), compare(t, verified, 1)
	near, requests := packaging(t, plain)
	serial, serialUploads := oneByOne(t, plain)
	ours, oursWhole := median(bare.oursPublish), median(bare.ours)
	theirs, theirsWhole := median(bare.theirsPublish), median(bare.theirs)
	charitable := median(near) + theirs
	return section{
		title: "50 crates, ten levels deep, against cargo publish",
		how: fmt.Sprintf("50 tiny library crates, five a level, each depending on all five of the level before; Cargo.lock committed, no outside dependencies. The registry has crates.io's\n"+
			"checks without its rate limits; its index shows an upload %s later; each request waits %s more. Publishing is the time from the start of the first upload to the moment when\n"+
			"every version is confirmed: Tagboat's publish and confirm steps, cargo's time from its first `Uploading` line to its end. Tagboat's whole run also clones the tag, asks\n"+
			"the registry and GitHub, makes the release branch, packages in the build zone, uploads 52 files to the draft release, and makes it public; cargo's does none of that.\n"+
			"cargo: `cargo publish --workspace --no-verify --locked --index ...`, with an empty cargo home, the index standing for crates.io by source replacement.", indexLag, roundTrip),
		rows: []row{
			{"publishing takes at most 1/6 of what `cargo publish --workspace` takes for it", spread(bare.oursPublish) + " against " + spread(bare.theirsPublish), fraction(ours, theirs), judge(ours*6 <= theirs)},
			{"the whole run takes at most 1/3 of cargo's, both without verification builds", spread(bare.ours) + " against " + spread(bare.theirs), fraction(oursWhole, theirsWhole), judge(oursWhole*3 <= theirsWhole)},
			{"the same, with cargo's packaging measured without round trips", short(oursWhole) + " against " + short(charitable), fraction(oursWhole, charitable), judge(oursWhole*3 <= charitable)},
			{"publishing takes at most 1/12 of one `cargo publish` per crate, each waiting for the index", short(ours) + " against " + short(serialUploads) + " (one series of 50)", fraction(ours, serialUploads), judge(ours*12 <= serialUploads)},
			{"the whole run against one `cargo publish` per crate", short(oursWhole) + " against " + short(serial) + " (one series of 50)", fraction(oursWhole, serial), none},
			{"the whole run with verification builds on both sides", spread(full.ours) + " against " + spread(full.theirs), fraction(median(full.ours), median(full.theirs)), none},
		},
		notes: []string{
			fmt.Sprintf("cargo's packaging, the part before the first upload, took %s: it makes %d requests, one after the other, because it asks the index for the siblings of each crate\n"+
				"  again. Without added round trips it takes %s; the third row is cargo's publishing and that", short(median(difference(bare.theirs, bare.theirsPublish))), requests, spread(near)),
			"Tagboat packages without a network, after one fetch; with verification builds it packages twice, once to take the crates out of the zone before any build script has run",
		},
	}
}

func difference(a, b []time.Duration) []time.Duration {
	out := make([]time.Duration, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

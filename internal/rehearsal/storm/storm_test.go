package storm

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/rehearsal/lie"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
)

// show reports a violation with everything that led to it.
func show(t *testing.T, v *Violation) {
	t.Helper()
	if v != nil {
		t.Errorf("seed %d violates %q: %s\n%s", v.Seed, v.Invariant, v.Detail, v.Trace)
	}
}

func TestStorm(t *testing.T) {
	seeds := 500
	if raced {
		seeds = 60
	}
	r, err := Run(t.Context(), t, Options{Seeds: seeds, First: 1})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r.Violation)
	t.Logf("%d releases in %s (%s of virtual time), %d runs, %d deaths, %d requests\nfaults %v\nends %v", r.Releases, r.Wall, r.Virtual, r.Runs, r.Deaths, r.Requests, r.Faults, r.Ends)
	for _, kind := range []string{"die", "die-after", "drop", "accept-then drop", "late request", scene.TornAnswer, scene.TornRequest, scene.TornDeath, "delay", "lag", "refuse 429"} {
		if r.Faults[kind] == 0 && !raced {
			t.Errorf("no %q happened in %d releases", kind, r.Releases)
		}
	}
}

// The same seed gives the same release, to the microsecond, however many processors take part.
func TestReplay(t *testing.T) {
	seeds := uint64(40)
	if raced {
		seeds = 8
	}
	for seed := range seeds {
		var first, second bytes.Buffer
		for i, out := range []*bytes.Buffer{&first, &second} {
			before := runtime.GOMAXPROCS(0)
			if i == 1 {
				runtime.GOMAXPROCS(1)
			}
			_, err := Run(t.Context(), t, Options{Seeds: 1, First: seed, Trace: out})
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(first.String(), second.String()); d != "" {
			t.Fatalf("seed %d differs when it is replayed:\n%s", seed, d)
		}
	}
}

func TestSabotage(t *testing.T) {
	for _, s := range lie.All() {
		t.Run(s.Name, func(t *testing.T) {
			r, err := Run(t.Context(), t, Options{Seeds: 1000, First: 1, Sabotage: []string{s.Name}})
			if err != nil {
				t.Fatal(err)
			}
			if r.Violation == nil {
				t.Fatalf("%d releases did not find out that this promise is broken: %s", r.Releases, s.Breaks)
			}
			t.Logf("found after %d releases: seed %d violates %q: %s", r.Releases, r.Violation.Seed, r.Violation.Invariant, r.Violation.Detail)
		})
	}
	if _, err := Run(t.Context(), t, Options{Seeds: 1, Sabotage: []string{"no-such"}}); err == nil {
		t.Error("an unknown sabotage is accepted")
	}
}

package scene

import (
	"slices"
	"testing"

	"github.com/tagboat/tagboat/internal/registry"
)

// A seed decides everything, and another one something else.
func TestSeeds(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(500) {
		s := Of(seed)
		text := s.String()
		if again := Of(seed).String(); again != text {
			t.Fatalf("seed %d\n%s\n%s", seed, text, again)
		}
		seen[text] = true
		for _, name := range s.Feed {
			for _, c := range Workspace() {
				if c.Name != name {
					continue
				}
				for _, need := range c.Needs {
					if !slices.Contains(s.Feed, need) {
						t.Errorf("seed %d: %s goes to the second registry and %s, which it needs, does not", seed, name, need)
					}
				}
			}
		}
		if s.MustStop() && !s.MayStop() {
			t.Errorf("seed %d must stop and may not", seed)
		}
	}
	if len(seen) != 500 {
		t.Errorf("%d scenes of 500 seeds", len(seen))
	}
}

func TestDice(t *testing.T) {
	s := Of(7)
	counts := make([]int, 6)
	for i := range 6000 {
		counts[s.Dice(6, "throw", i)]++
	}
	for i, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("%d was thrown %d times in 6000", i, n)
		}
	}
	if s.Dice(1000, "a", "bc") == s.Dice(1000, "ab", "c") && s.Dice(1000, "x", "yz") == s.Dice(1000, "xy", "z") {
		t.Error("what is asked runs together")
	}
}

// Every packing is of crates that registries take, with bytes of its own.
func TestPackAll(t *testing.T) {
	all, err := PackAll()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]Packing{}
	for p, parcels := range all {
		for _, name := range Names() {
			c, err := registry.ReadCrate(parcels[name].Bytes)
			if err != nil || c.Name != name || c.Version != Version || c.SHA256 != parcels[name].Sum {
				t.Errorf("%+v %s: %v", p, name, err)
				continue
			}
			if other, there := sums[c.SHA256]; there && other.By != p.By {
				t.Errorf("%s has the same bytes from %d and from %d", name, other.By, p.By)
			}
			sums[c.SHA256] = p
		}
	}
}

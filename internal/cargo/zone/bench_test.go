package zone_test

import (
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/zone"
)

// What a command in the zone costs more than one outside, and what a zone costs.
func BenchmarkRun(b *testing.B) {
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			z, err := zone.New(w.limit(zone.Config{}))
			if err != nil {
				b.Fatal(err)
			}
			defer z.Close()
			for b.Loop() {
				if out, err := z.Run(b.Context(), zone.Command{Argv: []string{"true"}}); err != nil || out.Exit != 0 {
					b.Fatal(out, err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			for b.Loop() {
				z, err := zone.New(w.limit(zone.Config{}))
				if err != nil {
					b.Fatal(err)
				}
				if err := z.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

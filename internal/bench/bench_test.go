//go:build bench

package bench

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/zone"
)

const (
	roundTrip = 50 * time.Millisecond // added before every request is handled
	indexLag  = 2 * time.Second       // between an accepted upload and its line in the index
	document  = "../../docs/benchmarks.md"
)

func TestMain(m *testing.M) {
	zone.Main()
	os.Exit(m.Run())
}

// TestBenchmarks measures everything in order, one measurement at a time, and writes what it found into the document.
func TestBenchmarks(t *testing.T) {
	for _, s := range []struct {
		name    string
		measure func(*testing.T) section
	}{
		{"publish", measurePublish}, {"overhead", measureOverhead}, {"resume", measureResume},
		{"plan", measurePlan}, {"storm", measureStorm}, {"artifact", measureArtifact}, {"container", measureContainer}, {"redist", measureRedist},
	} {
		t.Run(s.name, func(t *testing.T) {
			syscall.Sync() // what an earlier measurement wrote must not be written during the next
			before := load()
			found := s.measure(t)
			text := found.markdown(describe(t, before))
			t.Log(text)
			old, err := os.ReadFile(document)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.WriteFile(document, []byte(replace(string(old), found, text)), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// quiet is the environment of the programs that are measured: nothing of this machine's cargo and git settings.
func quiet(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "CARGO_") || strings.HasPrefix(name, "GITHUB_") || strings.HasPrefix(name, "GIT_") || name == "CI" {
			continue
		}
		env = append(env, kv)
	}
	return append(env, extra...)
}

//go:build bench

package bench

import (
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

// TestBenchmarks measures everything in order, one measurement at a time, and writes the document when all of them ran.
func TestBenchmarks(t *testing.T) {
	began := time.Now()
	var doc report
	sections := []struct {
		name    string
		measure func(*testing.T) section
	}{
		{"publish", measurePublish}, {"overhead", measureOverhead}, {"resume", measureResume},
		{"plan", measurePlan}, {"storm", measureStorm}, {"artifact", measureArtifact},
	}
	for _, s := range sections {
		syscall.Sync() // what an earlier measurement wrote must not be written during the next
		t.Run(s.name, func(t *testing.T) { doc.sections = append(doc.sections, s.measure(t)) })
	}
	doc.machine = describeMachine(t)
	doc.took = time.Since(began)
	text := doc.markdown()
	t.Log("\n" + text)
	if t.Failed() || len(doc.sections) != len(sections) {
		t.Log("the document stays as it is: not everything was measured")
		return
	}
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		t.Fatal(err)
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

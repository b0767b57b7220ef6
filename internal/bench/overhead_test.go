//go:build bench

package bench

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
)

// shaped stages the sample that has the shape of Hyperlight: nine crates and a release workflow.
func shaped(t *testing.T) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "hyperlight")
	if err := sample.Stage(t.Context(), "../../testdata/workspaces/hyperlight", dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

const shapedCrates = 9

func measureOverhead(t *testing.T) section {
	const runs = 5
	repository := shaped(t)
	s := section{
		title: "The pipeline's own time",
		how: fmt.Sprintf("A rehearsal of the nine crates with the shape of Hyperlight, both halves: tag, release branch, dispatched workflow, packaging with verification builds, draft,\n"+
			"publishing, public release. From its whole time the time is taken during which a cargo process was alive, read from the process table every %s. No index lag.", watchEvery),
	}
	for _, delay := range []time.Duration{0, roundTrip} {
		var own, all, cargos []time.Duration
		processes := 0
		for range runs {
			stage := build(t, repository, 0, delay)
			began, watch := time.Now(), watchProcesses(t, "cargo")
			r, err := stage.Run(t.Context(), stage.Tags[0], nil, rehearsal.Watcher{})
			took := time.Since(began)
			busy, n := watch.finish()
			if err != nil || r.Outcome != release.Released {
				t.Fatalf("rehearse: %v %+v", err, r)
			}
			accepted(t, stage, "crates-io", shapedCrates)
			own, all, cargos, processes = append(own, took-busy), append(all, took), append(cargos, busy), n
		}
		limit := 2 * time.Second
		s.rows = append(s.rows, row{
			promise: fmt.Sprintf("under 2 s on top of cargo, round trip %s", trip(delay)), measured: spread(own),
			ratio: "of " + short(median(all)) + " in all", met: judge(median(own) < limit),
		})
		s.notes = append(s.notes, fmt.Sprintf("round trip %s: %d cargo processes, together %s", trip(delay), processes, spread(cargos)))
	}
	return s
}

func trip(d time.Duration) string {
	if d == 0 {
		return "none added"
	}
	return d.String()
}

// errKilled stands for the end of the process.
var errKilled = errors.New("killed")

// killAt ends a run when n crates are uploaded: from then on no step begins or ends.
func killAt(n int) func(key string, after bool) error {
	var mu sync.Mutex
	uploaded := 0
	return func(key string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if after && strings.HasPrefix(key, release.KindPublish+"/") && uploaded < n {
			uploaded++
		}
		if uploaded >= n {
			return killed{errKilled}
		}
		return nil
	}
}

// killed stops the run at once.
type killed struct{ error }

func (killed) StopsAll() bool  { return true }
func (k killed) Unwrap() error { return k.error }

func measureResume(t *testing.T) section {
	const runs = 5
	const killedAt = 5
	repository := shaped(t)
	s := section{
		title: "Resuming",
		how: fmt.Sprintf("The nine crates again, both halves in one run. The run ends when %d uploads were answered, one or two more being under way; another one starts with nothing but the repository, reads the draft\n"+
			"release, and finishes. Remaining uploads: from the start of its first publish step to the end of the last. No index lag.", killedAt),
	}
	for _, delay := range []time.Duration{0, roundTrip} {
		var took, rest, besides []time.Duration
		left := 0
		for range runs {
			stage := build(t, repository, 0, delay)
			r, err := converged(t, stage, stage.Tags[0], killAt(killedAt))
			if !errors.Is(err, errKilled) {
				t.Fatalf("the first run was to be killed: %v %+v", err, r.report.Problems)
			}
			left = shapedCrates - len(stage.Feeds["crates-io"].Twin.Accepted())
			r = whole(t, stage, stage.Tags[0])
			accepted(t, stage, "crates-io", shapedCrates)
			uploads := r.span(release.KindPublish, release.KindPublish)
			took, rest, besides = append(took, r.took), append(rest, uploads), append(besides, r.took-uploads)
		}
		limit := 2 * time.Second
		s.rows = append(s.rows, row{
			promise: fmt.Sprintf("under 2 s plus the remaining uploads, round trip %s", trip(delay)), measured: spread(took),
			ratio: fmt.Sprintf("%s besides %s of uploads", short(median(besides)), short(median(rest))), met: judge(median(besides) < limit),
		})
		s.notes = append(s.notes, fmt.Sprintf("round trip %s: %d of %d uploads were left in the last run", trip(delay), left, shapedCrates))
	}
	return s
}

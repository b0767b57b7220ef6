// Package storm makes whole releases under a virtual clock, thousands in a minute: the pipeline of a real release against
// the embedded GitHub and registries over connections in memory, with processes that die anywhere, answers that are
// lost, late or refused, and strangers who change the draft. Each release follows from a seed and can be replayed.
package storm

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/lie"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/trial"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
)

// Options say how many releases a storm makes. The zero value makes none.
type Options struct {
	Seeds    int       // how many releases
	First    uint64    // the seed of the first; the others follow
	Trace    io.Writer // gets everything that happens in the first release; may be nil
	Workers  int       // releases at the same time; 0 is one for each processor
	Scratch  string    // an existing folder for the runs' files; "" makes one in memory where the system has such
	Sabotage []string  // names of lies, see package lie
	Progress func(Result)
}

// Result is what a storm did. It is deterministic but for Wall.
type Result struct {
	Releases  int            `json:"releases"`
	Wall      time.Duration  `json:"wall_ns"`
	Virtual   time.Duration  `json:"virtual_ns"`
	Runs      int            `json:"runs"` // processes
	Deaths    int            `json:"deaths"`
	Requests  int            `json:"requests"`
	Faults    map[string]int `json:"faults"` // that happened, by kind
	Ends      map[string]int `json:"ends"`   // how the releases ended
	Violation *Violation     `json:"violation,omitempty"`
}

// Violation is the first thing that must always hold and did not.
type Violation struct {
	Seed      uint64 `json:"seed"`
	Invariant string `json:"invariant"`
	Detail    string `json:"detail"`
	Replay    string `json:"replay"` // the command that shows it again
	Trace     string `json:"trace"`
}

// progressEvery is how often a storm says how far it is.
const progressEvery = time.Second

// Run makes the releases of the seeds and returns what it saw, when they are done, when one of them violates what must
// hold, or when ctx ends. t lends its name to the bubbles in which the clock is virtual, and is not failed.
func Run(ctx context.Context, t *testing.T, o Options) (Result, error) {
	began := time.Now()
	r := Result{Faults: map[string]int{}, Ends: map[string]int{}}
	stock, err := world.NewStock(o.Scratch)
	if err != nil {
		return r, err
	}
	defer stock.Close()
	s := &storm{options: o, stock: stock, testing: t, result: r}
	if s.lies, err = lie.Named(o.Sabotage); err != nil {
		return r, err
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	// A release leaves little behind but makes much garbage; memory is cheaper here than time.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	var all sync.WaitGroup
	for range min(workers, o.Seeds) {
		all.Go(func() { s.work(ctx) })
	}
	over := make(chan struct{})
	go s.report(began, over)
	all.Wait()
	close(over)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Wall = time.Since(began)
	return s.result, s.err
}

// storm is a run of many releases.
type storm struct {
	options Options
	stock   *world.Stock
	testing *testing.T
	lies    lie.Lies

	mu     sync.Mutex
	next   int
	result Result
	err    error
}

// work makes releases until there are none left.
func (s *storm) work(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		n := s.next
		s.next++
		stop := n >= s.options.Seeds || s.result.Violation != nil || s.err != nil
		s.mu.Unlock()
		if stop {
			return
		}
		out, err := s.release(ctx, scene.Of(s.options.First+uint64(n)), n == 0 && s.options.Trace != nil)
		s.add(out, err)
	}
}

// release makes one release in a bubble of its own. A bubble in which nothing can happen any more panics: a process that
// hangs for ever is a violation like others.
func (s *storm) release(ctx context.Context, sc *scene.Scene, traced bool) (out trial.Outcome, err error) {
	var t *trial.Trial
	defer func() {
		if v := recover(); v != nil && t != nil {
			out = t.Hung(v)
		} else if v != nil {
			err = fmt.Errorf("storm, seed %d: %v", sc.Seed, v)
		}
	}()
	synctest.Test(s.testing, func(*testing.T) {
		ctx := context.WithoutCancel(ctx) // its channel belongs to no bubble; a release is over in no time
		if t, err = trial.New(ctx, s.stock, sc, s.lies); err != nil {
			return
		}
		out = t.Release(ctx)
	})
	if err == nil && (traced || out.Violation != nil) {
		out.Trace = t.Trace()
	}
	return out, err
}

// add sums a release up. Of several violations that of the lowest seed counts, so that it does not depend on which worker
// was faster.
func (s *storm) add(o trial.Outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = err
		return
	}
	r := &s.result
	r.Releases++
	r.Virtual += o.Virtual
	r.Runs += o.Runs
	r.Deaths += o.Deaths
	r.Requests += o.Requests
	r.Ends[o.End]++
	for kind, n := range o.Faults {
		r.Faults[kind] += n
	}
	if v := o.Violation; v != nil && (r.Violation == nil || o.Seed < r.Violation.Seed) {
		r.Violation = &Violation{Seed: o.Seed, Invariant: v.Invariant, Detail: v.Detail, Trace: o.Trace, Replay: fmt.Sprintf("tagboat rehearse --storm 1 --seed %d --trace", o.Seed)}
	}
	if o.Trace != "" && s.options.Trace != nil {
		if _, err := io.WriteString(s.options.Trace, o.Trace); err != nil {
			s.err = err
		}
	}
}

func (s *storm) report(began time.Time, over <-chan struct{}) {
	if s.options.Progress == nil {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		now := s.result
		now.Wall = time.Since(began)
		now.Faults, now.Ends = nil, nil // they grow while the caller reads
		s.mu.Unlock()
		s.options.Progress(now)
	}
}

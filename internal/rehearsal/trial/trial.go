// Package trial is one release of a storm, from its tag to its end: processes that may die at any time, what happens to
// their requests on the wire, and the judge of what they do and say. It must run on a virtual clock.
package trial

import (
	"context"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/lie"
	"github.com/tagboat/tagboat/internal/rehearsal/memnet"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
	"github.com/tagboat/tagboat/internal/release"
)

// Trial is one release from its tag to its end, through all the processes that it takes.
type Trial struct {
	*world.World
	stock   *world.Stock
	lies    lie.Lies
	began   time.Time
	network *memnet.Network
	faults  *fault.Set

	group chan struct{} // the concurrency group of the release workflow

	calm atomic.Bool // the storm is over: no fault happens any more
	died atomic.Bool // a fault asks for a death; the middleware that sees it knows whose

	mu        sync.Mutex
	processes int
	deaths    int
	requests  int
	arrivals  int
	calls     map[int64]*call
	mishaps   map[string]int // what happened of our own faults, by kind
	log       []entry
	violation *Breach
	lastJob   *release.Report // of the newest second half
	pardoned  bool
	late      sync.WaitGroup // requests of dead processes
}

// Outcome is what a trial hands back.
type Outcome struct {
	Seed      uint64
	End       string // how it ended: "released", or the summary of the stop
	Virtual   time.Duration
	Runs      int
	Deaths    int
	Requests  int
	Faults    map[string]int
	Violation *Breach // nil: everything held
	Trace     string
}

// Breach is the first thing that must always hold and did not.
type Breach struct{ Invariant, Detail string }

// New makes the world of a scene. It must be called on the virtual clock.
func New(ctx context.Context, stock *world.Stock, s *scene.Scene, lies lie.Lies) (*Trial, error) {
	t := &Trial{stock: stock, lies: lies, began: time.Now(), network: memnet.New(), group: make(chan struct{}, 1), calls: map[int64]*call{}, mishaps: map[string]int{}}
	t.faults = fault.NewSet(s.Faults...)
	t.faults.OnDie = func() { t.died.Store(true) }
	t.World = world.New(s, stock, world.Hooks{Fail: t.fail, Note: t.note, Serve: t.serve, Dispatch: t.job, Lag: func(registry, crate string) time.Duration {
		if t.calm.Load() {
			return 0
		}
		return t.faults.Lag(registry, crate)
	}})
	if err := t.Open(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// serve puts a service on the network, behind what happens to requests.
func (t *Trial) serve(service, host string, h http.Handler) {
	t.network.Serve(host, &http.Server{Handler: t.front(service, h), ErrorLog: log.New(serverLog{t}, "", 0)})
}

// serverLog takes what a server finds worth a line: panics of the twins above all.
type serverLog struct{ t *Trial }

func (l serverLog) Write(b []byte) (int, error) {
	l.t.fail("rehearsal", "a server says: %s", b)
	return len(b), nil
}

// close ends the world and waits for everything in it.
func (t *Trial) close() {
	t.late.Wait()
	if err := t.GitHub.Close(); err != nil {
		t.fail("rehearsal", "close: %v", err)
	}
	t.network.Close()
}

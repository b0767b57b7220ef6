package storm

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

// trial is one release from its tag to its end, through all the processes that it takes.
type trial struct {
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
	violation *Violation
	lastJob   *release.Report // of the newest second half
	pardoned  bool
	late      sync.WaitGroup // requests of dead processes
}

// outcome is what a trial hands back.
type outcome struct {
	end       string // how it ended: "released", or the summary of the stop
	virtual   time.Duration
	runs      int
	deaths    int
	requests  int
	faults    map[string]int
	violation *Violation
	trace     string
}

// newTrial makes the world of a scene. It must be called on the virtual clock.
func newTrial(ctx context.Context, stock *world.Stock, s *scene.Scene, lies lie.Lies) (*trial, error) {
	t := &trial{stock: stock, lies: lies, began: time.Now(), network: memnet.New(), group: make(chan struct{}, 1), calls: map[int64]*call{}, mishaps: map[string]int{}}
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
func (t *trial) serve(service, host string, h http.Handler) {
	t.network.Serve(host, &http.Server{Handler: t.front(service, h), ErrorLog: log.New(serverLog{t}, "", 0)})
}

// serverLog takes what a server finds worth a line: panics of the twins above all.
type serverLog struct{ t *trial }

func (l serverLog) Write(b []byte) (int, error) {
	l.t.fail("rehearsal", "a server says: %s", b)
	return len(b), nil
}

// close ends the world and waits for everything in it.
func (t *trial) close() {
	t.late.Wait()
	if err := t.GitHub.Close(); err != nil {
		t.fail("rehearsal", "close: %v", err)
	}
	t.network.Close()
}

package storm

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	owner      = "hyperlight-dev"
	repository = "hyperlight"
	githubHost = "github.test"
	// byHand is the token of people who do things by hand. It is no secret of ours. They have as many hands as it takes to
	// stay below GitHub's limits.
	byHand = "by-hand"
	hands  = 64
)

// The secrets of every release, of which nothing may ever be seen.
var secrets = struct{ github, cratesIO, rotated, feed, user string }{
	github: "ghs_Storm/7b1d+e09c4f2a86d5", cratesIO: "cio+Storm/41c7a9f0e63b8d25", rotated: "cio+Storm/90b2e6d8c1f4a735",
	feed: "Bearer feed/Storm+5e8f13ac97d024b6", user: "key/Storm+c86a02fb7e91d354",
}

// trial is one release from its tag to its end, through all the processes that it takes.
type trial struct {
	yard       *yard
	scene      *scene
	sabotage   []Sabotage
	began      time.Time
	commit     string
	store      *gitstore.Memory
	github     *githubtwin.Twin
	registries map[string]*registrytwin.Twin
	network    *network
	faults     *fault.Set

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
	lags      map[string]time.Duration
	ready     time.Time // when the world was prepared
	meddled   map[int]bool
	log       []entry
	violation *Violation
	lastJob   *release.Report // of the newest second half
	pardoned  bool
	handled   int            // requests made by hand
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
func newTrial(ctx context.Context, y *yard, s *scene, sabotage []Sabotage) (*trial, error) {
	t := &trial{yard: y, scene: s, sabotage: sabotage, began: time.Now(), store: gitstore.NewMemory(), registries: map[string]*registrytwin.Twin{}, network: newNetwork(), group: make(chan struct{}, 1),
		calls: map[int64]*call{}, mishaps: map[string]int{}, lags: map[string]time.Duration{}, meddled: map[int]bool{}}
	t.faults = fault.NewSet(t.scene.faults...)
	t.faults.OnDie = func() { t.died.Store(true) }
	err := t.openGitHub(ctx)
	for _, name := range t.scene.registries() {
		t.openRegistry(name)
	}
	if err = errors.Join(err, t.publishedBefore()); err != nil {
		t.close()
		return nil, err
	}
	time.Sleep(time.Minute)
	t.ready = time.Now()
	return t, nil
}

func (t *trial) openGitHub(ctx context.Context) error {
	first, err := t.store.AddCommit("first", map[string]string{"Cargo.toml": "[workspace]\n"})
	if err != nil {
		return err
	}
	t.commit, err = t.store.AddCommit("release", map[string]string{"Cargo.toml": "[workspace]\n", ".github/workflows/release.yml": "name: Release\non: {workflow_dispatch: {}}\n"}, first)
	if err != nil {
		return err
	}
	s := t.scene
	may := githubtwin.Permissions{"contents": "write", "actions": "write", "issues": "read", "metadata": "read"}
	tokens := map[string]githubtwin.Permissions{secrets.github: may}
	for i := range hands {
		tokens[fmt.Sprint(byHand, i)] = githubtwin.Permissions{"contents": "write", "metadata": "read"}
	}
	t.github, err = githubtwin.New(githubtwin.Config{Owner: owner, Repo: repository, Refs: t.store, Tokens: tokens,
		Limits:    githubtwin.Limits{PerHour: s.perHour, WritesPerMinute: s.perMinute, SecondaryStatus: []int{http.StatusForbidden, http.StatusTooManyRequests}[s.seed%2]},
		Immutable: s.immutable, ForgetsTags: s.forgetsTags, DraftLag: s.draftLag, OldServer: s.oldServer, StartDelay: s.startDelay, OnDispatch: t.job, BaseURL: "http://" + githubHost})
	if err != nil {
		return err
	}
	err = t.github.PushBranch(ctx, "main", t.commit)
	if s.annotated {
		err = errors.Join(err, t.github.PushAnnotatedTag(ctx, tagName, t.commit, "Hyperlight "+version))
	} else {
		err = errors.Join(err, t.github.PushTag(ctx, tagName, t.commit))
	}
	switch s.branchAt {
	case "there":
		err = errors.Join(err, t.github.PushBranch(ctx, branch, t.commit))
	case "elsewhere":
		err = errors.Join(err, t.github.PushBranch(ctx, branch, first))
	}
	for _, name := range s.breaks {
		t.github.BreakUpload(name)
	}
	t.serve(githubHost, t.front(fault.GitHub, t.github.Handler()))
	return err
}

func registryHost(name string) string { return name + ".test" }

func (t *trial) openRegistry(name string) {
	c := registrytwin.Config{Name: name, URL: "http://" + registryHost(name), Cache: t.yard.cache, LagOf: func(crate string) time.Duration { return t.lagOf(name, crate) },
		Manners: registrytwin.CratesIO, Tokens: []registrytwin.Token{
			{Label: "tagboat", Value: secret.New(secrets.cratesIO), Scope: registrytwin.Publish}, {Label: "tagboat", Value: secret.New(secrets.rotated), Scope: registrytwin.Publish},
			{Label: "by hand", Value: secret.New(byHand), Scope: registrytwin.Publish}}}
	if t.scene.limits {
		c.Buckets = registrytwin.CratesIOBuckets()
	}
	if name == feedName {
		c.Manners, c.AuthRequired, c.Buckets = registrytwin.Lenient, true, registrytwin.Buckets{}
		c.Tokens = []registrytwin.Token{{Label: "tagboat", Value: secret.New(secrets.feed), Scope: registrytwin.Publish}}
	}
	t.registries[name] = registrytwin.New(c)
	t.serve(registryHost(name), t.front(name, t.registries[name].Handler()))
}

// serve starts a server that lives until the network is closed.
func (t *trial) serve(host string, h http.Handler) {
	l := t.network.listen(host)
	server := &http.Server{Handler: h, ErrorLog: log.New(serverLog{t}, "", 0)}
	t.network.servers = append(t.network.servers, server)
	go server.Serve(l) // ends with Close; its error is then http.ErrServerClosed
}

// serverLog takes what a server finds worth a line: panics of the twins above all.
type serverLog struct{ t *trial }

func (l serverLog) Write(b []byte) (int, error) {
	l.t.fail("rehearsal", "a server says: %s", b)
	return len(b), nil
}

// lagOf is how long the index hides an upload. It is decided once for each crate, so that what a refused upload asks does
// not change what the accepted one gets.
func (t *trial) lagOf(registry, crate string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready.IsZero() {
		return 0
	}
	key := registry + "/" + crate
	lag, known := t.lags[key]
	if !known {
		lag = t.scene.lag
		if !t.calm.Load() {
			lag += t.faults.Lag(registry, crate)
		}
		t.lags[key] = lag
	}
	return lag
}

// publishedBefore puts crates on crates.io that the release finds there.
func (t *trial) publishedBefore() error {
	var put []parcel
	for _, name := range names()[:t.scene.published] {
		put = append(put, t.yard.parcels[packing{}][name])
	}
	if t.scene.foreign != "" {
		// Its dependencies must be known to the registry; they are ours.
		for _, name := range names() {
			if name == t.scene.foreign {
				put = append(put, t.yard.parcels[packing{by: byAStranger}][name])
				break
			}
			put = append(put, t.yard.parcels[packing{}][name])
		}
	}
	for _, p := range put {
		crate, err := registry.ReadCrate(p.bytes)
		if err != nil {
			return err
		}
		reader, _, err := crate.Body(registry.Registry{Name: registry.CratesIO})
		if err != nil {
			return err
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Minute) // whoever did it kept to the limits
		status, answer := direct(t.registries[registry.CratesIO].Handler(), http.MethodPut, "http://"+registryHost(registry.CratesIO)+"/api/v1/crates/new", byHand, body)
		if status != http.StatusOK {
			return fmt.Errorf("publish %s by hand: %d %s", p.name, status, answer)
		}
	}
	return nil
}

// parcels are the bytes that packaging gives for a registry.
func (t *trial) parcels(registry string, by maker) map[string]parcel {
	return t.yard.parcels[packing{forFeed: registry == feedName && t.scene.feedBytes, by: by}]
}

// dice is a number below n that depends on the seed and on what is asked alone, and not on who asks first.
func (t *trial) dice(n int, what ...any) int {
	h := fnv.New64a()
	fmt.Fprint(h, t.scene.seed)
	for _, w := range what {
		fmt.Fprint(h, "\x00", w)
	}
	return int(mix(h.Sum64()) % uint64(n))
}

// mix spreads the bits of a hash (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// close ends the world and waits for everything in it.
func (t *trial) close() {
	t.late.Wait()
	if err := t.github.Close(); err != nil {
		t.fail("rehearsal", "close: %v", err)
	}
	t.network.close()
}

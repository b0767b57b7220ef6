package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/mint"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/memnet"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/ship"
	"github.com/tagboat/tagboat/internal/secret"
)

// process is one run of Tagboat on an empty disk, with clients of its own.
type process struct {
	trial    *Trial
	number   int
	half     release.Half
	began    time.Time
	maker    scene.Maker
	complete bool // the draft held everything when it began

	bearer string // by which it asks who it is
	end    context.CancelCauseFunc
	base   *http.Transport

	mu       sync.Mutex
	diedAt   time.Time // zero while it lives
	ended    bool
	requests int
	uploads  int // accepted by a registry
	writes   int // requests that change something and arrived
	sharing  map[string]*shared
	seen     map[string]int    // requests by who and what, to tell repeated ones apart
	steps    map[string]string // answers of converge: which step asked
	rank     map[string]int    // place of a step in the plan
	packed   map[string]bool   // registries that it packaged for
	conns    map[*memnet.Conn]bool
	words    bytes.Buffer // everything that it told people, to be searched for secrets
}

// died ends a process in its midst.
type died struct{ where string }

func (d *died) Error() string  { return "the process was ended " + d.where }
func (d *died) StopsAll() bool { return true }

// run lets the process live and returns its report, nil where it died.
func (p *process) run(parent context.Context, req release.Request) *release.Report {
	t := p.trial
	t.note(p.name(), "starts (%s half)", p.half)
	scratch, err := os.MkdirTemp(t.stock.Scratch, "run-")
	if err != nil {
		t.fail("rehearsal", "%v", err)
		return nil
	}
	defer os.RemoveAll(scratch)
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	p.end = end
	p.conns = map[*memnet.Conn]bool{}
	p.base = &http.Transport{DialContext: p.dial, MaxIdleConnsPerHost: 8, DisableCompression: true}
	defer p.hangUp()
	if d := p.doom(); d > 0 {
		timer := time.AfterFunc(d, func() { p.die("after " + d.String()) })
		defer timer.Stop()
	}
	o := ship.Options{Command: "rehearse", Planned: p.planned, Between: p.between, Backoff: converge.Backoff{Rand: rand.New(rand.NewPCG(t.Scene.Seed, uint64(p.number))).Float64}}
	if t.Scene.Deadline > 0 {
		o.Deadline = time.Now().Add(t.Scene.Deadline)
	}
	w, err := p.world(scratch)
	if err != nil {
		t.fail("rehearsal", "%v", err)
		return nil
	}
	report, err := ship.Converge(ctx, w, req, o)
	p.search(report, err)
	p.mu.Lock()
	p.ended = true
	dead := !p.diedAt.IsZero()
	p.mu.Unlock()
	if dead || parent.Err() != nil {
		return nil
	}
	t.note(p.name(), "ends: %s%s", report.Outcome, told(report))
	p.believe(report)
	return report
}

func told(r *release.Report) string {
	var b strings.Builder
	for _, pr := range r.Problems {
		b.WriteString("; " + pr.Summary)
		if pr.Detail != "" {
			b.WriteString(" (" + strings.ReplaceAll(pr.Detail, "\n", " | ") + ")")
		}
	}
	return b.String()
}

func (p *process) name() string { return fmt.Sprintf("run %d", p.number) }

// doom is after how long the process dies by itself, 0 for never.
func (p *process) doom() time.Duration {
	t := p.trial
	if t.calm.Load() || t.Scene.Dice(100, "doomed", p.number) >= t.Scene.Restarts {
		return 0
	}
	// Deaths are as likely in the first second as in the next ten and the next hundred.
	scale := []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second}[t.Scene.Dice(4, "scale", p.number)]
	return scale * time.Duration(1+t.Scene.Dice(2000, "doom", p.number))
}

// die ends the process: its context, its connections, its words. Only the first death counts.
func (p *process) die(where string) {
	p.mu.Lock()
	if p.ended || !p.diedAt.IsZero() {
		p.mu.Unlock()
		return
	}
	p.diedAt = time.Now()
	shares := slices.Collect(maps.Values(p.sharing))
	p.mu.Unlock()
	t := p.trial
	t.mu.Lock()
	t.deaths++
	t.mu.Unlock()
	t.note(p.name(), "DIES %s", where)
	p.end(&died{where})
	for _, s := range shares {
		s.cancel(&died{where})
	}
	p.hangUp()
}

// deadSince returns when the process died, and whether it did.
func (p *process) deadSince() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.diedAt, !p.diedAt.IsZero()
}

// dial connects the process to a host and remembers the connection, to cut it when the process dies.
func (p *process) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if _, dead := p.deadSince(); dead {
		return nil, &died{"before it could connect"} // net/http would repeat a question whose connection was cut
	}
	nc, err := p.trial.network.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	c := nc.(*memnet.Conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	c.Closing = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}
	return c, nil
}

// hangUp closes all connections.
func (p *process) hangUp() {
	p.mu.Lock()
	var open []*memnet.Conn
	for c := range p.conns {
		open = append(open, c)
	}
	p.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	p.base.CloseIdleConnections()
}

// world wires the process as a real run is wired, with its own clients through the door.
func (p *process) world(scratch string) (observe.World, error) {
	t := p.trial
	through := &http.Client{Transport: &door{p}}
	client, err := forge.New(forge.Options{APIURL: "http://" + world.GitHubHost, UploadURL: "http://" + world.GitHubHost, Owner: world.Owner, Repo: world.Repository, HTTP: through,
		Token: func(context.Context) (secret.Value, error) { return secret.New(world.GitHubToken), nil }})
	if err != nil {
		return observe.World{}, err
	}
	w := observe.World{Source: &source{p}, Forge: client, Scratch: scratch, WorkingDir: t.stock.Work[0], Poll: 15 * time.Second, Keys: t.Keys(p.number)}
	if t.Scene.Restless {
		w.WorkingDir = t.stock.Work[p.number%len(t.stock.Work)]
	}
	credentials := p.credentials(through)
	credentials.Wire(&w)
	w.Registry = observe.Clients(func(name, index string) (registry.Registry, registry.Options, error) {
		r, err := registry.New(name, index)
		r.URL = "http://" + world.RegistryHost(name) + "/index/"
		if t.lies.Has("impatient") {
			r.Wait = registry.Order
		}
		return r, credentials.Options(name, registry.Options{HTTP: through}), err
	})
	return w, nil
}

// credentials are what the process logs in with.
func (p *process) credentials(through *http.Client) *login.Credentials {
	t := p.trial
	c := login.Config{Settings: t.Scene.Config(), Env: map[string]string{}, HTTP: through, Warn: func(s string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.words.WriteString(s)
	}, Token: func(name string) secret.Value { return secret.New(t.Token(p.number, name)) }}
	c.Env[mint.URLVariable], c.Env[mint.TokenVariable] = t.Identity()
	p.bearer = c.Env[mint.TokenVariable]
	return login.New(c)
}

// packages notes that crates are packaged for a registry. A process that found everything in the draft must not.
func (p *process) packages(registry string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.packed[registry] = true
	if p.complete {
		p.trial.fail("a complete ledger is not packaged again", "%s packages for %s although the draft held every file and an authentic bill when it began", p.name(), registry)
	}
}

// planned learns the order of the steps and returns who watches them.
func (p *process) planned(_ release.Snapshot, plan release.Plan) func(converge.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range plan.Steps {
		p.rank[s.Key] = i + 1
	}
	return p.watch
}

// askPhase begins the phase by which a request asks converge which step it belongs to.
const askPhase = "storm request "

// watch takes the events of the run.
func (p *process) watch(ev converge.Event) {
	if strings.HasPrefix(ev.Phase, askPhase) {
		p.mu.Lock()
		p.steps[ev.Phase] = ev.Key
		p.mu.Unlock()
		if ev.State == converge.StateRunning {
			return
		}
		ev.Phase = ""
	}
	reason := ev.Reason
	if ev.Err != nil {
		reason = ev.Err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words.WriteString(ev.Phase)
	p.words.WriteString(ev.Reason)
	p.words.WriteString(reason)
	p.words.WriteByte('\n')
	p.trial.record(entry{process: p, rank: p.rank[ev.Key], kind: entryStep, key: ev.Key, state: string(ev.State), text: reason, attempt: ev.Attempt, phase: ev.Phase})
}

// stepOf returns the key of the step that a request belongs to: converge tells its observer, before it returns, which
// step a phase is reported from. Requests of an observation belong to none.
func (p *process) stepOf(ctx context.Context, id int64) string {
	ask := fmt.Sprint(askPhase, id)
	converge.Phase(ctx, ask)
	p.mu.Lock()
	defer p.mu.Unlock()
	key := p.steps[ask]
	delete(p.steps, ask)
	return key
}

// between makes the faults happen that lie between steps.
func (p *process) between(key string, after bool) error {
	t := p.trial
	if t.calm.Load() {
		return nil
	}
	t.Meddle(p.number, key, after)
	moment := fault.Before
	if after {
		moment = fault.After
	} else if err := t.faults.StepDisk(key); err != nil {
		return err
	}
	if t.faults.StepDie(key, moment) {
		p.die(string(moment) + " " + key)
		return &died{string(moment) + " " + key}
	}
	return nil
}

// search looks for secrets in everything that the process told anybody.
func (p *process) search(report *release.Report, err error) {
	text, e := json.Marshal(report)
	if e != nil {
		p.trial.fail("the report is JSON", "%s: %v", p.name(), e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words.Write(text)
	if err != nil {
		p.words.WriteString(err.Error())
	}
	for _, problem := range release.Problems(errors.Unwrap(err), "") {
		p.words.WriteString(problem.Detail)
	}
	p.trial.NoSecret(p.name()+"'s words", p.words.String())
}

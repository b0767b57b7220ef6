package trial

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/lie"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
)

// callHeader carries a request's number over the wire, so that the service's side knows who asks.
const callHeader = "Storm-Call"

// call is one request of a process.
type call struct {
	lie.Request
	id      int64
	process *process
	entered time.Time

	arrived atomic.Int32 // net/http repeats a GET whose connection was cut
	trouble atomic.Pointer[string]
}

// name is the call for people.
func (c *call) name() string { return c.Service + " " + c.Op }

// door is the one way out of a process: every request of its clients goes through it.
//
// It gives each request a time on the wire that depends on the seed and on who asks for what alone. Requests that are made
// at the same instant therefore arrive one after the other, in the same order each time: all goroutines of a bubble
// must be blocked before its clock moves on, so that a whole release is a sequence of events although hundreds of
// goroutines take part in it.
type door struct{ p *process }

// send lets a call travel, be answered, and be told.
func (d *door) send(c *call, req *http.Request, body []byte) (*http.Response, error) {
	p, t := d.p, d.p.trial
	t.watchSecrets(c, req)
	sent, err := t.copyRequest(req, body, c.id)
	if err != nil {
		return nil, err
	}
	if resp, told, err := t.lies.Answer(t.World, &c.Request, sent); told {
		t.record(c.entry("a lie"))
		return resp, err
	}
	ctx := req.Context()
	travel := c.travel()
	if err := sleep(ctx, travel); err != nil {
		d.orphan(c, sent, body, travel)
		return nil, err
	}
	resp, err := p.base.RoundTrip(sent)
	if _, dead := p.deadSince(); dead {
		t.record(c.entry("never answered"))
		return resp, err
	}
	if err != nil {
		t.record(c.entry("lost: " + err.Error()))
		return nil, err
	}
	t.record(c.entry(strconv.Itoa(resp.StatusCode)))
	return resp, t.lies.Distort(t.World, &c.Request, resp)
}

// consume reads and closes a request's body.
func consume(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

// copyRequest is the request as it leaves the process.
func (t *Trial) copyRequest(req *http.Request, body []byte, id int64) (*http.Request, error) {
	out := req.Clone(req.Context())
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
		if req.GetBody != nil {
			out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		}
	}
	out.Header.Set(callHeader, strconv.FormatInt(id, 10))
	return out, nil
}

// describe numbers the request and says who asks for what.
func (d *door) describe(req *http.Request, body []byte) *call {
	t := d.p.trial
	c := &call{Request: lie.Request{Run: d.p.number}, process: d.p, entered: time.Now()}
	probe := *req
	if body != nil {
		probe.Body = io.NopCloser(bytes.NewReader(body))
	}
	switch req.URL.Host {
	case world.GitHubHost:
		c.Service, c.Op = fault.GitHub, t.GitHub.Op(&probe)
	case world.IdentityHost:
		c.Service, c.Op = fault.GitHub, githubid.Op(&probe)
	default:
		c.Service, c.Op = strings.TrimSuffix(req.URL.Host, ".test"), registrytwin.Op(&probe)
	}
	t.mu.Lock()
	t.requests++
	c.id = int64(t.requests)
	t.calls[c.id] = c
	t.mu.Unlock()
	if c.Op != "id-token" && c.Op != "exchange" { // several uploads want the next token: which of them asks is the scheduler's choice
		c.Key = d.p.stepOf(req.Context(), c.id)
	}
	return c
}

// travel is how long the request is on the wire: some milliseconds, and now and then seconds.
func (c *call) travel() time.Duration {
	p := c.process
	who := c.Key + "\x00" + c.name()
	p.mu.Lock()
	p.seen[who]++
	n := p.seen[who]
	p.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%d\x00%s\x00%d", p.trial.Scene.Seed, p.number, who, n)
	x := scene.Mix(h.Sum64())
	d := 2*time.Millisecond + time.Duration(x%uint64(38*time.Millisecond))
	if x>>58 == 0 {
		d += time.Duration(x % uint64(4*time.Second))
	}
	return d
}

// orphan decides what becomes of a request whose process ended while it was on the wire: it is lost, or it arrives after
// the process is gone.
func (d *door) orphan(c *call, req *http.Request, body []byte, travel time.Duration) {
	t := d.p.trial
	at, dead := d.p.deadSince()
	if !dead || !c.entered.Before(at) || t.calm.Load() || t.Scene.Dice(100, "late", d.p.number, c.Key, c.name()) >= t.Scene.Late {
		return
	}
	t.mu.Lock()
	t.mishaps["late request"]++
	t.mu.Unlock()
	left := travel - time.Since(c.entered) + time.Duration(t.Scene.Dice(20_000, "late by", d.p.number, c.Key, c.name()))*time.Millisecond
	t.late.Go(func() {
		time.Sleep(left)
		wire := &http.Transport{DialContext: t.network.DialNamed, DisableKeepAlives: true}
		req := req.Clone(context.WithoutCancel(req.Context()))
		if body != nil {
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		resp, err := wire.RoundTrip(req)
		if err != nil {
			t.record(c.entry("arrived late, after its process had died: lost: " + err.Error()))
			return
		}
		_ = resp.Body.Close() // nobody reads it
		t.record(c.entry(fmt.Sprintf("arrived late, after its process had died: %d", resp.StatusCode)))
	})
}

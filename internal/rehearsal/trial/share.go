package trial

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// shared is one request for all who ask the same at the same instant. They cannot be told apart, so which of them would
// arrive first is the scheduler's choice; together they are one event.
type shared struct {
	asked   chan struct{} // closed when there is an answer
	resp    *http.Response
	body    []byte
	broken  error // how reading the body ended, if not well
	err     error
	waiting int
	cancel  context.CancelCauseFunc
}

// RoundTrip implements http.RoundTripper.
func (d *door) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := consume(req)
	if err != nil {
		return nil, err
	}
	// What is cancelled is not counted: whether it gets as far as here is the scheduler's choice.
	ctx := req.Context()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if _, dead := d.p.deadSince(); dead {
		return nil, &died{"before it could ask"} // what a process does whatever happens, it does not do when it was killed
	}
	c := d.describe(req, body)
	if req.Method != http.MethodGet {
		return d.send(c, req, body)
	}
	p := d.p
	what := fmt.Sprint(c.Key, "\x00", c.name(), "\x00", time.Now().UnixNano(), "\x00", req.Header.Get("Authorization"))
	p.mu.Lock()
	s := p.sharing[what]
	if s == nil {
		alone, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		s = &shared{asked: make(chan struct{}), cancel: cancel}
		p.sharing[what] = s
		go s.ask(d, c, req.Clone(alone))
	}
	s.waiting++
	p.mu.Unlock()
	select {
	case <-s.asked:
		return s.answer(req)
	case <-ctx.Done():
	}
	p.mu.Lock()
	s.waiting--
	last := s.waiting == 0
	p.mu.Unlock()
	if last {
		s.cancel(context.Cause(ctx))
	}
	return nil, context.Cause(ctx)
}

// ask sends the request and keeps what comes of it.
func (s *shared) ask(d *door, c *call, req *http.Request) {
	defer close(s.asked)
	if s.resp, s.err = d.send(c, req, nil); s.err != nil {
		return
	}
	s.body, s.broken = io.ReadAll(s.resp.Body)
	_ = s.resp.Body.Close() // it was read as far as it goes
}

// answer is the answer for one of those who asked.
func (s *shared) answer(req *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	resp := *s.resp
	resp.Header, resp.Request = s.resp.Header.Clone(), req
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(s.body), brokenBy{s.broken}))
	return &resp, nil
}

// brokenBy ends a body as it ended on the wire.
type brokenBy struct{ err error }

func (b brokenBy) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

package wire

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Pace bounds what a client sends at once. GitHub asks for at least a second between requests that create content and
// allows 100 concurrent requests for everything that shares the account.
//
// https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
type Pace struct {
	// Concurrent is how many JSON requests may wait for their answer at once, 8 for 0.
	Concurrent int
	// Uploads is how many assets may be in flight at once, 4 for 0. They are counted apart and keep no distance.
	Uploads int
	// WriteEvery is the smallest distance between the starts of two writes. 0 means a second against api.github.com and
	// none elsewhere; a negative value means none.
	WriteEvery time.Duration
}

// kind is what a request is to the transport.
type kind int

const (
	kindJSON kind = iota
	kindUpload
	kindDownload
)

// exchange is what a request's context tells the transport of it: its kind, and whom to tell when it is sent.
type exchange struct {
	kind kind
	sent func()
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

func exchangeOf(ctx context.Context) exchange {
	e, _ := ctx.Value(exchangeKey{}).(exchange)
	return e
}

// transport paces a request, authorises it, and bounds its time and the size of its answer.
type transport struct {
	base    http.RoundTripper
	token   func(context.Context) (secret.Value, error)
	origins []string
	pace    *pacer
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(req)
	if err != nil && req.Body != nil {
		req.Body.Close() // the promise of RoundTripper, also where base was never reached; closing twice is harmless
	}
	return resp, err
}

func (t *transport) roundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !slices.Contains(t.origins, origin(req.URL)) {
		return nil, errHost
	}
	ex := exchangeOf(ctx)
	release, err := t.pace.wait(ctx, ex.kind, req.Method)
	if err != nil {
		return nil, err
	}
	defer release()
	if ex.sent != nil {
		ex.sent()
	}

	cancel := context.CancelFunc(func() {})
	if ex.kind == kindJSON {
		ctx, cancel = context.WithTimeoutCause(ctx, requestTimeout, errSlow)
	}
	req = req.Clone(ctx)
	req.Header.Del("Authorization")
	if t.token != nil {
		token, err := t.token(ctx)
		if err != nil {
			cancel()
			return nil, &tokenError{err}
		}
		if !token.IsZero() {
			req.Header.Set("Authorization", "Bearer "+token.Reveal())
		}
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(ctx); cause == errSlow {
			err = cause
		}
		cancel()
		return nil, err
	}
	limit := int64(answerLimit)
	if ex.kind == kindDownload && resp.StatusCode == http.StatusOK {
		limit = -1
	}
	resp.Body = &answer{ReadCloser: resp.Body, ctx: ctx, left: limit, limited: limit >= 0, done: cancel}
	return resp, nil
}

// answer is a response body that ends with ErrTooLarge instead of filling the memory. It lives for one exchange, which
// is why it may hold the exchange's context.
type answer struct {
	io.ReadCloser
	ctx     context.Context
	left    int64
	limited bool
	done    context.CancelFunc
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && err != io.EOF && context.Cause(a.ctx) == errSlow {
		err = errSlow
	}
	if !a.limited {
		return n, err
	}
	if a.left -= int64(n); a.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

func (a *answer) Close() error {
	defer a.done()
	return a.ReadCloser.Close()
}

// pacer bounds concurrency and keeps a distance between writes. Time is package time, virtual under testing/synctest.
type pacer struct {
	slots   chan struct{}
	uploads chan struct{}
	every   time.Duration
	writer  chan struct{} // held by the one write whose turn is next
	next    time.Time     // when the next write may start; belongs to the holder of writer
}

func newPacer(p Pace, public bool) *pacer {
	if p.Concurrent <= 0 {
		p.Concurrent = 8
	}
	if p.Uploads <= 0 {
		p.Uploads = 4
	}
	if p.WriteEvery == 0 && public {
		p.WriteEvery = time.Second
	}
	return &pacer{
		slots: make(chan struct{}, p.Concurrent), uploads: make(chan struct{}, p.Uploads),
		every: p.WriteEvery, writer: make(chan struct{}, 1),
	}
}

// wait returns when the request may be sent, with the function to call once its answer has begun.
func (p *pacer) wait(ctx context.Context, k kind, method string) (release func(), err error) {
	lane := p.slots
	if k == kindUpload {
		lane = p.uploads
	}
	write := k != kindUpload && method != http.MethodGet && method != http.MethodHead && p.every > 0
	if write {
		if err := enter(ctx, p.writer); err != nil {
			return nil, err
		}
		defer func() { <-p.writer }()
	}
	if err := enter(ctx, lane); err != nil {
		return nil, err
	}
	release = func() { <-lane }
	if !write {
		return release, nil
	}
	// The slot is taken before the distance is kept: the other way round, writes that waited for slots could start
	// together. Only one write at a time waits here, so the reads keep the other slots.
	if err := sleep(ctx, time.Until(p.next)); err != nil {
		release()
		return nil, err
	}
	p.next = time.Now().Add(p.every)
	return release, nil
}

func enter(ctx context.Context, lane chan struct{}) error {
	select {
	case lane <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// baseTransport returns the transport of h, or one of our own: the standard one, but with bounds on what a silent
// server can hold up, and with as many idle connections as a client uses at once.
func baseTransport(h *http.Client) http.RoundTripper {
	if h != nil && h.Transport != nil {
		return h.Transport
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

package wire

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v62/github"
)

// Upload is a stream to send. Template is the upload_url of a release, Name what the file shall be called. Open is
// called once and must give exactly Size bytes. Type is "application/octet-stream" for "". Progress, if not nil, is
// called with the bytes read so far, from one goroutine at a time and never after Client.Upload has returned. The answer
// is decoded into Out.
type Upload struct {
	Op       string
	Template string
	Name     string
	Type     string
	Size     int64
	Open     func() (io.ReadCloser, error)
	Progress func(n int64)
	Out      any
}

// Upload sends a stream once and keeps nothing of it in memory. An error of Open or of the stream itself comes back as it
// is, without a Class.
func (c *Client) Upload(ctx context.Context, u Upload) error {
	target, err := c.uploadTarget(u.Template, u.Name)
	if err != nil {
		return &Error{Op: u.Op + " in " + c.slug, Class: Refused, Err: err}
	}
	file, err := u.Open()
	if err != nil {
		return fmt.Errorf("%s: open: %w", u.Op, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	src := newStream(cancel)
	src.src, src.size, src.progress = file, u.Size, u.Progress
	defer src.stop()
	ctx = withExchange(ctx, exchange{kindUpload, src.start})

	gh := c.github()
	var from io.Reader = src
	if u.Size == 0 {
		from = http.NoBody // a length of 0 with a body would be sent in chunks
	}
	req, err := gh.NewUploadRequest(target, from, u.Size, u.Type)
	if err != nil {
		return fmt.Errorf("%s: %w", u.Op, err)
	}
	resp, err := gh.Do(ctx, req, u.Out)
	if err == nil && src.failure() == nil {
		return nil
	}
	return c.uploadFailed(ctx, u.Op, src, resp, err)
}

func (c *Client) uploadFailed(ctx context.Context, op string, src *stream, resp *github.Response, err error) error {
	if local := src.failure(); local != nil {
		return fmt.Errorf("%s: read: %w", op, local)
	}
	if resp != nil && resp.Response != nil {
		return c.fail(ctx, op, resp.Response, err)
	}
	if context.Cause(ctx) == errStalled {
		return &Error{Op: op + " in " + c.slug, Class: Transient, Err: errStalled}
	}
	return c.fail(ctx, op, nil, err)
}

// uploadTarget fills in the template "https://uploads.github.com/.../assets{?name,label}".
func (c *Client) uploadTarget(template, name string) (string, error) {
	base, _, _ := strings.Cut(template, "{")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("release has no usable upload address: %q", clean(template, 200))
	}
	if !slices.Contains(c.origins, origin(u)) {
		return "", fmt.Errorf("release wants uploads at %s, want %s: %w", origin(u), strings.Join(c.origins, " or "), errHost)
	}
	u.RawQuery = url.Values{"name": {name}}.Encode()
	u.User, u.Fragment = nil, ""
	return u.String(), nil
}

// Download opens the bytes that an API path stands for. GitHub redirects to a storage host, which gets no token. A
// broken connection is an error of Read, of class Transient.
func (c *Client) Download(ctx context.Context, op, path string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	src := newStream(cancel)
	ctx = withExchange(ctx, exchange{kindDownload, src.start})
	resp, err := c.openDownload(ctx, op, path)
	if err != nil {
		src.stop()
		stalled := context.Cause(ctx) == errStalled
		cancel(nil)
		if stalled {
			return nil, &Error{Op: op + " in " + c.slug, Class: Transient, Err: errStalled}
		}
		return nil, err
	}
	src.attach(resp.Body)
	return &download{stream: src, ctx: ctx, cancel: cancel, op: op + " in " + c.slug}, nil
}

func (c *Client) openDownload(ctx context.Context, op, path string) (*http.Response, error) {
	req, err := c.github().NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	req.Header.Set("Accept", "application/octet-stream")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, c.fail(ctx, op, nil, err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		resp.Body.Close()
		if resp, err = c.openStorage(ctx, resp); err != nil {
			return nil, c.fail(ctx, op, nil, err)
		}
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, c.fail(ctx, op, resp, nil)
	}
	return resp, nil
}

// openStorage follows a redirect away from the API with a request that carries nothing of ours.
func (c *Client) openStorage(ctx context.Context, from *http.Response) (*http.Response, error) {
	where, err := from.Location()
	if err != nil {
		return nil, fmt.Errorf("%w: no Location", errRedirect)
	}
	if err := c.storageScheme(where); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	return c.plain.Do(req)
}

// download is the body of a download. Its context is that of the exchange it belongs to.
type download struct {
	*stream
	ctx    context.Context
	cancel context.CancelCauseFunc
	op     string
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.stream.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case context.Cause(d.ctx) == errStalled:
		return n, &Error{Op: d.op, Class: Transient, Err: errStalled}
	}
	return n, failedExchange(d.ctx, d.op, err)
}

func (d *download) Close() error {
	d.stop()
	d.cancel(nil)
	return nil
}

// stream passes bytes on, counts them, and cancels the exchange when none moved for stallTimeout. The transport may still
// be reading in another goroutine when the exchange is over, so stop ends it under the lock that progress runs under, and
// leaves closing the source to a Read that is under way.
type stream struct {
	cancel   context.CancelCauseFunc
	size     int64 // what the source must give, -1 for whatever it has
	progress func(int64)

	mu      sync.Mutex
	timer   *time.Timer
	src     io.ReadCloser
	n       int64
	err     error
	reading bool
	stopped bool
}

func newStream(cancel context.CancelCauseFunc) *stream { return &stream{cancel: cancel, size: -1} }

// start begins to watch. It is called when the request is sent: waiting for one's turn is no stall.
func (s *stream) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil && !s.stopped {
		s.timer = time.AfterFunc(stallTimeout, func() { s.cancel(errStalled) })
	}
}

func (s *stream) attach(src io.ReadCloser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.src = src
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	src, stopped := s.src, s.stopped
	s.reading = !stopped
	s.mu.Unlock()
	if stopped {
		return 0, io.ErrClosedPipe
	}
	n, err := src.Read(p)
	if err == nil && s.size >= 0 && s.n+int64(n) == s.size {
		// The transport stops reading here, so whether the source has more must be asked before the last bytes leave.
		var more [1]byte
		var extra int
		extra, err = io.ReadFull(src, more[:])
		n += extra
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	if s.stopped {
		src.Close()
		return n, io.ErrClosedPipe
	}
	s.n += int64(n)
	switch {
	case s.size >= 0 && s.n > s.size:
		n, err = 0, fmt.Errorf("got %d bytes or more, want %d", s.n, s.size)
	case s.size >= 0 && s.n < s.size && err == io.EOF:
		n, err = 0, fmt.Errorf("got %d bytes, want %d", s.n, s.size)
	}
	if err != nil && err != io.EOF {
		s.err = err
		return n, err
	}
	if n > 0 {
		if s.timer != nil {
			s.timer.Reset(stallTimeout)
		}
		if s.progress != nil {
			s.progress(s.n)
		}
	}
	return n, err
}

// Close leaves the source open: the transport closes what it sends, while the source is ours to close in stop.
func (s *stream) Close() error { return nil }

// failure returns the first error of the source.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// stop ends progress and closes the source.
func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if !s.stopped && !s.reading && s.src != nil {
		s.src.Close()
	}
	s.stopped = true
}

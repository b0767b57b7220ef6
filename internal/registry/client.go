package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Options wires a Client. The zero value reads anonymously through a transport of its own.
type Options struct {
	HTTP *http.Client // its transport and jar are used; redirects and deadlines are the Client's own
	// Token returns the value of the Authorization header, scheme included. It is asked once per request, so that it may
	// mint or renew; a zero value means that there is none.
	Token     func(context.Context) (secret.Value, error)
	UserAgent string // default "tagboat"
	// Warn gets sentences that a person should see, such as a token with a line break at its end. May be nil.
	Warn func(string)
	// Progress gets the bytes of an upload as they leave, under the context of the Publish call. May be nil.
	Progress func(ctx context.Context, done, total int64)
}

const (
	metaTimeout  = 60 * time.Second // index, configuration, small API calls
	maxRedirects = 5
	maxAnswer    = 1 << 20  // API answers
	maxConfig    = 64 << 10 // config.json
	maxIndex     = 64 << 20 // one crate's index file
	uploadFloor  = 32 << 10 // bytes per second below which an upload or download is given up
)

// Client is bound to one registry. It is safe for concurrent use.
type Client struct {
	registry Registry
	options  Options
	http     *http.Client

	mu     sync.Mutex
	config *Config
	cache  map[string]cached
}

// NewClient returns a client for r.
func NewClient(r Registry, o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "tagboat"
	}
	base := http.Client{}
	if o.HTTP != nil {
		base = *o.HTTP
	}
	if base.Transport == nil {
		base.Transport = newTransport()
	}
	base.Timeout = 0
	// Redirects are followed by hand: net/http hands the Authorization header on to other ports and to subdomains.
	base.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.URL = withSlash(r.URL)
	return &Client{registry: r, options: o, http: &base, cache: map[string]cached{}}
}

func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 3 * time.Minute,
		ExpectContinueTimeout: 2 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     true,
	}
}

// Registry returns the registry that the client was made for.
func (c *Client) Registry() Registry { return c.registry }

// CleanToken prepares a token for use as an Authorization header: blanks and line breaks around it, which editors and
// `echo` leave in secrets, are cut off with a warning for people; anything else that a header cannot carry is an error.
// Neither text shows the token.
func CleanToken(token string) (value secret.Value, warning string, err error) {
	clean := strings.Trim(token, " \t\r\n")
	if clean == "" {
		return secret.Value{}, "", errors.New("the token is empty")
	}
	for i := 0; i < len(clean); i++ {
		if b := clean[i]; (b < 0x20 || b > 0x7e) && b != '\t' {
			return secret.Value{}, "", fmt.Errorf("the token has a character that a header cannot carry (byte %d of %d)", i+1, len(clean))
		}
	}
	if clean != token {
		warning = "the token has blanks or line breaks around it, which were cut off; store it without them"
	}
	return secret.New(clean), warning, nil
}

// token returns the token to send, or a zero value where there is none.
func (c *Client) token(ctx context.Context) (secret.Value, error) {
	if c.options.Token == nil {
		return secret.Value{}, nil
	}
	v, err := c.options.Token(ctx)
	if err != nil || v.IsZero() {
		return secret.Value{}, err
	}
	clean, warning, err := CleanToken(v.Reveal())
	if err != nil {
		return secret.Value{}, err
	}
	if warning != "" && c.options.Warn != nil {
		c.options.Warn(fmt.Sprintf("registry %s: %s", c.registry.Name, warning))
	}
	return clean, nil
}

// call is one request as its maker thinks of it; do turns it into requests on the wire.
type call struct {
	op      string // for errors: "publish demo 1.0.0"
	method  string
	url     string
	token   secret.Value
	header  http.Header
	body    io.Reader
	length  int64
	timeout time.Duration
	write   bool // may have changed the registry even when it fails
	limit   int64
}

// do sends the call and returns the answer, its body unread. GET follows redirects, without the token once the origin
// changes and never from https to http; other methods do not. The cancel function ends the call's deadline and must be
// called after the body was read.
func (c *Client) do(ctx context.Context, k call) (*http.Response, context.CancelFunc, error) {
	limited, cancel := context.WithTimeout(ctx, k.timeout)
	resp, err := c.follow(limited, k)
	if err != nil {
		cancel()
		return nil, nil, c.transportError(ctx, k, err)
	}
	return resp, cancel, nil
}

func (c *Client) follow(ctx context.Context, k call) (*http.Response, error) {
	at, err := url.Parse(k.url)
	if err != nil {
		return nil, err
	}
	origin := originOf(at)
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, k.method, at.String(), nil)
		if err != nil {
			return nil, err
		}
		if k.header != nil {
			req.Header = k.header.Clone()
		}
		if k.body != nil {
			req.Body, req.ContentLength = io.NopCloser(k.body), k.length
		}
		req.Header.Set("User-Agent", c.options.UserAgent)
		if !k.token.IsZero() && originOf(at) == origin {
			req.Header.Set("Authorization", k.token.Reveal())
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, err
		}
		next, redirected := redirectOf(resp, at)
		if !redirected || k.method != http.MethodGet {
			return resp, nil
		}
		resp.Body.Close()
		if hop == maxRedirects {
			return nil, &finalError{fmt.Sprintf("more than %d redirects", maxRedirects)}
		}
		if at.Scheme == "https" && next.Scheme != "https" {
			return nil, &finalError{fmt.Sprintf("redirected from https to %s://%s", next.Scheme, next.Host)}
		}
		at = next
	}
}

func redirectOf(resp *http.Response, at *url.URL) (*url.URL, bool) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false
	}
	next, err := at.Parse(resp.Header.Get("Location"))
	if err != nil || next.Host == "" || next.Scheme != "http" && next.Scheme != "https" {
		return nil, false
	}
	return next, true
}

// originOf returns what may see a token that was meant for u: scheme, host and port.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// read sends a call and returns status, headers and at most limit bytes of body; more is an error.
func (c *Client) read(ctx context.Context, k call) (*http.Response, []byte, error) {
	resp, cancel, err := c.do(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	defer cancel()
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, k.limit+1))
	if err != nil {
		return nil, nil, c.transportError(ctx, k, err)
	}
	if int64(len(body)) > k.limit {
		return nil, nil, &Error{Registry: c.registry.Name, Op: k.op, Status: resp.StatusCode, Class: Refused,
			Detail: fmt.Sprintf("the answer is larger than %d bytes", k.limit), Unclear: k.write}
	}
	return resp, body, nil
}

// deadline returns how long a transfer of size bytes may take.
func deadline(size int64) time.Duration {
	return 3*time.Minute + time.Duration(size/uploadFloor)*time.Second
}

// Package wire makes single HTTP calls to a cargo registry: bounds on time and size, redirects that never take the token
// to another origin, and errors that are classified from the answer.
package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

const maxRedirects = 5

// Client makes calls to one registry. It is safe for concurrent use.
type Client struct {
	registry  string
	userAgent string
	http      *http.Client
}

// New returns a client that names the registry in its errors. The transport and jar of base are used; redirects and
// deadlines are the Client's own. base may be nil.
func New(registry, userAgent string, base *http.Client) *Client {
	own := http.Client{}
	if base != nil {
		own = *base
	}
	if own.Transport == nil {
		own.Transport = newTransport()
	}
	own.Timeout = 0
	// Redirects are followed by hand: net/http hands the Authorization header on to other ports and to subdomains.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{registry: registry, userAgent: userAgent, http: &own}
}

func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 3 * time.Minute,
		ExpectContinueTimeout: 2 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   64, // as many as are in flight; a closed one costs the next call three round trips
		ForceAttemptHTTP2:     true,
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			switch s := resp.StatusCode; {
			case s == http.StatusOK:
				return nil
			case s >= 500:
				return fmt.Errorf("the proxy %s has no connection to the registry (status %d)", proxy.Host, s)
			default:
				return Final(fmt.Sprintf("the proxy %s refused the connection to the registry (status %d)", proxy.Host, s))
			}
		},
	}
}

// Call is one request as its maker thinks of it; Do turns it into requests on the wire.
type Call struct {
	Op      string // for errors: "publish demo 1.0.0"
	Method  string
	URL     string
	Token   secret.Value
	Header  http.Header
	Body    io.Reader
	Length  int64
	Timeout time.Duration
	Write   bool  // may have changed the registry even when it fails
	Limit   int64 // most bytes of an answer that Read takes
}

// Do sends the call and returns the answer, its body unread. GET follows redirects, without the token once the origin
// changes and never from https to http; other methods do not. The cancel function ends the call's deadline and must be
// called after the body was read.
func (c *Client) Do(ctx context.Context, k Call) (*http.Response, context.CancelFunc, error) {
	limited, cancel := context.WithTimeout(ctx, k.Timeout)
	resp, err := c.follow(limited, k)
	if err != nil {
		cancel()
		return nil, nil, c.TransportError(ctx, k, err)
	}
	return resp, cancel, nil
}

func (c *Client) follow(ctx context.Context, k Call) (*http.Response, error) {
	at, err := url.Parse(k.URL)
	if err != nil {
		return nil, err
	}
	origin := originOf(at)
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, k.Method, at.String(), nil)
		if err != nil {
			return nil, err
		}
		if k.Header != nil {
			req.Header = k.Header.Clone()
		}
		if k.Body != nil {
			req.Body, req.ContentLength = io.NopCloser(k.Body), k.Length
		}
		req.Header.Set("User-Agent", c.userAgent)
		if !k.Token.IsZero() && originOf(at) == origin {
			req.Header.Set("Authorization", k.Token.Reveal())
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, err
		}
		next, redirected := redirectOf(resp, at)
		if !redirected || k.Method != http.MethodGet {
			return resp, nil
		}
		resp.Body.Close()
		if hop == maxRedirects {
			return nil, Final(fmt.Sprintf("more than %d redirects", maxRedirects))
		}
		if at.Scheme == "https" && next.Scheme != "https" {
			return nil, Final(fmt.Sprintf("redirected from https to %s://%s", next.Scheme, next.Host))
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
	next.User = nil // whoever redirects chooses no credentials either
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

// Read sends a call and returns status, headers and at most Limit bytes of body; more is an error.
func (c *Client) Read(ctx context.Context, k Call) (*http.Response, []byte, error) {
	resp, cancel, err := c.Do(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	defer cancel()
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, k.Limit+1))
	if err != nil {
		return nil, nil, c.TransportError(ctx, k, err)
	}
	if int64(len(body)) > k.Limit {
		return nil, nil, &Error{Registry: c.registry, Op: k.Op, Status: resp.StatusCode, Class: Refused,
			Detail: fmt.Sprintf("the answer is larger than %d bytes", k.Limit), Unclear: k.Write}
	}
	return resp, body, nil
}

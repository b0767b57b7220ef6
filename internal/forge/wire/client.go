// Package wire is how a request reaches GitHub and comes back: authorisation, redirects, pace, limits on time and size,
// streams, and the classes of errors. It knows the shape of requests and errors, and no operation of the API.
//
// https://docs.github.com/en/rest/using-the-rest-api
package wire

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/secret"
)

// Options says which repository on which GitHub, and how to reach it.
type Options struct {
	// APIURL is what GitHub Actions calls GITHUB_API_URL: "https://api.github.com" (also for ""),
	// "https://HOST/api/v3" of an Enterprise Server, or an embedded server on loopback. Plain http is accepted only for
	// loopback addresses and for names that are reserved for tests.
	APIURL string
	// UploadURL is the origin that release assets may be uploaded to. "" stands for https://uploads.github.com with
	// api.github.com, uploads.NAME.ghe.com with api.NAME.ghe.com, and the API's own origin with every other host.
	UploadURL string
	// Owner and Repo name the repository.
	Owner, Repo string
	// Token returns the token for one request. It is called for each, so a token may be renewed at any time. A nil func
	// or a zero value means an anonymous request.
	Token func(context.Context) (secret.Value, error)
	// HTTP gives the transport (nil: a transport of its own that honours the proxy variables). Its timeout, cookie jar and
	// redirect policy are not used.
	HTTP *http.Client
	// UserAgent is what the requests call themselves, "tagboat" for "".
	UserAgent string
	// Pace bounds what is sent at once; the zero value is right.
	Pace Pace
}

// Client is bound to one repository. It is safe for concurrent use.
type Client struct {
	slug    string // owner/name, for messages
	root    string // "repos/owner/name"
	api     *url.URL
	origins []string // where the token may go
	agent   string
	http    *http.Client // with token, pace, limits
	plain   *http.Client // without token: redirect targets
}

var nameOK = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// New returns a client. The error is about the options; nothing is sent.
func New(o Options) (*Client, error) {
	for _, n := range []string{o.Owner, o.Repo} {
		if !nameOK.MatchString(n) || n == "." || n == ".." {
			return nil, fmt.Errorf("GitHub client: repository %q: want owner and name of letters, digits, '-', '_' and '.'", o.Owner+"/"+o.Repo)
		}
	}
	if o.APIURL == "" {
		o.APIURL = "https://api.github.com"
	}
	api, err := parseBase(o.APIURL)
	if err != nil {
		return nil, fmt.Errorf("GitHub client: API address: %w", err)
	}
	uploads := defaultUploads(api)
	if o.UploadURL != "" {
		if uploads, err = parseBase(o.UploadURL); err != nil {
			return nil, fmt.Errorf("GitHub client: upload address: %w", err)
		}
	}
	c := &Client{
		slug: o.Owner + "/" + o.Repo, root: "repos/" + o.Owner + "/" + o.Repo,
		api: api, origins: []string{origin(api), origin(uploads)}, agent: o.UserAgent,
	}
	if c.agent == "" {
		c.agent = "tagboat"
	}
	base := baseTransport(o.HTTP)
	c.plain = &http.Client{Transport: base, CheckRedirect: c.storageRedirect}
	c.http = &http.Client{
		Transport:     &transport{base: base, token: o.Token, origins: c.origins, pace: newPacer(o.Pace, api.Host == "api.github.com")},
		CheckRedirect: c.apiRedirect,
	}
	return c, nil
}

// Slug returns "owner/name" as the client was given it.
func (c *Client) Slug() string { return c.slug }

// parseBase accepts an absolute http(s) URL without credentials, query and fragment and returns it with one trailing
// slash.
func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("want an absolute http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: want no credentials, query or fragment", u.Host)
	}
	if u.Scheme == "http" && !localHost(u.Hostname()) {
		return nil, fmt.Errorf("%s: want https, since a token is sent there", u.Host)
	}
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	u.RawPath = ""
	return u, nil
}

// localHost reports whether traffic to host stays on this machine or cannot leave it (RFC 6761 names).
func localHost(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	if host == "localhost" {
		return true
	}
	for _, suffix := range []string{".localhost", ".test", ".invalid", ".example"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

func defaultUploads(api *url.URL) *url.URL {
	u := *api
	u.Path = "/"
	if rest, ok := strings.CutPrefix(u.Host, "api."); ok && (rest == "github.com" || strings.HasSuffix(rest, ".ghe.com")) {
		u.Host = "uploads." + rest
	}
	return &u
}

func origin(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }

// apiRedirect follows what GitHub answers for a renamed repository, within the API's own origin only and only where
// the method stays the same: a POST that turns into a GET would look like success.
//
// https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
func (c *Client) apiRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 3 || req.Method != via[0].Method || !slices.Contains(c.origins, origin(req.URL)) || exchangeOf(req.Context()).kind == kindDownload {
		return http.ErrUseLastResponse
	}
	return nil
}

// storageRedirect keeps downloads from leaving https.
func (c *Client) storageRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 5 {
		return fmt.Errorf("%w: more than 5 in a row", errRedirect)
	}
	return c.storageScheme(req.URL)
}

func (c *Client) storageScheme(u *url.URL) error {
	if u.Scheme == "https" || (u.Scheme == "http" && c.api.Scheme == "http") {
		return nil
	}
	return fmt.Errorf("%w: to %s, want https", errRedirect, u.Scheme)
}

// Root returns "repos/owner/name", the start of most paths.
func (c *Client) Root() string { return c.root }

// Call is one JSON request. Op is the operation with its nouns, for errors. Path is relative to the API address and
// escaped. Body and Out, if not nil, are encoded and decoded as JSON. Create says that Path names no object of its own,
// so that a 404 is a lack of permission.
type Call struct {
	Op     string
	Method string
	Path   string
	Query  url.Values
	Body   any
	Out    any
	Create bool
}

// Do sends r and decodes the answer into r.Out. The response is nil where none arrived; its body is consumed.
func (c *Client) Do(ctx context.Context, r Call) (*github.Response, error) {
	path := r.Path
	if len(r.Query) > 0 {
		path += "?" + r.Query.Encode()
	}
	gh := c.github()
	req, err := gh.NewRequest(r.Method, path, r.Body)
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", r.Op, c.slug, err)
	}
	resp, err := gh.Do(ctx, req, r.Out)
	if err == nil {
		return resp, nil
	}
	var raw *http.Response
	if resp != nil {
		raw = resp.Response
	}
	err = c.fail(ctx, r.Op, raw, err)
	if e, ok := err.(*Error); ok && r.Create && e.Status == http.StatusNotFound {
		e.Class = Denied
	}
	return resp, err
}

// github returns a new go-github client over the shared connections. go-github remembers rate limits per client and
// then answers by itself instead of sending; that memory outlives a renewed token and is no answer of GitHub, so each
// request gets a client without memories.
func (c *Client) github() *github.Client {
	gh := github.NewClient(c.http)
	gh.BaseURL = c.api
	gh.UserAgent = c.agent
	return gh
}

// Segments escapes each part of a slash-separated path or ref name and keeps the slashes, as GitHub's description of
// these parameters wants it.
func Segments(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// Malformed is the error for an answer with a good status that lacks what it must have.
func (c *Client) Malformed(op, what string) error {
	return c.Refuse(op, "unexpected answer: "+what)
}

// Refuse is the error for what is not worth sending, or for an answer that is complete and yet no result.
func (c *Client) Refuse(op, why string) error {
	return &Error{Op: op + " in " + c.slug, Class: Refused, Message: why}
}

const page = 100

// Pages calls fetch for each page until there is none: fetch returns what go-github read from the Link header.
//
// https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
func Pages(fetch func(q url.Values) (*github.Response, error)) error {
	for n := 1; n != 0; {
		resp, err := fetch(url.Values{"per_page": {fmt.Sprint(page)}, "page": {fmt.Sprint(n)}})
		if err != nil {
			return err
		}
		if resp.NextPage != 0 && resp.NextPage <= n {
			return &Error{Op: "list", Class: Refused, Message: fmt.Sprintf("unexpected answer: page %d names page %d as the next", n, resp.NextPage)}
		}
		n = resp.NextPage
	}
	return nil
}

// requestTimeout bounds one JSON exchange from the moment it is sent to the last byte of its answer; streams are
// bounded by stallTimeout instead.
const (
	requestTimeout = time.Minute
	stallTimeout   = 2 * time.Minute
	answerLimit    = 32 << 20
)

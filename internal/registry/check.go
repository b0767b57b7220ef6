package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// Known is what could be found out without changing anything.
type Known string

// The answers of a check.
const (
	Yes     Known = "yes"
	No      Known = "no"
	Unknown Known = "unknown"
)

// Access is what a registry lets this client do, as far as can be known beforehand.
type Access struct {
	Reachable    bool
	AuthRequired bool
	Token        bool // one is configured, good or bad
	Trusted      bool // crates that exist go by trusted publishing, which needs none
	Read         Known
	Publish      Known
	Unpaced      bool      // the registry's limits do not hold for this token
	Expires      time.Time // when the token says that it stops being good; zero where it does not say
	Detail       []string  // sentences for people: what is missing, what could not be known, what to mind
}

// Check finds out whether the registry answers and what it lets the token do. It asks nothing that could change the
// registry: reading requests, and where the kind of registry is known to refuse it harmlessly, an upload of nothing. A
// registry that cannot be reached is an error that may be retried; a token that is refused is an answer.
func (c *Client) Check(ctx context.Context) (Access, error) {
	a := Access{Read: Unknown, Publish: Unknown}
	token, err := c.Token(ctx)
	if err != nil {
		return Access{}, fmt.Errorf("check registry %s: token: %w", c.registry.Name, err)
	}
	a.Token, a.Trusted, a.Unpaced = !token.IsZero(), c.options.Trusted != nil, trusted(token)
	if at, says := kind.Expiry(token); says {
		a.Expires = at
		if !time.Now().Before(at) {
			a.Detail = append(a.Detail, "the token stopped being good at "+at.Format(minutes))
		}
	}
	if strings.HasPrefix(c.registry.URL, "http:") {
		a.Detail = append(a.Detail, "the registry is spoken to over http: the token can be read on the way")
	}
	config, usedToken, err := c.fetchConfig(ctx)
	var answer *Error
	switch {
	case err == nil:
	case errors.As(err, &answer) && answer.Class == Denied:
		a.Reachable, a.AuthRequired, a.Read, a.Publish = true, true, No, No
		a.Detail = append(a.Detail, deniedSentence(token.IsZero(), answer, c.registry.Kind))
		return a, nil
	default:
		return Access{}, err
	}
	a.Reachable, a.AuthRequired, a.Read = true, config.AuthRequired || usedToken, Yes
	switch {
	case config.API == "":
		a.Publish = No
		a.Detail = append(a.Detail, "the registry takes no uploads: its config.json names no api")
	case token.IsZero() && a.Trusted:
		a.Detail = append(a.Detail, "crates go by trusted publishing; whether each of them is registered for it shows at the first upload")
	case token.IsZero():
		a.Publish = No
		a.Detail = append(a.Detail, "no token is configured; uploads need "+c.registry.Kind.Traits().TokenForm)
	default:
		var sentence string
		a.Publish, sentence = c.probe(ctx, config, token, usedToken)
		a.Detail = append(a.Detail, sentence)
	}
	if config.AuthRequired && (token.IsZero() || a.Publish == No && !usedToken) {
		a.Read = No
	}
	return a, nil
}

const minutes = "2006-01-02 15:04 UTC"

// probe asks what the token may do, as far as that can be asked of this kind of registry. read: the token was good for
// reading already.
func (c *Client) probe(ctx context.Context, config Config, token secret.Value, read bool) (Known, string) {
	probe := c.registry.Kind.Traits().Probe
	switch {
	case probe == kind.ProbeFollowing:
		return c.probeToken(ctx, config, token)
	case probe == kind.ProbeUpload, probe == kind.ProbeToken:
		return c.probeUpload(ctx, config, token, read)
	case read:
		return Unknown, "the token may read; whether it may publish shows at the first upload"
	}
	// Nothing was asked with the token yet. Many registries refuse a wrong one even where reading needs none.
	k := wire.Call{Op: "check the token", Method: http.MethodGet, URL: c.registry.URL + "config.json", Token: token, Timeout: metaTimeout, Limit: maxConfig}
	resp, answer, err := c.wire.Read(ctx, k)
	if err == nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
		return No, deniedSentence(false, c.wire.StatusError(k, resp, answer), c.registry.Kind)
	}
	if config.AuthRequired {
		return Unknown, "the token was not refused; whether it may publish shows at the first upload"
	}
	return Unknown, "reading needs no token, so nothing tells whether the token may publish before the first upload"
}

// probeUpload uploads nothing: a request without a body, in which there is no crate to create. Gitea looks at the token's
// scope and its owner's rights first (routers/api/packages/api.go), kellnr at the token alone (crates/registry: the Token
// comes before the PubData); both then refuse the empty body with 400.
func (c *Client) probeUpload(ctx context.Context, config Config, token secret.Value, read bool) (Known, string) {
	k := wire.Call{Op: "ask whether the token may publish", Method: http.MethodPut, URL: config.API + "/api/v1/crates/new",
		Token: token, Header: http.Header{"Accept": {"application/json"}}, Timeout: metaTimeout, Limit: maxAnswer}
	resp, answer, err := c.wire.Read(ctx, k)
	if err != nil {
		return Unknown, "whether the token may publish could not be asked: " + err.Error()
	}
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		refusal := c.wire.StatusError(k, resp, answer)
		if read {
			return No, fmt.Sprintf("the token may read and not publish (status %d); it must be %s", s, c.registry.Kind.Traits().TokenForm)
		}
		return No, deniedSentence(false, refusal, c.registry.Kind)
	case s != http.StatusBadRequest:
		return Unknown, fmt.Sprintf("whether the token may publish could not be asked: status %d", s)
	case c.registry.Kind.Traits().Probe == kind.ProbeToken:
		return Unknown, "the token is valid; whether it may publish shows at the first upload"
	}
	return Yes, "the token may publish"
}

// trustedPrefix marks the short-lived tokens of trusted publishing; they are good for uploads alone.
const trustedPrefix = "cio_tp_"

// trusted reports whether a token is one of trusted publishing. crates.io counts uploads by user, and such a token has
// none (src/rate_limiter.rs, src/controllers/krate/publish.rs).
func trusted(token secret.Value) bool {
	return strings.HasPrefix(strings.TrimPrefix(token.Reveal(), "Bearer "), trustedPrefix)
}

// probeToken asks crates.io for the crates that the token's account follows, the one reading request that takes an API
// token and changes nothing. A token without scopes gets an answer; one with scopes is refused by name, after its
// validity was checked.
func (c *Client) probeToken(ctx context.Context, config Config, token secret.Value) (Known, string) {
	if trusted(token) {
		return Unknown, "the token is one of trusted publishing, which shows what it may do at the first upload"
	}
	k := wire.Call{Op: "check the token", Method: http.MethodGet, URL: config.API + "/api/v1/crates?following=1&per_page=1",
		Token: token, Header: http.Header{"Accept": {"application/json"}}, Timeout: metaTimeout, Limit: maxAnswer}
	resp, answer, err := c.wire.Read(ctx, k)
	switch {
	case err != nil:
		return Unknown, "whether the token is valid could not be asked: " + err.Error()
	case resp.StatusCode == http.StatusOK:
		return Yes, "the token is valid and not limited; it may publish what its account owns, and new crates"
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
	default:
		return Unknown, fmt.Sprintf("whether the token is valid could not be asked: status %d", resp.StatusCode)
	}
	refusal := c.wire.StatusError(k, resp, answer)
	if resp.StatusCode == http.StatusUnauthorized || strings.Contains(refusal.Detail, "authentication failed") {
		return No, deniedSentence(false, refusal, c.registry.Kind)
	}
	return Unknown, "the token is limited to some uses; whether publishing is among them shows at the first upload"
}

func deniedSentence(noToken bool, e *Error, of Kind) string {
	if noToken {
		return "reading needs a token and none is configured; it is " + of.Traits().TokenForm
	}
	s := fmt.Sprintf("the registry refused the token (status %d); it wants %s", e.Status, of.Traits().TokenForm)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

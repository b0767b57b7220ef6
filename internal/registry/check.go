package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

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
	Detail       []string // sentences for people: what is missing, what could not be known, what to mind
}

// Check finds out whether the registry answers and what it lets the token do, with reading requests only. A registry
// that cannot be reached is an error that may be retried; a token that is refused is an answer.
func (c *Client) Check(ctx context.Context) (Access, error) {
	a := Access{Read: Unknown, Publish: Unknown}
	token, err := c.token(ctx)
	if err != nil {
		return Access{}, fmt.Errorf("check registry %s: token: %w", c.registry.Name, err)
	}
	a.Token, a.Trusted = !token.IsZero(), c.options.Trusted != nil
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
	case c.registry.Kind == KindCratesIO:
		var sentence string
		a.Publish, sentence = c.probeToken(ctx, config, token)
		a.Detail = append(a.Detail, sentence)
	case a.AuthRequired:
		a.Detail = append(a.Detail, "the token may read; whether it may publish shows at the first upload")
	default:
		a.Detail = append(a.Detail, "reading needs no token, so nothing tells whether the token is valid before the first upload")
	}
	if config.AuthRequired && token.IsZero() {
		a.Read = No
	}
	return a, nil
}

// trustedPrefix marks the short-lived tokens of trusted publishing; they are good for uploads alone.
const trustedPrefix = "cio_tp_"

// probeToken asks crates.io for the crates that the token's account follows, the one reading request that takes an API
// token and changes nothing. A token without scopes gets an answer; one with scopes is refused by name, after its
// validity was checked.
func (c *Client) probeToken(ctx context.Context, config Config, token secret.Value) (Known, string) {
	if strings.Contains(token.Reveal(), trustedPrefix) {
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

func deniedSentence(noToken bool, e *Error, kind Kind) string {
	if noToken {
		return "reading needs a token and none is configured; it is " + kind.Traits().TokenForm
	}
	s := fmt.Sprintf("the registry refused the token (status %d); it wants %s", e.Status, kind.Traits().TokenForm)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

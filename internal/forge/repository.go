package forge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Repository is what GitHub says of the repository as a whole. FullName differs from what the client was given when the
// repository was renamed.
type Repository struct {
	ID            int64
	FullName      string
	DefaultBranch string
	HTMLURL       string
	Private       bool
	Archived      bool
	Permissions   Permissions
}

// Permissions are the token's, as far as GitHub tells. Known is false where the answer has none, which is so for
// anonymous requests and may be so for installation tokens; the others say nothing then.
type Permissions struct {
	Known                bool
	Pull, Push, Maintain bool
	Admin                bool
}

// Repository reads the repository.
//
// https://docs.github.com/en/rest/repos/repos#get-a-repository
func (c *Client) Repository(ctx context.Context) (Repository, error) {
	var r struct {
		ID            int64  `json:"id"`
		FullName      string `json:"full_name"`
		DefaultBranch string `json:"default_branch"`
		HTMLURL       string `json:"html_url"`
		Private       bool   `json:"private"`
		Archived      bool   `json:"archived"`
		Permissions   *struct {
			Pull     bool `json:"pull"`
			Push     bool `json:"push"`
			Maintain bool `json:"maintain"`
			Admin    bool `json:"admin"`
		} `json:"permissions"`
	}
	op := "read repository"
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root(), Out: &r}); err != nil {
		return Repository{}, err
	}
	if r.DefaultBranch == "" {
		return Repository{}, c.wire.Malformed(op, "repository without a default branch")
	}
	out := Repository{ID: r.ID, FullName: r.FullName, DefaultBranch: r.DefaultBranch, HTMLURL: r.HTMLURL, Private: r.Private, Archived: r.Archived}
	if p := r.Permissions; p != nil {
		out.Permissions = Permissions{Known: true, Pull: p.Pull, Push: p.Push, Maintain: p.Maintain, Admin: p.Admin}
	}
	return out, nil
}

// Rule is one active rule of a ruleset. Parameters is raw: GitHub adds types faster than anyone could list them.
type Rule struct {
	Type          string          `json:"type"`
	Parameters    json.RawMessage `json:"parameters"`
	RulesetID     int64           `json:"ruleset_id"`
	RulesetSource string          `json:"ruleset_source"`
	SourceType    string          `json:"ruleset_source_type"`
}

// RulesFor lists the active rules that apply to a branch, which need not exist. There is no such question for tags.
//
// https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch
func (c *Client) RulesFor(ctx context.Context, branch string) ([]Rule, error) {
	var all []Rule
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list []Rule
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list rules for " + branch, Method: http.MethodGet, Path: c.wire.Root() + "/rules/branches/" + wire.Segments(branch), Query: q, Out: &list})
		all = append(all, list...)
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Rate is the state of the primary rate limit for JSON requests.
type Rate struct {
	Remaining, Limit int
	Reset            time.Time
}

// TokenEnds returns when the client's token stops working, zero where GitHub does not say: it says so of personal tokens
// that end, with every answer. The request itself is free. A token that does not work any more is Denied.
//
// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
func (c *Client) TokenEnds(ctx context.Context) (time.Time, error) {
	resp, err := c.wire.Do(ctx, wire.Call{Op: "ask how long the token lasts", Method: http.MethodGet, Path: "rate_limit", Out: &struct{}{}})
	if err != nil {
		return time.Time{}, err
	}
	if at := resp.TokenExpiration.Time; !at.IsZero() {
		return at.UTC(), nil
	}
	return time.Time{}, nil
}

// RateLimit reads the primary rate limit; the request itself is free. NotFound means that the server has none, as
// Enterprise Servers by default.
//
// https://docs.github.com/en/rest/rate-limit/rate-limit
func (c *Client) RateLimit(ctx context.Context) (Rate, error) {
	var out struct {
		Resources struct {
			Core *github.Rate `json:"core"`
		} `json:"resources"`
	}
	op := "read rate limit"
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: "rate_limit", Out: &out}); err != nil {
		return Rate{}, err
	}
	core := out.Resources.Core
	if core == nil {
		return Rate{}, c.wire.Malformed(op, "no core resource")
	}
	return Rate{Remaining: core.Remaining, Limit: core.Limit, Reset: core.Reset.Time}, nil
}

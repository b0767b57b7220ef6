package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/commit"
	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Pull is a pull request.
type Pull struct {
	Number      int
	Title, Body string
	Head, Base  string // branches
	HeadCommit  string
	URL         string // of its page
	Open        bool
	Merged      bool
	MergeCommit string // with Merged: what it became on the base branch
	MergedAt    time.Time
	Labels      []string
	Comments    int // this and Commits only where it was asked for by its number
	Commits     int
}

func pullOf(p *github.PullRequest) Pull {
	out := Pull{
		Number: p.GetNumber(), Title: p.GetTitle(), Body: p.GetBody(), Head: p.GetHead().GetRef(), Base: p.GetBase().GetRef(), HeadCommit: p.GetHead().GetSHA(),
		URL: p.GetHTMLURL(), Open: p.GetState() == "open", Merged: p.MergedAt != nil, MergeCommit: p.GetMergeCommitSHA(), MergedAt: p.GetMergedAt().Time, Comments: p.GetComments(), Commits: p.GetCommits(),
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.GetName())
	}
	return out
}

// Pull returns the pull request of that number.
//
// https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request
func (c *Client) Pull(ctx context.Context, number int) (Pull, error) {
	return c.pull(ctx, wire.Call{Op: fmt.Sprintf("get pull request %d", number), Method: http.MethodGet, Path: fmt.Sprintf("%s/pulls/%d", c.wire.Root(), number)})
}

func (c *Client) pull(ctx context.Context, r wire.Call) (Pull, error) {
	var p github.PullRequest
	r.Out = &p
	if _, err := c.wire.Do(ctx, r); err != nil {
		return Pull{}, err
	}
	if p.GetNumber() == 0 {
		return Pull{}, c.wire.Malformed(r.Op, "pull request without a number")
	}
	return pullOf(&p), nil
}

// Pulls returns the pull requests from a branch of this repository to another one, open and closed, the newest first.
//
// https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
func (c *Client) Pulls(ctx context.Context, head, base string) ([]Pull, error) {
	owner, _, _ := strings.Cut(c.Slug(), "/")
	q := url.Values{"head": {owner + ":" + head}, "base": {base}, "state": {"all"}, "per_page": {"100"}}
	var page []*github.PullRequest
	if _, err := c.wire.Do(ctx, wire.Call{Op: "list pull requests of " + head, Method: http.MethodGet, Path: c.wire.Root() + "/pulls", Query: q, Out: &page}); err != nil {
		return nil, err
	}
	var out []Pull
	for _, p := range page {
		if p := pullOf(p); p.Head == head && p.Base == base { // servers that do not know a filter answer with all
			out = append(out, p)
		}
	}
	return out, nil
}

// OpenPulls returns the open pull requests from branches of this repository.
//
// https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
func (c *Client) OpenPulls(ctx context.Context) ([]Pull, error) {
	var out []Pull
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		q.Set("state", "open")
		var page []*github.PullRequest
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list open pull requests", Method: http.MethodGet, Path: c.wire.Root() + "/pulls", Query: q, Out: &page})
		for _, p := range page {
			if strings.EqualFold(p.GetHead().GetRepo().GetFullName(), c.Slug()) {
				out = append(out, pullOf(p))
			}
		}
		return resp, err
	})
	return out, err
}

// PullRequest is what a pull request shall say.
type PullRequest struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Head  string `json:"head,omitempty"`
	Base  string `json:"base,omitempty"`
}

// CreatePull opens a pull request. One that is open already is Conflict, and so is one without a difference.
//
// https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request
func (c *Client) CreatePull(ctx context.Context, p PullRequest) (Pull, error) {
	out, err := c.pull(ctx, wire.Call{Op: "open a pull request from " + p.Head, Method: http.MethodPost, Path: c.wire.Root() + "/pulls", Body: p, Create: true})
	if e, ok := err.(*Error); ok && e.Status == http.StatusUnprocessableEntity {
		e.Class = Conflict
	}
	return out, err
}

// UpdatePull changes title and body of a pull request.
//
// https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request
func (c *Client) UpdatePull(ctx context.Context, number int, p PullRequest) (Pull, error) {
	return c.pull(ctx, wire.Call{Op: fmt.Sprintf("update pull request %d", number), Method: http.MethodPatch, Path: fmt.Sprintf("%s/pulls/%d", c.wire.Root(), number),
		Body: PullRequest{Title: p.Title, Body: p.Body}})
}

// BranchCommit is a commit to be made by GitHub, and Change what becomes of a file in it.
type (
	BranchCommit = commit.Request
	Change       = commit.Change
)

// CommitOnBranch makes a commit on top of a branch and returns its hash, and whether GitHub signed it; see commit.On. A
// branch that is elsewhere is Conflict.
func (c *Client) CommitOnBranch(ctx context.Context, b BranchCommit) (sha string, signed bool, err error) {
	return commit.On(ctx, c.wire, b, c.MoveBranch)
}

const moveMutation = `mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }`

// MoveBranch moves a branch to a commit that need not be ahead of it, if it is at the expected one; else Conflict.
//
// https://docs.github.com/en/graphql/reference/mutations#updaterefs
func (c *Client) MoveBranch(ctx context.Context, branch, expected, to string) error {
	var repository struct {
		NodeID string `json:"node_id"`
	}
	op := "move branch " + branch
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root(), Out: &repository}); err != nil {
		return err
	}
	input := map[string]any{"repositoryId": repository.NodeID, "refUpdates": []map[string]any{{"name": "refs/heads/" + branch, "beforeOid": expected, "afterOid": to, "force": true}}}
	var out struct{ UpdateRefs any }
	err := c.wire.GraphQL(ctx, op, moveMutation, map[string]any{"input": input}, &out)
	if e, ok := err.(*Error); ok && e.Class == Refused {
		// GitHub has no type of its own for a ref that is elsewhere.
		if now, look := c.Branch(ctx, branch); look == nil && now != expected {
			e.Class = Conflict
		}
	}
	return err
}

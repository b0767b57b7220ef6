package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Issue is an issue. Trusted says that its author is an app, or a person who belongs to the repository.
type Issue struct {
	Number  int
	Title   string
	URL     string
	Body    string
	Trusted bool
}

// issue is what is read of one. Pull requests are issues, too, for GitHub.
type issue struct {
	Number      int             `json:"number"`
	Title       string          `json:"title"`
	Body        string          `json:"body"`
	HTMLURL     string          `json:"html_url"`
	Association string          `json:"author_association"`
	User        *github.User    `json:"user"`
	PullRequest json.RawMessage `json:"pull_request"`
}

// isPull reports whether it is a pull request.
func (i issue) isPull() bool { return len(i.PullRequest) > 0 && string(i.PullRequest) != "null" }

func (i issue) out() Issue {
	return Issue{Number: i.Number, Title: i.Title, URL: i.HTMLURL, Body: i.Body, Trusted: trusted(i.Association, i.User)}
}

// trusted reports whether an author belongs here.
func trusted(association string, author *github.User) bool {
	switch association {
	case "OWNER", "MEMBER", "COLLABORATOR":
		return true
	}
	return author.GetType() == "Bot"
}

// OpenIssues lists the open issues with a label, all of them for "", the newest first; pull requests do not count. A
// repository whose issues are disabled has none.
//
// https://docs.github.com/en/rest/issues/issues#list-repository-issues
func (c *Client) OpenIssues(ctx context.Context, label string) ([]Issue, error) {
	var all []Issue
	op := "list open issues"
	if label != "" {
		op += " labelled " + label
	}
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		q.Set("state", "open")
		if label != "" {
			q.Set("labels", label)
		}
		var list []issue
		resp, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/issues", Query: q, Out: &list})
		for _, i := range list {
			if !i.isPull() {
				all = append(all, i.out())
			}
		}
		return resp, err
	})
	if e, ok := err.(*Error); ok && e.Status == http.StatusGone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// CreateIssue opens an issue. NotFound means that the repository's issues are disabled.
//
// https://docs.github.com/en/rest/issues/issues#create-an-issue
func (c *Client) CreateIssue(ctx context.Context, title, body string) (Issue, error) {
	var out issue
	_, err := c.wire.Do(ctx, wire.Call{Op: "open an issue", Method: http.MethodPost, Path: c.wire.Root() + "/issues", Body: map[string]string{"title": title, "body": body}, Out: &out})
	return out.out(), err
}

// UpdateIssue replaces the title and the text of an issue.
//
// https://docs.github.com/en/rest/issues/issues#update-an-issue
func (c *Client) UpdateIssue(ctx context.Context, number int, title, body string) (Issue, error) {
	return c.patchIssue(ctx, fmt.Sprintf("update issue #%d", number), number, map[string]string{"title": title, "body": body})
}

// CloseIssue closes an issue as completed; one that is closed stays so.
//
// https://docs.github.com/en/rest/issues/issues#update-an-issue
func (c *Client) CloseIssue(ctx context.Context, number int) (Issue, error) {
	return c.patchIssue(ctx, fmt.Sprintf("close issue #%d", number), number, map[string]string{"state": "closed", "state_reason": "completed"})
}

func (c *Client) patchIssue(ctx context.Context, op string, number int, body map[string]string) (Issue, error) {
	var out issue
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPatch, Path: fmt.Sprintf("%s/issues/%d", c.wire.Root(), number), Body: body, Out: &out})
	return out.out(), err
}

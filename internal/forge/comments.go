package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Comment is a comment on an issue or a pull request. Trusted says that its author is an app, or a person who belongs
// to the repository.
type Comment struct {
	ID      int64
	Body    string
	HTMLURL string
	Trusted bool
}

func commentOf(c *github.IssueComment) Comment {
	return Comment{ID: c.GetID(), Body: c.GetBody(), HTMLURL: c.GetHTMLURL(), Trusted: trusted(c.GetAuthorAssociation(), c.GetUser())}
}

// Comments returns all comments on an issue or a pull request, the oldest first.
//
// https://docs.github.com/en/rest/issues/comments#list-issue-comments
func (c *Client) Comments(ctx context.Context, number int) ([]Comment, error) {
	var out []Comment
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list []*github.IssueComment
		resp, err := c.wire.Do(ctx, wire.Call{Op: fmt.Sprintf("list comments on #%d", number), Method: http.MethodGet, Path: c.commentsPath(number), Query: q, Out: &list})
		for _, one := range list {
			out = append(out, commentOf(one))
		}
		return resp, err
	})
	return out, err
}

// CreateComment comments on an issue or a pull request.
//
// https://docs.github.com/en/rest/issues/comments#create-an-issue-comment
func (c *Client) CreateComment(ctx context.Context, number int, body string) (Comment, error) {
	var out github.IssueComment
	_, err := c.wire.Do(ctx, wire.Call{Op: fmt.Sprintf("comment on #%d", number), Method: http.MethodPost, Path: c.commentsPath(number), Body: map[string]string{"body": body}, Out: &out, Create: true})
	return commentOf(&out), err
}

// UpdateComment replaces the text of a comment. An absent comment is NotFound.
//
// https://docs.github.com/en/rest/issues/comments#update-an-issue-comment
func (c *Client) UpdateComment(ctx context.Context, id int64, body string) (Comment, error) {
	var out github.IssueComment
	_, err := c.wire.Do(ctx, wire.Call{Op: "update comment", Method: http.MethodPatch, Path: fmt.Sprintf("%s/issues/comments/%d", c.wire.Root(), id), Body: map[string]string{"body": body}, Out: &out})
	return commentOf(&out), err
}

func (c *Client) commentsPath(number int) string {
	return fmt.Sprintf("%s/issues/%d/comments", c.wire.Root(), number)
}

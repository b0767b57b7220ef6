package githubtwin

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

// comment is one comment on an issue or a pull request.
type comment struct {
	id               int64
	issue            int // number
	body             string
	author           object
	association      string
	created, updated time.Time
}

// commentLimit is how many characters a comment may have
// (https://github.com/orgs/community/discussions/27190: "body is too long (maximum is 65536 characters)").
const commentLimit = 65536

// Comments returns the texts of the comments on an issue or a pull request, the oldest first.
func (t *Twin) Comments(number int) []string {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	return t.under(number)
}

func (t *Twin) under(number int) []string {
	var out []string
	for _, c := range t.comments {
		if c.issue == number {
			out = append(out, c.body)
		}
	}
	return out
}

// AddComment is a comment by somebody who does not belong to the repository.
func (t *Twin) AddComment(number int, body string) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	t.comments = append(t.comments, &comment{id: t.site.NextID(), issue: number, body: body, association: "NONE", created: githubapi.Now(), updated: githubapi.Now()})
}

// stranger is the author of what AddComment and AddStrangersIssue made.
func (t *Twin) stranger(c *call) object {
	author := t.site.User(c)
	author["login"], author["type"] = "stranger", "User"
	return author
}

func (t *Twin) comment(c *call, m *comment) object {
	author := m.author
	if author == nil {
		author = t.stranger(c)
	}
	place := "issues"
	if i := t.issues[m.issue]; i != nil && i.pull {
		place = "pull"
	}
	return object{
		"id": m.id, "node_id": githubapi.NodeID("IssueComment", m.id), "url": fmt.Sprintf("%s/issues/comments/%d", c.URLs.Repo, m.id),
		"html_url": fmt.Sprintf("%s/%s/%d#issuecomment-%d", c.URLs.HTML, place, m.issue, m.id), "issue_url": fmt.Sprintf("%s/issues/%d", c.URLs.Repo, m.issue),
		"body": m.body, "user": author, "author_association": m.association, "created_at": githubapi.Stamp(m.created), "updated_at": githubapi.Stamp(m.updated),
	}
}

func (t *Twin) listComments(c *call) reply {
	number := int(githubapi.Number(c.Params["number"]))
	if t.issues[number] == nil {
		return githubapi.NotFound()
	}
	var matching []*comment
	for _, m := range t.comments {
		if m.issue == number {
			matching = append(matching, m)
		}
	}
	list, header := githubapi.Page(c, matching)
	out := []object{}
	for _, m := range list {
		out = append(out, t.comment(c, m))
	}
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

// commentBody reads and judges the text of a comment.
func commentBody(c *call) (string, reply, bool) {
	var in struct{ Body string }
	if rep, good := c.Decode(&in); !good {
		return "", rep, false
	}
	switch {
	case strings.TrimSpace(in.Body) == "":
		return "", githubapi.Invalid("IssueComment", "unprocessable", "data", "Body cannot be blank"), false
	case len([]rune(in.Body)) > commentLimit:
		return "", githubapi.Invalid("IssueComment", "unprocessable", "data", fmt.Sprintf("Body is too long (maximum is %d characters)", commentLimit)), false
	}
	return in.Body, reply{}, true
}

func (t *Twin) createComment(c *call) reply {
	number := int(githubapi.Number(c.Params["number"]))
	if t.issues[number] == nil {
		return githubapi.NotFound()
	}
	body, rep, good := commentBody(c)
	if !good {
		return rep
	}
	m := &comment{id: t.site.NextID(), issue: number, body: body, author: t.site.User(c), association: "MEMBER", created: githubapi.Now(), updated: githubapi.Now()}
	t.comments = append(t.comments, m)
	t.site.Wrote("create-comment", "%d %d", number, m.id)
	return githubapi.Created(t.comment(c, m))
}

func (t *Twin) updateComment(c *call) reply {
	id := githubapi.Number(c.Params["comment"])
	for _, m := range t.comments {
		if m.id != id {
			continue
		}
		body, rep, good := commentBody(c)
		if !good {
			return rep
		}
		m.body, m.updated = body, githubapi.Now()
		t.site.Wrote("update-comment", "%d %d", m.issue, m.id)
		return githubapi.OK(t.comment(c, m))
	}
	return githubapi.NotFound()
}

package githubtwin

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

// OpenPull opens a pull request by somebody else and returns its number.
func (t *Twin) OpenPull(title, head, base string, labels ...string) int {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	i := t.open(title, "", labels)
	i.pull, i.head, i.base = true, head, base
	return i.number
}

// MergePull merges a pull request, as somebody who may pushes the button.
func (t *Twin) MergePull(ctx context.Context, number int) (commit string, err error) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	i := t.issues[number]
	if i == nil || i.head == "" || i.state != "open" {
		return "", fmt.Errorf("pull request %d is not open", number)
	}
	c := t.site.Insider(ctx, t.cfg.BaseURL)
	tip := t.git.Head(c, i.head)
	if i.mergeCommit, err = t.git.Merge(c, i.base, tip, fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", number, t.cfg.Owner, i.head, i.title)); err != nil {
		return "", err
	}
	i.turn("closed")
	i.tip, i.merged = tip, i.closed
	return i.mergeCommit, nil
}

// MergedAs tells of a pull request that it was merged by rebasing or squashing, which made this commit last; the base branch
// has it.
func (t *Twin) MergedAs(ctx context.Context, number int, commit string) {
	t.ClosePull(ctx, number)
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if i := t.issues[number]; i != nil {
		i.merged, i.mergeCommit = i.closed, commit
	}
}

// ClosePull closes a pull request without merging it.
func (t *Twin) ClosePull(ctx context.Context, number int) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if i := t.issues[number]; i != nil && i.state == "open" {
		i.tip = t.git.Head(t.site.Insider(ctx, t.cfg.BaseURL), i.head)
		i.turn("closed")
	}
}

// Pull returns title, body, base and state of a pull request, for those who look.
func (t *Twin) Pull(number int) (title, body, base, state string) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if i := t.issues[number]; i != nil {
		return i.title, i.body, i.base, i.state
	}
	return "", "", "", ""
}

// pullSimple is a pull request as lists have it.
func (t *Twin) pullSimple(c *call, i *issue) object {
	tip := i.tip
	if tip == "" {
		tip = t.git.Head(c, i.head)
	}
	labels := []object{}
	for _, name := range i.labels {
		labels = append(labels, t.knowLabel(name).Object(c))
	}
	return t.site.PullRequest(c, githubapi.Pull{ID: i.id, Number: i.number, Title: i.title, Body: i.body, State: i.state, Labels: labels, Created: i.created, Updated: i.updated,
		Closed: i.closed, Merged: i.merged, MergeCommit: i.mergeCommit, Head: i.head, HeadCommit: tip, Base: i.base, BaseCommit: t.git.Head(c, i.base)})
}

// pull is a pull request in full.
func (t *Twin) pull(c *call, i *issue) object {
	body := t.pullSimple(c, i)
	base, head := body["base"].(object)["sha"].(string), body["head"].(object)["sha"].(string)
	commits, files, additions, deletions := t.git.Between(c, base, head)
	var by any
	if i.mergeCommit != "" {
		by = t.site.User(c)
	}
	maps.Copy(body, object{"additions": additions, "deletions": deletions, "changed_files": files, "commits": commits, "comments": len(t.under(i.number)), "review_comments": 0,
		"mergeable": nil, "mergeable_state": "unknown", "merged": i.mergeCommit != "", "merged_by": by, "maintainer_can_modify": false})
	return body
}

func (t *Twin) listPulls(c *call) reply {
	q := c.URL.Query()
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	var matching []*issue
	for n := len(t.issues); n > 0; n-- {
		i := t.issues[n]
		owner, head, _ := strings.Cut(q.Get("head"), ":")
		switch {
		case i.head == "", state != "all" && state != i.state:
		case q.Get("head") != "" && (!strings.EqualFold(owner, t.cfg.Owner) || head != i.head):
		case q.Get("base") != "" && q.Get("base") != i.base:
		default:
			matching = append(matching, i)
		}
	}
	list, header := githubapi.Page(c, matching)
	out := []object{}
	for _, i := range list {
		out = append(out, t.pullSimple(c, i))
	}
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

func (t *Twin) createPull(c *call) reply {
	var in struct{ Title, Body, Head, Base string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	in.Head = strings.TrimPrefix(in.Head, t.cfg.Owner+":")
	base, head := t.git.Head(c, in.Base), t.git.Head(c, in.Head)
	switch {
	case in.Title == "":
		return githubapi.Invalid("PullRequest", "missing_field", "title", "")
	case head == "":
		return githubapi.Invalid("PullRequest", "invalid", "head", "")
	case base == "":
		return githubapi.Invalid("PullRequest", "invalid", "base", "")
	}
	for _, i := range t.issues {
		if i.state == "open" && i.head == in.Head && i.base == in.Base {
			return githubapi.Invalid("PullRequest", "custom", "", fmt.Sprintf("A pull request already exists for %s:%s.", t.cfg.Owner, in.Head))
		}
	}
	if commits, _, _, _ := t.git.Between(c, base, head); commits == 0 {
		return githubapi.Invalid("PullRequest", "custom", "", fmt.Sprintf("No commits between %s and %s", in.Base, in.Head))
	}
	i := t.open(in.Title, in.Body, nil)
	i.pull, i.head, i.base = true, in.Head, in.Base
	t.site.Wrote("create-pull", "%d %s", i.number, i.title)
	return githubapi.Created(t.pull(c, i))
}

func (t *Twin) getPull(c *call) reply {
	if i := t.issues[int(githubapi.Number(c.Params["number"]))]; i != nil && i.head != "" {
		return githubapi.OK(t.pull(c, i))
	}
	return githubapi.NotFound()
}

func (t *Twin) updatePull(c *call) reply {
	i := t.issues[int(githubapi.Number(c.Params["number"]))]
	if i == nil || i.head == "" {
		return githubapi.NotFound()
	}
	var in struct{ Title, Body *string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	i.updated = githubapi.Now()
	if in.Title != nil {
		i.title = *in.Title
	}
	if in.Body != nil {
		i.body = *in.Body
	}
	t.site.Wrote("update-pull", "%d %s", i.number, i.title)
	return githubapi.OK(t.pull(c, i))
}

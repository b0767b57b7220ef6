package githubtwin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

// issue is one issue or, with pull, one pull request: the issues API lists both.
type issue struct {
	id                       int64
	number                   int
	title, body, state       string
	labels                   []string
	pull                     bool
	stranger                 bool // its author does not belong to the repository
	created, updated, closed time.Time
	head, base               string // branches of a pull request
	tip                      string // the head's commit when it was closed or merged
	merged                   time.Time
	mergeCommit              string
}

// AddIssue opens an issue with labels and returns its number.
func (t *Twin) AddIssue(title string, labels ...string) int {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	return t.open(title, "", labels).number
}

// SetLabels gives an issue or a pull request these labels and no others.
func (t *Twin) SetLabels(number int, labels ...string) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	for _, name := range labels {
		t.knowLabel(name)
	}
	if i := t.issues[number]; i != nil {
		i.labels, i.updated = slices.Clone(labels), githubapi.Now()
	}
}

// AddStrangersIssue opens an issue by somebody who does not belong to the repository, and returns its number.
func (t *Twin) AddStrangersIssue(title, body string) int {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	i := t.open(title, body, nil)
	i.stranger = true
	return i.number
}

// Issue is an issue as it is now.
type Issue struct {
	Number             int
	Title, Body, State string
}

// Issues returns all issues, no pull requests, the oldest first.
func (t *Twin) Issues() []Issue {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	var out []Issue
	for n := 1; n <= len(t.issues); n++ {
		if i := t.issues[n]; !i.pull {
			out = append(out, Issue{i.number, i.title, i.body, i.state})
		}
	}
	return out
}

// AddPullRequest opens a pull request with labels, as far as the issues API shows one, and returns its number.
func (t *Twin) AddPullRequest(title string, labels ...string) int {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	i := t.open(title, "", labels)
	i.pull = true
	return i.number
}

// CloseIssue closes an issue or pull request.
func (t *Twin) CloseIssue(number int) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if i := t.issues[number]; i != nil {
		i.turn("closed")
	}
}

func (i *issue) turn(state string) {
	i.state, i.updated, i.closed = state, githubapi.Now(), time.Time{}
	if state == "closed" {
		i.closed = i.updated
	}
}

func (t *Twin) open(title, body string, labels []string) *issue {
	for _, name := range labels {
		t.knowLabel(name)
	}
	i := &issue{id: t.site.NextID(), number: len(t.issues) + 1, title: title, body: body, state: "open", labels: slices.Clone(labels), created: githubapi.Now(), updated: githubapi.Now()}
	t.issues[i.number] = i
	return i
}

func (t *Twin) knowLabel(name string) githubapi.Label {
	if _, known := t.labels[name]; !known {
		t.labels[name] = githubapi.Label{ID: t.site.NextID(), Name: name, Color: "ededed"}
	}
	return t.labels[name]
}

func (t *Twin) issue(c *call, i *issue) object {
	labels := []object{}
	for _, name := range i.labels {
		labels = append(labels, t.knowLabel(name).Object(c))
	}
	self, place := fmt.Sprintf("%s/issues/%d", c.URLs.Repo, i.number), "issues"
	if i.pull {
		place = "pull"
	}
	html := fmt.Sprintf("%s/%s/%d", c.URLs.HTML, place, i.number)
	body := object{
		"id": i.id, "node_id": githubapi.NodeID("Issue", i.id), "number": i.number, "url": self, "repository_url": c.URLs.Repo, "html_url": html,
		"comments_url": self + "/comments", "events_url": self + "/events", "labels_url": self + "/labels{/name}", "title": i.title, "body": i.body,
		"state": i.state, "locked": false, "comments": len(t.under(i.number)), "labels": labels, "assignee": nil, "assignees": []object{}, "milestone": nil, "user": t.site.User(c),
		"author_association": "MEMBER", "created_at": githubapi.Stamp(i.created), "updated_at": githubapi.Stamp(i.updated), "closed_at": githubapi.StampOrNull(i.closed),
	}
	if i.stranger {
		body["user"], body["author_association"] = t.stranger(c), "NONE"
	}
	if i.pull {
		body["pull_request"] = object{"url": fmt.Sprintf("%s/pulls/%d", c.URLs.Repo, i.number), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "merged_at": githubapi.StampOrNull(i.merged)}
	}
	return body
}

func (t *Twin) listIssues(c *call) reply {
	q := c.URL.Query()
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	var matching []*issue
	for n := len(t.issues); n > 0; n-- {
		i := t.issues[n]
		if (state == "all" || state == i.state) && githubapi.HasLabels(i.labels, q.Get("labels")) {
			matching = append(matching, i)
		}
	}
	list, header := githubapi.Page(c, matching)
	out := []object{}
	for _, i := range list {
		out = append(out, t.issue(c, i))
	}
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

func (t *Twin) createIssue(c *call) reply {
	var in struct {
		Title, Body string
		Labels      []string
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if in.Title == "" {
		return githubapi.Invalid("Issue", "missing_field", "title", "")
	}
	i := t.open(in.Title, in.Body, in.Labels)
	t.site.Wrote("create-issue", "%d %s", i.number, i.title)
	return githubapi.Created(t.issue(c, i))
}

func (t *Twin) getIssue(c *call) reply {
	if i := t.issues[int(githubapi.Number(c.Params["number"]))]; i != nil {
		return githubapi.OK(t.issue(c, i))
	}
	return githubapi.NotFound()
}

func (t *Twin) updateIssue(c *call) reply {
	i := t.issues[int(githubapi.Number(c.Params["number"]))]
	if i == nil {
		return githubapi.NotFound()
	}
	var in struct {
		Title, Body, State *string
		StateReason        *string `json:"state_reason"`
		Labels             *[]string
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	reasons := []string{"completed", "not_planned", "duplicate", "reopened"}
	if in.State != nil && *in.State != "open" && *in.State != "closed" || in.StateReason != nil && !slices.Contains(reasons, *in.StateReason) {
		return githubapi.Invalid("Issue", "invalid", "state", "")
	}
	i.updated = githubapi.Now()
	if in.Title != nil {
		i.title = *in.Title
	}
	if in.Body != nil {
		i.body = *in.Body
	}
	if in.Labels != nil {
		i.labels = slices.Clone(*in.Labels)
	}
	if in.State != nil && *in.State != i.state {
		i.turn(*in.State)
	}
	t.site.Wrote("update-issue", "%d %s", i.number, i.state)
	return githubapi.OK(t.issue(c, i))
}

func (t *Twin) issueLabels(c *call) reply {
	i := t.issues[int(githubapi.Number(c.Params["number"]))]
	if i == nil {
		return githubapi.NotFound()
	}
	out := []object{}
	for _, name := range i.labels {
		out = append(out, t.knowLabel(name).Object(c))
	}
	return githubapi.OK(out)
}

func (t *Twin) listLabels(c *call) reply {
	all := make([]githubapi.Label, 0, len(t.labels))
	for _, l := range t.labels {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b githubapi.Label) int { return strings.Compare(a.Name, b.Name) })
	list, header := githubapi.Page(c, all)
	out := []object{}
	for _, l := range list {
		out = append(out, l.Object(c))
	}
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

func (t *Twin) createLabel(c *call) reply {
	var in struct{ Name, Color, Description string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if _, known := t.labels[in.Name]; known {
		return githubapi.Invalid("Label", "already_exists", "name", "")
	}
	if in.Name == "" {
		return githubapi.Invalid("Label", "missing_field", "name", "")
	}
	l := t.knowLabel(in.Name)
	l.Description = in.Description
	if in.Color != "" {
		l.Color = in.Color
	}
	t.labels[in.Name] = l
	return githubapi.Created(l.Object(c))
}

// openIssues counts issues and pull requests, as GitHub does.
func (t *Twin) openIssues() int {
	n := 0
	for _, i := range t.issues {
		if i.state == "open" {
			n++
		}
	}
	return n
}

package githubtwin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// issue is one issue or, with pull, one pull request: the issues API lists both.
type issue struct {
	id                       int64
	number                   int
	title, body, state       string
	labels                   []string
	pull                     bool
	created, updated, closed time.Time
}

type label struct {
	id                       int64
	name, color, description string
}

// AddIssue opens an issue with labels and returns its number.
func (t *Twin) AddIssue(title string, labels ...string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open(title, "", labels).number
}

// AddPullRequest opens a pull request with labels, as far as the issues API shows one, and returns its number.
func (t *Twin) AddPullRequest(title string, labels ...string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.open(title, "", labels)
	i.pull = true
	return i.number
}

// CloseIssue closes an issue or pull request.
func (t *Twin) CloseIssue(number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.issues[number]; i != nil {
		i.turn("closed")
	}
}

func (i *issue) turn(state string) {
	i.state, i.updated, i.closed = state, now(), time.Time{}
	if state == "closed" {
		i.closed = i.updated
	}
}

func (t *Twin) open(title, body string, labels []string) *issue {
	for _, name := range labels {
		t.knowLabel(name)
	}
	i := &issue{id: t.id(), number: len(t.issues) + 1, title: title, body: body, state: "open", labels: slices.Clone(labels), created: now(), updated: now()}
	t.issues[i.number] = i
	return i
}

func (t *Twin) knowLabel(name string) label {
	if _, known := t.labels[name]; !known {
		t.labels[name] = label{id: t.id(), name: name, color: "ededed"}
	}
	return t.labels[name]
}

func (c *call) label(l label) object {
	var description any
	if l.description != "" {
		description = l.description
	}
	return object{"id": l.id, "node_id": nodeID("Label", l.id), "url": c.urls.repo + "/labels/" + escape(l.name), "name": l.name, "color": l.color, "default": false, "description": description}
}

func (t *Twin) issue(c *call, i *issue) object {
	labels := []object{}
	for _, name := range i.labels {
		labels = append(labels, c.label(t.knowLabel(name)))
	}
	self, place := fmt.Sprintf("%s/issues/%d", c.urls.repo, i.number), "issues"
	if i.pull {
		place = "pull"
	}
	html := fmt.Sprintf("%s/%s/%d", c.urls.html, place, i.number)
	body := object{
		"id": i.id, "node_id": nodeID("Issue", i.id), "number": i.number, "url": self, "repository_url": c.urls.repo, "html_url": html,
		"comments_url": self + "/comments", "events_url": self + "/events", "labels_url": self + "/labels{/name}", "title": i.title, "body": i.body,
		"state": i.state, "locked": false, "comments": 0, "labels": labels, "assignee": nil, "assignees": []object{}, "milestone": nil, "user": t.user(c),
		"author_association": "MEMBER", "created_at": stamp(i.created), "updated_at": stamp(i.updated), "closed_at": stampOrNull(i.closed),
	}
	if i.pull {
		body["pull_request"] = object{"url": fmt.Sprintf("%s/pulls/%d", c.urls.repo, i.number), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch"}
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
		if (state == "all" || state == i.state) && hasLabels(i, q.Get("labels")) {
			matching = append(matching, i)
		}
	}
	list, header := page(c, matching)
	out := []object{}
	for _, i := range list {
		out = append(out, t.issue(c, i))
	}
	return reply{status: http.StatusOK, body: out, header: header}
}

// hasLabels reports whether an issue has every label of a comma-separated list; case does not count.
func hasLabels(i *issue, wanted string) bool {
	for name := range strings.SplitSeq(wanted, ",") {
		if name != "" && !slices.ContainsFunc(i.labels, func(has string) bool { return strings.EqualFold(has, name) }) {
			return false
		}
	}
	return true
}

func (t *Twin) createIssue(c *call) reply {
	var in struct {
		Title, Body string
		Labels      []string
	}
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if in.Title == "" {
		return invalid("Issue", "missing_field", "title", "")
	}
	i := t.open(in.Title, in.Body, in.Labels)
	t.wrote("create-issue", "%d %s", i.number, i.title)
	return created(t.issue(c, i))
}

func (t *Twin) getIssue(c *call) reply {
	if i := t.issues[int(number(c.params["number"]))]; i != nil {
		return ok(t.issue(c, i))
	}
	return notFound()
}

func (t *Twin) updateIssue(c *call) reply {
	i := t.issues[int(number(c.params["number"]))]
	if i == nil {
		return notFound()
	}
	var in struct {
		Title, Body, State *string
		Labels             *[]string
	}
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if in.State != nil && *in.State != "open" && *in.State != "closed" {
		return invalid("Issue", "invalid", "state", "")
	}
	i.updated = now()
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
	t.wrote("update-issue", "%d %s", i.number, i.state)
	return ok(t.issue(c, i))
}

func (t *Twin) issueLabels(c *call) reply {
	i := t.issues[int(number(c.params["number"]))]
	if i == nil {
		return notFound()
	}
	out := []object{}
	for _, name := range i.labels {
		out = append(out, c.label(t.knowLabel(name)))
	}
	return ok(out)
}

func (t *Twin) listLabels(c *call) reply {
	all := make([]label, 0, len(t.labels))
	for _, l := range t.labels {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b label) int { return strings.Compare(a.name, b.name) })
	list, header := page(c, all)
	out := []object{}
	for _, l := range list {
		out = append(out, c.label(l))
	}
	return reply{status: http.StatusOK, body: out, header: header}
}

func (t *Twin) createLabel(c *call) reply {
	var in struct{ Name, Color, Description string }
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if _, known := t.labels[in.Name]; known {
		return invalid("Label", "already_exists", "name", "")
	}
	if in.Name == "" {
		return invalid("Label", "missing_field", "name", "")
	}
	l := t.knowLabel(in.Name)
	l.description = in.Description
	if in.Color != "" {
		l.color = in.Color
	}
	t.labels[in.Name] = l
	return created(c.label(l))
}

package githubapi

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pull is a pull request to be shown.
type Pull struct {
	ID                                 int64
	Number                             int
	Title, Body, State                 string
	Labels                             []Object
	Created, Updated, Closed, Merged   time.Time
	Head, HeadCommit, Base, BaseCommit string
	MergeCommit                        string
}

// PullRequest is a pull request as lists have it.
func (s *Site) PullRequest(c *Call, p Pull) Object {
	self, html := fmt.Sprintf("%s/pulls/%d", c.URLs.Repo, p.Number), fmt.Sprintf("%s/pull/%d", c.URLs.HTML, p.Number)
	issue := fmt.Sprintf("%s/issues/%d", c.URLs.Repo, p.Number)
	end := func(ref, sha string) Object {
		return Object{"label": s.Owner + ":" + ref, "ref": ref, "sha": sha, "user": s.User(c), "repo": s.Repository(c)}
	}
	var merge any
	if p.MergeCommit != "" {
		merge = p.MergeCommit
	}
	addresses := map[string]string{
		"self": self, "html": html, "issue": issue, "comments": issue + "/comments", "review_comments": self + "/comments",
		"review_comment": c.URLs.Repo + "/pulls/comments{/number}", "commits": self + "/commits", "statuses": c.URLs.Repo + "/statuses/" + p.HeadCommit,
	}
	links := Object{}
	for name, url := range addresses {
		links[name] = Object{"href": url}
	}
	return Object{
		"id": p.ID, "node_id": NodeID("PullRequest", p.ID), "number": p.Number, "url": self, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"issue_url": issue, "comments_url": addresses["comments"], "commits_url": addresses["commits"], "review_comments_url": addresses["review_comments"],
		"review_comment_url": addresses["review_comment"], "statuses_url": addresses["statuses"], "title": p.Title, "body": p.Body, "state": p.State,
		"locked": false, "draft": false, "assignee": nil, "milestone": nil, "auto_merge": nil, "author_association": "MEMBER", "user": s.User(c), "labels": p.Labels,
		"created_at": Stamp(p.Created), "updated_at": Stamp(p.Updated), "closed_at": StampOrNull(p.Closed), "merged_at": StampOrNull(p.Merged),
		"merge_commit_sha": merge, "head": end(p.Head, p.HeadCommit), "base": end(p.Base, p.BaseCommit), "_links": links,
	}
}

// HasLabels reports whether what is labelled so has every label of a comma-separated list; case does not count.
func HasLabels(labels []string, wanted string) bool {
	for name := range strings.SplitSeq(wanted, ",") {
		if name != "" && !slices.ContainsFunc(labels, func(has string) bool { return strings.EqualFold(has, name) }) {
			return false
		}
	}
	return true
}

// Label is a label of the repository.
type Label struct {
	ID                       int64
	Name, Color, Description string
}

// Object is the label as JSON.
func (l Label) Object(c *Call) Object {
	var description any
	if l.Description != "" {
		description = l.Description
	}
	return Object{"id": l.ID, "node_id": NodeID("Label", l.ID), "url": c.URLs.Repo + "/labels/" + Escape(l.Name), "name": l.Name, "color": l.Color, "default": false, "description": description}
}

// Package notice keeps one text current where the people of a repository talk: a comment under a pull request, or an
// issue. A text of ours begins with a line that people do not see, so that the next run finds it and says nothing twice.
package notice

import (
	"context"
	"strings"

	"github.com/tagboat/tagboat/internal/forge"
)

// mark is the hidden first line of our texts of one kind.
func mark(kind string) string { return "<!-- tagboat:" + kind + " -->" }

// ours reports whether a text is one of ours. What a stranger wrote is none, whatever it begins with.
func ours(kind, body string, trusted bool) bool {
	return trusted && strings.HasPrefix(body, mark(kind))
}

// same reports whether two texts are one to their readers. GitHub's own editor leaves other line breaks.
func same(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// Discussion is what a comment needs of GitHub.
type Discussion interface {
	Comments(ctx context.Context, number int) ([]forge.Comment, error)
	CreateComment(ctx context.Context, number int, body string) (forge.Comment, error)
	UpdateComment(ctx context.Context, id int64, body string) (forge.Comment, error)
}

// What was done.
const (
	Made    = "made"
	Updated = "updated"
	Current = "current" // it says so already
	Closed  = "closed"
	None    = "none" // there is none, and none is needed
)

// Kept is where a text stands and what was done with it.
type Kept struct{ Did, URL string }

// Comment keeps one comment of a kind with this text on an issue or a pull request.
func Comment(ctx context.Context, d Discussion, number int, kind, text string) (Kept, error) {
	kept, err := Amend(ctx, d, number, kind, text)
	if err != nil || kept.Did != None {
		return kept, err
	}
	c, err := d.CreateComment(ctx, number, mark(kind)+"\n"+text)
	return Kept{Made, c.HTMLURL}, err
}

// Amend does so where there is such a comment already, and makes none.
func Amend(ctx context.Context, d Discussion, number int, kind, text string) (Kept, error) {
	body := mark(kind) + "\n" + text
	list, err := d.Comments(ctx, number)
	if err != nil {
		return Kept{}, err
	}
	for _, c := range list {
		switch {
		case !ours(kind, c.Body, c.Trusted):
			continue
		case same(c.Body, body):
			return Kept{Current, c.HTMLURL}, nil
		}
		c, err = d.UpdateComment(ctx, c.ID, body)
		return Kept{Updated, c.HTMLURL}, err
	}
	return Kept{Did: None}, nil
}

// Silent returns a discussion that is read and not written to: what would be done is what is told as done.
func Silent(d Discussion) Discussion { return silent{d} }

type silent struct{ Discussion }

func (silent) CreateComment(context.Context, int, string) (forge.Comment, error) {
	return forge.Comment{}, nil
}

func (silent) UpdateComment(context.Context, int64, string) (forge.Comment, error) {
	return forge.Comment{}, nil
}

// Tracker is what an issue needs of GitHub.
type Tracker interface {
	OpenIssues(ctx context.Context, label string) ([]forge.Issue, error)
	CreateIssue(ctx context.Context, title, body string) (forge.Issue, error)
	UpdateIssue(ctx context.Context, number int, title, body string) (forge.Issue, error)
	CloseIssue(ctx context.Context, number int) (forge.Issue, error)
	CreateComment(ctx context.Context, number int, body string) (forge.Comment, error)
}

// open lists our open issues of a kind, the oldest first.
func open(ctx context.Context, t Tracker, kind string) ([]forge.Issue, error) {
	all, err := t.OpenIssues(ctx, "")
	var out []forge.Issue
	for i := len(all) - 1; i >= 0; i-- {
		if ours(kind, all[i].Body, all[i].Trusted) {
			out = append(out, all[i])
		}
	}
	return out, err
}

// Issue keeps one open issue of a kind with this title and text.
func Issue(ctx context.Context, t Tracker, kind, title, text string) (Kept, error) {
	body := mark(kind) + "\n" + text
	list, err := open(ctx, t, kind)
	if err != nil {
		return Kept{}, err
	}
	if len(list) == 0 {
		i, err := t.CreateIssue(ctx, title, body)
		return Kept{Made, i.URL}, err
	}
	if same(list[0].Body, body) && list[0].Title == title {
		return Kept{Current, list[0].URL}, nil
	}
	i, err := t.UpdateIssue(ctx, list[0].Number, title, body)
	return Kept{Updated, i.URL}, err
}

// Close closes every open issue of a kind with a last comment. An issue whose closing broke off gets the comment again:
// better twice than a silent end.
func Close(ctx context.Context, t Tracker, kind, comment string) (Kept, error) {
	list, err := open(ctx, t, kind)
	if err != nil {
		return Kept{}, err
	}
	kept := Kept{Did: None}
	for _, i := range list {
		if _, err := t.CreateComment(ctx, i.Number, comment); err != nil {
			return kept, err
		}
		if _, err := t.CloseIssue(ctx, i.Number); err != nil {
			return kept, err
		}
		kept = Kept{Closed, i.URL}
	}
	return kept, nil
}

// DryRun returns a tracker that reads and writes nothing: what would be done is what is told as done.
func DryRun(t Tracker) Tracker { return dry{t} }

type dry struct{ Tracker }

func (dry) CreateIssue(context.Context, string, string) (forge.Issue, error) {
	return forge.Issue{}, nil
}

func (dry) UpdateIssue(_ context.Context, number int, title, _ string) (forge.Issue, error) {
	return forge.Issue{Number: number, Title: title}, nil
}

func (dry) CloseIssue(_ context.Context, number int) (forge.Issue, error) {
	return forge.Issue{Number: number}, nil
}

func (dry) CreateComment(context.Context, int, string) (forge.Comment, error) {
	return forge.Comment{}, nil
}

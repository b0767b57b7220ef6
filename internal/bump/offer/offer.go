// Package offer brings a change to GitHub as a pull request: a branch, commits that GitHub makes and signs, the pull
// request itself. Every step looks first, so the same call finishes one that broke off, and brings one up to date that
// is there. Nothing is overwritten that somebody else has done.
package offer

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
)

// Kinds of the steps, in their order.
const (
	KindBranch = "branch"
	KindCommit = "commit"
	KindPull   = "pull-request"
)

// Offer is the change.
type Offer struct {
	Base, BaseCommit string // the branch that it is for, and where that is
	Branch           string
	Commits          []Commit
	Title, Body      string // of the pull request
}

// Commit is one commit to be made, on top of those before.
type Commit struct {
	Headline, Body string
	Files          map[string]forge.Change // by path
}

// marker is a line of every message that tells our commits from others.
func (o Offer) marker() string { return "Tagboat-Branch: " + o.Branch }

// message is what a commit says in full.
func (o Offer) message(c Commit) (headline, body string) {
	between := "\n\n"
	if lines := strings.Split(c.Body, "\n"); trailer.MatchString(lines[len(lines)-1]) {
		between = "\n" // trailers are one paragraph
	}
	return c.Headline, strings.TrimSpace(c.Body + between + o.marker())
}

var trailer = regexp.MustCompile(`^([A-Za-z-]+: \S|\(cherry picked from commit )`)

// Plan is the steps of an offer.
func (o Offer) Plan() converge.Plan {
	branch, commit := KindBranch+"/"+o.Branch, KindCommit+"/"+o.Branch
	return converge.Plan{Steps: []converge.Step{
		{Key: branch, Kind: KindBranch, Reason: "from " + o.Base},
		{Key: commit, Kind: KindCommit, Needs: []string{branch}, Reason: fmt.Sprintf("%d to be made by GitHub, which signs them", len(o.Commits))},
		{Key: KindPull + "/" + o.Branch, Kind: KindPull, Needs: []string{commit}, Reason: "into " + o.Base},
	}}
}

// Steps does an offer's steps.
type Steps struct {
	Forge *forge.Client
	Offer Offer

	Pull forge.Pull // once it is there
	Head string     // of the branch, once the commits are there
}

// Do does one step.
func (s *Steps) Do(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	switch step.Kind {
	case KindBranch:
		return s.branch(ctx)
	case KindCommit:
		return s.commit(ctx)
	case KindPull:
		return s.pull(ctx)
	}
	return converge.Outcome{}, fmt.Errorf("no such step: %s", step.Key)
}

func (s *Steps) branch(ctx context.Context) (converge.Outcome, error) {
	o := s.Offer
	at, err := s.Forge.Branch(ctx, o.Branch)
	if err == nil {
		return converge.Already("it is there, at " + at[:min(12, len(at))]), nil
	} else if !forge.IsNotFound(err) {
		return converge.Outcome{}, err
	}
	err = s.Forge.CreateBranch(ctx, o.Branch, o.BaseCommit)
	if err != nil && !forge.IsConflict(err) {
		return converge.Outcome{}, denied(err, "make the branch "+o.Branch)
	}
	return converge.Done(), nil
}

func denied(err error, what string) error {
	if !forge.IsDenied(err) {
		return err
	}
	return &problem.Error{Kind: problem.Stopped, Summary: "GitHub does not let us " + what, Err: err,
		Hint: "the token needs contents: write and pull_requests: write; rules of the repository may forbid it, too"}
}

// commit makes the commits that are not there yet, each with the branch's head as a lock.
func (s *Steps) commit(ctx context.Context) (converge.Outcome, error) {
	o := s.Offer
	head, err := s.Forge.Branch(ctx, o.Branch)
	if err != nil {
		return converge.Outcome{}, err
	}
	ahead, err := s.Forge.Ahead(ctx, o.Base, head)
	if err != nil {
		return converge.Outcome{}, err
	}
	for _, k := range ahead {
		if !strings.Contains(k.Message, o.marker()) {
			return converge.Outcome{}, &problem.Error{
				Kind: problem.Stopped, Summary: fmt.Sprintf("the branch %s has a commit that is not of this plan", o.Branch),
				Detail: fmt.Sprintf("%s %s", k.SHA[:min(12, len(k.SHA))], strings.SplitN(k.Message, "\n", 2)[0]),
				Hint:   "merge the pull request as it is, or delete the branch and run this again: nothing of others is overwritten",
			}
		}
	}
	left, err := s.left(ctx, head, ahead)
	if err != nil {
		return converge.Outcome{}, err
	}
	if s.Head = head; len(left) == 0 {
		return converge.Already("the branch has every change"), s.tidy(ctx)
	}
	missing, err := s.Forge.Ahead(ctx, head, o.BaseCommit)
	if err != nil {
		return converge.Outcome{}, err
	}
	if len(ahead) > 0 && (len(missing) > 0 || o.reordered(ahead)) {
		return s.anew(ctx, head)
	}
	note := ""
	s.Head, note, err = s.make(ctx, o.Branch, head, left)
	return converge.DoneBecause(fmt.Sprintf("%d made%s", len(left), note)), denied(err, "commit to "+o.Branch)
}

// reordered reports whether the commits before the plan's last one are others than the branch has. Then a commit on top
// is not enough: the message of each says what it was picked from, by which later runs know it.
func (o Offer) reordered(ahead []forge.Commit) bool {
	there, last := o.there(ahead), len(o.Commits)-1
	return there < len(ahead) && (there < last || there == last && !strings.HasPrefix(ahead[there].Message, o.Commits[last].Headline))
}

// there is how many of the plan's commits a branch begins with.
func (o Offer) there(ahead []forge.Commit) int {
	n := 0
	for n < len(ahead) && n < len(o.Commits) {
		headline, body := o.message(o.Commits[n])
		if strings.TrimSpace(ahead[n].Message) != strings.TrimSpace(headline+"\n\n"+body) {
			break
		}
		n++
	}
	return n
}

// make makes commits on a branch and returns its new head, and a note on those that have no signature.
func (s *Steps) make(ctx context.Context, branch, head string, commits []Commit) (at, note string, err error) {
	unsigned := 0
	for _, c := range commits {
		headline, body := s.Offer.message(c)
		next, signed, err := s.Forge.CommitOnBranch(ctx, forge.BranchCommit{Branch: branch, Expected: head, Files: c.Files, Headline: headline, Body: body})
		if err != nil {
			return head, "", err
		}
		if head = next; !signed {
			unsigned++
		}
	}
	if unsigned > 0 {
		note = fmt.Sprintf(", %d of them unsigned: for the token of a person GitHub signs no commit with a link or an executable file", unsigned)
	}
	return head, note, nil
}

// anew makes the commits again on top of where the base is by now, for the old ones would not merge with it. They are
// made on a branch beside and then the branch moves to them, if it is still where it was seen: a branch that stood at its
// base for a moment would lose its pull request, and what somebody pushed meanwhile would be lost.
func (s *Steps) anew(ctx context.Context, head string) (converge.Outcome, error) {
	o := s.Offer
	if err := s.tidy(ctx); err != nil {
		return converge.Outcome{}, err
	}
	side := o.side()
	if err := s.Forge.CreateBranch(ctx, side, o.BaseCommit); err != nil {
		return converge.Outcome{}, denied(err, "make the branch "+side)
	}
	fresh, note, err := s.make(ctx, side, o.BaseCommit, o.Commits)
	if err == nil {
		err = s.Forge.MoveBranch(ctx, o.Branch, head, fresh)
	}
	if err != nil {
		return converge.Outcome{}, denied(err, "move the branch "+o.Branch)
	}
	s.Head = fresh
	return converge.DoneBecause(fmt.Sprintf("%d made again, on %s as it is now%s", len(o.Commits), o.Base, note)), s.tidy(ctx)
}

// side is the branch on which commits are made anew.
func (o Offer) side() string { return o.Branch + ".next" }

// tidy removes the branch beside, where this or an earlier run left it.
func (s *Steps) tidy(ctx context.Context) error {
	_, err := s.Forge.Branch(ctx, s.Offer.side())
	if err == nil {
		err = s.Forge.DeleteBranch(ctx, s.Offer.side())
	}
	if forge.IsNotFound(err) {
		return nil
	}
	return denied(err, "remove the branch "+s.Offer.side())
}

// left returns the commits that are still to be made: those of the plan behind the ones that are there, or, where the
// plan has changed since, one that brings the files up to date.
func (s *Steps) left(ctx context.Context, head string, ahead []forge.Commit) ([]Commit, error) {
	o := s.Offer
	there := o.there(ahead)
	if there == len(ahead) && there < len(o.Commits) {
		return o.Commits[there:], nil
	}
	wanted := map[string]forge.Change{}
	for _, c := range o.Commits {
		maps.Copy(wanted, c.Files)
	}
	tree, err := s.Forge.Tree(ctx, head)
	if err != nil {
		return nil, err
	}
	now := map[string]forge.TreeEntry{}
	for _, e := range tree {
		now[e.Path] = e
	}
	differ := map[string]forge.Change{}
	for path, f := range wanted {
		if same, err := is(now[path], f); err != nil {
			return nil, err
		} else if !same {
			if mode := now[path].Mode; f.Content != nil && mode != "" && mode != "100644" {
				f.Mode = cmp.Or(f.Mode, "100644") // it becomes a plain file again
			}
			differ[path] = f
		}
	}
	if len(differ) == 0 {
		return nil, nil
	}
	last := o.Commits[len(o.Commits)-1]
	return []Commit{{Headline: last.Headline + " (brought up to date)", Body: last.Body, Files: differ}}, nil
}

// is reports whether a file of a commit, whose entry is empty where it is not, is as a change wants it.
func is(e forge.TreeEntry, f forge.Change) (bool, error) {
	if f.Content == nil || e.SHA == "" {
		return f.Content == nil && e.SHA == "", nil
	}
	id, err := forge.BlobID(int64(len(f.Content)), bytes.NewReader(f.Content))
	return e.SHA == id && e.Mode == cmp.Or(f.Mode, "100644"), err
}

// pull opens the pull request, or brings its text up to date.
func (s *Steps) pull(ctx context.Context) (converge.Outcome, error) {
	o := s.Offer
	all, err := s.Forge.Pulls(ctx, o.Branch, o.Base)
	if err != nil {
		return converge.Outcome{}, err
	}
	want := forge.PullRequest{Title: o.Title, Body: o.Body, Head: o.Branch, Base: o.Base}
	for _, p := range all {
		switch {
		case p.Open && p.Title == o.Title && sameText(p.Body, o.Body):
			s.Pull = p
			return converge.Already(fmt.Sprintf("#%d says so", p.Number)), nil
		case p.Open:
			s.Pull, err = s.Forge.UpdatePull(ctx, p.Number, want)
			return converge.DoneBecause(fmt.Sprintf("#%d was brought up to date", p.Number)), denied(err, "change the pull request")
		case !p.Merged && p.HeadCommit == s.Head:
			return converge.Outcome{}, &problem.Error{
				Kind: problem.Stopped, Summary: fmt.Sprintf("pull request #%d with this very change was closed without being merged", p.Number), Detail: p.URL,
				Hint: "open it again if that was a mistake; or delete the branch " + o.Branch + " and run this again",
			}
		}
	}
	s.Pull, err = s.Forge.CreatePull(ctx, want)
	if forge.IsConflict(err) { // the answer was lost, or another run was faster
		if all, look := s.Forge.Pulls(ctx, o.Branch, o.Base); look == nil {
			for _, p := range all {
				if s.Pull = p; p.Open {
					return converge.DoneBecause(fmt.Sprintf("#%d", p.Number)), nil
				}
			}
		}
	}
	if err != nil {
		return converge.Outcome{}, denied(err, "open a pull request")
	}
	return converge.DoneBecause(fmt.Sprintf("#%d", s.Pull.Number)), nil
}

// sameText compares what GitHub gives back, which may have other line ends.
func sameText(a, b string) bool {
	return strings.TrimSpace(strings.ReplaceAll(a, "\r\n", "\n")) == strings.TrimSpace(b)
}

package githubtwin_test

import (
	"testing"

	"github.com/google/go-github/v62/github"
)

func TestPullRequests(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	c := w.client("")
	topic := w.commit("topic", map[string]string{"Cargo.toml": "[package]\n", "src/lib.rs": "one\n", ".github/workflows/ci.yml": "on: push\n", "extra": "x"}, w.first)
	if err := w.twin.PushBranch(ctx, "topic", topic); err != nil {
		t.Fatal(err)
	}
	w.twin.AddIssue("not a pull request")
	if got := w.do("POST", "/pulls", map[string]string{"title": "x", "head": "main", "base": "main"}); got.status != 422 {
		t.Errorf("no difference: %d %s", got.status, got.body)
	}
	for _, bad := range []map[string]string{{"title": "x", "head": "nowhere", "base": "main"}, {"title": "x", "head": "side", "base": "nowhere"}, {"title": "", "head": "side", "base": "main"}} {
		if got := w.do("POST", "/pulls", bad); got.status != 422 {
			t.Errorf("%v: %d %s", bad, got.status, got.body)
		}
	}
	p, _, err := c.PullRequests.Create(ctx, owner, repo, &github.NewPullRequest{Title: github.String("Topic"), Head: github.String("topic"), Base: github.String("release/v1.0.0"), Body: github.String("text")})
	if err != nil || p.GetNumber() != 2 || p.GetHead().GetSHA() != topic || p.GetCommits() != 1 || p.GetMerged() || p.GetState() != "open" {
		t.Fatalf("%v, %v", p, err)
	}
	if got := w.do("POST", "/pulls", map[string]string{"title": "again", "head": owner + ":topic", "base": "release/v1.0.0"}); got.status != 422 {
		t.Errorf("a second one: %d %s", got.status, got.body)
	}
	if p, _, err = c.PullRequests.Edit(ctx, owner, repo, 2, &github.PullRequest{Title: github.String("Better")}); err != nil || p.GetTitle() != "Better" || p.GetBody() != "text" {
		t.Errorf("%v, %v", p, err)
	}
	list := func(o github.PullRequestListOptions) int {
		t.Helper()
		found, _, err := c.PullRequests.List(ctx, owner, repo, &o)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := list(github.PullRequestListOptions{Head: owner + ":topic", Base: "release/v1.0.0"}); n != 1 {
		t.Errorf("%d listed", n)
	}
	if n := list(github.PullRequestListOptions{Head: owner + ":other"}) + list(github.PullRequestListOptions{Base: "main"}) + list(github.PullRequestListOptions{State: "closed"}); n != 0 {
		t.Errorf("%d listed that do not fit", n)
	}
	merged, err := w.twin.MergePull(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err = c.PullRequests.Get(ctx, owner, repo, 2)
	if err != nil || !p.GetMerged() || p.GetMergeCommitSHA() != merged || p.GetState() != "closed" || p.MergedAt == nil {
		t.Errorf("%v, %v", p, err)
	}
	if b, _, err := c.Repositories.GetBranch(ctx, owner, repo, "release/v1.0.0", 0); err != nil || b.GetCommit().GetSHA() != merged || !b.GetCommit().GetCommit().GetVerification().GetVerified() {
		t.Errorf("%v, %v", b, err)
	}
	if _, err := w.twin.MergePull(ctx, 2); err == nil {
		t.Error("it was merged twice")
	}
	if got := w.do("GET", "/pulls/1", nil); got.status != 404 {
		t.Errorf("an issue is a pull request: %d", got.status)
	}
	w.twin.OpenPull("Other", "side", "main")
	if _, err := w.twin.MergePull(ctx, 3); err == nil {
		t.Error("what conflicts was merged")
	}
	w.twin.ClosePull(ctx, 3)
	if n := list(github.PullRequestListOptions{State: "closed"}); n != 2 {
		t.Errorf("%d closed", n)
	}
}

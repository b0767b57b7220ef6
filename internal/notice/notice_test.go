package notice_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/secret"
)

func hub(t *testing.T) (*githubtwin.Twin, *forge.Client) {
	t.Helper()
	store := gitstore.NewMemory()
	if _, err := store.AddCommit("first", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: "acme", Repo: "demo", Refs: store})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(twin.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { twin.Close() })
	client, err := forge.New(forge.Options{APIURL: server.URL, Owner: "acme", Repo: "demo", Token: func(context.Context) (secret.Value, error) { return secret.New("ghs_x"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return twin, client
}

func want(t *testing.T, what string, got notice.Kept, err error, did string) {
	t.Helper()
	if err != nil || got.Did != did {
		t.Errorf("%s: got %q, %v, want %s", what, got.Did, err, did)
	}
	if (got.URL != "") != (did != notice.None) {
		t.Errorf("%s: got the address %q", what, got.URL)
	}
}

// An issue is opened once, changed where its text changes, and closed; other kinds, strangers and what people made of the
// line breaks do not matter.
func TestIssue(t *testing.T) {
	ctx := t.Context()
	twin, c := hub(t)
	twin.AddStrangersIssue("mine", "<!-- tagboat:tokens -->\ntext")
	twin.AddPullRequest("<!-- tagboat:tokens -->")
	kept, err := notice.Close(ctx, c, "tokens", "bye")
	want(t, "close what is not there", kept, err, notice.None)
	kept, err = notice.Issue(ctx, c, "tokens", "title", "two\nlines")
	want(t, "first", kept, err, notice.Made)
	kept, err = notice.Issue(ctx, c, "other", "title", "two\nlines")
	want(t, "another kind", kept, err, notice.Made)
	kept, err = notice.Issue(ctx, c, "tokens", "title", "two\nlines\n")
	want(t, "again", kept, err, notice.Current)
	if _, err := c.UpdateIssue(ctx, 3, "title", "<!-- tagboat:tokens -->\r\ntwo\r\nlines"); err != nil {
		t.Fatal(err)
	}
	kept, err = notice.Issue(ctx, c, "tokens", "title", "two\nlines")
	want(t, "with other line breaks", kept, err, notice.Current)
	kept, err = notice.Issue(ctx, c, "tokens", "another title", "two\nlines")
	want(t, "another title", kept, err, notice.Updated)
	kept, err = notice.Issue(ctx, c, "tokens", "another title", "one line")
	want(t, "another text", kept, err, notice.Updated)

	// Two runs at once may open two: the older one is kept current, and both are closed.
	if _, err := c.CreateIssue(ctx, "title", "<!-- tagboat:tokens -->\nby another run"); err != nil {
		t.Fatal(err)
	}
	kept, err = notice.Issue(ctx, c, "tokens", "another title", "one line")
	want(t, "with two", kept, err, notice.Current)
	kept, err = notice.Close(ctx, c, "tokens", "bye")
	want(t, "close", kept, err, notice.Closed)
	var states []string
	for _, i := range twin.Issues() {
		states = append(states, i.State+strings.Join(twin.Comments(i.Number), "+"))
	}
	if got := strings.Join(states, " "); got != "open closedbye open closedbye" {
		t.Errorf("got %s", got)
	}
	kept, err = notice.Issue(ctx, c, "tokens", "title", "text")
	want(t, "once more", kept, err, notice.Made)
}

// A dry run tells the same and writes nothing.
func TestDryRun(t *testing.T) {
	ctx := t.Context()
	twin, c := hub(t)
	dry := notice.DryRun(c)
	for _, did := range []string{notice.Made, notice.Updated} {
		kept, err := notice.Issue(ctx, dry, "tokens", "title", did)
		if err != nil || kept.Did != did {
			t.Errorf("got %+v, %v, want %s", kept, err, did)
		}
		if _, err := notice.Issue(ctx, c, "tokens", "title", "text"); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := notice.Close(ctx, dry, "tokens", "bye"); err != nil || kept.Did != notice.Closed {
		t.Errorf("got %+v, %v", kept, err)
	}
	if got := twin.Issues(); len(got) != 1 || got[0].State != "open" || len(twin.Comments(1)) > 0 {
		t.Errorf("got %+v", got)
	}
}

// A comment can be changed where it stands without being made where it does not, and told without being written.
func TestAmend(t *testing.T) {
	ctx := t.Context()
	twin, c := hub(t)
	n := twin.AddPullRequest("a change")
	twin.AddComment(n, "<!-- tagboat:backport --> not mine")
	kept, err := notice.Amend(ctx, c, n, "backport", "text")
	want(t, "amend what is not there", kept, err, notice.None)
	if kept, err := notice.Comment(ctx, notice.Silent(c), n, "backport", "text"); err != nil || kept.Did != notice.Made || len(twin.Comments(n)) != 1 {
		t.Errorf("a silent comment: %+v, %v, %q", kept, err, twin.Comments(n))
	}
	kept, err = notice.Comment(ctx, c, n, "backport", "text")
	want(t, "comment", kept, err, notice.Made)
	kept, err = notice.Amend(ctx, c, n, "backport", "text")
	want(t, "amend with the same", kept, err, notice.Current)
	if kept, err := notice.Comment(ctx, notice.Silent(c), n, "backport", "other"); err != nil || kept.Did != notice.Updated {
		t.Errorf("a silent change: %+v, %v", kept, err)
	}
	kept, err = notice.Amend(ctx, c, n, "backport", "other")
	want(t, "amend", kept, err, notice.Updated)
	if got := twin.Comments(n); len(got) != 2 || !strings.HasSuffix(got[1], "other") || strings.HasSuffix(got[0], "other") {
		t.Errorf("the comments are %q", got)
	}
}

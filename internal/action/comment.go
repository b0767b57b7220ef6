package action

import (
	"context"
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// commentMark begins our comment on a pull request, so that the next run finds it. People do not see it.
const commentMark = "<!-- tagboat:check -->\n"

// discussion is where comments are: GitHub.
type discussion interface {
	Comments(ctx context.Context, number int) ([]forge.Comment, error)
	CreateComment(ctx context.Context, number int, body string) (forge.Comment, error)
	UpdateComment(ctx context.Context, id int64, body string) (forge.Comment, error)
}

// comment keeps one comment with the report on a pull request, and returns what was done. Somebody else's comment that
// begins with our mark is left alone.
func comment(ctx context.Context, d discussion, number int, r release.Report, m *secret.Masker) (string, error) {
	body := m.Mask(commentMark + render.Comment(r))
	list, err := d.Comments(ctx, number)
	if err != nil {
		return "", err
	}
	for _, c := range list {
		switch {
		case !c.Trusted || !strings.HasPrefix(c.Body, strings.TrimSpace(commentMark)):
			continue
		case strings.TrimSpace(c.Body) == strings.TrimSpace(body):
			return "the comment says so already", nil
		}
		c, err = d.UpdateComment(ctx, c.ID, body)
		return "updated " + c.HTMLURL, err
	}
	c, err := d.CreateComment(ctx, number, body)
	return "made " + c.HTMLURL, err
}

// discuss comments on the pull request of the event, where the token may. A check without a comment is a check all the
// same, so what goes wrong is only said.
func (s *step) discuss(ctx context.Context, number int, r release.Report) {
	owner, name, _ := strings.Cut(s.env["GITHUB_REPOSITORY"], "/")
	client, err := forge.New(forge.Options{APIURL: s.env["GITHUB_API_URL"], Owner: owner, Repo: name, UserAgent: "tagboat",
		Token: func(context.Context) (secret.Value, error) { return secret.New(s.token), nil }})
	var did string
	if err == nil {
		did, err = comment(ctx, client, number, r, s.runner.masker)
	}
	switch {
	case forge.IsDenied(err):
		s.say("No comment on the pull request: the token may not write one. It needs `pull-requests: write`; a run for a fork never has it.")
	case err != nil:
		s.say("No comment on the pull request: %v", err)
	default:
		s.say("Comment on the pull request: %s", did)
	}
}

func (s *step) say(format string, args ...any) {
	fmt.Fprintln(s.runner.out, clean(fmt.Sprintf(format, args...)))
}

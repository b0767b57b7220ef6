package action

import (
	"context"
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// discuss comments on the pull request of the event, where the token may. A check without a comment is a check all the
// same, so what goes wrong is only said.
func (s *step) discuss(ctx context.Context, number int, r release.Report) {
	owner, name, _ := strings.Cut(s.env["GITHUB_REPOSITORY"], "/")
	client, err := forge.New(forge.Options{APIURL: s.env["GITHUB_API_URL"], Owner: owner, Repo: name, UserAgent: "tagboat",
		Token: func(context.Context) (secret.Value, error) { return secret.New(s.token), nil }})
	var kept notice.Kept
	if err == nil {
		kept, err = notice.Comment(ctx, client, number, "check", s.runner.masker.Mask(render.Comment(r)))
	}
	switch {
	case forge.IsDenied(err):
		s.say("No comment on the pull request: the token may not write one. It needs `pull-requests: write`; a run for a fork never has it.")
	case err != nil:
		s.say("No comment on the pull request: %v", err)
	case kept.Did == notice.Current:
		s.say("Comment on the pull request: the comment says so already")
	default:
		s.say("Comment on the pull request: %s %s", kept.Did, kept.URL)
	}
}

func (s *step) say(format string, args ...any) {
	fmt.Fprintln(s.runner.out, clean(fmt.Sprintf(format, args...)))
}

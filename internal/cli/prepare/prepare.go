// Package prepare holds the commands for what happens before a tag, and the tag: bump, patch, tag.
package prepare

import (
	"context"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// Edge is what these commands need of the command line around them.
type Edge struct {
	Env   map[string]string
	Dir   func() string // of the repository
	Say   func(format string, args ...any)
	Token func() (secret.Value, error) // of GitHub, zero where there is none

	Forge         func(ctx context.Context, repo *git.Repo, repository, apiURL string) (*forge.Client, error)
	NotRepository func(err error) error // explains that Dir is none

	Print  func(r *release.Report, text func(render.Style) string) error // a report, in its own words
	Show   func(r *release.Report) error                                 // a report as a plan
	Finish func(r *release.Report) error                                 // a report as the end of a run
}

// target is the repository on GitHub.
type target struct{ repository, apiURL string }

func (a *Edge) flags(cmd *cobra.Command, t *target) {
	f := cmd.Flags()
	f.StringVar(&t.repository, "repository", a.Env["GITHUB_REPOSITORY"], "owner/name on GitHub (default: GITHUB_REPOSITORY, else the remote origin)")
	f.StringVar(&t.apiURL, "api-url", a.Env["GITHUB_API_URL"], "GitHub's API (default: GITHUB_API_URL, else https://api.github.com)")
}

func (a *Edge) forge(ctx context.Context, repo *git.Repo, t target) (*forge.Client, error) {
	return a.Forge(ctx, repo, t.repository, t.apiURL)
}

var commitSHA = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Commands returns bump, tag and patch.
func (a *Edge) Commands() []*cobra.Command {
	return []*cobra.Command{a.bumpCommand(), a.tagCommand(), a.patchCommand()}
}

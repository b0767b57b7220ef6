package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/care"
	"github.com/tagboat/tagboat/internal/cli/custody"
	"github.com/tagboat/tagboat/internal/cli/keys"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/secret"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token (check | rotate)",
		Short: "Watch over tokens, and renew them",
		Long: `Watch over the tokens of the registries, and put new ones into the secrets on GitHub that hold them. Tagboat makes no
tokens: a person does, on the registry's page.`,
		Example: "  tagboat token check\n  tagboat token rotate my-feed",
		RunE: func(cmd *cobra.Command, args []string) error { // without it a mistyped command prints help and succeeds
			if len(args) > 0 {
				return &problem.Error{Kind: problem.Usage, Summary: "tagboat token has no such command", Hint: "it is check or rotate; if a token itself stood on the command line, replace it"}
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.tokenCheckCommand(), a.tokenRotateCommand())
	return cmd
}

func (a *app) tokenCheckCommand() *cobra.Command {
	var t target
	var issue, dry bool
	tolerance := string(care.FailExpiring)
	cmd := &cobra.Command{
		Use:   "check [NAME]",
		Short: "Ask of each token whether it works, what it may do, and how long",
		Long: `Ask of each token whether it works, what it may do, and how long: of those that this run has in its environment, and of
those under [tokens] in tagboat.toml. A day comes from the token where it tells, else from tagboat.toml.

It ends with exit code 2 where a person must act: a token is refused, or stops working within warn_days. In GitHub
Actions one issue says so; it is kept current, and closed when all is well. The job needs issues: write for it.`,
		Example: "  tagboat token check\n  tagboat token check my-feed --json\n  tagboat token check --issue --dry-run",
		Args:    a.tokenArgs(0),
	}
	a.hubFlags(cmd, &t)
	f := cmd.Flags()
	f.BoolVar(&issue, "issue", a.env["GITHUB_ACTIONS"] == "true", "keep one issue current that says what a person must do (the default in GitHub Actions)")
	f.BoolVar(&dry, "dry-run", false, "only tell what would be done with the issue")
	f.StringVar(&tolerance, "fail-on", tolerance, "end with exit code 2 for tokens that are expiring, or only for those that are expired or refused: expiring or expired")
	f.StringVar(&t.summary, "summary", a.env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if tolerance != string(care.FailExpiring) && tolerance != string(care.FailExpired) {
			return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--fail-on cannot be %q", tolerance), Hint: "it is expiring or expired"}
		}
		d, err := a.tokenDesk(cmd.Context(), t)
		if err != nil {
			return err
		}
		r, err := d.Check(cmd.Context(), custody.Check{Names: args, Tolerance: care.Tolerance(tolerance), Issue: issue, DryRun: dry})
		return a.report(r, err, t.summary)
	}
	return cmd
}

func (a *app) hubFlags(cmd *cobra.Command, t *target) {
	a.targetFlags(cmd, t)
	for _, name := range []string{"tag", "commit", "branch", "artifacts", "upload-url", "toolchain-cache"} {
		cmd.Flags().MarkHidden(name)
	}
}

// tokenArgs takes at least so many arguments and at most one. What stands there too much may be a token, so it is not
// repeated.
func (a *app) tokenArgs(least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("tagboat token %s takes one name and nothing else", cmd.Name()),
				Detail: "a token never stands on a command line: every process can read it there, and the shell keeps it",
				Hint:   "if one stood there, replace it; tagboat token rotate NAME asks for the new one, or reads it from standard input"}
		case len(args) < least:
			return &problem.Error{Kind: problem.Usage, Summary: "which token?", Hint: "give its name: that of its registry, or of its table under [tokens] in tagboat.toml"}
		}
		return nil
	}
}

func (a *app) tokenRotateCommand() *cobra.Command {
	var t target
	var create, dry bool
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Put a new token into the secret on GitHub that holds the old one",
		Long: `Put a new token into the secret on GitHub that holds the old one: of the repository, of an environment, or of an
organization, as [tokens.NAME] in tagboat.toml says. The new value is asked for without showing it, or read from
standard input; it never stands on the command line. It is tried at its registry first, and nothing is written before
it is proven.

GITHUB_TOKEN must be a token that may write the secret. The one that a workflow is given never may.`,
		Example: "  tagboat token rotate my-feed\n  tagboat token rotate my-feed --dry-run < new-token",
		Args:    a.tokenArgs(1),
	}
	a.hubFlags(cmd, &t)
	cmd.Flags().BoolVar(&create, "create", false, "make the secret where there is none; one of an organization is seen by this repository alone")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "prove the new value, and write nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := a.tokenDesk(cmd.Context(), t)
		if err != nil {
			return err
		}
		var r *release.Report
		token, err := a.githubToken()
		if err == nil {
			r, err = d.Rotate(cmd.Context(), custody.Rotate{Name: args[0], Create: create, DryRun: dry, Nobody: token.IsZero()})
		}
		return a.report(r, err, "")
	}
	return cmd
}

// tokenDesk wires what the commands about tokens need, from the checked out commit.
func (a *app) tokenDesk(ctx context.Context, t target) (*custody.Desk, error) {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return nil, notRepository(err, a.dir)
	}
	cfg, indexes, err := keys.AtHead(ctx, repo)
	if err != nil {
		return nil, err
	}
	held := a.tokens(cfg, indexes)
	d := &custody.Desk{Config: cfg, Indexes: indexes, Env: a.env, In: a.streams.In, Err: a.streams.Err, Masker: a.masker, Say: a.say, Flush: func() { flush(a.streams.Err) }}
	d.Variable = held.From
	d.Others = slices.Sorted(maps.Keys(held.Registries()))
	d.Hub = func(ctx context.Context) (*forge.Client, error) { return a.forge(ctx, repo, t) }
	d.Client = func(name, index string, token secret.Value) (*registry.Client, error) {
		return a.clients(cfg, login.New(login.Config{Settings: cfg, Token: func(string) secret.Value { return token }}))(name, index)
	}
	return d, nil
}

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/ship"
)

func (a *app) rollingCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "rolling --artifacts GLOB",
		Short: "Bring the rolling pre-release to the commit that was built",
		Long: `Bring the rolling pre-release (dev-latest) to HEAD: the tag on the built commit, the files replaced one by one. Where
releases are immutable a tag cannot roll; then each build is a dated pre-release of its own, and old ones are removed.
A build that finishes after a newer one changes nothing.

It is for a workflow that runs on pushes to the development branch, and needs enabled = true in [release.rolling].`,
		Example: "  tagboat rolling --artifacts 'dist/*'",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.rolling(cmd.Context(), t) },
	}
	a.targetFlags(cmd, &t)
	for _, name := range []string{"tag", "commit", "branch", "toolchain-cache"} {
		cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().StringVar(&t.summary, "summary", a.env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	return cmd
}

func (a *app) rolling(ctx context.Context, t target) error {
	w, end, err := a.world(ctx, t)
	if err != nil {
		return err
	}
	defer end()
	p := a.progress()
	r, err := ship.Roll(ctx, w, release.Request{Half: release.Both, Artifacts: t.artifacts}, ship.Options{Command: "rolling", Planned: p.Planned})
	p.Close()
	return a.report(r, err, t.summary)
}

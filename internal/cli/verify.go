package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/depot"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/prove"
	"github.com/tagboat/tagboat/internal/render"
)

func (a *app) verifyCommand() *cobra.Command {
	var t target
	var rebuild bool
	cmd := &cobra.Command{
		Use:   "verify TAG",
		Short: "Prove a release by its bill of lading",
		Long: `Take the bill of lading of a release and prove it: the tag and its commit, every asset's bytes, every registry's
checksum. With --rebuild the commit is packaged again, in the build zone, and the bytes are compared.

The ledger of a redistribution from git (a tag that begins with redist-) is held against its upstream besides: the commit
must be there, every file of every crate must be that commit's, and nothing in its manifests changed but what the bill says.`,
		Example: "  tagboat verify v0.4.0\n  tagboat verify v0.4.0 --rebuild\n  tagboat verify redist-mshv-52edcf4a1b\n  tagboat verify redist-mshv-52edcf4a1b --rebuild",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.tag = args[0]
			return a.verify(cmd.Context(), t, rebuild)
		},
	}
	a.targetFlags(cmd, &t)
	for _, name := range []string{"tag", "commit", "branch", "artifacts"} {
		cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "package the commit again, for a redistribution rewritten as its bill tells, and compare the bytes")
	return cmd
}

func (a *app) verify(ctx context.Context, t target, rebuild bool) error {
	s, proofs, mine, err := a.host().Verify(ctx, t.tag, rebuild, depot.Flags{Repository: t.repository, APIURL: t.apiURL, UploadURL: t.uploadURL})
	if !mine {
		w, end, failed := a.world(ctx, t)
		if failed != nil {
			return failed
		}
		defer end()
		s, proofs, err = prove.Release(ctx, w, release.Request{Tag: t.tag, Half: release.Second}, rebuild)
	}
	if err != nil {
		return err
	}
	v := prove.Of(t.tag, s, proofs)
	a.code = v.ExitCode()
	var checks []render.Check
	for _, p := range proofs {
		checks = append(checks, render.Check{Name: p.Name, State: p.State, Detail: p.Detail})
	}
	out := a.streams.Out
	if a.json {
		if err := render.JSON(a.streams.Out, v); err != nil {
			return err
		}
		out = a.streams.Err
	}
	_, err = fmt.Fprint(out, render.Verification(a.style(out), s.Repository+" "+t.tag, checks))
	return err
}

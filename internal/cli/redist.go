package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/depot"
	"github.com/tagboat/tagboat/internal/cli/screen"
	"github.com/tagboat/tagboat/internal/credential"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

func (a *app) redistCommand() *cobra.Command { return depot.Command(a.host()) }

// host is this program around what is asked of redistributions.
func (a *app) host() depot.Host {
	var p *screen.Progress // made when the flags are known
	var revoke func()
	return depot.Host{
		Env: a.env, Masker: a.masker, Style: a.style, Close: func() {
			if p != nil {
				p.Close()
			}
			if revoke != nil {
				revoke()
			}
		}, Hub: a.ledger,
		Dir: func() string { return a.dir }, JSON: func() bool { return a.json }, Code: func(code int) { a.code = code },
		Out: func() io.Writer { return a.streams.Out }, Err: func() io.Writer { return a.streams.Err },
		Wire: func(d *depot.Depot) {
			held := a.tokens(d.Config, d.Indexes)
			p = a.progress()
			logins := a.credentials(d.Config, held)
			revoke = logins.Revoke
			d.IndexVariable, d.Say, d.Draw, d.TokenFrom = credential.IndexVariable, a.say, p.Draw, held.From
			d.HasToken = logins.Any
			d.Keys = func() []release.BillKey { return held.BillKeys() }
			d.Open = func(name, index string) (registry.Registry, registry.Options, error) {
				return a.openRegistry(d.Config, logins, name, index)
			}
		},
	}
}

// ledger is the client for the repository on GitHub that keeps the ledger; there need be no checkout of it.
func (a *app) ledger(ctx context.Context, f depot.Flags) (*forge.Client, error) {
	repo, err := git.Open(ctx, a.dir)
	if err != nil && (f.Repository == "" || !errors.Is(err, git.ErrNotRepository)) {
		return nil, notRepository(err, a.dir)
	}
	return a.forge(ctx, repo, target{repository: f.Repository, apiURL: f.APIURL, uploadURL: f.UploadURL})
}

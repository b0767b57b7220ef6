package depot

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/redist/repack"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/prove"
)

// Verify proves a redistribution; mine is false where the tag is none of its, but may be of a release.
func (h Host) Verify(ctx context.Context, tag string, rebuild bool, f Flags) (s release.Snapshot, proofs []prove.Proof, mine bool, err error) {
	cfg, indexes, err := Load(h.Dir())
	if err != nil || !isLedger(cfg, tag) {
		return s, nil, false, nil // what is wrong with the folder, the release will say
	}
	d := Depot{Config: cfg, Indexes: indexes, Dir: h.Dir(), Env: h.Env, Hub: func(ctx context.Context) (*forge.Client, error) { return h.Hub(ctx, f) }}
	h.Wire(&d)
	defer h.Close()
	s, proofs, err = d.verify(ctx, tag, rebuild)
	return s, proofs, true, err
}

// isLedger reports whether a tag is that of a redistribution and of no release of the repository's own.
func isLedger(cfg config.Config, tag string) bool {
	_, err := release.TagForm{Template: cfg.Tags.Template, TwoPart: cfg.Tags.TwoPart}.Parse(tag)
	return err != nil && strings.HasPrefix(tag, repack.TagPrefix)
}

// verify proves a redistribution by its bill of lading: the bill, the assets, the registries, upstream's commit.
func (d *Depot) verify(ctx context.Context, tag string, rebuild bool) (release.Snapshot, []prove.Proof, error) {
	scratch, err := disk.Scratch(d.Env["RUNNER_TEMP"])
	if err != nil {
		return release.Snapshot{}, nil, err
	}
	defer os.RemoveAll(scratch)
	// Whoever may write releases may write a bill: where a registry is says the configuration alone, or a token would go
	// where a bill sends it.
	w := observe.World{Keys: d.Keys(), Registry: func(name, index string) (*registry.Client, error) {
		client, err := d.client(name, nil)
		if err == nil && !cratefile.SameIndex(client.Registry().Index, index) {
			err = fmt.Errorf("its index is %s here and %s in the bill", client.Registry().Index, index)
		}
		return client, err
	}}
	if w.Forge, err = d.Hub(ctx); err != nil {
		return release.Snapshot{}, nil, err
	}
	s, proofs, err := prove.Ledger(ctx, w, tag)
	if err != nil {
		return s, nil, err
	}
	src := &repack.Source{Config: d.Config, Scratch: scratch}
	if bill := s.Remote.Ledger.Bill; rebuild && bill != nil {
		if src.Order.Job, err = repack.Again(bill); err != nil {
			return s, nil, err
		}
		index := bill.Crates[0].Registries[0].Index
		client, err := w.Registry(src.Order.Job.Registry, index)
		if err != nil {
			return s, nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the registry %s of the bill is another one here", src.Order.Job.Registry), Err: err, Hint: "the crates name its index, so without it they are not the same bytes"}
		}
		defer d.open(src, client)()
		src.Order.Index = index // as it was spelled then
	}
	d.Say("Comparing with upstream.")
	more, err := repack.Prove(ctx, w.Forge, s, src, rebuild)
	return s, append(proofs, more...), err
}

package prove

import (
	"context"
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Ledger takes the bill of lading of a redistribution and proves what can be proven without its source: that it is the
// bill of this release, every asset's bytes, every registry's checksum. The repository that keeps the ledger does not have
// the commit, which is one of upstream; the tag's name ends with it.
func Ledger(ctx context.Context, w observe.World, tag string) (release.Snapshot, []Proof, error) {
	s := release.Snapshot{Repository: w.Forge.Slug(), Checkout: release.Checkout{Tag: release.Tag{Name: tag}}}
	all, err := w.Forge.FindRelease(ctx, tag)
	if err != nil {
		return s, nil, err
	}
	if len(all) == 0 {
		return s, nil, absent(ctx, w, tag, "tagboat redist makes it; its report names the tag")
	}
	observe.Order(all)
	rel := all[0]
	s.Remote.Releases = []release.Release{{ID: rel.ID, Draft: rel.Draft, Immutable: rel.Immutable, URL: rel.HTMLURL, Assets: observe.Assets(rel)}}
	if s.Remote.Ledger, err = observe.ReadLedger(ctx, w, rel); err != nil {
		return s, nil, err
	}
	bill := s.Remote.Ledger.Bill
	if bill == nil {
		return s, []Proof{{Name: "bill of lading", State: "missing", Detail: s.Remote.Ledger.Reason}}, nil
	}
	s.Checkout.Commit, s.Checkout.Upstream = bill.Commit, bill.Upstream
	v := verifier{world: w, snap: s, bill: *bill}
	v.ledger(rel)
	if err := v.assets(ctx); err != nil {
		return s, nil, err
	}
	if err := v.registries(ctx); err != nil {
		return s, nil, err
	}
	return s, v.proofs, nil
}

// ledger compares the bill with the release that holds it.
func (v *verifier) ledger(rel forge.Release) {
	v.compare("repository", v.bill.Repository, v.snap.Repository)
	v.compare("tag", v.bill.Tag, rel.Tag)
	p := Proof{Name: "commit in the tag's name", State: "same"}
	if short := release.Short(v.bill.Commit); short == "" || !strings.HasSuffix(rel.Tag, "-"+short) {
		p.State, p.Detail = "different", fmt.Sprintf("bill   %s\nthere  %s", v.bill.Commit, rel.Tag)
	}
	v.proofs = append(v.proofs, p)
	v.authentic()
	if len(v.bill.Crates) == 0 { // a bill that says nothing proves nothing
		v.proofs = append(v.proofs, Proof{Name: "crates", State: "missing", Detail: "the bill names none"})
	}
}

package repack

import (
	"context"

	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// Publish brings the crates of a revision to their registry: observe, plan, run, report, by a release's own pipeline,
// whose source is the rewritten upstream and whose tag is the ledger's. The report is never nil.
func Publish(ctx context.Context, w observe.World, s *Source, o ship.Options, dry bool) (*redist.Report, error) {
	o.Command = "redist"
	w.Source = s
	s.ledger = func(ctx context.Context, tag string) (*release.Bill, error) {
		all, err := w.Forge.FindRelease(ctx, tag)
		if err != nil || len(all) == 0 {
			return nil, err
		}
		observe.Order(all)
		l, err := observe.ReadLedger(ctx, w, all[0])
		return l.Bill, err
	}
	snap, err := observe.Snapshot(ctx, w, release.Request{Half: release.Second})
	if err != nil {
		r := redist.Report{Report: release.ErrorReport("redist", err), Redist: []redist.Part{}}
		return &r, err
	}
	// The rules for tags and branches are about the repository's own releases; this tag is made with the release.
	snap.Remote.Asked = false
	superseded, warning := watch(ctx, s.Watch, snap.Checkout.Crates)
	if f := redist.SupersededFinding(superseded); f != nil {
		snap.Checkout.Findings = append(snap.Checkout.Findings, *f)
	}
	got := &release.Report{}
	if dry {
		planned := release.NewReport("redist", snap, release.MakePlan(snap))
		got = &planned
	} else {
		got, err = ship.Run(ctx, w, snap, o)
	}
	r := report(*got, snap, s)
	r.Redist[0].Superseded = superseded
	if warning != "" {
		r.Warnings = append(r.Warnings, warning)
	} else if s.Watch != nil {
		r.Redist[0].Watched = s.Watch.Registry().Name
	}
	return &r, err
}

// report adds to a release's report what consumers need.
func report(got release.Report, snap release.Snapshot, s *Source) redist.Report {
	job := s.Order.Job
	side := redist.Side{Name: job.Registry, Index: s.Order.Index}
	for _, r := range snap.Registries {
		side.Auth = side.Auth || r.Access.Auth
	}
	part := redist.Part{Name: job.Name, From: snap.Checkout.Upstream.Repository, Rev: snap.Checkout.Commit, To: job.Registry, Index: s.Order.Index, Crates: []redist.Move{}, Config: redist.RegistryLines(side)}
	outcomes := map[string]string{}
	for _, step := range got.Steps {
		outcomes[step.Key] = step.Outcome
	}
	var versions [][2]string
	for _, c := range snap.Checkout.Crates {
		m := redist.Move{Name: c.Name, Version: c.Version, State: redist.Missing}
		if b := bound(got.Bill, c.Name, job.Registry); b != nil {
			m.SHA256 = b.SHA256
		}
		at := job.Registry + "/" + c.Name + "@" + c.Version
		there := snap.Registries[0].Crates[c.Name].Checksum
		switch {
		case there != "" && (m.SHA256 == "" || there == m.SHA256):
			m.State = redist.There
		case outcomes[release.KindConfirm+"/"+at] == "done":
			m.State = redist.Moved
		case outcomes[release.KindPublish+"/"+at] == "done":
			m.State = redist.Uploaded
		}
		part.Crates = append(part.Crates, m)
		versions = append(versions, [2]string{c.Name, c.Version})
	}
	part.Manifest = redist.ManifestLines(job.Registry, versions)
	if got.Outcome == release.Released {
		got.Outcome = release.Redistributed
	}
	return redist.Report{Report: got, Redist: []redist.Part{part}}
}

func bound(b *release.Bill, name, registry string) *release.BillCrate {
	if b == nil {
		return nil
	}
	return b.Bound(name, registry)
}

// Package prove holds a release against its bill of lading.
package prove

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Proof is one thing that a verification compared. State is "same", "different", "missing" or "unknown".
type Proof struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// Holds reports whether everything is as the bill says.
func Holds(proofs []Proof) bool {
	return !slices.ContainsFunc(proofs, func(p Proof) bool { return p.State != "same" })
}

// Verification is the JSON document of `tagboat verify`.
type Verification struct {
	release.Report
	Proofs []Proof `json:"proofs"`
}

// Of sums up what was compared.
func Of(tag string, s release.Snapshot, proofs []Proof) Verification {
	v := Verification{Report: release.NewReport("verify", s, release.Plan{}), Proofs: proofs}
	v.Outcome = release.Verified
	if !Holds(proofs) {
		v.Outcome = release.Stopped
		v.Problems = append(v.Problems, release.ReportProblem{Summary: fmt.Sprintf("the release %s is not what its bill says", tag)})
	}
	return v
}

// Release takes the bill of lading of the request's release and proves it: the tag and the commit, every asset's bytes,
// every registry's checksum. With rebuild the commit is packaged again and the bytes are compared.
func Release(ctx context.Context, w observe.World, req release.Request, rebuild bool) (release.Snapshot, []Proof, error) {
	w.WorkingDir = "" // what becomes an asset is in the release
	s, err := observe.Snapshot(ctx, w, req)
	if err != nil {
		return s, nil, err
	}
	l := s.Remote.Ledger
	if l.Bill == nil && len(s.Remote.Releases) == 0 {
		return s, nil, absent(ctx, w, req.Tag, "tagboat plan --tag "+req.Tag+" says what a release of it would do")
	}
	if l.Bill == nil {
		return s, []Proof{{Name: "bill of lading", State: "missing", Detail: l.Reason}}, nil
	}
	v := verifier{world: w, snap: s, bill: *l.Bill}
	v.origin()
	if err := v.assets(ctx); err != nil {
		return s, nil, err
	}
	if err := v.registries(ctx); err != nil {
		return s, nil, err
	}
	if rebuild {
		if err := v.rebuild(ctx); err != nil {
			return s, nil, err
		}
	}
	return s, v.proofs, nil
}

// absent says that a tag has no release, and which ones there are.
func absent(ctx context.Context, w observe.World, tag, hint string) error {
	var there []string
	for rel, err := range w.Forge.Releases(ctx) {
		if err != nil || len(there) == 5 {
			break
		}
		there = append(there, rel.Tag)
	}
	p := &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s has no release %s", w.Forge.Slug(), tag), Detail: "there is no release at all", Hint: hint}
	if len(there) > 0 {
		p.Detail = "the newest are " + strings.Join(there, ", ")
	}
	return p
}

type verifier struct {
	world  observe.World
	snap   release.Snapshot
	bill   release.Bill
	proofs []Proof
}

func (v *verifier) compare(name, want, got string) {
	p := Proof{Name: name, State: "same"}
	switch {
	case got == "":
		p.State, p.Detail = "missing", "bill  "+want
	case got != want:
		p.State, p.Detail = "different", fmt.Sprintf("bill   %s\nthere  %s", want, got)
	}
	v.proofs = append(v.proofs, p)
}

func (v *verifier) origin() {
	v.compare("repository", v.bill.Repository, v.snap.Repository)
	tag := v.snap.Checkout.Tag
	v.compare("tag", v.bill.Tag, tag.Name)
	v.compare("tag "+tag.Name+" on GitHub", v.bill.Commit, v.snap.Remote.TagCommit)
	v.compare("tag "+tag.Name+" here", v.bill.Commit, tag.Commit)
	v.authentic()
}

// authentic says whether the bill is one of ours.
func (v *verifier) authentic() {
	// Only who holds a credential of the run that made the bill can check its MAC.
	p := Proof{Name: "bill of lading", State: "same", Detail: v.snap.Remote.Ledger.Reason}
	if !v.snap.Remote.Ledger.Authentic && strings.Contains(p.Detail, "is wrong") {
		p.State = "different"
	}
	v.proofs = append(v.proofs, p)
}

// assets fetches and hashes every file that the bill names.
func (v *verifier) assets(ctx context.Context) error {
	all, err := v.world.Forge.FindRelease(ctx, v.snap.Checkout.Tag.Name)
	if err != nil || len(all) == 0 {
		return err
	}
	there := map[string]forge.Asset{}
	for _, rel := range all {
		if rel.ID == v.snap.Remote.Releases[0].ID {
			for _, a := range rel.Assets {
				there[a.Name] = a
			}
		}
	}
	check := func(name, want string) error {
		a, ok := there[name]
		if !ok {
			v.compare("asset "+name, want, "")
			return nil
		}
		body, err := v.world.Forge.DownloadAsset(ctx, a)
		if err != nil {
			return err
		}
		defer body.Close()
		h := sha256.New()
		if _, err := io.Copy(h, body); err != nil {
			return fmt.Errorf("download %s: %w", name, err)
		}
		v.compare("asset "+name, want, hex.EncodeToString(h.Sum(nil)))
		return nil
	}
	for _, c := range v.bill.Crates {
		if err := check(c.Asset, c.SHA256); err != nil {
			return err
		}
	}
	for _, a := range v.bill.Artifacts {
		if err := check(a.Name, a.SHA256); err != nil {
			return err
		}
	}
	sums := sha256.Sum256(v.bill.Sums())
	return check(release.SumsName, hex.EncodeToString(sums[:]))
}

// registries asks every index for the versions that the bill names. What the commit publishes and the bill does not
// name is missing in it: a bill that says nothing proves nothing.
func (v *verifier) registries(ctx context.Context) error {
	for _, c := range v.snap.Checkout.Crates {
		for _, name := range c.Registries {
			if v.bill.Bound(c.Name, name) == nil {
				v.proofs = append(v.proofs, Proof{Name: c.Name + " " + c.Version + " in " + name, State: "missing", Detail: "the bill does not name it"})
			}
		}
	}
	for _, c := range v.bill.Crates {
		for _, r := range c.Registries {
			client, err := v.world.Registry(r.Name, r.Index)
			if err != nil {
				v.proofs = append(v.proofs, Proof{Name: c.Name + " " + c.Version + " in " + r.Name, State: "unknown", Detail: err.Error()})
				continue
			}
			entries, err := client.Lookup(ctx, c.Name)
			if err != nil {
				return v.unread(r.Name, err)
			}
			e, _ := registry.Find(entries, c.Version)
			v.compare(c.Name+" "+c.Version+" in "+r.Name, c.SHA256, e.Checksum)
		}
	}
	return nil
}

// unread says what a person can do about an index that cannot be read. Public ones want no token, so a run may come without.
func (v *verifier) unread(name string, err error) error {
	var answer *registry.Error
	if !errors.As(err, &answer) {
		return err
	}
	p := &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer", name), Detail: answer.Error(), Err: err, Hint: "run again when it does"}
	if answer.Class == registry.Denied {
		p.Kind, p.Summary, p.Hint = problem.Stopped, fmt.Sprintf("registry %s cannot be read", name), "it wants a token that may read"
		if i := slices.IndexFunc(v.snap.Registries, func(r release.Registry) bool { return r.Name == name && r.Access.Variable != "" }); i >= 0 {
			p.Hint += "; the token is read from " + v.snap.Registries[i].Access.Variable
		}
	}
	return p
}

// rebuild packages the commit again, with the toolchain at hand.
func (v *verifier) rebuild(ctx context.Context) error {
	for _, r := range v.snap.Registries {
		var names []string
		for _, c := range v.bill.Crates {
			if v.bill.Bound(c.Name, r.Name) != nil && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		if len(names) == 0 {
			continue
		}
		client, err := v.world.Registry(r.Name, r.Index)
		if err != nil {
			return err
		}
		out := filepath.Join(v.world.Scratch, "rebuilt-"+r.Name)
		if err := os.MkdirAll(out, 0o755); err != nil {
			return fmt.Errorf("make folder for rebuilt crates: %w", err)
		}
		packed, err := v.world.Source.Package(ctx, observe.PackageOrder{Registry: client.Registry(), Crates: names, Out: out, Progress: func(string, string) {}})
		if err != nil {
			return err
		}
		same := true
		for _, p := range packed.Crates {
			if c := v.bill.Bound(p.Name, r.Name); c != nil {
				v.compare(p.Name+" "+p.Version+" packaged again for "+r.Name, c.SHA256, p.SHA256)
				same = same && c.SHA256 == p.SHA256
			}
		}
		if !same { // another cargo is no fault where the bytes are the same, and the likely cause where they are not
			v.compare("toolchain", v.bill.Cargo, packed.Cargo)
		}
	}
	return nil
}

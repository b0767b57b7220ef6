package ship

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/draft"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/semver"
)

// draft finds or makes the draft release of the tag.
func (x *steps) draft(ctx context.Context) (converge.Outcome, error) {
	tag := x.snap.Checkout.Tag.Name
	var rel forge.Release
	var notes string
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		rel, err = x.rel.Find(both)
		return err
	})
	if len(x.snap.Remote.Releases) == 0 { // it will most likely be made now
		g.Go(func() (err error) {
			notes, err = x.notes(both)
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		return converge.Outcome{}, err
	}
	if rel.ID != 0 {
		if err := x.appeared(rel); err != nil {
			return converge.Outcome{}, err
		}
		x.rel.Keep(rel)
		if !rel.Draft {
			return converge.Already("the release is public: " + rel.HTMLURL), nil
		}
		if x.bill.Upstream != nil && !holdsBill(rel) {
			return x.renew(ctx, rel)
		}
		return x.correctNotes(ctx, rel)
	}
	if notes == "" {
		if notes, err = x.notes(ctx); err != nil {
			return converge.Outcome{}, err
		}
	}
	v, err := semver.Parse(x.snap.Checkout.Tag.Version)
	if err != nil {
		return converge.Outcome{}, err
	}
	rel, err = x.world.Forge.CreateDraft(ctx, forge.DraftRequest{Tag: tag, Name: x.snap.Title(), Body: notes, Prerelease: x.snap.Prerelease(v)})
	if err != nil {
		return converge.Outcome{}, draft.Denied(err, "make the draft release")
	}
	x.rel.Keep(rel)
	return converge.DoneBecause("made"), nil
}

// correctNotes lets the text of a draft that is there name the checksums of what this run publishes.
func (x *steps) correctNotes(ctx context.Context, rel forge.Release) (converge.Outcome, error) {
	body := release.CorrectSums(rel.Body, x.bill)
	if body == rel.Body {
		return converge.Already("is there"), nil
	}
	rel, err := x.world.Forge.UpdateRelease(ctx, rel.ID, forge.Update{Tag: rel.Tag, Body: &body})
	if err != nil {
		return converge.Outcome{}, draft.Denied(err, "edit the notes of the draft release")
	}
	x.rel.Keep(rel)
	return converge.DoneBecause("is there; its notes named other checksums"), nil
}

func holdsBill(rel forge.Release) bool {
	return slices.ContainsFunc(rel.Assets, func(a forge.Asset) bool { return a.Name == release.BillName || a.Name == release.BillNext })
}

// renew makes the draft of a redistribution one of what this run publishes. A run of another day may have made it, for
// versions of that day, and ended before there was a bill: they are never published. Nobody else writes such a draft.
func (x *steps) renew(ctx context.Context, rel forge.Release) (converge.Outcome, error) {
	for _, a := range rel.Assets {
		if a.Name != release.SumsName && x.bill.ByAsset(a.Name) == nil {
			if err := x.rel.Remove(ctx, a.ID); err != nil {
				return converge.Outcome{}, draft.Denied(err, "delete release assets")
			}
		}
	}
	title := x.snap.Title()
	body, err := x.notes(ctx)
	if err != nil || body == rel.Body && title == rel.Name {
		return converge.Already("is there"), err
	}
	if rel, err = x.world.Forge.UpdateRelease(ctx, rel.ID, forge.Update{Tag: rel.Tag, Name: &title, Body: &body}); err != nil {
		return converge.Outcome{}, draft.Denied(err, "edit the draft release")
	}
	x.rel.Keep(rel)
	return converge.DoneBecause("is there; it was about other versions, which were never published"), nil
}

// appeared holds a release that the observation did not see, since a new draft is listed late, against our bytes. Where
// it has others it may be the ledger of a run that has published them: it must be read before anything else is done.
func (x *steps) appeared(rel forge.Release) error {
	if slices.ContainsFunc(x.snap.Remote.Releases, func(r release.Release) bool { return r.ID == rel.ID }) {
		return nil
	}
	for _, a := range observe.Assets(rel) {
		if c := x.bill.ByAsset(a.Name); c != nil && a.Whole && a.SHA256 != "" && a.SHA256 != c.SHA256 {
			return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("a release of %s with other bytes has appeared while this run worked", rel.Tag),
				Detail: fmt.Sprintf("%s\nhere   sha256 %s\nthere  sha256 %s", a.Name, c.SHA256, a.SHA256), Hint: "run again: what that release holds is read first"}
		}
	}
	return nil
}

// notes is the release's text: the changelog's section, and what GitHub generates from merged pull requests.
func (x *steps) notes(ctx context.Context) (string, error) {
	generated := ""
	if x.snap.Config.Release.GeneratedNotes {
		var err error
		if generated, err = x.world.Forge.GenerateNotes(ctx, x.snap.Checkout.Tag.Name, "", ""); err != nil {
			return "", err
		}
	}
	return release.Notes(x.snap, x.bill, generated), nil
}

// asset puts one file into the release.
func (x *steps) asset(ctx context.Context, step converge.Step) (converge.Outcome, error) {
	name := strings.TrimPrefix(step.Key, release.KindAsset+"/")
	switch step.Args["source"] {
	case "crate":
		c := x.bill.ByAsset(name)
		if c == nil {
			return converge.Skipped("the same bytes go to another registry too and are stored once"), nil
		}
		return x.putFile(ctx, name, c.SHA256, c.Size)
	case "sums":
		return x.rel.Put(ctx, draft.Bytes(name, x.bill.Sums()))
	}
	for _, a := range x.bill.Artifacts {
		if a.Name == name {
			return x.putFile(ctx, name, a.SHA256, a.Size)
		}
	}
	return converge.Outcome{}, fmt.Errorf("asset %s: the bill does not name it", name)
}

func (x *steps) putFile(ctx context.Context, name, sum string, size int64) (converge.Outcome, error) {
	return x.rel.Put(ctx, draft.File{Name: name, Sum: sum, Size: size, Open: x.opensFile(name)})
}

// opensFile opens the local file of an asset.
func (x *steps) opensFile(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		x.mu.Lock()
		path, ok := x.files[name]
		x.mu.Unlock()
		if !ok {
			return nil, converge.Halt(problem.Error{Summary: fmt.Sprintf("the release lacks %s and this run does not have it", name), Hint: "run again: it will be packaged again"})
		}
		return os.Open(path)
	}
}

// ledger puts the bill into the draft. From here on a resume packages nothing.
func (x *steps) ledger(ctx context.Context) (converge.Outcome, error) {
	if x.snap.Remote.Ledger.Complete() {
		return converge.Already("the bill is there and authentic"), nil
	}
	return x.putBill(ctx)
}

// putBill makes the release hold the bill of this run.
func (x *steps) putBill(ctx context.Context) (converge.Outcome, error) {
	content, err := x.bill.Encode()
	if err != nil {
		return converge.Outcome{}, err
	}
	return x.rel.Swap(ctx, draft.Bytes(release.BillName, content), release.BillNext)
}

// seal writes the times of the confirmations into the bill.
func (x *steps) seal(ctx context.Context) (converge.Outcome, error) {
	changed := false
	x.mu.Lock()
	for i := range x.bill.Crates {
		c := &x.bill.Crates[i]
		for j := range c.Registries {
			if r := &c.Registries[j]; r.ConfirmedAt == nil {
				at, ok := x.confirmed[r.Name+"/"+c.Name]
				if !ok {
					x.mu.Unlock()
					return converge.Outcome{}, fmt.Errorf("seal the bill: %s is not confirmed on %s", c.Name, r.Name)
				}
				r.ConfirmedAt, changed = &at, true
			}
		}
	}
	x.mu.Unlock()
	if changed {
		if err := x.bill.Sign(x.world.Keys); err != nil {
			return converge.Outcome{}, err
		}
	}
	return x.putBill(ctx)
}

// public undrafts the release. It is the last step; everything it needs has been confirmed.
func (x *steps) public(ctx context.Context) (converge.Outcome, error) {
	rel, err := x.rel.Find(ctx)
	if err != nil {
		return converge.Outcome{}, err
	}
	if rel.ID == 0 {
		return converge.Outcome{}, converge.Again(fmt.Errorf("publish release %s: the draft is not listed", x.snap.Checkout.Tag.Name))
	}
	if own := x.rel.Release().ID; rel.Draft && own != 0 && rel.ID != own { // an older one that a lost answer left is listed first
		return converge.Outcome{}, converge.Again(fmt.Errorf("publish release %s: the draft that holds its files is not listed", x.snap.Checkout.Tag.Name))
	}
	x.rel.Keep(rel)
	if !rel.Draft {
		return converge.Already("is public: " + rel.HTMLURL), x.tidy(ctx)
	}
	// The last look before it is public: the draft may have been changed since its files were compared.
	if changed, err := x.changed(rel); err != nil {
		return converge.Outcome{}, err
	} else if len(changed) > 0 {
		return converge.Outcome{}, converge.Halt(problem.Error{Summary: "the draft is no longer what the bill says", Detail: "missing or changed: " + strings.Join(changed, ", "),
			Hint: "somebody changed the draft while the crates were published: look at who, then run again"})
	}
	no := false
	update := forge.Update{Tag: x.snap.Checkout.Tag.Name, Draft: &no, MakeLatest: x.makeLatest()}
	if _, err := x.world.Forge.UpdateRelease(ctx, rel.ID, update); forge.IsNotFound(err) {
		return converge.Outcome{}, x.rel.Vanished(err)
	} else if err != nil {
		return converge.Outcome{}, draft.Denied(err, "publish the release")
	}
	if rel, err = x.rel.Find(ctx); err != nil {
		return converge.Outcome{}, err
	}
	if rel.Draft || rel.ID == 0 {
		return converge.Outcome{}, converge.Again(fmt.Errorf("publish release %s: it is still a draft", x.snap.Checkout.Tag.Name))
	}
	x.rel.Keep(rel)
	return converge.DoneBecause(rel.HTMLURL), x.tidy(ctx)
}

// tidy removes the drafts of the tag that earlier runs left because theirs was listed too late to be found.
func (x *steps) tidy(ctx context.Context) error {
	for _, other := range x.rel.Others() {
		if other.Draft && x.remnant(other) {
			if err := x.world.Forge.DeleteRelease(ctx, other.ID); err != nil && !forge.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

// remnant reports whether a draft holds nothing but files that a run makes, the crates with our bytes. Anything else in it
// may be somebody's work.
func (x *steps) remnant(rel forge.Release) bool {
	made := map[string]bool{release.BillName: true, release.BillNext: true, release.SumsName: true}
	for _, a := range x.bill.Artifacts {
		made[a.Name] = true
	}
	for _, a := range observe.Assets(rel) {
		if c := x.bill.ByAsset(a.Name); c != nil && (!a.Whole || a.SHA256 == c.SHA256) {
			continue
		}
		if !made[a.Name] {
			return false
		}
	}
	return true
}

// changed names the files that a release lacks or holds with other bytes than this run's bill, the bill itself and the
// sums among them.
func (x *steps) changed(rel forge.Release) ([]string, error) {
	text, err := x.bill.Encode()
	if err != nil {
		return nil, err
	}
	whole := x.bill
	for name, content := range map[string][]byte{release.BillName: text, release.SumsName: x.bill.Sums()} {
		sum := sha256.Sum256(content)
		whole.Artifacts = append(slices.Clone(whole.Artifacts), release.BillArtifact{Name: name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content))})
	}
	l := release.Ledger{Bill: &whole}
	l.Miss(observe.Assets(rel))
	slices.Sort(l.Missing)
	return l.Missing, nil
}

// makeLatest keeps a patch of an older line, and a pre-release, from becoming the repository's latest release.
func (x *steps) makeLatest() string {
	v, err := semver.Parse(x.snap.Checkout.Tag.Version)
	if err != nil || x.snap.Prerelease(v) || x.snap.Checkout.Tag.Crate != "" {
		return "false"
	}
	if latest, err := semver.Parse(x.snap.Remote.Latest); err == nil && v.Compare(latest) < 0 {
		return "false"
	}
	return "true"
}

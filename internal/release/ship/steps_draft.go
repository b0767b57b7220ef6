package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/semver"
)

// draft finds or makes the draft release of the tag. Drafts have no address by tag, so they are found by listing; a
// lost answer may leave two, of which the one with more assets is kept.
func (x *steps) draft(ctx context.Context) (converge.Outcome, error) {
	tag := x.snap.Checkout.Tag.Name
	var rel forge.Release
	var notes string
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		rel, err = x.findRelease(both)
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
		x.keep(rel)
		if !rel.Draft {
			return converge.Already("the release is public: " + rel.HTMLURL), nil
		}
		return converge.Already("is there"), nil
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
		return converge.Outcome{}, releaseDenied(err, "make the draft release")
	}
	x.keep(rel)
	return converge.DoneBecause("made"), nil
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

func releaseDenied(err error, what string) error {
	var fe *forge.Error
	if !forge.IsDenied(err) && !forge.IsNotFound(err) || !errors.As(err, &fe) {
		return err
	}
	detail := fe.Message
	if fe.Accepted != "" {
		detail += "\nGitHub accepts: " + fe.Accepted
	}
	return halt(problem.Error{Summary: "the token may not " + what, Detail: detail, Hint: "the job needs `permissions: contents: write`", Err: err})
}

// isGone tells a release that is not there any more from one that the token may not change: GitHub answers 404 to
// writing to either.
func (x *steps) isGone(ctx context.Context, rel forge.Release) bool {
	_, err := x.world.Forge.Release(ctx, rel.ID)
	return forge.IsNotFound(err)
}

func (x *steps) vanished(err error) error {
	return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("the draft release of %s is gone", x.snap.Checkout.Tag.Name), Detail: "it was deleted while this run worked on it", Err: err,
		Hint: "run again: the draft is made anew, and what is published is not uploaded twice"}
}

func (x *steps) keep(rel forge.Release) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.release, x.stale = rel, false
}

// findRelease returns the release of our tag: the public one, else the draft with most assets; the zero Release where
// there is none. Empty duplicates of a draft are removed.
func (x *steps) findRelease(ctx context.Context) (forge.Release, error) {
	all, err := x.world.Forge.FindRelease(ctx, x.snap.Checkout.Tag.Name)
	if err != nil || len(all) == 0 {
		return forge.Release{}, err
	}
	observe.Order(all)
	for _, extra := range all[1:] {
		if extra.Draft && len(extra.Assets) == 0 {
			if err := x.world.Forge.DeleteRelease(ctx, extra.ID); err != nil && !forge.IsNotFound(err) {
				return forge.Release{}, err
			}
		}
	}
	return all[0], nil
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
		return x.putBytes(ctx, name, x.bill.Sums())
	}
	for _, a := range x.bill.Artifacts {
		if a.Name == name {
			return x.putFile(ctx, name, a.SHA256, a.Size)
		}
	}
	return converge.Outcome{}, fmt.Errorf("asset %s: the bill does not name it", name)
}

func (x *steps) putFile(ctx context.Context, name, sum string, size int64) (converge.Outcome, error) {
	return x.put(ctx, upload{name: name, sum: sum, size: size, open: x.opensFile(name)})
}

// opensFile opens the local file of an asset.
func (x *steps) opensFile(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		x.mu.Lock()
		path, ok := x.files[name]
		x.mu.Unlock()
		if !ok {
			return nil, halt(problem.Error{Summary: fmt.Sprintf("the release lacks %s and this run does not have it", name), Hint: "run again: it will be packaged again"})
		}
		return os.Open(path)
	}
}

func opener(content []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

func (x *steps) putBytes(ctx context.Context, name string, content []byte) (converge.Outcome, error) {
	sum := sha256.Sum256(content)
	return x.put(ctx, upload{name: name, sum: hex.EncodeToString(sum[:]), size: int64(len(content)), open: opener(content)})
}

type upload struct {
	name string
	sum  string // hex SHA-256
	size int64
	open func() (io.ReadCloser, error)
}

// put makes the release hold the file: there with our digest is done; broken or different is replaced while the
// release is a draft; everything else is uploaded and its digest compared.
func (x *steps) put(ctx context.Context, u upload) (converge.Outcome, error) {
	there, err := x.findAsset(ctx, u.name)
	if err != nil {
		return converge.Outcome{}, err
	}
	rel := x.currentRelease()
	if there != nil {
		same, err := x.holds(ctx, *there, u)
		if err != nil {
			return converge.Outcome{}, err
		}
		if same {
			return converge.Already("is there with our digest"), nil
		}
		if !rel.Draft {
			return converge.Outcome{}, halt(problem.Error{Summary: fmt.Sprintf("the public release holds %s with other bytes", u.name), Detail: fmt.Sprintf("ours   sha256 %s\nthere  %s", u.sum, there.Digest),
				Hint: "assets of a public release are never replaced"})
		}
		if err := x.remove(ctx, there.ID); err != nil {
			return converge.Outcome{}, err
		}
	}
	if rel.Immutable {
		return converge.Skipped("the release is public and immutable: nothing can be added"), nil
	}
	if err := x.send(ctx, rel, u); err != nil {
		return converge.Outcome{}, err
	}
	return converge.Done(), nil
}

// send uploads and compares. Whatever goes wrong, the next look lists the assets anew: an upload that broke off may
// have left a piece, and one whose answer was lost may be whole.
func (x *steps) send(ctx context.Context, rel forge.Release, u upload) error {
	asset, err := x.world.Forge.UploadAsset(ctx, rel, forge.Upload{Name: u.name, Size: u.size, Open: u.open, Progress: func(n int64) { converge.Progress(ctx, n, u.size) }})
	if err != nil {
		x.distrust()
		if forge.IsConflict(err) {
			return &transient{err} // look again: the digest decides
		}
		if forge.IsNotFound(err) && x.isGone(ctx, rel) {
			return x.vanished(err)
		}
		return releaseDenied(err, "upload release assets")
	}
	if asset.Name != u.name {
		return halt(problem.Error{Summary: fmt.Sprintf("GitHub keeps %s under another name", u.name), Detail: "as " + asset.Name, Hint: "rename the file so that GitHub leaves its name alone"})
	}
	if asset.Digest != "" && asset.Digest != "sha256:"+u.sum {
		x.distrust()
		return &transient{fmt.Errorf("upload %s: got digest %s, want sha256:%s", u.name, asset.Digest, u.sum)}
	}
	x.mu.Lock()
	x.release.Assets = append(x.release.Assets, asset)
	x.mu.Unlock()
	return nil
}

func (x *steps) distrust() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stale = true
}

// remove deletes an asset, from what is known of the release too: the next one of its name is another asset.
func (x *steps) remove(ctx context.Context, id int64) error {
	if err := x.world.Forge.DeleteAsset(ctx, id); err != nil && !forge.IsNotFound(err) {
		x.distrust()
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.release.Assets = slices.DeleteFunc(slices.Clone(x.release.Assets), func(a forge.Asset) bool { return a.ID == id })
	return nil
}

func (x *steps) currentRelease() forge.Release {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.release
}

// findAsset returns the release's asset of a name, nil where there is none. It lists only where the last listing, or
// an upload since, cannot be believed.
func (x *steps) findAsset(ctx context.Context, name string) (*forge.Asset, error) {
	x.mu.Lock()
	id, stale := x.release.ID, x.stale
	x.mu.Unlock()
	if stale {
		assets, err := x.world.Forge.Assets(ctx, id)
		if err != nil {
			return nil, err
		}
		x.mu.Lock()
		x.release.Assets, x.stale = assets, false
		x.mu.Unlock()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range x.release.Assets {
		if a.Name == name {
			return &a, nil
		}
	}
	return nil, nil
}

// holds reports whether an asset is the file. Where the forge tells no digest the bytes are fetched: a size alone
// proves nothing.
func (x *steps) holds(ctx context.Context, a forge.Asset, u upload) (bool, error) {
	if a.State != "uploaded" || a.Size != u.size {
		return false, nil
	}
	if a.Digest != "" {
		return a.Digest == "sha256:"+u.sum, nil
	}
	body, err := x.world.Forge.DownloadAsset(ctx, a)
	if err != nil {
		return false, err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(body, u.size+1)); err != nil {
		return false, &transient{fmt.Errorf("download %s: %w", a.Name, err)}
	}
	return hex.EncodeToString(h.Sum(nil)) == u.sum, nil
}

// ledger puts the bill into the draft. From here on a resume packages nothing.
func (x *steps) ledger(ctx context.Context) (converge.Outcome, error) {
	if x.snap.Remote.Ledger.Complete() {
		return converge.Already("the bill is there and authentic"), nil
	}
	return x.putBill(ctx)
}

// putBill makes the release hold the bill of this run, replacing another one without a moment in which there is none:
// the new one is uploaded under another name, then the old one is deleted and the new one renamed.
func (x *steps) putBill(ctx context.Context) (converge.Outcome, error) {
	content, err := x.bill.Encode()
	if err != nil {
		return converge.Outcome{}, err
	}
	old, err := x.findAsset(ctx, release.BillName)
	if err != nil {
		return converge.Outcome{}, err
	}
	sum := sha256.Sum256(content)
	u := upload{name: release.BillName, sum: hex.EncodeToString(sum[:]), size: int64(len(content))}
	if old != nil {
		same, err := x.holds(ctx, *old, u)
		if err != nil || same {
			return converge.Already("is there with our digest"), err
		}
	} else {
		left, err := x.findAsset(ctx, release.BillNext)
		if err != nil {
			return converge.Outcome{}, err
		}
		if left == nil {
			return x.putBytes(ctx, release.BillName, content)
		}
		if !x.currentRelease().Draft {
			return converge.Skipped("the release is public: its bill stays as it is"), nil
		}
		// A run ended between deleting the old bill and renaming the new one. What it left is the only bill there is.
		x.distrust()
		if _, err := x.world.Forge.RenameAsset(ctx, left.ID, release.BillName); err != nil {
			return converge.Outcome{}, err
		}
		return x.putBill(ctx)
	}
	if !x.currentRelease().Draft {
		return converge.Skipped("the release is public: its bill stays as it is"), nil
	}
	if _, err := x.putBytes(ctx, release.BillNext, content); err != nil {
		return converge.Outcome{}, err
	}
	defer x.distrust()
	if old != nil {
		if err := x.remove(ctx, old.ID); err != nil {
			return converge.Outcome{}, err
		}
	}
	next, err := x.findAsset(ctx, release.BillNext)
	if err != nil || next == nil {
		return converge.Outcome{}, errors.Join(err, &transient{fmt.Errorf("rename %s: it is gone", release.BillNext)})
	}
	if _, err := x.world.Forge.RenameAsset(ctx, next.ID, release.BillName); err != nil {
		return converge.Outcome{}, err
	}
	return converge.DoneBecause("replaced"), nil
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
	rel, err := x.findRelease(ctx)
	if err != nil {
		return converge.Outcome{}, err
	}
	if rel.ID == 0 {
		return converge.Outcome{}, &transient{fmt.Errorf("publish release %s: the draft is not listed", x.snap.Checkout.Tag.Name)}
	}
	x.keep(rel)
	if !rel.Draft {
		return converge.Already("is public: " + rel.HTMLURL), nil
	}
	// The last look before it is public: the draft may have been changed since its files were compared.
	if changed, err := x.changed(rel); err != nil {
		return converge.Outcome{}, err
	} else if len(changed) > 0 {
		return converge.Outcome{}, halt(problem.Error{Summary: "the draft is no longer what the bill says", Detail: "missing or changed: " + strings.Join(changed, ", "),
			Hint: "somebody changed the draft while the crates were published: look at who, then run again"})
	}
	no := false
	update := forge.Update{Tag: x.snap.Checkout.Tag.Name, Draft: &no, MakeLatest: x.makeLatest()}
	if _, err := x.world.Forge.UpdateRelease(ctx, rel.ID, update); forge.IsNotFound(err) {
		return converge.Outcome{}, x.vanished(err)
	} else if err != nil {
		return converge.Outcome{}, releaseDenied(err, "publish the release")
	}
	if rel, err = x.findRelease(ctx); err != nil {
		return converge.Outcome{}, err
	}
	if rel.Draft || rel.ID == 0 {
		return converge.Outcome{}, &transient{fmt.Errorf("publish release %s: it is still a draft", x.snap.Checkout.Tag.Name)}
	}
	x.keep(rel)
	return converge.DoneBecause(rel.HTMLURL), nil
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

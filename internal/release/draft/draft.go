// Package draft fills a release on GitHub: it finds the draft of a tag and makes it hold files, each with the digest
// that it must have. What a call leaves in doubt is looked at again by the next one.
package draft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Draft is the release of one tag, as far as it is known. It is safe for concurrent use.
type Draft struct {
	forge *forge.Client
	tag   string

	mu      sync.Mutex
	release forge.Release
	stale   bool // the assets of release must be listed again before they are believed
	others  []forge.Release
	missed  time.Time // since when the known draft is missing from the list; zero while it is listed
}

// New returns the release of a tag, of which nothing is known yet.
func New(client *forge.Client, tag string) *Draft { return &Draft{forge: client, tag: tag} }

// File is a file that the release must hold.
type File struct {
	Name string
	Sum  string // hex SHA-256
	Size int64
	Open func() (io.ReadCloser, error)
}

// Bytes is a file of that content.
func Bytes(name string, content []byte) File {
	sum := sha256.Sum256(content)
	return File{Name: name, Sum: hex.EncodeToString(sum[:]), Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// Keep makes rel what is known of the release.
func (d *Draft) Keep(rel forge.Release) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release, d.stale = rel, false
}

// Release returns what is known of the release, the zero Release where that is nothing.
func (d *Draft) Release() forge.Release {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.release
}

// Distrust makes the next look list the assets anew.
func (d *Draft) Distrust() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stale = true
}

// Find returns the release of the tag: the public one, else the draft that is known already, else the draft with most
// assets; the zero Release where there is none. Drafts have no address by tag, so they are found by listing, where a new
// one shows late; a lost answer may leave two. One that is known and not listed is waited for, since duplicates that are
// older show with it, and in the end read by its number. Empty duplicates of a draft are removed, the others are kept
// for Others.
func (d *Draft) Find(ctx context.Context) (forge.Release, error) {
	all, err := d.forge.FindRelease(ctx, d.tag)
	if err != nil {
		return forge.Release{}, err
	}
	known := func(r forge.Release) bool { return r.ID == d.Release().ID }
	listed := slices.ContainsFunc(all, known)
	if id := d.Release().ID; id != 0 && d.overdue(listed) {
		rel, err := d.forge.Release(ctx, id)
		switch {
		case err == nil && rel.Tag == d.tag:
			all = append(all, rel)
		case err != nil && !forge.IsNotFound(err):
			return forge.Release{}, err
		}
	}
	if len(all) == 0 {
		return forge.Release{}, nil
	}
	observe.Order(all)
	if i := slices.IndexFunc(all, known); i > 0 && all[0].Draft {
		all[0], all[i] = all[i], all[0]
	}
	var others []forge.Release
	for _, extra := range all[1:] {
		if !extra.Draft || len(extra.Assets) > 0 {
			others = append(others, extra)
		} else if err := d.forge.DeleteRelease(ctx, extra.ID); err != nil && !forge.IsNotFound(err) {
			return forge.Release{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others = others
	return all[0], nil
}

// listedWithin is how long a known draft may be missing from the list before it is read by its number.
const listedWithin = 10 * time.Second

// overdue notes whether the known draft was listed, and reports whether it has been missing for too long.
func (d *Draft) overdue(listed bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if listed {
		d.missed = time.Time{}
		return false
	}
	if d.missed.IsZero() {
		d.missed = time.Now()
	}
	return time.Since(d.missed) >= listedWithin
}

// Others returns the further releases of the tag that the last Find met and did not remove.
func (d *Draft) Others() []forge.Release {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.others
}

// Asset returns the release's asset of a name, nil where there is none. It lists only where the last listing, or an upload
// since, cannot be believed.
func (d *Draft) Asset(ctx context.Context, name string) (*forge.Asset, error) {
	d.mu.Lock()
	id, stale := d.release.ID, d.stale
	d.mu.Unlock()
	if stale {
		assets, err := d.forge.Assets(ctx, id)
		if err != nil {
			return nil, err
		}
		d.mu.Lock()
		d.release.Assets, d.stale = assets, false
		d.mu.Unlock()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.release.Assets {
		if a.Name == name {
			return &a, nil
		}
	}
	return nil, nil
}

// Put makes the release hold the file: there with our digest is done; broken or different is replaced while the release is
// a draft; everything else is uploaded and its digest compared.
func (d *Draft) Put(ctx context.Context, f File) (converge.Outcome, error) {
	there, err := d.Asset(ctx, f.Name)
	if err != nil {
		return converge.Outcome{}, err
	}
	rel := d.Release()
	if there != nil {
		same, err := d.Holds(ctx, *there, f)
		if err != nil {
			return converge.Outcome{}, err
		}
		if same {
			return converge.Already("is there with our digest"), nil
		}
		if !rel.Draft {
			return converge.Outcome{}, converge.Halt(problem.Error{Summary: fmt.Sprintf("the public release holds %s with other bytes", f.Name), Detail: fmt.Sprintf("ours   sha256 %s\nthere  %s", f.Sum, there.Digest),
				Hint: "assets of a public release are never replaced"})
		}
		if err := d.Remove(ctx, there.ID); err != nil {
			return converge.Outcome{}, err
		}
	}
	if rel.Immutable {
		return converge.Skipped("the release is public and immutable: nothing can be added"), nil
	}
	if err := d.send(ctx, rel, f); err != nil {
		return converge.Outcome{}, err
	}
	return converge.Done(), nil
}

// send uploads and compares. Whatever goes wrong, the next look lists the assets anew: an upload that broke off may
// have left a piece, and one whose answer was lost may be whole.
func (d *Draft) send(ctx context.Context, rel forge.Release, f File) error {
	asset, err := d.forge.UploadAsset(ctx, rel, forge.Upload{Name: f.Name, Size: f.Size, Open: f.Open, Progress: func(n int64) { converge.Progress(ctx, n, f.Size) }})
	if err != nil {
		d.Distrust()
		if forge.IsConflict(err) {
			return converge.Again(err) // look again: the digest decides
		}
		if forge.IsNotFound(err) && d.isGone(ctx, rel) {
			return d.Vanished(err)
		}
		return Denied(err, "upload release assets")
	}
	if asset.Name != f.Name {
		return converge.Halt(problem.Error{Summary: fmt.Sprintf("GitHub keeps %s under another name", f.Name), Detail: "as " + asset.Name, Hint: "rename the file so that GitHub leaves its name alone"})
	}
	if asset.Digest != "" && asset.Digest != "sha256:"+f.Sum {
		d.Distrust()
		return converge.Again(fmt.Errorf("upload %s: got digest %s, want sha256:%s", f.Name, asset.Digest, f.Sum))
	}
	d.mu.Lock()
	d.release.Assets = append(d.release.Assets, asset)
	d.mu.Unlock()
	return nil
}

// Remove deletes an asset, from what is known of the release too: the next one of its name is another asset.
func (d *Draft) Remove(ctx context.Context, id int64) error {
	if err := d.forge.DeleteAsset(ctx, id); err != nil && !forge.IsNotFound(err) {
		d.Distrust()
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release.Assets = slices.DeleteFunc(slices.Clone(d.release.Assets), func(a forge.Asset) bool { return a.ID == id })
	return nil
}

// clear removes what a run that ended while it replaced a file has left under another name.
func (d *Draft) clear(ctx context.Context, name string) error {
	left, err := d.Asset(ctx, name)
	if err != nil || left == nil || !d.Release().Draft {
		return err
	}
	return d.Remove(ctx, left.ID)
}

// Holds reports whether an asset is the file. Where the forge tells no digest the bytes are fetched: a size alone proves
// nothing.
func (d *Draft) Holds(ctx context.Context, a forge.Asset, f File) (bool, error) {
	if a.State != "uploaded" || a.Size != f.Size {
		return false, nil
	}
	if a.Digest != "" {
		return a.Digest == "sha256:"+f.Sum, nil
	}
	body, err := d.forge.DownloadAsset(ctx, a)
	if err != nil {
		return false, err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(body, f.Size+1)); err != nil {
		return false, converge.Again(fmt.Errorf("download %s: %w", a.Name, err))
	}
	return hex.EncodeToString(h.Sum(nil)) == f.Sum, nil
}

// Swap makes the release hold the file without a moment in which there is none of its name: the new one is uploaded as
// next, then the old one is deleted and the new one renamed. A public release stays as it is.
func (d *Draft) Swap(ctx context.Context, f File, next string) (converge.Outcome, error) {
	old, err := d.Asset(ctx, f.Name)
	if err != nil {
		return converge.Outcome{}, err
	}
	if old != nil {
		same, err := d.Holds(ctx, *old, f)
		if err != nil {
			return converge.Outcome{}, err
		}
		if same {
			return converge.Already("is there with our digest"), d.clear(ctx, next)
		}
	} else {
		left, err := d.Asset(ctx, next)
		if err != nil {
			return converge.Outcome{}, err
		}
		if left == nil {
			return d.Put(ctx, f)
		}
		if !d.Release().Draft {
			return converge.Skipped("the release is public: " + f.Name + " stays as it is"), nil
		}
		// A run ended between deleting the old file and renaming the new one. What it left is the only one there is.
		d.Distrust()
		if _, err := d.forge.RenameAsset(ctx, left.ID, f.Name); err != nil {
			return converge.Outcome{}, err
		}
		return d.Swap(ctx, f, next)
	}
	if !d.Release().Draft {
		return converge.Skipped("the release is public: " + f.Name + " stays as it is"), nil
	}
	upload := f
	upload.Name = next
	if _, err := d.Put(ctx, upload); err != nil {
		return converge.Outcome{}, err
	}
	defer d.Distrust()
	if err := d.Remove(ctx, old.ID); err != nil {
		return converge.Outcome{}, err
	}
	sent, err := d.Asset(ctx, next)
	if err != nil || sent == nil {
		return converge.Outcome{}, errors.Join(err, converge.Again(fmt.Errorf("rename %s: it is gone", next)))
	}
	if _, err := d.forge.RenameAsset(ctx, sent.ID, f.Name); err != nil {
		return converge.Outcome{}, err
	}
	return converge.DoneBecause("replaced"), nil
}

// isGone tells a release that is not there any more from one that the token may not change: GitHub answers 404 to
// writing to either.
func (d *Draft) isGone(ctx context.Context, rel forge.Release) bool {
	_, err := d.forge.Release(ctx, rel.ID)
	return forge.IsNotFound(err)
}

// Vanished is the problem of a draft that somebody deleted under our hands.
func (d *Draft) Vanished(err error) error {
	return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("the draft release of %s is gone", d.tag), Detail: "it was deleted while this run worked on it", Err: err,
		Hint: "run again: the draft is made anew, and what is published is not uploaded twice"}
}

// Denied explains a refusal to do what; other errors stay as they are.
func Denied(err error, what string) error {
	var fe *forge.Error
	if !forge.IsDenied(err) && !forge.IsNotFound(err) || !errors.As(err, &fe) {
		return err
	}
	detail := fe.Message
	if fe.Accepted != "" {
		detail += "\nGitHub accepts: " + fe.Accepted
	}
	return converge.Halt(problem.Error{Summary: "the token may not " + what, Detail: detail, Hint: "the job needs `permissions: contents: write`", Err: err})
}

package world

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
)

// branchCommit is where the release branch is, "" where there is none.
func (t *World) branchCommit() string {
	ref, err := t.store.Ref(context.Background(), "refs/heads/"+scene.Branch)
	if err != nil {
		return ""
	}
	return ref.Object
}

// bill returns the bill of a release.
func (t *World) bill(r githubtwin.Release) (release.Bill, bool) {
	var b release.Bill
	for _, a := range r.Assets {
		if a.Name != release.BillName || a.State != "uploaded" {
			continue
		}
		text, err := t.GitHub.AssetBytes(a.ID)
		t.NoSecret("the bill", string(text))
		return b, err == nil && json.Unmarshal(text, &b) == nil
	}
	return b, false
}

// NoSecret holds that a text shows none of the release's secrets in any form.
func (t *World) NoSecret(what, text string) {
	if strings.Contains(text, mintMark) || strings.Contains(text, "eyJ0") {
		t.Fail("no secret is seen", "%s shows a credential that was made for a run", what)
	}
	if t.stock.masker.Mask(text) != text {
		t.Fail("no secret is seen", "%s shows a secret (%s)", what, strings.Join(t.stock.masker.Leaks([]byte(text)), ", "))
	}
}

// MeddlesWithDrafts reports whether somebody may delete the draft.
func (t *World) MeddlesWithDrafts() bool { return len(t.Scene.Meddling) > 0 || t.Scene.MayStop() }

// Upload is an accepted upload and when the index shows it.
type Upload struct {
	registrytwin.Upload
	Visible time.Time
}

// Uploads returns what a registry has accepted, nil for a service that is none.
func (t *World) Uploads(name string) []Upload {
	twin := t.Registries[name]
	if twin == nil {
		return nil
	}
	var out []Upload
	for _, u := range twin.Accepted() {
		at := u.At
		if u.Token != handLabel || u.At.After(t.ready) {
			at = at.Add(t.lagOf(name, u.Name))
		}
		out = append(out, Upload{u, at})
	}
	return out
}

// Visible returns when the index shows the crate.
func (t *World) Visible(registry, crate string) (time.Time, bool) {
	for _, u := range t.Uploads(registry) {
		if u.Name == crate && u.Version == scene.Version {
			return u.Visible, true
		}
	}
	return time.Time{}, false
}

// LedgerComplete reports whether a process that begins then finds one release that holds everything under a bill that its
// keys made.
func (t *World) LedgerComplete(began time.Time, keys []release.BillKey) bool {
	var found *githubtwin.Release
	for _, r := range t.GitHub.Releases() {
		if r.Tag != scene.TagName {
			continue
		}
		if found != nil {
			return false // which of two counts is not ours to say
		}
		found = &r
	}
	if found == nil || found.Draft && found.CreatedAt.Add(time.Second+t.Scene.DraftLag).After(began) {
		return false
	}
	bill, ok := t.bill(*found)
	if !ok || bill.Commit != t.Commit || bill.Tag != scene.TagName || bill.Repository != Owner+"/"+Repository {
		return false
	}
	if authentic, _ := bill.Authentic(keys); !authentic {
		return false
	}
	l := release.Ledger{Bill: &bill, Authentic: true}
	l.Miss(assetsOf(*found))
	return l.Complete()
}

func assetsOf(r githubtwin.Release) []release.Asset {
	var out []release.Asset
	for _, a := range r.Assets {
		out = append(out, release.Asset{Name: a.Name, SHA256: strings.TrimPrefix(a.Digest, "sha256:"), Size: a.Size, Whole: a.State == "uploaded"})
	}
	return out
}

// Holds reports whether what a step is for is true in the world. What a stranger may have undone since is not asked.
func (t *World) Holds(kind, what string) bool {
	rel, there := t.GitHub.Release(scene.TagName)
	switch kind {
	case release.KindBranch:
		return t.branchCommit() == t.Commit
	case release.KindPublish, release.KindConfirm:
		registry, crate, _ := strings.Cut(strings.TrimSuffix(what, "@"+scene.Version), "/")
		at, accepted := t.Visible(registry, crate)
		return accepted && (kind == release.KindPublish || !at.After(time.Now()))
	case release.KindRelease, release.KindDispatch:
		return there && !rel.Draft
	}
	if len(t.Scene.Meddling) > 0 {
		return true
	}
	switch kind {
	case release.KindDraft:
		return there
	case release.KindAsset:
		return t.someReleaseHolds(what)
	case release.KindLedger, release.KindSeal:
		return t.someReleaseHolds(release.BillName) || t.someReleaseHolds(release.BillNext)
	}
	return true
}

// someReleaseHolds reports whether a release of the tag has the whole asset.
func (t *World) someReleaseHolds(name string) bool {
	return slices.ContainsFunc(t.GitHub.Releases(), func(r githubtwin.Release) bool {
		return r.Tag == scene.TagName && slices.ContainsFunc(r.Assets, func(a githubtwin.Asset) bool { return a.Name == name && a.State == "uploaded" })
	})
}

package world

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
)

// What must hold at the end of a release, whatever happened on the way.

// Inspect holds the world against what may be there after the last of so many runs.
func (t *World) Inspect(released bool, runs int) {
	t.inspectUploads()
	if len(t.GitHub.Undrafted()) > 0 && t.Scene.MustStop() {
		t.Fail("what must stop stops", "a release is public although a person had to decide first")
	}
	t.inspectTag()
	if !released {
		return
	}
	var ours []githubtwin.Release
	for _, r := range t.GitHub.Releases() {
		if (r.Tag == scene.TagName || r.Draft) && !t.abandoned(r) {
			ours = append(ours, r)
		}
		t.NoSecret("the text of a release", r.Name+r.Body)
	}
	if len(ours) != 1 || ours[0].Draft {
		t.Fail("one release", "%d releases and drafts are there at the end, want one public release: %s", len(ours), describe(ours))
		return
	}
	if n := len(t.GitHub.Undrafted()); n != 1 {
		t.Fail("one release", "the release was made public %d times", n)
		return
	}
	t.inspectRelease(ours[0], t.GitHub.Undrafted()[0].At, t.Keys(runs))
}

// abandoned reports whether a draft may be left: one that was not listed yet when the release became public, so that no
// run could find it, and one with other bytes or files than ours, which a person should see.
func (t *World) abandoned(r githubtwin.Release) bool {
	public := t.GitHub.Undrafted()
	return r.Draft && (t.Scene.Drift > 0 || len(t.Scene.Meddling) > 0 || len(public) > 0 && r.CreatedAt.Add(time.Second+t.Scene.DraftLag).After(public[0].At))
}

func describe(releases []githubtwin.Release) string {
	var out []string
	for _, r := range releases {
		text, _ := json.Marshal(struct {
			ID     int64
			Tag    string
			Draft  bool
			Assets int
		}{r.ID, r.Tag, r.Draft, len(r.Assets)}) // plain values always encode
		out = append(out, string(text))
	}
	return strings.Join(out, " ")
}

// inspectUploads holds each registry's own record: each version once, with packaged bytes, dependencies first.
func (t *World) inspectUploads() {
	generation := map[bool]string{}
	for _, registry := range t.Scene.Registries() {
		seen := map[string]Upload{}
		for _, u := range t.Uploads(registry) {
			if _, twice := seen[u.Name]; twice {
				t.Fail("each version once", "%s accepted %s %s twice", registry, u.Name, u.Version)
			}
			seen[u.Name] = u
			if u.Token == handLabel {
				continue
			}
			later := u.SHA256 == t.Parcels(registry, scene.LaterOn)[u.Name].Sum
			if !later && u.SHA256 != t.Parcels(registry, scene.AsTagged)[u.Name].Sum || later && t.Scene.Drift == 0 {
				t.Fail("packaged bytes", "%s accepted %s with bytes that were never packaged", registry, u.Name)
			}
			generation[later] = u.Name
			t.inspectOrder(registry, u, seen)
		}
	}
	if len(generation) > 1 {
		t.Fail("packaged bytes", "%s and %s were uploaded from different packagings of the same commit", generation[false], generation[true])
	}
}

// inspectOrder holds that what a crate needs was there before it: accepted, or where the registry's rules are unknown,
// visible.
func (t *World) inspectOrder(registry string, u Upload, before map[string]Upload) {
	i := slices.IndexFunc(scene.Workspace(), func(c scene.Member) bool { return c.Name == u.Name })
	for _, need := range scene.Workspace()[i].Needs {
		home := registry
		if !slices.Contains(t.Scene.Homes(need), registry) {
			home = t.Scene.Homes(need)[0]
		}
		dep, ok := before[need]
		if home != registry {
			for _, other := range t.Uploads(home) {
				if other.Name == need && !other.At.After(u.At) {
					dep, ok = other, true
				}
			}
		}
		if !ok {
			t.Fail("dependencies first", "%s accepted %s before %s had %s", registry, u.Name, home, need)
		} else if registry == scene.FeedName && dep.Visible.After(u.At) {
			t.Fail("dependencies first", "%s got %s %s before the index of %s showed %s", registry, u.Name, dep.Visible.Sub(u.At), home, need)
		}
	}
}

// inspectTag holds that the tag stays and that the branch is nowhere else than at its commit.
func (t *World) inspectTag() {
	at := t.branchCommit()
	if at != "" && at != t.Commit && t.Scene.BranchAt != "elsewhere" {
		t.Fail("the branch is at the commit", "the branch is at %s", at)
	}
	for _, w := range t.GitHub.Writes() {
		if strings.HasSuffix(w.Op, "-ref") && strings.Contains(w.Detail, "refs/tags/") || w.Op == "delete-ref" || w.Op == "update-ref" {
			t.Fail("refs stay", "%s %s", w.Op, w.Detail)
		}
	}
}

// inspectRelease holds the public release: every file whole, the bill true, the sums true, nothing left over.
func (t *World) inspectRelease(r githubtwin.Release, undrafted time.Time, keys []release.BillKey) {
	incomplete := func(format string, args ...any) { t.Fail("the release is complete", format, args...) }
	if t.branchCommit() != t.Commit {
		incomplete("there is no release branch at the commit")
	}
	b, ok := t.bill(r)
	if !ok {
		incomplete("it has no bill that can be read")
		return
	}
	if authentic, why := b.Authentic(keys); !authentic && t.Scene.Rotated == 0 {
		incomplete("its bill is not authentic: %s", why)
	}
	if b.Repository != Owner+"/"+Repository || b.Tag != scene.TagName || b.Commit != t.Commit || b.Cargo == "" || b.Toolchain == "" {
		incomplete("its bill is for %s %s at %s", b.Repository, b.Tag, b.Commit)
	}
	want := map[string]string{} // asset -> digest
	for _, c := range scene.Workspace() {
		for _, home := range t.Scene.Homes(c.Name) {
			t.inspectEntry(b.Bound(c.Name, home), c.Name, home, undrafted)
		}
	}
	for _, c := range b.Crates {
		want[c.Asset] = c.SHA256
		if !slices.ContainsFunc(t.Scene.Meddling, func(m scene.Meddling) bool { return m.Act == scene.EditNotes }) && !strings.Contains(r.Body, c.SHA256) {
			incomplete("its notes do not name the checksum of %s", c.Name)
		}
	}
	for _, a := range b.Artifacts {
		want[a.Name] = a.SHA256
	}
	if len(b.Artifacts) != len(t.Scene.Artifacts)*len(scene.ArtifactNames()) {
		incomplete("its bill names %d artifacts", len(b.Artifacts))
	}
	t.inspectAssets(r, b, want)
	if r.Immutable != t.Scene.Immutable || r.Prerelease || !r.Latest || r.Name != scene.TagName {
		incomplete("it is named %q, immutable %v, pre-release %v, latest %v", r.Name, r.Immutable, r.Prerelease, r.Latest)
	}
}

// inspectEntry holds one line of the bill: the bytes that the registry has, confirmed when its index showed them.
func (t *World) inspectEntry(c *release.BillCrate, name, home string, undrafted time.Time) {
	at, accepted := t.Visible(home, name)
	if !accepted {
		t.Fail("the release is complete", "%s is not on %s", name, home)
		return
	}
	if at.After(undrafted) {
		t.Fail("public after all is confirmed", "the release became public %s before the index of %s showed %s", at.Sub(undrafted), home, name)
	}
	i := -1
	if c != nil {
		i = slices.IndexFunc(c.Registries, func(r release.BillRegistry) bool { return r.Name == home })
	}
	if i < 0 {
		t.Fail("the bill is true", "it has no %s on %s", name, home)
		return
	}
	confirmed := c.Registries[i].ConfirmedAt
	if confirmed == nil || confirmed.Before(at.Truncate(time.Second)) || confirmed.After(undrafted) {
		t.Fail("the bill is true", "it says that %s was confirmed on %s at %v; the index showed it at %s and the release became public at %s", name, home, confirmed, at.UTC(), undrafted.UTC())
	}
	for _, u := range t.Uploads(home) {
		if u.Name == name && u.SHA256 != c.SHA256 {
			t.Fail("the bill is true", "it has other bytes of %s than %s", name, home)
		}
	}
}

// inspectAssets holds the files of the release against the bill.
func (t *World) inspectAssets(r githubtwin.Release, b release.Bill, want map[string]string) {
	for _, a := range r.Assets {
		content, err := t.GitHub.AssetBytes(a.ID)
		if err != nil || a.State != "uploaded" {
			t.Fail("the release is complete", "asset %s is not whole (%s)", a.Name, a.State)
		}
		digest, known := want[a.Name]
		delete(want, a.Name)
		switch {
		case known:
			if a.Digest != "sha256:"+digest {
				t.Fail("the release is complete", "asset %s has digest %s, the bill says sha256:%s", a.Name, a.Digest, digest)
			}
			continue
		case a.Name == release.SumsName:
			if string(content) != string(b.Sums()) {
				t.Fail("the release is complete", "%s is not what the bill says:\n%s\n%s", a.Name, content, b.Sums())
			}
		case a.Name == release.BillName, a.Name == "extra.txt" && t.strangerAdded():
		default:
			t.Fail("nothing is left over", "the release holds %s", a.Name)
		}
		t.NoSecret("asset "+a.Name, string(content))
	}
	for name := range want {
		t.Fail("the release is complete", "asset %s is missing", name)
	}
	if !slices.ContainsFunc(r.Assets, func(a githubtwin.Asset) bool { return a.Name == release.SumsName }) {
		t.Fail("the release is complete", "asset %s is missing", release.SumsName)
	}
}

func (t *World) strangerAdded() bool {
	return slices.ContainsFunc(t.Scene.Meddling, func(m scene.Meddling) bool { return m.Act == scene.AddFile })
}

package storm

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
)

// What must hold at the end of a release, whatever happened on the way.

// inspect holds the world against what may be there after the last run.
func (t *trial) inspect(released bool) {
	t.inspectUploads()
	if len(t.github.Undrafted()) > 0 && t.scene.mustStop() {
		t.fail("what must stop stops", "a release is public although a person had to decide first")
	}
	t.inspectTag()
	if !released {
		return
	}
	var ours []githubtwin.Release
	for _, r := range t.github.Releases() {
		if r.Tag == tagName || r.Draft {
			ours = append(ours, r)
		}
		t.noSecret("the text of a release", r.Name+r.Body)
	}
	if len(ours) != 1 || ours[0].Draft {
		t.fail("one release", "%d releases and drafts are there at the end, want one public release: %s", len(ours), describe(ours))
		return
	}
	if n := len(t.github.Undrafted()); n != 1 {
		t.fail("one release", "the release was made public %d times", n)
		return
	}
	t.inspectRelease(ours[0], t.github.Undrafted()[0].At)
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
func (t *trial) inspectUploads() {
	generation := map[bool]string{}
	for _, registry := range t.scene.registries() {
		seen := map[string]upload{}
		for _, u := range t.registryUploads(registry) {
			if _, twice := seen[u.Name]; twice {
				t.fail("each version once", "%s accepted %s %s twice", registry, u.Name, u.Version)
			}
			seen[u.Name] = u
			if u.Token == "by hand" {
				continue
			}
			later := u.SHA256 == t.parcels(registry, laterOn)[u.Name].sum
			if !later && u.SHA256 != t.parcels(registry, asTagged)[u.Name].sum || later && t.scene.drift == 0 {
				t.fail("packaged bytes", "%s accepted %s with bytes that were never packaged", registry, u.Name)
			}
			generation[later] = u.Name
			t.inspectOrder(registry, u, seen)
		}
	}
	if len(generation) > 1 {
		t.fail("packaged bytes", "%s and %s were uploaded from different packagings of the same commit", generation[false], generation[true])
	}
}

// inspectOrder holds that what a crate needs was there before it: accepted, or where the registry's rules are unknown,
// visible.
func (t *trial) inspectOrder(registry string, u upload, before map[string]upload) {
	i := slices.IndexFunc(workspace, func(c struct {
		name  string
		needs []string
	}) bool {
		return c.name == u.Name
	})
	for _, need := range workspace[i].needs {
		home := registry
		if !slices.Contains(t.scene.homes(need), registry) {
			home = t.scene.homes(need)[0]
		}
		dep, ok := before[need]
		if home != registry {
			for _, other := range t.registryUploads(home) {
				if other.Name == need && !other.At.After(u.At) {
					dep, ok = other, true
				}
			}
		}
		if !ok {
			t.fail("dependencies first", "%s accepted %s before %s had %s", registry, u.Name, home, need)
		} else if registry == feedName && dep.visible.After(u.At) {
			t.fail("dependencies first", "%s got %s %s before the index of %s showed %s", registry, u.Name, dep.visible.Sub(u.At), home, need)
		}
	}
}

// inspectTag holds that the tag stays and that the branch is nowhere else than at its commit.
func (t *trial) inspectTag() {
	at := t.branchCommit()
	if at != "" && at != t.commit && t.scene.branchAt != "elsewhere" {
		t.fail("the branch is at the commit", "the branch is at %s", at)
	}
	for _, w := range t.github.Writes() {
		if strings.HasSuffix(w.Op, "-ref") && strings.Contains(w.Detail, "refs/tags/") || w.Op == "delete-ref" || w.Op == "update-ref" {
			t.fail("refs stay", "%s %s", w.Op, w.Detail)
		}
	}
}

// branchCommit is where the release branch is, "" where there is none.
func (t *trial) branchCommit() string {
	ref, err := t.store.Ref(context.Background(), "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return ref.Object
}

// bill returns the bill of a release.
func (t *trial) bill(r githubtwin.Release) (release.Bill, bool) {
	var b release.Bill
	for _, a := range r.Assets {
		if a.Name != release.BillName || a.State != "uploaded" {
			continue
		}
		text, err := t.github.AssetBytes(a.ID)
		t.noSecret("the bill", string(text))
		return b, err == nil && json.Unmarshal(text, &b) == nil
	}
	return b, false
}

// inspectRelease holds the public release: every file whole, the bill true, the sums true, nothing left over.
func (t *trial) inspectRelease(r githubtwin.Release, undrafted time.Time) {
	incomplete := func(format string, args ...any) { t.fail("the release is complete", format, args...) }
	if t.branchCommit() != t.commit {
		incomplete("there is no release branch at the commit")
	}
	b, ok := t.bill(r)
	if !ok {
		incomplete("it has no bill that can be read")
		return
	}
	p := &process{trial: t, number: t.processes}
	if authentic, why := b.Authentic(p.keys()); !authentic && t.scene.rotated == 0 {
		incomplete("its bill is not authentic: %s", why)
	}
	if b.Repository != owner+"/"+repository || b.Tag != tagName || b.Commit != t.commit || b.Cargo == "" || b.Toolchain == "" {
		incomplete("its bill is for %s %s at %s", b.Repository, b.Tag, b.Commit)
	}
	want := map[string]string{} // asset -> digest
	for _, c := range workspace {
		for _, home := range t.scene.homes(c.name) {
			t.inspectEntry(b.Bound(c.name, home), c.name, home, undrafted)
		}
	}
	for _, c := range b.Crates {
		want[c.Asset] = c.SHA256
		if !slices.ContainsFunc(t.scene.meddling, func(m meddling) bool { return m.act == editNotes }) && !strings.Contains(r.Body, c.SHA256) {
			incomplete("its notes do not name the checksum of %s", c.Name)
		}
	}
	for _, a := range b.Artifacts {
		want[a.Name] = a.SHA256
	}
	if len(b.Artifacts) != len(t.scene.artifacts)*len(artifactNames) {
		incomplete("its bill names %d artifacts", len(b.Artifacts))
	}
	t.inspectAssets(r, b, want)
	if r.Immutable != t.scene.immutable || r.Prerelease || !r.Latest || r.Name != tagName {
		incomplete("it is named %q, immutable %v, pre-release %v, latest %v", r.Name, r.Immutable, r.Prerelease, r.Latest)
	}
}

// inspectEntry holds one line of the bill: the bytes that the registry has, confirmed when its index showed them.
func (t *trial) inspectEntry(c *release.BillCrate, name, home string, undrafted time.Time) {
	at, accepted := t.visible(home, name)
	if !accepted {
		t.fail("the release is complete", "%s is not on %s", name, home)
		return
	}
	if at.After(undrafted) {
		t.fail("public after all is confirmed", "the release became public %s before the index of %s showed %s", at.Sub(undrafted), home, name)
	}
	i := -1
	if c != nil {
		i = slices.IndexFunc(c.Registries, func(r release.BillRegistry) bool { return r.Name == home })
	}
	if i < 0 {
		t.fail("the bill is true", "it has no %s on %s", name, home)
		return
	}
	confirmed := c.Registries[i].ConfirmedAt
	if confirmed == nil || confirmed.Before(at.Truncate(time.Second)) || confirmed.After(undrafted) {
		t.fail("the bill is true", "it says that %s was confirmed on %s at %v; the index showed it at %s and the release became public at %s", name, home, confirmed, at.UTC(), undrafted.UTC())
	}
	for _, u := range t.registryUploads(home) {
		if u.Name == name && u.SHA256 != c.SHA256 {
			t.fail("the bill is true", "it has other bytes of %s than %s", name, home)
		}
	}
}

// inspectAssets holds the files of the release against the bill.
func (t *trial) inspectAssets(r githubtwin.Release, b release.Bill, want map[string]string) {
	for _, a := range r.Assets {
		content, err := t.github.AssetBytes(a.ID)
		if err != nil || a.State != "uploaded" {
			t.fail("the release is complete", "asset %s is not whole (%s)", a.Name, a.State)
		}
		digest, known := want[a.Name]
		delete(want, a.Name)
		switch {
		case known:
			if a.Digest != "sha256:"+digest {
				t.fail("the release is complete", "asset %s has digest %s, the bill says sha256:%s", a.Name, a.Digest, digest)
			}
			continue
		case a.Name == release.SumsName:
			if string(content) != string(b.Sums()) {
				t.fail("the release is complete", "%s is not what the bill says:\n%s\n%s", a.Name, content, b.Sums())
			}
		case a.Name == release.BillName, a.Name == "extra.txt" && t.strangerAdded():
		default:
			t.fail("nothing is left over", "the release holds %s", a.Name)
		}
		t.noSecret("asset "+a.Name, string(content))
	}
	for name := range want {
		t.fail("the release is complete", "asset %s is missing", name)
	}
	if !slices.ContainsFunc(r.Assets, func(a githubtwin.Asset) bool { return a.Name == release.SumsName }) {
		t.fail("the release is complete", "asset %s is missing", release.SumsName)
	}
}

func (t *trial) strangerAdded() bool {
	return slices.ContainsFunc(t.scene.meddling, func(m meddling) bool { return m.act == addFile })
}

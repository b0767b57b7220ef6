package storm

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
)

// What must hold while a release is under way: checked when a request leaves a process, when it arrives, and when a
// process ends.

// watchSecrets holds where credentials go: to the service that they are for, in one header, and nowhere else.
func (t *trial) watchSecrets(c *call, req *http.Request) {
	t.noSecret("the address of "+c.name(), req.URL.String())
	want := []string{""}
	switch {
	case req.URL.Host == githubHost && !strings.HasPrefix(req.URL.Path, "/storage/"):
		want = []string{"Bearer " + secrets.github}
	case req.URL.Host != githubHost:
		want = append(want, c.process.token(c.service))
	}
	if got := req.Header.Get("Authorization"); !slices.Contains(want, got) {
		t.fail("credentials go where they belong", "%s carries another credential than its service's", c.name())
	}
}

// noSecret holds that a text shows none of the release's secrets in any form.
func (t *trial) noSecret(what, text string) {
	if t.yard.masker.Mask(text) != text {
		t.fail("no secret is seen", "%s shows a secret (%s)", what, strings.Join(t.yard.masker.Leaks([]byte(text)), ", "))
	}
}

// arrive counts a request and holds it against what the process could see when it began: nobody does again what stood
// there already.
func (t *trial) arrive(c *call, r *http.Request) int {
	p := c.process
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead && c.op != "generate-notes "+tagName
	p.mu.Lock()
	p.requests++
	if changes {
		p.writes++
	}
	over := p.requests == maxRequests
	p.mu.Unlock()
	if over {
		t.fail("requests are bounded", "%s has sent %d requests", p.name(), maxRequests)
		p.die("because it never stops asking")
	}
	operation, argument, _ := strings.Cut(c.op, " ")
	switch {
	case operation == "publish":
		if at, ok := t.visible(c.service, argument); ok && !at.After(p.began) {
			t.fail("nothing is done twice", "%s uploads %s to %s, whose index showed it when the run began", p.name(), argument, c.service)
		}
	case c.service != fault.GitHub || t.meddlesWithDrafts():
	case operation == "create-release":
		for _, rel := range t.github.Releases() {
			if rel.Tag == tagName && !rel.CreatedAt.Add(time.Second+t.scene.draftLag).After(p.began) {
				t.fail("nothing is done twice", "%s makes a release although release %d was listed when the run began", p.name(), rel.ID)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrivals++
	return t.arrivals
}

// meddlesWithDrafts reports whether somebody may delete the draft.
func (t *trial) meddlesWithDrafts() bool { return len(t.scene.meddling) > 0 || t.scene.mayStop() }

// upload is an accepted upload and when the index shows it.
type upload struct {
	registrytwin.Upload
	visible time.Time
}

// registryUploads returns what a registry has accepted, nil for a service that is none.
func (t *trial) registryUploads(name string) []upload {
	twin := t.registries[name]
	if twin == nil {
		return nil
	}
	var out []upload
	for _, u := range twin.Accepted() {
		at := u.At
		if u.Token != "by hand" {
			at = at.Add(t.lagOf(name, u.Name))
		}
		out = append(out, upload{u, at})
	}
	return out
}

// visible returns when the index shows the crate.
func (t *trial) visible(registry, crate string) (time.Time, bool) {
	for _, u := range t.registryUploads(registry) {
		if u.Name == crate && u.Version == version {
			return u.visible, true
		}
	}
	return time.Time{}, false
}

// accepted notes that a registry took an upload of the process.
func (p *process) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads++
}

// ledgerComplete reports whether the process finds one release that holds everything under a bill that its keys made.
func (t *trial) ledgerComplete(p *process) bool {
	var found *githubtwin.Release
	for _, r := range t.github.Releases() {
		if r.Tag != tagName {
			continue
		}
		if found != nil {
			return false // which of two counts is not ours to say
		}
		found = &r
	}
	if found == nil || found.Draft && found.CreatedAt.Add(time.Second+t.scene.draftLag).After(p.began) {
		return false
	}
	bill, ok := t.bill(*found)
	if !ok || bill.Commit != t.commit || bill.Tag != tagName || bill.Repository != owner+"/"+repository {
		return false
	}
	if authentic, _ := bill.Authentic(p.keys()); !authentic {
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

// believe holds a report against the world: what it tells as done is done.
func (p *process) believe(r *release.Report) {
	t := p.trial
	wrong := func(format string, args ...any) {
		t.fail("the report is true", p.name()+" tells "+format, args...)
	}
	waits := false
	for _, s := range r.Steps {
		if s.Outcome == "waiting" {
			waits = true
		}
		if s.Outcome == "done" && !t.holds(s.Kind, strings.TrimPrefix(s.Key, s.Kind+"/")) {
			wrong("that %s is done (%s), and it is not", s.Key, s.Reason)
		}
	}
	p.mu.Lock()
	uploads, writes := p.uploads, p.writes
	p.mu.Unlock()
	switch r.Outcome {
	case release.Released:
		if rel, ok := t.github.Release(tagName); !ok || rel.Draft {
			wrong("that the release is public, and it is not")
		}
	case release.Waiting:
		if !waits {
			wrong("that it waits, and no step does")
		}
	case release.Stopped, release.Failed:
		if len(r.Problems) == 0 {
			wrong("%s and not why", r.Outcome)
		}
		if len(r.Steps) > 0 && !slices.ContainsFunc(r.Steps, func(s release.ReportStep) bool { return s.Attempts > 0 }) && writes > 0 {
			wrong("that no step began, and it changed something")
		}
		for _, problem := range r.Problems {
			if strings.Contains(problem.Hint, "Nothing was uploaded") && uploads > 0 {
				wrong("that nothing was uploaded, and it uploaded %d crates", uploads)
			}
		}
	default:
		wrong("the outcome %q", r.Outcome)
	}
}

// holds reports whether what a step is for is true in the world. What a stranger may have undone since is not asked.
func (t *trial) holds(kind, what string) bool {
	rel, there := t.github.Release(tagName)
	switch kind {
	case release.KindBranch:
		return t.branchCommit() == t.commit
	case release.KindPublish, release.KindConfirm:
		registry, crate, _ := strings.Cut(strings.TrimSuffix(what, "@"+version), "/")
		at, accepted := t.visible(registry, crate)
		return accepted && (kind == release.KindPublish || !at.After(time.Now()))
	case release.KindRelease, release.KindDispatch:
		return there && !rel.Draft
	}
	if len(t.scene.meddling) > 0 {
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
func (t *trial) someReleaseHolds(name string) bool {
	return slices.ContainsFunc(t.github.Releases(), func(r githubtwin.Release) bool {
		return r.Tag == tagName && slices.ContainsFunc(r.Assets, func(a githubtwin.Asset) bool { return a.Name == name && a.State == "uploaded" })
	})
}

package githubtwin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/githubgit"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// release is one release, draft or not. https://docs.github.com/rest/releases/releases
type release struct {
	id                           int64
	tag, name, body, target      string
	draft, prerelease, immutable bool
	created, published, updated  time.Time
}

// Release is a release as it is now, for whoever looks at the world.
type Release struct {
	ID                                   int64
	Tag, Name, Body, Target              string
	Draft, Prerelease, Immutable, Latest bool
	CreatedAt, PublishedAt               time.Time
	Assets                               []Asset // in the order of upload
}

// Releases returns all releases, drafts included, newest first.
func (t *Twin) Releases() []Release {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	var out []Release
	latest := t.latestRelease()
	for _, r := range t.newest() {
		v := Release{ID: r.id, Tag: r.tag, Name: r.name, Body: r.body, Target: r.target, Draft: r.draft, Prerelease: r.prerelease, Immutable: r.immutable,
			Latest: r == latest, CreatedAt: r.created, PublishedAt: r.published}
		for _, a := range t.assetsOf(r.id) {
			v.Assets = append(v.Assets, a.view())
		}
		out = append(out, v)
	}
	return out
}

// Release returns the release with a tag: the published one, else the newest draft.
func (t *Twin) Release(tag string) (Release, bool) {
	var found Release
	for _, r := range t.Releases() {
		if r.Tag == tag && (found.ID == 0 || !r.Draft) {
			found = r
		}
	}
	return found, found.ID != 0
}

// newest returns the releases, newest first.
func (t *Twin) newest() []*release {
	out := make([]*release, 0, len(t.releases))
	for _, r := range t.releases {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *release) int { return int(b.id - a.id) })
	return out
}

func (t *Twin) release(c *call, r *release) object {
	self := fmt.Sprintf("%s/releases/%d", c.URLs.Repo, r.id)
	page := githubapi.Escape(r.tag)
	var tarball, zipball any = c.URLs.Repo + "/tarball/" + githubapi.Escape(r.tag), c.URLs.Repo + "/zipball/" + githubapi.Escape(r.tag)
	if r.draft {
		page, tarball, zipball = untagged(r.id), nil, nil
	}
	assets := []object{}
	for _, a := range t.assetsOf(r.id) {
		assets = append(assets, t.asset(c, a, r))
	}
	return object{
		"id": r.id, "node_id": githubapi.NodeID("Release", r.id), "url": self, "assets_url": self + "/assets", "html_url": c.URLs.HTML + "/releases/tag/" + page,
		"upload_url": fmt.Sprintf("%s/releases/%d/assets{?name,label}", c.URLs.Uploads, r.id), "tarball_url": tarball, "zipball_url": zipball,
		"tag_name": r.tag, "target_commitish": r.target, "name": r.name, "body": r.body, "draft": r.draft, "prerelease": r.prerelease,
		"immutable": r.immutable, "created_at": githubapi.Stamp(r.created), "updated_at": githubapi.Stamp(r.updated), "published_at": githubapi.StampOrNull(r.published),
		"author": t.site.User(c), "assets": assets,
	}
}

func untagged(id int64) string { return fmt.Sprintf("untagged-%020x", id*0x9e3779b9) }

// visible finds a release by id for this caller: drafts show only to those with push access.
func (t *Twin) visible(c *call) *release {
	r := t.releases[githubapi.Number(c.Params["release"])]
	if r == nil || r.draft && !t.site.May(c, "contents", "write") {
		return nil
	}
	return r
}

func (t *Twin) listReleases(c *call) reply {
	seesDrafts := t.site.May(c, "contents", "write")
	out := []*release{}
	for _, r := range t.newest() {
		if !r.draft || seesDrafts && time.Since(r.created) >= t.cfg.DraftLag {
			out = append(out, r)
		}
	}
	out, header := githubapi.Page(c, out)
	body := []object{}
	for _, r := range out {
		body = append(body, t.release(c, r))
	}
	return reply{Status: http.StatusOK, Body: body, Header: header}
}

func (t *Twin) getRelease(c *call) reply {
	if r := t.visible(c); r != nil {
		return githubapi.OK(t.release(c, r))
	}
	return githubapi.NotFound()
}

func (t *Twin) getByTag(c *call) reply {
	if r := t.publishedWith(c.Params["tag"]); r != nil {
		return githubapi.OK(t.release(c, r))
	}
	return githubapi.NotFound()
}

func (t *Twin) publishedWith(tag string) *release {
	for _, r := range t.releases {
		if !r.draft && r.tag == tag {
			return r
		}
	}
	return nil
}

func (t *Twin) getLatest(c *call) reply {
	if r := t.latestRelease(); r != nil {
		return githubapi.OK(t.release(c, r))
	}
	return githubapi.NotFound()
}

// latestRelease is the one that was made latest, else the newest that could be.
func (t *Twin) latestRelease() *release {
	if r := t.releases[t.latest]; r != nil && !r.draft && !r.prerelease {
		return r
	}
	var best *release
	for _, r := range t.releases {
		if !r.draft && !r.prerelease && (best == nil || r.published.After(best.published)) {
			best = r
		}
	}
	return best
}

// releaseInput is the body of create and update; what is nil stays as it is.
type releaseInput struct {
	TagName         *string `json:"tag_name"`
	TargetCommitish *string `json:"target_commitish"`
	Name            *string `json:"name"`
	Body            *string `json:"body"`
	Draft           *bool   `json:"draft"`
	Prerelease      *bool   `json:"prerelease"`
	MakeLatest      *string `json:"make_latest"`
	GenerateNotes   bool    `json:"generate_release_notes"`
}

func (in releaseInput) apply(r *release) {
	for _, f := range []struct {
		to   *string
		from *string
	}{{&r.tag, in.TagName}, {&r.target, in.TargetCommitish}, {&r.name, in.Name}, {&r.body, in.Body}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Draft != nil {
		r.draft = *in.Draft
	}
	if in.Prerelease != nil {
		r.prerelease = *in.Prerelease
	}
}

func (t *Twin) createRelease(c *call) reply {
	var in releaseInput
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if in.TagName == nil || *in.TagName == "" {
		return githubapi.Unprocessable("Invalid request.\n\n\"tag_name\" wasn't supplied.")
	}
	at := githubapi.Now()
	next := release{target: t.cfg.DefaultBranch, created: at, updated: at}
	in.apply(&next)
	if in.GenerateNotes {
		title, notes := t.notes(c, next.tag, "")
		if next.name == "" {
			next.name = title
		}
		next.body = strings.TrimPrefix(next.body+"\n\n"+notes, "\n\n")
	}
	if rep := t.checkRelease(c, &next, in); rep.Status != 0 {
		return rep
	}
	next.id = t.site.NextID()
	if rep := t.store(c, release{draft: true}, next, in); rep.Status != 0 {
		return rep
	}
	return githubapi.Created(t.release(c, t.releases[next.id]))
}

// checkRelease holds GitHub's rules for the values of a release against what is there.
func (t *Twin) checkRelease(c *call, next *release, in releaseInput) reply {
	other := t.publishedWith(next.tag)
	ref := "refs/tags/" + next.tag
	switch {
	case !githubgit.ValidRef(ref):
		return githubapi.Invalid("Release", "custom", "tag_name", "tag_name is not a valid tag")
	case t.burnt[next.tag] && (other == nil || other.id != next.id):
		return githubapi.Invalid("Release", "custom", "tag_name", "tag_name was used by an immutable release")
	case !next.draft && other != nil && other.id != next.id:
		return githubapi.Invalid("Release", "already_exists", "tag_name", "")
	case in.MakeLatest != nil && !slices.Contains([]string{"true", "false", "legacy"}, *in.MakeLatest):
		return githubapi.Invalid("Release", "invalid", "make_latest", "")
	case in.MakeLatest != nil && *in.MakeLatest == "true" && (next.draft || next.prerelease):
		return githubapi.Invalid("Release", "custom", "make_latest", "drafts and prereleases cannot be made latest")
	}
	commit, err := gitstore.Resolve(c.Context(), t.cfg.Refs, next.target)
	if errors.Is(err, gitstore.ErrNotFound) {
		if _, err := t.cfg.Refs.Ref(c.Context(), ref); err == nil {
			return reply{} // the target is unused where the tag exists
		}
		return githubapi.Invalid("Release", "invalid", "target_commitish", "")
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	// The check looks at the named target even where the tag exists, and at the default branch where none is named.
	rep, err := t.git.WorkflowTrap(c, commit, http.StatusNotFound)
	return githubapi.OrTrouble(rep, err)
}

// store takes a checked release into the world. Where it becomes public, the tag is made if it is missing.
func (t *Twin) store(c *call, old, next release, in releaseInput) reply {
	op := "update-release"
	if t.releases[next.id] == nil {
		op = "create-release"
	}
	publishes := old.draft && !next.draft
	if publishes {
		if rep := t.ensureTag(c, next); rep.Status != 0 {
			return rep
		}
		next.published = githubapi.Now()
		next.immutable = t.cfg.Immutable
	}
	if next.immutable {
		t.burnt[next.tag] = true
	}
	t.releases[next.id] = &next
	latest := in.MakeLatest == nil && publishes || in.MakeLatest != nil && *in.MakeLatest != "false"
	if latest && !next.draft && !next.prerelease {
		t.latest = next.id
	} else if in.MakeLatest != nil && t.latest == next.id {
		t.latest = 0
	}
	t.site.Wrote(op, "%s %d", next.tag, next.id)
	if publishes {
		t.site.Wrote("publish-release", "%s", next.tag)
		t.git.Published(next.id)
	}
	return reply{}
}

func (t *Twin) ensureTag(c *call, r release) reply {
	ref := "refs/tags/" + r.tag
	_, err := t.cfg.Refs.Ref(c.Context(), ref)
	if err == nil {
		return reply{}
	}
	commit, err2 := gitstore.Resolve(c.Context(), t.cfg.Refs, r.target)
	if !errors.Is(err, gitstore.ErrNotFound) || err2 != nil {
		return githubapi.Trouble(errors.Join(err, err2))
	}
	rep := t.git.SetRef(c, ref, "", commit)
	if rep.Status == 0 {
		t.site.Wrote("create-ref", "%s %s", ref, commit)
	}
	return rep
}

func (t *Twin) updateRelease(c *call) reply {
	r := t.visible(c)
	if r == nil {
		return githubapi.NotFound()
	}
	var in releaseInput
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	next := *r
	in.apply(&next)
	next.updated = githubapi.Now()
	if t.cfg.ForgetsTags && r.draft && in.TagName == nil {
		next.tag = untagged(r.id)
	}
	switch {
	case r.immutable && (next.tag != r.tag || next.target != r.target || next.draft):
		return githubapi.Unprocessable("Cannot change the tag, the target or the draft state of an immutable release")
	case !r.draft && next.draft:
		next.published = time.Time{}
	}
	if rep := t.checkRelease(c, &next, in); rep.Status != 0 {
		return rep
	}
	if rep := t.store(c, *r, next, in); rep.Status != 0 {
		return rep
	}
	return githubapi.OK(t.release(c, t.releases[next.id]))
}

func (t *Twin) deleteRelease(c *call) reply {
	r := t.visible(c)
	if r == nil {
		return githubapi.NotFound()
	}
	for _, a := range t.assetsOf(r.id) {
		t.drop(a)
	}
	delete(t.releases, r.id)
	t.site.Wrote("delete-release", "%s %d", r.tag, r.id)
	return githubapi.NoContent()
}

func (t *Twin) generateNotes(c *call) reply {
	var in struct {
		TagName         string `json:"tag_name"`
		PreviousTagName string `json:"previous_tag_name"`
		TargetCommitish string `json:"target_commitish"`
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if in.PreviousTagName != "" {
		if _, err := t.cfg.Refs.Ref(c.Context(), "refs/tags/"+in.PreviousTagName); err != nil {
			return githubapi.Invalid("Release", "custom", "previous_tag_name", "previous_tag_name is not a valid tag")
		}
	}
	name, body := t.notes(c, in.TagName, in.PreviousTagName)
	for _, at := range []string{"refs/tags/" + in.TagName, in.TargetCommitish, t.cfg.DefaultBranch} {
		if target, err := gitstore.Resolve(c.Context(), t.cfg.Refs, at); at != "" && err == nil {
			body = t.changes(c, target, in.PreviousTagName) + body
			break
		}
	}
	return githubapi.OK(object{"name": name, "body": body})
}

// notes are GitHub's generated notes of a repository without pull requests.
func (t *Twin) notes(c *call, tag, previous string) (name, body string) {
	if r := t.latestRelease(); previous == "" && r != nil && r.tag != tag {
		previous = r.tag
	}
	changes := c.URLs.HTML + "/commits/" + githubapi.Escape(tag)
	if previous != "" {
		changes = c.URLs.HTML + "/compare/" + githubapi.Escape(previous) + "..." + githubapi.Escape(tag)
	}
	return tag, "**Full Changelog**: " + changes
}

func (t *Twin) getImmutable(*call) reply {
	if !t.cfg.Immutable {
		return githubapi.NotFound()
	}
	return githubapi.OK(object{"enabled": true, "enforced_by_owner": false})
}

// frozen reports whether a tag belongs to a published immutable release: such tags neither move nor go.
func (t *Twin) frozen(tag string) bool {
	r := t.publishedWith(tag)
	return r != nil && r.immutable
}

// releaseByID is the release of an event, or nil if it is gone.
func (t *Twin) releaseByID(c *call, id int64) object {
	if r := t.releases[id]; r != nil {
		return t.release(c, r)
	}
	return nil
}

// changes lists the merged pull requests between a tag and a commit as generated notes do.
func (t *Twin) changes(c *call, target, previous string) string {
	since := ""
	if previous != "" {
		since, _ = gitstore.Resolve(c.Context(), t.cfg.Refs, "refs/tags/"+previous)
	}
	var lines strings.Builder
	for n := 1; n <= len(t.issues); n++ {
		i := t.issues[n]
		if i.mergeCommit == "" || !t.git.Holds(c, target, i.mergeCommit) || since != "" && t.git.Holds(c, since, i.mergeCommit) {
			continue
		}
		fmt.Fprintf(&lines, "* %s by @%s in %s/pull/%d\n", i.title, t.cfg.Actor, c.URLs.HTML, n)
	}
	if lines.Len() == 0 {
		return ""
	}
	return "## What's Changed\n" + lines.String() + "\n\n"
}

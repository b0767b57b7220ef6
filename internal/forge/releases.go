package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Release is a release or a draft of one. Target is what target_commitish says, which means nothing once the tag
// exists. UploadURL is the template as GitHub gives it. Immutable releases accept no further asset. PublishedAt is zero
// for a draft; CreatedAt is the date of the commit, so order by ID.
type Release struct {
	ID                           int64
	Tag, Name, Body              string
	URL, HTMLURL, UploadURL      string
	Target                       string
	Draft, Prerelease, Immutable bool
	Assets                       []Asset
	CreatedAt, PublishedAt       time.Time
}

type release struct {
	ID              int64      `json:"id"`
	TagName         string     `json:"tag_name"`
	Name            *string    `json:"name"`
	Body            *string    `json:"body"`
	URL             string     `json:"url"`
	HTMLURL         string     `json:"html_url"`
	UploadURL       string     `json:"upload_url"`
	TargetCommitish string     `json:"target_commitish"`
	Draft           bool       `json:"draft"`
	Prerelease      bool       `json:"prerelease"`
	Immutable       bool       `json:"immutable"`
	Assets          []asset    `json:"assets"`
	CreatedAt       time.Time  `json:"created_at"`
	PublishedAt     *time.Time `json:"published_at"`
}

func (r release) out() Release {
	out := Release{
		ID: r.ID, Tag: r.TagName, Name: deref(r.Name), Body: deref(r.Body), URL: r.URL, HTMLURL: r.HTMLURL, UploadURL: r.UploadURL,
		Target: r.TargetCommitish, Draft: r.Draft, Prerelease: r.Prerelease, Immutable: r.Immutable,
		CreatedAt: r.CreatedAt, PublishedAt: deref(r.PublishedAt),
	}
	for _, a := range r.Assets {
		out.Assets = append(out.Assets, a.out())
	}
	return out
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// releasePage is how many releases one request asks for at first: each comes with all its assets. It is a power of two
// so that a page that turns out too large can be asked for again in halves.
const releasePage = 32

// Releases lists all releases, drafts included where the token may write, in GitHub's order (newest first). The
// sequence ends with the first error.
//
// https://docs.github.com/en/rest/releases/releases#list-releases
func (c *Client) Releases(ctx context.Context) iter.Seq2[Release, error] {
	return func(yield func(Release, error) bool) {
		for offset, size := 0, releasePage; ; {
			q := url.Values{"per_page": {fmt.Sprint(size)}, "page": {fmt.Sprint(offset/size + 1)}}
			var list []release
			resp, err := c.wire.Do(ctx, wire.Call{Op: "list releases", Method: http.MethodGet, Path: c.wire.Root() + "/releases", Query: q, Out: &list})
			if errors.Is(err, wire.ErrTooLarge) && size > 1 {
				size /= 2
				continue
			}
			if err != nil {
				yield(Release{}, err)
				return
			}
			for _, r := range list {
				if !yield(r.out(), nil) {
					return
				}
			}
			if resp.NextPage == 0 {
				return
			}
			offset += size
		}
	}
}

// FindRelease returns every release of a tag, drafts included, newest first; none is no error. Drafts cannot be read
// by tag and several can have the same one, so the whole list is read: one request for 32 releases. A draft made a
// moment ago may be missing, so keep the ID that CreateDraft returned.
func (c *Client) FindRelease(ctx context.Context, tag string) ([]Release, error) {
	return c.releasesWhere(ctx, func(t string) bool { return t == tag })
}

// ReleasesWithPrefix returns the releases whose tag starts with prefix, drafts included, newest first.
func (c *Client) ReleasesWithPrefix(ctx context.Context, prefix string) ([]Release, error) {
	return c.releasesWhere(ctx, func(t string) bool { return strings.HasPrefix(t, prefix) })
}

func (c *Client) releasesWhere(ctx context.Context, match func(tag string) bool) ([]Release, error) {
	var found []Release
	seen := map[int64]bool{}
	for r, err := range c.Releases(ctx) {
		if err != nil {
			return nil, err
		}
		// A release made while we turn the page pushes another one onto the next page a second time.
		if match(r.Tag) && !seen[r.ID] {
			seen[r.ID] = true
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Release) int { return cmp.Compare(b.ID, a.ID) })
	return found, nil
}

// Release reads one release or draft by its ID. A deleted one is NotFound.
//
// https://docs.github.com/en/rest/releases/releases#get-a-release
func (c *Client) Release(ctx context.Context, id int64) (Release, error) {
	return c.releaseCall(ctx, wire.Call{Op: fmt.Sprintf("get release %d", id), Method: http.MethodGet, Path: c.releasePath(id)})
}

func (c *Client) releasePath(id int64) string {
	return fmt.Sprintf("%s/releases/%d", c.wire.Root(), id)
}

func (c *Client) releaseCall(ctx context.Context, r wire.Call) (Release, error) {
	var out release
	r.Out = &out
	if _, err := c.wire.Do(ctx, r); err != nil {
		return Release{}, err
	}
	if out.ID == 0 {
		return Release{}, c.wire.Malformed(r.Op, "release without an id")
	}
	return out.out(), nil
}

// DraftRequest describes a draft. Target stays empty when the tag exists: GitHub does not use it then, but does check
// the token's right to workflow files against it.
type DraftRequest struct {
	Tag, Name, Body string
	Prerelease      bool
	Target          string
}

// CreateDraft makes a draft release. It is not idempotent: a second call makes a second draft of the same tag, so look
// with FindRelease first. Denied covers the 404 that GitHub answers where the token may not modify workflow files.
//
// https://docs.github.com/en/rest/releases/releases#create-a-release
func (c *Client) CreateDraft(ctx context.Context, d DraftRequest) (Release, error) {
	op := "create draft release " + d.Tag
	if d.Tag == "" {
		return Release{}, c.wire.Refuse(op, "no tag given")
	}
	in := struct {
		Tag        string `json:"tag_name"`
		Target     string `json:"target_commitish,omitempty"`
		Name       string `json:"name"`
		Body       string `json:"body"`
		Draft      bool   `json:"draft"`
		Prerelease bool   `json:"prerelease"`
	}{d.Tag, d.Target, d.Name, d.Body, true, d.Prerelease}
	return c.releaseCall(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: c.wire.Root() + "/releases", Body: in, Create: true})
}

// Update says what to change of a release; nil and empty fields stay as they are. Tag is required: a draft that is
// changed without its tag can lose it and become "untagged-...". MakeLatest is "true", "false", "legacy" or "".
type Update struct {
	Tag        string
	Name, Body *string
	Draft      *bool
	Prerelease *bool
	MakeLatest string
}

// UpdateRelease changes a release; Draft set to false publishes it. Conflict means that another release has the tag.
// NotFound means that the release is gone; a 404 for a release that can be read is Denied.
//
// https://docs.github.com/en/rest/releases/releases#update-a-release
func (c *Client) UpdateRelease(ctx context.Context, id int64, u Update) (Release, error) {
	op := fmt.Sprintf("update release %s (%d)", u.Tag, id)
	if u.Tag == "" {
		return Release{}, c.wire.Refuse(op, "no tag given")
	}
	in := struct {
		Tag        string  `json:"tag_name"`
		Name       *string `json:"name,omitempty"`
		Body       *string `json:"body,omitempty"`
		Draft      *bool   `json:"draft,omitempty"`
		Prerelease *bool   `json:"prerelease,omitempty"`
		MakeLatest string  `json:"make_latest,omitempty"`
	}{u.Tag, u.Name, u.Body, u.Draft, u.Prerelease, u.MakeLatest}
	r, err := c.releaseCall(ctx, wire.Call{Op: op, Method: http.MethodPatch, Path: c.releasePath(id), Body: in})
	return r, c.deniedIfReadable(ctx, id, err)
}

// DeleteRelease removes a release and its assets; the tag stays. The errors are those of UpdateRelease.
//
// https://docs.github.com/en/rest/releases/releases#delete-a-release
func (c *Client) DeleteRelease(ctx context.Context, id int64) error {
	_, err := c.wire.Do(ctx, wire.Call{Op: fmt.Sprintf("delete release %d", id), Method: http.MethodDelete, Path: c.releasePath(id)})
	return c.deniedIfReadable(ctx, id, err)
}

func (c *Client) deniedIfReadable(ctx context.Context, id int64, err error) error {
	e, ok := err.(*Error)
	if !ok || e.Status != http.StatusNotFound {
		return err
	}
	if _, look := c.Release(ctx, id); look == nil {
		e.Class = Denied
	}
	return e
}

// GenerateNotes returns the body GitHub would write for a release of tag. target is used only where the tag does not
// exist; previous may be empty. Nothing is stored.
//
// https://docs.github.com/en/rest/releases/releases#generate-release-notes-content-for-a-release
func (c *Client) GenerateNotes(ctx context.Context, tag, target, previous string) (string, error) {
	in := struct {
		Tag      string `json:"tag_name"`
		Target   string `json:"target_commitish,omitempty"`
		Previous string `json:"previous_tag_name,omitempty"`
	}{tag, target, previous}
	var out struct {
		Body string `json:"body"`
	}
	_, err := c.wire.Do(ctx, wire.Call{Op: "generate notes for " + tag, Method: http.MethodPost, Path: c.wire.Root() + "/releases/generate-notes", Body: in, Out: &out})
	return out.Body, err
}

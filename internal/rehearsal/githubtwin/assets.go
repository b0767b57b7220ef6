package githubtwin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

const (
	maxAssets     = 1000      // of one release
	smallAsset    = 256 << 10 // larger ones go to Config.Dir, if there is one
	ticketExpires = 5 * time.Minute

	stateStarter  = "starter" // an upload that did not end; documented in prose, missing in the description's enum
	stateUploaded = "uploaded"
)

// asset is one file of a release. https://docs.github.com/rest/releases/assets
type asset struct {
	id, release                      int64
	name, label, contentType, digest string
	state                            string
	size                             int64
	downloads                        int
	created, updated                 time.Time
	content                          []byte
	file                             string // where the content is, if not in memory
}

// Asset is an asset as it is now. Digest is "sha256:..." and empty for what was never uploaded in full.
type Asset struct {
	ID                                      int64
	Name, Label, ContentType, State, Digest string
	Size                                    int64
	CreatedAt                               time.Time
}

// ticket is a one-time address for the bytes of an asset.
type ticket struct {
	asset   int64
	expires time.Time
}

func (a *asset) view() Asset {
	return Asset{ID: a.id, Name: a.name, Label: a.label, ContentType: a.contentType, State: a.state, Digest: a.digest, Size: a.size, CreatedAt: a.created}
}

func (a *asset) open() (io.ReadSeekCloser, error) {
	if a.file == "" {
		return readSeekNopCloser{bytes.NewReader(a.content)}, nil
	}
	return os.Open(a.file)
}

type readSeekNopCloser struct{ io.ReadSeeker }

func (readSeekNopCloser) Close() error { return nil }

// AssetBytes returns the content of an asset.
func (t *Twin) AssetBytes(id int64) ([]byte, error) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	a := t.assets[id]
	if a == nil {
		return nil, fmt.Errorf("asset %d: not found", id)
	}
	r, err := a.open()
	if err != nil {
		return nil, fmt.Errorf("open asset %s: %w", a.name, err)
	}
	defer r.Close()
	return io.ReadAll(r)
}

// BreakUpload lets the next upload under this name fail with 502 after its body, leaving a starter asset.
func (t *Twin) BreakUpload(name string) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	t.broken[name] = true
}

func (t *Twin) assetsOf(id int64) []*asset {
	var out []*asset
	for _, a := range t.assets {
		if a.release == id {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *asset) int { return int(a.id - b.id) })
	return out
}

func (t *Twin) asset(c *call, a *asset, r *release) object {
	var label, digest any
	if a.label != "" {
		label = a.label
	}
	if a.digest != "" {
		digest = a.digest
	}
	tag := r.tag
	if r.draft {
		tag = untagged(r.id)
	}
	return object{
		"id": a.id, "node_id": githubapi.NodeID("ReleaseAsset", a.id), "url": fmt.Sprintf("%s/releases/assets/%d", c.URLs.Repo, a.id), "name": a.name, "label": label,
		"browser_download_url": c.URLs.HTML + "/releases/download/" + githubapi.Escape(tag) + "/" + githubapi.Escape(a.name), "uploader": t.site.User(c), "content_type": a.contentType,
		"state": a.state, "size": a.size, "digest": digest, "download_count": a.downloads, "created_at": githubapi.Stamp(a.created), "updated_at": githubapi.Stamp(a.updated),
	}
}

var (
	refusedInNames = regexp.MustCompile(`[^A-Za-z0-9_+-]+`)
	edgePeriods    = regexp.MustCompile(`^\.+|\.+$`)
)

// assetName is the name GitHub gives an upload: each run of characters it does not like becomes one period, a name that
// starts with a period gets "default" in front, periods at the end go. A plus sign survives if the query encodes it
// (https://github.com/github/rest-api-description/issues/2968, https://github.com/travis-ci/dpl/issues/821).
func assetName(name string) string {
	name = refusedInNames.ReplaceAllString(name, ".")
	hidden := strings.HasPrefix(name, ".")
	name = edgePeriods.ReplaceAllString(name, "")
	if hidden || name == "" {
		name = strings.TrimSuffix("default."+name, ".")
	}
	return name
}

func (t *Twin) listAssets(c *call) reply {
	r := t.visible(c)
	if r == nil {
		return githubapi.NotFound()
	}
	list, header := githubapi.Page(c, t.assetsOf(r.id))
	out := []object{}
	for _, a := range list {
		out = append(out, t.asset(c, a, r))
	}
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

func (t *Twin) uploadAsset(c *call) reply {
	a, file, rep := t.startUpload(c)
	if a == nil {
		return rep
	}
	var err error
	sum := sha256.New()
	keep, err := keep(file)
	if err == nil {
		var n int64
		n, err = io.Copy(io.MultiWriter(sum, keep), io.LimitReader(c.Body, c.ContentLength))
		if closed := keep.Close(); err == nil {
			err = closed
		}
		if err == nil && n != c.ContentLength {
			err = io.ErrUnexpectedEOF
		}
	}
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	breaks := t.broken[a.name]
	delete(t.broken, a.name)
	r := t.releases[a.release]
	if err != nil || breaks || r == nil || r.immutable || t.assets[a.id] != a {
		t.forget(a)
		return githubapi.Fail(http.StatusBadGateway, "Bad Gateway")
	}
	if m, inMemory := keep.(*memoryFile); inMemory {
		a.content = m.Bytes()
	}
	a.state, a.size, a.digest, a.updated = stateUploaded, c.ContentLength, "sha256:"+hex.EncodeToString(sum.Sum(nil)), githubapi.Now()
	t.site.Wrote("upload-asset", "%s %s", a.name, a.digest)
	rep = githubapi.Created(t.asset(c, a, r))
	rep.Header = map[string]string{"Location": fmt.Sprintf("%s/releases/assets/%d", c.URLs.Repo, a.id)}
	return rep
}

// startUpload checks what can be known before the body and reserves the name.
func (t *Twin) startUpload(c *call) (a *asset, file string, rep reply) {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	r := t.visible(c)
	name := assetName(c.URL.Query().Get("name"))
	switch {
	case r == nil:
		return nil, "", githubapi.NotFound()
	case c.ContentLength < 0:
		return nil, "", githubapi.Fail(http.StatusBadRequest, "Bad Content-Length: ")
	case c.Header.Get("Content-Type") == "":
		return nil, "", githubapi.Fail(http.StatusUnsupportedMediaType, "Content type required")
	case c.URL.Query().Get("name") == "":
		return nil, "", githubapi.Invalid("ReleaseAsset", "missing_field", "name", "")
	case r.immutable:
		return nil, "", githubapi.Unprocessable("Cannot upload assets to an immutable release.")
	case c.ContentLength == 0:
		return nil, "", githubapi.Invalid("ReleaseAsset", "custom", "size", "size must be greater than or equal to 1")
	case c.ContentLength > t.cfg.MaxAssetSize:
		return nil, "", githubapi.Invalid("ReleaseAsset", "custom", "size", fmt.Sprintf("size must be less than %d", t.cfg.MaxAssetSize+1))
	case len(t.assetsOf(r.id)) >= maxAssets:
		return nil, "", githubapi.Invalid("ReleaseAsset", "custom", "release", fmt.Sprintf("a release cannot have more than %d assets", maxAssets))
	}
	for _, a := range t.assetsOf(r.id) {
		if a.name == name {
			return nil, "", githubapi.Invalid("ReleaseAsset", "already_exists", "name", "")
		}
	}
	at := githubapi.Now()
	a = &asset{id: t.site.NextID(), release: r.id, name: name, label: c.URL.Query().Get("label"), contentType: c.Header.Get("Content-Type"), state: stateStarter, created: at, updated: at}
	if t.cfg.Dir != "" && c.ContentLength > smallAsset {
		a.file = filepath.Join(t.cfg.Dir, fmt.Sprintf("asset-%d", a.id))
	}
	t.assets[a.id] = a
	return a, a.file, reply{}
}

// memoryFile is a small asset on its way in.
type memoryFile struct{ bytes.Buffer }

func (*memoryFile) Close() error { return nil }

func keep(file string) (io.WriteCloser, error) {
	if file == "" {
		return &memoryFile{}, nil
	}
	return os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// forget drops the content of an asset, not the asset.
func (t *Twin) forget(a *asset) {
	if a.file != "" {
		_ = os.Remove(a.file) // a left-over file costs space in the caller's folder and nothing else
	}
	a.file, a.content = "", nil
}

func (t *Twin) drop(a *asset) {
	t.forget(a)
	delete(t.assets, a.id)
}

// visibleAsset finds an asset of the request for this caller, with its release.
func (t *Twin) visibleAsset(c *call) (*asset, *release) {
	a := t.assets[githubapi.Number(c.Params["asset"])]
	if a == nil {
		return nil, nil
	}
	r := t.releases[a.release]
	if r == nil || r.draft && !t.site.May(c, "contents", "write") {
		return nil, nil
	}
	return a, r
}

func (t *Twin) getAsset(c *call) reply {
	a, r := t.visibleAsset(c)
	switch {
	case a == nil:
		return githubapi.NotFound()
	case !strings.Contains(c.Header.Get("Accept"), "application/octet-stream"):
		return githubapi.OK(t.asset(c, a, r))
	}
	return t.issueTicket(c, a)
}

// issueTicket redirects to the storage, where the bytes are without further credentials.
func (t *Twin) issueTicket(c *call, a *asset) reply {
	if a.state != stateUploaded {
		return githubapi.NotFound()
	}
	for key, old := range t.tickets {
		if time.Now().After(old.expires) {
			delete(t.tickets, key)
		}
	}
	key := rand.Text()
	t.tickets[key] = ticket{asset: a.id, expires: time.Now().Add(ticketExpires)}
	return reply{Status: http.StatusFound, Header: map[string]string{"Location": c.URLs.Storage + "/" + key}}
}

// redeem serves the bytes of a ticket, once. Like GitHub's storage it refuses a request with two kinds of credentials.
func (t *Twin) redeem(c *call) reply {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if c.Header.Get("Authorization") != "" {
		return githubapi.Fail(http.StatusBadRequest, "Only one auth mechanism allowed; only the signature in the URL or the Authorization header should be specified")
	}
	key := c.Params["ticket"]
	used, known := t.tickets[key]
	delete(t.tickets, key)
	a := t.assets[used.asset]
	if !known || a == nil || time.Now().After(used.expires) {
		return githubapi.Fail(http.StatusForbidden, "The signature is not valid or has expired")
	}
	content, err := a.open()
	if err != nil {
		return githubapi.Trouble(err)
	}
	a.downloads++
	h := c.W.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Disposition", "attachment; filename="+a.name)
	return reply{Stream: func() {
		defer content.Close()
		http.ServeContent(c.W, c.Request, a.name, a.updated, content)
	}}
}

func (t *Twin) renameAsset(c *call) reply {
	a, r := t.visibleAsset(c)
	if a == nil {
		return githubapi.NotFound()
	}
	var in struct{ Name, Label *string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if r.immutable {
		return githubapi.Unprocessable("Cannot update assets of an immutable release.")
	}
	if in.Name != nil && assetName(*in.Name) != a.name {
		name := assetName(*in.Name)
		for _, other := range t.assetsOf(r.id) {
			if other.name == name {
				return githubapi.Invalid("ReleaseAsset", "already_exists", "name", "")
			}
		}
		t.site.Wrote("rename-asset", "%s %s", a.name, name)
		a.name = name
	}
	if in.Label != nil {
		a.label = *in.Label
	}
	a.updated = githubapi.Now()
	return githubapi.OK(t.asset(c, a, r))
}

func (t *Twin) deleteAsset(c *call) reply {
	a, r := t.visibleAsset(c)
	if a == nil {
		return githubapi.NotFound()
	}
	if r.immutable {
		return githubapi.Unprocessable("Cannot delete asset from an immutable release")
	}
	t.drop(a)
	t.site.Wrote("delete-asset", "%s", a.name)
	return githubapi.NoContent()
}

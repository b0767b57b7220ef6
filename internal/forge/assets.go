package forge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v62/github"
)

// Asset is a file of a release. State is "uploaded" when all of it is there; an upload that broke can leave a "starter"
// that blocks its name and can be deleted. Digest is "sha256:" and hex digits, empty where GitHub has none. Name is what
// GitHub made of the name it was given.
type Asset struct {
	ID               int64
	Name             string
	State            string
	Digest           string
	ContentType      string
	Size             int64
	URL, DownloadURL string
}

type asset struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	State       string  `json:"state"`
	Digest      *string `json:"digest"`
	ContentType string  `json:"content_type"`
	Size        int64   `json:"size"`
	URL         string  `json:"url"`
	DownloadURL string  `json:"browser_download_url"`
}

func (a asset) out() Asset {
	return Asset{ID: a.ID, Name: a.Name, State: a.State, Digest: deref(a.Digest), ContentType: a.ContentType, Size: a.Size, URL: a.URL, DownloadURL: a.DownloadURL}
}

// Assets lists all assets of a release, also those that are not completely uploaded.
//
// https://docs.github.com/en/rest/releases/assets#list-release-assets
func (c *Client) Assets(ctx context.Context, releaseID int64) ([]Asset, error) {
	var all []Asset
	op := fmt.Sprintf("list assets of release %d", releaseID)
	err := pages(func(q url.Values) (*github.Response, error) {
		var list []asset
		resp, err := c.do(ctx, call{op: op, method: http.MethodGet, path: c.releasePath(releaseID) + "/assets", query: q, out: &list})
		for _, a := range list {
			all = append(all, a.out())
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (c *Client) assetPath(id int64) string { return fmt.Sprintf("%s/releases/assets/%d", c.root, id) }

// DeleteAsset removes an asset. An absent one is NotFound.
//
// https://docs.github.com/en/rest/releases/assets#delete-a-release-asset
func (c *Client) DeleteAsset(ctx context.Context, id int64) error {
	_, err := c.do(ctx, call{op: fmt.Sprintf("delete asset %d", id), method: http.MethodDelete, path: c.assetPath(id)})
	return err
}

// RenameAsset gives an asset another name. A name that is taken is Conflict.
//
// https://docs.github.com/en/rest/releases/assets#update-a-release-asset
func (c *Client) RenameAsset(ctx context.Context, id int64, name string) (Asset, error) {
	op := fmt.Sprintf("rename asset %d to %s", id, name)
	var out asset
	_, err := c.do(ctx, call{op: op, method: http.MethodPatch, path: c.assetPath(id), body: map[string]string{"name": name}, out: &out})
	if err == nil && out.ID == 0 {
		err = c.malformed(op, "asset without an id")
	}
	return out.out(), err
}

// Upload is a file to attach. Open is called once; it must give exactly Size bytes. ContentType is
// "application/octet-stream" for "". Progress, if not nil, is called with the bytes read so far, from one goroutine at a
// time and never after UploadAsset has returned.
type Upload struct {
	Name        string
	ContentType string
	Size        int64
	Open        func() (io.ReadCloser, error)
	Progress    func(n int64)
}

// UploadAsset streams a file to a release: one attempt, nothing kept in memory. Conflict means that an asset of this name
// is there, perhaps a broken one. After Transient the asset may be there, whole or as a "starter": list and compare.
// The bytes go to the release's own upload_url, and only if that is the configured upload origin.
//
// https://docs.github.com/en/rest/releases/assets#upload-a-release-asset
func (c *Client) UploadAsset(ctx context.Context, rel Release, u Upload) (Asset, error) {
	op := fmt.Sprintf("upload asset %s to release %s", u.Name, rel.Tag)
	target, err := c.uploadTarget(rel.UploadURL, u.Name)
	if err != nil {
		return Asset{}, &Error{Op: op + " in " + c.slug, Class: Refused, Err: err}
	}
	file, err := u.Open()
	if err != nil {
		return Asset{}, fmt.Errorf("%s: open: %w", op, err)
	}
	ctx, cancel := context.WithCancelCause(withKind(ctx, kindUpload))
	defer cancel(nil)
	src := newStream(file, cancel)
	src.progress = u.Progress
	defer src.stop()

	gh := c.github()
	var from io.Reader = src
	if u.Size == 0 {
		from = http.NoBody // a length of 0 with a body would be sent in chunks
	}
	req, err := gh.NewUploadRequest(target, from, u.Size, u.ContentType)
	if err != nil {
		return Asset{}, fmt.Errorf("%s: %w", op, err)
	}
	var out asset
	resp, err := gh.Do(ctx, req, &out)
	if err != nil {
		return Asset{}, c.uploadFailed(ctx, op, src, resp, err)
	}
	if out.ID == 0 {
		return Asset{}, c.malformed(op, "asset without an id")
	}
	return out.out(), nil
}

func (c *Client) uploadFailed(ctx context.Context, op string, src *stream, resp *github.Response, err error) error {
	if resp != nil && resp.Response != nil {
		return c.fail(ctx, op, resp.Response, err)
	}
	if local := src.failure(); local != nil {
		return fmt.Errorf("%s: read: %w", op, local)
	}
	if context.Cause(ctx) == errStalled {
		return &Error{Op: op + " in " + c.slug, Class: Transient, Err: errStalled}
	}
	return c.fail(ctx, op, nil, err)
}

// uploadTarget fills in the template "https://uploads.github.com/.../assets{?name,label}".
func (c *Client) uploadTarget(template, name string) (string, error) {
	base, _, _ := strings.Cut(template, "{")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("release has no usable upload address: %q", clean(template, 200))
	}
	if !slices.Contains(c.origins, origin(u)) {
		return "", fmt.Errorf("release wants uploads at %s, want %s: %w", origin(u), strings.Join(c.origins, " or "), errHost)
	}
	u.RawQuery = url.Values{"name": {name}}.Encode()
	u.User, u.Fragment = nil, ""
	return u.String(), nil
}

// DownloadAsset opens the bytes of an asset as they were uploaded. GitHub redirects to a storage host, which gets no
// token. The caller closes the reader and compares what it read with Digest or Size: a broken connection is an error of
// Read, of class Transient.
//
// https://docs.github.com/en/rest/releases/assets#get-a-release-asset
func (c *Client) DownloadAsset(ctx context.Context, a Asset) (io.ReadCloser, error) {
	op := "download asset " + a.Name
	ctx, cancel := context.WithCancelCause(withKind(ctx, kindDownload))
	src := newStream(nil, cancel)
	resp, err := c.openAsset(ctx, op, a)
	if err != nil {
		src.stop()
		stalled := context.Cause(ctx) == errStalled
		cancel(nil)
		if stalled {
			return nil, &Error{Op: op + " in " + c.slug, Class: Transient, Err: errStalled}
		}
		return nil, err
	}
	src.attach(resp.Body)
	return &download{stream: src, ctx: ctx, cancel: cancel, op: op + " in " + c.slug}, nil
}

func (c *Client) openAsset(ctx context.Context, op string, a Asset) (*http.Response, error) {
	req, err := c.github().NewRequest(http.MethodGet, c.assetPath(a.ID), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	req.Header.Set("Accept", "application/octet-stream")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, c.fail(ctx, op, nil, err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		resp.Body.Close()
		if resp, err = c.openStorage(ctx, resp); err != nil {
			return nil, c.fail(ctx, op, nil, err)
		}
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, c.fail(ctx, op, resp, nil)
	}
	return resp, nil
}

// openStorage follows a redirect away from the API with a request that carries nothing of ours.
func (c *Client) openStorage(ctx context.Context, from *http.Response) (*http.Response, error) {
	where, err := from.Location()
	if err != nil {
		return nil, err
	}
	if err := c.storageScheme(where); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	return c.plain.Do(req)
}

// download is the body of an asset. Its context is that of the exchange it belongs to.
type download struct {
	*stream
	ctx    context.Context
	cancel context.CancelCauseFunc
	op     string
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.stream.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case context.Cause(d.ctx) == errStalled:
		return n, &Error{Op: d.op, Class: Transient, Err: errStalled}
	}
	return n, failedExchange(d.ctx, d.op, err)
}

func (d *download) Close() error {
	d.stop()
	d.cancel(nil)
	return nil
}

// stream passes bytes on, counts them, and cancels the exchange when none moved for stallTimeout. Its user may still be
// reading in another goroutine when the exchange is over, so stop ends it under the same lock that progress runs under.
type stream struct {
	timer    *time.Timer
	progress func(int64)

	mu      sync.Mutex
	src     io.ReadCloser
	n       int64
	err     error
	stopped bool
}

func newStream(src io.ReadCloser, cancel context.CancelCauseFunc) *stream {
	return &stream{src: src, timer: time.AfterFunc(stallTimeout, func() { cancel(errStalled) })}
}

func (s *stream) attach(src io.ReadCloser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.src = src
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	src, stopped := s.src, s.stopped
	s.mu.Unlock()
	if stopped {
		return 0, io.ErrClosedPipe
	}
	n, err := src.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && err != io.EOF && s.err == nil && !s.stopped {
		s.err = err
	}
	if n > 0 && !s.stopped {
		s.timer.Reset(stallTimeout)
		s.n += int64(n)
		if s.progress != nil {
			s.progress(s.n)
		}
	}
	return n, err
}

// Close leaves the source open: the exchange may end while its owner still wants to know how.
func (s *stream) Close() error { return nil }

// failure returns the first error of the source that came before stop.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// stop ends progress and closes the source.
func (s *stream) stop() {
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped && s.src != nil {
		s.src.Close()
	}
	s.stopped = true
}

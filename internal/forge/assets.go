package forge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
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
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list []asset
		resp, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.releasePath(releaseID) + "/assets", Query: q, Out: &list})
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

func (c *Client) assetPath(id int64) string {
	return fmt.Sprintf("%s/releases/assets/%d", c.wire.Root(), id)
}

// DeleteAsset removes an asset. An absent one is NotFound.
//
// https://docs.github.com/en/rest/releases/assets#delete-a-release-asset
func (c *Client) DeleteAsset(ctx context.Context, id int64) error {
	_, err := c.wire.Do(ctx, wire.Call{Op: fmt.Sprintf("delete asset %d", id), Method: http.MethodDelete, Path: c.assetPath(id)})
	return err
}

// RenameAsset gives an asset another name. A name that is taken is Conflict.
//
// https://docs.github.com/en/rest/releases/assets#update-a-release-asset
func (c *Client) RenameAsset(ctx context.Context, id int64, name string) (Asset, error) {
	op := fmt.Sprintf("rename asset %d to %s", id, name)
	var out asset
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPatch, Path: c.assetPath(id), Body: map[string]string{"name": name}, Out: &out})
	if err == nil && out.ID == 0 {
		err = c.wire.Malformed(op, "asset without an id")
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
	var out asset
	err := c.wire.Upload(ctx, wire.Upload{
		Op: op, Template: rel.UploadURL, Name: u.Name, Type: u.ContentType, Size: u.Size, Open: u.Open, Progress: u.Progress, Out: &out,
	})
	if err != nil {
		return Asset{}, err
	}
	if out.ID == 0 {
		return Asset{}, c.wire.Malformed(op, "asset without an id")
	}
	return out.out(), nil
}

// DownloadAsset opens the bytes of an asset as they were uploaded. GitHub redirects to a storage host, which gets no
// token. The caller closes the reader and compares what it read with Digest or Size: a broken connection is an error of
// Read, of class Transient.
//
// https://docs.github.com/en/rest/releases/assets#get-a-release-asset
func (c *Client) DownloadAsset(ctx context.Context, a Asset) (io.ReadCloser, error) {
	return c.wire.Download(ctx, "download asset "+a.Name, c.assetPath(a.ID))
}

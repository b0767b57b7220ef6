package forge

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// TreeEntry is one file of a commit. Mode is git's: "100644", "100755", "120000" for a link, "160000" for a submodule.
type TreeEntry struct {
	Path string `json:"path"` // from the repository's root on
	Mode string `json:"mode"`
	Type string `json:"type"` // "blob", "tree", "commit"
	SHA  string `json:"sha"`
	Size int64  `json:"size"` // of a blob
}

// Tree lists every file of a commit, without folders. An unknown commit is NotFound. Where GitHub cuts the list off, the
// error is ErrTruncated, with what is listed: from about 100,000 files on.
//
// https://docs.github.com/en/rest/git/trees#get-a-tree
func (c *Client) Tree(ctx context.Context, commit string) ([]TreeEntry, error) {
	var out struct {
		Tree      []TreeEntry `json:"tree"`
		Truncated bool        `json:"truncated"`
	}
	op := "list the files of " + commit
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/trees/" + wire.Segments(commit), Query: url.Values{"recursive": {"1"}}, Out: &out}); err != nil {
		return nil, err
	}
	var files []TreeEntry
	for _, e := range out.Tree {
		if e.Path == "" || e.SHA == "" {
			return nil, c.wire.Malformed(op, "entry without a path or an id")
		}
		if e.Type != "tree" {
			files = append(files, e)
		}
	}
	if out.Truncated {
		return files, fmt.Errorf("%s in %s: %d files: %w", op, c.wire.Slug(), len(files), ErrTruncated)
	}
	return files, nil
}

// Blob returns the content that has an id, which it is held against.
//
// https://docs.github.com/en/rest/git/blobs#get-a-blob
func (c *Client) Blob(ctx context.Context, sha string) ([]byte, error) {
	op := "read blob " + sha
	b, err := c.largeFile(ctx, op, sha)
	if err != nil {
		return nil, err
	}
	if got, err := BlobID(int64(len(b)), bytes.NewReader(b)); err != nil || got != sha {
		return nil, c.wire.Malformed(op, "content with the id "+got)
	}
	return b, nil
}

// BlobID is git's id of a file's content of that size.
//
// https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
func BlobID(size int64, content io.Reader) (string, error) {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", size)
	if _, err := io.Copy(h, content); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

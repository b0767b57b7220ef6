package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/tagboat/tagboat/internal/semver"
)

// Gate serves the registry for reading, without asking for a token, to whoever reaches it: an index with downloads that
// the build zone's cargo can use although no credential enters the zone. It adds the client's token on the way out,
// passes on nothing but index files and crates whose checksum the index names, and takes no uploads. base is where the
// gate is reached, without a final slash; serve it on loopback only and only while packaging.
func (c *Client) Gate(base string) http.Handler { return &gate{client: c, base: base} }

type gate struct {
	client *Client
	base   string
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this address is for reading", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	switch rest, download := strings.CutPrefix(name, "dl/"); {
	case name == "config.json":
		// https://doc.rust-lang.org/cargo/reference/registry-index.html#index-configuration
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"dl": g.base + "/dl/{crate}/{version}"})
	case download:
		g.download(w, r, rest)
	default:
		g.index(w, r, name)
	}
}

// index passes an index file on as it is.
func (g *gate) index(w http.ResponseWriter, r *http.Request, name string) {
	crate := path.Base(name)
	if want, err := indexPath(crate); err != nil || want != name {
		http.NotFound(w, r)
		return
	}
	body, status, err := g.client.indexFile(r.Context(), crate)
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(status)
	w.Write(body)
}

// indexFile reads the bytes of a crate's index file; the status is that of the registry.
func (c *Client) indexFile(ctx context.Context, crate string) (body []byte, status int, err error) {
	k, err := c.lookupCall(ctx, crate)
	if err != nil {
		return nil, 0, err
	}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return nil, 0, c.statusError(k, resp, body)
	}
	return body, resp.StatusCode, nil
}

func (g *gate) download(w http.ResponseWriter, r *http.Request, rest string) {
	crate, version, _ := strings.Cut(rest, "/")
	if _, err := semver.Parse(version); err != nil {
		http.NotFound(w, r)
		return
	}
	entries, err := g.client.Lookup(r.Context(), crate)
	if err != nil {
		refuse(w, err)
		return
	}
	e, ok := Find(entries, version)
	if !ok {
		http.NotFound(w, r)
		return
	}
	sent := &counted{w: w}
	if _, err := g.client.Download(r.Context(), e, sent); err != nil {
		if sent.n == 0 {
			refuse(w, err)
			return
		}
		panic(http.ErrAbortHandler) // half a crate must not look like a whole one
	}
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// refuse answers with the registry's own status where it gave one, so that cargo retries what can be retried.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var e *Error
	if errors.As(err, &e) && e.Status >= 400 {
		status = e.Status
	}
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden // the asker has no token to send; ours was refused
	}
	http.Error(w, fmt.Sprintf("%v", err), status)
}

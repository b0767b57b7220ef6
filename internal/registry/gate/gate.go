// Package gate lets the build zone's cargo read a registry that wants a token, while the token stays outside.
package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/semver"
)

// Open serves the registry for reading on loopback, without asking for a token: an index with downloads. It adds the
// client's token on the way out, passes on nothing but index files and crates whose checksum the index names, and takes
// no uploads. url is its sparse index without "sparse+"; stop ends it.
func Open(client *registry.Client) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", func() {}, fmt.Errorf("open the reading address for registry %s: %w", client.Registry().Name, err)
	}
	base := "http://" + l.Addr().String()
	server := &http.Server{Handler: &gate{client: client, base: base}, ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // until stop
	return base + "/", func() { server.Close() }, nil
}

type gate struct {
	client *registry.Client
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
	if want, err := registry.IndexPath(crate); err != nil || want != name {
		http.NotFound(w, r)
		return
	}
	body, status, err := g.client.IndexFile(r.Context(), crate)
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(status)
	w.Write(body)
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
	e, ok := registry.Find(entries, version)
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
	var e *registry.Error
	if errors.As(err, &e) && e.Status >= 400 {
		status = e.Status
	}
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden // the asker has no token to send; ours was refused
	}
	http.Error(w, fmt.Sprintf("%v", err), status)
}

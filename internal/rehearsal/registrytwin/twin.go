// Package registrytwin is a cargo registry that lives in the process: it holds state, speaks cargo's real protocol over
// HTTP, and gives the answers of real registries, the awkward ones included. The real cargo publishes to it and builds
// from it.
//
// A Twin serves below one URL:
//
//	/index/...           the sparse index: cargo names it "sparse+URL/index/"
//	/api/v1/crates/...   the web API, downloads included
//
// Manners choose whose checks and whose words it has. Time is package time, so that lag, token lifetimes and rate
// limits are virtual under testing/synctest.
//
// Sources: https://doc.rust-lang.org/cargo/reference/registry-index.html,
// https://doc.rust-lang.org/cargo/reference/registry-web-api.html, https://github.com/rust-lang/crates.io,
// https://docs.gitea.com/usage/packages/cargo, https://learn.microsoft.com/azure/devops/artifacts/cargo/.
package registrytwin

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/cratestore"
	"github.com/tagboat/tagboat/internal/secret"
)

// Scope is what a token may do.
type Scope string

// The scopes. Publish includes Read.
const (
	Read    Scope = "read"
	Publish Scope = "publish"
)

// Token is a credential that the twin knows. A client sends Value as it is, or with a scheme: "Bearer VALUE", "Token
// VALUE", "Basic base64(anybody:VALUE)", as the manners take it.
type Token struct {
	Label   string // how uploads name it; never the secret
	Value   secret.Value
	Scope   Scope
	Expires time.Time // zero: never
}

// Bucket is a rate limit: Burst calls at once, then one per Refill. The zero Bucket does not limit.
type Bucket struct {
	Burst  int
	Refill time.Duration
}

// Buckets are the rate limits of one token.
type Buckets struct{ NewCrate, NewVersion Bucket }

// CratesIOBuckets returns the limits of crates.io, see https://crates.io/docs/rate-limits.
func CratesIOBuckets() Buckets {
	return Buckets{NewCrate: Bucket{5, 10 * time.Minute}, NewVersion: Bucket{30, time.Minute}}
}

// Upstream is where a twin finds what was not published to it.
type Upstream = cratestore.Upstream

// Cache remembers what was read from .crate files, for twins that see the same ones again and again.
type Cache = cratestore.Cache

// Config is what a twin starts with. The zero value is an open registry with Lenient manners that has no tokens, so that
// nobody may publish.
type Config struct {
	Name         string // for people; Azure answers name the feed
	URL          string // where Handler is reached, without a slash at the end; "" takes it from each request
	Manners      Manners
	AuthRequired bool // reading needs a token too
	Tokens       []Token
	Owners       map[string][]string // labels that own a crate; crates not listed belong to everybody
	Lag          time.Duration       // the index shows an accepted version only this long after
	// LagOf is asked at each upload for a lag of the crate on top of Lag; nil adds none.
	LagOf    func(crate string) time.Duration
	Buckets  Buckets
	MaxSize  int64    // of a .crate; 0 is 10 MiB for CratesIO and 500 MiB otherwise
	Warnings []string // in the answer to each upload
	Upstream Upstream
	// Known reports whether a crate that was neither published here nor lies upstream exists all the same. CratesIO
	// refuses a dependency on a crate it does not know. Nil knows none.
	Known func(crate string) bool
	// Trusted is trusted publishing; nil: the registry has none.
	Trusted *Trusted
	// Bearer finds the tokens that somebody else issues, as Entra does for Azure DevOps. May be nil.
	Bearer func(value string) (Token, bool)
	Dir    string // where accepted .crate files are kept; "" keeps them in memory
	Cache  *Cache // shared between twins that see the same .crate files again and again; nil is a cache of its own
}

// Upload is an accepted upload.
type Upload struct {
	Name, Version string
	SHA256        string
	Size          int64
	At            time.Time
	Token         string // label
}

// Twin is a registry. It is safe for concurrent use.
type Twin struct {
	config   Config
	cache    *cratestore.Cache
	upstream *cratestore.Store

	mu       sync.Mutex
	crates   map[string]*crate // by key
	accepted []Upload
	requests map[string]int
	buckets  map[bucketKey]*level
	saved    map[string]bool // Azure: upstream versions that an authorised download has saved
	minted   []*trustedToken
	used     map[string]bool // the ids of tokens that were exchanged
}

// New returns a twin with nothing published.
func New(c Config) *Twin {
	if c.Manners == "" {
		c.Manners = Lenient
	}
	if c.MaxSize == 0 {
		c.MaxSize = 500 << 20
		if c.Manners == CratesIO {
			c.MaxSize = 10 << 20
		}
	}
	if c.Cache == nil {
		c.Cache = &Cache{}
	}
	return &Twin{
		config: c, cache: c.Cache, upstream: cratestore.New(c.Upstream, c.Cache),
		crates: map[string]*crate{}, requests: map[string]int{}, buckets: map[bucketKey]*level{}, saved: map[string]bool{}, used: map[string]bool{},
	}
}

// Accepted returns every accepted upload in order.
func (t *Twin) Accepted() []Upload {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.accepted)
}

// Requests returns how many requests of each operation came, refused ones included.
func (t *Twin) Requests() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.requests)
}

// Handler serves the registry. It may be mounted with http.StripPrefix.
func (t *Twin) Handler() http.Handler { return http.HandlerFunc(t.serve) }

func (t *Twin) serve(w http.ResponseWriter, r *http.Request) {
	at := routeOf(r.Method, r.URL.Path)
	t.mu.Lock()
	t.requests[at.operation]++
	t.mu.Unlock()
	err := t.answer(w, r, at)
	if err != nil {
		t.refuse(w, r, err)
	}
}

// answer serves the request, or returns the refusal to answer with.
func (t *Twin) answer(w http.ResponseWriter, r *http.Request, at route) *refusal {
	if t.config.Manners == CratesIO && r.Header.Get("User-Agent") == "" && at.operation != "download" {
		return &refusal{status: http.StatusForbidden, plain: true, detail: noUserAgent}
	}
	who, err := t.identify(r)
	if err != nil {
		return err
	}
	switch at.operation {
	case "publish":
		return t.publish(w, r, who)
	case "yank", "unyank":
		return t.yank(w, at, who)
	case "exchange", "revoke":
		if t.config.Trusted == nil {
			return &refusal{status: http.StatusNotFound, detail: "Not Found"}
		}
		if at.operation == "revoke" {
			return t.revoke(w, r)
		}
		return t.exchange(w, r)
	case "unknown":
		return &refusal{status: http.StatusNotFound, detail: "Not Found"}
	}
	// These look at what is sent even where reading needs nothing.
	checks := who.given && (t.config.Manners == Gitea || t.config.Manners == Azure)
	if t.config.AuthRequired || checks {
		if err := t.allow(who, Read); err != nil {
			return err
		}
	}
	switch at.operation {
	case "config":
		return t.serveConfig(w, r)
	case "index":
		return t.serveIndex(w, r, at, who)
	case "download":
		return t.download(w, r, at, who)
	case "owners":
		return t.owners(w, r, at)
	case "search":
		if t.config.Manners == CratesIO && r.URL.Query().Has("following") {
			if err := t.allow(who, Publish); err != nil {
				return err
			}
		}
		return t.search(w, r)
	}
	return t.describe(w, r, at)
}

// Package registry speaks to cargo registries over HTTP: the sparse index, the web API, and downloads
// (https://doc.rust-lang.org/cargo/reference/registries.html).
//
// Every call is one attempt. An *Error says whether and when another one makes sense; retry and pace are its caller's.
package registry

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
)

// CratesIO is the name of the public registry.
const CratesIO = "crates-io"

const cratesIOSparse = "https://index.crates.io/"

// Registry is a registry as it is configured. New fills one from its name and index.
type Registry struct {
	Name  string
	Index string // as cargo names it: "sparse+https://…/", for crates.io "https://github.com/rust-lang/crates.io-index"
	URL   string // base of the sparse index, without "sparse+" and with a final slash
	Kind  Kind
	Wait  Wait
	Pace  Pace
	// Mirror: the registry holds copies of crates.io's crates, so a dependency on crates.io is published as one within
	// the registry.
	Mirror bool
}

// Kind is a registry's software or service, as far as it changes what must be known before talking to it.
type Kind string

// The kinds. A registry whose software is unknown is Generic, which promises nothing.
const (
	KindCratesIO Kind = "crates-io"
	KindAzure    Kind = "azure"
	KindGitea    Kind = "gitea" // and Forgejo
	KindKellnr   Kind = "kellnr"
	KindGeneric  Kind = "generic"
)

// Wait says what must be true of a dependency before a crate that needs it is uploaded.
type Wait string

const (
	// Order: its upload was accepted.
	Order Wait = "order"
	// Index: the index shows it.
	Index Wait = "index"
)

// Bucket is a leaky bucket: Burst calls at once, then one in each Every. The zero value never holds anything up.
type Bucket struct {
	Burst int
	Every time.Duration
}

// Pace is what a registry lets one user do.
type Pace struct {
	NewCrates   Bucket // first versions of crates
	NewVersions Bucket // further versions
	Yanks       Bucket // yanks and unyanks
}

// Traits is what is known of a kind of registry.
type Traits struct {
	Wait Wait
	Pace Pace
	// MaxCrate is the largest .crate that it takes, in bytes; 0 is unknown.
	MaxCrate int64
	// TokenForm says how a token for this kind looks.
	TokenForm string
	// Closed: a crate with dependencies in other registries is refused.
	Closed bool
	// PublicOwners: anyone may ask who owns a crate.
	PublicOwners bool
}

// Traits returns what is known of k; an unknown kind has Generic's. The crates.io numbers are
// https://crates.io/docs/rate-limits; they hold per user, and trusted publishing has none.
func (k Kind) Traits() Traits {
	switch k {
	case KindCratesIO:
		return Traits{
			Wait: Order,
			Pace: Pace{
				NewCrates:   Bucket{Burst: 5, Every: 10 * time.Minute},
				NewVersions: Bucket{Burst: 30, Every: time.Minute},
				Yanks:       Bucket{Burst: 100, Every: time.Minute},
			},
			MaxCrate: 10 << 20, TokenForm: "the API token alone, without a scheme", Closed: true, PublicOwners: true,
		}
	case KindAzure:
		return Traits{
			Wait: Index, MaxCrate: 500 << 20,
			TokenForm: `"Basic " and the base64 of "PAT:" and a personal access token, or "Bearer " and an Entra access token`,
		}
	case KindGitea:
		return Traits{Wait: Index, TokenForm: `"Bearer " and an access token with write:package`}
	case KindKellnr:
		return Traits{Wait: Index, TokenForm: "the token alone, without a scheme"}
	default:
		return Traits{Wait: Index, TokenForm: "the value of the Authorization header, with its scheme if it has one"}
	}
}

// New returns the registry called name whose index is at index, in cargo's spelling. Kind, wait rule and pace follow
// from the index and may be changed before use. Only sparse indexes are spoken; crates.io, which cargo names by its git
// index, is read through its sparse one, and its index may be left empty.
func New(name, index string) (Registry, error) {
	if name == CratesIO && index == "" || cratefile.SameIndex(index, "") && index != "" || index == "sparse+"+cratesIOSparse {
		r := Registry{Name: name, Index: cratefile.CratesIOIndex, URL: cratesIOSparse, Kind: KindCratesIO}
		return r.withTraits(), nil
	}
	base, sparse := strings.CutPrefix(index, "sparse+")
	if !sparse {
		return Registry{}, fmt.Errorf("registry %s: index %q is not sparse; want sparse+https://…", name, index)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Registry{}, fmt.Errorf("registry %s: index %q is no sparse+https:// address", name, index)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Registry{}, fmt.Errorf("registry %s: the index address must have no user, query or fragment", name)
	}
	r := Registry{Name: name, Index: index, URL: withSlash(base), Kind: kindOf(u)}
	return r.withTraits(), nil
}

func (r Registry) withTraits() Registry {
	t := r.Kind.Traits()
	r.Wait, r.Pace = t.Wait, t.Pace
	return r
}

func withSlash(s string) string {
	if strings.HasSuffix(s, "/") {
		return s
	}
	return s + "/"
}

// kindOf tells the kind by the address, where it gives it away.
func kindOf(u *url.URL) Kind {
	host, path := strings.ToLower(u.Hostname()), u.EscapedPath()
	switch {
	case host == "index.crates.io":
		return KindCratesIO
	case host == "pkgs.dev.azure.com", strings.HasSuffix(host, ".pkgs.visualstudio.com"):
		return KindAzure
	case strings.Contains(path, "/api/packages/") && strings.HasSuffix(strings.TrimSuffix(path, "/"), "/cargo"):
		return KindGitea
	case strings.Contains(path, "/api/v1/crates"), strings.Contains(path, "/api/v1/cratesio"):
		return KindKellnr
	default:
		return KindGeneric
	}
}

// Package registry speaks to cargo registries over HTTP: the sparse index, the web API, and downloads
// (https://doc.rust-lang.org/cargo/reference/registries.html).
//
// Every call is one attempt. An *Error says whether and when another one makes sense; retry and pace are its caller's.
package registry

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/registry/kind"
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
	// MaxCrate is the largest .crate that it takes, in bytes; 0 is unknown.
	MaxCrate int64
	// Mirror: the registry holds copies of another one's crates, so a dependency on that one is published as one within
	// the registry. MirrorOf is the other's index, as cargo names it; "" is crates.io.
	Mirror   bool
	MirrorOf string
}

// Kind is a registry's software or service; package kind says what is known of each.
type Kind = kind.Kind

// The kinds.
const (
	KindCratesIO     = kind.CratesIO
	KindAzure        = kind.Azure
	KindGitea        = kind.Gitea
	KindKellnr       = kind.Kellnr
	KindArtifactory  = kind.Artifactory
	KindCloudsmith   = kind.Cloudsmith
	KindCodeArtifact = kind.CodeArtifact
	KindGeneric      = kind.Generic
)

// Wait says what must be true of a dependency before a crate that needs it is uploaded.
type Wait = kind.Wait

// The waits.
const (
	Order = kind.Order
	Index = kind.Index
)

// Bucket is a leaky bucket: Burst calls at once, then one in each Every. The zero value never holds anything up.
type Bucket = kind.Bucket

// Pace is what a registry lets one user do.
type Pace = kind.Pace

// New returns the registry called name whose index is at index, in cargo's spelling. Kind, wait rule and pace follow
// from the index and may be changed before use. Only sparse indexes are spoken; crates.io, which cargo names by its git
// index, is read through its sparse one, and its index may be left empty.
func New(name, index string) (Registry, error) {
	if name == CratesIO && index == "" || cratefile.SameIndex(index, "") && index != "" || index == "sparse+"+cratesIOSparse {
		r := Registry{Name: name, Index: cratefile.CratesIOIndex, URL: cratesIOSparse, Kind: KindCratesIO}
		return r.As(r.Kind), nil
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
	r := Registry{Name: name, Index: index, URL: withSlash(base)}
	return r.As(kind.Of(u)), nil
}

// As returns r as one of kind k, with what is known of that kind.
func (r Registry) As(k Kind) Registry {
	t := k.Traits()
	r.Kind, r.Wait, r.Pace, r.MaxCrate = k, t.Wait, t.Pace, t.MaxCrate
	return r
}

func withSlash(s string) string {
	if strings.HasSuffix(s, "/") {
		return s
	}
	return s + "/"
}

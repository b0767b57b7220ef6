// Package observe looks at the world and writes down what it sees: the snapshot that a plan is made from. It changes
// nothing.
package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// Source is the repository at the commit of a release.
type Source interface {
	// Checkout reads the commit that the request names: a clean clone, its configuration, crates, changelog, workflows.
	// It asks sealed, which may be nil, before it asks cargo.
	Checkout(ctx context.Context, req release.Request, sealed Sealed) (release.Checkout, config.Config, error)
	// Package packages and verifies crates of that commit for one registry in the build zone.
	Package(ctx context.Context, order PackageOrder) (*pack.Result, error)
	// Publish lets cargo itself publish one crate, for publisher = "cargo".
	Publish(ctx context.Context, order PackageOrder, token secret.Value) error
}

// Sealed returns the authentic bill of a release that holds every crate of a commit already, nil where there is none. It
// is asked when the tag, the commit and the configuration of the checkout are known.
type Sealed func(ctx context.Context, c release.Checkout, cfg config.Config) *release.Bill

// PackageOrder is what to package: crates of the checkout, for one registry.
type PackageOrder struct {
	Registry registry.Registry
	Crates   []string
	Out      string // an existing folder for the .crate files
	Progress func(crate, phase string)
}

// Clients returns a World's Registry: one client for each name, made when it is first asked for.
func Clients(open func(name, index string) (registry.Registry, registry.Options, error)) func(name, index string) (*registry.Client, error) {
	var mu sync.Mutex
	made := map[string]*registry.Client{}
	return func(name, index string) (*registry.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		if c, ok := made[name]; ok {
			return c, nil
		}
		r, options, err := open(name, index)
		if err == nil {
			err = private(r)
		}
		if err != nil {
			return nil, err
		}
		options.Progress = converge.Progress
		made[name] = registry.NewClient(r, options)
		return made[name], nil
	}
}

// private refuses a registry that is spoken to in clear over a network: whoever is on the way could read its token.
func private(r registry.Registry) error {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme == "https" {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".test") {
		return nil // this machine; .test is reserved for tests (RFC 6761)
	}
	return fmt.Errorf("its index %s is not https: the token could be read on the way", r.URL)
}

// World is everything outside that a release touches. Real and rehearsed releases differ in nothing else.
type World struct {
	Source   Source
	Forge    *forge.Client                                                    // nil: no forge is asked, which only plans and checks can do
	Registry func(name, index string) (*registry.Client, error)               // the run's client for a registry; index as configured
	Token    func(ctx context.Context, registry string) (secret.Value, error) // only for publisher = "cargo"
	// TokenFrom names the variable that a registry's token is read from; nil: TokenVariable.
	TokenFrom func(registry string) string
	// Login says how the run logs in to a registry where it makes the credential for itself, after asking whether it can; it
	// makes none. The zero value is a token. Nil: tokens everywhere.
	Login func(ctx context.Context, registry string) (release.Login, error)
	// Revoke ends the credentials that were made for this run. It has a deadline of its own and can be called more than
	// once. Nil: none are made.
	Revoke     func()
	Keys       []release.BillKey // credentials that make a bill authentic
	Scratch    string            // an existing folder of this run alone
	WorkingDir string            // where artifact globs start; empty: nobody needs them
	Poll       time.Duration     // between two looks at a workflow run; an index is looked at more often
	Log        *slog.Logger
}

func (w World) tokenFrom(cfg config.Config, name string) string {
	if w.TokenFrom != nil {
		return w.TokenFrom(name)
	}
	return TokenVariable(cfg, name)
}

package release

import (
	"context"
	"log/slog"
	"time"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry"
)

// Source is the repository at the commit of a release.
type Source interface {
	// Checkout reads the commit that the request names: a clean clone, its configuration, crates, changelog, workflows.
	Checkout(ctx context.Context, req Request) (Checkout, config.Config, error)
	// Package packages and verifies crates of that commit for one registry in the build zone.
	Package(ctx context.Context, order PackageOrder) (*cargo.Packaged, error)
	// Publish lets cargo itself publish one crate, for publisher = "cargo".
	Publish(ctx context.Context, order PackageOrder) error
}

// PackageOrder is what to package: crates of the checkout, for one registry.
type PackageOrder struct {
	Registry registry.Registry
	Crates   []string
	Out      string // an existing folder for the .crate files
	Progress func(crate, phase string)
}

// World is everything outside that a release touches. Real and rehearsed releases differ in nothing else.
type World struct {
	Source     Source
	Forge      *forge.Client                                      // nil: no forge is asked, which only plans and checks can do
	Registry   func(name, index string) (*registry.Client, error) // the run's client for a registry; index as configured
	Keys       []BillKey                                          // credentials that make a bill authentic
	Scratch    string                                             // an existing folder of this run alone
	WorkingDir string                                             // where artifact globs start
	Poll       time.Duration                                      // between two looks at a workflow run; an index is looked at more often
	Log        *slog.Logger
}

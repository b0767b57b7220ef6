package cargo

import (
	"context"
	"errors"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
)

// Mode is a switch whose zero value is the safe side.
type Mode int

const (
	// On is the default: do it.
	On Mode = iota
	// Off leaves it out.
	Off
)

// PackageRequest says what to package.
type PackageRequest struct {
	Source          *git.Repo         // a clean clone at the commit
	Crates          []string          // names of the members to package; dependencies among them may be unpublished
	Registry        string            // alias of the registry that they go to; "" or "crates-io" is crates.io
	Indexes         map[string]string // alias -> index, set by environment and never in files
	ReplaceCratesIO string            // sparse index URL that stands for crates.io in a rehearsal; "" is the real one
	Locked          Mode              // Off lets cargo write a lock file of its own choice
	Verify          Mode              // Off publishes what no compiler has seen
	Features        []string          // features to verify with; empty is the default features
	Out             string            // folder for the .crate files; it must exist
	Progress        func(crate, phase string)
}

// Packaged is the result: the crates in the order in which cargo packaged them, and what made them.
type Packaged struct {
	Crates    []PackagedCrate
	Rustc     string   // as `rustc --version` prints it
	Cargo     string   // as `cargo --version` prints it
	Isolation []string // of the zone
	Verified  bool     // every crate was built from its packaged sources
}

// PackagedCrate is one .crate file.
type PackagedCrate struct {
	Name, Version string
	Path          string // of the .crate file, in Out
	SHA256        string // hex
	Size          int64
	Files         []string // paths inside the crate, without the leading name-version/
}

// PackageAll packages and verifies crates of one workspace inside the zone.
func PackageAll(ctx context.Context, z *zone.Zone, req PackageRequest) (*Packaged, error) {
	return nil, errors.New("not yet")
}

package redist

import (
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// Snapshot is the world as one observation saw it, for crates that move from registry to registry.
type Snapshot struct {
	TakenAt    time.Time
	Name       string // of the [[redist]]; "" where flags said what to move
	Source     Side
	Target     Side
	Crates     []Crate
	Left       []string // what the lock files take from elsewhere, as sentences
	Rules      config.ThirdParty
	Advisories []Advisory // about the wanted crates' names
	DryRun     bool
}

// Side is one of the two registries.
type Side struct {
	Name, Index string
	CratesIO    bool   // its crates are crates.io's own
	AwaitAll    bool   // the index must show a crate before one that needs it is uploaded
	Auth        bool   // reading needs a token
	Problem     string // it cannot be used
	Hint        string
}

// Crate is one version that is wanted.
type Crate struct {
	Name, Version string
	Locked        string // its checksum in a lock file; "" where none names it
	LockedBy      string // that lock file
	Sum           string // its checksum in the source's index; "" where that lacks it
	Yanked        bool
	Published     time.Time // zero where the source does not say
	There         string    // its checksum in the target's index; "" where that lacks it
	ThereYanked   bool
	Needs         []string // keys of the wanted crates that it uses
	Direct        bool     // asked for by itself, or by a package of a lock file that is from no registry
}

// Key names a crate's version: "serde@1.0.219".
func (c Crate) Key() string { return c.Name + "@" + c.Version }

// want is the checksum that the target must show.
func (c Crate) want() string {
	if c.Sum != "" {
		return c.Sum
	}
	return c.Locked
}

// Missing reports whether the target lacks the crate.
func (c Crate) Missing() bool { return c.There == "" }

// ContentRules reports whether the rules ask for what only the .crate files say.
func (s Snapshot) ContentRules() bool { return len(s.Rules.Licenses)+len(s.Rules.DenyLicenses) > 0 }

// Finding is what a rule found.
type Finding = release.Finding

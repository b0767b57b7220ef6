package release

import (
	"time"

	"github.com/tagboat/tagboat/internal/config"
)

// SnapshotSchema names the version of the snapshot's shape. Additive changes keep it.
const SnapshotSchema = "tagboat.snapshot/v1"

// Half says which part of the way a run goes.
type Half string

const (
	// First goes from the tag to the started release workflow; where the repository has none, straight on to the end.
	First Half = "first"
	// Second goes from packaging to the public release; it runs inside the release workflow.
	Second Half = "second"
	// Both goes all the way in one run.
	Both Half = "both"
)

// Request is what was asked for. Exactly one of Tag and Branch is given; the other follows from the configuration.
type Request struct {
	Tag       string    `json:"tag,omitempty"`       // "v0.4.0"
	Branch    string    `json:"branch,omitempty"`    // "release/v0.4.0"
	Commit    string    `json:"commit,omitempty"`    // what the tag pointed at when the release was asked for; empty: whatever it points at
	Half      Half      `json:"half"`                //
	Artifacts []string  `json:"artifacts,omitempty"` // globs of files and folders that become assets, relative to the working directory
	Propose   bool      `json:"propose,omitempty"`   // the tag is about to be made, on Commit: judge the release of it
	Detach    bool      `json:"detach,omitempty"`    // do not follow the dispatched workflow to its end
	Deadline  time.Time `json:"deadline,omitzero"`   // when the run ends as waiting at the latest; zero is never
}

// Snapshot is everything a plan is made from: the world as one observation saw it. It holds no secret and survives a
// round trip through JSON, so that a plan can be made again from a saved one.
type Snapshot struct {
	Schema     string        `json:"schema"`
	TakenAt    time.Time     `json:"taken_at"`
	Request    Request       `json:"request"`
	Repository string        `json:"repository"` // owner/name, empty where no forge was asked
	Config     config.Config `json:"config"`
	Checkout   Checkout      `json:"checkout"`
	Remote     Remote        `json:"remote"`
	Registries []Registry    `json:"registries"`
	Artifacts  []Artifact    `json:"artifacts,omitempty"`
	Unkeyed    bool          `json:"unkeyed,omitempty"` // no credential of this run outlives it, so that none makes a bill authentic for the next one
}

// Checkout is what the commit itself says, read from a clean clone of it.
type Checkout struct {
	Tag       Tag               `json:"tag"`
	Commit    string            `json:"commit"`
	Upstream  *Upstream         `json:"upstream,omitempty"` // of a redistribution: the commit is one of that repository
	Crates    []Crate           `json:"crates"`             // publishable crates of this release, in publishing order
	Sealed    bool              `json:"sealed,omitempty"`   // the crates are those of an authentic bill: they were judged and packaged before, and cargo was not asked
	Handed    bool              `json:"handed,omitempty"`   // the crates were packaged by another job, whose files are at hand
	Private   []string          `json:"private,omitempty"`
	Indexes   map[string]string `json:"indexes,omitempty"` // registry alias -> index, from .cargo/config.toml
	Changelog Changelog         `json:"changelog"`
	Workflow  Workflow          `json:"workflow"`
	Toolchain string            `json:"toolchain"` // "cargo 1.95.0 (…)"
	Isolation []string          `json:"isolation,omitempty"`
	Findings  []Finding         `json:"findings,omitempty"` // of the lints that read the checkout
}

// Tag is a release tag, taken apart by the configured template.
type Tag struct {
	Name      string `json:"name"`
	Crate     string `json:"crate,omitempty"` // with per-crate tags: whose release it is
	Version   string `json:"version"`         // three-part SemVer
	Commit    string `json:"commit"`          // what the local repository says; empty where the tag is not there
	Annotated bool   `json:"annotated,omitempty"`
}

// Crate is one crate of this release.
type Crate struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Manifest   string   `json:"manifest"`        // slash path
	Line       int      `json:"line"`            // of the version in the manifest that holds it
	Registries []string `json:"registries"`      // where it goes, by name
	Needs      []string `json:"needs,omitempty"` // crates of this release that must be published before
}

// Changelog is the section for the version.
type Changelog struct {
	Path    string `json:"path,omitempty"` // empty where the repository has no changelog
	Section string `json:"section,omitempty"`
	Found   bool   `json:"found,omitempty"`
}

// Workflow is the repository's release workflow, as the commit has it.
type Workflow struct {
	File     string `json:"file,omitempty"` // base name, "CreateRelease.yml"; empty where there is none
	Dispatch bool   `json:"dispatch,omitempty"`
}

// Remote is the repository on the forge.
type Remote struct {
	Asked         bool      `json:"asked"` // false: no forge was asked, everything here is unknown
	DefaultBranch string    `json:"default_branch,omitempty"`
	TagCommit     string    `json:"tag_commit,omitempty"`    // empty: no such tag there
	Proposed      bool      `json:"proposed,omitempty"`      // with a proposed tag: it is not there, and TagCommit is where it would point
	BranchName    string    `json:"branch_name,omitempty"`   // the release branch of the tag
	BranchCommit  string    `json:"branch_commit,omitempty"` // empty: no such branch
	Development   string    `json:"development,omitempty"`   // the development branch
	OnDevelopment bool      `json:"on_development,omitempty"`
	OnRelease     []string  `json:"on_release,omitempty"` // release branches of the same line that contain the commit
	Blockers      []Issue   `json:"blockers,omitempty"`
	BlockersError string    `json:"blockers_error,omitempty"` // asking failed, which counts as a blocker
	Releases      []Release `json:"releases,omitempty"`       // all with this tag, drafts included
	Latest        string    `json:"latest,omitempty"`         // highest version among published, final releases
	Ledger        Ledger    `json:"ledger"`
	WorkflowTrap  []string  `json:"workflow_trap,omitempty"` // workflow files that differ from the default branch
}

// Issue is an open issue with the blocker label.
type Issue struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	URL    string `json:"url"`
}

// Release is a release of the forge with our tag.
type Release struct {
	ID        int64   `json:"id"`
	Draft     bool    `json:"draft"`
	Immutable bool    `json:"immutable,omitempty"`
	URL       string  `json:"url"`
	Assets    []Asset `json:"assets,omitempty"`
}

// Asset is one file of a release. SHA256 is empty where the forge does not tell.
type Asset struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"`
	Size   int64  `json:"size"`
	Whole  bool   `json:"whole"` // false: an upload that broke off
}

// Ledger is what the release already holds of ours.
type Ledger struct {
	Bill      *Bill    `json:"bill,omitempty"`
	Authentic bool     `json:"authentic,omitempty"`
	Reason    string   `json:"reason,omitempty"`  // why it is or is not authentic
	Missing   []string `json:"missing,omitempty"` // assets that the bill names and the release lacks, or holds with other bytes
}

// Complete reports whether a run may take everything from the release instead of packaging.
func (l Ledger) Complete() bool { return l.Bill != nil && l.Authentic && len(l.Missing) == 0 }

// Registry is one registry of this release and what its index says.
type Registry struct {
	Name     string                `json:"name"`
	Index    string                `json:"index"`
	Kind     string                `json:"kind"`
	AwaitAll bool                  `json:"await"` // the index must show a crate before its dependents are uploaded
	Access   Access                `json:"access"`
	Login    *Login                `json:"login,omitempty"` // where the run makes its own credential
	Crates   map[string]IndexState `json:"crates"`
	Forecast Forecast              `json:"forecast"`
}

// Access is what is known about reaching a registry with the credential at hand.
type Access struct {
	Asked   bool   `json:"asked"`
	NoToken bool   `json:"no_token,omitempty"` // no credential is configured
	Auth    bool   `json:"auth,omitempty"`     // reading needs a token, too
	Problem string `json:"problem,omitempty"`  // why publishing there cannot work
	Detail  string `json:"detail,omitempty"`   // what was met, or what is missing, in lines
	Hint    string `json:"hint,omitempty"`
	// Publish is yes, no, or unknown where it shows at the first upload.
	Publish  string    `json:"publish,omitempty"`
	Notes    []string  `json:"notes,omitempty"`    // what could be found out, in sentences
	Variable string    `json:"variable,omitempty"` // the environment variable that the token is read from
	Expires  time.Time `json:"expires,omitzero"`   // when the token says that it stops being good
}

// IndexState is one crate in an index, seen for the version to release.
type IndexState struct {
	Exists   bool   `json:"exists"`             // the crate has any version
	Checksum string `json:"checksum,omitempty"` // of our version; empty where the index lacks it
	Yanked   bool   `json:"yanked,omitempty"`
}

// Forecast is how long the registry's rate limits will make a run wait.
type Forecast struct {
	New   int           `json:"new"`   // crates whose name is new there
	Known int           `json:"known"` // new versions of known crates
	Wait  time.Duration `json:"wait_ns"`
	Text  string        `json:"text,omitempty"`
}

// Artifact is a local file, or a folder to be archived, that becomes an asset.
type Artifact struct {
	Name   string `json:"name"` // of the asset
	Path   string `json:"path"`
	Folder bool   `json:"folder,omitempty"`
	Size   int64  `json:"size"`
}

// Severity says what a finding does to a release.
type Severity string

const (
	// Stop ends the run before anything is written.
	Stop Severity = "stop"
	// Warn is shown and goes on.
	Warn Severity = "warn"
)

// Finding is one thing a rule found. Rule is one of config.Rules.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Relaxed  string   `json:"relaxed,omitempty"` // the reason with which the configuration set the rule aside
}

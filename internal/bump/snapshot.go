// Package bump decides what the next version is and what changes with it: which crates move, which section of which
// changelog is the version's, how the commit and its branch are called. It is pure; package yard looks and does.
package bump

import (
	"github.com/tagboat/tagboat/internal/config"
)

// Request is what was asked for.
type Request struct {
	To        string   // major, minor, patch, rc, release, or a version
	Candidate bool     // with major, minor, patch: the first release candidate of it
	Only      []string // names of crates, with * and ?; empty: all
	Private   bool     // also the members that are not published
	Patch     bool     // for a release branch: the changelog may have no section for what is to come
	Notes     bool     // the changelog gets entries for what was merged, and may have no section for what is to come
	Exact     bool     // every requirement on a sibling becomes =VERSION
}

// Snapshot is everything a plan is made from.
type Snapshot struct {
	Request    Request
	Config     config.Config
	Date       string // of today, "2026-01-02"
	Repository string // owner/name, "" where unknown
	Commit     string // that the tree is at
	Crates     []Crate
	Tags       []string
	Changelogs map[string]string // path -> text, those that are there
	Drafts     map[string]string // path of a changelog -> entries to add
}

// Crate is one member of the workspace.
type Crate struct {
	Name, Version string
	Dir           string // slash path, "." for the root
	File          string // where the version is written
	Line          int
	Published     bool     // it goes to a registry
	Versionless   bool     // its manifest has no version
	Inherits      bool     // from [workspace.package]
	Needs         []string // members that its requirements name
}

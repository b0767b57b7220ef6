// Package kind is what is known of each kind of cargo registry before talking to it. It is data: nothing is asked.
package kind

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kind is a registry's software or service, as far as it changes what must be known before talking to it.
type Kind string

// The kinds. A registry whose software is unknown is Generic, which promises nothing.
const (
	CratesIO     Kind = "crates-io"
	Azure        Kind = "azure" // Azure DevOps Artifacts
	Gitea        Kind = "gitea" // and Forgejo
	Kellnr       Kind = "kellnr"
	Artifactory  Kind = "artifactory"
	Cloudsmith   Kind = "cloudsmith"
	CodeArtifact Kind = "codeartifact"
	Generic      Kind = "generic"
)

// Form is what a kind makes of a bare token.
type Form string

// The forms.
const (
	Bare     Form = "bare"
	Bearer   Form = "bearer"    // "Bearer " and the token
	BasicPAT Form = "basic-pat" // "Basic " and the base64 of "PAT:" and the token; "Bearer " and a JSON web token
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

// Source is what a registry makes its index of.
type Source string

// The sources.
const (
	FromJSON     Source = "json"     // the metadata of the upload, which are believed
	FromManifest Source = "manifest" // the Cargo.toml inside the .crate
	FromUnknown  Source = "unknown"
)

// Probe is a request that asks what a token may do and cannot create anything.
type Probe string

// The probes.
const (
	// ProbeNone: none is known to be safe; what the token may do shows at the first upload.
	ProbeNone Probe = ""
	// ProbeFollowing asks crates.io for the crates that the token's account follows.
	ProbeFollowing Probe = "following"
	// ProbeUpload is an upload without a body. The registry looks at the right to publish before it finds nothing to
	// publish.
	ProbeUpload Probe = "empty upload"
	// ProbeToken is the same where the registry only looks whether the token is one.
	ProbeToken Probe = "empty upload, token only"
)

// Again says whether a version that was deleted can be uploaded again.
type Again string

// The answers. No registry lets a version be replaced that is there.
const (
	Never     Again = "never"
	Deletable Again = "after deletion"
	AgainOpen Again = "unknown"
)

// Duplicate is the answer to an upload of a version that is there. Status 0 is unknown.
type Duplicate struct {
	Status int
	Says   string // a part of the sentence
}

// Fact is a column of the table that can be unverified.
type Fact string

// The facts.
const (
	FactDuplicate Fact = "duplicate answer"
	FactIndex     Fact = "what the index is made of"
	FactAgain     Fact = "uploading again after deletion"
	FactLag       Fact = "how soon the index shows an upload"
	FactToken     Fact = "form of the token"
)

// Traits is what is known of a kind of registry.
type Traits struct {
	Kind  Kind
	Title string // for people
	// TokenForm says how a token for this kind looks.
	TokenForm string
	Form      Form
	Duplicate Duplicate
	Again     Again
	Wait      Wait
	Pace      Pace
	// MaxCrate is the largest .crate that it takes, in bytes; 0 is unknown.
	MaxCrate int64
	Index    Source
	Probe    Probe
	// Closed: a crate with dependencies in other registries is refused.
	Closed bool
	// PublicOwners: anyone may ask who owns a crate.
	PublicOwners bool
	// Unverified are the facts above that rest on a description or on nothing. Nothing depends on them: any refusal of an
	// upload is followed by a look at the index, and dependents wait for it.
	Unverified []Fact
}

// table is one line for each kind.
//
// crates.io: https://crates.io/docs/rate-limits (per user; trusted publishing has none), its source in
// src/controllers/krate/publish.rs. Azure: https://learn.microsoft.com/azure/devops/artifacts/cargo/. Gitea: its source in
// routers/api/packages/cargo, and its server. kellnr: its source in crates/registry and crates/auth. The others: their
// manuals.
var table = [...]Traits{
	{
		Kind: CratesIO, Title: "crates.io", Form: Bare, TokenForm: "the API token alone, without a scheme",
		Duplicate: Duplicate{400, "is already uploaded"}, Again: Never, Wait: Order, MaxCrate: 10 << 20, Index: FromManifest,
		Pace: Pace{
			NewCrates:   Bucket{Burst: 5, Every: 10 * time.Minute},
			NewVersions: Bucket{Burst: 30, Every: time.Minute},
			Yanks:       Bucket{Burst: 100, Every: time.Minute},
		},
		Probe: ProbeFollowing, Closed: true, PublicOwners: true,
	},
	{
		Kind: Azure, Title: "Azure DevOps Artifacts", Form: BasicPAT,
		TokenForm: "a personal access token with Packaging (read and write), or an Entra access token",
		Again:     Never, Wait: Index, MaxCrate: 500 << 20, Index: FromUnknown, Unverified: []Fact{FactDuplicate, FactIndex, FactLag},
	},
	{
		Kind: Gitea, Title: "Gitea and Forgejo", Form: Bearer, TokenForm: "an access token with write:package",
		Duplicate: Duplicate{409, "already exists"}, Again: Deletable, Wait: Index, Index: FromJSON, Probe: ProbeUpload,
	},
	{
		Kind: Kellnr, Title: "kellnr", Form: Bare, TokenForm: "the token alone, without a scheme",
		Duplicate: Duplicate{400, "already exists"}, Again: Deletable, Wait: Index, Index: FromJSON, Probe: ProbeToken,
		Unverified: []Fact{FactLag},
	},
	{
		Kind: Artifactory, Title: "JFrog Artifactory", Form: Bearer, TokenForm: "an identity token that may deploy to the repository",
		Again: AgainOpen, Wait: Index, Index: FromUnknown, Unverified: []Fact{FactDuplicate, FactIndex, FactAgain, FactLag},
	},
	{
		Kind: Cloudsmith, Title: "Cloudsmith", Form: Bare, TokenForm: "an API key",
		Again: AgainOpen, Wait: Index, Index: FromUnknown, Unverified: []Fact{FactDuplicate, FactIndex, FactAgain, FactLag, FactToken},
	},
	{
		Kind: CodeArtifact, Title: "AWS CodeArtifact", Form: Bare, TokenForm: "the token of `aws codeartifact get-authorization-token`",
		Again: AgainOpen, Wait: Index, Index: FromUnknown, Unverified: []Fact{FactDuplicate, FactIndex, FactAgain, FactLag},
	},
	{
		Kind: Generic, Title: "any other registry", Form: Bare, TokenForm: "the value of the Authorization header, with its scheme if it has one",
		Again: AgainOpen, Wait: Index, Index: FromUnknown, Unverified: []Fact{FactDuplicate, FactIndex, FactAgain, FactLag, FactToken},
	},
}

// All returns what is known of every kind, Generic last.
func All() []Traits { return slices.Clone(table[:]) }

// Traits returns what is known of k; an unknown kind has Generic's.
func (k Kind) Traits() Traits {
	for _, t := range table {
		if t.Kind == k {
			return t
		}
	}
	return table[len(table)-1]
}

// Of tells the kind by the address of the sparse index, where it gives it away.
func Of(u *url.URL) Kind {
	host, path := strings.ToLower(u.Hostname()), u.EscapedPath()
	switch {
	case host == "index.crates.io":
		return CratesIO
	case host == "pkgs.dev.azure.com", strings.HasSuffix(host, ".pkgs.visualstudio.com"):
		return Azure
	case strings.Contains(path, "/api/packages/") && strings.HasSuffix(strings.TrimSuffix(path, "/"), "/cargo"):
		return Gitea
	case strings.Contains(path, "/artifactory/api/cargo/"), strings.HasSuffix(host, ".jfrog.io"):
		return Artifactory
	case host == "cargo.cloudsmith.io":
		return Cloudsmith
	case strings.Contains(host, ".d.codeartifact.") && strings.HasSuffix(host, ".amazonaws.com"),
		strings.Contains("."+host, ".codeartifact.") && strings.HasSuffix(host, ".on.aws"): // the second is for IPv6, too
		return CodeArtifact
	case strings.Contains(path, "/api/v1/crates"), strings.Contains(path, "/api/v1/cratesio"):
		return Kellnr
	default:
		return Generic
	}
}

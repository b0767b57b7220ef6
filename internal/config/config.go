// Package config reads tagboat.toml. The file is optional; every key has a default, unknown keys are errors, and for
// each value it is known where it comes from.
//
// The doc tags of the structs below are the one source of the reference (docs/configuration.md) and of the
// descriptions in the JSON Schema (docs/tagboat.schema.json). A tag may hold "enum=a,b" and "example=..." beside it.
package config

import "strings"

// File is the name of the configuration file at the repository root.
const File = "tagboat.toml"

// MaxSize is the largest configuration file that is read, in bytes.
const MaxSize = 1 << 20

// CratesIO is the name of the public registry in [registries].
const CratesIO = "crates-io"

// Config is all of tagboat.toml. Default returns the values that hold where a key is absent.
type Config struct {
	Tags       Tags                `toml:"tags" json:"tags" doc:"Which tags are releases and whose."`
	Branches   Branches            `toml:"branches" json:"branches" doc:"Where releases may come from and where they go."`
	Workflow   Workflow            `toml:"workflow" json:"workflow" doc:"The GitHub Actions workflow that builds a release, started on the release branch."`
	Registries map[string]Registry `toml:"registries" json:"registries" doc:"The registries that crates go to, by the name that the manifests use in publish = [...]. crates-io is always there; a table for it changes single values." example:"my-feed"`
	Tokens     map[string]Token    `toml:"tokens" json:"tokens" doc:"The tokens that are watched and renewed, beyond what follows from [registries]: when each stops working, and which secret on GitHub holds it. github is the token for GitHub itself, which is only watched. See [tokens.md](tokens.md)." example:"my-feed"`
	Package    Package             `toml:"package" json:"package" doc:"How crates are packaged and verified."`
	Release    Release             `toml:"release" json:"release" doc:"The GitHub release."`
	Changelog  Changelog           `toml:"changelog" json:"changelog" doc:"The changelog whose section opens the release notes."`
	Patch      Patch               `toml:"patch" json:"patch" doc:"Patch releases from labels of merged pull requests. See [bump.md](bump.md)."`
	Blockers   Blockers            `toml:"blockers" json:"blockers" doc:"Open issues that stop a release."`
	Pace       Pace                `toml:"pace" json:"pace" doc:"How much happens at the same time and how long a run waits."`
	Redist     []Redist            `toml:"redist" json:"redist,omitempty" doc:"Crates of others that tagboat redist brings to a registry. Each table is one piece of work; without a name on its command line, all are done in order."`
	ThirdParty ThirdParty          `toml:"thirdparty" json:"thirdparty" doc:"What crates of others must be like before tagboat redist moves them. It holds for every run, whether the file or the command line says what to move."`
	Rules      map[string]Relax    `toml:"rules" json:"rules" doc:"Checks that this repository does without, each with the reason. Only rules marked as relaxable can be relaxed." example:"changelog"`
}

// Tags is [tags].
type Tags struct {
	Template string `toml:"template" json:"template" doc:"What a release tag looks like. {version} is required; with {crate} each crate is released by tags of its own." example:"{crate}-v{version}"`
	TwoPart  bool   `toml:"two_part" json:"two_part" doc:"Accept tags with two numbers: v53.0 is version 53.0.0."`
}

// Branches is [branches].
type Branches struct {
	Development string `toml:"development" json:"development" doc:"The branch that minor and major releases are tagged on. Empty means the repository's default branch." example:"main"`
	Release     string `toml:"release" json:"release" doc:"The name of the branch made for a release. {tag} is required. Patch releases are tagged on it or on another branch that this template made." example:"release/{tag}"`
}

// Workflow is [workflow].
type Workflow struct {
	File         string   `toml:"file" json:"file" doc:"File name under .github/workflows. Empty means the one that has workflow_dispatch and names tagboat or release; \"none\" means that there is no such workflow and the release goes straight on." example:"release.yml"`
	StartTimeout Duration `toml:"start_timeout" json:"start_timeout" doc:"How long to wait until a dispatched run is seen."`
	RunTimeout   Duration `toml:"run_timeout" json:"run_timeout" doc:"How long to wait until a run has ended."`
}

// Registry is [registries.NAME].
type Registry struct {
	Index       string `toml:"index" json:"index" doc:"The index URL as cargo takes it. Empty means the one in .cargo/config.toml." example:"sparse+https://feed.example.com/index/"`
	Kind        string `toml:"kind" json:"kind" doc:"What software answers: it decides in which form the token is sent and what is known beforehand (docs/registries.md). generic means to tell by the index URL." enum:"crates-io,azure,gitea,kellnr,artifactory,cloudsmith,codeartifact,generic"`
	TokenEnv    string `toml:"token_env" json:"token_env" doc:"The environment variable that holds the token. Empty means the one that cargo uses, or PAT for the only Azure DevOps feed (docs/registries.md)." example:"FEED_TOKEN"`
	Login       string `toml:"login" json:"login" doc:"How a run proves who it is: \"token\" sends the token in token_env, \"trusted-publishing\" makes short-lived tokens at crates.io from the identity of the GitHub Actions job (new crates still need a token), \"entra\" does so at Microsoft Entra for an Azure DevOps feed. \"auto\" is a token where there is one; else, where the job has an identity, trusted publishing for crates-io and Entra for a registry with tenant_id and client_id." enum:"auto,token,trusted-publishing,entra"`
	TenantID    string `toml:"tenant_id" json:"tenant_id" doc:"Of Microsoft Entra: the tenant's id, which is no secret. Empty means the variable AZURE_TENANT_ID." example:"72f988bf-86f1-41af-91ab-2d7cd011db47"`
	ClientID    string `toml:"client_id" json:"client_id" doc:"Of Microsoft Entra: the id of the application that trusts the repository's jobs, which is no secret. Empty means the variable AZURE_CLIENT_ID." example:"11111111-2222-3333-4444-555555555555"`
	Wait        string `toml:"wait" json:"wait" doc:"Between a crate and those that need it: \"order\" means that uploading in order is enough, \"index\" means to wait until the index shows the first." enum:"order,index"`
	OwnSiblings bool   `toml:"own_siblings" json:"own_siblings" doc:"Crates in this registry find their siblings in it, for consumers who reach no other: dependencies by path that name no registry get this one in its packages. Where a crate goes to crates.io too, each registry then has bytes of its own, and the bill lists both."`
	Mirror      bool   `toml:"mirror" json:"mirror" doc:"It holds copies of crates.io's crates, with their checksums: what lock files take from crates.io can be had here."`
	NewCrates   Bucket `toml:"new_crates" json:"new_crates" doc:"The registry's limit for crates it has never seen."`
	NewVersions Bucket `toml:"new_versions" json:"new_versions" doc:"The registry's limit for further versions of its crates."`
	MaxSize     Size   `toml:"max_size" json:"max_size" doc:"The largest .crate file that the registry takes. 0 means unknown."`
}

// The values of Registry.Login.
const (
	LoginAuto    = "auto"
	LoginToken   = "token"
	LoginTrusted = "trusted-publishing"
	LoginEntra   = "entra"
)

// Bucket is a limit that refills: Burst at once, then one more every Every.
type Bucket struct {
	Burst int      `toml:"burst" json:"burst" doc:"So many at once. 0 means no limit."`
	Every Duration `toml:"every" json:"every" doc:"Then one more after each such time."`
}

// Package is [package].
type Package struct {
	Publisher         string            `toml:"publisher" json:"publisher" doc:"Who uploads: \"tagboat\" sends the verified bytes itself and can resume; \"cargo\" runs cargo publish, which sees the token together with build scripts." enum:"tagboat,cargo"`
	Exclude           []string          `toml:"exclude" json:"exclude" doc:"Names of crates that are not published, with * and ?." example:"[\"*-testing\"]"`
	Locked            bool              `toml:"locked" json:"locked" doc:"Refuse a Cargo.lock that is not up to date. Without a Cargo.lock it has no effect."`
	Verify            bool              `toml:"verify" json:"verify" doc:"Build every packaged crate before anything is published."`
	Features          []string          `toml:"features" json:"features" doc:"Features switched on in the verification builds." example:"[\"std\"]"`
	AllFeatures       bool              `toml:"all_features" json:"all_features" doc:"Verify with all features."`
	NoDefaultFeatures bool              `toml:"no_default_features" json:"no_default_features" doc:"Verify without the default features."`
	Env               map[string]string `toml:"env" json:"env" doc:"Further environment variables of the build zone. Never put a secret here: build scripts see them." example:"{ PKG_CONFIG_PATH = \"/opt/lib/pkgconfig\" }"`
	Mounts            []string          `toml:"mounts" json:"mounts" doc:"Absolute paths that the build zone may read besides its own folders and the toolchain." example:"[\"/opt/lib\"]"`
	Isolation         string            `toml:"isolation" json:"isolation" doc:"Where the system cannot enclose the build zone fully, \"report\" says so and goes on, \"require\" stops." enum:"report,require"`
	Toolchain         string            `toml:"toolchain" json:"toolchain" doc:"The Rust toolchain, as in rust-toolchain.toml. Empty means what the repository asks for, else what is installed." example:"1.95.0"`
}

// Release is [release].
type Release struct {
	Title          string   `toml:"title" json:"title" doc:"The title of the GitHub release. {tag}, {version} and {crate} are replaced."`
	Notes          string   `toml:"notes" json:"notes" doc:"Text of the release notes. {tag}, {version}, {crate}, {changelog}, {generated} and {crates} are replaced. Empty means the changelog section, then GitHub's generated notes, then the table of crates." example:"{changelog}\\n\\n{generated}"`
	NotesFile      string   `toml:"notes_file" json:"notes_file" doc:"A file in the repository with the text for notes. Only one of the two may be set."`
	GeneratedNotes bool     `toml:"generated_notes" json:"generated_notes" doc:"Ask GitHub for its generated notes (.github/release.yml)."`
	Artifacts      []string `toml:"artifacts" json:"artifacts" doc:"Files that become assets of the release, as paths from the repository root with *, ? and **. A pattern without a match stops the release." example:"[\"dist/*.tar.gz\"]"`
	Prerelease     string   `toml:"prerelease" json:"prerelease" doc:"Whether GitHub shows the release as a pre-release; \"auto\" asks the version." enum:"auto,always,never"`
	DraftOnly      bool     `toml:"draft_only" json:"draft_only" doc:"Leave the release a draft when everything is published; a person makes it public."`
	Rolling        Rolling  `toml:"rolling" json:"rolling" doc:"A pre-release that follows the development branch."`
}

// Rolling is [release.rolling].
type Rolling struct {
	Enabled  bool   `toml:"enabled" json:"enabled" doc:"Keep a rolling pre-release."`
	Tag      string `toml:"tag" json:"tag" doc:"Its tag, moved to the built commit each time."`
	KeepDays int    `toml:"keep_days" json:"keep_days" doc:"Assets of earlier builds are removed after so many days. 0 keeps only the newest build."`
}

// Changelog is [changelog].
type Changelog struct {
	Path     string `toml:"path" json:"path" doc:"Path of the changelog from the repository root. {crate} is replaced by the crate's folder, where each crate has its own." example:"{crate}/CHANGELOG.md"`
	Required string `toml:"required" json:"required" doc:"Whether a release needs a section for its version; \"when-present\" asks for one only where the file exists." enum:"when-present,always,never"`
}

// Patch is [patch].
type Patch struct {
	Backports bool   `toml:"backports" json:"backports" doc:"A scheduled step of the Action keeps one pull request for each version line that merged pull requests are labelled for, as tagboat patch --labelled does. It needs contents: write and pull-requests: write."`
	Label     string `toml:"label" json:"label" doc:"The label of a merged pull request that is to be picked for a patch. {line} is required, and stands for the tag of a release of the line, which may be cut short." example:"backport {line}"`
}

// Blockers is [blockers].
type Blockers struct {
	Label string `toml:"label" json:"label" doc:"Open issues with this label stop a release. Empty switches the check off."`
}

// Pace is [pace].
type Pace struct {
	Uploads  int      `toml:"uploads" json:"uploads" doc:"Crates uploaded at the same time to one registry."`
	Attempts int      `toml:"attempts" json:"attempts" doc:"How often a step is tried when the other side fails."`
	MaxWait  Duration `toml:"max_wait" json:"max_wait" doc:"The longest that a run waits for a rate limit. What takes longer ends the run as waiting, with the time to come back."`
}

// Relax is [rules.NAME].
type Relax struct {
	Relax  bool   `toml:"relax" json:"relax" doc:"Report what the rule finds, but do not stop for it."`
	Reason string `toml:"reason" json:"reason" doc:"Why. Shown in every report. Required."`
}

// Redist is one [[redist]].
type Redist struct {
	Name     string            `toml:"name" json:"name" doc:"What the command line calls it. Required." example:"third-party"`
	Source   string            `toml:"source" json:"source" doc:"Where the crates are: crates-io, another name in [registries], or the URL of a git repository. Required." example:"crates-io"`
	Registry string            `toml:"registry" json:"registry" doc:"The registry that they go to, a name in [registries]. Required." example:"my-feed"`
	Crates   []string          `toml:"crates" json:"crates" doc:"Which crates: NAME@VERSION from a registry, names from git."`
	Locks    []string          `toml:"locks" json:"locks" doc:"From a registry: Cargo.lock files, as paths from the repository root; all crates that they take from the source are wanted." example:"[\"Cargo.lock\"]"`
	Rev      string            `toml:"rev" json:"rev" doc:"From git: the commit, tag or branch."`
	Version  string            `toml:"version" json:"version" doc:"From git: the version to publish under. {version} is the crate's own, {date} the day of publishing (20240416), {rev} the first ten digits of the commit, {count} the number of commits up to it. Empty means {version}-{date}."`
	Watch    string            `toml:"watch" json:"watch" doc:"From git: the registry on which upstream might publish the crates itself, which every run then says. Empty means crates-io; \"none\" asks nobody."`
	Metadata map[string]string `toml:"metadata" json:"metadata" doc:"From git: keys of [package] that the manifests lack and registries want, such as description and license."`
}

// ThirdParty is [thirdparty].
type ThirdParty struct {
	Licenses     []string `toml:"licenses" json:"licenses" doc:"SPDX identifiers of the licences that are accepted. Empty accepts all. Of \"A OR B\" one is enough, of \"A AND B\" both are needed." example:"[\"MIT\", \"Apache-2.0\", \"BSD-3-Clause\"]"`
	DenyLicenses []string `toml:"deny_licenses" json:"deny_licenses" doc:"SPDX identifiers of licences that are not accepted."`
	Reviewed     []string `toml:"reviewed" json:"reviewed" doc:"Names of crates whose licence a person has read: the licence rules do not hold for them. With * and ?." example:"[\"ring\"]"`
	DenyNames    []string `toml:"deny_names" json:"deny_names" doc:"Names of crates that are never moved, with * and ?." example:"[\"openssl-sys\"]"`
	Advisories   string   `toml:"advisories" json:"advisories" doc:"Who knows of advisories: a git repository of them in the format of RustSec, as URL or absolute folder, or \"cargo-deny\". From a repository, known vulnerabilities stop a version and other advisories are warnings; what cargo-deny denies by deny.toml stops. Empty asks nobody." example:"https://github.com/rustsec/advisory-db"`
	Accepted     []string `toml:"accepted" json:"accepted" doc:"Identifiers of advisories that do not matter here." example:"[\"RUSTSEC-2020-0071\"]"`
	MinAge       Duration `toml:"min_age" json:"min_age" doc:"How long a version must have been published. The index of the source must say when it was." example:"\"168h\""`
}

// CargoDeny is the word in advisories for the program that is asked instead of a repository.
const CargoDeny = "cargo-deny"

// DefaultVersion is the version template of a [[redist]] from git that names none.
const DefaultVersion = "{version}-{date}"

// Git reports whether the source is a git repository rather than a registry.
func (r Redist) Git() bool { return strings.ContainsAny(r.Source, ":/") }

// Default returns the configuration of a repository without tagboat.toml.
func Default() Config {
	return Config{
		Tags:     Tags{Template: "v{version}"},
		Branches: Branches{Release: "release/{tag}"},
		Workflow: Workflow{StartTimeout: 2 * minute, RunTimeout: 6 * hour},
		Registries: map[string]Registry{CratesIO: {
			Index:       "https://github.com/rust-lang/crates.io-index",
			Kind:        "crates-io",
			Login:       LoginAuto,
			Wait:        "order",
			NewCrates:   Bucket{Burst: 5, Every: 10 * minute},
			NewVersions: Bucket{Burst: 30, Every: minute},
			MaxSize:     10 << 20,
		}},
		Tokens: map[string]Token{},
		Package: Package{
			Publisher: "tagboat",
			Exclude:   []string{},
			Locked:    true,
			Verify:    true,
			Features:  []string{},
			Env:       map[string]string{},
			Mounts:    []string{},
			Isolation: "report",
		},
		Release: Release{
			Title:          "{tag}",
			GeneratedNotes: true,
			Artifacts:      []string{},
			Prerelease:     "auto",
			Rolling:        Rolling{Tag: "dev-latest", KeepDays: 7},
		},
		Changelog:  Changelog{Path: "CHANGELOG.md", Required: "when-present"},
		Patch:      Patch{Label: "backport {line}"},
		Blockers:   Blockers{Label: "release-blocker"},
		Pace:       Pace{Uploads: 4, Attempts: 5, MaxWait: 30 * minute},
		ThirdParty: ThirdParty{Licenses: []string{}, DenyLicenses: []string{}, Reviewed: []string{}, DenyNames: []string{}, Accepted: []string{}},
		Rules:      map[string]Relax{},
	}
}

// redistDefaults are the values of a [[redist]] before its table is read.
func redistDefaults() Redist {
	return Redist{Crates: []string{}, Locks: []string{}, Metadata: map[string]string{}}
}

// registryDefaults are the values of a registry other than crates.io before its table is read: nothing is known about
// its checks, so the index is asked between crates.
func registryDefaults() Registry {
	return Registry{Kind: "generic", Login: LoginAuto, Wait: "index"}
}

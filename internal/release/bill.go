package release

import "time"

// BillSchema names the version of the bill's shape. Additive changes keep it.
const BillSchema = "tagboat.bill/v1"

// BillName is the name of the bill of lading among the assets of a release.
const BillName = "bill.json"

// Bill is the bill of lading: the record of a release, kept as an asset of the draft from before the first upload on.
// It holds no secret.
type Bill struct {
	Schema     string            `json:"schema"`
	Repository string            `json:"repository"` // owner/name
	Tag        string            `json:"tag"`
	Commit     string            `json:"commit"`
	Branch     string            `json:"branch,omitempty"`
	Toolchain  string            `json:"toolchain"` // "rustc 1.95.0 (…)"
	Cargo      string            `json:"cargo"`     // "cargo 1.95.0 (…)"
	Isolation  []string          `json:"isolation"` // what closed the build zone: "landlock abi 7", "user tagboat-build", "network namespace"
	Crates     []BillCrate       `json:"crates"`
	Artifacts  []BillArtifact    `json:"artifacts,omitempty"`
	Relaxed    []BillRelaxed     `json:"relaxed,omitempty"` // rules the configuration relaxed, with its reasons
	MAC        map[string]string `json:"mac,omitempty"`     // registry name -> hex HMAC-SHA256 of the bill without this field
}

// BillCrate is one packaged crate. Two registries that need different bytes of one version have two entries.
type BillCrate struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	SHA256     string         `json:"sha256"` // hex, of the .crate file; equals cksum in the index
	Size       int64          `json:"size"`   // bytes
	Asset      string         `json:"asset"`  // name of the .crate among the release's assets
	Files      int            `json:"files"`  // entries in the archive
	Registries []BillRegistry `json:"registries"`
}

// BillRegistry is one registry a crate goes to.
type BillRegistry struct {
	Name        string     `json:"name"`
	Index       string     `json:"index"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"` // when the index first showed the version with our checksum
}

// BillArtifact is one asset that is no crate.
type BillArtifact struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// BillRelaxed is one rule that the configuration set aside.
type BillRelaxed struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

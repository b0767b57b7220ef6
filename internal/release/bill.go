package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
)

// BillSchema names the version of the bill's shape. Additive changes keep it.
const BillSchema = "tagboat.bill/v1"

// BillName is the name of the bill of lading among the assets of a release.
const BillName = "bill.json"

// BillNext is the new bill while the old one still stands: there is no moment without a bill.
const BillNext = "bill.next.json"

// Bill is the bill of lading: the record of a release, kept as an asset of the draft from before the first upload on.
// It holds no secret.
type Bill struct {
	Schema     string            `json:"schema"`
	Repository string            `json:"repository"` // owner/name
	Tag        string            `json:"tag"`
	Commit     string            `json:"commit"`
	Branch     string            `json:"branch,omitempty"`
	Upstream   *Upstream         `json:"upstream,omitempty"`    // of a redistribution: whose crates these are; the commit is one of that repository
	Toolchain  string            `json:"toolchain"`             // "rustc 1.95.0 (…)"
	Cargo      string            `json:"cargo"`                 // "cargo 1.95.0 (…)"
	Isolation  []string          `json:"isolation"`             // what closed the build zone: "landlock abi 7", "user tagboat-build", "network namespace"
	HandedOver bool              `json:"handed_over,omitempty"` // another job packaged the crates, whose word toolchain, cargo and isolation are
	Crates     []BillCrate       `json:"crates"`
	Artifacts  []BillArtifact    `json:"artifacts,omitempty"`
	Relaxed    []BillRelaxed     `json:"relaxed,omitempty"` // rules the configuration relaxed, with its reasons
	MAC        map[string]string `json:"mac,omitempty"`     // registry name -> hex HMAC-SHA256 of the bill without this field
}

// Upstream is the repository that the crates of a redistribution come from.
type Upstream struct {
	Repository string   `json:"repository"`        // URL
	Rev        string   `json:"rev"`               // the commit, tag or branch that was asked for
	Changes    []string `json:"changes,omitempty"` // what was changed in its manifests: "FILE: KEY = VALUE"
}

// BillCrate is one packaged crate. Two registries that need different bytes of one version have two entries.
type BillCrate struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	SHA256     string         `json:"sha256"`          // hex, of the .crate file; equals cksum in the index
	Size       int64          `json:"size"`            // bytes
	Asset      string         `json:"asset"`           // name of the .crate among the release's assets
	Files      int            `json:"files"`           // entries in the archive
	Needs      []string       `json:"needs,omitempty"` // crates of the bill that must be published before
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

// Sums is the SHA256SUMS file: one line for each crate and artifact, sorted by name, as sha256sum -c reads it.
func (b *Bill) Sums() []byte {
	var lines []string
	for _, c := range b.Crates {
		lines = append(lines, c.SHA256+"  "+c.Asset+"\n")
	}
	for _, a := range b.Artifacts {
		lines = append(lines, a.SHA256+"  "+a.Name+"\n")
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][64:] < lines[j][64:] })
	return []byte(strings.Join(lines, ""))
}

// Encode returns the bill as it stands in the release: indented JSON with a final newline.
func (b *Bill) Encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("encode bill: %w", err)
	}
	return out.Bytes(), nil
}

// Enter writes what was packaged of a crate for one of its registries into the bill. It returns the name of the asset for
// these bytes, "" where another registry has them too: they are one entry.
func (b *Bill) Enter(c Crate, packed BillCrate, home BillRegistry) (asset string) {
	if at := b.SameBytes(c.Name, packed.SHA256); at >= 0 {
		b.Crates[at].Registries = append(b.Crates[at].Registries, home)
		return ""
	}
	i := slices.Index(c.Registries, home.Name)
	if b.Crate(c.Name) == nil {
		i = 0
	}
	packed.Name, packed.Version, packed.Needs, packed.Registries = c.Name, c.Version, c.Needs, []BillRegistry{home}
	packed.Asset = CrateAsset(c.Name, c.Version, c.Registries, i)
	b.Crates = append(b.Crates, packed)
	return packed.Asset
}

// SameBytes returns the index of the entry of a crate with those bytes, -1 where there is none.
func (b *Bill) SameBytes(name, sum string) int {
	for i, c := range b.Crates {
		if c.Name == name && c.SHA256 == sum {
			return i
		}
	}
	return -1
}

// Crate returns the first entry of a crate, nil where there is none.
func (b *Bill) Crate(name string) *BillCrate {
	for i := range b.Crates {
		if b.Crates[i].Name == name {
			return &b.Crates[i]
		}
	}
	return nil
}

// Bound returns the entry of a crate for a registry.
func (b *Bill) Bound(name, registry string) *BillCrate {
	for i := range b.Crates {
		if b.Crates[i].Name == name && b.Crates[i].goesTo(registry) {
			return &b.Crates[i]
		}
	}
	return nil
}

// ByAsset returns the crate whose .crate file has that name, nil where there is none.
func (b *Bill) ByAsset(name string) *BillCrate {
	for i := range b.Crates {
		if b.Crates[i].Asset == name {
			return &b.Crates[i]
		}
	}
	return nil
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Check returns an error for a bill that cannot be one of ours. Whoever may write releases may write a bill, and its
// names become names of local files.
func (b *Bill) Check() error {
	if b.Schema != BillSchema {
		return fmt.Errorf("bill has schema %q, want %q", b.Schema, BillSchema)
	}
	seen := map[string]bool{BillName: true, BillNext: true, SumsName: true}
	file := func(name, sum string, size int64) error {
		switch {
		case name == "" || AssetName(name) != name:
			return fmt.Errorf("bill names a file %q, which no asset can have", name)
		case seen[name]:
			return fmt.Errorf("bill names the file %s twice", name)
		case !hexSum.MatchString(sum) || size < 0:
			return fmt.Errorf("bill has sha256 %q and %d bytes for %s", sum, size, name)
		}
		seen[name] = true
		return nil
	}
	for _, c := range b.Crates {
		if !crateName.MatchString(c.Name) {
			return fmt.Errorf("bill names a crate %q", c.Name)
		}
		if err := file(c.Asset, c.SHA256, c.Size); err != nil {
			return err
		}
	}
	for _, a := range b.Artifacts {
		if err := file(a.Name, a.SHA256, a.Size); err != nil {
			return err
		}
	}
	return nil
}

// Contents returns the crates of the bill as a checkout of its commit would have them, and the indexes that they go to,
// so that a release that is packaged already needs no cargo.
func (b *Bill) Contents() (crates []Crate, indexes map[string]string) {
	at := map[string]int{}
	indexes = map[string]string{}
	for _, c := range b.Crates {
		i, ok := at[c.Name]
		if !ok {
			i = len(crates)
			at[c.Name] = i
			crates = append(crates, Crate{Name: c.Name, Version: c.Version, Needs: c.Needs})
		}
		for _, r := range c.Registries {
			crates[i].Registries = append(crates[i].Registries, r.Name)
			indexes[r.Name] = r.Index
		}
	}
	return crates, indexes
}

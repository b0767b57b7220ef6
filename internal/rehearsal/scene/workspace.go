package scene

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

// What every scene releases, and the name of its second registry.
const (
	Version   = "0.4.0"
	TagName   = "v" + Version
	Branch    = "release/" + TagName
	FeedName  = "feed"
	feedIndex = "sparse+https://feed.test/index/"
)

// Member is a crate of the workspace.
type Member struct {
	Name  string
	Needs []string
}

// workspace is the shape of Hyperlight (https://github.com/hyperlight-dev/hyperlight): what each crate needs, in
// publishing order.
var workspace = []Member{
	{"hyperlight-libc", nil},
	{"hyperlight-common", nil},
	{"hyperlight-guest-tracing", []string{"hyperlight-common"}},
	{"hyperlight-guest", []string{"hyperlight-common", "hyperlight-guest-tracing"}},
	{"hyperlight-guest-macro", nil},
	{"hyperlight-guest-bin", []string{"hyperlight-guest", "hyperlight-common", "hyperlight-guest-tracing", "hyperlight-guest-macro", "hyperlight-libc"}},
	{"hyperlight-component-util", nil},
	{"hyperlight-component-macro", []string{"hyperlight-component-util"}},
	{"hyperlight-host", []string{"hyperlight-common", "hyperlight-guest-tracing", "hyperlight-component-macro"}},
}

// Workspace returns the crates of the release, in publishing order.
func Workspace() []Member { return slices.Clone(workspace) }

// Names returns the names of all crates, in publishing order.
func Names() []string {
	var out []string
	for _, c := range workspace {
		out = append(out, c.Name)
	}
	return out
}

// AssetOf is the file of a crate in the release.
func AssetOf(crate string) string { return release.CrateAsset(crate, Version, nil, 0) }

// ArtifactNames are the files in a working directory that become assets.
func ArtifactNames() []string { return []string{"guide.txt", "hyperlight-tool"} }

// Parcel is one packaged crate in memory.
type Parcel struct {
	Name  string
	Bytes []byte
	Sum   string // hex SHA-256
	Files []string
}

// Packing says which bytes a crate has: those for crates.io or those for a registry that manifests must name, and whose
// they are.
type Packing struct {
	ForFeed bool
	By      Maker
}

// Maker is who packages.
type Maker int

// The makers.
const (
	AsTagged    Maker = iota // the release itself
	LaterOn                  // the same commit, with another toolchain
	ByAStranger              // another commit
	makers
)

// PackAll makes every crate's bytes, for all packings.
func PackAll() (map[Packing]map[string]Parcel, error) {
	all := map[Packing]map[string]Parcel{}
	for i := range 2 * makers {
		p := Packing{ForFeed: i%2 == 1, By: i / 2}
		all[p] = map[string]Parcel{}
		for _, c := range workspace {
			made, err := packOne(c.Name, c.Needs, p)
			if err != nil {
				return nil, fmt.Errorf("make crate %s: %w", c.Name, err)
			}
			all[p][c.Name] = made
		}
	}
	return all, nil
}

func packOne(name string, needs []string, p Packing) (Parcel, error) {
	var m strings.Builder
	fmt.Fprintf(&m, "[package]\nedition = \"2021\"\nname = %q\nversion = %q\ndescription = \"A part of the storm's workspace.\"\nreadme = false\nlicense = \"Apache-2.0\"\n", name, Version)
	for _, dep := range needs {
		fmt.Fprintf(&m, "\n[dependencies.%s]\nversion = %q\n", dep, Version)
		if p.ForFeed {
			fmt.Fprintf(&m, "registry-index = %q\n", feedIndex)
		}
	}
	source := "//! " + name + "\n"
	source += []string{"", "// packaged by another toolchain\n", "// somebody else's\n"}[p.By]
	made := Parcel{Name: name, Files: []string{"Cargo.toml", "src/lib.rs"}}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for i, content := range []string{m.String(), source} {
		h := &tar.Header{Name: name + "-" + Version + "/" + made.Files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1153704088, 0)}
		if err := w.WriteHeader(h); err != nil {
			return made, err
		}
		if _, err := w.Write([]byte(content)); err != nil {
			return made, err
		}
	}
	if err := w.Close(); err != nil {
		return made, err
	}
	if err := zip.Close(); err != nil {
		return made, err
	}
	sum := sha256.Sum256(out.Bytes())
	made.Bytes, made.Sum = out.Bytes(), hex.EncodeToString(sum[:])
	return made, nil
}

// Checkout is what the commit says in this scene.
func (s *Scene) Checkout(commit string) release.Checkout {
	c := release.Checkout{Tag: release.Tag{Name: TagName, Version: Version, Commit: commit, Annotated: s.Annotated}, Commit: commit, Toolchain: "cargo 1.95.0 (storm)",
		Changelog: release.Changelog{Path: "CHANGELOG.md", Section: "Calm weather.", Found: true}}
	for _, w := range workspace {
		c.Crates = append(c.Crates, release.Crate{Name: w.Name, Version: Version, Manifest: w.Name + "/Cargo.toml", Line: 3, Registries: s.Homes(w.Name), Needs: slices.Clone(w.Needs)})
	}
	if s.Feed != nil {
		c.Indexes = map[string]string{FeedName: feedIndex}
	}
	if s.Workflow {
		c.Workflow = release.Workflow{File: "release.yml", Dispatch: true}
	}
	return c
}

// Config is tagboat.toml in this scene.
func (s *Scene) Config() config.Config {
	c := config.Default()
	if s.Feed != nil {
		c.Registries[FeedName] = config.Registry{Index: feedIndex, Kind: "generic", Wait: "index"}
	}
	if s.Trusted {
		r := c.Registries[registry.CratesIO]
		r.Login = config.LoginTrusted
		r.NewCrates, r.NewVersions = config.Bucket{}, config.Bucket{}
		c.Registries[registry.CratesIO] = r
	}
	c.Release.Artifacts = s.Artifacts
	return c
}

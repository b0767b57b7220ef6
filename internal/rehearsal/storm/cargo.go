package storm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	version   = "0.4.0"
	tagName   = "v" + version
	branch    = "release/" + tagName
	feedName  = "feed"
	feedIndex = "sparse+https://feed.test/index/"
)

// workspace is the shape of Hyperlight (https://github.com/hyperlight-dev/hyperlight): what each crate needs, in
// publishing order.
var workspace = []struct {
	name  string
	needs []string
}{
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

// parcel is one packaged crate in memory.
type parcel struct {
	name  string
	bytes []byte
	sum   string // hex SHA-256
	files []string
}

// packing says which bytes a crate has: those for crates.io or those for a registry that manifests must name, and whose
// they are.
type packing struct {
	forFeed bool
	by      maker
}

// maker is who packages.
type maker int

const (
	asTagged    maker = iota
	laterOn           // the same commit, with another toolchain
	byAStranger       // another commit
	makers
)

// packAll makes every crate's bytes, for all packings.
func packAll() (map[packing]map[string]parcel, error) {
	all := map[packing]map[string]parcel{}
	for i := range 2 * makers {
		p := packing{forFeed: i%2 == 1, by: i / 2}
		all[p] = map[string]parcel{}
		for _, c := range workspace {
			made, err := packOne(c.name, c.needs, p)
			if err != nil {
				return nil, fmt.Errorf("make crate %s: %w", c.name, err)
			}
			all[p][c.name] = made
		}
	}
	return all, nil
}

func packOne(name string, needs []string, p packing) (parcel, error) {
	var m strings.Builder
	fmt.Fprintf(&m, "[package]\nedition = \"2021\"\nname = %q\nversion = %q\ndescription = \"A part of the storm's workspace.\"\nreadme = false\nlicense = \"Apache-2.0\"\n", name, version)
	for _, dep := range needs {
		fmt.Fprintf(&m, "\n[dependencies.%s]\nversion = %q\n", dep, version)
		if p.forFeed {
			fmt.Fprintf(&m, "registry-index = %q\n", feedIndex)
		}
	}
	source := "//! " + name + "\n"
	source += []string{"", "// packaged by another toolchain\n", "// somebody else's\n"}[p.by]
	made := parcel{name: name, files: []string{"Cargo.toml", "src/lib.rs"}}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for i, content := range []string{m.String(), source} {
		h := &tar.Header{Name: name + "-" + version + "/" + made.files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1153704088, 0)}
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
	made.bytes, made.sum = out.Bytes(), hex.EncodeToString(sum[:])
	return made, nil
}

// checkout is what the commit says in this scene.
func (s *scene) checkout(commit string) release.Checkout {
	c := release.Checkout{Tag: release.Tag{Name: tagName, Version: version, Commit: commit, Annotated: s.annotated}, Commit: commit, Toolchain: "cargo 1.95.0 (storm)",
		Changelog: release.Changelog{Path: "CHANGELOG.md", Section: "Calm weather.", Found: true}}
	for _, w := range workspace {
		c.Crates = append(c.Crates, release.Crate{Name: w.name, Version: version, Manifest: w.name + "/Cargo.toml", Line: 3, Registries: s.homes(w.name), Needs: slices.Clone(w.needs)})
	}
	if s.feed != nil {
		c.Indexes = map[string]string{feedName: feedIndex}
	}
	if s.workflow {
		c.Workflow = release.Workflow{File: "release.yml", Dispatch: true}
	}
	return c
}

// config is tagboat.toml in this scene.
func (s *scene) config() config.Config {
	c := config.Default()
	if s.feed != nil {
		c.Registries[feedName] = config.Registry{Index: feedIndex, Kind: "generic", Wait: "index"}
	}
	if s.trusted {
		r := c.Registries[registry.CratesIO]
		r.NewCrates, r.NewVersions = config.Bucket{}, config.Bucket{}
		c.Registries[registry.CratesIO] = r
	}
	c.Release.Artifacts = s.artifacts
	return c
}

// source stands for the repository and the build zone: a fixed checkout, and crates that were packaged beforehand.
type source struct {
	p *process
}

// Checkout takes the crates from the bill where the release holds them already, as the real source does.
// Checkout takes the crates from an authentic bill where there is one, as the real one does, which asks no cargo then.
func (s *source) Checkout(ctx context.Context, _ release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	t := s.p.trial
	c, cfg := t.scene.checkout(t.commit), t.scene.config()
	if sealed != nil {
		if bill := sealed(ctx, release.Checkout{Tag: c.Tag, Commit: c.Commit}, cfg); bill != nil {
			c.Sealed, c.Toolchain = true, ""
			c.Crates, c.Indexes = bill.Contents()
		}
	}
	return c, cfg, nil
}

// Package takes as long as a build and writes the crates where they were ordered.
func (s *source) Package(ctx context.Context, order observe.PackageOrder) (*pack.Result, error) {
	t := s.p.trial
	s.p.packages(order.Registry.Name)
	made := t.parcels(order.Registry.Name, s.p.maker)
	out := &pack.Result{Rustc: "rustc 1.95.0 (storm)", Cargo: "cargo 1.95.0 (storm)", Isolation: []string{"storm"}, Verified: true}
	for _, name := range order.Crates {
		if order.Progress != nil {
			order.Progress(name, "verify")
		}
		if err := sleep(ctx, 3*time.Second+time.Duration(t.dice(3000, "build", s.p.number, name))*time.Millisecond); err != nil {
			return nil, err
		}
		p := made[name]
		path := filepath.Join(order.Out, name+"-"+version+".crate")
		if err := os.WriteFile(path, p.bytes, 0o644); err != nil {
			return nil, err
		}
		out.Crates = append(out.Crates, pack.Crate{Name: name, Version: version, Path: path, SHA256: p.sum, Size: int64(len(p.bytes)), Files: p.files})
	}
	return out, nil
}

// Publish is never asked for: the storm's configuration leaves publishing to Tagboat.
func (s *source) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	return fmt.Errorf("cargo was asked to publish")
}

// sleep waits on the virtual clock.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package cratestore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
)

// Cache remembers what was read from .crate files, by their sha256. It keeps no file's bytes. The zero Cache is empty and
// ready; it must not be copied.
type Cache struct {
	mu     sync.Mutex
	crates map[[sha256.Size]byte]*archive
}

// archive is what a .crate says, or why a registry refuses it.
type archive struct {
	release *Release
	refused error
}

// Read returns what the .crate says, or crates.io's sentence of refusal. It is unpacked only the first time. sum is the
// sha256 of b.
func (c *Cache) Read(sum [sha256.Size]byte, b []byte) (*Release, error) {
	c.mu.Lock()
	a := c.crates[sum]
	c.mu.Unlock()
	if a != nil {
		return a.release, a.refused
	}
	a = readArchive(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crates == nil {
		c.crates = map[[sha256.Size]byte]*archive{}
	}
	c.crates[sum] = a
	return a.release, a.refused
}

// maxUnpacked is how much a .crate may unpack to on crates.io.
const maxUnpacked = 512 << 20

func readArchive(b []byte) *archive {
	if err := checkArchive(b); err != nil {
		return &archive{refused: err}
	}
	f, err := cratefile.Read(b, cratefile.Limits{Published: true}) // crates.io takes the README from the request
	if err != nil {
		return &archive{refused: fmt.Errorf("failed to parse `Cargo.toml` manifest file\n\n%w", err)}
	}
	return &archive{release: fromManifest(f.Manifest)}
}

var (
	errMalformed = errors.New("uploaded tarball is malformed or too large when decompressed")
	errManifest  = errors.New("uploaded tarball is missing a `Cargo.toml` manifest file")
)

// checkArchive makes crates.io's checks of the archive itself, with its sentences
// (https://github.com/rust-lang/crates.io/blob/main/crates/crates_io_tarball/src/lib.rs). That the first element of every
// path is the release's name and version is checked against the manifest later.
func checkArchive(b []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return errMalformed
	}
	limited := &io.LimitedReader{R: unzipped, N: maxUnpacked}
	entries := tar.NewReader(limited)
	root, manifests := "", 0
	for {
		h, err := entries.Next()
		if err == io.EOF && limited.N > 0 {
			break
		}
		if err != nil {
			return errMalformed
		}
		if root == "" {
			root, _, _ = strings.Cut(h.Name, "/")
		}
		inside, ok := strings.CutPrefix(h.Name, root+"/")
		if !ok || strings.Contains("/"+inside+"/", "/../") {
			return errors.New("invalid path found: " + h.Name)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			return errors.New("unexpected tar entry type " + entryType(h.Typeflag) + " found: " + h.Name)
		}
		if strings.EqualFold(inside, "Cargo.toml") {
			manifests++
		}
	}
	switch {
	case manifests == 0:
		return errManifest
	case manifests > 1:
		return errors.New("uploaded tarball contains more than one `Cargo.toml` manifest file")
	}
	return nil
}

func entryType(flag byte) string {
	switch flag {
	case tar.TypeSymlink:
		return "Symlink"
	case tar.TypeLink:
		return "Link"
	case tar.TypeFifo:
		return "Fifo"
	}
	return "Other"
}

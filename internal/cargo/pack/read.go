package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/zone"
)

// Bounds on what the zone may make us read. crates.io takes 10 MiB, packed.
const (
	maxCrate    = 1 << 30
	maxUnpacked = 8 << 30
	maxFiles    = 200_000
	maxLock     = 32 << 20
)

// collect takes the crates that cargo packaged out of the zone.
func collect(z *zone.Zone, target string, made []madeCrate, to string) ([]Crate, error) {
	var crates []Crate
	for _, m := range made {
		c, err := take(z, target, m, to)
		if err != nil {
			return nil, fmt.Errorf("take the package of %s %s out of the build zone: %w", m.name, m.version, err)
		}
		crates = append(crates, c)
	}
	return crates, nil
}

// take copies one .crate and reads its list of files from the copy.
func take(z *zone.Zone, target string, m madeCrate, to string) (Crate, error) {
	c := Crate{Name: m.name, Version: m.version}
	src, err := openMade(z, target, m)
	if err != nil {
		return c, err
	}
	defer src.Close()
	c.Path = filepath.Join(to, m.name+"-"+m.version+".crate")
	dst, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return c, err
	}
	defer dst.Close()
	hash := sha256.New()
	if c.Size, err = io.Copy(io.MultiWriter(dst, hash), io.LimitReader(src, maxCrate+1)); err != nil {
		return c, err
	}
	if c.Size > maxCrate {
		return c, fmt.Errorf("it has more than %d bytes", maxCrate)
	}
	c.SHA256 = hex.EncodeToString(hash.Sum(nil))
	if _, err := dst.Seek(0, io.SeekStart); err != nil {
		return c, err
	}
	if c.Files, err = list(dst, m.name+"-"+m.version+"/"); err != nil {
		return c, err
	}
	return c, dst.Close()
}

// openMade opens a .crate of a phase's target folder. Foreign programs could write there, so no link is followed out of
// it and nothing but a plain file is read.
func openMade(z *zone.Zone, target string, m madeCrate) (*os.File, error) {
	return openOut(z.Target(), filepath.Join(target, "package", m.name+"-"+m.version+".crate"))
}

func openOut(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file", name)
	}
	return root.Open(name)
}

// readOut reads a small file that foreign programs could write.
func readOut(dir, name string) ([]byte, error) {
	f, err := openOut(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err == nil && len(b) > maxLock {
		err = fmt.Errorf("%s has more than %d bytes", name, maxLock)
	}
	return b, err
}

// sumOf returns the sha256 and the size of a crate in a phase's target folder.
func sumOf(z *zone.Zone, target string, m madeCrate) (string, int64, error) {
	f, err := openMade(z, target, m)
	if err != nil {
		return "", 0, fmt.Errorf("read the package of %s %s: %w", m.name, m.version, err)
	}
	defer f.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(f, maxCrate+1))
	if err != nil {
		return "", 0, fmt.Errorf("read the package of %s %s: %w", m.name, m.version, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), n, nil
}

// list returns the names in a .crate without the leading folder.
func list(r io.Reader, prefix string) ([]string, error) {
	var names []string
	err := walk(r, prefix, func(name string, _ io.Reader) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

// changedFile returns the first file of a crate that is not in dir as the crate has it, "" when all are.
func changedFile(root *os.Root, dir string, c Crate) (string, error) {
	f, err := os.Open(c.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var changed string
	err = walk(f, c.Name+"-"+c.Version+"/", func(name string, want io.Reader) error {
		if changed != "" {
			return nil
		}
		got, err := root.Open(dir + "/" + name)
		if err != nil {
			changed = name
			return nil
		}
		defer got.Close()
		a, b := sha256.New(), sha256.New()
		if _, err := io.Copy(a, want); err != nil {
			return err
		}
		if info, err := got.Stat(); err != nil || !info.Mode().IsRegular() {
			changed = name
			return err
		}
		if _, err := io.Copy(b, io.LimitReader(got, maxUnpacked)); err != nil {
			return err
		}
		if !bytes.Equal(a.Sum(nil), b.Sum(nil)) {
			changed = name
		}
		return nil
	})
	return changed, err
}

// walk calls each for every entry of a .crate.
func walk(r io.Reader, prefix string, each func(name string, content io.Reader) error) error {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	tr := tar.NewReader(io.LimitReader(zr, maxUnpacked))
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(h.Name, prefix)
		if !ok {
			return fmt.Errorf("it holds %q, which is not below %s", h.Name, prefix)
		}
		if n >= maxFiles {
			return fmt.Errorf("it holds more than %d files", maxFiles)
		}
		if err := each(name, tr); err != nil {
			return err
		}
	}
}

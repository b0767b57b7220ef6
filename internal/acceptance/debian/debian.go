// Package debian makes real crates for tests, out of Debian's packages of unpacked crates: the manifests, sources and
// dependencies that people really publish, without a network but Debian's.
package debian

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Cache returns the folder below the user's cache in which tests keep what takes long to make.
func Cache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "tagboat-e2e", "debian-crates")
	return dir, os.MkdirAll(dir, 0o755)
}

// Crates returns a folder with a .crate file for every crate that a Debian package (librust-reqwest-dev) needs, and one
// with the same crates unpacked, as Debian has them. Both are kept below Cache and made once. It needs apt-get and dpkg.
func Crates(ctx context.Context, root string) (packed, unpacked string, err error) {
	cache, err := Cache()
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(cache, root)
	packed, unpacked = filepath.Join(dir, "crates"), filepath.Join(dir, "tree", "usr", "share", "cargo", "registry")
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return packed, unpacked, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(packed, 0o755); err != nil {
		return "", "", err
	}
	if err := fetch(ctx, root, dir); err != nil {
		return "", "", fmt.Errorf("get the crates of %s from Debian: %w", root, err)
	}
	entries, err := os.ReadDir(unpacked)
	if err != nil {
		return "", "", err
	}
	for _, e := range entries {
		if err := pack(filepath.Join(unpacked, e.Name()), filepath.Join(packed, e.Name()+".crate")); err != nil {
			return "", "", fmt.Errorf("pack %s: %w", e.Name(), err)
		}
	}
	return packed, unpacked, os.WriteFile(filepath.Join(dir, "done"), nil, 0o644)
}

var installed = regexp.MustCompile(`(?m)^Inst (librust-[a-z0-9.+-]+)`)

// fetch downloads and unpacks a package and all crates that it needs.
func fetch(ctx context.Context, root, dir string) error {
	debs := filepath.Join(dir, "debs")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	run := func(name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = debs, append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%s %s: %w\n%s", name, args[0], err, exit.Stderr)
		}
		return out, err
	}
	out, err := run("apt-get", "install", "--simulate", "--no-install-recommends", root)
	if err != nil {
		return err
	}
	args := []string{"download"}
	for _, m := range installed.FindAllSubmatch(out, -1) {
		args = append(args, string(m[1]))
	}
	if len(args) == 1 {
		return fmt.Errorf("apt-get would install nothing for %s: are its lists there, and is the package not installed yet?", root)
	}
	if _, err := run("apt-get", args...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := run("dpkg-deb", "--extract", f, filepath.Join(dir, "tree")); err != nil {
			return err
		}
	}
	return nil
}

// pack makes a .crate of an unpacked crate, as deterministic as cargo's: names sorted, no times.
func pack(dir, to string) error {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != ".cargo-checksum.json" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	zip := gzip.NewWriter(f)
	archive := tar.NewWriter(zip)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, filepath.Dir(dir)+string(filepath.Separator))
		if err := archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.Copy(archive, strings.NewReader(string(text))); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close(), f.Close())
}

package outside

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Dist is the folder of a server of Rust's releases that has one toolchain, an installed one packed as Rust's own server
// has it, by the manifest that this gave for it. In that, the addresses and checksums of what was packed anew are changed.
//
// https://forge.rust-lang.org/infra/channel-layout.html
type Dist struct {
	Dir    string
	Triple string // the host of the toolchain

	sysroot string
	sums    map[string]string // of the components
}

var components = []string{"cargo", "rustc", "rust-std"}

// NewDist packs the toolchain at sysroot, which rustup has installed, into an existing empty folder.
func NewDist(sysroot, dir string) (*Dist, error) {
	lists, err := filepath.Glob(filepath.Join(sysroot, "lib/rustlib/manifest-rustc-*"))
	if err != nil || len(lists) != 1 {
		return nil, fmt.Errorf("pack the toolchain at %s: rustup has installed %d of rustc there (%v)", sysroot, len(lists), err)
	}
	_, triple, _ := strings.Cut(filepath.Base(lists[0]), "manifest-rustc-")
	d := &Dist{Dir: dir, Triple: triple, sysroot: sysroot, sums: map[string]string{}}
	for _, name := range components {
		if d.sums[name], err = d.pack(name); err != nil {
			return nil, fmt.Errorf("pack %s of the toolchain at %s: %w", name, sysroot, err)
		}
	}
	return d, nil
}

func (d *Dist) file(name string) string { return name + "-" + d.Triple + ".tar.gz" }

// pack makes the archive of a component from the list of its files that rustup keeps.
func (d *Dist) pack(name string) (sum string, err error) {
	list, err := os.ReadFile(filepath.Join(d.sysroot, "lib/rustlib", "manifest-"+name+"-"+d.Triple))
	if err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(d.Dir, d.file(name)))
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, hash), 1<<20)
	zw, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return "", err
	}
	tw := tar.NewWriter(zw)
	top := name + "-" + d.Triple
	for _, text := range [][2]string{{"rust-installer-version", "3\n"}, {"components", top + "\n"}, {top + "/manifest.in", string(list)}} {
		if err := add(tw, top+"/"+text[0], 0o644, int64(len(text[1])), strings.NewReader(text[1])); err != nil {
			return "", err
		}
	}
	for line := range strings.Lines(string(list)) {
		path, isFile := strings.CutPrefix(strings.TrimSpace(line), "file:")
		if !isFile {
			return "", fmt.Errorf("its list of files has a line %q", line)
		}
		if err := addFile(tw, top+"/"+top+"/"+path, filepath.Join(d.sysroot, path)); err != nil {
			return "", err
		}
	}
	err = errors.Join(tw.Close(), zw.Close(), out.Flush())
	return hex.EncodeToString(hash.Sum(nil)), err
}

func addFile(tw *tar.Writer, name, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	return add(tw, name, int64(info.Mode().Perm()), info.Size(), src)
}

func add(tw *tar.Writer, name string, mode, size int64, content io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(tw, content)
	return err
}

// Offer lets the server, which is reached at url, have the toolchain as a version ("1.95.0") or as that of a day
// ("nightly-2026-01-31").
func (d *Dist) Offer(channel, url string) error {
	manifest, err := os.ReadFile(filepath.Join(d.sysroot, "lib/rustlib/multirust-channel-manifest.toml"))
	if err != nil {
		return err
	}
	text := string(manifest)
	for _, name := range components {
		section := regexp.MustCompile(`(?ms)^\[pkg\.` + name + `\.target\.` + d.Triple + `\]\n.*?(?:\n\n|\z)`)
		if !section.MatchString(text) {
			return fmt.Errorf("offer toolchain %s: its manifest has no %s", channel, name)
		}
		text = section.ReplaceAllString(text, fmt.Sprintf("[pkg.%s.target.%s]\navailable = true\nurl = %q\nhash = %q\n\n", name, d.Triple, url+"/"+d.file(name), d.sums[name]))
	}
	dir, file := filepath.Join(d.Dir, "dist"), "channel-rust-"+channel+".toml"
	if kind, day, ok := strings.Cut(channel, "-"); ok {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return fmt.Errorf("offer toolchain %s: %w", channel, err)
		}
		dir, file = filepath.Join(dir, day), "channel-rust-"+kind+".toml"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	return errors.Join(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644), os.WriteFile(filepath.Join(dir, file+".sha256"), []byte(hex.EncodeToString(sum[:])+"  "+file+"\n"), 0o644))
}

package handover_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// crate is a .crate of that name, with what .cargo_vcs_info.json says; "" leaves that out.
func crate(t *testing.T, name, vcs string) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	files := [][2]string{{"Cargo.toml", "[package]\nname = \"" + name + "\"\nversion = \"1.0.0\"\nreadme = false\n"}, {"src/lib.rs", "//! " + name}}
	if vcs != "" {
		files = append(files, [2]string{".cargo_vcs_info.json", vcs})
	}
	for _, f := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name + "-1.0.0/" + f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const clean = `{"git": {"sha1": "` + commit + `"}, "path_in_vcs": ""}`

// document names files by their bytes.
func document(files map[string][]byte) handover.Document {
	d := handover.Document{Schema: handover.Schema, Tag: "v1.0.0", Commit: commit, Cargo: "cargo 1.95.0", Isolation: []string{}}
	for asset, b := range files {
		sum := sha256.Sum256(b)
		name, _, _ := strings.Cut(asset, "-1")
		d.Crates = append(d.Crates, release.BillCrate{Name: name, Version: "1.0.0", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b)), Asset: asset, Registries: []release.BillRegistry{{Name: "crates-io"}}})
	}
	return d
}

// fill makes a folder.
func fill(t *testing.T, d handover.Document, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, handover.Name, text)
	for name, b := range files {
		write(t, dir, name, b)
	}
	return dir
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What was written can be read; what was read is a copy, which no later change of the folder reaches.
func TestOpen(t *testing.T) {
	files := map[string][]byte{"one-1.0.0.crate": crate(t, "one", clean)}
	dir := fill(t, document(files), files)
	f, err := handover.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "one-1.0.0.crate", []byte("changed since"))
	c := f.Crate("one", "crates-io")
	if c == nil || f.Crate("one", "feed") != nil || f.Crate("two", "crates-io") != nil {
		t.Fatalf("got %+v", c)
	}
	read, path := f.File(c.Asset)
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, files["one-1.0.0.crate"]) || read.Name != "one" || read.SHA256 != c.SHA256 {
		t.Errorf("got %d bytes of %s, %v", len(got), read.Name, err)
	}
}

// Whatever else than a handover lies in a folder, nothing of it is taken.
func TestOpenRefuses(t *testing.T) {
	type folder struct {
		d     handover.Document
		files map[string][]byte
	}
	good := func() folder {
		files := map[string][]byte{"one-1.0.0.crate": crate(t, "one", clean), "two-1.0.0.crate": crate(t, "two", clean)}
		return folder{document(files), files}
	}
	with := func(asset string, b []byte) func(*folder) {
		return func(f *folder) { f.files[asset] = b; f.d = document(f.files) }
	}
	for name, c := range map[string]struct {
		change func(*folder)
		touch  func(dir string) error
		want   string
	}{
		"noDocument":   {nil, func(dir string) error { return os.Remove(filepath.Join(dir, handover.Name)) }, "it has no packages.json"},
		"notJSON":      {nil, func(dir string) error { return os.WriteFile(filepath.Join(dir, handover.Name), []byte("{"), 0o644) }, "packages.json: unexpected end"},
		"hugeDocument": {nil, func(dir string) error { return os.Truncate(filepath.Join(dir, handover.Name), 17<<20) }, "more than"},
		"otherSchema":  {func(f *folder) { f.d.Schema = "tagboat.packages/v2" }, nil, "has schema"},
		"missing":      {func(f *folder) { delete(f.files, "two-1.0.0.crate") }, nil, "two-1.0.0.crate is missing"},
		"extra":        {func(f *folder) { f.files["x"] = nil }, nil, "x is there"},
		"hidden":       {func(f *folder) { f.files[".x"] = nil }, nil, ".x is there"},
		"folder":       {nil, func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o755) }, "no plain file"},
		"link":         {nil, func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "link")) }, "no plain file"},
		"documentLink": {nil, func(dir string) error {
			name := filepath.Join(dir, handover.Name)
			if err := os.Rename(name, name+".moved"); err != nil {
				return err
			}
			return os.Symlink(name+".moved", name)
		}, "no plain file"},
		"climbing":    {func(f *folder) { f.d.Crates[0].Asset = "../one-1.0.0.crate" }, nil, "no asset can have"},
		"absolute":    {func(f *folder) { f.d.Crates[0].Asset = "/tmp/one-1.0.0.crate" }, nil, "no asset can have"},
		"twice":       {func(f *folder) { f.d.Crates[0].Asset = f.d.Crates[1].Asset }, nil, "twice"},
		"itself":      {func(f *folder) { f.d.Crates[0].Asset = handover.Name }, nil, "no crate's"},
		"oddName":     {func(f *folder) { f.d.Crates[0].Name = "a b" }, nil, "names a crate"},
		"oddSum":      {func(f *folder) { f.d.Crates[0].SHA256 = "x" }, nil, "has sha256"},
		"negative":    {func(f *folder) { f.d.Crates[0].Size = -1 }, nil, "has sha256"},
		"large":       {func(f *folder) { f.d.Crates[0].Size = 1 << 40 }, nil, "more than"},
		"homeless":    {func(f *folder) { f.d.Crates[0].Registries = nil }, nil, "names no registry"},
		"longText":    {func(f *folder) { f.d.Cargo = strings.Repeat("x", 1000) }, nil, "a line of 1000"},
		"longer":      {func(f *folder) { f.files["one-1.0.0.crate"] = append(f.files["one-1.0.0.crate"], 0) }, nil, "its bytes are not those"},
		"swapped":     {func(f *folder) { f.files["one-1.0.0.crate"] = f.files["two-1.0.0.crate"] }, nil, "its bytes are not those"},
		"noArchive":   {with("one-1.0.0.crate", []byte("plain text")), nil, "it is no crate"},
		"otherCrate":  {with("one-1.0.0.crate", crate(t, "three", clean)), nil, "it is three 1.0.0, and packages.json says one 1.0.0"},
		"noOrigin":    {with("one-1.0.0.crate", crate(t, "one", "")), nil, "does not say from which commit"},
		"otherOrigin": {with("one-1.0.0.crate", crate(t, "one", strings.Replace(clean, "0123", "3210", 1))), nil, "it was packaged from commit 3210"},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			if c.change != nil {
				c.change(&f)
			}
			dir := fill(t, f.d, f.files)
			if c.touch != nil {
				if err := c.touch(dir); err != nil {
					t.Fatal(err)
				}
			}
			_, err := handover.Open(dir, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.ExitCode(err) != problem.ExitStopped {
				t.Errorf("got %v, want a stop that says %q", err, c.want)
			}
		})
	}
	many := t.TempDir()
	for i := range 4001 {
		write(t, many, fmt.Sprint(i), nil)
	}
	for dir, want := range map[string]string{many: "more than 4000 files", filepath.Join(many, "0"): "there are no packages", filepath.Join(many, "absent"): "there are no packages"} {
		if _, err := handover.Open(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

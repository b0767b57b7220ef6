package cratefile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is one tar entry; a zero Type is a regular file.
type entry struct {
	name, body string
	header     tar.Header
}

func file(name, body string) entry { return entry{name: name, body: body} }

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		h := e.header
		h.Name, h.Size = e.name, int64(len(e.body))
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{w, zipped} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

const (
	manifest = "[package]\nname = \"demo\"\nversion = \"1.0.0\"\nreadme = false\n"
	lib      = "demo-1.0.0/src/lib.rs"
	tomlPath = "demo-1.0.0/Cargo.toml"
)

func TestRead(t *testing.T) {
	b := pack(t,
		file("demo-1.0.0/.cargo_vcs_info.json", `{"git":{"sha1":"abc","dirty":true},"path_in_vcs":"crates/demo"}`),
		file("demo-1.0.0/A-README.md", "read me"),
		file(tomlPath, strings.Replace(manifest, "false", `"A-README.md"`, 1)),
		entry{name: "demo-1.0.0/src/", header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}},
		file(lib, "//! demo"),
	)
	path := filepath.Join(t.TempDir(), "demo-1.0.0.crate")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if f.Name != "demo" || f.Version != "1.0.0" || f.Size != int64(len(b)) || f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("got %s %s, %d bytes, %s", f.Name, f.Version, f.Size, f.SHA256)
	}
	if diff := cmp.Diff([]string{".cargo_vcs_info.json", "A-README.md", "Cargo.toml", "src/lib.rs"}, f.Files); diff != "" {
		t.Errorf("files: %s", diff)
	}
	if diff := cmp.Diff(&VCS{SHA1: "abc", Dirty: true, Path: "crates/demo"}, f.VCS); diff != "" {
		t.Errorf("vcs: %s", diff)
	}
	if string(f.readme) != "read me" {
		t.Errorf("readme is %q", f.readme)
	}
	src, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if again, err := io.ReadAll(src); err != nil || !bytes.Equal(again, b) {
		t.Errorf("Open gave %d bytes, %v", len(again), err)
	}
}

// Cargo before 1.95 left the end of a longer, older archive behind a shorter one. Such crates are in registries; what
// follows the gzip stream is part of the checksum and of nothing else.
// TestEach holds that every file comes with its content, and that an archive that changed since it was read is noticed.
func TestEach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo-1.0.0.crate")
	write := func(content string) {
		if err := os.WriteFile(path, pack(t, file(tomlPath, manifest), file(lib, content)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("//! demo")
	f, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	each := func(name string, size int64, content io.Reader) error {
		text, err := io.ReadAll(content)
		if int64(len(text)) != size {
			t.Errorf("%s: %d bytes, want %d", name, len(text), size)
		}
		if name == "src/lib.rs" {
			got = append(got, string(text))
		}
		return err
	}
	if err := f.Each(each); err != nil || len(got) != 1 || got[0] != "//! demo" {
		t.Errorf("got %q, %v", got, err)
	}
	write("//! other")
	if err := f.Each(each); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a changed file: %v", err)
	}
}

func TestReadHashesWhatFollowsTheArchive(t *testing.T) {
	b := append(pack(t, file(tomlPath, manifest)), "left over"...)
	f, err := Read(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); f.SHA256 != hex.EncodeToString(sum[:]) || f.Size != int64(len(b)) {
		t.Errorf("got %d bytes, %s", f.Size, f.SHA256)
	}
}

func TestReadRefuses(t *testing.T) {
	ok := file(tomlPath, manifest)
	special := func(name string, h tar.Header) entry { return entry{name: name, header: h} }
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"notGzip":       {[]byte("plain text"), "gzip"},
		"empty":         {nil, "EOF"},
		"cutShort":      {pack(t, ok, file(lib, strings.Repeat("x", 5000)))[:90], "unexpected EOF"},
		"noManifest":    {pack(t, file(lib, "")), "no Cargo.toml"},
		"nested":        {pack(t, file("demo-1.0.0/sub/Cargo.toml", manifest)), "no Cargo.toml"},
		"symlink":       {pack(t, ok, special("demo-1.0.0/l", tar.Header{Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})), "neither a file"},
		"hardlink":      {pack(t, ok, special("demo-1.0.0/l", tar.Header{Typeflag: tar.TypeLink, Linkname: tomlPath})), "neither a file"},
		"fifo":          {pack(t, ok, special("demo-1.0.0/l", tar.Header{Typeflag: tar.TypeFifo})), "neither a file"},
		"device":        {pack(t, ok, special("demo-1.0.0/l", tar.Header{Typeflag: tar.TypeChar})), "neither a file"},
		"globalHeader":  {pack(t, special("", tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}), ok), "neither a file"},
		"traversal":     {pack(t, ok, file("demo-1.0.0/../../etc/passwd", "")), "clean relative path"},
		"dotdotFirst":   {pack(t, ok, file("../x", "")), "clean relative path"},
		"absolute":      {pack(t, ok, file("/demo-1.0.0/x", "")), "clean relative path"},
		"dot":           {pack(t, ok, file("./demo-1.0.0/x", "")), "clean relative path"},
		"twoSlashes":    {pack(t, ok, file("demo-1.0.0//x", "")), "clean relative path"},
		"backslash":     {pack(t, ok, file(`demo-1.0.0/a\..\b`, "")), "backslash"},
		"notUTF8":       {pack(t, ok, file("demo-1.0.0/\xff", "")), "UTF-8"},
		"otherRoot":     {pack(t, ok, file("evil-1.0.0/x", "")), "not below demo-1.0.0/"},
		"prefixRoot":    {pack(t, ok, file("demo-1.0.0-x/y", "")), "not below demo-1.0.0/"},
		"fileAsRoot":    {pack(t, file("demo-1.0.0", "x")), "not below"},
		"twice":         {pack(t, ok, file(lib, "a"), file(lib, "b")), "occurs twice"},
		"fileAndDir":    {pack(t, ok, file("demo-1.0.0/x", "a"), special("demo-1.0.0/x/", tar.Header{Typeflag: tar.TypeDir})), "occurs twice"},
		"twoManifests":  {pack(t, ok, file("demo-1.0.0/cargo.toml", manifest)), "taken for the manifest"},
		"otherName":     {pack(t, file(tomlPath, strings.Replace(manifest, "demo", "other", 1))), `"other-1.0.0"`},
		"otherVersion":  {pack(t, file(tomlPath, strings.Replace(manifest, "1.0.0", "1.0.1", 1))), `"demo-1.0.1"`},
		"badName":       {pack(t, file("../-1.0.0/Cargo.toml", manifest)), "clean relative path"},
		"badToml":       {pack(t, file(tomlPath, "[package")), "Cargo.toml"},
		"noPackage":     {pack(t, file(tomlPath, "[workspace]\n")), "no [package]"},
		"inherited":     {pack(t, file(tomlPath, "[package]\nname = \"demo\"\nversion.workspace = true\n")), "Cargo.toml"},
		"pathDep":       {pack(t, file(tomlPath, manifest+"[dependencies]\nx = { path = \"../x\", version = \"1\" }\n")), "not made by cargo"},
		"badReq":        {pack(t, file(tomlPath, manifest+"[dependencies]\nx = \"banana\"\n")), `dependency "x"`},
		"badTarget":     {pack(t, file(tomlPath, manifest+"[target.'cfg(unix'.dependencies]\nx = \"1\"\n")), "target"},
		"readmeAbsent":  {pack(t, file(tomlPath, strings.Replace(manifest, "false", `"R.md"`, 1))), `"R.md" is not in the archive`},
		"readmeBinary":  {pack(t, file(tomlPath, strings.Replace(manifest, "false", `"R.md"`, 1)), file("demo-1.0.0/R.md", "\xff")), "not UTF-8"},
		"licenseAbsent": {pack(t, file(tomlPath, manifest+"license-file = \"L\"\n")), `"L" is not in the archive`},
		"badVCS":        {pack(t, ok, file("demo-1.0.0/.cargo_vcs_info.json", "{")), ".cargo_vcs_info.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(c.archive, Limits{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestReadLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	b := pack(t, file(tomlPath, manifest), file(lib, zeros))
	for name, c := range map[string]struct {
		limits Limits
		want   string
	}{
		"bomb":       {Limits{Unpacked: 1 << 20}, "unpacked size: more than 1048576 bytes"},
		"compressed": {Limits{Compressed: 100}, "compressed size: more than 100 bytes"},
		"entries":    {Limits{Entries: 1}, "more than 1 entries"},
		"manifest":   {Limits{Manifest: 10}, "size of Cargo.toml: more than 10 bytes"},
		"exact":      {Limits{Compressed: int64(len(b)), Entries: 2, Manifest: int64(len(manifest))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(b, c.limits)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	text := strings.Replace(manifest, "readme = false", `description = "a \u2028 \u0000 \u001f \b\f\t < & >"`, 1) + `
[dependencies]
b = { version = "1", registry-index = "sparse+https://feed.example/index/" }
a = { version = ">= 1 , < 2", package = "real", optional = true, default-features = false, features = ["y", "x"] }
[dev_dependencies]
old = "*"
[target."cfg( any( unix,  ) )".dependencies]
c = "=1.2"
`
	f, err := Read(pack(t, file(tomlPath, text), file("demo-1.0.0/README", "R")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	const (
		a = `{"optional":true,"default_features":false,"name":"real","features":["y","x"],"version_req":">=1, <2","target":null,"kind":"normal"`
		b = `{"optional":false,"default_features":true,"name":"b","features":[],"version_req":"^1","target":null,"kind":"normal"`
		d = `{"optional":false,"default_features":true,"name":"old","features":[],"version_req":"*","target":null,"kind":"dev"`
		c = `{"optional":false,"default_features":true,"name":"c","features":[],"version_req":"=1.2","target":"cfg(any(unix))","kind":"normal"`

		alias   = `,"explicit_name_in_toml":"a"}`
		feed    = `,"registry":"sparse+https://feed.example/index/"`
		crates  = `,"registry":"https://github.com/rust-lang/crates.io-index"`
		head    = `{"name":"demo","vers":"1.0.0","deps":[`
		tail    = `],"features":{},"authors":[],"description":"a ` + "\u2028" + ` \u0000 \u001f \b\f\t < & >","documentation":null,"homepage":null,"readme":"R","readme_file":"README","keywords":[],"categories":[],"license":null,"license_file":null,"repository":null,"badges":{},"links":null,"rust_version":null}`
		feedURL = "sparse+https://feed.example/index"
	)
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"cratesIO": {Target{}, head + a + alias + "," + b + feed + "}," + d + "}," + c + "}" + tail},
		"feed":     {Target{Index: feedURL}, head + a + crates + alias + "," + b + "}," + d + crates + "}," + c + crates + "}" + tail},
		"mirror":   {Target{Index: feedURL, Mirror: true}, head + a + alias + "," + b + "}," + d + "}," + c + "}" + tail},
		"of feed":  {Target{Index: "sparse+https://copy.example/index/", Mirror: true, MirrorOf: feedURL}, head + a + crates + alias + "," + b + "}," + d + crates + "}," + c + crates + "}" + tail},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := f.Metadata(c.target)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
	if foreign := f.Manifest.Foreign(Target{}); len(foreign) != 1 || foreign[0].Package != "b" {
		t.Errorf("Foreign gave %v", foreign)
	}
}

func TestSameIndex(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", CratesIOIndex, true},
		{"", "https://github.com/Rust-Lang/crates.io-index.git/", true},
		{"sparse+https://a.example/x", "sparse+https://a.example/x/", true},
		{"sparse+https://a.example/x//", "sparse+https://a.example/x/", false},
		{"sparse+https://a.example/X/", "sparse+https://a.example/x/", false},
		{"sparse+https://a.example/", "https://a.example/", false},
		{"", "sparse+https://index.crates.io/", false},
	} {
		if got := SameIndex(c.a, c.b); got != c.want {
			t.Errorf("SameIndex(%q, %q) = %t, want %t", c.a, c.b, got, c.want)
		}
	}
}

func TestCanonicalPlatform(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"x86_64-pc-windows-msvc", "x86_64-pc-windows-msvc"},
		{"thumbv7em-none-eabi.json", "thumbv7em-none-eabi.json"},
		{"cfg(unix)", "cfg(unix)"},
		{"cfg(  unix  )", "cfg(unix)"},
		{`cfg(all(unix,not(target_os="linux"),))`, `cfg(all(unix, not(target_os = "linux")))`},
		{`cfg(any())`, "cfg(any())"},
		{`cfg(feature = "a b\")`, `cfg(feature = "a b\")`},
		{`cfg(r#all)`, "cfg(r#all)"},
		{`cfg(r#true)`, "cfg(true)"},
		{`cfg(not(false))`, "cfg(not(false))"},
		{`cfg(r#false = "x")`, `cfg(r#false = "x")`},
		{`cfg(r = "x")`, `cfg(r = "x")`},
		{`cfg(target_os = "")`, `cfg(target_os = "")`},
	} {
		if got, err := canonicalPlatform(c.in); err != nil || got != c.want {
			t.Errorf("canonicalPlatform(%q) = %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{
		"cfg()", "cfg(all)", "cfg(all(unix)", "cfg(not())", "cfg(not(a, b))", "cfg(a b)", `cfg(a = b)`, `cfg(a = "b)`, "cfg(a,)",
		"cfg(1a)", "cfg(a\tb)", "cfg(\nunix)", "cfg(r#)", "cfg(r#1)", "cfg (unix)", "a b", "a/b", "cfg(" + strings.Repeat("not(", 500) + "a" + strings.Repeat(")", 501),
	} {
		if got, err := canonicalPlatform(in); err == nil {
			t.Errorf("canonicalPlatform(%.40q) = %q, want an error", in, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pack(f, file(tomlPath, manifest), file(lib, "x")))
	f.Add(pack(f, file(tomlPath, manifest+"[dependencies]\nx = { version = \"1\", features = [1] }\n")))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(b, Limits{Unpacked: 1 << 20, Entries: 100})
		if err != nil {
			return
		}
		meta, err := c.Metadata(Target{})
		if err != nil || !json.Valid(meta) {
			t.Errorf("metadata %q, %v", meta, err)
		}
		for _, name := range c.Files {
			if !filepath.IsLocal(name) {
				t.Errorf("file %q leaves the crate", name)
			}
		}
	})
}

// The archive is fuzzed without its compression, because random bytes seldom make a gzip stream. The corpus has archives
// that would leave their folder, links, devices, and sizes that are not true.
func FuzzArchive(f *testing.F) {
	f.Add(unzip(f, pack(f, file(tomlPath, manifest), file(lib, "x"))))
	f.Fuzz(func(t *testing.T, archive []byte) {
		var b bytes.Buffer
		zipped := gzip.NewWriter(&b)
		if _, err := zipped.Write(archive); err != nil || zipped.Close() != nil {
			t.Fatal(err)
		}
		limits := Limits{Unpacked: 1 << 20, Entries: 100, Manifest: 1 << 16, Readme: 1 << 16}
		c, err := Read(b.Bytes(), limits)
		if err != nil {
			return
		}
		if len(c.Files) > limits.Entries || len(c.readme) > int(limits.Readme) {
			t.Errorf("%d files, a README of %d bytes", len(c.Files), len(c.readme))
		}
		for _, name := range c.Files {
			if !filepath.IsLocal(name) || strings.Contains(name, `\`) {
				t.Errorf("file %q leaves the crate", name)
			}
		}
		if meta, err := c.Metadata(Target{}); err != nil || !json.Valid(meta) {
			t.Errorf("metadata %q, %v", meta, err)
		}
	})
}

func unzip(t testing.TB, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The manifest is fuzzed on its own, because random bytes seldom make an archive.
func FuzzManifest(f *testing.F) {
	f.Add(manifest + "[target.'cfg(any(unix))'.dependencies]\nx = { version = \"1\", package = \"y\", artifact = \"bin\" }\n[badges]\na = { b = \"c\" }\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseManifest([]byte(text), nil)
		if err != nil {
			return
		}
		if meta, err := (&File{Manifest: m}).Metadata(Target{}); err != nil || !json.Valid(meta) {
			t.Errorf("metadata %q, %v", meta, err)
		}
	})
}

func FuzzPlatform(f *testing.F) {
	f.Add(`cfg(all(unix, not(target_os = "linux")))`)
	f.Add("x86_64-apple-darwin")
	f.Fuzz(func(t *testing.T, key string) {
		once, err := canonicalPlatform(key)
		if err != nil {
			return
		}
		if twice, err := canonicalPlatform(once); err != nil || twice != once {
			t.Errorf("%q prints as %q, and that as %q, %v", key, once, twice, err)
		}
	})
}

// What an old cargo left out of an archive that it published counts as none; what is there under another spelling of the
// path is read.
func TestReadPublished(t *testing.T) {
	for name, c := range map[string]struct{ lines, want string }{
		"absent":  {"readme = \"../README.md\"\nlicense-file = \"../LICENSE\"\n", `"readme":null,"readme_file":null`},
		"cleaned": {"readme = \"./R.md\"\n", `"readme":"R","readme_file":"R.md"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := pack(t, file("demo-1.0.0/Cargo.toml", "[package]\nname = \"demo\"\nversion = \"1.0.0\"\n"+c.lines), file("demo-1.0.0/R.md", "R"))
			if _, err := Read(b, Limits{}); err == nil {
				t.Error("taken as fresh")
			}
			f, err := Read(b, Limits{Published: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Metadata(Target{})
			if err != nil || !strings.Contains(string(got), c.want) {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
}

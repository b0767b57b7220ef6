package cratestore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The same release as crates.io writes it and as others do.
func TestLines(t *testing.T) {
	described := "a b"
	r := &Release{
		Name: "demo", Version: "1.0.0", RustVersion: &described,
		Deps: []Dependency{{Name: "zed", Req: "^1", Kind: "dev"}, {Name: "zed", Req: "^1"}, {Name: "real", Req: "^2", Explicit: &described}},
		Features: map[string][]string{
			"plain": nil, "new": {"dep:zed"}, "enables-new": {"new"}, "weak": {"zed?/std"},
		},
	}
	for _, c := range []struct {
		line Line
		want string
	}{
		{r.Line("00"), `{"name":"demo","vers":"1.0.0","deps":[` +
			`{"name":"zed","req":"^1","features":[],"optional":false,"default_features":false,"target":null,"kind":"dev"},` +
			`{"name":"zed","req":"^1","features":[],"optional":false,"default_features":false,"target":null,"kind":"normal"},` +
			`{"name":"a b","req":"^2","features":[],"optional":false,"default_features":false,"target":null,"kind":"normal","package":"real"}],` +
			`"cksum":"00","features":{"enables-new":["new"],"new":["dep:zed"],"plain":null,"weak":["zed?/std"]},"yanked":false}`},
		{r.CratesIOLine("00", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)), `{"name":"demo","vers":"1.0.0","deps":[` +
			`{"name":"a b","req":"^2","features":[],"optional":false,"default_features":false,"target":null,"kind":"normal","package":"real"},` +
			`{"name":"zed","req":"^1","features":[],"optional":false,"default_features":false,"target":null,"kind":"normal"},` +
			`{"name":"zed","req":"^1","features":[],"optional":false,"default_features":false,"target":null,"kind":"dev"}],` +
			`"cksum":"00","features":{"plain":[]},"features2":{"enables-new":["new"],"new":["dep:zed"],"weak":["zed?/std"]},` +
			`"yanked":false,"rust_version":"a b","pubtime":"2026-01-02T03:04:05Z","v":2}`},
	} {
		got, err := c.line.Encode()
		if err != nil || string(got) != c.want+"\n" {
			t.Errorf("got  %s\nwant %s\n%v", got, c.want, err)
		}
	}
}

func TestCrateOfFile(t *testing.T) {
	for file, want := range map[string]string{
		"demo-1.0.0.crate": "demo", "core-2-0.9.0-rc.1.crate": "core-2", "a-1.0.0+b-2.0.0.crate": "a",
		"demo-1.0.0.tar": "", "demo.crate": "", "-1.0.0.crate": "", "demo-1.crate": "",
	} {
		if got, ok := crateOfFile(file); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t", file, got, ok)
		}
	}
}

// crateOf makes a .crate that holds a manifest and nothing else.
func crateOf(t *testing.T, manifest string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range map[string]string{"demo-1.0.0/Cargo.toml": manifest, "demo-1.0.0/src/lib.rs": ""} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A cache says the same of the same file again, and of one that is no crate.
func TestCache(t *testing.T) {
	var c Cache
	b := crateOf(t, "[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\n")
	sum := sha256.Sum256(b)
	first, err := c.Read(sum, b)
	if err != nil || first.Name != "demo" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if again, err := c.Read(sum, nil); again != first || err != nil {
		t.Errorf("again: %p, want %p, %v", again, first, err)
	}
	if err := first.Check(); err == nil || !strings.HasPrefix(err.Error(), "missing or empty metadata fields: description, license.") {
		t.Errorf("check: %v", err)
	}
	if r, err := c.Read(sha256.Sum256(nil), nil); r != nil || err != errMalformed {
		t.Errorf("no archive: %+v, %v", r, err)
	}
}

// What a folder and a remote index both have comes from the folder; downloads are found by the index's template.
func TestStore(t *testing.T) {
	b := crateOf(t, "[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\n")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "demo-1.0.0.crate"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	far := sha256.Sum256([]byte("far"))
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/config.json", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"dl":"`+server.URL+`/dl/{prefix}/{crate}-{version}-{sha256-checksum}"}`)
	})
	mux.HandleFunc("/de/mo/demo", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"name":"demo","vers":"1.0.0","cksum":"x"}`+"\n"+`{"name":"demo","vers":"2.0.0","cksum":"`+hex.EncodeToString(far[:])+`","yanked":true}`)
	})
	mux.HandleFunc("/dl/de/mo/demo-2.0.0-"+hex.EncodeToString(far[:]), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "far") })
	s := New(Upstream{Folders: []string{folder}, Index: server.URL}, &Cache{})
	all, err := s.Versions(t.Context(), "Demo")
	if err != nil || len(all) != 2 || all[0].path == "" || all[1].Number != "2.0.0" || !all[1].Yanked || !bytes.HasSuffix(all[1].Line, []byte("}\n")) {
		t.Fatalf("got %+v, %v", all, err)
	}
	if !s.Knows("demo") || s.Knows("Demo") || s.Knows("other") {
		t.Error("knows the wrong names")
	}
	for number, want := range map[string]string{"1.0.0": string(b), "2.0.0": "far"} {
		if got, found, err := s.Download(t.Context(), "demo", number); err != nil || !found || string(got) != want {
			t.Errorf("download %s: %d bytes, %t, %v", number, len(got), found, err)
		}
	}
	if _, found, err := s.Download(t.Context(), "demo", "3.0.0"); found || err != nil {
		t.Errorf("download of an absent version: %t, %v", found, err)
	}
}

package index

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func line(version, more string) string {
	return fmt.Sprintf(`{"name":"demo","vers":"%s","deps":[],"cksum":"%s","features":{},"yanked":false%s}`+"\n", version, sumA, more)
}

func TestPath(t *testing.T) {
	for name, want := range map[string]string{"a": "1/a", "Ab": "2/ab", "abC": "3/a/abc", "Cargo_x": "ca/rg/cargo_x", "a-bc": "a-/bc/a-bc"} {
		if got, err := Path(name); err != nil || got != want {
			t.Errorf("Path(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "..", "a/b", "a b", "é", "-a", "1a", "a?b", strings.Repeat("a", 65)} {
		if got, err := Path(name); err == nil {
			t.Errorf("Path(%q) = %q, want an error", name, got)
		}
	}
}

// A newer schema is passed over; what cannot be read, or is of another crate, is not.
func TestParse(t *testing.T) {
	entries, err := Parse("Demo", []byte(line("1.0.0", "")+"\n"+line("1.1.0", `,"v":3,"vers":7`)+line("2.0.0+b", `,"v":2`)))
	if err != nil || len(entries) != 2 || entries[0].Schema != 1 || entries[1].Version != "2.0.0+b" {
		t.Errorf("got %+v, %v", entries, err)
	}
	if e, ok := Find(entries, "2.0.0"); !ok || e.Version != "2.0.0+b" {
		t.Errorf("find without build metadata: %+v, %t", e, ok)
	}
	if _, ok := Find(entries, "1.1.0"); ok {
		t.Error("found a version of a newer schema")
	}
	for body, want := range map[string]string{
		line("1.0.0", "") + "{": "line 2", line("one", ""): "line 1", `{"name":"other","vers":"1.0.0"}`: `crate "other"`,
		`{"name":"demo","vers":"1.0.0","cksum":"00"}`: "no sha256",
	} {
		if _, err := Parse("demo", []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", body, err, want)
		}
	}
}

func TestDownload(t *testing.T) {
	e := Entry{Name: "Demo", Version: "1.0.0+b", Checksum: sumA}
	for dl, want := range map[string]string{
		"https://x/crates":                              "https://x/crates/Demo/1.0.0+b/download",
		"https://x/{prefix}/{lowerprefix}/{crate}":      "https://x/De/mo/de/mo/Demo",
		"https://x/{crate}-{version}?{sha256-checksum}": "https://x/Demo-1.0.0+b?" + sumA,
	} {
		if got := (Config{DL: dl}).Download(e); got != want {
			t.Errorf("%s: got %s, want %s", dl, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(line("1.0.0", "") + "\n" + line("2.0.0", `,"v":2,"features2":{"a":["dep:b"]}`)))
	f.Add([]byte(`{"v":3}`))
	f.Add([]byte(`{"name":"demo","deps":[{"name":"a","req":"^1","target":null,"registry":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := Parse("demo", body)
		if err != nil {
			return
		}
		if n := bytes.Count(body, []byte("\n")) + 1; len(entries) > n {
			t.Errorf("%d entries in %d lines", len(entries), n)
		}
		for _, e := range entries {
			if len(e.Checksum) != 64 || !strings.EqualFold(e.Name, "demo") {
				t.Errorf("got %+v", e)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"dl":"https://x.example/{crate}","api":"https://x.example/","auth-required":true}`))
	f.Add([]byte(`{"dl":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		config, err := ParseConfig(body)
		if err != nil {
			return
		}
		if strings.HasSuffix(config.API, "//") && !bytes.Contains(body, []byte("//")) || !strings.HasPrefix(config.DL, "http") && !strings.HasPrefix(strings.ToLower(strings.NewReplacer("{", "", "}", "").Replace(config.DL)), "http") {
			t.Errorf("got %+v", config)
		}
		if at := config.Download(Entry{Name: "demo", Version: "1.0.0", Checksum: sumA}); at == "" {
			t.Error("no address")
		}
	})
}

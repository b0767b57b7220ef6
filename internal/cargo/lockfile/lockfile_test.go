package lockfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const cratesIO = "registry+https://github.com/rust-lang/crates.io-index"

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["a 1.0.0", "b", "a 2.0.0 (` + cratesIO + `)", "g 1.0.0 (git+https://example.com/g?rev=ab12)"]

[[package]]
name = "a"
version = "1.0.0"
source = "` + cratesIO + `"
checksum = "aa"

[[package]]
name = "a"
version = "2.0.0"
source = "` + cratesIO + `"
checksum = "ab"
dependencies = ["b"]

[[package]]
name = "b"
version = "0.1.0+x"
source = "sparse+https://feed.example.com/index/"
checksum = "bb"

[[package]]
name = "g"
version = "1.0.0"
source = "` + cratesIO + `"
checksum = "cc"

[[package]]
name = "g"
version = "1.0.0"
source = "git+https://example.com/g?rev=ab12#ab12cd34"

[[patch.unused]]
name = "c"
version = "1.0.0"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{
		{Name: "app", Version: "0.1.0", Needs: []string{"a@1.0.0", "b@0.1.0+x", "a@2.0.0", "g@1.0.0"}},
		{Name: "a", Version: "1.0.0", Source: cratesIO, Checksum: "aa"},
		{Name: "a", Version: "2.0.0", Source: cratesIO, Checksum: "ab", Needs: []string{"b@0.1.0+x"}},
		{Name: "b", Version: "0.1.0+x", Source: "sparse+https://feed.example.com/index/", Checksum: "bb"},
		{Name: "g", Version: "1.0.0", Source: cratesIO, Checksum: "cc"},
		{Name: "g", Version: "1.0.0", Source: "git+https://example.com/g?rev=ab12#ab12cd34"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i, want := range []string{"", "https://github.com/rust-lang/crates.io-index", "https://github.com/rust-lang/crates.io-index", "sparse+https://feed.example.com/index/"} {
		if index, ok := got[i].Index(); index != want || ok != (want != "") {
			t.Errorf("%s: index %q, %v", got[i].Key(), index, ok)
		}
	}
}

// The first format keeps the checksums at its end.
func TestParseOldFormat(t *testing.T) {
	got, err := Parse([]byte("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"" + cratesIO + "\"\n\n[metadata]\n\"checksum a 1.0.0 (" + cratesIO + ")\" = \"aa\"\n"))
	if err != nil || len(got) != 1 || got[0].Checksum != "aa" {
		t.Errorf("%+v, %v", got, err)
	}
}

// One name has all packages of a large file, and each need is the version that it says.
func TestParseMany(t *testing.T) {
	const n = 10_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "[[package]]\nname = \"a\"\nversion = \"0.0.%d\"\nsource = %q\ndependencies = [\"a 0.0.%d\"]\n", i, cratesIO, (i+n/2)%n)
	}
	got, err := Parse([]byte(text.String()))
	if err != nil || len(got) != n || got[1].Needs[0] != "a@0.0.5001" {
		t.Errorf("%d packages, %v", len(got), err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[[package]]\nname = \"a\"\n":                                          "no version",
		"[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\"z\"]\n": `uses "z"`,
		"<<<<<<< HEAD\n": "toml",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

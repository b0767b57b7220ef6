package edit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/semver"
)

// FuzzRenumber: whatever lock file can be read can be read afterwards, and says the same of everything but the versions
// that moved.
func FuzzRenumber(f *testing.F) {
	f.Add([]byte("version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b\", \"a 0.9.0\"]\n[[package]]\nname = \"b\"\ndependencies = ['a 1.0.0']\nversion = '''1.0.0'''\n[[package]]\nname = \"a\"\nversion = \"0.9.0\"\nsource = \"r\"\n"), "2.0.0-rc--1")
	f.Add([]byte("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b 1.0.0\"]\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n"), "10.2.3-a.1+b")
	f.Add([]byte("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = ''\ndependencies = [\"a 1.0.0 \", \"a 1.0.0 ()\", \"a \", \"a\"]\n"), "2.0.0")
	f.Add([]byte("package = [{ version = \"1.0.0\", name = \"a\" }, { name = \"a\", version = \"1.0.0\", source = \"git+g#1\", dependencies = [\"a 1.0.0\"] }]"), "1.0.0")
	f.Fuzz(func(t *testing.T, text []byte, to string) {
		before, err := lockfile.Parse(text)
		if _, bad := semver.Parse(to); err != nil || bad != nil {
			return
		}
		moves := map[string]move{}
		count := map[string]int{}
		for _, p := range before {
			if !plainKey.MatchString(p.Name) || strings.ContainsAny(p.Version, " @") {
				return // cargo writes no such thing, and it would make two keys one
			}
			if count[p.Name]++; p.Source == "" {
				moves[p.Name] = move{p.Version, to}
			}
		}
		for name, n := range count {
			if n > 1 {
				delete(moves, name) // what tells packages of one name apart is for moves to see to
			}
		}
		root, err := manifest.Parse(text)
		if err != nil || root.Get("metadata") != nil {
			return // deeper than the reader goes; or of the first format, which has checksums by version
		}
		for _, n := range append(items(root.Get("package")), root) {
			for _, key := range n.Keys() {
				if key != strings.ToLower(key) {
					return // the library reads "Name" as "name", cargo does not
				}
			}
		}
		after, err := renumber(text, moves)
		if err != nil {
			t.Fatal(err)
		}
		got, err := lockfile.Parse(after)
		if err != nil {
			t.Fatalf("%v\n%s", err, after)
		}
		want := make([]lockfile.Package, len(before))
		keys := map[string]string{}
		for i, p := range before {
			was := p.Key()
			if m, ok := moves[p.Name]; ok {
				p.Version = m.to
			}
			want[i], keys[was] = p, p.Key()
		}
		for i := range want {
			for n, need := range want[i].Needs {
				want[i].Needs[n] = keys[need]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(fmt.Sprint(diff, "\n", string(text), "\n", string(after)))
		}
	})
}

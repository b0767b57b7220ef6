package edit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/cargo/lockfile"
)

// FuzzRenumber: whatever lock file can be read can be read afterwards, and says the same of everything but the versions
// that moved.
func FuzzRenumber(f *testing.F) {
	f.Add([]byte("version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b\", \"a 0.9.0\"]\n[[package]]\nname = \"b\"\ndependencies = ['a 1.0.0']\nversion = '''1.0.0'''\n[[package]]\nname = \"a\"\nversion = \"0.9.0\"\nsource = \"r\"\n"), "2.0.0-rc--1")
	f.Add([]byte("package = [{ version = \"1.0.0\", name = \"a\" }, { name = \"a\", version = \"1.0.0\", source = \"git+g#1\", dependencies = [\"a 1.0.0\"] }]"), "1.0.0")
	f.Fuzz(func(t *testing.T, text []byte, to string) {
		before, err := lockfile.Parse(text)
		if err != nil || to == "" {
			return
		}
		moves := map[string]move{}
		count := map[string]int{}
		for _, p := range before {
			if count[p.Name]++; p.Source == "" {
				moves[p.Name] = move{p.Version, to}
			}
		}
		for name, n := range count {
			if n > 1 {
				delete(moves, name) // what tells packages of one name apart is for moves to see to
			}
		}
		after, err := renumber(text, moves)
		if err != nil {
			t.Skip("deeper than the reader goes")
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

// Package golden holds what is made against archives of wanted texts, for tests.
package golden

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted files of testdata")

// Run runs f for every archive that matches the pattern. f gets the archive's files by name and returns what it
// made; each made file must equal the archive's file "want/NAME".
func Run(t *testing.T, pattern string, f func(t *testing.T, in map[string]string) map[string]string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s matches %d files: %v", pattern, len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, want := make(map[string]string), make(map[string]string)
			kept := archive.Files[:0]
			for _, file := range archive.Files {
				if name, ok := strings.CutPrefix(file.Name, "want/"); ok {
					want[name] = string(file.Data)
					continue
				}
				in[file.Name] = string(file.Data)
				kept = append(kept, file)
			}
			got := f(t, in)
			for name, text := range got {
				if text != "" && !strings.HasSuffix(text, "\n") {
					t.Errorf("%s does not end with a line break", name)
				}
			}
			if *update {
				archive.Files = kept
				for _, name := range slices.Sorted(maps.Keys(got)) {
					archive.Files = append(archive.Files, txtar.File{Name: "want/" + name, Data: []byte(got[name])})
				}
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got); go test -update rewrites it:\n%s", path, diff)
			}
		})
	}
}

// Last compares the last file of every archive that matches the pattern, "want", with what f makes of the others.
func Last(t *testing.T, pattern string, f func(*testing.T, *txtar.Archive) string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s matches %d files: %v", pattern, len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := a.Files[len(a.Files)-1]
			if want.Name != "want" {
				t.Fatalf("the last file is %q", want.Name)
			}
			a.Files = a.Files[:len(a.Files)-1]
			got := f(t, a)
			if *update {
				a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("%s (-want +got); go test -update rewrites it:\n%s", path, diff)
			}
		})
	}
}

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
	each(t, pattern, func(t *testing.T, archive *txtar.Archive) []txtar.File {
		in := make(map[string]string)
		kept := make([]txtar.File, 0, len(archive.Files))
		for _, file := range archive.Files {
			if !strings.HasPrefix(file.Name, "want/") {
				in[file.Name] = string(file.Data)
				kept = append(kept, file)
			}
		}
		got := f(t, in)
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if text := got[name]; text != "" && !strings.HasSuffix(text, "\n") {
				t.Errorf("%s does not end with a line break", name)
			}
			kept = append(kept, txtar.File{Name: "want/" + name, Data: []byte(got[name])})
		}
		return kept
	})
}

// Last compares the last file of every archive that matches the pattern, "want", with what f makes of the others.
func Last(t *testing.T, pattern string, f func(*testing.T, *txtar.Archive) string) {
	t.Helper()
	each(t, pattern, func(t *testing.T, archive *txtar.Archive) []txtar.File {
		last := len(archive.Files) - 1
		if name := archive.Files[last].Name; name != "want" {
			t.Fatalf("the last file is %q", name)
		}
		others := *archive
		others.Files = slices.Clone(archive.Files[:last])
		return append(others.Files, txtar.File{Name: "want", Data: []byte(f(t, &others))})
	})
}

// each compares the files of every archive with what makes returns for it, in any order.
func each(t *testing.T, pattern string, makes func(*testing.T, *txtar.Archive) []txtar.File) {
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
			want := texts(archive.Files)
			made := makes(t, archive)
			if *update {
				archive.Files = made
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, texts(made)); diff != "" {
				t.Errorf("%s (-want +got); go test -update rewrites it:\n%s", path, diff)
			}
		})
	}
}

func texts(files []txtar.File) map[string]string {
	out := make(map[string]string, len(files))
	for _, f := range files {
		out[f.Name] = string(f.Data)
	}
	return out
}

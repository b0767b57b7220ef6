package edit_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/semver"
)

// TestWriteAllOrNothing breaks the second of three files in several ways.
func TestWriteAllOrNothing(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"changed meanwhile": func(dir string) error { return os.WriteFile(filepath.Join(dir, "b"), []byte("other"), 0o644) },
		"gone":              func(dir string) error { return os.Remove(filepath.Join(dir, "b")) },
		"a link": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "real")), os.Symlink("real", filepath.Join(dir, "b")))
		},
		"a folder": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "b")), os.MkdirAll(filepath.Join(dir, "b/x"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var files []edit.File
			for _, name := range []string{"a", "b", "c"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
					t.Fatal(err)
				}
				files = append(files, edit.File{Name: name, Before: []byte(name), After: []byte("new " + name)})
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			err := edit.Write(dir, files)
			if p := (*problem.Error)(nil); !errors.As(err, &p) || p.File != "b" {
				t.Errorf("got %v, want a problem with b", err)
			}
			for _, name := range []string{"a", "c"} {
				if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != name {
					t.Errorf("%s is %q, %v", name, text, err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), ".tagboat") {
					t.Errorf("%s was left behind", e.Name())
				}
			}
		})
	}
}

// TestWriteKeepsMode holds that a rename does not change who may read or run a file.
func TestWriteKeepsMode(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	if err := errors.Join(os.WriteFile(name, []byte("a"), 0o600), os.Chmod(name, 0o646)); err != nil {
		t.Fatal(err)
	}
	files := []edit.File{{Name: "a", Before: []byte("a"), After: []byte("b")}}
	if err := edit.Write(dir, files); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o646 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := edit.Restore(dir, files); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "a" {
		t.Errorf("restored to %q, %v", text, err)
	}
}

// TestSamples bumps the sample workspaces and asks cargo whether every lock file agrees with the manifests then.
func TestSamples(t *testing.T) {
	run := runner(t)
	for name, c := range map[string]struct {
		version string
		locks   []string
	}{
		"hyperlight": {"0.5.0-rc--1", []string{".", "src/tests/rust_guests"}},
		"mshv":       {"0.7.1", []string{"."}},
		"cloud":      {"54.0.0", []string{"."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), name)
			if err := sample.Stage(t.Context(), filepath.Join("../../../testdata/workspaces", name), dir); err != nil {
				t.Fatal(err)
			}
			w, err := cargo.Load(t.Context(), run, dir)
			if err != nil {
				t.Fatal(err)
			}
			v, err := semver.Parse(c.version)
			if err != nil {
				t.Fatal(err)
			}
			changes := edit.Changes{Versions: map[string]semver.Version{}}
			for _, m := range w.Members {
				if !m.Versionless && !strings.HasPrefix(m.Manifest, "fuzz/") && m.Name != "trace_dump" {
					changes.Versions[m.Name] = v
				}
			}
			r, err := edit.Apply(t.Context(), run, w, changes)
			if err != nil {
				t.Fatal(err)
			}
			var locks []string
			for _, f := range r.Files {
				if f.Edits == nil {
					locks = append(locks, filepath.Dir(f.Name))
				}
			}
			if !slices.Equal(locks, c.locks) {
				t.Errorf("lock files in %q followed, want %q", locks, c.locks)
			}
			for _, at := range c.locks {
				if _, err := run(t.Context(), filepath.Join(dir, at), "cargo", "metadata", "--locked", "--offline", "--format-version", "1"); err != nil {
					t.Error(err)
				}
			}
			again, err := cargo.Load(t.Context(), run, dir)
			if err != nil {
				t.Fatal(err)
			}
			if bad := slices.Concat(again.VersionsAgree(c.version), again.Siblings("")); len(bad) > 0 {
				t.Errorf("afterwards: %+v", bad)
			}
		})
	}
}

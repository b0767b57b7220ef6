package outline_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/cargo/outline"
)

// folder is the Files of a folder on disk.
type folder struct{ root string }

func (f folder) Read(path string) ([]byte, error) { return os.ReadFile(filepath.Join(f.root, path)) }

func (f folder) Has(path string) bool {
	_, err := os.Lstat(filepath.Join(f.root, path))
	return err == nil
}

func (f folder) Folders() []string {
	var out []string
	fs.WalkDir(os.DirFS(f.root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != "." {
			out = append(out, name)
		}
		return err
	})
	return out
}

// same holds that a workspace is the same by its files as by the real cargo.
func same(t *testing.T, dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := cargo.Load(t.Context(), func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		var errs bytes.Buffer
		cmd.Dir, cmd.Stderr = dir, &errs
		out, err := cmd.Output()
		if err != nil {
			t.Log(errs.String())
		}
		return out, err
	}, dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := manifest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	set, err := tree.Settings()
	if err != nil {
		t.Fatal(err)
	}
	got, err := cargo.Load(t.Context(), func(_ context.Context, dir string, _ ...string) ([]byte, error) {
		return outline.Metadata(dir, folder{dir}, set.Registries)
	}, dir)
	if err != nil {
		t.Fatal(err)
	}
	order := cmpopts.SortSlices(func(a, b cargo.Dependency) bool {
		return strings.Join([]string{a.Name, a.Rename, a.Kind, a.Target}, "|") < strings.Join([]string{b.Name, b.Rename, b.Kind, b.Target}, "|")
	})
	for _, w := range []*cargo.Workspace{want, got} { // cargo writes a platform in a form of its own
		for _, p := range w.Members {
			for i := range p.Dependencies {
				p.Dependencies[i].Target = strings.Join(strings.Fields(p.Dependencies[i].Target), "")
			}
		}
	}
	if diff := cmp.Diff(want, got, order, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("cargo and the files differ, -cargo +files:\n%s", diff)
	}
}

// The sample workspaces are the same by their files as by the real cargo.
func TestSamples(t *testing.T) {
	samples, err := filepath.Glob("../../../testdata/workspaces/*/Cargo.toml")
	if err != nil || len(samples) < 5 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		t.Run(filepath.Base(filepath.Dir(s)), func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "w")
			if err := os.CopyFS(to, os.DirFS(filepath.Dir(s))); err != nil {
				t.Fatal(err)
			}
			os.Remove(filepath.Join(to, "rust-toolchain.toml")) // rustup would refuse that of a hostile sample
			same(t, to)
		})
	}
}

// So are workspaces that use what the samples do not.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(c), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(c)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, f := range a.Files {
				name := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.ContainsFunc(a.Files, func(f txtar.File) bool { return f.Name == "Cargo.toml" }) {
				t.Fatal("no Cargo.toml")
			}
			same(t, dir)
		})
	}
}

// What nobody would write must end soon all the same, and with an error where there is no workspace to be seen.
func TestHostile(t *testing.T) {
	deep := strings.Repeat("a/", 200) + "a"
	const member = "[package]\nname = \"a\"\nversion = \"0.1.0\"\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // of the error; "" for none
	}{
		"no manifest":        {map[string]string{"README": ""}, "no such file"},
		"no TOML":            {map[string]string{"Cargo.toml": "[["}, "the manifest cannot be read"},
		"another type":       {map[string]string{"Cargo.toml": "package = 1\n"}, "the manifest cannot be read"},
		"no name":            {map[string]string{"Cargo.toml": "[package]\nversion = \"1.0.0\"\n"}, "the package has no name"},
		"no requirement":     {map[string]string{"Cargo.toml": member + "[dependencies]\nb = \"not one\"\n"}, "the dependency b cannot be read"},
		"unknown registry":   {map[string]string{"Cargo.toml": member + "[dependencies]\nb = { version = \"1\", registry = \"nowhere\" }\n"}, "no index is known"},
		"missing member":     {map[string]string{"Cargo.toml": "[workspace]\nmembers = [\"gone\"]\n"}, "no such file"},
		"many stars":         {map[string]string{"Cargo.toml": "[workspace]\nmembers = [\"" + strings.Repeat("**/", 60) + "b\"]\n", deep + "/Cargo.toml": member}, ""},
		"many members":       {map[string]string{"Cargo.toml": "[workspace]\nmembers = [" + strings.Repeat("\"a\", ", 3000) + "]\n"}, "it names 3000 members"},
		"inherits itself":    {map[string]string{"Cargo.toml": member + "[workspace]\n[workspace.dependencies]\nb = { workspace = true }\n[dependencies]\nb = { workspace = true }\n"}, ""},
		"needs itself":       {map[string]string{"Cargo.toml": member + "[workspace]\n[dependencies]\na = { path = \".\" }\n"}, ""},
		"path out":           {map[string]string{"Cargo.toml": member + "[workspace]\n[dependencies]\nb = { path = \"../../etc\" }\n"}, ""},
		"member out":         {map[string]string{"Cargo.toml": "[workspace]\nmembers = [\"../out\"]\n"}, "no such file"},
		"a table for a name": {map[string]string{"Cargo.toml": "[package]\nname = { a = 1 }\n"}, "the package has no name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			_, err := outline.Metadata(dir, folder{dir}, nil)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
}

package edit_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

var update = flag.Bool("update", false, "rewrite the want/ files of testdata")

// runner runs this machine's own cargo, past rustup, with a cache that is empty and no network but loopback.
func runner(t testing.TB) cargo.Runner {
	t.Helper()
	home := t.TempDir()
	sysroot, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		t.Fatalf("these tests need Rust: %v", err)
	}
	bin := filepath.Join(strings.TrimSpace(string(sysroot)), "bin")
	return func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, argv[0]), argv[1:]...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home, "CARGO_HOME=" + home, "CARGO_TERM_COLOR=never",
			"CARGO_HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1", "CARGO_NET_RETRY=0",
		}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			return stdout.Bytes(), fmt.Errorf("%q: %w\n%s", argv, err, stderr.Bytes())
		}
		return stdout.Bytes(), nil
	}
}

// TestCases runs every testdata/*.txtar: lines that say what shall change, the files of a workspace, and below want/
// what comes out: "edits", or "error", and the files as they are then. Crates need no source: an empty lib.rs is put in place.
func TestCases(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	run := runner(t)
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := unpack(t, archive)
			w, err := cargo.Load(t.Context(), run, dir)
			if err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir, archive)
			got := outcome(t, run, w, changes(t, string(archive.Comment)))
			for name, text := range contents(t, dir, archive) {
				if text != before[name] {
					got["want/"+name] = text
				}
			}
			if got["want/error"] != "" && len(got) > 1 {
				t.Errorf("an error, and files changed: %v", got)
			}
			compare(t, name, archive, got)
		})
	}
}

func compare(t *testing.T, name string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	want := map[string]string{}
	var files []txtar.File
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			want[f.Name] = string(f.Data)
		} else {
			files = append(files, f)
		}
	}
	if *update {
		for name, text := range got {
			files = append(files, txtar.File{Name: name, Data: []byte(text)})
		}
		slices.SortStableFunc(files, func(a, b txtar.File) int {
			wanted := func(f txtar.File) int { return strings.Count(f.Name, "want/") }
			if d := wanted(a) - wanted(b); d != 0 || wanted(a) == 0 {
				return d
			}
			return strings.Compare(a.Name, b.Name)
		})
		archive.Files = files
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got), -update rewrites:\n%s", diff)
	}
}

func outcome(t *testing.T, run cargo.Runner, w *cargo.Workspace, c edit.Changes) map[string]string {
	r, err := edit.Apply(t.Context(), run, w, c)
	if err != nil {
		var out strings.Builder
		for _, p := range problem.All(err) {
			detail, _, _ := strings.Cut(p.Detail, "\n")
			if p.File == "Cargo.lock" {
				detail = "cargo's own words"
			}
			fmt.Fprintf(&out, "%s: %s\n  %s\n  %s\n", p.Place(), p.Summary, detail, p.Hint)
		}
		if out.Len() == 0 {
			t.Fatal(err)
		}
		return map[string]string{"want/error": out.String()}
	}
	var out strings.Builder
	for _, f := range r.Files {
		for _, e := range f.Edits {
			fmt.Fprintf(&out, "%s: %s: %q -> %q\n", e.At, e.Key, e.Old, e.New)
		}
		if f.Edits == nil {
			fmt.Fprintln(&out, f.Name)
		}
	}
	return map[string]string{"want/edits": out.String()}
}

// changes reads "version MEMBER X", "exact", "depend ON KEY VALUE", "package MEMBER KEY VALUE".
func changes(t *testing.T, text string) edit.Changes {
	c := edit.Changes{Versions: map[string]semver.Version{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "version":
			v, err := semver.Parse(words[2])
			if err != nil {
				t.Fatal(err)
			}
			c.Versions[words[1]] = v
		case len(words) == 1 && words[0] == "exact":
			c.Exact = true
		case len(words) == 4 && words[0] == "depend":
			c.Depend = append(c.Depend, edit.Depend{On: words[1], Set: []edit.Value{{Key: words[2], Value: words[3]}}})
		case len(words) > 3 && words[0] == "package":
			c.Package = append(c.Package, edit.Key{Member: words[1], Value: edit.Value{Key: words[2], Value: strings.Join(words[3:], " ")}})
		}
	}
	return c
}

func unpack(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			continue
		}
		write(f.Name, f.Data)
		if crate, ok := strings.CutSuffix(f.Name, "Cargo.toml"); ok {
			write(crate+"src/lib.rs", nil)
		}
	}
	return dir
}

func contents(t *testing.T, dir string, archive *txtar.Archive) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(data)
	}
	return out
}

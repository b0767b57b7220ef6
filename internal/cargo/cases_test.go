package cargo_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/cargo"
)

var update = flag.Bool("update", false, "rewrite the want/ files of testdata")

// runner runs this machine's own cargo, past rustup: a case's rust-toolchain file must not install anything.
func runner(t *testing.T) cargo.Runner {
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
		cmd.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home, "CARGO_HOME=" + home, "CARGO_TERM_COLOR=never"}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			return stdout.Bytes(), fmt.Errorf("%q: %w\n%s", argv, err, stderr.Bytes())
		}
		return stdout.Bytes(), nil
	}
}

// TestCases runs every testdata/*.txtar: the files of a workspace, and below want/ what the package must say of it.
// Which of the want/ files an archive has decides what is checked. A line "version: X" above the files is the tag's
// version, a line "feed: URL" a registry of tagboat.toml, a line "dir: NAME" the folder to load. Crates need no source: an empty lib.rs is put in place.
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
			got := say(t, run, unpack(t, archive), string(archive.Comment))
			var changed bool
			for i, f := range archive.Files {
				kind, ok := strings.CutPrefix(f.Name, "want/")
				if !ok {
					continue
				}
				text, known := got[kind]
				if !known {
					t.Errorf("%s: no such result", f.Name)
				}
				if diff := cmp.Diff(string(f.Data), text); diff != "" && !*update {
					t.Errorf("%s (-want +got), run with -update to accept:\n%s", f.Name, diff)
				}
				changed = changed || string(f.Data) != text
				archive.Files[i].Data = []byte(text)
			}
			if changed && *update {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// unpack writes a case's files into a folder of its own.
func unpack(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ws")
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") {
			continue
		}
		name := filepath.Join(dir, f.Name)
		write(t, name, f.Data)
		if filepath.Base(name) == "Cargo.toml" && bytes.Contains(f.Data, []byte("package")) {
			write(t, filepath.Join(filepath.Dir(name), "src/lib.rs"), nil)
		}
	}
	return dir
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// say returns what the package says of the workspace in dir, by the names of the want/ files.
func say(t *testing.T, run cargo.Runner, dir, comment string) map[string]string {
	t.Helper()
	version, from, feeds := "", "", map[string]string{}
	var own, withheld []string
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "version":
			version = value
		case "dir":
			from = value
		case "feed":
			feeds["feed"] = value
		case "own":
			own = strings.Fields(value)
		case "withheld":
			withheld = strings.Fields(value)
		}
	}
	w, err := cargo.Load(t.Context(), run, filepath.Join(dir, from))
	if err != nil {
		return map[string]string{"error": strings.ReplaceAll(problems(err), dir, "$DIR")}
	}
	w.OwnSiblings, w.Withheld = own, withheld
	out := map[string]string{
		"workspace": workspace(w),
		"lint":      findings(cargo.Lint(w, feeds)),
		"siblings":  findings(w.Siblings(version)),
		"versions":  findings(w.VersionsAgree(version)),
		"lock":      findings(w.LockFindings()),
		"error":     "",
	}
	var b strings.Builder
	for _, registry := range w.PublishRegistries() {
		fmt.Fprintf(&b, "%s:\n", registry)
		var names []string
		for _, p := range w.Publishable(registry) {
			names = append(names, p.Name)
		}
		g, err := w.Graph(names)
		if err != nil {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		}
		for i, level := range g.Levels() {
			for _, name := range level {
				fmt.Fprintf(&b, "  %d %s\n", i, strings.TrimSpace(name+" "+fmt.Sprint(g.Needs[name])))
			}
		}
	}
	out["order"] = b.String()
	return out
}

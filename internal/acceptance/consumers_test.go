//go:build e2e

package acceptance

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/release"
)

// consumed are the samples whose crates other people could use; the build scripts of the hostile ones are for the build
// zone alone.
var consumed = []string{"cloud", "hostile-names", "hyperlight", "kitchen-sink", "mshv", "own-siblings", "two-registries"}

// Every sample that can be published is named here or tested as hostile.
func TestEverySampleIsReleased(t *testing.T) {
	entries, err := os.ReadDir(workspaces)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "cycle" && !slices.Contains(consumed, e.Name()) && !slices.Contains(hostile, e.Name()) {
			t.Errorf("the sample %s is released by no test", e.Name())
		}
	}
}

// What was rehearsed can be used: a crate that depends on every published crate builds with the real cargo, from the
// embedded registries and from nothing else.
func TestConsumersBuild(t *testing.T) {
	for _, name := range consumed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stageSample(t, name)
			reports := rehearse(t, s)
			for feed := range s.Feeds {
				consume(t, s, feed, s.Feeds[registry.CratesIO].URL, reports)
			}
		})
	}
}

// TestOwnSiblingsNeedNoOther builds from a feed whose packages name itself for their siblings, on a machine that reaches no
// crates.io.
func TestOwnSiblingsNeedNoOther(t *testing.T) {
	s := stageSample(t, "own-siblings")
	reports := rehearse(t, s)
	consume(t, s, "feed", "http://127.0.0.1:1/index/", reports)
	for _, c := range reports[0].Bill.Crates {
		if c.Name == "quay-client" && len(c.Registries) != 1 {
			t.Errorf("quay-client has the same bytes in %d registries", len(c.Registries))
		}
	}
}

// TestSharedSiblings releases the same workspace without packages of the feed's own: both registries get the same bytes, and
// consumers of the feed find siblings on crates.io.
func TestSharedSiblings(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "own-siblings")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(workspaces, "own-siblings"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "tagboat.toml"), []byte("[registries.feed]\ntoken_env = \"FEED_TOKEN\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := stageFolder(t, folder)
	reports := rehearse(t, s)
	for _, c := range reports[0].Bill.Crates {
		if len(c.Registries) != 2 {
			t.Errorf("%s %s is for %d registries", c.Name, c.SHA256, len(c.Registries))
		}
	}
	consume(t, s, "feed", s.Feeds[registry.CratesIO].URL, reports)
}

// consume builds a crate that needs everything that went to one registry. Crates of crates.io are reached by source
// replacement, at the address public, those of another registry by its address and a token.
func consume(t *testing.T, s *rehearsal.Stage, name, public string, reports []*release.Report) {
	t.Helper()
	var needs []string
	for _, r := range reports {
		for _, c := range r.Bill.Crates {
			if bound := r.Bill.Bound(c.Name, name); bound == nil || bound.SHA256 != c.SHA256 {
				continue
			}
			from := ""
			if name != registry.CratesIO {
				from = fmt.Sprintf(", registry = %q", name)
			}
			// Build metadata is no part of a requirement.
			version, _, _ := strings.Cut(c.Version, "+")
			needs = append(needs, fmt.Sprintf("%s = { version = \"=%s\"%s }\n", c.Name, version, from))
		}
	}
	if len(needs) == 0 {
		return
	}
	dir := t.TempDir()
	files := map[string]string{
		"Cargo.toml":         "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n[dependencies]\n" + strings.Join(needs, ""),
		"src/lib.rs":         "",
		".cargo/config.toml": "[source.crates-io]\nreplace-with = \"twin\"\n\n[source.twin]\nregistry = \"sparse+" + public + "\"\n",
	}
	for file, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{}
	for feed, f := range s.Feeds {
		if feed == registry.CratesIO {
			continue
		}
		variable := "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(feed, "-", "_"))
		env[variable+"_INDEX"] = "sparse+" + f.URL
		env[variable+"_TOKEN"] = f.Token.Reveal()
		env[variable+"_CREDENTIAL_PROVIDER"] = "cargo:token"
	}
	out := realCargo(t, dir, env, "build", "--quiet")
	t.Logf("%s: %d crates of %s build\n%s", s.Name, len(needs), name, out)
}

// realCargo runs cargo as a person would, with a home of its own and no network beyond this machine.
func realCargo(t *testing.T, dir string, extra map[string]string, args ...string) string {
	t.Helper()
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME"), "RUSTUP_HOME": rustupHome(), "CARGO_HOME": t.TempDir(), "CARGO_TERM_COLOR": "never",
		"CARGO_TARGET_DIR": t.TempDir(), "CARGO_NET_RETRY": "0", "HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1",
	}
	maps.Copy(env, extra)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "cargo", args...)
	cmd.Dir = dir
	for name, v := range env {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cargo %q: %v\n%s", args, err, out)
	}
	return string(out)
}

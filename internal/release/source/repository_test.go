package source

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

func TestMain(m *testing.M) {
	zone.Main()
	os.Exit(m.Run())
}

// stage makes a git repository of a sample workspace, with files added or changed by change, and tags.
func stage(t *testing.T, workspace string, change func(dir string), tags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	if err := sample.Stage(t.Context(), filepath.Join("..", "..", "..", "testdata", "workspaces", workspace), dir); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(dir)
		gitRun(t, dir, "add", "-A")
		gitRun(t, dir, "commit", "-q", "-m", "change")
	}
	for _, tag := range tags {
		gitRun(t, dir, "tag", "-a", "-m", tag, tag)
	}
	return dir
}

func gitRun(t *testing.T, dir string, argv ...string) {
	t.Helper()
	if err := sample.Git(t.Context(), dir, argv...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkout reads a repository as a run does.
func checkout(t *testing.T, dir string, req release.Request) (*Repository, release.Checkout, error) {
	t.Helper()
	repo, err := git.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &Repository{Repo: repo, Scratch: t.TempDir()}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	c, _, err := r.Checkout(t.Context(), req, nil)
	return r, c, err
}

func crates(c release.Checkout) []string {
	var out []string
	for _, k := range c.Crates {
		out = append(out, fmt.Sprintf("%s %s %s needs %s", k.Name, k.Version, strings.Join(k.Registries, ","), strings.Join(k.Needs, ",")))
	}
	return out
}

func stops(c release.Checkout) []string {
	var out []string
	for _, f := range c.Findings {
		if f.Severity == release.Stop {
			out = append(out, fmt.Sprintf("%s %s:%d %s", f.Rule, f.File, f.Line, f.Summary))
		}
	}
	return out
}

// TestCheckout reads the sample workspaces.
func TestCheckout(t *testing.T) {
	t.Run("hyperlight", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "hyperlight", nil, "v0.4.0"), release.Request{Tag: "v0.4.0"})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Crates) != 9 || !c.Tag.Annotated || c.Tag.Version != "0.4.0" || len(c.Commit) != 40 || c.Tag.Commit != c.Commit || !strings.HasPrefix(c.Toolchain, "cargo ") || len(c.Isolation) == 0 {
			t.Errorf("%+v", c)
		}
		if !c.Changelog.Found || c.Changelog.Section == "" || c.Workflow.File == "" || !c.Workflow.Dispatch || len(c.Private) == 0 || len(stops(c)) > 0 {
			t.Errorf("changelog %+v, workflow %+v, private %v, stops %v", c.Changelog, c.Workflow, c.Private, stops(c))
		}
		at := map[string]int{}
		for i, k := range c.Crates {
			at[k.Name] = i
			for _, need := range k.Needs {
				if j, ok := at[need]; !ok || j >= i {
					t.Errorf("%s comes before %s, which it needs", k.Name, need)
				}
			}
		}
	})
	t.Run("by branch, with a light tag", func(t *testing.T) {
		dir := stage(t, "cloud", nil)
		gitRun(t, dir, "tag", "v53.0")
		_, c, err := checkout(t, dir, release.Request{Branch: "release/v53.0"})
		if err != nil || c.Tag.Name != "v53.0" || c.Tag.Version != "53.0.0" || c.Tag.Annotated || len(stops(c)) > 0 {
			t.Errorf("%+v, %v, %v", c.Tag, stops(c), err)
		}
	})
	t.Run("one of two crates", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "mshv", nil, "mshv-ioctls-v0.7.0"), release.Request{Tag: "mshv-ioctls-v0.7.0"})
		if diff := cmp.Diff([]string{"mshv-ioctls 0.7.0 crates-io needs "}, crates(c)); err != nil || diff != "" || c.Tag.Crate != "mshv-ioctls" || !slices.Contains(c.Private, "mshv-bindings") {
			t.Errorf("%v, private %v\n%s", err, c.Private, diff)
		}
	})
	t.Run("two registries", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "two-registries", nil, "v1.2.0"), release.Request{Tag: "v1.2.0"})
		homes := map[string]bool{}
		for _, k := range c.Crates {
			homes[strings.Join(k.Registries, ",")] = true
		}
		if err != nil || !homes["crates-io"] || !homes["feed"] || !homes["crates-io,feed"] {
			t.Errorf("%v, %v", err, crates(c))
		}
	})
	t.Run("a cycle", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "cycle", nil, "v0.2.0"), release.Request{Tag: "v0.2.0"})
		if err != nil || len(c.Crates) != 2 || !slices.ContainsFunc(stops(c), func(s string) bool { return strings.HasPrefix(s, "manifest-lint ") }) {
			t.Errorf("%v, %v, %v", err, crates(c), stops(c))
		}
	})
	t.Run("before there is a tag", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "hyperlight", nil), release.Request{})
		if err != nil || c.Tag.Name != "v0.4.0" || c.Tag.Version != "0.4.0" || c.Tag.Commit != "" || len(stops(c)) > 0 {
			t.Errorf("%+v, %v, %v", c.Tag, stops(c), err)
		}
		_, c, err = checkout(t, stage(t, "mshv", nil), release.Request{})
		if err != nil || len(c.Crates) != 2 || c.Tag.Crate != "" {
			t.Errorf("%+v, %v, %v", c.Tag, crates(c), err)
		}
	})
	t.Run("another version than the tag", func(t *testing.T) {
		_, c, err := checkout(t, stage(t, "hyperlight", nil, "v0.5.0"), release.Request{Tag: "v0.5.0"})
		if err != nil || c.Changelog.Found || !slices.ContainsFunc(stops(c), func(s string) bool {
			return strings.HasPrefix(s, "tag-version ") && strings.Contains(s, "Cargo.toml:") && !strings.Contains(s, ":0 ")
		}) {
			t.Errorf("%v, %v", err, stops(c))
		}
		_, c, err = checkout(t, stage(t, "mshv", nil, "mshv-ioctls-v0.8.0"), release.Request{Tag: "mshv-ioctls-v0.8.0"})
		if err != nil || !slices.ContainsFunc(stops(c), func(s string) bool { return strings.Contains(s, "mshv-ioctls is 0.7.0, not 0.8.0") }) {
			t.Errorf("%v, %v", err, stops(c))
		}
	})
}

// TestCheckoutConfig obeys tagboat.toml as the tagged commit has it.
func TestCheckoutConfig(t *testing.T) {
	t.Run("exclude, notes_file, changelog of a crate", func(t *testing.T) {
		dir := stage(t, "mshv", func(dir string) {
			write(t, dir, "tagboat.toml", "[tags]\ntemplate = \"{crate}-v{version}\"\n[package]\nexclude = [\"*-bind*\"]\n[changelog]\npath = \"{crate}/CHANGES.md\"\n[release]\nnotes_file = \"docs/notes.md\"\n")
			write(t, dir, "docs/notes.md", "Notes of {tag}")
			write(t, dir, "mshv-ioctls/CHANGES.md", "## 0.7.0\n- for ioctls\n")
		}, "mshv-ioctls-v0.7.0", "mshv-bindings-v0.7.0")
		write(t, dir, "tagboat.toml", "broken after the tag, and not committed")
		r, c, err := checkout(t, dir, release.Request{Tag: "mshv-ioctls-v0.7.0"})
		if err != nil || len(c.Crates) != 1 || c.Changelog != (release.Changelog{Path: "mshv-ioctls/CHANGES.md", Section: "- for ioctls", Found: true}) || r.config.Release.Notes != "Notes of {tag}" {
			t.Errorf("%v, %v, %+v, %q", err, crates(c), c.Changelog, r.config.Release.Notes)
		}
		if _, c, err = checkout(t, dir, release.Request{Tag: "mshv-bindings-v0.7.0"}); err != nil || len(c.Crates) != 0 {
			t.Errorf("an excluded crate: %v, %v", err, crates(c))
		}
	})
	t.Run("a changelog of each crate, and one tag", func(t *testing.T) {
		for text, want := range map[string]release.Changelog{
			"## 0.7.0\n- for ioctls\n": {Path: "mshv-bindings/CHANGES.md", Section: "## mshv-bindings\n\n- for bindings\n\n## mshv-ioctls\n\n- for ioctls", Found: true},
			"## 0.7.0\n":               {Path: "mshv-bindings/CHANGES.md", Section: "## mshv-bindings\n\n- for bindings", Found: true},
			"## 0.6.0\n- old\n":        {Path: "mshv-ioctls/CHANGES.md"},
		} {
			dir := stage(t, "mshv", func(dir string) {
				write(t, dir, "tagboat.toml", "[changelog]\npath = \"{crate}/CHANGES.md\"\n")
				write(t, dir, "mshv-ioctls/CHANGES.md", text)
				write(t, dir, "mshv-bindings/CHANGES.md", "## 0.7.0\n- for bindings\n")
			}, "v0.7.0")
			if _, c, err := checkout(t, dir, release.Request{Tag: "v0.7.0"}); err != nil || c.Changelog != want {
				t.Errorf("%q: %+v, %v", text, c.Changelog, err)
			}
		}
	})
	t.Run("a changelog of each crate, each with its version, and no tag yet", func(t *testing.T) {
		dir := stage(t, "mshv", func(dir string) {
			write(t, dir, "tagboat.toml", "[tags]\ntemplate = \"{crate}-v{version}\"\n[changelog]\npath = \"{crate}/CHANGES.md\"\n")
			write(t, dir, "mshv-ioctls/CHANGES.md", "## 0.7.0\n- for ioctls\n")
			write(t, dir, "mshv-bindings/CHANGES.md", "## 0.6.0\n- old\n")
			write(t, dir, "mshv-bindings/Cargo.toml", "[package]\nname = \"mshv-bindings\"\nversion = \"0.6.0\"\n[features]\nfam-wrappers = []\n")
		})
		if _, c, err := checkout(t, dir, release.Request{}); err != nil || !c.Changelog.Found {
			t.Errorf("%+v, %v", c.Changelog, err)
		}
	})
	t.Run("links that lead out of the repository", func(t *testing.T) {
		outside := filepath.Join(t.TempDir(), "secret")
		write(t, filepath.Dir(outside), "secret", "## 53.0.0\n- the secret\n")
		for _, name := range []string{"CHANGELOG.md", "notes.md", ".github/workflows/release.yml"} {
			dir := stage(t, "cloud", func(dir string) {
				if name == "notes.md" {
					write(t, dir, "tagboat.toml", "[tags]\ntwo_part = true\n[release]\nnotes_file = \"notes.md\"\n")
				}
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.Symlink(outside, path)); err != nil {
					t.Fatal(err)
				}
			}, "v53.0")
			r, c, err := checkout(t, dir, release.Request{Tag: "v53.0"})
			if err == nil || strings.Contains(c.Changelog.Section+r.config.Release.Notes, "secret") || problem.ExitCode(err) != problem.ExitStopped {
				t.Errorf("%s: %v, exit %d; changelog %+v, notes %q", name, err, problem.ExitCode(err), c.Changelog, r.config.Release.Notes)
			}
		}
	})
	t.Run("links within the repository", func(t *testing.T) {
		dir := stage(t, "cloud", func(dir string) {
			if err := errors.Join(os.Rename(filepath.Join(dir, "CHANGELOG.md"), filepath.Join(dir, "CHANGES")), os.Symlink("CHANGES", filepath.Join(dir, "CHANGELOG.md"))); err != nil {
				t.Fatal(err)
			}
		}, "v53.0")
		if _, c, err := checkout(t, dir, release.Request{Tag: "v53.0"}); err != nil || !c.Changelog.Found {
			t.Errorf("%v, %+v", err, c.Changelog)
		}
	})
}

// TestCheckoutRefuses says what is wrong with what was asked for.
func TestCheckoutRefuses(t *testing.T) {
	full := stage(t, "cloud", nil, "v53.0")
	shallow := filepath.Join(t.TempDir(), "shallow")
	gitRun(t, full, "commit", "-q", "--allow-empty", "-m", "next")
	gitRun(t, full, "clone", "-q", "--depth=1", "--no-tags", "file://"+full, shallow)
	broken := stage(t, "cloud", func(dir string) { write(t, dir, "tagboat.toml", "[tags]\ntwo_parts = true\n") }, "v53.0")
	for _, test := range []struct {
		name, dir string
		req       release.Request
		exit      int
		says      string
	}{
		{"no such tag", full, release.Request{Tag: "v54.0"}, 2, "there is no tag v54.0"},
		{"no such tag, among others", full, release.Request{Tag: "v54.0"}, 2, "the newest are v53.0"},
		{"no such commit", full, release.Request{Commit: strings.Repeat("0", 40)}, 2, "git fetch origin 000"},
		{"a shallow clone", shallow, release.Request{Tag: "v53.0"}, 2, "fetch-depth: 0"},
		{"no release tag", full, release.Request{Tag: "nightly"}, 2, "is not a release tag"},
		{"a hostile tag", full, release.Request{Tag: "--upload-pack=/bin/sh"}, 2, "is not a release tag"},
		{"no release branch", full, release.Request{Branch: "main"}, 2, "is not a release branch"},
		{"a configuration with a mistake", broken, release.Request{Tag: "v53.0"}, 64, "two_part"},
		{"no file for the notes", stage(t, "cloud", func(dir string) {
			write(t, dir, "tagboat.toml", "[tags]\ntwo_part = true\n[release]\nnotes_file = \"nowhere.md\"\n")
		}, "v53.0"), release.Request{Tag: "v53.0"}, 2, "release notes"},
	} {
		_, _, err := checkout(t, test.dir, test.req)
		text := ""
		for _, p := range problem.All(err) {
			text += p.Summary + "; " + p.Detail + "; " + p.Hint
		}
		if problem.ExitCode(err) != test.exit || !strings.Contains(text, test.says) {
			t.Errorf("%s: exit %d, %q, %v", test.name, problem.ExitCode(err), text, err)
		}
	}
}

// TestReadOnly reads the same from a commit's files alone as from a clone, and leaves nothing behind.
func TestReadOnly(t *testing.T) {
	library := stage(t, "cloud", nil)
	for name, change := range map[string]func(dir string){
		"files": nil,
		"submodule": func(dir string) {
			gitRun(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "library")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := stage(t, "hyperlight", change, "v0.4.0")
			_, want, err := checkout(t, dir, release.Request{Tag: "v0.4.0"})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := git.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			r := &Repository{Repo: repo, Scratch: t.TempDir(), ReadOnly: true}
			got, _, err := r.Checkout(t.Context(), release.Request{Tag: "v0.4.0"}, nil)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(release.Checkout{}, "Isolation")); err != nil || diff != "" {
				t.Errorf("%v (-clone +files):\n%s", err, diff)
			}
			if _, err := r.Package(t.Context(), observe.PackageOrder{}); err == nil {
				t.Error("it was packaged")
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			for _, left := range []string{r.files, r.memory} {
				if _, err := os.Stat(left); err == nil {
					t.Errorf("%s is still there", left)
				}
			}
			if inMemory := r.memory != ""; runtime.GOOS == "linux" && inMemory != (name == "files") {
				t.Errorf("read in memory: %v", inMemory)
			}
		})
	}
	if runtime.GOOS == "linux" && inMemory(1<<60) != "" {
		t.Error("there is room in memory for everything")
	}
}

// TestCheckoutCanceled leaves nothing running.
func TestCheckoutCanceled(t *testing.T) {
	repo, err := git.Open(t.Context(), stage(t, "cloud", nil, "v53.0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	r := &Repository{Repo: repo, Scratch: t.TempDir()}
	if _, _, err := r.Checkout(ctx, release.Request{Tag: "v53.0"}, nil); err == nil {
		t.Error("it was read all the same")
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

// TestPackageAndPublish packages a crate for a feed in the build zone, and lets the real cargo publish it.
func TestPackageAndPublish(t *testing.T) {
	const token = "marked-feed-token"
	twin := registrytwin.New(registrytwin.Config{Manners: registrytwin.Lenient, AuthRequired: true, Tokens: []registrytwin.Token{{Label: "cargo", Value: secret.New(token), Scope: registrytwin.Publish}}})
	server := httptest.NewServer(twin.Handler())
	t.Cleanup(server.Close)
	index := "sparse+" + server.URL + "/index/"
	dir := stage(t, "cloud", func(dir string) {
		manifest, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "Cargo.toml", strings.Replace(string(manifest), "[package]\n", "[package]\npublish = [\"my-feed\"]\n", 1))
		write(t, dir, "tagboat.toml", "[tags]\ntwo_part = true\n[registries.my-feed]\nindex = \""+index+"\"\n")
	}, "v53.0")
	r, c, err := checkout(t, dir, release.Request{Tag: "v53.0"})
	if err != nil || len(c.Crates) != 1 || c.Crates[0].Registries[0] != "my-feed" {
		t.Fatalf("%v, %v", err, crates(c))
	}
	gates := map[string]string{}
	r.Gate = func(name, index string) (string, error) { gates[name] = index; return "", nil }
	feed, err := registry.New("my-feed", index)
	if err != nil {
		t.Fatal(err)
	}
	order := observe.PackageOrder{Registry: feed, Crates: []string{c.Crates[0].Name}, Out: t.TempDir(), Progress: func(string, string) {}}
	packed, err := r.Package(t.Context(), order)
	if err != nil || len(packed.Crates) != 1 || !packed.Verified || gates["my-feed"] != index {
		t.Fatalf("%+v, %v, gates %v", packed, err, gates)
	}
	if err := r.Publish(t.Context(), order, secret.New(token)); err != nil {
		t.Fatal(err)
	}
	if got := twin.Accepted(); len(got) != 1 || got[0].SHA256 != packed.Crates[0].SHA256 || got[0].Token != "cargo" {
		t.Errorf("accepted %+v, want the bytes that were packaged, %s", got, packed.Crates[0].SHA256)
	}
	err = r.Publish(t.Context(), order, secret.New("wrong-"+token))
	if err == nil || strings.Contains(err.Error(), token) || len(twin.Accepted()) != 1 {
		t.Errorf("with a wrong token: %v", err)
	}
	order.Crates = []string{"nobody"}
	if err := r.Publish(t.Context(), order, secret.New(token)); err == nil {
		t.Error("a crate that is not there was published")
	}
	r.Gate = func(string, string) (string, error) { return "", errors.New("no gate") }
	if _, err := r.Package(t.Context(), order); err == nil {
		t.Error("a gate that failed was passed")
	}
	r.Stands = map[string]string{index: server.URL + "/index/"}
	if got, err := r.stands(indexes(r.workspace, r.config)); err != nil || got[index] != index {
		t.Errorf("stands %v, %v", got, err)
	}
}

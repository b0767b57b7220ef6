package commit_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/commit"
	"github.com/tagboat/tagboat/internal/release/handover"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
)

func TestMain(m *testing.M) {
	zone.Main() // a child of the build zone does not come back from here
	os.Exit(m.Run())
}

// packaged is a world around a workspace whose tag was packaged into a folder.
type packaged struct {
	*outside.World
	tag, folder string
	checkout    release.Checkout // as the one who packaged saw it
}

// pack tags a workspace, with what edit changes in it, and packages it, as a build job does.
func pack(t *testing.T, workspace, tag string, edit func(*outside.World)) *packaged {
	t.Helper()
	w, err := outside.Start(t.Context(), outside.Config{Workspace: workspace, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	p := &packaged{World: w, tag: tag, folder: filepath.Join(t.TempDir(), "packages")}
	if edit != nil {
		edit(w)
		p.git(t, "add", "-A")
		p.git(t, "commit", "-qm", "edited")
	}
	p.git(t, "tag", "-a", "-m", tag, tag)
	if err := w.Push(t.Context(), "refs/heads/main", "refs/tags/"+tag); err != nil {
		t.Fatal(err)
	}
	repo, err := git.Open(t.Context(), w.Checkout)
	if err != nil {
		t.Fatal(err)
	}
	src := &source.Repository{Repo: repo, Scratch: t.TempDir()}
	defer src.Close()
	var s release.Snapshot
	s.Request.Tag = p.tag
	if s.Checkout, s.Config, err = src.Checkout(t.Context(), s.Request, nil); err != nil {
		t.Fatal(err)
	}
	p.checkout = s.Checkout
	d, files, err := handover.Pack(t.Context(), observe.World{Source: src, Scratch: t.TempDir()}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := handover.Write(p.folder, d, files); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *packaged) git(t *testing.T, argv ...string) {
	t.Helper()
	if err := p.Git(t.Context(), argv...); err != nil {
		t.Fatal(err)
	}
}

// receive reads the commit and the packages as the job does that holds the token.
func (p *packaged) receive(t *testing.T) (*commit.Commit, release.Checkout, error) {
	t.Helper()
	f, err := p.Forge()
	if err != nil {
		t.Fatal(err)
	}
	src := &commit.Commit{Forge: f, Scratch: t.TempDir(), Folder: p.folder}
	c, _, err := src.Checkout(t.Context(), release.Request{Tag: p.tag}, nil)
	return src, c, err
}

// What is read over the API of a commit, and what was packaged from it, is what a checkout of it and the real cargo say, for
// every sample that can be packaged alone.
func TestSamples(t *testing.T) {
	for name, tag := range map[string]string{"cloud": "v53.0", "hostile-config": "v0.1.0", "hostile-names": "v0.1.0", "hyperlight": "v0.4.0", "kitchen-sink": "v1.0.0", "two-registries": "v1.2.0", "mshv": "mshv-bindings-v0.7.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workspace := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(workspace, os.DirFS(filepath.Join("../../../testdata/workspaces", name))); err != nil {
				t.Fatal(err)
			}
			if name == "kitchen-sink" { // all of its crates at once, though their versions differ
				if err := os.Remove(filepath.Join(workspace, "tagboat.toml")); err != nil {
					t.Fatal(err)
				}
			}
			p := pack(t, workspace, tag, nil)
			src, got, err := p.receive(t)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Handed {
				t.Error("the checkout does not say that the crates were handed over")
			}
			if diff := cmp.Diff(p.checkout, got, cmpopts.IgnoreFields(release.Checkout{}, "Handed", "Isolation"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("a checkout and the API differ, -checkout +API:\n%s", diff)
			}
			homes := 0
			for _, c := range got.Crates {
				for _, home := range c.Registries {
					homes++
					r, err := src.Package(t.Context(), observe.PackageOrder{Registry: registry.Registry{Name: home}, Crates: []string{c.Name}})
					if err != nil || len(r.Crates) != 1 || r.Crates[0].Version != c.Version || !strings.HasPrefix(r.Cargo, "cargo ") {
						t.Errorf("%s for %s: %+v, %v", c.Name, home, r, err)
					}
				}
			}
			if homes == 0 {
				t.Error("no crate goes anywhere")
			}
		})
	}
}

// write makes a folder with those files; a text that begins with "-> " is a link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		target, isLink := strings.CutPrefix(text, "-> ")
		var err error
		if isLink {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const manifest = "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense-file = \"../../legal/LICENSE\"\nreadme = \"../../README.md\"\ndescription = \"d\"\n"

// linked is a workspace whose files are reached through links, as cargo reaches them.
var linked = map[string]string{
	"Cargo.toml": "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n", "legal/LICENSE": "-> ../COPYING", "COPYING": "all rights\n", "README.md": "read me\n",
	"crates/one/Cargo.toml": manifest, "crates/one/src/lib.rs": "//! one\n", "crates/one/src/shared": "-> ../../../shared", "shared/deep/mod.rs": "// shared\n",
	"crates/one/NOTICE": "-> ../../COPYING", "crates/one/sub.rs": "-> src/shared/deep/mod.rs", "Cargo.lock": "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"0.1.0\"\n",
	"docs/changes.md": "## [0.1.0]\n\nThe first.\n", "CHANGELOG.md": "-> docs/changes.md", "tagboat.toml": "[release]\nnotes_file = \"docs/notes.md\"\n", "docs/notes.md": "Notes.\n",
}

// single is a repository that is one crate.
var single = map[string]string{"Cargo.toml": strings.NewReplacer("../../legal/", "", "../../", "").Replace(manifest), "LICENSE": "all\n", "README.md": "r\n", "src/lib.rs": "//! one\n", "Cargo.lock": linked["Cargo.lock"]}

// What lies behind links is compared, too, and so is what cargo takes from outside the crate's folder.
func TestLinks(t *testing.T) {
	start := filepath.Join(t.TempDir(), "linked")
	write(t, start, map[string]string{"empty": ""})
	p := pack(t, start, "v0.1.0", func(w *outside.World) { write(t, w.Checkout, linked) })
	_, got, err := p.receive(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.checkout, got, cmpopts.IgnoreFields(release.Checkout{}, "Handed", "Isolation"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a checkout and the API differ, -checkout +API:\n%s", diff)
	}
	if !strings.Contains(got.Changelog.Section, "The first.") {
		t.Errorf("changelog %+v", got.Changelog)
	}
}

// Crates that find their siblings in their own registry have a manifest there that is not the commit's, and bytes of its
// own.
func TestOwnSiblings(t *testing.T) {
	crate := func(name, rest string) string {
		return "[package]\nname = \"" + name + "\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\ndescription = \"d\"\nrepository = \"https://example.invalid\"\npublish = [\"crates-io\", \"feed\"]\n" + rest
	}
	start := filepath.Join(t.TempDir(), "harbour")
	write(t, start, map[string]string{
		"Cargo.toml": "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\"]\n", ".cargo/config.toml": "[registries.feed]\nindex = \"sparse+https://feed.example.invalid/index/\"\n",
		"tagboat.toml": "[registries.feed]\nindex = \"sparse+https://feed.example.invalid/index/\"\nown_siblings = true\n",
		"a/Cargo.toml": crate("a-x", ""), "a/src/lib.rs": "//! a\n", "b/Cargo.toml": crate("b-x", "\n[dependencies]\na-x = { path = \"../a\", version = \"0.1\" }\n"), "b/src/lib.rs": "//! b\n",
		"Cargo.lock": "version = 4\n\n[[package]]\nname = \"a-x\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"b-x\"\nversion = \"0.1.0\"\ndependencies = [\n \"a-x\",\n]\n",
	})
	p := pack(t, start, "v0.1.0", nil)
	src, _, err := p.receive(t)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]bool{}
	for _, home := range []string{"crates-io", "feed"} {
		r, err := src.Package(t.Context(), observe.PackageOrder{Registry: registry.Registry{Name: home}, Crates: []string{"b-x"}})
		if err != nil {
			t.Fatal(err)
		}
		sums[r.Crates[0].SHA256] = true
	}
	if len(sums) != 2 {
		t.Errorf("b-x has %d kinds of bytes, want 2: the sample does not show anything", len(sums))
	}
}

// A submodule's files are not in the repository: what is not compared is said.
func TestSubmodule(t *testing.T) {
	module := filepath.Join(t.TempDir(), "module")
	write(t, module, map[string]string{"inner.rs": "// inner\n"})
	start := filepath.Join(t.TempDir(), "outer")
	write(t, start, single)
	p := pack(t, start, "v0.1.0", func(w *outside.World) {
		for _, argv := range [][]string{{"init", "-q", module}, {"-C", module, "add", "-A"}, {"-C", module, "commit", "-qm", "x"}, {"-c", "protocol.file.allow=always", "submodule", "--quiet", "add", module, "vendored"}} {
			if err := w.Git(t.Context(), argv...); err != nil {
				t.Fatal(err)
			}
		}
	})
	_, got, err := p.receive(t)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range got.Findings {
		found = append(found, f.Summary)
	}
	if want := "the files of one below vendored were not compared with the commit"; !slices.Contains(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

// A service that stumbles is asked again; a repository that cannot be seen, a list that is cut off and a commit that is no
// workspace end with what to do.
func TestTrouble(t *testing.T) {
	start := filepath.Join(t.TempDir(), "one")
	write(t, start, single)
	p := pack(t, start, "v0.1.0", nil)
	for _, c := range []struct{ fault, want string }{
		{"github get-ref: refuse 502", ""}, {"github get-tree: refuse 502", ""}, {"github get-blob #2: drop", ""}, {"github get-contents: refuse 503", ""},
		{"github get-tree every: refuse 502", "cannot read repository acme/one on GitHub"},
		{"github get-blob every: refuse 403", "the token in GITHUB_TOKEN is refused"},
		{"github get-ref every: refuse 401", "the token in GITHUB_TOKEN is refused"},
	} {
		if err := p.Fault(c.fault); err != nil {
			t.Fatal(err)
		}
		_, _, err := p.receive(t)
		var text string
		for _, e := range problem.All(err) {
			text += e.Error() + "\n" + e.Hint + "\n"
		}
		if c.want == "" && err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%s: %v %s, want %q", c.fault, err, text, c.want)
		}
	}
}

package pack_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
)

// harbour is a workspace for crates.io and a feed, with every way to write a sibling and no registry in any.
func harbour() map[string]string {
	crate := func(name, rest string) string {
		return "[package]\nname = \"" + name + "\"\nversion = \"1.2.0\"\nedition = \"2021\"\nlicense = \"MIT\"\ndescription = \"d\"\npublish = [\"crates-io\", \"feed\"]\n" + rest
	}
	return map[string]string{
		"Cargo.toml":         "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"c\", \"private\"]\n\n[workspace.dependencies]\na-x = { path = \"a\", version = \"1.2.0\" } # inherited\n",
		"Cargo.lock":         "",
		"a/Cargo.toml":       crate("a-x", ""),
		"a/src/lib.rs":       "pub fn a() {}\n",
		"b/Cargo.toml":       crate("b-x", "\n[dependencies.a-x]\npath = \"../a\"\nversion = \"1.2.0\"\n"),
		"b/src/lib.rs":       "pub fn b() { a_x::a() }\n",
		"c/Cargo.toml":       crate("c-x", "\n[dependencies]\na-x.workspace = true\nb-x.path = \"../b\"\nb-x.version = \"1.2.0\"\n[target.'cfg(unix)'.dependencies]\nb-x = { 'version' = \"1.2.0\", path = \"../b\" }\n[dev-dependencies]\nprivate-x = { path = \"../private\" }\n"),
		"c/src/lib.rs":       "pub fn c() { a_x::a(); b_x::b() }\n",
		"private/Cargo.toml": "[package]\nname = \"private-x\"\nversion = \"1.2.0\"\nedition = \"2021\"\npublish = false\n[dependencies]\nb-x = { path = \"../b\", version = \"1.2.0\" }\n",
		"private/src/lib.rs": "",
	}
}

// TestOwnSiblings packages one workspace for two registries: on crates.io the crates find each other there, in the feed
// they find each other in the feed.
func TestOwnSiblings(t *testing.T) {
	_, index := startTwin(t, registrytwin.Config{Known: func(string) bool { return true }})
	_, private := startTwin(t, registrytwin.Config{})
	files := harbour()
	files["Cargo.lock"] = "version = 4\n\n[[package]]\nname = \"a-x\"\nversion = \"1.2.0\"\n\n[[package]]\nname = \"b-x\"\nversion = \"1.2.0\"\ndependencies = [\n \"a-x\",\n]\n\n[[package]]\nname = \"c-x\"\nversion = \"1.2.0\"\ndependencies = [\n \"a-x\",\n \"b-x\",\n \"private-x\",\n]\n\n[[package]]\nname = \"private-x\"\nversion = \"1.2.0\"\ndependencies = [\n \"b-x\",\n]\n"
	repo := stage(t, "", files)
	made := map[string]map[string]string{}
	for _, to := range []string{cargo.CratesIO, "feed"} {
		req := pack.Request{Source: repo, Registry: to, Own: true, Crates: []string{"a-x", "b-x", "c-x"}, Out: t.TempDir(),
			Stands: map[string]string{cargo.CratesIOIndex: index}, Indexes: map[string]string{"feed": "sparse+https://feed.example.invalid/index/"}}
		req.Stands[req.Indexes["feed"]] = private
		var again map[string]string
		for range 2 {
			req.Out = t.TempDir()
			p, err := pack.All(t.Context(), newZone(t), req)
			if err != nil {
				t.Fatal(err)
			}
			made[to] = sums(p)
			if again != nil && again["c-x@1.2.0"] != made[to]["c-x@1.2.0"] {
				t.Errorf("%s: packaged again it has other bytes", to)
			}
			again = made[to]
			for _, c := range p.Crates {
				siblings(t, c.Path, to, req.Indexes["feed"])
			}
		}
	}
	for name := range made["feed"] {
		if name != "a-x@1.2.0" && made["feed"][name] == made[cargo.CratesIO][name] {
			t.Errorf("%s has the same bytes in both", name)
		}
	}
	if text, err := os.ReadFile(repo.Dir + "/b/Cargo.toml"); err != nil || strings.Contains(string(text), "registry") {
		t.Errorf("the checkout was changed: %s, %v", text, err)
	}
}

// siblings holds that the packaged manifest names the wanted registry for each dependency.
func siblings(t *testing.T, path, to, feed string) {
	t.Helper()
	c, err := cratefile.Open(path, cratefile.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if to == "feed" {
		want = feed
	}
	for _, d := range c.Manifest.Dependencies {
		if d.Registry != want {
			t.Errorf("%s for %s: %s (%s) is looked for at %q, want %q", c.Name, to, d.Package, d.Target, d.Registry, want)
		}
	}
	if c.Name == "c-x" && len(c.Manifest.Dependencies) != 3 {
		t.Errorf("c-x has %d dependencies", len(c.Manifest.Dependencies))
	}
}

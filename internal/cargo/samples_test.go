package cargo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
)

// samples says in which order the crates of each sample workspace go to each registry; levels are set apart by "/".
var samples = map[string]map[string]string{
	"cloud": {"crates-io": "cloud-hypervisor"},
	"cycle": nil,
	"hostile-names": {
		"crates-io": "hostile-plain / H0-__stile-",
	},
	"hyperlight": {
		"crates-io": "hyperlight-common hyperlight-component-util hyperlight-guest-macro hyperlight-libc" +
			" / hyperlight-component-macro hyperlight-guest-tracing / hyperlight-guest hyperlight-host / hyperlight-guest-bin",
	},
	"kitchen-sink": {
		"crates-io": "sink-base sink-build-tool sink-crypto sink-extra sink-odd sink-unix / sink-macros / kitchen-sink",
		"feed":      "sink-base / sink-feed",
	},
	"mshv": {"crates-io": "mshv-bindings / mshv-ioctls"},
	"two-registries": {
		"crates-io": "harbor-proto / harbor-cli",
		"feed":      "harbor-proto / harbor-core / harbor-client",
	},
}

// TestSamples holds the sample workspaces to what their README says of them, with the real cargo. What a crate's own
// build does is for the tests of packaging.
func TestSamples(t *testing.T) {
	dirs, err := os.ReadDir("../../testdata/workspaces")
	if err != nil {
		t.Fatal(err)
	}
	run := runner(t)
	for _, d := range dirs {
		want, ok := samples[d.Name()]
		if !ok {
			continue
		}
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ws")
			if err := sample.Stage(t.Context(), filepath.Join("../../testdata/workspaces", d.Name()), dir); err != nil {
				t.Fatal(err)
			}
			w, err := cargo.Load(t.Context(), run, dir)
			if err != nil {
				t.Fatal(problems(err))
			}
			if !w.HasLock {
				t.Error("Cargo.lock is not committed")
			}
			if got := findings(w.Siblings("")); got != "" {
				t.Errorf("requirements on siblings:\n%s", got)
			}
			lint := findings(cargo.Lint(w, nil))
			if want == nil {
				if !strings.Contains(lint, "error: cycle:") {
					t.Errorf("no cycle found:\n%s", lint)
				}
				return
			}
			if lint != "" {
				t.Errorf("lint:\n%s", lint)
			}
			got := map[string]string{}
			for _, registry := range w.PublishRegistries() {
				got[registry] = packageFor(t, run, w, registry)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
	if len(samples) > len(dirs)-1 {
		t.Errorf("%d samples are described, there are %d", len(samples), len(dirs)-1)
	}
}

// packageFor packages what goes to a registry and returns the order.
func packageFor(t *testing.T, run cargo.Runner, w *cargo.Workspace, registry string) string {
	t.Helper()
	var names []string
	argv := []string{"cargo", "package", "--no-verify", "--offline", "--locked", "--registry", registry}
	for _, p := range w.Publishable(registry) {
		names = append(names, p.Name)
		argv = append(argv, "--package", p.Name)
	}
	if _, err := run(t.Context(), w.Root, argv...); err != nil {
		t.Errorf("package for %s: %v", registry, err)
	}
	g, err := w.Graph(names)
	if err != nil {
		t.Fatal(err)
	}
	var levels []string
	for _, level := range g.Levels() {
		levels = append(levels, strings.Join(level, " "))
	}
	return strings.Join(levels, " / ")
}

func TestHyperlight(t *testing.T) {
	w, err := cargo.Load(t.Context(), runner(t), "../../testdata/workspaces/hyperlight")
	if err != nil {
		t.Fatal(problems(err))
	}
	if diff := cmp.Diff([]string{"src/tests/rust_guests"}, w.Nested); diff != "" {
		t.Errorf("nested (-want +got):\n%s", diff)
	}
	if got := findings(w.VersionsAgree("0.4.0")) + findings(w.Siblings("0.4.0")); got != "" {
		t.Errorf("the tagged version does not agree:\n%s", got)
	}
	// A tag ahead of the manifest: one place for the version, and one for each of the requirements in the table.
	if got := w.VersionsAgree("0.5.0"); len(got) != 1 || got[0].At.String() != "Cargo.toml:21" {
		t.Errorf("versions:\n%s", findings(got))
	}
	if got := w.Siblings("0.5.0"); len(got) != 9 || got[0].At.String() != "Cargo.toml:30" {
		t.Errorf("siblings:\n%s", findings(got))
	}
	if p, _ := w.Member("hyperlight-testing"); !p.Versionless {
		t.Error("hyperlight-testing has a version")
	}
}

func TestGraph(t *testing.T) {
	w := &cargo.Workspace{Members: []cargo.Package{
		crate("a", "b"), crate("b", "a", "c"), crate("c", "c"), crate("w", "x", "a"), crate("x"),
	}}
	g, err := w.Graph([]string{"x", "w", "c"})
	if err != nil {
		t.Fatal(err)
	}
	want := cargo.Graph{Order: []string{"c", "x", "w"}, Needs: map[string][]string{"c": nil, "w": {"x"}, "x": nil}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = w.Graph([]string{"w", "c", "b", "a", "x"})
	var c *cargo.CycleError
	if !errors.As(err, &c) || len(c.Edges) != 2 || c.Edges[0].From != "a" || c.Edges[1].From != "b" {
		t.Errorf("got %v, want the cycle of a and b", err)
	}
	if c != nil && !strings.Contains(c.Error(), "break the cycle") {
		t.Errorf("no dev-dependency is in the cycle, yet the hint is: %s", c.Error())
	}
	// A dev-dependency is not the cure where the same crate is a dependency as well.
	dev := w.Members[0].Dependencies[0]
	dev.Kind = "dev"
	w.Members[0].Dependencies = append([]cargo.Dependency{dev}, w.Members[0].Dependencies...)
	if _, err := w.Graph([]string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "break the cycle") {
		t.Errorf("got %v, want no word of the dev-dependency", err)
	}
	// Without a path b asks the registry for some release of a: that gives an order only where no cycle comes of it.
	w.Members[1].Dependencies[0].Path = ""
	if g, err := w.Graph([]string{"a", "b"}); err != nil || strings.Join(g.Order, " ") != "b a" {
		t.Errorf("got %v, %v, want b before a", g.Order, err)
	}
	w.Members[0].Dependencies = nil
	if g, err := w.Graph([]string{"a", "b"}); err != nil || strings.Join(g.Order, " ") != "a b" {
		t.Errorf("got %v, %v, want a before b", g.Order, err)
	}
	if _, err := w.Graph([]string{"nobody"}); err == nil {
		t.Error("a crate that is no member was ordered")
	}
}

// crate is a member with normal dependencies on those siblings.
func crate(name string, needs ...string) cargo.Package {
	p := cargo.Package{Name: name, Version: "1.0.0", Manifest: name + "/Cargo.toml", PublishAny: true}
	for _, n := range needs {
		p.Dependencies = append(p.Dependencies, cargo.Dependency{Name: n, Kind: "normal", Req: "^1", HasVersion: true, Path: n})
	}
	return p
}

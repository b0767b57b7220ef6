//go:build e2e

package acceptance

import (
	"errors"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
	"github.com/tagboat/tagboat/internal/secret"
)

// The bytes that a release uploads are those that `cargo publish` uploads from the same commit, for every crate of every
// sample and each of its registries; and it makes no difference whether another index stands in for the registry's.
func TestSameBytesAsCargo(t *testing.T) {
	for _, name := range append([]string{"hostile-config"}, consumed...) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, filepath.Join(workspaces, name), outside.Config{}, realFeed)
			public, at := emptyTwin(t, registrytwin.CratesIO)
			_, elsewhere := emptyTwin(t, registrytwin.Lenient)
			stands := map[string]string{cargo.CratesIOIndex: at}
			there := packageAll(t, w, stands)
			uploads := map[string]*registrytwin.Twin{registry.CratesIO: public}
			for feed, f := range w.Feeds {
				stands[f.Index] = elsewhere
				uploads[feed] = f.Twin
			}
			stood := packageAll(t, w, stands)
			for _, home := range slices.Sorted(maps.Keys(there)) {
				if name == "own-siblings" && home != registry.CratesIO {
					continue // cargo cannot make these: its crates would look for each other on crates.io (own_siblings in tagboat.toml)
				}
				cargoPublishes(t, w, home, at, slices.Sorted(maps.Keys(there[home])))
				theirs := map[string]string{}
				for _, u := range uploads[home].Accepted() {
					theirs[u.Name] = u.SHA256
				}
				if !maps.Equal(there[home], theirs) {
					t.Errorf("%s: packaged %v, cargo published %v", home, there[home], theirs)
				}
				if !maps.Equal(stood[home], theirs) {
					t.Errorf("%s: packaged with a stand-in %v, cargo published %v", home, stood[home], theirs)
				}
				t.Logf("%s: %d crates have cargo's bytes", home, len(theirs))
			}
			if alone := packageAlone(t, w, there); alone != nil && !maps.Equal(alone, there[registry.CratesIO]) {
				t.Errorf("crates.io: packaged with nothing in its place %v, with a stand-in %v", alone, there[registry.CratesIO])
			}
		})
	}
}

// realFeed gives the registry "feed" of a sample an address that exists, in both files that name it.
func realFeed(dir string) error {
	for _, file := range []string{".cargo/config.toml", "tagboat.toml"} {
		name := filepath.Join(dir, filepath.FromSlash(file))
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		text = feedIndex.ReplaceAll(text, []byte("$1\"{index:feed}\""))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var feedIndex = regexp.MustCompile(`(\[registries\.feed\]\n(?:[^\[]*\n)?index = )"[^"]*"`)

const cargoToken = "for-cargo-alone"

// emptyTwin serves a registry and returns its sparse index, without "sparse+".
func emptyTwin(t *testing.T, manners registrytwin.Manners) (*registrytwin.Twin, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	twin := registrytwin.New(registrytwin.Config{Manners: manners, URL: "http://" + server.Listener.Addr().String(), Known: func(string) bool { return true },
		Tokens: []registrytwin.Token{{Label: "cargo", Value: secret.New(cargoToken), Scope: registrytwin.Publish}}})
	server.Config.Handler = twin.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return twin, server.URL + "/index/"
}

// packageAll packages every publishable crate of the checkout for each of its registries: registry -> crate -> sha256.
func packageAll(t *testing.T, w *outside.World, stands map[string]string) map[string]map[string]string {
	t.Helper()
	src, checkout := openSource(t, w, maps.Clone(stands))
	homes := map[string][]string{}
	for _, c := range checkout.Crates {
		for _, home := range c.Registries {
			homes[home] = append(homes[home], c.Name)
		}
	}
	sums := map[string]map[string]string{}
	for home, crates := range homes {
		sums[home] = packageFor(t, src, home, checkout.Indexes[home], crates)
	}
	return sums
}

func openSource(t *testing.T, w *outside.World, stands map[string]string) (*source.Repository, release.Checkout) {
	t.Helper()
	repo, err := git.Open(t.Context(), w.Checkout)
	if err != nil {
		t.Fatal(err)
	}
	src := &source.Repository{Repo: repo, Scratch: t.TempDir(), Stands: stands}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	checkout, _, err := src.Checkout(t.Context(), release.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return src, checkout
}

func packageFor(t *testing.T, src *source.Repository, home, index string, crates []string) map[string]string {
	t.Helper()
	r, err := registry.New(home, index)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := src.Package(t.Context(), observe.PackageOrder{Registry: r, Crates: crates, Out: t.TempDir(), Progress: func(string, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, c := range packed.Crates {
		sums[c.Name] = c.SHA256
	}
	return sums
}

// packageAlone packages for crates.io without a stand-in. No sample needs a crate from outside, so nothing is asked for;
// nil where the sample has no crate for crates.io.
func packageAlone(t *testing.T, w *outside.World, all map[string]map[string]string) map[string]string {
	t.Helper()
	crates := slices.Sorted(maps.Keys(all[registry.CratesIO]))
	if len(crates) == 0 {
		return nil
	}
	src, _ := openSource(t, w, nil)
	return packageFor(t, src, registry.CratesIO, "", crates)
}

// cargoPublishes lets the real cargo publish crates from the checkout. The address that cargo's own tests use stands for
// crates.io, so that cargo believes to speak to it; the feed is reached by its own.
func cargoPublishes(t *testing.T, w *outside.World, home, cratesIO string, crates []string) {
	t.Helper()
	env := map[string]string{
		"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": "cargo:token", "CARGO_REGISTRY_TOKEN": cargoToken,
		"__CARGO_TEST_CRATES_IO_URL_DO_NOT_USE_THIS": "sparse+" + cratesIO,
	}
	for name, f := range w.Feeds {
		env["CARGO_REGISTRIES_"+strings.ToUpper(name)+"_TOKEN"] = f.Token
	}
	args := []string{"publish", "--no-verify", "--locked", "--registry", home}
	for _, c := range crates {
		args = append(args, "--package", c)
	}
	// From another folder: what the configuration of a hostile sample names must not run here.
	args = append(args, "--manifest-path", filepath.Join(w.Checkout, "Cargo.toml"))
	for name, f := range w.Feeds {
		env["CARGO_REGISTRIES_"+strings.ToUpper(name)+"_INDEX"] = f.Index
	}
	realCargo(t, t.TempDir(), env, args...)
}

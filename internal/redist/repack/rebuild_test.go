package repack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// Whoever may write releases may write a bill: what cannot be one of a redistribution is packaged by nobody.
func TestAgain(t *testing.T) {
	crate := func(name string, registries ...string) release.BillCrate {
		c := release.BillCrate{Name: name, Version: "1.0.0-x"}
		for _, r := range registries {
			c.Registries = append(c.Registries, release.BillRegistry{Name: r})
		}
		return c
	}
	up := &release.Upstream{Repository: "https://git.example.com/up", Changes: []string{
		`a/Cargo.toml: package.version = "1.0.0-x"`, `a/Cargo.toml: package.license = "MIT"`, `a/Cargo.toml: package.description = "with \"quotes\" = and: more"`,
		`a/Cargo.toml: dependencies.package.version = "=1"`, "a/Cargo.toml: package.readme = nonsense", "", "package.homepage",
	}}
	got, err := Again(&release.Bill{Commit: "c", Upstream: up, Crates: []release.BillCrate{crate("a", "feed"), crate("b", "feed")}})
	want := config.Redist{Source: "https://git.example.com/up", Rev: "c", Registry: "feed", Crates: []string{"a", "b"}, Metadata: map[string]string{"license": "MIT", "description": `with "quotes" = and: more`}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	for name, bill := range map[string]*release.Bill{
		"none":           nil,
		"no upstream":    {Crates: []release.BillCrate{crate("a", "feed")}},
		"no crates":      {Upstream: up},
		"no registry":    {Upstream: up, Crates: []release.BillCrate{crate("a")}},
		"two registries": {Upstream: up, Crates: []release.BillCrate{crate("a", "feed"), crate("b", "other")}},
		"both in one":    {Upstream: up, Crates: []release.BillCrate{crate("a", "feed", "other")}},
		"a crate twice":  {Upstream: up, Crates: []release.BillCrate{crate("a", "feed"), crate("a", "feed")}},
	} {
		if got, err := Again(bill); err == nil {
			t.Errorf("%s: got %+v, want a stop", name, got)
		}
	}
}

func TestDiffering(t *testing.T) {
	manifest := "[package]\nname = \"a\"\nversion = \"1.0.0-x\"\n"
	before := packed(t, map[string]string{"Cargo.toml": manifest, "Cargo.lock": "1", "gone": "", "same": ""})
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"Cargo.toml": manifest, "Cargo.lock": "2", "new": "", "same": ""}, "Cargo.lock\ngone is in the released one alone\nnew is in the new one alone"},
		{map[string]string{"Cargo.toml": manifest, "Cargo.lock": "1", "gone": "", "same": ""}, "the same files, in another archive"},
	} {
		name := filepath.Join(t.TempDir(), "a.crate")
		file, err := packed(t, c.files).Open()
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.ReadFrom(file); err != nil {
			t.Fatal(err)
		}
		if got, err := differing(before, name); err != nil || got != c.want {
			t.Errorf("got %q, %v, want %q", got, err, c.want)
		}
	}
	if got, err := differing(nil, ""); err != nil || got == "" {
		t.Errorf("got %q, %v", got, err)
	}
}

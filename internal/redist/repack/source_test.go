package repack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
)

func TestName(t *testing.T) {
	for job, want := range map[[2]string]string{
		{"", "https://github.com/rust-vmm/mshv"}: "mshv", {"", "https://git.example.com/a/mshv.git/"}: "mshv", {"", "git@example.com:a/b c.git"}: "b-c",
		{"pair", "https://github.com/rust-vmm/mshv"}: "pair", {"", "/srv/git/mshv"}: "mshv",
	} {
		if got := Name(config.Redist{Name: job[0], Source: job[1]}); got != want {
			t.Errorf("%q: got %q, want %q", job, got, want)
		}
	}
	if got := Tag("mshv", strings.Repeat("5", 40)); got != "redist-mshv-5555555555" {
		t.Errorf("got %s", got)
	}
}

func TestAbsolutePaths(t *testing.T) {
	for name, c := range map[string]struct {
		manifest string
		want     string // file and line of the problem; "" is none
	}{
		"relative":     {"[dependencies]\na = { path = \"../a\" }\n", ""},
		"absolute":     {"[dependencies]\n\na = { version = \"1\", path = \"/srv/a\" }\n", "one/Cargo.toml:6"},
		"table":        {"[build-dependencies.a]\npath = \"/srv/a\"\n", "one/Cargo.toml:5"},
		"platform":     {"[target.'cfg(unix)'.dependencies]\na.path = \"/srv/a\"\n", "one/Cargo.toml:5"},
		"for tests":    {"[dev-dependencies]\na.path = \"/srv/a\"\n", "one/Cargo.toml:5"},
		"windows":      {"[dependencies]\na.path = 'C:\\a'\n", "one/Cargo.toml:5"},
		"network":      {"[dependencies]\na.path = '\\\\host\\a'\n", "one/Cargo.toml:5"},
		"no manifest":  {"<<<<", ""},
		"not a string": {"[dependencies]\na.path = 1\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, text := range map[string]string{
				"Cargo.toml": "[workspace]\nmembers = [\"one\", \"two\"]\n", "one/Cargo.toml": "[package]\nname = \"one\"\n\n" + c.manifest,
				"two/Cargo.toml": "[package]\nname = \"two\"\n[dependencies]\nb.path = \"/srv/b\"\n",
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			var p *problem.Error
			if err := absolutePaths(dir, []string{"one"}); errors.As(err, &p) {
				got = p.Place()
			} else if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if err := absolutePaths(dir, nil); err == nil {
				t.Error("without names the other crate's path is not seen")
			}
		})
	}
}

// A ledger that is about something else must not pass for one that has everything.
func TestCovers(t *testing.T) {
	bill := &release.Bill{Upstream: &release.Upstream{}, Crates: []release.BillCrate{{Name: "a", Version: "1.0.0", Registries: []release.BillRegistry{{Name: "feed"}}}}}
	for name, c := range map[string]struct {
		job  config.Redist
		want string
	}{
		"all":              {config.Redist{Registry: "feed", Crates: []string{"a"}}, ""},
		"another crate":    {config.Redist{Registry: "feed", Crates: []string{"a", "b"}}, "wanted  b -> feed"},
		"another registry": {config.Redist{Registry: "other", Crates: []string{"a"}}, "wanted  a -> other"},
	} {
		err := (&Source{Order: Order{Job: c.job}}).covers("tag", bill)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

package zone

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/problem"
)

// Toolchain is a Rust toolchain on this machine.
type Toolchain struct {
	// Name is rustup's name of it ("stable-x86_64-unknown-linux-gnu"), or "system" for one without rustup.
	Name string
	// Sysroot is its folder, as programs in the zone see it; "" where cargo lies in the system's PATH.
	Sysroot string
	// Wanted is the channel that the checkout asks for and that is not installed; "" otherwise.
	Wanted string
}

// findToolchain picks the toolchain by reading rustup's own files. Nothing is run: rustup's proxies would read
// rust-toolchain.toml, whose path key names a program.
func findToolchain(c Config) (Toolchain, error) {
	env := lookup(c.Environ)
	if c.Toolchain != "" {
		if home, name := c.installed(c.Toolchain); name != "" {
			return resolved(home, name)
		}
		return Toolchain{}, &problem.Error{
			Kind:    problem.Failed,
			Summary: "the Rust toolchain " + c.Toolchain + " is not installed",
			Detail:  "installed: " + listOr(installedToolchains(rustupHome(env)), "none"),
			Hint:    "rustup toolchain install " + c.Toolchain,
		}
	}
	wanted := channelOf(c.Checkout)
	if home, name := c.installed(wanted); name != "" {
		return resolved(home, name)
	}
	for _, want := range []string{env["RUSTUP_TOOLCHAIN"], defaultToolchain(rustupHome(env))} {
		if home, name := c.installed(want); name != "" {
			t, err := resolved(home, name)
			t.Wanted = wanted
			return t, err
		}
	}
	t := systemToolchain(env["PATH"])
	t.Wanted = wanted
	return t, nil
}

// installed finds the installed toolchain for a channel or a full name, and the folder that rustup calls its home; ""
// is none.
func (c Config) installed(want string) (home, name string) {
	for _, home := range []string{rustupHome(lookup(c.Environ)), c.Toolchains} {
		if home == "" {
			continue
		}
		if name := matchToolchain(installedToolchains(home), want); name != "" {
			return home, name
		}
	}
	return "", ""
}

// Missing returns the channel that the configuration or the checkout asks for and that is not installed, "" where there
// is none such.
func Missing(c Config) string {
	if c.Environ == nil {
		c.Environ = os.Environ()
	}
	wanted := c.Toolchain
	if wanted == "" {
		wanted = channelOf(c.Checkout)
	}
	if _, name := c.installed(wanted); name != "" {
		return ""
	}
	return wanted
}

// resolved follows the link that `rustup toolchain link` makes.
func resolved(home, name string) (Toolchain, error) {
	sysroot, err := filepath.EvalSymlinks(filepath.Join(home, "toolchains", name))
	if err != nil {
		return Toolchain{}, &problem.Error{Kind: problem.Failed, Summary: "the Rust toolchain " + name + " cannot be found", Err: err, Hint: "rustup toolchain install " + name}
	}
	return Toolchain{Name: name, Sysroot: sysroot}, nil
}

// rustupHome returns rustup's folder, whether it exists or not.
func rustupHome(env map[string]string) string {
	if h := env["RUSTUP_HOME"]; filepath.IsAbs(h) {
		return h
	}
	home := env["HOME"]
	if !filepath.IsAbs(home) { // a service, or a job in a container; nothing is looked for in the folder that is worked in
		if me, err := user.Current(); err == nil {
			home = me.HomeDir
		}
	}
	return filepath.Join(home, ".rustup")
}

// installedToolchains lists rustup's toolchains that have a cargo.
func installedToolchains(home string) []string {
	entries, _ := os.ReadDir(filepath.Join(home, "toolchains"))
	var names []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(home, "toolchains", e.Name(), "bin", "cargo")); err == nil {
			names = append(names, e.Name())
		}
	}
	return names
}

// matchToolchain finds the installed toolchain for a channel or a full name; "" is none. "1.95" takes the newest
// installed patch release of it only where it is installed under that name, as rustup does.
func matchToolchain(installed []string, want string) string {
	if want == "" || strings.ContainsAny(want, `/\`) {
		return ""
	}
	if slices.Contains(installed, want) {
		return want
	}
	for _, name := range installed {
		// A channel may itself have hyphens (nightly-2026-01-31); what follows it must be a host triple.
		if triple, ok := strings.CutPrefix(name, want+"-"); ok && strings.Count(triple, "-") >= 2 && !isDigit(triple[0]) {
			return name
		}
	}
	return ""
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// defaultToolchain reads rustup's settings.
func defaultToolchain(home string) string {
	b, err := os.ReadFile(filepath.Join(home, "settings.toml"))
	if err != nil {
		return ""
	}
	var s struct {
		Default string `toml:"default_toolchain"`
	}
	if toml.Unmarshal(b, &s) != nil {
		return ""
	}
	return s.Default
}

// channelOf returns the channel that a checkout's rust-toolchain file names, or "".
func channelOf(dir string) string {
	if dir == "" {
		return ""
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
		b, err := fs.ReadFile(root.FS(), name)
		if err != nil {
			continue
		}
		var f struct {
			Toolchain struct {
				Channel string `toml:"channel"`
			} `toml:"toolchain"`
		}
		if err := toml.Unmarshal(b, &f); err == nil {
			return f.Toolchain.Channel
		}
		if text := strings.TrimSpace(string(b)); name == "rust-toolchain" && !strings.ContainsAny(text, "\n[=") {
			return text
		}
		return ""
	}
	return ""
}

// systemToolchain finds a cargo in PATH that is not rustup's proxy. Without one the zone still works for other programs,
// and running cargo says that it is not installed.
func systemToolchain(path string) Toolchain {
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "cargo"))
		if err != nil || filepath.Base(real) == "rustup" || filepath.Base(real) != "cargo" {
			continue
		}
		bin := filepath.Dir(real)
		if slices.Contains(filepath.SplitList(systemPath), bin) {
			return Toolchain{Name: "system"}
		}
		return Toolchain{Name: "system", Sysroot: filepath.Dir(bin)}
	}
	return Toolchain{}
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// linkTree copies the parts of a toolchain that compile into dst, by hard links where the file system permits. Its
// documentation, most of its files, is left out.
func linkTree(src, dst string) error {
	for _, part := range []string{"bin", "lib", "libexec"} {
		err := filepath.WalkDir(filepath.Join(src, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				if path == filepath.Join(src, part) && errors.Is(err, fs.ErrNotExist) {
					return fs.SkipAll
				}
				return err
			}
			rel, err := filepath.Rel(src, path)
			if err != nil {
				return err
			}
			to := filepath.Join(dst, rel)
			switch {
			case d.IsDir():
				return os.MkdirAll(to, 0o755)
			case d.Type()&fs.ModeSymlink != 0:
				target, err := os.Readlink(path)
				if err != nil {
					return err
				}
				return os.Symlink(target, to)
			case !d.Type().IsRegular():
				return nil
			}
			if os.Link(path, to) == nil {
				return nil
			}
			return copyFile(path, to)
		})
		if err != nil {
			return explainIO(err)
		}
	}
	return nil
}

// Package rustup installs the Rust toolchain that a repository pins, where this machine lacks it: rustup itself does so, in
// a build zone of its own, in which no code of the repository runs.
package rustup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/problem"
)

// pinned is a channel whose toolchain does not change any more, but for mended faults of a version with two numbers.
var pinned = regexp.MustCompile(`^([0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?|(stable|beta|nightly)-[0-9]{4}-[0-9]{2}-[0-9]{2})$`)

// Pinned reports whether a channel means one toolchain: a version (1.94, 1.94.0), or a channel with a date. Whatever else
// it means today, it packages other bytes tomorrow.
func Pinned(channel string) bool { return pinned.MatchString(channel) }

// Install is one toolchain to be installed.
type Install struct {
	Channel  string
	Checkout string // its rust-toolchain file may name components and targets besides; "" is none
	Home     string // a folder like rustup's own: the toolchain comes to be below its folder "toolchains"
	Scratch  string // an existing folder of this run alone
	Environ  []string
	Line     func(string) // what rustup says while it works; may be nil
}

// Possible reports whether this machine can install a channel: it is pinned, and rustup is there.
func Possible(channel string, environ []string) bool {
	return Pinned(channel) && program(environ) != ""
}

// program is where rustup is in the PATH, "" where it is not.
func program(environ []string) string {
	for _, kv := range environ {
		path, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if file := filepath.Join(dir, "rustup"); filepath.IsAbs(dir) {
				if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
					return file
				}
			}
		}
	}
	return ""
}

// Run installs it. rustup runs in a zone with the network open, no secret, and folders of its own; it holds what it
// downloads against the checksums of the channel's manifest. What comes out is copied to Home, where the zone cannot write.
func (i Install) Run(ctx context.Context) error {
	explained := func(err error) error {
		return &problem.Error{Kind: problem.Failed, Summary: "the Rust toolchain " + i.Channel + " cannot be installed", Err: err,
			Hint: "is static.rust-lang.org reachable (RUSTUP_DIST_SERVER, HTTPS_PROXY), and is there such a toolchain? `rustup toolchain install " + i.Channel + "` beforehand helps, too"}
	}
	z, err := zone.New(zone.Config{Dir: i.Scratch, Environ: i.Environ})
	if err != nil {
		return err
	}
	defer z.Close()
	argv, err := i.command(z)
	if err != nil {
		return explained(err)
	}
	home := filepath.Join(z.Out(), "rustup")
	c := zone.Command{Argv: argv, Network: zone.Open, Line: i.Line, Env: map[string]string{"RUSTUP_HOME": home, "RUSTUP_TERM_COLOR": "never", "RUSTUP_TERM_PROGRESS_WHEN": "never"}}
	for _, kv := range i.Environ {
		server, ok := strings.CutPrefix(kv, "RUSTUP_DIST_SERVER=")
		if !ok || server == "" {
			continue
		}
		port, err := portOf(server)
		if err != nil {
			return explained(err)
		}
		c.Env["RUSTUP_DIST_SERVER"], c.Ports = server, port
	}
	out, err := z.Run(ctx, c)
	if err == nil {
		err = out.Err()
	}
	if err == nil {
		err = i.take(home)
	}
	if err != nil && ctx.Err() == nil {
		err = explained(err)
	}
	return err
}

// command copies rustup into the zone, as whose user the original may not be reachable, and says how to start it.
func (i Install) command(z *zone.Zone) ([]string, error) {
	text, err := os.ReadFile(program(i.Environ))
	if err != nil {
		return nil, fmt.Errorf("read rustup: %w", err)
	}
	dir, err := os.MkdirTemp(i.Scratch, "rustup-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "rustup"), text, 0o755); err != nil {
		return nil, err
	}
	inside, err := z.Import(dir)
	if err != nil {
		return nil, err
	}
	argv := []string{filepath.Join(inside, "rustup"), "toolchain", "install", i.Channel, "--profile", "minimal", "--no-self-update"}
	components, targets := extras(i.Checkout)
	for _, name := range components {
		argv = append(argv, "--component", name)
	}
	for _, name := range targets {
		argv = append(argv, "--target", name)
	}
	return argv, nil
}

// plainName is what components and targets are called; nothing else reaches a command line.
var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// extras are what a rust-toolchain file asks for besides the channel.
//
// https://rust-lang.github.io/rustup/overrides.html#the-toolchain-file
func extras(checkout string) (components, targets []string) {
	if checkout == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(checkout)
	if err != nil {
		return nil, nil
	}
	defer root.Close()
	for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
		text, err := fs.ReadFile(root.FS(), name)
		if err != nil {
			continue
		}
		var f struct {
			Toolchain struct {
				Components []string `toml:"components"`
				Targets    []string `toml:"targets"`
			} `toml:"toolchain"`
		}
		if toml.Unmarshal(text, &f) != nil {
			return nil, nil
		}
		return plain(f.Toolchain.Components), plain(f.Toolchain.Targets)
	}
	return nil, nil
}

func plain(names []string) (out []string) {
	for _, name := range names {
		if plainName.MatchString(name) {
			out = append(out, name)
		}
	}
	return out
}

// portOf is the port of a server, which the zone opens. What carries a password goes to no program in the zone.
func portOf(server string) ([]uint16, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("RUSTUP_DIST_SERVER is not an address without credentials")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, nil // https, whose port is open
	}
	return []uint16{uint16(n)}, nil
}

// take copies the one toolchain that rustup made to where the zone cannot write. A toolchain is there as a whole or not at
// all, also where a run was cut.
func (i Install) take(from string) error {
	made, err := os.OpenRoot(filepath.Join(from, "toolchains"))
	if err != nil {
		return err
	}
	defer made.Close()
	entries, err := fs.ReadDir(made.FS(), ".")
	if err != nil {
		return err
	}
	if len(entries) != 1 || !entries[0].IsDir() || !strings.HasPrefix(entries[0].Name(), i.Channel+"-") {
		return fmt.Errorf("rustup made %d toolchains, and none is that of %s", len(entries), i.Channel)
	}
	name := entries[0].Name()
	tree, err := fs.Sub(made.FS(), name)
	if err != nil {
		return err
	}
	to := filepath.Join(i.Home, "toolchains")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	half, err := os.MkdirTemp(to, ".half-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half)
	if err := errors.Join(os.CopyFS(filepath.Join(half, name), tree), os.Chmod(half, 0o755)); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(half, name), filepath.Join(to, name))
	if _, there := os.Stat(filepath.Join(to, name, "bin", "cargo")); there == nil {
		return nil // perhaps another run was faster
	}
	return err
}

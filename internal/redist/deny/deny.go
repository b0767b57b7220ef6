// Package deny asks cargo-deny whether there are advisories about crates that would move, without a workspace that uses
// them: it is given a document in the form of cargo metadata. It runs in a build zone, with the network and no secret.
package deny

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
)

// program is cargo-deny. Before 0.20.0 it took the flags below after "check", and some of them not at all.
const (
	program = "cargo-deny"
	needed  = "0.20.0 or newer"
)

// Asker knows what a question needs.
type Asker struct {
	Path    string // in which the program is looked for
	Dir     string // the folder with deny.toml
	Scratch string // an existing folder of this run alone
	Package config.Package
}

// Ask returns what cargo-deny denies of the crates, which all come from that source, in cargo's spelling. Every error ends
// a run: what nobody looked at is not moved.
//
// https://embarkstudios.github.io/cargo-deny/cli/common.html
func (a Asker) Ask(ctx context.Context, source string, crates []redist.Crate) (_ []redist.Advisory, err error) {
	file := zone.LookPath(a.Path, program)
	if file == "" {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "cargo-deny is not installed", Hint: "advisories in [thirdparty] of " + config.File + " asks for it: install it, " + needed + ", or name a repository of advisories; nothing was moved"}
	}
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	c := zone.Config{Dir: a.Scratch, Mounts: a.Package.Mounts, Env: a.Package.Env}
	if a.Package.Isolation == "require" {
		c.Demand = zone.Require
	}
	z, err := zone.New(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	tool, err := z.Bring(file)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(z.Out(), "wanted")
	if err := a.layOut(z, dir, settings, metadata(dir, source, crates)); err != nil {
		return nil, err
	}
	// What it says goes to standard error, of which a zone keeps the end alone.
	out, err := z.Run(ctx, zone.Command{Dir: dir, Network: zone.Open, Ports: ports(settings), Argv: append([]string{"sh", "-c", `exec "$0" "$@" 2>&1`, tool}, arguments(dir)...)})
	if err != nil {
		return nil, err
	}
	return read(out.Stdout, out.Exit, crates)
}

// arguments ask about advisories alone. Whether a version is yanked says the source's index, which we read and which it
// does not have; an exception for a crate that does not move is nobody's fault.
func arguments(dir string) []string {
	return []string{"--format", "json", "--log-level", "error",
		"--manifest-path", filepath.Join(dir, "Cargo.toml"), "--metadata-path", filepath.Join(dir, "metadata.json"),
		"check", "--allow", "yanked", "--allow", "advisory-not-detected", "--allow", "yanked-not-detected", "advisories"}
}

// settings is the deny.toml of the folder, by the names that cargo-deny looks for; nil where it has none.
func (a Asker) settings() ([]byte, error) {
	for _, name := range []string{"deny.toml", ".deny.toml", ".cargo/deny.toml"} {
		text, err := os.ReadFile(filepath.Join(a.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &problem.Error{Kind: problem.Failed, Summary: "cannot read the settings of cargo-deny", Err: err, File: name, Hint: "nothing was moved"}
		}
		return text, nil
	}
	return nil, nil
}

// ports are those of the databases that the settings name. What is wrong with the settings says cargo-deny.
func ports(settings []byte) []uint16 {
	var s struct {
		Advisories struct {
			URLs []string `toml:"db-urls"`
		} `toml:"advisories"`
	}
	_ = toml.Unmarshal(settings, &s)
	var out []uint16
	for _, text := range s.Advisories.URLs {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		known := map[string]string{"http": "80", "git": "9418"}
		if n, err := strconv.ParseUint(cmp.Or(u.Port(), known[u.Scheme]), 10, 16); err == nil {
			out = append(out, uint16(n))
		}
	}
	return out
}

// layOut puts into the zone what cargo-deny reads: the document, a package that the document says uses the crates, and beside
// it its settings, empty ones where there are none, so that it looks no further. That package has no dependencies of its
// own, so that cargo, which cargo-deny starts, has nothing to fetch.
func (a Asker) layOut(z *zone.Zone, dir string, settings, document []byte) error {
	from, err := os.MkdirTemp(a.Scratch, "wanted-")
	if err != nil {
		return fmt.Errorf("lay out what cargo-deny reads: %w", err)
	}
	defer os.RemoveAll(from)
	if err := os.Mkdir(filepath.Join(from, rest), 0o755); err != nil {
		return fmt.Errorf("lay out what cargo-deny reads: %w", err)
	}
	manifest := "[package]\nname = %q\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[lib]\npath = \"lib.rs\"\n\n[workspace]\n"
	for name, text := range map[string][]byte{
		"Cargo.toml": fmt.Appendf(nil, manifest, root), "lib.rs": nil, rest + "/Cargo.toml": fmt.Appendf(nil, manifest, rest), "deny.toml": settings, "metadata.json": document,
	} {
		if err := os.WriteFile(filepath.Join(from, filepath.FromSlash(name)), text, 0o644); err != nil {
			return fmt.Errorf("lay out what cargo-deny reads: %w", err)
		}
	}
	_, err = z.Scratch(filepath.Base(dir), from)
	return err
}

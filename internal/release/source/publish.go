package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

// Publish runs `cargo publish` for one crate, for publisher = "cargo". The crate was verified before, so cargo starts no
// code of the crate; the zone is emptied first, and cargo runs from an empty folder, where neither the repository's
// .cargo/config.toml nor its rust-toolchain.toml can name a program. All the same the token is in a file that this cargo
// can read while it runs, which is why this is not the default.
func (r *Repository) Publish(ctx context.Context, order observe.PackageOrder, token secret.Value) error {
	r.publishing.Lock()
	defer r.publishing.Unlock()
	if err := r.opened(ctx); err != nil {
		return err
	}
	p, ok := r.workspace.Member(order.Crates[0])
	if !ok {
		return fmt.Errorf("publish %s: not in the workspace", order.Crates[0])
	}
	if err := r.zone.Reset(); err != nil {
		return err
	}
	sources, err := r.zone.Import(r.clone.Dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(sources)
	home, err := r.credentials(order.Registry.Name, token)
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	env := map[string]string{"CARGO_HOME": home}
	for alias, index := range indexes(r.workspace, r.config) {
		env["CARGO_REGISTRIES_"+envName(alias)+"_INDEX"] = index
	}
	argv := []string{"cargo", "publish", "--no-verify", "--registry", order.Registry.Name, "--manifest-path", filepath.Join(sources, filepath.FromSlash(p.Manifest))}
	if r.config.Package.Locked {
		argv = append(argv, "--locked")
	}
	out, err := r.zone.Run(ctx, zone.Command{Dir: r.zone.Home(), Argv: argv, Network: zone.Open, Ports: portOf(order.Registry.URL), Env: env})
	return errors.Join(err, out.Err())
}

// credentials makes a cargo home in the zone with the token of one registry.
// https://doc.rust-lang.org/cargo/reference/config.html#credentials
func (r *Repository) credentials(registry string, token secret.Value) (string, error) {
	entry := map[string]string{"token": token.Reveal()}
	// A registry that is defined by environment has the name that cargo makes of the variable.
	file := map[string]any{"registries": map[string]any{registry: entry, strings.ToLower(envName(registry)): entry}}
	if registry == cargo.CratesIO {
		file = map[string]any{"registry": entry}
	}
	text, err := toml.Marshal(file)
	if err != nil {
		return "", fmt.Errorf("write credentials for registry %s: %w", registry, err)
	}
	dir, err := os.MkdirTemp(r.Scratch, "publish-")
	if err != nil {
		return "", fmt.Errorf("make a folder for credentials: %w", err)
	}
	defer os.RemoveAll(dir)
	// Without a provider named here cargo takes no token for registries other than crates.io.
	providers := "[registry]\nglobal-credential-providers = [\"cargo:token\"]\n"
	err = errors.Join(os.WriteFile(filepath.Join(dir, "credentials.toml"), text, 0o600), os.WriteFile(filepath.Join(dir, "config.toml"), []byte(providers), 0o600))
	if err != nil {
		return "", fmt.Errorf("write credentials for registry %s: %w", registry, err)
	}
	return r.zone.Scratch("publish", dir)
}

// portOf is the port of an address that names one.
func portOf(address string) []uint16 {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return nil
	}
	return []uint16{uint16(n)}
}

// envName is how cargo spells a registry's name in environment variables.
func envName(alias string) string { return strings.ToUpper(strings.ReplaceAll(alias, "-", "_")) }

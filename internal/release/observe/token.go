package observe

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
)

// PAT is the variable that Azure DevOps users keep a personal access token in. Where exactly one Azure feed is known and
// its own variable is not set, its token is read from here.
const PAT = "PAT"

// TokenVariable returns the environment variable that holds a registry's token: the configured one, else cargo's.
// https://doc.rust-lang.org/cargo/reference/config.html#registriesnametoken
func TokenVariable(cfg config.Config, name string) string {
	if c, ok := cfg.Registries[name]; ok && c.TokenEnv != "" {
		return c.TokenEnv
	}
	if name == registry.CratesIO {
		return "CARGO_REGISTRY_TOKEN"
	}
	return "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_TOKEN"
}

// TokenVariables returns for every registry of tagboat.toml and .cargo/config.toml (name -> index) the environment variable
// that its token is read from. set reports whether a variable has a value.
func TokenVariables(cfg config.Config, indexes map[string]string, set func(variable string) bool) map[string]string {
	out := map[string]string{registry.CratesIO: TokenVariable(cfg, registry.CratesIO)}
	var feeds []string
	enter := func(name, index string) {
		if _, known := out[name]; known {
			return
		}
		out[name] = TokenVariable(cfg, name)
		if KindOf(cfg, name, index) == registry.KindAzure {
			feeds = append(feeds, name)
		}
	}
	for name, r := range cfg.Registries {
		enter(name, cmp.Or(r.Index, indexes[name]))
	}
	for name, index := range indexes {
		enter(name, index)
	}
	if len(feeds) == 1 && !set(out[feeds[0]]) && set(PAT) {
		out[feeds[0]] = PAT
	}
	return out
}

// KindOf returns the kind of a registry: as tagboat.toml says, else as its index gives away.
func KindOf(cfg config.Config, name, index string) registry.Kind {
	if k := cfg.Registries[name].Kind; k != "" && k != string(registry.KindGeneric) {
		return registry.Kind(k)
	}
	u, err := url.Parse(strings.TrimPrefix(index, "sparse+"))
	if err != nil {
		return registry.KindGeneric
	}
	return kind.Of(u)
}

// Package keys finds the credentials of a run in its environment.
package keys

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// Held is what the environment holds for registries.
type Held struct {
	Variables map[string]string // registry -> the variable that its token is in
	env       map[string]string
	indexes   map[string]string // registry -> index, of those in .cargo/config.toml
	cfg       config.Config
}

// In decides which variable each registry's token is in.
func In(env map[string]string, cfg config.Config, indexes map[string]string) Held {
	set := func(name string) bool { return env[name] != "" }
	return Held{Variables: observe.TokenVariables(cfg, indexes, set), env: env, indexes: indexes, cfg: cfg}
}

// From names the variable that a registry's token is read from.
func (h Held) From(registry string) string {
	if v, known := h.Variables[registry]; known {
		return v
	}
	return observe.TokenVariable(h.cfg, registry)
}

// Token returns a registry's token as it is stored, zero where there is none.
func (h Held) Token(registry string) secret.Value { return secret.New(h.env[h.From(registry)]) }

// Sources tells where each registry's token comes from.
func (h Held) Sources() []render.TokenSource {
	var out []render.TokenSource
	for _, name := range slices.Sorted(maps.Keys(h.Variables)) {
		k := observe.KindOf(h.cfg, name, cmp.Or(h.cfg.Registries[name].Index, h.indexes[name]))
		x := render.TokenSource{Registry: name, Kind: string(k), Variable: h.From(name), Set: !h.Token(name).IsZero()}
		if x.Set {
			value, _, err := k.Authorize(h.Token(name).Reveal())
			x.SentAs = "bare"
			if scheme, _, found := strings.Cut(value.Reveal(), " "); found && (scheme == "Basic" || scheme == "Bearer") {
				x.SentAs = scheme
			}
			if err != nil {
				x.SentAs, x.Problem = "", err.Error()
			}
		}
		out = append(out, x)
	}
	return out
}

// BillKeys are the credentials that make a bill authentic: every registry token of this run, and the user's own key.
func (h Held) BillKeys() []release.BillKey {
	var out []release.BillKey
	if v := h.env[release.UserKey]; v != "" {
		out = append(out, release.BillKey{Name: release.UserKey, Value: secret.New(v)})
	}
	for _, name := range slices.Sorted(maps.Keys(h.Registries())) {
		// Innermost: a scheme or a line break that somebody takes away between two runs makes no other key.
		if v := kind.Innermost(h.Token(name).Reveal()); !v.IsZero() {
			out = append(out, release.BillKey{Name: name, Value: v})
		}
	}
	return out
}

// Registries are the known registries and those for which cargo's variables hold a token: a registry that only a file
// included by .cargo/config.toml names is known by its variable, in which "-" and "_" are one.
func (h Held) Registries() map[string]bool {
	out, known := map[string]bool{}, map[string]bool{}
	for name, variable := range h.Variables {
		out[name], known[variable] = true, true
	}
	for variable := range h.env {
		name, ok := strings.CutPrefix(strings.TrimSuffix(variable, "_TOKEN"), "CARGO_REGISTRIES_")
		if ok && strings.HasSuffix(variable, "_TOKEN") && !known[variable] {
			out[strings.ToLower(strings.ReplaceAll(name, "_", "-"))] = true
		}
	}
	return out
}

// CargoRegistries are the registries that a .cargo/config.toml names (name -> index). One that cannot be read names none
// here: whoever packages reports it.
func CargoRegistries(text []byte) map[string]string {
	out := map[string]string{}
	doc, err := manifest.Parse(text)
	if err != nil {
		return out
	}
	registries := doc.Get("registries")
	for _, name := range registries.Keys() {
		out[name] = registries.Get(name, "index").String()
	}
	return out
}

// AtHead reads tagboat.toml and the registries of .cargo/config.toml of the checked out commit.
func AtHead(ctx context.Context, repo *git.Repo) (config.Config, map[string]string, error) {
	cargos, err := repo.File(ctx, "HEAD", ".cargo/config.toml")
	if err != nil && !errors.Is(err, git.ErrNotFound) {
		return config.Config{}, nil, err
	}
	indexes := CargoRegistries(cargos)
	text, err := repo.File(ctx, "HEAD", config.File)
	if errors.Is(err, git.ErrNotFound) {
		return config.Default(), indexes, nil
	}
	if err != nil {
		return config.Config{}, nil, err
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, indexes, err
}

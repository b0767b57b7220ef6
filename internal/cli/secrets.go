package cli

import (
	"cmp"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// hideSecrets registers every variable that is named like a secret with the masker and takes it out of the process's
// environment, so that no child can inherit it by mistake. What is needed of them stays in a.env.
func (a *app) hideSecrets() {
	for _, name := range a.masker.Environ(a.env) {
		os.Unsetenv(name)
	}
}

// billKeyVariable holds a secret of the user's choice that makes bills of lading authentic, for runs whose registry
// tokens are minted anew each time.
const billKeyVariable = "TAGBOAT_BILL_KEY"

// githubToken finds the token for the forge, zero where there is none.
func (a *app) githubToken() (secret.Value, error) {
	for _, name := range []string{"GITHUB_TOKEN", "GH_TOKEN"} {
		if a.env[name] == "" {
			continue
		}
		v, warning, err := registry.CleanToken(a.env[name])
		if err != nil {
			return v, &problem.Error{Kind: problem.Usage, Summary: "the token in " + name + " cannot be used", Err: err, Hint: "store the token again, as one line"}
		}
		if warning != "" {
			a.say("%s: %s", name, warning)
		}
		return v, nil
	}
	return secret.Value{}, nil
}

// tokens finds the registries' tokens in the environment.
type tokens struct {
	env       map[string]string
	variables map[string]string // registry -> variable
	indexes   map[string]string // registry -> index, of those in .cargo/config.toml
	cfg       config.Config
}

// tokens decides which variable each registry's token is in, and hides those that are not named like secrets, too.
func (a *app) tokens(cfg config.Config, indexes map[string]string) tokens {
	t := tokens{env: a.env, cfg: cfg, indexes: indexes, variables: observe.TokenVariables(cfg, indexes, func(name string) bool { return a.env[name] != "" })}
	for _, name := range t.variables {
		if a.env[name] != "" {
			a.masker.Environment(a.env[name])
			os.Unsetenv(name) // no child inherits it
		}
	}
	return t
}

// from names the variable that a registry's token is read from.
func (t tokens) from(registry string) string {
	if v, known := t.variables[registry]; known {
		return v
	}
	return observe.TokenVariable(t.cfg, registry)
}

// of returns a registry's token as it is stored, zero where there is none.
func (t tokens) of(registry string) secret.Value { return secret.New(t.env[t.from(registry)]) }

// sources tells where each registry's token comes from.
func (t tokens) sources() []render.TokenSource {
	var out []render.TokenSource
	for _, name := range sortedKeys(t.variables) {
		k := observe.KindOf(t.cfg, name, cmp.Or(t.cfg.Registries[name].Index, t.indexes[name]))
		x := render.TokenSource{Registry: name, Kind: string(k), Variable: t.from(name), Set: !t.of(name).IsZero()}
		if x.Set {
			value, _, err := k.Authorize(t.of(name).Reveal())
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

// cargoRegistries are the registries that a .cargo/config.toml names (name -> index). One that cannot be read names none
// here: whoever packages reports it.
func cargoRegistries(text []byte) map[string]string {
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

// credentials are what a run logs in to registries with.
func (a *app) credentials(cfg config.Config, held tokens) *login.Credentials {
	return login.New(login.Config{Settings: cfg, Env: a.env, UserAgent: userAgent(), Warn: a.warn,
		Token: held.of,
		Hide:  func(v secret.Value) { a.masker.Add(v) }})
}

// sayLogins says how crates will go to registries that were not asked which of them they have.
func (a *app) sayLogins(s release.Snapshot) {
	for _, name := range sortedKeys(s.Config.Registries) {
		used := slices.ContainsFunc(s.Checkout.Crates, func(c release.Crate) bool { return slices.Contains(c.Registries, name) })
		switch login := s.Config.Registries[name].Login; {
		case used && login == release.LoginTrusted:
			a.say("%s: crates that it has go by trusted publishing, new ones by a token; `tagboat plan` asks which they are", name)
		case used && login == release.LoginEntra:
			a.say("%s: crates go by Entra", name)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

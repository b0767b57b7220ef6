package cli

import (
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/release/observe"
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

// registryToken returns the Authorization value for a registry, zero where there is none.
func (a *app) registryToken(name string, cfg config.Config) secret.Value {
	if v := a.env[observe.TokenVariable(cfg, name)]; v != "" {
		return secret.New(v)
	}
	return secret.Value{}
}

// credentials are what a run logs in to registries with.
func (a *app) credentials(cfg config.Config) *login.Credentials {
	return login.New(login.Config{Settings: cfg, Env: a.env, UserAgent: userAgent(), Warn: a.warn,
		Token: func(name string) secret.Value { return a.registryToken(name, cfg) },
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

// indexVariable is where cargo looks for a registry's index. A workflow that sets it keeps a commit from sending the
// registry's token elsewhere.
// https://doc.rust-lang.org/cargo/reference/config.html#registriesnameindex
func indexVariable(name string) string {
	return "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_INDEX"
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

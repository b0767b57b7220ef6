package cli

import (
	"maps"
	"os"
	"slices"

	"github.com/tagboat/tagboat/internal/cli/keys"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/secret"
)

// hideSecrets registers every variable that is named like a secret with the masker and takes it out of the process's
// environment, so that no child can inherit it by mistake. What is needed of them stays in a.env.
func (a *app) hideSecrets() {
	for _, name := range a.masker.Environ(a.env) {
		os.Unsetenv(name)
	}
}

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

// tokens finds the registries' tokens in the environment, and hides those that are not named like secrets, too.
func (a *app) tokens(cfg config.Config, indexes map[string]string) keys.Held {
	held := keys.In(a.env, cfg, indexes)
	for _, name := range held.Variables {
		if a.env[name] != "" {
			a.masker.Environment(a.env[name])
			os.Unsetenv(name) // no child inherits it
		}
	}
	return held
}

// credentials are what a run logs in to registries with.
func (a *app) credentials(cfg config.Config, held keys.Held) *login.Credentials {
	return login.New(login.Config{Settings: cfg, Env: a.env, UserAgent: userAgent(), Warn: a.warn,
		Token: held.Token,
		Hide:  func(v secret.Value) { a.masker.Add(v) }})
}

// sayLogins says how crates will go to registries that were not asked which of them they have.
func (a *app) sayLogins(s release.Snapshot) {
	for _, name := range slices.Sorted(maps.Keys(s.Config.Registries)) {
		used := slices.ContainsFunc(s.Checkout.Crates, func(c release.Crate) bool { return slices.Contains(c.Registries, name) })
		switch login := s.Config.Registries[name].Login; {
		case used && login == release.LoginTrusted:
			a.say("%s: crates that it has go by trusted publishing, new ones by a token; `tagboat plan` asks which they are", name)
		case used && login == release.LoginEntra:
			a.say("%s: crates go by Entra", name)
		}
	}
}

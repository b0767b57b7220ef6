package rehearsal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/mint"
	"github.com/tagboat/tagboat/internal/rehearsal/entratwin"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/secret"
)

// environment is the one that the jobs of a rehearsal run in.
const environment = "release"

// identity is what proves who a rehearsal's jobs are, where the configuration wants that.
type identity struct {
	issuer *githubid.Issuer
	keys   *http.Client
	entra  *entratwin.Twin
	env    map[string]string // of every run, besides the job's own
}

// minted reports whether runs make their own credential for a registry. What "auto" does depends on the job's
// environment, and a rehearsal has none.
func (s *Stage) minted(name string) bool {
	l := s.Release.Registries[name].Login
	return l == config.LoginTrusted || l == config.LoginEntra
}

// startIdentity starts GitHub's issuer where any registry needs it.
func (s *Stage) startIdentity() error {
	if !slices.ContainsFunc(registryNames(s.Release), s.minted) {
		return nil
	}
	key, err := githubid.Key()
	if err != nil {
		return fmt.Errorf("make a key for the embedded GitHub: %w", err)
	}
	listener, url, err := listen()
	if err != nil {
		return err
	}
	s.identity = &identity{issuer: githubid.New(url, key), keys: &http.Client{Timeout: time.Minute}, env: map[string]string{}}
	s.serve(listener, s.Config.Faults.Wrap(fault.GitHub, githubid.Op, s.identity.issuer.Handler()))
	return s.startEntra()
}

func registryNames(c config.Config) []string { return slices.Sorted(maps.Keys(c.Registries)) }

func (i *identity) verify(audience string) func(context.Context, string) (githubid.Claims, error) {
	v := githubid.Verifier{Issuer: i.issuer.URL(), Audience: audience, HTTP: i.keys}
	return func(ctx context.Context, jwt string) (githubid.Claims, error) { return v.Verify(ctx, jwt, time.Now()) }
}

// job is what GitHub says of the release workflow's job.
func (s *Stage) job() githubid.Job {
	j := githubid.Job{Repository: s.Owner + "/" + s.Name, Workflow: s.Source.Workflow.File, Environment: environment, Ref: "refs/heads/" + s.Branch, SHA: s.Commit}
	if j.Workflow == "" {
		j.Workflow = "release.yml"
	}
	return j
}

// startEntra starts Entra with the applications that the configuration names. Those that only the environment of the real
// job names have a placeholder.
func (s *Stage) startEntra() error {
	const placeholder = "rehearsal"
	c := entratwin.Config{Verify: s.identity.verify(entratwin.Audience)}
	for _, name := range registryNames(s.Release) {
		r := s.Release.Registries[name]
		if r.Login != config.LoginEntra {
			continue
		}
		a := entratwin.Application{Tenant: cmp.Or(r.TenantID, placeholder), Client: cmp.Or(r.ClientID, placeholder), Subject: s.job().Claims("", "", time.Time{}).Subject}
		c.Applications = append(c.Applications, a)
		s.Notes = append(s.Notes, fmt.Sprintf("Entra's application %s of tenant %s trusts %s in environment %s here", a.Client, a.Tenant, s.job().Repository, environment))
	}
	if c.Applications == nil {
		return nil
	}
	listener, url, err := listen()
	if err != nil {
		return err
	}
	s.identity.entra = entratwin.New(c)
	s.identity.env = map[string]string{"AZURE_AUTHORITY_HOST": url, "AZURE_TENANT_ID": placeholder, "AZURE_CLIENT_ID": placeholder}
	s.serve(listener, s.Config.Faults.Wrap("entra", entratwin.Op, s.identity.entra.Handler()))
	return nil
}

// trust lets an embedded registry trust the repository's jobs, as its owner registered them.
func (s *Stage) trust(name string, c *registrytwin.Config) {
	if !s.minted(name) {
		return
	}
	job := s.job()
	if name == registry.CratesIO {
		c.Trusted = &registrytwin.Trusted{Verify: s.identity.verify("crates.io")}
		for _, crate := range s.crates(name) {
			c.Trusted.Publishers = append(c.Trusted.Publishers, registrytwin.Publisher{Crate: crate, Repository: job.Repository, Workflow: job.Workflow, Environment: environment})
		}
		s.Notes = append(s.Notes, fmt.Sprintf("crates.io trusts workflow %s of %s in environment %s here, and has every crate already: trusted publishing makes no new one", job.Workflow, job.Repository, environment))
		return
	}
	c.Bearer = func(value string) (registrytwin.Token, bool) {
		return registrytwin.Token{Label: "entra", Value: secret.New(value), Scope: registrytwin.Publish}, s.identity.entra.Valid(value)
	}
}

// crates are the names of those that go to a registry.
func (s *Stage) crates(registry string) []string {
	var out []string
	for _, c := range s.Source.Crates {
		if slices.Contains(c.Registries, registry) {
			out = append(out, c.Name)
		}
	}
	return out
}

// credentials are what one run logs in with.
func (s *Stage) credentials() *login.Credentials {
	c := login.Config{Settings: s.Release, Env: map[string]string{}, Token: func(name string) secret.Value {
		if f := s.Feeds[name]; f != nil && !s.minted(name) {
			return f.Token
		}
		return secret.Value{}
	}}
	if s.identity != nil {
		for name, value := range s.identity.env {
			c.Env[name] = value
		}
		c.Env[mint.URLVariable], c.Env[mint.TokenVariable] = s.identity.issuer.Start(s.job(), "")
	}
	return login.New(c)
}

// keys are the credentials that last, and make a bill authentic.
func (s *Stage) keys() []release.BillKey {
	var out []release.BillKey
	for _, name := range slices.Sorted(maps.Keys(s.Feeds)) {
		if !s.minted(name) {
			out = append(out, release.BillKey{Name: name, Value: s.Feeds[name].Token})
		}
	}
	if s.identity != nil {
		out = append(out, release.BillKey{Name: release.UserKey, Value: secret.New(strings.Repeat("rehearsal", 4))})
	}
	return out
}

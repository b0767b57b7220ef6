// Package login chooses how a run logs in to each registry, with a stored token or with a credential that it makes for
// itself from the identity of its job, and ends what it made.
package login

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/mint"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

// Config is what a run has to log in with.
type Config struct {
	Settings  config.Config
	Env       map[string]string              // of the run: the job's identity, Entra's ids
	Token     func(name string) secret.Value // the stored token for a registry, zero where there is none
	HTTP      *http.Client                   // its transport is used; may be nil
	UserAgent string
	Hide      func(secret.Value)    // is told of every credential before anything else sees it; may be nil
	Warn      func(sentence string) // may be nil
}

// Credentials are the credentials of one run. They are safe for concurrent use.
type Credentials struct {
	config Config

	mu      sync.Mutex
	sources map[string]*mint.Source
}

// New returns the credentials of a run; none is made yet.
func New(c Config) *Credentials { return &Credentials{config: c, sources: map[string]*mint.Source{}} }

// How says how a registry is logged in to: with a stored token where there is one, unless the configuration asks for
// something else. Outside of GitHub Actions nothing can be made, and a token that is there is used. See release.Login.
func (c *Credentials) How(name string) string {
	r := c.config.Settings.Registries[name]
	identity := c.config.Env[mint.URLVariable] != "" && c.config.Env[mint.TokenVariable] != ""
	stored := !c.config.Token(name).IsZero()
	switch {
	case stored && !identity && c.config.Env["GITHUB_ACTIONS"] != "true":
		return release.LoginToken
	case r.Login == config.LoginTrusted:
		return release.LoginTrusted
	case r.Login == config.LoginEntra:
		return release.LoginEntra
	case r.Login == config.LoginToken, !identity, stored, c.config.Settings.Package.Publisher == "cargo":
	case name == registry.CratesIO:
		return release.LoginTrusted
	case r.TenantID != "" && r.ClientID != "":
		return release.LoginEntra
	}
	return release.LoginToken
}

// Any reports whether there is a credential for a registry with which it can be read, too.
func (c *Credentials) Any(name string) bool {
	return c.How(name) == release.LoginEntra || !c.config.Token(name).IsZero()
}

// Options gives a registry's client its credentials.
func (c *Credentials) Options(name string, o registry.Options) registry.Options {
	switch c.How(name) {
	case release.LoginEntra:
		o.Token = func(ctx context.Context) (secret.Value, error) { return c.mint(ctx, name, "") }
		return o
	case release.LoginTrusted:
		o.Trusted = func(ctx context.Context, api string) (secret.Value, error) { return c.mint(ctx, name, api) }
	}
	o.Token = func(context.Context) (secret.Value, error) { return c.config.Token(name), nil }
	return o
}

// Allow refuses a registry that the credential for it must not be sent to. The commit names where a registry is, and
// Entra's token opens everything that the application may do at Azure DevOps: it goes there and nowhere else.
func (c *Credentials) Allow(r registry.Registry) error {
	if c.How(r.Name) != release.LoginEntra {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	host := strings.ToLower(u.Hostname())
	azure := u.Scheme == "https" && (host == "pkgs.dev.azure.com" || strings.HasSuffix(host, ".pkgs.visualstudio.com"))
	if ip := net.ParseIP(host); azure || ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".test") {
		return nil // or this machine; .test is reserved for tests (RFC 6761)
	}
	return fmt.Errorf("its index %s is not at Azure DevOps: Entra's token is sent nowhere else", r.URL)
}

// Wire gives a run what it asks about logging in.
func (c *Credentials) Wire(w *observe.World) { w.Login, w.Revoke = c.login, c.Revoke }

func (c *Credentials) mint(ctx context.Context, name, api string) (secret.Value, error) {
	s, err := c.source(name)
	if err != nil {
		return secret.Value{}, err
	}
	return s.Token(ctx, api)
}

// source returns what makes credentials for a registry; an error is that the job has no identity, or a wrong setting.
func (c *Credentials) source(name string) (*mint.Source, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.sources[name]; ok {
		return s, nil
	}
	env := c.config.Env
	o := mint.Options{HTTP: c.config.HTTP, UserAgent: c.config.UserAgent, Hide: c.config.Hide}
	job, err := mint.NewJob(env[mint.URLVariable], secret.New(env[mint.TokenVariable]), o)
	if err != nil {
		return nil, err
	}
	var s *mint.Source
	if c.How(name) == release.LoginTrusted {
		s = mint.CratesIO(job, o)
	} else {
		r := c.config.Settings.Registries[name]
		a := mint.Application{Authority: env["AZURE_AUTHORITY_HOST"], Tenant: r.TenantID, Client: r.ClientID}
		if a.Tenant == "" {
			a.Tenant = env["AZURE_TENANT_ID"]
		}
		if a.Client == "" {
			a.Client = env["AZURE_CLIENT_ID"]
		}
		if s, err = mint.Entra(job, a, o); err != nil {
			return nil, err
		}
	}
	c.sources[name] = s
	return s, nil
}

// login asks whether the run can make a credential for a registry.
func (c *Credentials) login(ctx context.Context, name string) (release.Login, error) {
	l := release.Login{How: c.How(name)}
	if !l.Minted() {
		return l, nil
	}
	s, err := c.source(name)
	if err != nil {
		return l, err
	}
	id, err := s.Identity(ctx)
	l.Repository, l.Workflow, l.Environment = id.Repository, id.Workflow, id.Environment
	return l, err
}

// revokeTime is how long a run that ends waits for its credentials to be ended: GitHub gives a job that is cancelled
// ten seconds.
const revokeTime = 5 * time.Second

// Revoke ends the credentials that were made so far. One that cannot be ended is told, and ends by itself.
func (c *Credentials) Revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), revokeTime)
	defer cancel()
	for _, s := range c.sources {
		if err := s.Revoke(ctx); err != nil && c.config.Warn != nil {
			c.config.Warn("warning: " + err.Error())
		}
	}
}

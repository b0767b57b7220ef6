package reltest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/mint"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/secret"
)

// MintMark is in every credential that is made for a run. No output may hold it.
const MintMark = "-marked-minted"

// identityKey signs for every world: making a key takes long.
var identityKey = sync.OnceValues(githubid.Key)

// trust starts GitHub's issuer and lets crates-io know the job as the publisher of every crate.
func (w *World) trust(c *registrytwin.Config) {
	key, err := identityKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.Identity = githubid.New("http://token.test", key)
	w.Serve("token.test", w.Faults.Wrap(fault.GitHub, githubid.Op, w.Identity.Handler()))
	keys := &http.Transport{DialContext: w.dial, DisableKeepAlives: true}
	v := githubid.Verifier{Issuer: w.Identity.URL(), Audience: "crates.io", HTTP: &http.Client{Transport: keys}}
	c.Manners = registrytwin.CratesIO
	c.Trusted = &registrytwin.Trusted{Mark: MintMark, Verify: func(ctx context.Context, jwt string) (githubid.Claims, error) { return v.Verify(ctx, jwt, time.Now()) }}
	for _, crate := range w.options.Crates {
		c.Trusted.Publishers = append(c.Trusted.Publishers, registrytwin.Publisher{Crate: crate.Name, Repository: "o/r", Workflow: "release.yml"})
	}
}

// reserve puts the crates there that are no new ones.
func (w *World) reserve() {
	for _, crate := range w.options.Crates {
		if slices.Contains(w.options.Fresh, crate.Name) {
			continue
		}
		if err := w.Registries[registry.CratesIO].Reserve(crate.Name); err != nil {
			w.t.Fatal(err)
		}
	}
}

// credentials gives a run the identity of a job of its own, where the world has one.
func (w *World) credentials(client *http.Client) *login.Credentials {
	c := login.Config{Settings: config.Default(), HTTP: client, Env: map[string]string{}, Token: func(name string) secret.Value {
		if name == registry.CratesIO && w.options.NoToken {
			return secret.Value{}
		}
		if w.options.Token != nil {
			return secret.New(w.options.Token())
		}
		return secret.New(FeedToken)
	}, Hide: func(v secret.Value) { w.Masker.Add(v) }, Warn: func(s string) { w.t.Log(s) }}
	if w.options.Job != nil {
		c.Env[mint.URLVariable], c.Env[mint.TokenVariable] = w.Identity.Start(*w.options.Job, MintMark)
		r := c.Settings.Registries[registry.CratesIO]
		r.Login = config.LoginTrusted
		c.Settings.Registries[registry.CratesIO] = r
	}
	return login.New(c)
}

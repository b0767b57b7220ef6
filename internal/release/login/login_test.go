package login

import (
	"testing"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/mint"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// TestHow: what is stored goes before what is made, unless the configuration says otherwise.
func TestHow(t *testing.T) {
	ids := config.Registry{Login: config.LoginAuto, TenantID: "t", ClientID: "c"}
	for _, test := range []struct {
		name            string
		registry        string
		settings        config.Registry
		identity, token bool
		cargo, laptop   bool
		want            string
	}{
		{"on a laptop, with a token", "crates-io", config.Registry{Login: config.LoginTrusted}, false, true, false, true, release.LoginToken},
		{"on a laptop, without one", "crates-io", config.Registry{Login: config.LoginTrusted}, false, false, false, true, release.LoginTrusted},
		{"a feed, on a laptop", "feed", config.Registry{Login: config.LoginEntra}, false, true, false, true, release.LoginToken},
		{"nothing", "crates-io", config.Registry{}, false, false, false, false, release.LoginToken},
		{"an identity", "crates-io", config.Registry{Login: config.LoginAuto}, true, false, false, false, release.LoginTrusted},
		{"both", "crates-io", config.Registry{Login: config.LoginAuto}, true, true, false, false, release.LoginToken},
		{"both, and asked for", "crates-io", config.Registry{Login: config.LoginTrusted}, true, true, false, false, release.LoginTrusted},
		{"asked for without an identity", "crates-io", config.Registry{Login: config.LoginTrusted}, false, true, false, false, release.LoginTrusted},
		{"a token is asked for", "crates-io", config.Registry{Login: config.LoginToken}, true, false, false, false, release.LoginToken},
		{"cargo publishes", "crates-io", config.Registry{Login: config.LoginAuto}, true, false, true, false, release.LoginToken},
		{"a feed", "feed", config.Registry{Login: config.LoginAuto}, true, false, false, false, release.LoginToken},
		{"a feed with ids", "feed", ids, true, false, false, false, release.LoginEntra},
		{"a feed with ids and a token", "feed", ids, true, true, false, false, release.LoginToken},
		{"a feed with ids, without an identity", "feed", ids, false, false, false, false, release.LoginToken},
		{"a feed, asked for", "feed", config.Registry{Login: config.LoginEntra}, false, true, false, false, release.LoginEntra},
	} {
		c := Config{Settings: config.Default(), Env: map[string]string{}, Token: func(string) secret.Value { return secret.Value{} }}
		c.Settings.Registries[test.registry] = test.settings
		if !test.laptop {
			c.Env["GITHUB_ACTIONS"] = "true"
		}
		if test.identity {
			c.Env[mint.URLVariable], c.Env[mint.TokenVariable] = "https://example.com", "x"
		}
		if test.token {
			c.Token = func(string) secret.Value { return secret.New("stored") }
		}
		if test.cargo {
			c.Settings.Package.Publisher = "cargo"
		}
		if got := New(c).How(test.registry); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestAllow: a commit cannot name a place of its own for Entra's token.
func TestAllow(t *testing.T) {
	c := New(Config{Settings: config.Config{Registries: map[string]config.Registry{"feed": {Login: config.LoginEntra}, "other": {Login: config.LoginToken}}}, Token: func(string) secret.Value { return secret.Value{} }})
	for index, want := range map[string]bool{
		"sparse+https://pkgs.dev.azure.com/o/_packaging/f/Cargo/index/":         true,
		"sparse+https://o.pkgs.visualstudio.com/_packaging/f/Cargo/index/":      true,
		"sparse+http://127.0.0.1:1/index/":                                      true,
		"sparse+http://pkgs.dev.azure.com/o/_packaging/f/Cargo/index/":          false,
		"sparse+https://pkgs.dev.azure.com.evil.example/_packaging/Cargo/index": false,
		"sparse+https://evil.example/pkgs.dev.azure.com/index/":                 false,
		"sparse+https://evilpkgs.visualstudio.com/index/":                       false,
	} {
		for name, ok := range map[string]bool{"feed": want, "other": true} {
			r, err := registry.New(name, index)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Allow(r); (err == nil) != ok {
				t.Errorf("%s at %s: %v", name, index, err)
			}
		}
	}
}

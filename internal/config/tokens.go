package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
)

// Token is [tokens.NAME].
type Token struct {
	Registry string `toml:"registry" json:"registry" doc:"The registry that the token is for. Empty means the one with the table's name." example:"my-feed"`
	TokenEnv string `toml:"token_env" json:"token_env" doc:"The environment variable that holds the token. Empty means that of its registry." example:"ADO_CARGO_RW_PAT"`
	Access   string `toml:"access" json:"access" doc:"What the token must be good for: \"publish\", or only \"read\"." enum:"publish,read"`
	Expires  Date   `toml:"expires" json:"expires" doc:"The day on which the token stops working, where its service does not tell." example:"2027-01-31"`
	WarnDays int    `toml:"warn_days" json:"warn_days" doc:"So many days before that, tagboat token check asks for a new one." example:"21"`
	Secret   string `toml:"secret" json:"secret" doc:"The name of the secret on GitHub that holds the token. Empty means the name of the variable." example:"ADO_CARGO_RW_PAT"`
	Scope    string `toml:"scope" json:"scope" doc:"Whose secret it is: \"repository\", \"environment:NAME\", \"organization\" (the repository's owner) or \"organization:NAME\"." example:"environment:release"`
	Reach    string `toml:"reach" json:"reach" doc:"Azure DevOps cannot be asked for this: whether a personal access token was made for one organization or is a \"global\" one, for all of them. Global ones stop working on 2026-12-01." enum:"unknown,organization,global"`
}

// defaultWarnDays leaves time for somebody who is on holiday.
const defaultWarnDays = 21

func tokenDefaults() Token {
	return Token{Access: "publish", WarnDays: defaultWarnDays, Scope: "repository", Reach: "unknown"}
}

// TokenNamed returns the table of a token, or what holds for the registry of that name where there is none. ok is false
// where there is neither.
func (c Config) TokenNamed(name string) (t Token, ok bool) {
	if t, ok = c.Tokens[name]; !ok {
		_, ok = c.Registries[name]
		t = tokenDefaults()
	}
	if t.Registry == "" {
		t.Registry = name
	}
	return t, ok
}

// Date is a day, written like 2027-01-31, with or without quotes. Empty is no day.
type Date string

// Time returns the beginning of the day in UTC, zero for no day.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// MarshalText returns the day as it is written.
func (d Date) MarshalText() ([]byte, error) { return []byte(d), nil }

// UnmarshalText reads a day, or nothing.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil && len(text) > 0 {
		return fmt.Errorf("%q is no day; write one like 2027-01-31", text)
	}
	*d = Date(text)
	return nil
}

// secretName is what GitHub takes (https://docs.github.com/en/actions/reference/security/secrets#naming-your-secrets).
var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// SecretName reports whether GitHub takes name for a secret of a user's.
func SecretName(name string) bool {
	return secretName.MatchString(name) && !strings.HasPrefix(strings.ToUpper(name), "GITHUB_")
}

func (l *loader) tokens(c Config) {
	for _, name := range slices.Sorted(maps.Keys(c.Tokens)) {
		key := func(last string) []string { return []string{"tokens", name, last} }
		t := c.Tokens[name]
		if !registryName.MatchString(name) {
			l.report(key(""), fmt.Sprintf("no token can have the name %q", name), "", "use letters, digits, - and _; never write a token itself into this file")
		}
		if t.TokenEnv != "" && !variableName.MatchString(t.TokenEnv) {
			l.wrong(key("token_env"), "want the name of an environment variable", "never write the token itself into this file")
		}
		if t.Secret != "" && !SecretName(t.Secret) {
			l.wrong(key("secret"), "want the name of a secret: letters, digits and _, not beginning with a digit or GITHUB_", "never write the token itself into this file")
		}
		if _, _, err := ParseScope(t.Scope); err != nil {
			l.wrong(key("scope"), err.Error(), "write repository, environment:NAME, organization, or organization:NAME")
		}
		l.between(key("warn_days"), t.WarnDays, 1, 365)
		if t.Registry != "" && !registryName.MatchString(t.Registry) {
			l.wrong(key("registry"), "want the name of a registry", tomlkey.DidYouMean(tomlkey.Nearest(t.Registry, slices.Collect(maps.Keys(c.Registries)))))
		}
	}
}

// ParseScope splits a scope into its kind, "repository", "environment" or "organization", and the name after it, "" for
// the repository and for its owner.
func ParseScope(text string) (kind, name string, err error) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case kind == "repository" && !named, kind == "organization" && !named:
	case kind == "environment" && environmentName(name), kind == "organization" && organizationName.MatchString(name):
	default:
		return "", "", fmt.Errorf("got %q, want the place of a secret on GitHub", text)
	}
	return kind, name, nil
}

// organizationName is a login on GitHub.
var organizationName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$`)

// environmentName reports whether GitHub takes name for an environment
// (https://docs.github.com/en/rest/deployments/environments).
func environmentName(name string) bool {
	return name != "" && len(name) <= 255 && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

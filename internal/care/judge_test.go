package care_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/care"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

func at(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// web is a JSON web token that lives from one instant to another.
func web(from, to time.Time) secret.Value {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return secret.New("Bearer " + part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"iat":%d,"exp":%d}`, from.Unix(), to.Unix())) + "." + part("signature"))
}

const azureIndex = "sparse+https://pkgs.dev.azure.com/acme/_packaging/feed/Cargo/index/"

// token is one for an Azure feed, in use, about which nothing is configured.
func token(change func(*care.Token)) care.Token {
	cfg, _, err := config.Load([]byte("[tokens.feed]\n"), config.File)
	if err != nil {
		panic(err)
	}
	t := care.Token{Name: "feed", Kind: registry.KindAzure, Index: azureIndex, Variable: "FEED_TOKEN", Value: secret.New("Basic UEFUOnBhdA==")}
	t.Config, _ = cfg.TokenNamed("feed")
	if change != nil {
		change(&t)
	}
	return t
}

// hub makes a token that for GitHub.
func hub(t *care.Token) {
	t.Name, t.Kind, t.Variable, t.Index = "github", care.GitHub, "GITHUB_TOKEN", "https://github.com"
}

type fault struct{}

func (fault) Error() string   { return "no route" }
func (fault) Retryable() bool { return true }

// TestJudge holds how a token stands, and what a person is told, for what can be known of it.
func TestJudge(t *testing.T) {
	good := registry.Access{Reachable: true, AuthRequired: true, Token: true, Read: registry.Yes, Publish: registry.Unknown}
	with := func(read, publish registry.Known, auth bool) registry.Access {
		return registry.Access{Reachable: true, AuthRequired: auth, Token: true, Read: read, Publish: publish}
	}
	before, after := at("2026-10-01"), at("2027-01-10")
	for name, tt := range map[string]struct {
		token  care.Token
		access registry.Access
		err    error
		now    time.Time
		want   string // state, day, and the findings as "severity summary"
	}{
		"works, nobody tells":     {token(nil), good, nil, before, "ok"},
		"works":                   {token(func(t *care.Token) { t.Config.Expires = "2027-06-01" }), good, nil, after, "ok 2027-06-01"},
		"one day before the days": {token(func(t *care.Token) { t.Config.Expires = "2027-02-01" }), good, nil, at("2027-01-10"), "ok 2027-02-01"},
		"on the first of the days": {token(func(t *care.Token) { t.Config.Expires = "2027-02-01" }), good, nil, at("2027-01-11"),
			"expiring 2027-02-01: stop the token feed stops working on 2027-02-01"},
		"its own days": {token(func(t *care.Token) { t.Config.Expires, t.Config.WarnDays = "2027-02-01", 60 }), good, nil, at("2027-01-01"),
			"expiring 2027-02-01: stop the token feed stops working on 2027-02-01"},
		"the day itself": {token(func(t *care.Token) { t.Config.Expires = "2027-02-01" }), good, nil, at("2027-02-01"),
			"expiring 2027-02-01: stop the token feed works, although its day has passed"},
		"refused":                {token(nil), with(registry.No, registry.No, true), nil, after, "refused: stop registry feed cannot be read with the token feed"},
		"may not publish":        {token(nil), with(registry.Yes, registry.No, true), nil, after, "refused: stop registry feed cannot be published with the token feed"},
		"need not publish":       {token(func(t *care.Token) { t.Config.Access = "read" }), with(registry.Yes, registry.No, true), nil, after, "ok"},
		"publishes without need": {token(func(t *care.Token) { t.Config.Access = "read" }), with(registry.Yes, registry.Yes, true), nil, after, "ok: warn the token feed may publish, although tagboat.toml says that it is for reading"},
		"nothing to go by":       {token(nil), with(registry.Yes, registry.Unknown, false), nil, after, "untested"},
		"no answer":              {token(nil), registry.Access{}, fault{}, after, "unreachable"},
		"cannot be sent":         {token(nil), registry.Access{}, errors.New("bad byte"), after, "refused: stop the token feed cannot be used"},

		"not given, no day":    {token(func(t *care.Token) { t.Value = secret.Value{} }), registry.Access{}, nil, after, "untested: stop nothing is known of the token feed"},
		"not given, day far":   {token(func(t *care.Token) { t.Value, t.Config.Expires = secret.Value{}, "2028-01-01" }), registry.Access{}, nil, after, "untested 2028-01-01"},
		"not given, day near":  {token(func(t *care.Token) { t.Value, t.Config.Expires = secret.Value{}, "2027-01-20" }), registry.Access{}, nil, after, "expiring 2027-01-20: stop the token feed stops working on 2027-01-20"},
		"not given, day over":  {token(func(t *care.Token) { t.Value, t.Config.Expires = secret.Value{}, "2027-01-01" }), registry.Access{}, nil, after, "expired 2027-01-01: stop the token feed stopped working on 2027-01-01"},
		"the token tells":      {token(func(t *care.Token) { t.Value = web(at("2026-01-20"), at("2027-01-20")) }), good, nil, after, "expiring 2027-01-20: stop the token feed stops working on 2027-01-20"},
		"the earlier of both":  {token(func(t *care.Token) { t.Value, t.Config.Expires = web(at("2026-01-20"), at("2027-12-20")), "2027-11-01" }), good, nil, after, "ok 2027-11-01"},
		"made for one run":     {token(func(t *care.Token) { t.Value = web(after.Add(-time.Minute), after.Add(time.Hour)) }), good, nil, after, "ok"},
		"trusted publishing":   {token(func(t *care.Token) { t.Kind, t.Value = registry.KindCratesIO, secret.New("cio_tp_x") }), good, nil, after, "ok"},
		"three parts, no JSON": {token(func(t *care.Token) { t.Value = secret.New("a.b.c") }), good, nil, after, "ok"},

		"global": {token(func(t *care.Token) { t.Config.Reach = "global" }), good, nil, before, "ok 2026-12-01"},
		"global, soon": {token(func(t *care.Token) { t.Config.Reach = "global" }), good, nil, at("2026-11-20"),
			"expiring 2026-12-01: stop the token feed stops working on 2026-12-01"},
		"global, refused": {token(func(t *care.Token) { t.Config.Reach = "global" }), with(registry.No, registry.No, true), nil, at("2026-12-02"),
			"refused 2026-12-01: stop registry feed cannot be read with the token feed"},
		"global, and works": {token(func(t *care.Token) { t.Config.Reach = "global" }), good, nil, at("2026-12-02"),
			"expiring 2026-12-01: stop the token feed works, although its day has passed"},
		"perhaps global, soon": {token(nil), good, nil, at("2026-11-20"), "expiring: stop the token feed may be of the kind that stops working on 2026-12-01"},
		"perhaps global, over": {token(nil), good, nil, at("2026-12-02"), "ok"},
		"for one organization": {token(func(t *care.Token) { t.Config.Reach = "organization" }), good, nil, at("2026-11-20"), "ok"},
		"Entra, soon":          {token(func(t *care.Token) { t.Value = secret.New("Bearer opaque") }), good, nil, at("2026-11-20"), "ok"},
		"GitHub tells":         {token(hub), good, nil, at("2027-01-10"), "expiring 2027-01-20: stop the token github stops working on 2027-01-20"},
		"GitHub refuses":       {token(hub), with(registry.No, registry.Unknown, true), nil, at("2027-01-10"), "refused 2027-01-20: stop GitHub refuses the token in GITHUB_TOKEN"},
		"Gitea, soon":          {token(func(t *care.Token) { t.Kind, t.Config.Reach = registry.KindGitea, "global" }), good, nil, at("2026-11-20"), "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			seen := care.Seen{Token: tt.token, Access: tt.access, Err: tt.err}
			if seen.Kind == care.GitHub {
				seen.Ends = at("2027-01-20")
			}
			got, findings := care.Judge(seen, tt.now)
			text := got.State
			if got.Expires != nil {
				text += " " + got.Expires.Format(time.DateOnly)
			}
			for i, f := range findings {
				text += map[bool]string{true: ": ", false: "; "}[i == 0] + string(f.Severity) + " " + f.Summary
				if f.Hint == "" {
					t.Errorf("%q has no hint", f.Summary)
				}
			}
			if text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
		})
	}
}

// TestWhereTokensAreMade holds that a person learns on which page a token is made, and with which rights.
func TestWhereTokensAreMade(t *testing.T) {
	for name, tt := range map[string]struct {
		kind        registry.Kind
		index, want string
	}{
		"crates.io":           {registry.KindCratesIO, "", "at https://crates.io/settings/tokens that may do this: publish-update"},
		"Azure":               {registry.KindAzure, azureIndex, "at https://dev.azure.com/acme/_usersSettings/tokens that may do this: Packaging (read and write)"},
		"Azure with project":  {registry.KindAzure, "sparse+https://pkgs.dev.azure.com/acme/project/_packaging/f/Cargo/index/", "at https://dev.azure.com/acme/_usersSettings/tokens"},
		"Azure, old address":  {registry.KindAzure, "sparse+https://acme.pkgs.visualstudio.com/_packaging/f/Cargo/index/", "at https://dev.azure.com/acme/_usersSettings/tokens"},
		"Gitea":               {registry.KindGitea, "sparse+https://git.example.com/sub/api/packages/acme/cargo/", "at https://git.example.com/sub/user/settings/applications that may do this: write:package"},
		"nobody knows":        {registry.KindGeneric, "sparse+https://feed.example.com/index/", "where registry feed manages tokens that may do this: reading and publishing"},
		"no index that it is": {registry.KindAzure, "", "where registry feed manages tokens"},
	} {
		s := care.Seen{Token: token(func(t *care.Token) { t.Kind, t.Index = tt.kind, tt.index }), Access: registry.Access{Reachable: true, Read: registry.No}}
		if _, findings := care.Judge(s, at("2027-01-01")); len(findings) != 1 || !strings.Contains(findings[0].Hint, tt.want) {
			t.Errorf("%s: got %v, want %q", name, findings, tt.want)
		}
	}
}

// TestCheck holds what a report ends with.
func TestCheck(t *testing.T) {
	well := registry.Access{Reachable: true, AuthRequired: true, Read: registry.Yes, Publish: registry.Yes}
	now := at("2027-01-10")
	ok := care.Seen{Token: token(nil), Access: well}
	soon := care.Seen{Token: token(func(t *care.Token) { t.Config.Expires = "2027-01-20" }), Access: well}
	refused := care.Seen{Token: token(nil), Access: registry.Access{Reachable: true, Read: registry.No}}
	lost := care.Seen{Token: token(nil), Err: fault{}}
	for name, tt := range map[string]struct {
		seen      []care.Seen
		tolerance care.Tolerance
		want      string
	}{
		"none":               {nil, care.FailExpiring, release.Verified},
		"well":               {[]care.Seen{ok, ok}, care.FailExpiring, release.Verified},
		"soon":               {[]care.Seen{ok, soon}, care.FailExpiring, release.Stopped},
		"soon, tolerated":    {[]care.Seen{soon, ok}, care.FailExpired, release.Verified},
		"refused":            {[]care.Seen{refused}, care.FailExpired, release.Stopped},
		"lost":               {[]care.Seen{ok, lost}, care.FailExpiring, release.Failed},
		"lost, soon":         {[]care.Seen{lost, soon}, care.FailExpiring, release.Stopped},
		"refused, then lost": {[]care.Seen{refused, lost}, care.FailExpiring, release.Stopped},
	} {
		r := care.Check("acme/demo", tt.seen, tt.tolerance, now)
		if r.Outcome != tt.want || len(r.Tokens) != len(tt.seen) {
			t.Errorf("%s: got %s with %d tokens, want %s", name, r.Outcome, len(r.Tokens), tt.want)
		}
		if (r.Outcome != release.Verified) != (len(r.Problems) > 0) {
			t.Errorf("%s: %s with problems %v", name, r.Outcome, r.Problems)
		}
	}
}

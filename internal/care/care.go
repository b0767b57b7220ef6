// Package care watches over tokens: whether each still works, how long it will, and what a person must do; and it renews
// them, by putting a new value into the secret on GitHub that holds the old one.
//
// It makes no tokens. Neither crates.io nor Azure DevOps lets a program make one unattended, so a person brings the value.
package care

import (
	"net/url"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/secret"
)

// Token is one token that is watched.
type Token struct {
	Name     string
	Config   config.Token
	Kind     registry.Kind // of its registry
	Index    string        // of its registry as cargo names it; "" where nobody names one
	Variable string        // that holds it
	Value    secret.Value  // zero: not given to this run
}

// GitHub is the kind of the token for GitHub itself, which is watched and not renewed: GitHub tells how long it lasts.
const GitHub registry.Kind = "github"

// secretName is the name of the secret on GitHub that holds the token.
func (t Token) secretName() string {
	if t.Config.Secret != "" {
		return t.Config.Secret
	}
	return t.Variable
}

// globalEnd is when Azure DevOps stops taking personal access tokens that are good for all organizations.
// https://devblogs.microsoft.com/devops/retirement-of-global-personal-access-tokens-in-azure-devops/
var globalEnd = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// personal reports whether the token is, or may be, a personal access token of Azure DevOps; the other kind, of Entra, is
// sent as Bearer or is a JSON web token.
func (t Token) personal() bool { return t.Kind == registry.KindAzure && !t.bearer() }

func (t Token) bearer() bool {
	_, web := lifeOf(t.Value)
	scheme, _, _ := strings.Cut(strings.TrimSpace(t.Value.Reveal()), " ")
	return web || strings.EqualFold(scheme, "bearer")
}

// page is where a person makes and revokes tokens for the registry, "" where that is not known.
func (t Token) page() string {
	u, err := url.Parse(strings.TrimPrefix(t.Index, "sparse+"))
	switch {
	case t.Kind == GitHub && err == nil && u.Host != "":
		return u.Scheme + "://" + u.Host + "/settings/tokens"
	case t.Kind == registry.KindCratesIO:
		return "https://crates.io/settings/tokens"
	case err != nil || u.Host == "":
	case t.Kind == registry.KindAzure:
		organization, _, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
		if host, old := strings.CutSuffix(strings.ToLower(u.Hostname()), ".pkgs.visualstudio.com"); old {
			organization = host
		}
		return "https://dev.azure.com/" + organization + "/_usersSettings/tokens"
	case t.Kind == registry.KindGitea:
		base, _, _ := strings.Cut(u.EscapedPath(), "/api/packages/")
		return u.Scheme + "://" + u.Host + base + "/user/settings/applications"
	}
	return ""
}

// at says where a person makes and revokes tokens.
func (t Token) at() string {
	if page := t.page(); page != "" {
		return "at " + page
	}
	return "where registry " + t.Config.Registry + " manages tokens"
}

// needs names what the token must be allowed to do, in the words of its registry.
func (t Token) needs() string {
	read := t.Config.Access == "read"
	switch {
	case t.Kind == GitHub:
		return "what the old one may"
	case t.Kind == registry.KindAzure && read:
		return "Packaging (read), for this organization alone"
	case t.Kind == registry.KindAzure:
		return "Packaging (read and write), for this organization alone"
	case t.Kind == registry.KindCratesIO:
		return "publish-update, and publish-new for crates that crates.io does not have yet"
	case t.Kind == registry.KindGitea && read:
		return "read:package"
	case t.Kind == registry.KindGitea:
		return "write:package"
	case read:
		return "reading"
	}
	return "reading and publishing"
}

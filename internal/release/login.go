package release

import (
	"fmt"
	"slices"
	"strings"
)

// How a run logs in to a registry, as Login says it.
const (
	LoginToken   = "token"
	LoginTrusted = "trusted-publishing"
	LoginEntra   = "entra"
)

// Login is how a run proves to a registry who it is, and what the identity of the job says where that matters.
type Login struct {
	How         string `json:"how"`                  // token, trusted-publishing, entra
	Repository  string `json:"repository,omitempty"` // owner/name
	Workflow    string `json:"workflow,omitempty"`   // file name of the workflow that GitHub started
	Environment string `json:"environment,omitempty"`
}

// Minted reports whether the credential is made for this run and ends with it.
func (l *Login) Minted() bool { return l != nil && (l.How == LoginTrusted || l.How == LoginEntra) }

// Lane says how a crate's upload to the registry is paid for: by trusted publishing where there is that and the crate
// exists, else by how the registry is logged in to. A registry that was not asked has "".
func (r Registry) Lane(crate string) string {
	switch {
	case r.Login == nil:
		return ""
	case r.Login.How == LoginTrusted && !r.Crates[crate].Exists:
		return LoginToken
	}
	return r.Login.How
}

// By is a lane in a sentence; the usual one needs no words.
func (l *Login) by(lane string) string {
	switch {
	case lane == LoginTrusted:
		return ", by trusted publishing"
	case lane == LoginEntra:
		return ", by Entra"
	case lane == LoginToken && l.Minted():
		return ", by a token: trusted publishing makes no new crate"
	}
	return ""
}

// newWithoutToken finds crates that trusted publishing cannot make, where there is no token that could.
func newWithoutToken(s Snapshot, r Registry) []Finding {
	if r.Login == nil || r.Login.How != LoginTrusted || !r.Access.NoToken || r.Access.Problem != "" || s.Dispatches() {
		return nil
	}
	var names []string
	for _, c := range s.Checkout.Crates {
		if slices.Contains(c.Registries, r.Name) && r.Lane(c.Name) == LoginToken {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{{Rule: "registry-access", Severity: Stop, Summary: fmt.Sprintf("registry %s: trusted publishing cannot make a new crate, and there is no token", r.Name),
		Detail: "new there: " + strings.Join(names, ", "),
		Hint:   "set CARGO_REGISTRY_TOKEN to a token with the scope publish-new for this release; or publish an empty version 0.0.0 of each by hand and register its trusted publisher at https://crates.io/crates/NAME/settings"}}
}

// unkeyed warns where nothing that this run holds is still there in the next one.
func unkeyed(s Snapshot) []Finding {
	if !s.Unkeyed || s.Dispatches() {
		return nil
	}
	return []Finding{{Rule: "registry-access", Severity: Warn, Summary: "a later run cannot tell that the draft is its own: every credential of this run is made for it alone",
		Detail: "to finish a release that broke off, it packages the crates again and compares them",
		Hint:   "keep a long random text as the secret TAGBOAT_BILL_KEY and give it to the step"}}
}

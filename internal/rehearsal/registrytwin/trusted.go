package registrytwin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
)

// trustedLifetime is how long crates.io's tokens of trusted publishing are good for.
const trustedLifetime = 30 * time.Minute

// trustedPrefix begins such a token.
const trustedPrefix = "cio_tp_"

// TrustedLabel is how uploads name the tokens of trusted publishing.
const TrustedLabel = "trusted publishing"

// Publisher is what a crate's owner has registered under "Trusted Publishing" in the crate's settings.
type Publisher struct {
	Crate       string
	Repository  string // owner/name
	Workflow    string // file name
	Environment string // "" is any
}

// Trusted is crates.io's trusted publishing.
type Trusted struct {
	// Verify returns what a job's token says, or one of githubid's errors. The twin holds itself that a token is used once.
	Verify     func(ctx context.Context, jwt string) (githubid.Claims, error)
	Publishers []Publisher
	Mark       string // part of every token that the twin makes
}

// Minted is a token of trusted publishing that the twin made.
type Minted struct {
	At, Expires time.Time
	Revoked     time.Time // zero: it was not
	Crates      []string  // whose versions it may publish
}

// trustedToken is one of them with what only its holder knows.
type trustedToken struct {
	Minted
	value string
}

// Mints returns the tokens of trusted publishing in the order in which they were made.
func (t *Twin) Mints() []Minted {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Minted, len(t.minted))
	for i, m := range t.minted {
		out[i] = m.Minted
	}
	return out
}

// Made reports whether the twin made a token of trusted publishing with that value.
func (t *Twin) Made(value string) bool { return t.trustedBy(value) != nil }

// trustedBy finds a token by its value, whether it is still good or not.
func (t *Twin) trustedBy(value string) *trustedToken {
	if !strings.HasPrefix(value, trustedPrefix) {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.minted {
		if m.value == value {
			return m
		}
	}
	return nil
}

// exchange turns a job's token into one of trusted publishing, with the checks, the order and the sentences of
// https://github.com/rust-lang/crates.io/tree/main/src/controllers/trustpub/tokens/exchange.
func (t *Twin) exchange(w http.ResponseWriter, r *http.Request) *refusal {
	var asked struct {
		JWT string `json:"jwt"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxJSON))
	if err != nil || json.Unmarshal(body, &asked) != nil {
		return bad("invalid request body")
	}
	c, err := t.config.Trusted.Verify(r.Context(), asked.JWT)
	switch {
	case errors.Is(err, githubid.ErrIssuer):
		return bad("Unsupported JWT issuer: %s", c.Issuer)
	case errors.Is(err, githubid.ErrKey):
		return bad("Invalid JWT key ID")
	case errors.Is(err, githubid.ErrShape), errors.Is(err, githubid.ErrSignature), errors.Is(err, githubid.ErrTime), errors.Is(err, githubid.ErrAudience):
		return bad("Failed to decode JWT")
	case err != nil:
		return refusef(http.StatusInternalServerError, "Failed to load OIDC key set")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used[c.ID] {
		return bad("JWT has already been used")
	}
	t.used[c.ID] = true
	if c.Event == "pull_request_target" || c.Event == "workflow_run" {
		return bad("Trusted Publishing from `%s` workflows is not supported", c.Event)
	}
	crates, refused := t.publishable(c)
	if refused != nil {
		return refused
	}
	random := make([]byte, 16)
	rand.Read(random) // never fails
	m := &trustedToken{Minted{At: time.Now(), Expires: time.Now().Add(trustedLifetime), Crates: crates}, trustedPrefix + hex.EncodeToString(random) + t.config.Trusted.Mark}
	t.minted = append(t.minted, m)
	writeJSON(w, http.StatusOK, map[string]string{"token": m.value})
	return nil
}

// publishable returns the crates whose registered publisher a job is.
func (t *Twin) publishable(c githubid.Claims) ([]string, *refusal) {
	_, rest, ok := strings.Cut(c.WorkflowRef, "/.github/workflows/")
	file, _, found := strings.Cut(rest, "@")
	if !ok || !found {
		return nil, bad("Unexpected `workflow_ref` value")
	}
	var here, named []Publisher
	for _, p := range t.config.Trusted.Publishers {
		if strings.EqualFold(p.Repository, c.Repository) {
			here = append(here, p)
		}
	}
	if len(here) == 0 {
		return nil, bad("No Trusted Publishing config found for repository `%s`.", c.Repository)
	}
	for _, p := range here {
		if p.Workflow == file {
			named = append(named, p)
		}
	}
	if len(named) == 0 {
		return nil, bad("The Trusted Publishing config for repository `%s` does not match the workflow filename `%s` in the JWT. Expected workflow filenames: %s",
			c.Repository, file, quoted(here, func(p Publisher) string { return p.Workflow }))
	}
	var crates []string
	for _, p := range named {
		if p.Environment == "" || strings.EqualFold(p.Environment, c.Environment) {
			crates = append(crates, p.Crate)
		}
	}
	expected := quoted(named, func(p Publisher) string { return p.Environment })
	switch {
	case len(crates) > 0:
		return crates, nil
	case c.Environment == "":
		return nil, bad("The Trusted Publishing config for repository `%s` requires an environment, but the JWT does not specify one. Expected environments: %s", c.Repository, expected)
	}
	return nil, bad("The Trusted Publishing config for repository `%s` does not match the environment `%s` in the JWT. Expected environments: %s", c.Repository, c.Environment, expected)
}

func quoted(publishers []Publisher, of func(Publisher) string) string {
	var out []string
	for _, p := range publishers {
		if word := "`" + of(p) + "`"; !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return strings.Join(out, ", ")
}

// revoke ends a token of trusted publishing. Like crates.io it says yes to every token that has the form of one.
func (t *Twin) revoke(w http.ResponseWriter, r *http.Request) *refusal {
	header := r.Header.Get("Authorization")
	value, ok := strings.CutPrefix(header, "Bearer ")
	switch {
	case header == "":
		return refusef(http.StatusUnauthorized, "Missing authorization header")
	case !ok || !strings.HasPrefix(value, trustedPrefix):
		return refusef(http.StatusUnauthorized, "Invalid authorization header")
	}
	if m := t.trustedBy(value); m != nil {
		t.mu.Lock()
		if m.Revoked.IsZero() {
			m.Revoked = time.Now()
		}
		t.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allowTrusted returns the refusal where a token of trusted publishing may not publish a crate.
func (t *Twin) allowTrusted(m *trustedToken, crate string, exists bool) *refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !exists:
		return refusef(http.StatusForbidden, "Trusted Publishing tokens do not support creating new crates. Publish the crate manually, first")
	case m == nil || !m.Revoked.IsZero() || !time.Now().Before(m.Expires):
		return refusef(http.StatusForbidden, "Invalid authentication token")
	case !slices.Contains(m.Crates, crate):
		return refusef(http.StatusForbidden, "The provided access token is not valid for crate `%s`", crate)
	}
	return nil
}

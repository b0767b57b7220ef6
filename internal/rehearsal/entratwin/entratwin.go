// Package entratwin is the token endpoint of Microsoft Entra, as far as workload identity federation goes: an application
// trusts the jobs of a GitHub repository, and gets an access token for Azure DevOps for one of their identities.
//
// Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
package entratwin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
)

// Audience is the one that an assertion must be for.
const Audience = "api://AzureADTokenExchange"

// scope is Azure DevOps, with all that the application may do there.
const scope = "499b84ac-1321-427f-aa17-267ca6975798/.default"

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Application is an application of a tenant, with one federated credential.
type Application struct {
	Tenant, Client string // ids
	Subject        string // "repo:owner/name:environment:release"; compared to the letter
}

// Config is what Entra knows.
type Config struct {
	Applications []Application
	Lifetime     time.Duration // of the tokens; 0 is an hour
	Mark         string        // part of every token
	// Verify returns what an assertion says, or one of githubid's errors.
	Verify func(ctx context.Context, jwt string) (githubid.Claims, error)
}

// Twin is the endpoint. It is safe for concurrent use.
type Twin struct {
	config Config
	mu     sync.Mutex
	tokens map[string]time.Time // until when
	issued int
}

// New returns an endpoint that has given no token yet.
func New(c Config) *Twin {
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	return &Twin{config: c, tokens: map[string]time.Time{}}
}

// Valid reports whether the twin gave a token that is still good.
func (t *Twin) Valid(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.tokens[token])
}

// Issued returns how many tokens were given.
func (t *Twin) Issued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issued
}

// Op names the operation of a request, for faults: "entra-token".
func Op(r *http.Request) string {
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		return "entra-token"
	}
	return ""
}

// Handler serves /TENANT/oauth2/v2.0/token.
func (t *Twin) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/oauth2/v2.0/token")
		if !ok || r.Method != http.MethodPost {
			http.NotFound(w, r)
			return
		}
		if code, name, sentence := t.refusal(r, tenant); code != 0 {
			refuse(w, code, name, sentence)
			return
		}
		token := t.token()
		write(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(t.config.Lifetime/time.Second) - 1, "ext_expires_in": int(t.config.Lifetime/time.Second) - 1, "access_token": token})
	})
}

// refusal returns Entra's number for what is wrong, its OAuth name, and its sentence; 0 where nothing is.
func (t *Twin) refusal(r *http.Request, tenant string) (code int, name, sentence string) {
	if err := r.ParseForm(); err != nil {
		return 900144, "invalid_request", "The request body could not be read."
	}
	f := r.PostForm
	in := func(a Application) bool { return a.Tenant == tenant }
	app := slices.IndexFunc(t.config.Applications, func(a Application) bool { return in(a) && a.Client == f.Get("client_id") })
	switch {
	case !slices.ContainsFunc(t.config.Applications, in):
		return 90002, "invalid_request", fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", tenant)
	case f.Get("grant_type") != "client_credentials":
		return 70003, "unsupported_grant_type", "The app requested an unsupported grant type."
	case app < 0:
		return 700016, "unauthorized_client", fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'.", f.Get("client_id"), tenant)
	case f.Get("scope") != scope:
		return 70011, "invalid_scope", fmt.Sprintf("The provided request must include a 'scope' input parameter. The scope %s is not valid.", f.Get("scope"))
	case f.Get("client_assertion_type") != assertionType:
		return 50027, "invalid_request", "Invalid JWT token: the client assertion type is unknown."
	}
	c, err := t.config.Verify(r.Context(), f.Get("client_assertion"))
	switch {
	case c.Issuer != "" && (c.Subject != t.config.Applications[app].Subject || c.Audience != Audience):
		return 700213, "invalid_client", fmt.Sprintf("No matching federated identity record found for presented assertion subject '%s'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.", c.Subject)
	case err != nil:
		return 700024, "invalid_client", "Client assertion is not within its valid time range, or its signature is wrong."
	}
	return 0, "", ""
}

// token makes a token that looks like one of Entra's: its clients may not read it.
func (t *Twin) token() string {
	random := make([]byte, 24)
	rand.Read(random) // never fails
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	token := part(`{"typ":"JWT","alg":"RS256"}`) + "." + part(`{"aud":"499b84ac-1321-427f-aa17-267ca6975798"}`) + "." + hex.EncodeToString(random) + t.config.Mark
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens[token] = time.Now().Add(t.config.Lifetime)
	t.issued++
	return token
}

func refuse(w http.ResponseWriter, code int, name, sentence string) {
	status := http.StatusBadRequest
	if slices.Contains([]string{"invalid_client", "unauthorized_client"}, name) {
		status = http.StatusUnauthorized
	}
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	write(w, status, map[string]any{"error": name, "error_codes": []int{code}, "timestamp": now, "trace_id": "0f6e9d0e-2f0b-4a5a-9f0d-6a7a0e1a0000", "correlation_id": "4f6b1b52-6a27-4a4b-8f4e-7a7a0e1a0000",
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: 0f6e9d0e-2f0b-4a5a-9f0d-6a7a0e1a0000 Correlation ID: 4f6b1b52-6a27-4a4b-8f4e-7a7a0e1a0000 Timestamp: %s", code, sentence, now)})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody to tell
}

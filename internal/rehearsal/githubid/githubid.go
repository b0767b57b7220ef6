// Package githubid is GitHub's issuer of identities for the jobs of workflows: OpenID Connect with real signatures, the
// endpoint that a job asks for a token, and the documents with which others verify one.
//
// Source: https://docs.github.com/en/actions/reference/security/oidc
package githubid

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Job is what GitHub says about a job. Empty fields follow from the others.
type Job struct {
	Repository  string // owner/name
	OwnerID     string // a number; "" is 1
	Workflow    string // file name of the workflow that GitHub started: "release.yml"
	JobWorkflow string // of the reusable workflow that holds the job; "" is Workflow
	Ref         string // "refs/heads/release/v1.0.0"
	SHA         string
	Environment string // "" is none
	Event       string // "" is "workflow_dispatch"
	Unlicensed  bool   // the job lacks id-token: write: GitHub gives it no address to ask
}

// Lifetime is how long a token of a job is good for.
const Lifetime = 15 * time.Minute

// Issuer signs tokens. It is safe for concurrent use.
type Issuer struct {
	url string
	key *rsa.PrivateKey
	kid string

	mu     sync.Mutex
	jobs   map[string]Job // by the bearer token of the job
	issued []string       // audiences, in order
}

// Key makes a key for an issuer, which takes a moment.
func Key() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// New returns an issuer whose Handler is reached at url, which has no slash at its end.
func New(url string, key *rsa.PrivateKey) *Issuer {
	return &Issuer{url: url, key: key, kid: hex.EncodeToString(key.N.Bytes()[:8]), jobs: map[string]Job{}}
}

// URL is the issuer's name in its tokens.
func (i *Issuer) URL() string { return i.url }

// Start begins a job and returns the values of ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN in it.
// Mark is part of the token.
func (i *Issuer) Start(j Job, mark string) (url, token string) {
	if j.Unlicensed {
		return "", ""
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	token = fmt.Sprintf("request-%d-%s%s", len(i.jobs)+1, text(16), mark)
	i.jobs[token] = j
	return i.url + "/idtoken/job?api-version=2.0", token
}

// Issued returns the audience of every token so far, in order.
func (i *Issuer) Issued() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.issued...)
}

// text returns n random bytes in hex.
func text(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Op names the operation of a request, for faults: "id-token", "jwks", "openid-configuration".
func Op(r *http.Request) string {
	switch {
	case r.URL.Path == "/.well-known/jwks":
		return "jwks"
	case r.URL.Path == "/.well-known/openid-configuration":
		return "openid-configuration"
	case strings.HasPrefix(r.URL.Path, "/idtoken/"):
		return "id-token"
	}
	return ""
}

// Handler serves the issuer.
func (i *Issuer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch op := Op(r); {
		case op == "" || r.Method != http.MethodGet:
			http.NotFound(w, r)
		case op == "jwks":
			write(w, http.StatusOK, map[string]any{"keys": []map[string]string{{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": i.kid,
				"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes())}}})
		case op == "openid-configuration":
			write(w, http.StatusOK, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/.well-known/jwks", "response_types_supported": []string{"id_token"},
				"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
		default:
			i.answer(w, r)
		}
	})
}

// answer gives a job a token for the audience that it names.
func (i *Issuer) answer(w http.ResponseWriter, r *http.Request) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	i.mu.Lock()
	job, known := i.jobs[bearer]
	i.mu.Unlock()
	if !ok || !known {
		write(w, http.StatusUnauthorized, map[string]string{"message": "The token is not valid for this job"})
		return
	}
	audience := r.URL.Query().Get("audience")
	if audience == "" {
		audience = "https://github.com/" + owner(job.Repository)
	}
	jwt, err := i.Sign(job.Claims(i.url, audience, time.Now()))
	if err != nil {
		write(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	i.mu.Lock()
	i.issued = append(i.issued, audience)
	i.mu.Unlock()
	write(w, http.StatusOK, map[string]any{"count": len(jwt), "value": jwt})
}

func owner(repository string) string {
	name, _, _ := strings.Cut(repository, "/")
	return name
}

// Claims are what a token says, as far as anybody here reads it.
type Claims struct {
	Issuer      string `json:"iss"`
	Subject     string `json:"sub"`
	Audience    string `json:"aud"`
	ID          string `json:"jti"`
	IssuedAt    int64  `json:"iat"`
	NotBefore   int64  `json:"nbf"`
	Expires     int64  `json:"exp"`
	Repository  string `json:"repository"`
	Owner       string `json:"repository_owner"`
	OwnerID     string `json:"repository_owner_id"`
	Ref         string `json:"ref"`
	SHA         string `json:"sha"`
	WorkflowRef string `json:"workflow_ref"`     // owner/name/.github/workflows/release.yml@refs/heads/…
	JobWorkflow string `json:"job_workflow_ref"` // the same of a reusable workflow
	Environment string `json:"environment,omitempty"`
	Event       string `json:"event_name"`
	RunID       string `json:"run_id"`
}

// Claims returns what a token for the job says.
func (j Job) Claims(issuer, audience string, now time.Time) Claims {
	def := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	subject := "repo:" + j.Repository + ":ref:" + j.Ref
	if j.Environment != "" {
		subject = "repo:" + j.Repository + ":environment:" + j.Environment
	}
	at := func(file string) string { return j.Repository + "/.github/workflows/" + file + "@" + j.Ref }
	return Claims{Issuer: issuer, Subject: subject, Audience: audience, ID: text(16), IssuedAt: now.Unix(), NotBefore: now.Add(-Lifetime).Unix(), Expires: now.Add(Lifetime).Unix(),
		Repository: j.Repository, Owner: owner(j.Repository), OwnerID: def(j.OwnerID, "1"), Ref: j.Ref, SHA: def(j.SHA, strings.Repeat("0", 40)), RunID: "1",
		WorkflowRef: at(j.Workflow), JobWorkflow: at(def(j.JobWorkflow, j.Workflow)), Environment: j.Environment, Event: def(j.Event, "workflow_dispatch")}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody to tell
}

package githubid

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestVerify: what a verifier must not believe.
func TestVerify(t *testing.T) {
	key, err := Key()
	if err != nil {
		t.Fatal(err)
	}
	other, err := Key()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	issuer := New(server.URL, key)
	mux.Handle("/", issuer.Handler())
	job := Job{Repository: "acme/demo", Workflow: "release.yml", Ref: "refs/heads/main", Environment: "release"}
	now := time.Now()
	sign := func(i *Issuer, change func(*Claims)) string {
		c := job.Claims(server.URL, "crates.io", now)
		if change != nil {
			change(&c)
		}
		jwt, err := i.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return jwt
	}
	good := sign(issuer, nil)
	part := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none","kid":"` + issuer.kid + `"}`))
	impostor := New(server.URL, other)
	impostor.kid = issuer.kid
	for name, test := range map[string]struct {
		jwt  string
		want error
	}{
		"good":                     {good, nil},
		"no JWT":                   {"a.b.c", ErrShape},
		"two parts":                {part[0] + "." + part[1], ErrShape},
		"other claims":             {part[0] + "." + strings.Split(sign(issuer, func(c *Claims) { c.Repository = "evil/demo" }), ".")[1] + "." + part[2], ErrSignature},
		"unsigned":                 {none + "." + part[1] + ".", ErrSignature},
		"another key":              {sign(New(server.URL, other), nil), ErrKey},
		"another key, by its name": {sign(impostor, nil), ErrSignature},
		"another issuer":           {sign(issuer, func(c *Claims) { c.Issuer = "https://evil.example" }), ErrIssuer},
		"another audience":         {sign(issuer, func(c *Claims) { c.Audience = "pypi" }), ErrAudience},
		"expired":                  {sign(issuer, func(c *Claims) { c.Expires = now.Unix() }), ErrTime},
		"too early":                {sign(issuer, func(c *Claims) { c.NotBefore = now.Unix() + 60 }), ErrTime},
	} {
		c, err := Verifier{Issuer: server.URL, Audience: "crates.io"}.Verify(t.Context(), test.jwt, now)
		if !errors.Is(err, test.want) || err == nil && (c.Subject != "repo:acme/demo:environment:release" || c.WorkflowRef != "acme/demo/.github/workflows/release.yml@refs/heads/main") {
			t.Errorf("%s: got %v, want %v; %+v", name, err, test.want, c)
		}
	}
}

// TestIssuer: who asks without the job's own token gets nothing.
func TestIssuer(t *testing.T) {
	key, err := Key()
	if err != nil {
		t.Fatal(err)
	}
	issuer := New("http://issuer.test", key)
	url, token := issuer.Start(Job{Repository: "acme/demo"}, "-mark")
	for bearer, want := range map[string]int{"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized, "Bearer " + token: http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, url+"&audience=x", nil)
		r.Header.Set("Authorization", bearer)
		w := httptest.NewRecorder()
		issuer.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d", strings.TrimSuffix(bearer, token), w.Code)
		}
	}
	if url, token := issuer.Start(Job{Unlicensed: true}, ""); url != "" || token != "" || len(issuer.Issued()) != 1 {
		t.Errorf("a job without the permission may ask at %q", url)
	}
}

package world

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
)

// IdentityHost is where jobs prove what they are.
const IdentityHost = "token.test"

// mintMark is in every credential that is made for a run.
const mintMark = "+Storm/minted+3f9a"

// openIdentity starts GitHub's issuer where runs have an identity.
func (t *World) openIdentity() {
	if !t.Scene.Trusted {
		return
	}
	t.identity = githubid.New("http://"+IdentityHost, t.stock.key)
	t.Serve(fault.GitHub, IdentityHost, t.identity.Handler())
}

// Identity returns what a process has in its environment to prove what it is; nothing where runs have no identity.
func (t *World) Identity() (url, token string) {
	if t.identity == nil {
		return "", ""
	}
	return t.identity.Start(githubid.Job{Repository: Owner + "/" + Repository, Workflow: "release.yml", Environment: "release", Ref: "refs/heads/" + scene.Branch}, mintMark)
}

// trusted is crates.io's trusted publishing of all crates. It reads the issuer's keys past all faults.
func (t *World) trusted() *registrytwin.Trusted {
	v := githubid.Verifier{Issuer: t.identity.URL(), Audience: "crates.io", HTTP: &http.Client{Transport: inside{t.identity.Handler()}}}
	out := &registrytwin.Trusted{Mark: mintMark, Verify: func(ctx context.Context, jwt string) (githubid.Claims, error) { return v.Verify(ctx, jwt, time.Now()) }}
	for _, name := range scene.Names() {
		out.Publishers = append(out.Publishers, registrytwin.Publisher{Crate: name, Repository: Owner + "/" + Repository, Workflow: "release.yml", Environment: "release"})
	}
	return out
}

// reserve puts the crates on crates.io that are no new ones.
func (t *World) reserve() error {
	if t.identity == nil {
		return nil
	}
	for _, name := range scene.Names() {
		if t.Scene.Fresh(name) {
			continue
		}
		if err := t.Registries[registry.CratesIO].Reserve(name); err != nil {
			return err
		}
	}
	return nil
}

// Made reports whether a value is a token of trusted publishing that crates.io made.
func (t *World) Made(value string) bool {
	return t.identity != nil && t.Registries[registry.CratesIO].Made(strings.TrimPrefix(value, "Bearer "))
}

// LeftOpen returns how many tokens that were made since an instant were not ended.
func (t *World) LeftOpen(since time.Time) int {
	if t.identity == nil {
		return 0
	}
	all := t.Registries[registry.CratesIO].Mints()
	ended := func(m registrytwin.Minted) bool { return m.At.Before(since) || !m.Revoked.IsZero() }
	return len(slices.DeleteFunc(all, ended))
}

// inside answers requests in the process.
type inside struct{ http.Handler }

func (h inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := NewAnswer(http.Header{})
	h.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.Status, Header: w.header, Body: io.NopCloser(&w.Body), Request: r, ContentLength: int64(w.Body.Len())}, nil
}

// Package mint makes short-lived credentials for registries from the identity of a GitHub Actions job, so that no secret
// has to be stored: crates.io's trusted publishing, and federation with Microsoft Entra for Azure DevOps.
//
// A job asks GitHub for a signed token that says what it is, and exchanges that for a credential. GitHub's token is good
// for one exchange: every attempt asks for a fresh one.
package mint

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	callTimeout = 30 * time.Second
	maxAnswer   = 64 << 10
	// margin is how long a credential must still be good to begin an upload with: registries look at it when the request
	// begins.
	margin = 5 * time.Minute
	// attempts bound what is tried within one request for a credential; its caller has patience of its own.
	attempts = 3
)

// Options wires what a package of credentials needs besides the identity. The zero value is ready for use.
type Options struct {
	HTTP      *http.Client // its transport is used; may be nil
	UserAgent string       // default "tagboat"
	// Hide is told of every token before anything else sees it. May be nil.
	Hide func(secret.Value)
}

func (o Options) hide(v secret.Value) {
	if o.Hide != nil {
		o.Hide(v)
	}
}

func (o Options) wire(service string) *wire.Client {
	if o.UserAgent == "" {
		o.UserAgent = "tagboat"
	}
	return wire.New(service, o.UserAgent, o.HTTP)
}

// grant is a credential and how long it is good.
type grant struct {
	token   secret.Value // the value of the Authorization header
	api     string       // where it was made
	made    time.Time
	expires time.Time
}

// fresh reports whether an upload may begin with the credential.
func (g grant) fresh(now time.Time) bool {
	last := g.expires.Add(-min(margin, g.expires.Sub(g.made)/4))
	// By both clocks: one stands still while a machine sleeps, the other one may be set back.
	return !g.token.IsZero() && now.Before(last) && now.Round(0).Before(last.Round(0))
}

// exchange is a service that gives a credential for an identity.
type exchange interface {
	audience() string
	// refuses explains why no exchange for an identity can succeed, nil where one may.
	refuses(id Identity) error
	// swap gives a credential for GitHub's token, which is used up then, whatever comes back.
	swap(ctx context.Context, api string, jwt secret.Value, id Identity) (grant, error)
	// revoke ends a credential; a service that cannot does nothing.
	revoke(ctx context.Context, g grant) error
}

// Source makes credentials when they are asked for and makes new ones before they run out. It is safe for concurrent
// use.
type Source struct {
	job      *Job
	exchange exchange

	turn    chan struct{} // holds one while somebody mints
	current grant
	minted  []grant // to revoke
}

func newSource(job *Job, x exchange) *Source {
	return &Source{job: job, exchange: x, turn: make(chan struct{}, 1)}
}

// Identity asks GitHub who the job is, and whether the service could give it a credential at all. It makes none. The
// error is for people.
func (s *Source) Identity(ctx context.Context) (Identity, error) {
	_, id, err := s.job.token(ctx, s.exchange.audience())
	if err != nil {
		return id, err
	}
	return id, s.exchange.refuses(id)
}

// Token returns the value of an Authorization header that is good for long enough to begin an upload. Api is the
// registry's web API, which crates.io's exchange is part of. A credential that is still good for a while is better than
// none where the next one cannot be made at the moment. The error is for people; one that says Retryable may be met by
// asking again.
func (s *Source) Token(ctx context.Context, api string) (secret.Value, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return secret.Value{}, context.Cause(ctx)
	}
	if s.current.fresh(time.Now()) {
		return s.current.token, nil
	}
	g, err := s.mint(ctx, api)
	if err != nil {
		if retryable(err) && time.Until(s.current.expires) > callTimeout && !s.current.token.IsZero() {
			return s.current.token, nil
		}
		return secret.Value{}, err
	}
	s.current, s.minted = g, append(s.minted, g)
	return g.token, nil
}

// mint tries a few times, each time with a token of GitHub's own.
func (s *Source) mint(ctx context.Context, api string) (grant, error) {
	for n := 1; ; n++ {
		g, err := s.once(ctx, api)
		var fault *wire.Error
		if err == nil || n == attempts || !errors.As(err, &fault) || fault.Class != wire.Transient {
			return g, err
		}
		timer := time.NewTimer(time.Duration(n*n) * time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return grant{}, err
		}
	}
}

func (s *Source) once(ctx context.Context, api string) (grant, error) {
	jwt, id, err := s.job.token(ctx, s.exchange.audience())
	if err != nil {
		return grant{}, err
	}
	if err := s.exchange.refuses(id); err != nil {
		return grant{}, err
	}
	return s.exchange.swap(ctx, api, jwt, id)
}

// Revoke ends every credential that was made. The Source can be used again afterwards.
func (s *Source) Revoke(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var errs []error
	for _, g := range s.minted {
		errs = append(errs, s.exchange.revoke(ctx, g))
	}
	s.current, s.minted = grant{}, nil
	return errors.Join(errs...)
}

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

package mint

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/entratwin"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/memnet"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	mark   = "-canary-51c0"
	tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	client = "11111111-2222-3333-4444-555555555555"
)

// The key of every issuer here: making one takes long.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := githubid.Key()
	if err != nil {
		panic(err)
	}
	return k
})

// world is GitHub's issuer, crates.io and Entra, on connections in memory.
type world struct {
	issuer  *githubid.Issuer
	crates  *registrytwin.Twin
	entra   *entratwin.Twin
	http    *http.Client
	masker  *secret.Masker
	job     *Job
	options Options
}

func newWorld(t *testing.T, j githubid.Job, faults ...string) *world {
	t.Helper()
	if j.Repository == "" {
		j.Repository = "acme/demo"
	}
	if j.Workflow == "" {
		j.Workflow = "release.yml"
	}
	j.Ref = "refs/heads/release/v1.0.0"
	var specs []fault.Spec
	for _, text := range faults {
		s, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	set := fault.NewSet(specs...)
	w := &world{issuer: githubid.New("http://token.test", key()), masker: &secret.Masker{}}
	network := memnet.New()
	w.http = &http.Client{Transport: &http.Transport{DialContext: network.DialNamed, DisableKeepAlives: true}}
	verify := func(audience string) githubid.Verifier {
		return githubid.Verifier{Issuer: w.issuer.URL(), Audience: audience, HTTP: w.http}
	}
	now := func(v githubid.Verifier) func(context.Context, string) (githubid.Claims, error) {
		return func(ctx context.Context, jwt string) (githubid.Claims, error) { return v.Verify(ctx, jwt, time.Now()) }
	}
	w.crates = registrytwin.New(registrytwin.Config{Manners: registrytwin.CratesIO, URL: "http://crates.test", Trusted: &registrytwin.Trusted{Verify: now(verify("crates.io")), Mark: mark,
		Publishers: []registrytwin.Publisher{{Crate: "demo", Repository: "acme/demo", Workflow: "release.yml", Environment: "release"}, {Crate: "other", Repository: "acme/other", Workflow: "ci.yml"}}}})
	w.entra = entratwin.New(entratwin.Config{Applications: []entratwin.Application{{Tenant: tenant, Client: client, Subject: "repo:acme/demo:environment:release"}}, Mark: mark, Verify: now(verify(entratwin.Audience))})
	for host, h := range map[string]http.Handler{
		"token.test":  set.Wrap(fault.GitHub, githubid.Op, w.issuer.Handler()),
		"crates.test": set.Wrap("crates-io", registrytwin.Op, w.crates.Handler()),
		"entra.test":  set.Wrap("entra", entratwin.Op, w.entra.Handler()),
	} {
		network.Serve(host, &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)})
	}
	t.Cleanup(network.Close)
	w.options = Options{HTTP: w.http, Hide: func(v secret.Value) { w.masker.Add(v) }}
	address, bearer := w.issuer.Start(j, mark)
	var err error
	if w.job, err = NewJob(address, secret.New(bearer), w.options); err != nil {
		t.Fatal(err)
	}
	return w
}

// told is everything that a person may read of an error.
func told(err error) string {
	s := err.Error()
	for _, p := range problem.All(err) {
		s += "\n" + p.Summary + "\n" + p.Detail + "\n" + p.Hint
	}
	return s
}

// TestRenewal: one token as long as it is good, then another one; all are revoked at the end.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"})
		s := CratesIO(w.job, w.options)
		if id, err := s.Identity(t.Context()); err != nil || id.Workflow != "release.yml" || id.Environment != "release" || id.Repository != "acme/demo" || id.Called != "" || id.Skew != 0 {
			t.Fatalf("identity %+v, %v", id, err)
		}
		if n := len(w.crates.Mints()); n != 0 {
			t.Fatalf("looking minted %d tokens", n)
		}
		seen := map[string]int{}
		for range 35 {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					v, err := s.Token(t.Context(), "http://crates.test")
					if err != nil {
						t.Error(told(err))
					}
					if got := w.masker.Mask("at " + v.Reveal()); got != "at ***" {
						t.Errorf("the masker lets %q through", strings.ReplaceAll(got, v.Reveal(), "TOKEN"))
					}
					_ = v
				})
			}
			all.Wait()
			v, _ := s.Token(t.Context(), "http://crates.test")
			seen[v.Reveal()]++
			time.Sleep(time.Minute)
		}
		mints := w.crates.Mints()
		if len(mints) != 2 || len(seen) != 2 || len(w.issuer.Issued()) != 3 {
			t.Errorf("%d tokens made, %d seen, GitHub asked %d times", len(mints), len(seen), len(w.issuer.Issued()))
		}
		if at := mints[1].At.Sub(mints[0].At); at < 24*time.Minute || at > 26*time.Minute {
			t.Errorf("the second one after %s", at)
		}
		if err := s.Revoke(t.Context()); err != nil {
			t.Error(err)
		}
		for i, m := range w.crates.Mints() {
			if m.Revoked.IsZero() {
				t.Errorf("token %d is not revoked", i)
			}
		}
		if err := s.Revoke(t.Context()); err != nil || w.crates.Requests()["revoke"] != 2 {
			t.Errorf("revoked again: %v, %v", err, w.crates.Requests())
		}
		if _, err := s.Token(t.Context(), "http://crates.test"); err != nil || len(w.crates.Mints()) != 3 {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestFaults: what stumbles is asked again, and each time with a fresh token of GitHub's, since the twin takes none twice.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name, fault       string
		issued, exchanges int
		retry             bool // the error, if any, says that asking again may help
		fails             bool
	}{
		{"the exchange is down for a moment", "crates-io exchange #1: refuse 503", 2, 2, false, false},
		{"its answer is lost", "crates-io exchange #1: accept-then drop", 2, 2, false, false},
		{"its answer is lost behind a gateway", "crates-io exchange #1: accept-then 502", 2, 2, false, false},
		{"the exchange is down", "crates-io exchange every: refuse 500", 3, 3, true, true},
		{"too many", "crates-io exchange every: refuse 429 retry-after 60s", 1, 1, true, true},
		{"GitHub is down for a moment", "github id-token #1: refuse 500", 1, 1, false, false},
		{"GitHub is down", "github id-token every: refuse 500", 0, 0, true, true},
		{"GitHub's keys cannot be read", "github jwks #1: refuse 500", 2, 2, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, githubid.Job{Environment: "release"}, test.fault)
				_, err := CratesIO(w.job, w.options).Token(t.Context(), "http://crates.test")
				if (err != nil) != test.fails || err != nil && retryable(err) != test.retry {
					t.Errorf("error %v", err)
				}
				if issued, exchanges := len(w.issuer.Issued()), w.crates.Requests()["exchange"]; issued != test.issued || !strings.Contains(test.fault, "refuse") && exchanges != test.exchanges {
					t.Errorf("GitHub gave %d tokens, %d exchanges", issued, exchanges)
				}
				if err != nil {
					silent(t, told(err))
				}
			})
		})
	}
}

// A credential that is still good for a while serves where the next one cannot be had.
func TestRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"}, "crates-io exchange #2: refuse 503", "crates-io exchange #3: refuse 503", "crates-io exchange #4: refuse 503")
		s := CratesIO(w.job, w.options)
		first, err := s.Token(t.Context(), "http://crates.test")
		if err != nil {
			t.Fatal(told(err))
		}
		time.Sleep(26 * time.Minute)
		if again, err := s.Token(t.Context(), "http://crates.test"); err != nil || !again.Equal(first) {
			t.Fatalf("within the token's lifetime: %v", err)
		}
		if next, err := s.Token(t.Context(), "http://crates.test"); err != nil || next.Equal(first) {
			t.Fatalf("afterwards: %v", err)
		}
	})
}

// TestRefusals: whoever reads them knows what to register, or to write into the workflow.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name string
		job  githubid.Job
		says []string
	}{
		{"another repository", githubid.Job{Repository: "acme/fork", Environment: "release"}, []string{"No Trusted Publishing config found for repository `acme/fork`", "register repository acme/fork, workflow release.yml and environment release", "settings"}},
		{"another workflow", githubid.Job{Workflow: "ci.yml", Environment: "release"}, []string{"workflow filename `ci.yml`", "Expected workflow filenames: `release.yml`", "workflow     ci.yml"}},
		{"no environment", githubid.Job{}, []string{"requires an environment", "Expected environments: `release`", "environment  (none)", "and no environment"}},
		{"another environment", githubid.Job{Environment: "prod"}, []string{"environment `prod`"}},
		{"a reusable workflow", githubid.Job{Workflow: "tag.yml", JobWorkflow: "release.yml", Environment: "release"}, []string{"stands in the reusable workflow release.yml; what counts is the workflow that GitHub started, tag.yml"}},
		{"workflow_run", githubid.Job{Environment: "release", Event: "workflow_run"}, []string{"a run that `workflow_run` started", "workflow_dispatch"}},
		{"pull_request_target", githubid.Job{Environment: "release", Event: "pull_request_target"}, []string{"a run that `pull_request_target` started"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, test.job)
				s := CratesIO(w.job, w.options)
				_, err := s.Token(t.Context(), "http://crates.test")
				if problem.ExitCode(err) != problem.ExitStopped || retryable(err) {
					t.Fatalf("error %v", err)
				}
				for _, want := range test.says {
					if !strings.Contains(told(err), want) {
						t.Errorf("does not say %q:\n%s", want, told(err))
					}
				}
				silent(t, told(err))
				if test.job.Event != "" {
					if _, early := s.Identity(t.Context()); early == nil || w.crates.Requests()["exchange"] != 0 {
						t.Error("is not said beforehand")
					}
				}
			})
		})
	}
	_, err := NewJob("", secret.Value{}, Options{})
	if !strings.Contains(told(err), "    permissions:\n      contents: write\n      id-token: write") {
		t.Errorf("without the permission: %s", told(err))
	}
	if _, err := NewJob("http://example.com/token", secret.New("x"), Options{}); err == nil {
		t.Error("an open line is taken")
	}
}

// TestEntra: the lifetime that the answer names is believed, and refusals say what to register.
func TestEntra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"}, "entra entra-token #1: refuse 503")
		a := Application{Authority: "http://entra.test/", Tenant: tenant, Client: client}
		s, err := Entra(w.job, a, w.options)
		if err != nil {
			t.Fatal(told(err))
		}
		for range 65 {
			v, err := s.Token(t.Context(), "")
			if err != nil {
				t.Fatal(told(err))
			}
			bare, ok := strings.CutPrefix(v.Reveal(), "Bearer ")
			if !ok || !w.entra.Valid(bare) || strings.Contains(w.masker.Mask(bare), mark) {
				t.Fatalf("token %v is not good, or not hidden", ok)
			}
			time.Sleep(time.Minute)
		}
		if w.entra.Issued() != 2 {
			t.Errorf("%d tokens in 65 minutes", w.entra.Issued())
		}
		if err := s.Revoke(t.Context()); err != nil {
			t.Error(err)
		}
		for _, test := range []struct {
			job  githubid.Job
			app  Application
			says string
		}{
			{githubid.Job{}, a, "subject   repo:acme/demo:ref:refs/heads/release/v1.0.0"},
			{githubid.Job{}, a, "AADSTS700213: No matching federated identity record"},
			{githubid.Job{Environment: "release"}, Application{a.Authority, "contoso", client}, "AADSTS90002: Tenant 'contoso' not found"},
			{githubid.Job{Environment: "release"}, Application{a.Authority, tenant, "another"}, "AADSTS700016"},
		} {
			test.job.Repository, test.job.Workflow, test.job.Ref = "acme/demo", "release.yml", "refs/heads/release/v1.0.0"
			address, bearer := w.issuer.Start(test.job, mark)
			job, err := NewJob(address, secret.New(bearer), w.options)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Entra(job, test.app, w.options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Token(t.Context(), "")
			if problem.ExitCode(err) != problem.ExitStopped || !strings.Contains(told(err), test.says) || strings.Contains(told(err), "Trace ID") {
				t.Errorf("want %q, got %s", test.says, told(err))
			}
			silent(t, told(err))
		}
	})
	for _, bad := range []Application{{}, {Tenant: "a/b", Client: client}, {Tenant: tenant}, {Authority: "http://example.com", Tenant: tenant, Client: client}} {
		if _, err := Entra(nil, bad, Options{}); problem.ExitCode(err) != problem.ExitUsage {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A refusal may repeat what it got.
func TestRefusalEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"})
		var sent string
		w.options.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			sent = string(body)
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"errors":[{"detail":"no: ` + strings.NewReplacer(`"`, "", `{jwt:`, "", "}", "").Replace(sent) + `"}]}`)), Request: r}, nil
		})}
		_, err := CratesIO(w.job, w.options).Token(t.Context(), "http://crates.test")
		part := strings.Split(sent, ".")
		if len(part) != 3 || err == nil || !strings.Contains(told(err), "no: ") || strings.Contains(told(err), strings.Trim(part[2], `"}`)) {
			t.Errorf("the refusal shows the token, or there was none: %d parts", len(part))
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The clock is told where the refusal hides that it may be the cause.
func TestSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"})
		jwt, err := w.issuer.Sign(githubid.Job{Repository: "acme/demo", Workflow: "release.yml"}.Claims("x", "crates.io", time.Now().Add(7*time.Minute)))
		if err != nil {
			t.Fatal(err)
		}
		id, err := read(secret.New(jwt), time.Now())
		if err != nil || !strings.Contains(id.remarks(), "the clock of this machine is 7m0s behind GitHub's") {
			t.Errorf("%q, %v", id.remarks(), err)
		}
	})
	for _, bad := range []string{"", "a.b", "a.!.c", "a.bm9qc29u.c"} {
		if _, err := read(secret.New(bad), time.Now()); err == nil {
			t.Errorf("%q is taken for a token", bad)
		}
	}
}

func silent(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, mark) || strings.Contains(text, "eyJ") {
		t.Errorf("a token shows in %q", text)
	}
}

// A run that ends while another one mints does not wait for it.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubid.Job{Environment: "release"}, "crates-io exchange every: delay 20s")
		s := CratesIO(w.job, w.options)
		go s.Token(t.Context(), "http://crates.test")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := s.Token(ctx, "http://crates.test"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		time.Sleep(time.Minute)
	})
}

// FuzzIdentity reads what a token says: nothing in it may reach a terminal as it stands.
func FuzzIdentity(f *testing.F) {
	for _, claims := range []string{`{}`, `{"repository":"a/b","workflow_ref":"a/b/.github/workflows/x.yml@refs/heads/main","iat":1}`, `{"iat":-1e300,"environment":"\u001b[2J"}`, `[]`, `{"workflow_ref":"@@/../.."}`} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		id, err := read(secret.New("e30."+base64.RawURLEncoding.EncodeToString([]byte(claims))+".c2ln"), time.Unix(1_800_000_000, 0))
		if err != nil {
			return
		}
		for _, s := range []string{id.Repository, id.Workflow, id.Called, id.Environment, id.Event, id.Subject, id.Issuer} {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || len(s) > 4000 {
				t.Errorf("%q", s)
			}
		}
	})
}

package ship_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
	"github.com/tagboat/tagboat/internal/secret"
)

// kindWorld is a world with three crates in a row for one registry of a kind, which wants a token for reading too and
// shows an upload only minutes later.
func kindWorld(k registry.Kind, lag time.Duration, faults ...string) reltest.Options {
	name := "feed"
	if k == registry.KindCratesIO {
		name = registry.CratesIO
	}
	in := []string{name}
	return reltest.Options{
		Crates: []reltest.Crate{{Name: "core", Registries: in}, {Name: "driver", Registries: in, Needs: []string{"core"}}, {Name: "tool", Registries: in, Needs: []string{"driver"}}},
		Kinds:  map[string]registry.Kind{name: k}, Faults: faults,
		Registry: func(_ string, c *registrytwin.Config) {
			c.Lag, c.AuthRequired = lag, k != registry.KindCratesIO
			if k == registry.KindGeneric {
				c.Manners = registrytwin.Lenient
			}
		},
	}
}

// everyKind runs a test against the manners of each kind under a virtual clock.
func everyKind(t *testing.T, test func(*testing.T, registry.Kind)) {
	for _, x := range kind.All() {
		t.Run(string(x.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, x.Kind) })
		})
	}
}

// finished wants the release public, each crate uploaded once, and each confirmed.
func finished(t *testing.T, w *reltest.World, r *release.Report) {
	t.Helper()
	if r.Outcome != release.Released || len(w.GitHub.Undrafted()) != 1 {
		t.Errorf("outcome %s, made public %d times: %s", r.Outcome, len(w.GitHub.Undrafted()), says(r))
	}
	if uploads(w) != 3 {
		t.Errorf("%d uploads were accepted, want 3", uploads(w))
	}
	for _, c := range w.Bill().Crates {
		for _, at := range c.Registries {
			if at.ConfirmedAt == nil {
				t.Errorf("%s was not confirmed at %s", c.Name, at.Name)
			}
		}
	}
}

// TestKindsPublish releases to each kind, whose index lags by minutes.
func TestKindsPublish(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		const lag = 4 * time.Minute
		w := reltest.New(t, kindWorld(k, lag))
		began := time.Now()
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))
		want := 3 * lag // one for each level
		if k.Traits().Wait == registry.Order {
			want = lag // uploaded in order, confirmed at the end
		}
		if took := time.Since(began); took < want || took > want+3*time.Minute {
			t.Errorf("took %s, want %s and a little", took, want)
		}
	})
}

// TestKindsCut ends the process after each accepted upload; the next process finishes while the index still lags.
func TestKindsCut(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		w := reltest.New(t, kindWorld(k, 3*time.Minute))
		for range 3 {
			ctx, end := context.WithCancel(t.Context())
			w.Answer(func(resp *http.Response) error {
				if resp.Request.Method == http.MethodPut && resp.Request.ContentLength > 0 && resp.StatusCode/100 == 2 {
					end()
				}
				return nil
			})
			run(ctx, t, w, release.Both, ship.Options{})
			end()
		}
		w.Answer(nil)
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))
		if w.Packaged() != 1 {
			t.Errorf("packaged %d times", w.Packaged())
		}
	})
}

// TestKindsLostAnswer loses the answer to an upload that was accepted; the index does not show it yet, and the second
// attempt is refused in words that only some kinds are known for.
func TestKindsLostAnswer(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		w := reltest.New(t, kindWorld(k, 2*time.Minute, "publish driver: accept-then drop"))
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))
	})
}

// TestKindsAlreadyThere finds a version in the index before the run: with our bytes it is done, with others the run stops
// before it uploads anything.
func TestKindsAlreadyThere(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		o := kindWorld(k, 0)
		name := o.Crates[0].Registries[0]
		w := reltest.New(t, o)
		if err := w.Upload(t.Context(), name, "core", ""); err != nil {
			t.Fatal(err)
		}
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))

		w = reltest.New(t, o)
		if err := w.Upload(t.Context(), name, "core", " by somebody else"); err != nil {
			t.Fatal(err)
		}
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if r.Outcome != release.Stopped || !strings.Contains(says(r), "other bytes") || uploads(w) != 1 || len(w.GitHub.Undrafted()) != 0 {
			t.Errorf("%s, %d uploads: %s", r.Outcome, uploads(w), says(r))
		}
	})
}

// TestKindsWrongToken stops before anything is packaged.
func TestKindsWrongToken(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		o := kindWorld(k, 0)
		o.Token = func() string { return "wrong-token-value" }
		w := reltest.New(t, o)
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if r.ExitCode() != 2 || w.Packaged() != 0 || uploads(w) != 0 || !strings.Contains(says(r), "refused the token") || !strings.Contains(says(r), k.Traits().TokenForm) {
			t.Errorf("exit %d, packaged %d times, %d uploads: %s", r.ExitCode(), w.Packaged(), uploads(w), says(r))
		}
	})
}

// TestKindsReadOnly stops before anything is packaged where that can be asked, and else at the first upload; nothing is
// public either way.
func TestKindsReadOnly(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		o := kindWorld(k, 0)
		with := o.Registry
		o.Registry = func(name string, c *registrytwin.Config) {
			with(name, c)
			c.Tokens[0].Scope = registrytwin.Read
		}
		w := reltest.New(t, o)
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		packaged := 1
		if k.Traits().Probe == kind.ProbeUpload {
			packaged = 0
		}
		if r.ExitCode() != 2 || w.Packaged() != packaged || uploads(w) != 0 || len(w.GitHub.Undrafted()) != 0 {
			t.Errorf("exit %d, packaged %d times, %d uploads: %s", r.ExitCode(), w.Packaged(), uploads(w), says(r))
		}
	})
}

// TestKindsTokenExpires lets the token stop to work in the middle; a run with a fresh one finishes.
func TestKindsTokenExpires(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		const fresh = "fresh-token-value"
		o := kindWorld(k, time.Minute)
		var minted atomic.Bool
		o.Token = func() string {
			if minted.Load() {
				return fresh
			}
			return reltest.FeedToken
		}
		with := o.Registry
		o.Registry = func(name string, c *registrytwin.Config) {
			with(name, c)
			c.Tokens = append(c.Tokens, registrytwin.Token{Label: "fresh", Value: secret.New(fresh), Scope: registrytwin.Publish})
		}
		o.Faults = []string{o.Crates[0].Registries[0] + ": expire after 1 publishes"}
		w := reltest.New(t, o)
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if r.Outcome != release.Stopped || uploads(w) != 1 || len(w.GitHub.Undrafted()) != 0 {
			t.Errorf("%s after %d uploads: %s", r.Outcome, uploads(w), says(r))
		}
		minted.Store(true)
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))
		if w.Packaged() != 1 {
			t.Errorf("packaged %d times", w.Packaged())
		}
	})
}

// TestTokenIsMintedAnew lets a token live for 30 minutes where the uploads take 35: whoever mints a new one in time finishes
// in one run, for the token is asked for at each request.
func TestTokenIsMintedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 30 * time.Minute
		began := time.Now()
		o := kindWorld(registry.KindAzure, 12*time.Minute)
		o.Token = func() string {
			if time.Since(began) < life-time.Minute {
				return reltest.FeedToken
			}
			return "second-token-value"
		}
		with := o.Registry
		o.Registry = func(name string, c *registrytwin.Config) {
			with(name, c)
			c.Tokens[0].Expires = began.Add(life)
			c.Tokens = append(c.Tokens, registrytwin.Token{Label: "second", Value: secret.New("second-token-value"), Scope: registrytwin.Publish})
		}
		w := reltest.New(t, o)
		finished(t, w, run(t.Context(), t, w, release.Both, ship.Options{}))
		if took := time.Since(began); took < 35*time.Minute {
			t.Errorf("took %s: the first token would have been enough", took)
		}
	})
}

// TestKindsDeleted deletes a version that was published: where its number can never be used again, the run says so; where
// it can, the release goes through.
func TestKindsDeleted(t *testing.T) {
	everyKind(t, func(t *testing.T, k registry.Kind) {
		o := kindWorld(k, 0)
		name := o.Crates[0].Registries[0]
		w := reltest.New(t, o)
		if err := w.Upload(t.Context(), name, "core", ""); err != nil || !w.Registries[name].Delete("core", "1.0.0") {
			t.Fatal(err)
		}
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if k.Traits().Again != kind.Never {
			if r.Outcome != release.Released || uploads(w) != 4 {
				t.Errorf("%s, %d uploads: %s", r.Outcome, uploads(w), says(r))
			}
			return
		}
		if r.ExitCode() != 2 || !strings.Contains(says(r), "its number can never be used again") || len(w.GitHub.Undrafted()) != 0 {
			t.Errorf("exit %d: %s", r.ExitCode(), says(r))
		}
	})
}

// bucketWorld is a world with thirteen crates that are new to crates.io, which takes five at once and one more in each 10
// minutes, and shows an upload minutes later.
func bucketWorld(t *testing.T, with func(*config.Config)) *reltest.World {
	o := reltest.Options{Config: with, Kinds: map[string]registry.Kind{registry.CratesIO: registry.KindCratesIO},
		Registry: func(_ string, c *registrytwin.Config) {
			c.Lag, c.Buckets = 3*time.Minute, registrytwin.CratesIOBuckets()
		}}
	for i := range 13 {
		o.Crates = append(o.Crates, reltest.Crate{Name: fmt.Sprintf("part%d", i), Registries: []string{registry.CratesIO}})
	}
	return reltest.New(t, o)
}

// forecastOf wants the plan to have said how long the limits take.
func forecastOf(t *testing.T, r *release.Report) time.Duration {
	t.Helper()
	for _, f := range r.Findings {
		if f.Rule == "rate-limit" && strings.Contains(f.Summary, "13 new crates where 5 may go at once and one more every 10m; the last upload can start in 1h20m, at ") {
			return r.Registries[0].Forecast.Wait
		}
	}
	t.Errorf("no forecast: %+v", r.Findings)
	return 0
}

// TestBuckets waits for a registry's limits at the registry's own instants, no longer and hardly ever too early.
func TestBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bucketWorld(t, nil)
		refused := 0
		var mu sync.Mutex
		w.Answer(func(resp *http.Response) error {
			if resp.StatusCode == http.StatusTooManyRequests {
				mu.Lock()
				refused++
				mu.Unlock()
			}
			return nil
		})
		began := time.Now()
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		forecast, took := forecastOf(t, r), time.Since(began)
		if r.Outcome != release.Released || uploads(w) != 13 {
			t.Fatalf("%s, %d uploads: %s", r.Outcome, uploads(w), says(r))
		}
		if took < forecast || took > forecast+15*time.Minute {
			t.Errorf("took %s, the forecast was %s", took, forecast)
		}
		t.Logf("took %s refused %d", took, refused)
		if refused > 8*4 { // up to four uploads at once meet the same empty bucket
			t.Errorf("%d uploads were refused", refused)
		}
	})
}

// TestBucketsDeadline ends as waiting where the limits do not fit into the job, says when to come back, and a run at that
// time goes on.
func TestBucketsDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		config   func(*config.Config)
		deadline time.Duration
		runs     int // at the most
	}{
		"the job's end": {deadline: 30 * time.Minute, runs: 4},
		"max_wait":      {config: func(c *config.Config) { c.Pace.MaxWait = config.Duration(5 * time.Minute) }, runs: 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bucketWorld(t, c.config)
				began := time.Now()
				for n := 1; ; n++ {
					o, start := ship.Options{}, time.Now()
					if c.deadline > 0 {
						o.Deadline = start.Add(c.deadline)
					}
					r := run(t.Context(), t, w, release.Both, o)
					if n == 1 {
						forecastOf(t, r)
					}
					if len(w.GitHub.Undrafted()) > 0 != (r.Outcome == release.Released) {
						t.Fatalf("run %d: %s, made public %d times", n, r.Outcome, len(w.GitHub.Undrafted()))
					}
					if r.Outcome == release.Released {
						break
					}
					if r.ExitCode() != 3 || r.Until == nil || !r.Until.After(start) || n == c.runs {
						t.Fatalf("run %d: exit %d until %v after %s: %s", n, r.ExitCode(), r.Until, time.Since(start), says(r))
					}
					if c.deadline > 0 && time.Since(start) > c.deadline+5*time.Minute {
						t.Errorf("run %d went on for %s", n, time.Since(start))
					}
					time.Sleep(time.Until(*r.Until))
				}
				if uploads(w) != 13 || w.Packaged() != 1 {
					t.Errorf("%d uploads, packaged %d times", uploads(w), w.Packaged())
				}
				t.Logf("took %s", time.Since(began))
				if took := time.Since(began); took > 2*time.Hour {
					t.Errorf("took %s, where 1h20m is the least", took)
				}
			})
		})
	}
}

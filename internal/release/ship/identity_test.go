package ship_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// trusted is a world whose runs have an identity that crates.io knows.
func trusted(faults ...string) reltest.Options {
	return reltest.Options{Job: &githubid.Job{Repository: "o/r", Workflow: "release.yml", Ref: "refs/heads/release/v1.0.0"}, NoToken: true, Faults: faults}
}

// lanes tells by what each upload to crates.io came.
func lanes(w *reltest.World) map[string]string {
	out := map[string]string{}
	for _, u := range w.Registries["crates-io"].Accepted() {
		out[u.Name] = u.Token
	}
	return out
}

// revoked holds that every token that crates.io made is ended, and returns how many there were.
func revoked(t *testing.T, w *reltest.World) int {
	t.Helper()
	mints := w.Registries["crates-io"].Mints()
	for i, m := range mints {
		if m.Revoked.IsZero() {
			t.Errorf("token %d of %s is not revoked", i+1, m.At.Format(time.TimeOnly))
		}
	}
	return len(mints)
}

// quiet holds that a report shows no credential that was made.
func quiet(t *testing.T, w *reltest.World, r *release.Report) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if leaks := w.Masker.Leaks(text); leaks != nil || strings.Contains(string(text), reltest.MintMark) || strings.Contains(string(text), "eyJ") {
		t.Errorf("a credential shows (%v)", leaks)
	}
}

// TestTokenRunsOut: a token is good for 30 minutes, and the registry holds the release up for 35.
func TestTokenRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, trusted("publish driver #1: refuse 429 retry-after 20m", "publish driver #2: refuse 429 retry-after 15m"))
		began := time.Now()
		var draft atomic.Bool
		w.Door(func(r *http.Request) error {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/trusted_publishing/tokens") {
				rel, _ := w.GitHub.Release(w.Tag())
				draft.Store(rel.Draft && slices.ContainsFunc(rel.Assets, func(a githubtwin.Asset) bool { return a.Name == release.BillName }))
			}
			return nil
		})
		r := released(t, w)
		if took := time.Since(began); took < 35*time.Minute {
			t.Errorf("it took %s", took)
		}
		if !draft.Load() {
			t.Error("a token was made before everything was in the draft")
		}
		if n := revoked(t, w); n != 2 {
			t.Errorf("%d tokens were made", n)
		}
		if diff := cmp.Diff(map[string]string{"core": registrytwin.TrustedLabel, "driver": registrytwin.TrustedLabel}, lanes(w)); diff != "" {
			t.Error(diff)
		}
		if !slices.ContainsFunc(r.Steps, func(s release.ReportStep) bool {
			return s.Key == "publish/crates-io/driver@1.0.0" && s.Reason == "new version, by trusted publishing"
		}) {
			t.Errorf("no step tells its lane: %+v", r.Steps)
		}
		quiet(t, w, r)
	})
}

// TestTwoLanes: a new crate goes by the token, the other one by trusted publishing.
func TestTwoLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := trusted()
		o.Fresh, o.NoToken = []string{"core"}, false
		w := reltest.New(t, o)
		r := released(t, w)
		if diff := cmp.Diff(map[string]string{"core": "publisher", "driver": registrytwin.TrustedLabel}, lanes(w)); diff != "" {
			t.Error(diff)
		}
		want := &release.Login{How: release.LoginTrusted, Repository: "o/r", Workflow: "release.yml"}
		if diff := cmp.Diff(want, r.Registries[0].Login); diff != "" || revoked(t, w) != 1 {
			t.Error(diff)
		}
		quiet(t, w, r)
	})
}

// TestLimitOfOneLane: what holds up new crates does not hold up the others.
func TestLimitOfOneLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := trusted("publish fresh #1: refuse 429 retry-after 20m")
		o.Crates = []reltest.Crate{{Name: "fresh"}, {Name: "known"}, {Name: "later", Needs: []string{"fresh"}}}
		o.Fresh, o.NoToken = []string{"fresh"}, false
		o.Config = func(c *config.Config) { c.Pace.Uploads = 1 }
		w := reltest.New(t, o)
		began := time.Now()
		released(t, w)
		after := map[string]time.Duration{}
		for _, u := range w.Registries["crates-io"].Accepted() {
			after[u.Name] = u.At.Sub(began).Round(time.Minute)
		}
		if diff := cmp.Diff(map[string]time.Duration{"known": 0, "fresh": 20 * time.Minute, "later": 20 * time.Minute}, after); diff != "" {
			t.Error(diff)
		}
		revoked(t, w)
	})
}

// TestIdentityTrouble: what stops a release stops it before anything is public, and says what to do.
func TestIdentityTrouble(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*reltest.Options)
		outcome  string
		accepted int
		mints    int
		says     []string
	}{
		{"a new crate and no token", func(o *reltest.Options) { o.Fresh = []string{"driver"} }, release.Stopped, 0, 0, []string{"cannot make a new crate", "new there: driver", "0.0.0", "CARGO_REGISTRY_TOKEN"}},
		{"a run that workflow_run started", func(o *reltest.Options) { o.Job.Event = "workflow_run" }, release.Stopped, 0, 0, []string{"takes no trusted publishing from a run that `workflow_run` started"}},
		{"another workflow", func(o *reltest.Options) {
			o.Job.Workflow, o.Fresh, o.NoToken = "ci.yml", []string{"core"}, false
		}, release.Stopped, 0, 0, []string{"workflow filename `ci.yml`", "register repository o/r, workflow ci.yml and no environment"}},
		{"a crate that is not registered", func(o *reltest.Options) {
			o.Registry = func(_ string, c *registrytwin.Config) { c.Trusted.Publishers = c.Trusted.Publishers[:1] }
		}, release.Stopped, 1, 1, []string{"not valid for crate `driver`", "https://crates.io/crates/driver/settings", "workflow release.yml and no environment"}},
		{"crates.io makes no tokens", func(o *reltest.Options) { o.Faults = []string{"crates-io exchange every: refuse 503"} }, release.Failed, 0, 0, []string{"crates.io gives no token for this job"}},
		{"GitHub does not answer", func(o *reltest.Options) { o.Faults = []string{"github id-token every: refuse 500"} }, release.Failed, 0, 0, []string{"GitHub does not say who this job is"}},
		{"crates.io stumbles", func(o *reltest.Options) {
			o.Faults = []string{"crates-io exchange #1: accept-then 502", "github id-token #1: refuse 500"}
		}, release.Released, 2, 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := trusted()
				test.change(&o)
				w := reltest.New(t, o)
				r := run(t.Context(), t, w, release.Both, ship.Options{})
				if mints := len(w.Registries["crates-io"].Mints()); r.Outcome != test.outcome || uploads(w) != test.accepted || mints != test.mints {
					t.Errorf("outcome %s, %d uploads, %d tokens: %s", r.Outcome, uploads(w), mints, says(r))
				}
				for _, want := range test.says {
					if !strings.Contains(says(r), want) {
						t.Errorf("does not say %q: %s", want, says(r))
					}
				}
				if test.outcome != release.Released {
					revoked(t, w)
				}
				quiet(t, w, r)
			})
		})
	}
}

// TestRevokedWhateverHappens: a run that is ended, fails or panics leaves no token behind.
func TestRevokedWhateverHappens(t *testing.T) {
	const step = "publish/crates-io/core@1.0.0"
	for name, between := range map[string]func(cancel context.CancelFunc) error{
		"ended":  func(cancel context.CancelFunc) error { cancel(); return nil },
		"failed": func(context.CancelFunc) error { return errors.New("no") },
		"panics": func(context.CancelFunc) error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, trusted())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := run(ctx, t, w, release.Both, ship.Options{Between: func(key string, after bool) error {
					if key == step && after {
						return between(cancel)
					}
					return nil
				}})
				if n := revoked(t, w); n != 1 || r.Outcome != release.Failed {
					t.Errorf("%d tokens, outcome %s", n, r.Outcome)
				}
				// The next run finishes, with a token of its own.
				released(t, w)
				if n := revoked(t, w); n != 2 || uploads(w) != 2 {
					t.Errorf("%d tokens, %d uploads", n, uploads(w))
				}
				quiet(t, w, r)
			})
		})
	}
	t.Run("panics outside of the steps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := reltest.New(t, trusted())
			world := w.Outside()
			ended := false
			world.Revoke = func() { ended = true }
			defer func() {
				if recover() == nil || !ended {
					t.Error("the credentials were not ended")
				}
			}()
			ship.Converge(t.Context(), world, release.Request{Tag: w.Tag(), Half: release.Both}, ship.Options{Planned: func(release.Snapshot, release.Plan) func(converge.Event) { panic("no") }})
		})
	})
}

// TestForecastOfLanes: the limit for each user counts only what goes by a token.
func TestForecastOfLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := trusted()
		for i := range 40 {
			o.Crates = append(o.Crates, reltest.Crate{Name: "part-" + string(rune('a'+i/20)) + string(rune('a'+i%20))})
		}
		o.NoToken = false
		for n, want := range []time.Duration{0, 30 * time.Minute} {
			if n == 1 {
				for _, c := range o.Crates[:8] {
					o.Fresh = append(o.Fresh, c.Name)
				}
			}
			w := reltest.New(t, o)
			r := run(t.Context(), t, w, release.First, ship.Options{Between: func(string, bool) error { return errors.New("far enough") }})
			if got := r.Registries[0].Forecast; got.Wait != want || got.Known != 40-len(o.Fresh) {
				t.Errorf("%d new crates: %+v", len(o.Fresh), got)
			}
		}
	})
}

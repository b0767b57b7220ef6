package ship_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
	"github.com/tagboat/tagboat/internal/secret"
)

// says joins what a report tells people.
func says(r *release.Report) string {
	var b strings.Builder
	for _, p := range r.Problems {
		b.WriteString(p.Summary + "; " + p.Detail + "; " + p.Hint + "\n")
	}
	for _, s := range r.Steps {
		if s.Outcome == "waiting" {
			b.WriteString(s.Reason + "\n")
		}
	}
	return b.String()
}

func uploads(w *reltest.World) int {
	n := 0
	for _, r := range w.Registries {
		n += len(r.Accepted())
	}
	return n
}

// first calls do before the first request whose method and path match.
func first(w *reltest.World, method, path string, do func()) {
	pattern := regexp.MustCompile(path)
	var done atomic.Bool
	w.Door(func(r *http.Request) error {
		if r.Method == method && pattern.MatchString(r.URL.String()) && !done.Swap(true) {
			do()
		}
		return nil
	})
}

// rewrite changes the text of JSON answers of the forge.
func rewrite(w *reltest.World, pattern, with string) {
	re := regexp.MustCompile(pattern)
	w.Answer(func(resp *http.Response) error {
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") || resp.Request.URL.Host != "github.test" {
			return nil
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		text = re.ReplaceAll(text, []byte(with))
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		resp.Header.Del("Content-Length")
		return nil
	})
}

// TestRegistryTrouble lets registries fail in the ways that they do.
func TestRegistryTrouble(t *testing.T) {
	for _, test := range []struct {
		name    string
		options reltest.Options
		before  func(*testing.T, *reltest.World)
		outcome string
		exit    int
		accepted,
		public int
		atLeast time.Duration
		says    string
		again   string // outcome of a second run, a day later
	}{
		{name: "500 after accepting", options: reltest.Options{Faults: []string{"publish core: accept-then 500"}}, outcome: release.Released, accepted: 2, public: 1},
		{name: "the answer is lost and the index lags", options: reltest.Options{Faults: []string{"publish core: accept-then drop", "index core: lag 40s"}}, outcome: release.Released, accepted: 2, public: 1, atLeast: 40 * time.Second},
		{name: "429 with a date", options: reltest.Options{Faults: []string{"publish core: refuse 429 retry-after 90s"}}, outcome: release.Released, accepted: 2, public: 1, atLeast: 90 * time.Second},
		{name: "429 for longer than anybody waits", options: reltest.Options{Faults: []string{"publish core: refuse 429 retry-after 3h"}}, outcome: release.Waiting, exit: 3, says: "takes no more uploads until", again: release.Released},
		{name: "503 again and again", options: reltest.Options{Faults: []string{"publish core every: refuse 503"}}, outcome: release.Failed, exit: 1, says: "core"},
		{name: "403", options: reltest.Options{Faults: []string{"publish core: refuse 403"}}, outcome: release.Stopped, exit: 2, says: "may not publish core", again: release.Released},
		{name: "400", options: reltest.Options{Faults: []string{"publish driver: refuse 400"}}, outcome: release.Stopped, exit: 2, accepted: 1, says: "refused driver", again: release.Released},
		{name: "the index shows it too late", options: reltest.Options{Faults: []string{"index driver: lag 2h"}}, outcome: release.Waiting, exit: 3, accepted: 2, says: "does not show driver 1.0.0 after 30m", again: release.Released},
		{name: "there already with our bytes", before: func(t *testing.T, w *reltest.World) { mine(t, w, "core", "") }, outcome: release.Released, accepted: 2, public: 1},
		{name: "there already with other bytes", before: func(t *testing.T, w *reltest.World) { mine(t, w, "driver", " by somebody else") }, outcome: release.Stopped, exit: 2, accepted: 1, says: "with other bytes"},
		{name: "somebody else was faster, and the index lags", options: reltest.Options{Faults: []string{"index core: lag 1m"}}, before: func(t *testing.T, w *reltest.World) {
			first(w, "PUT", "/api/v1/crates/new", func() { mine(t, w, "core", " by somebody else") })
		}, outcome: release.Stopped, exit: 2, says: "core 1.0.0 is on crates-io with other bytes", accepted: 2},
		{name: "somebody else was faster with the same bytes", options: reltest.Options{Faults: []string{"index core: lag 1m"}}, before: func(t *testing.T, w *reltest.World) {
			first(w, "PUT", "/api/v1/crates/new", func() { mine(t, w, "core", "") })
		}, outcome: release.Released, accepted: 2, public: 1},
		{name: "cargo publishes", options: reltest.Options{Config: func(c *config.Config) { c.Package.Publisher = "cargo" }}, outcome: release.Released, accepted: 2, public: 1},
		{name: "too large", options: reltest.Options{Config: func(c *config.Config) {
			r := c.Registries["crates-io"]
			r.MaxSize = 10
			c.Registries["crates-io"] = r
		}}, outcome: release.Stopped, exit: 2, says: "larger than its registry takes"},
		{name: "a draft alone is wanted", options: reltest.Options{Config: func(c *config.Config) { c.Release.DraftOnly = true }}, outcome: release.Released, accepted: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, test.options)
				if test.before != nil {
					test.before(t, w)
				}
				began := time.Now()
				r := run(t.Context(), t, w, release.Both, ship.Options{})
				if r.Outcome != test.outcome || r.ExitCode() != test.exit || !strings.Contains(says(r), test.says) {
					t.Errorf("outcome %s, exit %d, says %s", r.Outcome, r.ExitCode(), says(r))
				}
				if uploads(w) != test.accepted || len(w.GitHub.Undrafted()) != test.public || time.Since(began) < test.atLeast {
					t.Errorf("%d uploads, %d made public, after %s", uploads(w), len(w.GitHub.Undrafted()), time.Since(began))
				}
				if test.outcome == release.Waiting && (r.Until == nil || !r.Until.After(began)) {
					t.Errorf("waiting until %v", r.Until)
				}
				if test.again == "" {
					return
				}
				time.Sleep(24 * time.Hour)
				w.Door(nil)
				if r := run(t.Context(), t, w, release.Both, ship.Options{}); r.Outcome != test.again || uploads(w) != 2 || w.Packaged() != 1 {
					t.Errorf("a day later: %s, %d uploads, packaged %d times: %s", r.Outcome, uploads(w), w.Packaged(), says(r))
				}
			})
		})
	}
}

// mine uploads a crate to crates.io as somebody else would.
func mine(t *testing.T, w *reltest.World, crate, remark string) {
	t.Helper()
	if err := w.Upload(t.Context(), "crates-io", crate, remark); err != nil {
		t.Fatal(err)
	}
}

func TestCargoPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := two()
		o.Config = func(c *config.Config) { c.Package.Publisher = "cargo" }
		w := reltest.New(t, o)
		released(t, w)
		got := w.CargoPublished()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"crates-io/core", "feed/core", "feed/driver"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDraftTrouble lets the draft and its files be in all states.
func TestDraftTrouble(t *testing.T) {
	const core = "core-1.0.0.crate"
	for _, test := range []struct {
		name    string
		options reltest.Options
		before  func(*testing.T, *reltest.World)
		outcome string
		says    string
	}{
		{name: "an upload breaks off and leaves a starter", before: func(_ *testing.T, w *reltest.World) { w.GitHub.BreakUpload(core) }, outcome: release.Released},
		{name: "the answer to an upload is lost", options: reltest.Options{Faults: []string{"github upload-asset core*: accept-then drop"}}, outcome: release.Released},
		{name: "the answer to the bill is lost", options: reltest.Options{Faults: []string{"github upload-asset bill.json: accept-then 502"}}, outcome: release.Released},
		{name: "the answer to the draft is lost", options: reltest.Options{Faults: []string{"github create-release: accept-then 502"}}, outcome: release.Released},
		{name: "drafts are listed late", options: reltest.Options{GitHub: func(c *githubtwin.Config) { c.DraftLag = 10 * time.Second }, Faults: []string{"github create-release: accept-then 502"}}, outcome: release.Released},
		{name: "somebody uploads the same file at the same time", before: func(t *testing.T, w *reltest.World) { race(t, w, core, string(reltest.Pack("core", "1.0.0", ""))) }, outcome: release.Released},
		{name: "somebody uploads another file at the same time", before: func(t *testing.T, w *reltest.World) { race(t, w, core, "something else") }, outcome: release.Released},
		{name: "GitHub tells no digests", before: func(_ *testing.T, w *reltest.World) { rewrite(w, `"digest":"sha256:[0-9a-f]+"`, `"digest":null`) }, outcome: release.Released},
		{name: "GitHub keeps a file under another name", before: func(_ *testing.T, w *reltest.World) {
			rewrite(w, `"name":"core-1.0.0.crate"`, `"name":"default.core-1.0.0.crate"`)
		}, outcome: release.Stopped, says: "keeps core-1.0.0.crate under another name"},
		{name: "GitHub tells another digest", before: func(_ *testing.T, w *reltest.World) {
			rewrite(w, `"digest":"sha256:[0-9a-f]{4}`, `"digest":"sha256:0000`)
		}, outcome: release.Failed, says: "got digest sha256:0000"},
		{name: "an empty draft by hand, and another", before: func(t *testing.T, w *reltest.World) { byHand(t, w, false); byHand(t, w, false) }, outcome: release.Released},
		{name: "two drafts, one with a file", before: func(t *testing.T, w *reltest.World) { byHand(t, w, false, "notes.pdf"); byHand(t, w, false) }, outcome: release.Released},
		{name: "a draft with a crate of somebody else", before: func(t *testing.T, w *reltest.World) { byHand(t, w, false, core) }, outcome: release.Stopped, says: "holds core-1.0.0.crate with other bytes"},
		{name: "public by hand, without a crate", before: func(t *testing.T, w *reltest.World) { byHand(t, w, true, "notes.pdf") }, outcome: release.Released},
		{name: "public by hand with another crate", before: func(t *testing.T, w *reltest.World) { byHand(t, w, true, core) }, outcome: release.Stopped, says: "holds core-1.0.0.crate with other bytes"},
		{name: "public by hand and immutable", options: reltest.Options{GitHub: func(c *githubtwin.Config) { c.Immutable = true }}, before: func(t *testing.T, w *reltest.World) { byHand(t, w, true, "notes.pdf") }, outcome: release.Released},
		{name: "no right to make a draft", options: reltest.Options{Faults: []string{"github create-release every: refuse 403"}}, outcome: release.Stopped, says: "the token may not make the draft release"},
		{name: "no right to upload", options: reltest.Options{Faults: []string{"github upload-asset every: refuse 403"}}, outcome: release.Stopped, says: "the token may not upload release assets"},
		{name: "no right to publish", options: reltest.Options{Faults: []string{"github update-release every: refuse 403"}}, outcome: release.Stopped, says: "the token may not publish the release"},
		{name: "the answer to publishing is lost", options: reltest.Options{Faults: []string{"github update-release: accept-then 502"}}, outcome: release.Released},
		{name: "no notes today", options: reltest.Options{Faults: []string{"github generate-notes: refuse 502"}}, outcome: release.Released},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, test.options)
				if test.before != nil {
					test.before(t, w)
				}
				r := run(t.Context(), t, w, release.Both, ship.Options{})
				if r.Outcome != test.outcome || !strings.Contains(says(r), test.says) {
					t.Fatalf("outcome %s, says %s", r.Outcome, says(r))
				}
				if left := w.Faults.Unfired(); len(left) > 0 {
					t.Errorf("unfired: %v", left)
				}
				if test.outcome != release.Released {
					if len(w.GitHub.Undrafted()) > 0 && !strings.HasPrefix(test.name, "public") {
						t.Error("it was made public")
					}
					return
				}
				if uploads(w) != 2 {
					t.Errorf("%d uploads", uploads(w))
				}
				w.Answer(nil)
				w.Door(nil)
				before := state(t, w)
				released(t, w)
				if diff := cmp.Diff(before, state(t, w)); diff != "" {
					t.Errorf("a second run changes\n%s", diff)
				}
				rel, _ := w.GitHub.Release(w.Tag())
				if len(w.GitHub.Releases()) != 1 || rel.Draft || !rel.Immutable && !slices.ContainsFunc(rel.Assets, func(a githubtwin.Asset) bool { return a.Name == core && a.State == "uploaded" }) {
					t.Errorf("releases %+v", w.GitHub.Releases())
				}
			})
		})
	}
}

// race uploads a file of that name right before the run does.
func race(t *testing.T, w *reltest.World, name, content string) {
	hub := w.Outside().Forge
	first(w, "POST", "assets.name="+name, func() {
		all, err := hub.FindRelease(t.Context(), w.Tag())
		if err != nil || len(all) != 1 {
			t.Fatalf("%d drafts, %v", len(all), err)
		}
		put(t, hub, all[0], name, content)
	})
}

func put(t *testing.T, hub *forge.Client, r forge.Release, name, content string) {
	t.Helper()
	if _, err := hub.UploadAsset(t.Context(), r, forge.Upload{Name: name, Size: int64(len(content)), Open: reltest.Opener(content)}); err != nil {
		t.Fatal(err)
	}
}

// byHand makes a release of the world's tag as a person would.
func byHand(t *testing.T, w *reltest.World, public bool, files ...string) {
	t.Helper()
	hub := w.Outside().Forge
	r, err := hub.CreateDraft(t.Context(), forge.DraftRequest{Tag: w.Tag(), Name: "by hand"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		put(t, hub, r, name, "by hand")
	}
	if no := false; public {
		if _, err := hub.UpdateRelease(t.Context(), r.ID, forge.Update{Tag: w.Tag(), Draft: &no}); err != nil {
			t.Fatal(err)
		}
	}
}

// resumed ends a first run after a step, lets somebody change the world, and runs again.
func resumed(t *testing.T, w *reltest.World, after string, change func()) *release.Report {
	t.Helper()
	run(t.Context(), t, w, release.Both, ship.Options{Between: func(key string, is bool) error {
		if is && strings.HasPrefix(key, after) {
			return died{}
		}
		return nil
	}})
	change()
	return run(t.Context(), t, w, release.Both, ship.Options{})
}

// TestResume goes on from a draft that somebody, or time, has changed.
func TestResume(t *testing.T) {
	asset := func(w *reltest.World, name string) githubtwin.Asset {
		rel, _ := w.GitHub.Release(w.Tag())
		return rel.Assets[slices.IndexFunc(rel.Assets, func(a githubtwin.Asset) bool { return a.Name == name })]
	}
	replace := func(t *testing.T, w *reltest.World, name, content string) {
		hub := w.Outside().Forge
		if err := hub.DeleteAsset(t.Context(), asset(w, name).ID); err != nil {
			t.Fatal(err)
		}
		all, err := hub.FindRelease(t.Context(), w.Tag())
		if err != nil {
			t.Fatal(err)
		}
		if content != "" {
			put(t, hub, all[0], name, content)
		}
	}
	for _, test := range []struct {
		name     string
		after    string
		change   func(*testing.T, *reltest.World)
		outcome  string
		packaged int
		says     string
	}{
		{"nothing changed", "ledger/", func(*testing.T, *reltest.World) {}, release.Released, 1, ""},
		{"another toolchain, but the ledger is complete", "ledger/", func(_ *testing.T, w *reltest.World) { w.Later() }, release.Released, 1, ""},
		{"the credential was rotated", "ledger/", func(_ *testing.T, w *reltest.World) {
			w.Keys = []release.BillKey{{Name: "crates-io", Value: secret.New("fresh")}}
		}, release.Released, 2, ""},
		{"the credential was rotated, and another toolchain", "ledger/", func(_ *testing.T, w *reltest.World) {
			w.Later()
			w.Keys = []release.BillKey{{Name: "crates-io", Value: secret.New("fresh")}}
		}, release.Stopped, 2, "with other bytes than the tagged commit gives"},
		{"a crate is gone", "ledger/", func(t *testing.T, w *reltest.World) { replace(t, w, "core-1.0.0.crate", "") }, release.Released, 2, ""},
		{"a crate is gone, and another toolchain", "ledger/", func(t *testing.T, w *reltest.World) { w.Later(); replace(t, w, "core-1.0.0.crate", "") }, release.Stopped, 2, "gave other bytes than the bill of the first run"},
		{"a crate has other bytes", "ledger/", func(t *testing.T, w *reltest.World) { replace(t, w, "core-1.0.0.crate", "evil") }, release.Stopped, 2, "holds core-1.0.0.crate with other bytes"},
		{"the bill is somebody else's", "ledger/", func(t *testing.T, w *reltest.World) { replace(t, w, release.BillName, `{"schema":"tagboat.bill/v1"}`) }, release.Released, 2, ""},
		{"the bill is no bill", "publish/", func(t *testing.T, w *reltest.World) { replace(t, w, release.BillName, "x") }, release.Released, 2, ""},
		{"sums are gone", "ledger/", func(t *testing.T, w *reltest.World) { replace(t, w, release.SumsName, "") }, release.Released, 1, ""},
		{"the digest tells nothing and the bytes are others", "ledger/", func(t *testing.T, w *reltest.World) {
			replace(t, w, "core-1.0.0.crate", strings.Repeat("x", len(reltest.Pack("core", "1.0.0", ""))))
			rewrite(w, `"digest":"sha256:[0-9a-f]+"`, `"digest":null`)
		}, release.Stopped, 1, "core-1.0.0.crate"},
		{"an artifact was built again", "asset/tool", func(_ *testing.T, w *reltest.World) { w.Write("tool", "built again") }, release.Released, 2, ""},
		{"an artifact was built again, the ledger is complete", "ledger/", func(_ *testing.T, w *reltest.World) { w.Write("tool", "built again") }, release.Released, 1, ""},
		{"a crate's version is in the index with other bytes", "ledger/", func(t *testing.T, w *reltest.World) { mine(t, w, "core", " by somebody else") }, release.Stopped, 1, "core 1.0.0 is on crates-io with other bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Artifacts: map[string]string{"tool": "built once"}})
				r := resumed(t, w, test.after, func() { test.change(t, w) })
				if r.Outcome != test.outcome || w.Packaged() != test.packaged || !strings.Contains(says(r), test.says) {
					t.Errorf("%s, packaged %d times: %s", r.Outcome, w.Packaged(), says(r))
				}
				if test.outcome == release.Released {
					w.Answer(nil)
					released(t, w)
				} else if len(w.GitHub.Undrafted()) > 0 {
					t.Error("it was made public")
				}
			})
		})
	}
}

// TestLatest lets only a final version that is the highest become the latest release.
func TestLatest(t *testing.T) {
	for _, test := range []struct {
		version, other string
		crate          string
		latest         bool
	}{{"1.0.0", "", "", true}, {"1.0.0", "0.9.0", "", true}, {"1.0.0", "2.0.0", "", false}, {"1.0.0-rc.1", "", "", false}, {"1.0.0", "0.9.0", "core", false}} {
		synctest.Test(t, func(t *testing.T) {
			w := reltest.New(t, reltest.Options{Version: test.version, Checkout: func(c *release.Checkout) { c.Tag.Crate = test.crate }})
			if test.other != "" {
				if err := w.GitHub.PushTag(t.Context(), "v"+test.other, w.Commit); err != nil {
					t.Fatal(err)
				}
				hub := w.Outside().Forge
				r, err := hub.CreateDraft(t.Context(), forge.DraftRequest{Tag: "v" + test.other})
				if err != nil {
					t.Fatal(err)
				}
				no := false
				if _, err := hub.UpdateRelease(t.Context(), r.ID, forge.Update{Tag: "v" + test.other, Draft: &no}); err != nil {
					t.Fatal(err)
				}
			}
			released(t, w)
			if rel, _ := w.GitHub.Release(w.Tag()); rel.Latest != test.latest || rel.Prerelease != strings.Contains(test.version, "-") {
				t.Errorf("%+v: %+v", test, rel)
			}
		})
	}
}

// TestStopped writes nothing where a rule stops, and fails where the world cannot be seen.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		w.GitHub.AddIssue("it eats data", "release-blocker")
		before := len(w.GitHub.Writes())
		r := run(t.Context(), t, w, release.Both, ship.Options{})
		if r.Outcome != release.Stopped || r.ExitCode() != 2 || len(w.GitHub.Writes()) != before || uploads(w) != 0 || w.Packaged() != 0 {
			t.Errorf("%s, %d writes, %d uploads", r.Outcome, len(w.GitHub.Writes())-before, uploads(w))
		}
		w.Stop("github")
		r, err := ship.Converge(t.Context(), w.Outside(), release.Request{Tag: w.Tag(), Half: release.Both}, ship.Options{Command: "release"})
		if err == nil || r.Outcome != release.Failed || r.ExitCode() != 1 || r.Tag != w.Tag() || len(r.Problems) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestDeadline ends a run whose waits would take too long, with the time to come back.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{Faults: []string{"publish core: refuse 429 retry-after 20m"}})
		r := run(t.Context(), t, w, release.Both, ship.Options{Deadline: time.Now().Add(10 * time.Minute)})
		if r.Outcome != release.Waiting || r.Until == nil || time.Until(*r.Until) < 15*time.Minute {
			t.Errorf("%s until %v", r.Outcome, r.Until)
		}
	})
}

var errReset = errors.New("connection reset by peer")

// TestRollCut ends a rolling build after each request. The next one finishes it.
func TestRollCut(t *testing.T) {
	options := reltest.Options{Config: func(c *config.Config) { c.Release.Rolling.Enabled = true }, Checkout: func(c *release.Checkout) { c.Crates = nil }, Artifacts: map[string]string{"tool": "1", "old": "x"}}
	for n, more := int64(1), true; more; n++ {
		synctest.Test(t, func(t *testing.T) {
			w := reltest.New(t, options)
			roll := func(ctx context.Context, globs ...string) *release.Report {
				r, _ := ship.Roll(ctx, w.Outside(), release.Request{Half: release.Both, Artifacts: globs}, ship.Options{Command: "rolling"})
				return r
			}
			if r := roll(t.Context(), "tool", "old"); r.Outcome != release.Released {
				t.Fatalf("first build: %s", says(r))
			}
			w.Write("tool", "2")
			ctx, end := context.WithCancel(t.Context())
			defer end()
			var count atomic.Int64
			w.Answer(func(*http.Response) error {
				if count.Add(1) == n {
					end()
					return errReset
				}
				return nil
			})
			roll(ctx, "tool")
			more = count.Load() >= n
			w.Answer(nil)
			r := roll(t.Context(), "tool")
			rel, _ := w.GitHub.Release("dev-latest")
			var names []string
			for _, a := range rel.Assets {
				names = append(names, a.Name)
				content, err := w.GitHub.AssetBytes(a.ID)
				if err != nil || a.Name == "tool" && string(content) != "2" {
					t.Errorf("cut at %d: %s holds %q, %v", n, a.Name, content, err)
				}
			}
			slices.Sort(names)
			if diff := cmp.Diff([]string{release.SumsName, "tool"}, names); r.Outcome != release.Released || diff != "" || rel.Draft {
				t.Errorf("cut at %d: %s, %s\n%s", n, r.Outcome, says(r), diff)
			}
		})
	}
}

// TestRollOff rolls nothing where it is not asked for, and where the world cannot be seen.
func TestRollOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		if r, err := ship.Roll(t.Context(), w.Outside(), release.Request{Half: release.Both}, ship.Options{}); err == nil || r.Outcome != release.Stopped || !strings.Contains(says(r), "enabled = true") {
			t.Errorf("%s %v", r.Outcome, err)
		}
		w.Stop("github")
		if r, err := ship.Roll(t.Context(), w.Outside(), release.Request{Half: release.Both}, ship.Options{}); err == nil || r.Outcome != release.Failed {
			t.Errorf("%s %v", r.Outcome, err)
		}
	})
}

// TestDownload believes no bytes of a draft before they were hashed, and fetches again what arrived in part.
func TestDownload(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func([]byte) []byte
		always  bool
		outcome string
		says    string
	}{
		{"other bytes on the way", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, true, release.Stopped, "has other bytes than the bill says"},
		{"more than there is", func(b []byte) []byte { return append(b, 0) }, true, release.Stopped, "has other bytes than the bill says"},
		{"a part", func(b []byte) []byte { return b[:len(b)/2] }, false, release.Released, ""},
		{"a part, always", func(b []byte) []byte { return b[:len(b)/2] }, true, release.Failed, "bytes arrived"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Crates: []reltest.Crate{{Name: "core"}}})
				size := int64(len(reltest.Pack("core", "1.0.0", "")))
				var done atomic.Bool
				r := resumed(t, w, "ledger/", func() {
					w.Answer(func(resp *http.Response) error {
						if resp.ContentLength != size || resp.Request.Method != "GET" || done.Swap(true) && !test.always {
							return nil
						}
						content, err := io.ReadAll(resp.Body)
						if err != nil {
							return err
						}
						content = test.change(content)
						resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
						return nil
					})
				})
				if r.Outcome != test.outcome || !strings.Contains(says(r), test.says) || !done.Load() || (uploads(w) > 0) != (test.outcome == release.Released) {
					t.Errorf("%s, %d uploads, changed %v: %s", r.Outcome, uploads(w), done.Load(), says(r))
				}
			})
		})
	}
}

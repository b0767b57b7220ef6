package ship_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// two is a world of crates for two registries, one of them for both.
func two() reltest.Options {
	return reltest.Options{Crates: []reltest.Crate{
		{Name: "core", Registries: []string{"crates-io", "feed"}},
		{Name: "driver", Registries: []string{"feed"}, Needs: []string{"core"}},
	}, Artifacts: map[string]string{"tool.tar.gz": "a tool"}}
}

// run lets one run go all the way, or as far as ctx lets it.
func run(ctx context.Context, t *testing.T, w *reltest.World, half release.Half, o ship.Options) *release.Report {
	t.Helper()
	o.Command = "release"
	req := release.Request{Tag: w.Tag(), Half: half}
	if w.HasArtifacts() {
		req.Artifacts = []string{"*"}
	}
	r, _ := ship.Converge(ctx, w.Outside(), req, o)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{reltest.GitHubToken, reltest.FeedToken} {
		if strings.Contains(string(text), token) {
			t.Errorf("the report holds %s", token)
		}
	}
	return r
}

// released runs and wants the release public.
func released(t *testing.T, w *reltest.World) *release.Report {
	t.Helper()
	r := run(t.Context(), t, w, release.Both, ship.Options{})
	if r.Outcome != release.Released {
		t.Fatalf("outcome %s, problems %+v", r.Outcome, r.Problems)
	}
	return r
}

// state is what the world must be in the end, as text: refs, uploads, the release and its files.
func state(t *testing.T, w *reltest.World) string {
	t.Helper()
	var b strings.Builder
	refs, err := w.GitHub.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refs {
		fmt.Fprintln(&b, r.Name)
	}
	var names []string
	for name := range w.Registries {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		var lines []string
		for _, u := range w.Registries[name].Accepted() {
			lines = append(lines, fmt.Sprintf("%s %s %s %s\n", name, u.Name, u.Version, u.SHA256))
		}
		sort.Strings(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	for _, r := range w.GitHub.Releases() {
		fmt.Fprintf(&b, "release %s draft %v pre %v latest %v: %s\n", r.Tag, r.Draft, r.Prerelease, r.Latest, strings.Split(r.Body, "\n")[0])
		var lines []string
		for _, a := range r.Assets {
			if a.Name == release.BillName {
				content, err := w.GitHub.AssetBytes(a.ID)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, confirmed(t, content))
			} else {
				lines = append(lines, fmt.Sprintf("  %s %s %s\n", a.Name, a.State, a.Digest))
			}
		}
		sort.Strings(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

// confirmed sums up a bill without its times.
func confirmed(t *testing.T, content []byte) string {
	var bill release.Bill
	if err := json.Unmarshal(content, &bill); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, c := range bill.Crates {
		for _, r := range c.Registries {
			if r.ConfirmedAt != nil {
				at++
			}
		}
	}
	return fmt.Sprintf("  bill.json with %d crates, %d confirmations, %d artifacts\n", len(bill.Crates), at, len(bill.Artifacts))
}

// TestConverge releases, and a second run changes nothing.
func TestConverge(t *testing.T) {
	for name, options := range map[string]reltest.Options{"one registry": {}, "two registries": two(), "bytes of their own": own(two()), "immutable": immutable(two())} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, options)
				r := released(t, w)
				first := state(t, w)
				writes, packaged := len(w.GitHub.Writes()), w.Packaged()
				again := released(t, w)
				if diff := cmp.Diff(first, state(t, w)); diff != "" || len(w.GitHub.Writes()) != writes || w.Packaged() != packaged {
					t.Errorf("the second run made %d writes and %d packages\n%s", len(w.GitHub.Writes())-writes, w.Packaged()-packaged, diff)
				}
				if r.URL == "" || again.URL != r.URL || r.Bill == nil || len(r.Assets) == 0 || r.Notes == "" {
					t.Errorf("reports: %+v\n%+v", r, again)
				}
				for _, s := range again.Steps {
					if s.Outcome != "done" && s.Outcome != "skipped" {
						t.Errorf("%s is %s", s.Key, s.Outcome)
					}
				}
				if len(w.GitHub.Undrafted()) != 1 {
					t.Errorf("made public %d times", len(w.GitHub.Undrafted()))
				}
			})
		})
	}
}

func own(o reltest.Options) reltest.Options { o.OwnBytes = true; return o }

func immutable(o reltest.Options) reltest.Options {
	o.GitHub = func(c *githubtwin.Config) { c.Immutable = true }
	return o
}

// died ends a process in the midst of a run.
type died struct{}

func (died) Error() string  { return "the process was ended" }
func (died) StopsAll() bool { return true }

// want is the state after a release without any fault, and the keys of its steps.
func want(t *testing.T, options reltest.Options) (string, []string) {
	var text string
	var keys []string
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, options)
		for _, s := range released(t, w).Steps {
			if s.Kind != release.KindCheck {
				keys = append(keys, s.Key)
			}
		}
		text = state(t, w)
	})
	return text, keys
}

// TestCutAfterSteps ends the process right after the effect of each step in turn. The next run finishes, and the world
// is the same as if nothing had happened.
func TestCutAfterSteps(t *testing.T) {
	for name, options := range map[string]reltest.Options{"bytes of their own": own(two()), "immutable": immutable(two())} {
		text, keys := want(t, options)
		for _, key := range keys {
			t.Run(name+"/"+strings.ReplaceAll(key, "/", ":"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := reltest.New(t, options)
					cut := func(at string, after bool) error {
						if at == key && after {
							return died{}
						}
						return nil
					}
					if r := run(t.Context(), t, w, release.Both, ship.Options{Between: cut}); r.Outcome == release.Released {
						t.Fatalf("the process that died says %s", r.Outcome)
					}
					released(t, w)
					if diff := cmp.Diff(text, state(t, w)); diff != "" {
						t.Errorf("(-without a cut +with)\n%s", diff)
					}
				})
			})
		}
	}
}

// TestCutAfterRequests loses the answer to each request in turn: once together with the process, where it wrote
// something, once alone, when the same run must find out what became of it.
func TestCutAfterRequests(t *testing.T) {
	options := own(two())
	options.GitHub = func(c *githubtwin.Config) { c.ForgetsTags = true }
	text, _ := want(t, options)
	for _, dies := range []bool{true, false} {
		for n, more := int64(1), true; more; n++ {
			t.Run(fmt.Sprintf("dies=%v/%d", dies, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := reltest.New(t, options)
					ctx, end := context.WithCancel(t.Context())
					defer end()
					var count atomic.Int64
					what := ""
					w.Answer(func(resp *http.Response) error {
						if dies && resp.Request.Method == http.MethodGet {
							return nil // whoever only looked has changed nothing
						}
						if count.Add(1) == n {
							what = resp.Request.Method + " " + resp.Request.URL.Path
							if dies {
								end()
							}
							return errors.New("connection reset by peer")
						}
						return nil
					})
					r := run(ctx, t, w, release.Both, ship.Options{})
					more = count.Load() >= n
					w.Answer(nil)
					if r.Outcome == release.Stopped {
						t.Errorf("%s: a lost answer stops: %+v", what, r.Problems)
					}
					if r.Outcome != release.Released {
						released(t, w)
					}
					if diff := cmp.Diff(text, state(t, w)); diff != "" {
						t.Errorf("%s: (-without a loss +with)\n%s", what, diff)
					}
				})
			})
		}
	}
}

// TestNeverWithoutBill replaces the bill of a first run whose credential is gone, with a cut after each request that writes: once
// there is a bill, there is one at every moment.
func TestNeverWithoutBill(t *testing.T) {
	for _, leftover := range []bool{false, true} {
		for n, more := int64(1), true; more; n++ {
			t.Run(fmt.Sprintf("leftover=%v/%d", leftover, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := reltest.New(t, two())
					stop := func(key string, after bool) error {
						if key == "ledger/v1.0.0" && after {
							return died{}
						}
						return nil
					}
					run(t.Context(), t, w, release.Both, ship.Options{Between: stop})
					if leftover { // the process died between deleting the old bill and renaming the new one
						w.RenameAsset(release.BillName, release.BillNext)
					}
					var count atomic.Int64
					ctx, end := context.WithCancel(t.Context())
					defer end()
					w.Answer(func(resp *http.Response) error {
						rel, _ := w.GitHub.Release(w.Tag())
						if !slices.ContainsFunc(rel.Assets, func(a githubtwin.Asset) bool {
							return (a.Name == release.BillName || a.Name == release.BillNext) && a.State == "uploaded"
						}) {
							t.Errorf("after %s %s there is no bill", resp.Request.Method, resp.Request.URL.Path)
						}
						if resp.Request.Method != http.MethodGet && count.Add(1) == n {
							end()
							return errors.New("connection reset by peer")
						}
						return nil
					})
					run(ctx, t, w, release.Both, ship.Options{})
					more = count.Load() >= n
					count.Store(1000) // the next run loses nothing
					released(t, w)
				})
			})
		}
	}
}

// TestProgress reports the plan before the first step, and the events of its steps.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		planned, events := 0, 0
		run(t.Context(), t, w, release.Both, ship.Options{Planned: func(s release.Snapshot, p release.Plan) func(converge.Event) {
			planned = len(p.Steps)
			return func(converge.Event) { events++ }
		}})
		if planned == 0 || events < planned {
			t.Errorf("%d steps planned, %d events", planned, events)
		}
	})
}

// TestInterrupted says so and what was done.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{Faults: []string{"index core: lag 10m"}})
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		r := run(ctx, t, w, release.Both, ship.Options{})
		if r.Outcome != release.Failed || !slices.ContainsFunc(r.Problems, func(p release.ReportProblem) bool {
			return p.Summary == "the run was interrupted" && strings.Contains(p.Detail, "2 uploads")
		}) {
			t.Errorf("%s %+v", r.Outcome, r.Problems)
		}
	})
}

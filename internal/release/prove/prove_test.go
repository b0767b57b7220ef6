package prove_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/prove"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/release/ship"
	"github.com/tagboat/tagboat/internal/secret"
)

func TestRelease(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*testing.T, *reltest.World)
		rebuild bool
		proof   string // the one that is not as the bill says
		state   string
	}{
		{name: "as it was released"},
		{name: "built again", rebuild: true},
		{name: "built again with another toolchain", rebuild: true, change: func(_ *testing.T, w *reltest.World) { w.Later() }, proof: "core 1.0.0 packaged again for crates-io", state: "different"},
		{name: "by somebody without a credential", change: func(_ *testing.T, w *reltest.World) { w.Keys = nil }},
		{name: "by somebody without the artifacts", change: func(t *testing.T, w *reltest.World) { w.WorkingDir = t.TempDir(); w.Keys = nil }},
		{name: "an asset was replaced", change: func(t *testing.T, w *reltest.World) { replace(t, w, "tool", "evil!") }, proof: "asset tool", state: "different"},
		{name: "an asset was replaced by one of the same size", change: func(t *testing.T, w *reltest.World) { replace(t, w, "tool", "1234") }, proof: "asset tool", state: "different"},
		{name: "an asset was removed", change: func(t *testing.T, w *reltest.World) { replace(t, w, "core-1.0.0.crate", "") }, proof: "asset core-1.0.0.crate", state: "missing"},
		{name: "the sums were removed", change: func(t *testing.T, w *reltest.World) { replace(t, w, release.SumsName, "") }, proof: "asset SHA256SUMS", state: "missing"},
		{name: "the bill was removed", change: func(t *testing.T, w *reltest.World) { replace(t, w, release.BillName, "") }, proof: "bill of lading", state: "missing"},
		{name: "the bill was changed", change: func(t *testing.T, w *reltest.World) { rebill(t, w, func(b *release.Bill) { b.Toolchain = "rustc 2" }) }, proof: "bill of lading", state: "different"},
		{name: "the bill names nothing", change: func(t *testing.T, w *reltest.World) {
			rebill(t, w, func(b *release.Bill) { b.Crates, b.Artifacts, b.MAC = nil, nil, nil })
			replace(t, w, release.SumsName, "")
		}, proof: "core 1.0.0 in crates-io", state: "missing"},
		{name: "the bill is for another tag", change: func(t *testing.T, w *reltest.World) { rebill(t, w, func(b *release.Bill) { b.Tag = "v0.9.0" }) }, proof: "tag", state: "different"},
		{name: "the bill is for another repository", change: func(t *testing.T, w *reltest.World) { rebill(t, w, func(b *release.Bill) { b.Repository = "fork/r" }) }, proof: "repository", state: "different"},
		{name: "a crate is not there", change: func(t *testing.T, w *reltest.World) {
			w.Registries["crates-io"] = registrytwin.New(registrytwin.Config{URL: "http://empty.test"})
			w.Serve("crates-io.test", w.Registries["crates-io"].Handler())
		}, proof: "driver 1.0.0 in crates-io", state: "missing"},
		{name: "the tag was moved", change: func(t *testing.T, w *reltest.World) {
			next := w.Child(w.Commit, map[string]string{"x": "y"})
			if err := w.Outside().Forge.UpdateTag(t.Context(), w.Tag(), next); err != nil {
				t.Fatal(err)
			}
		}, proof: "tag v1.0.0 on GitHub", state: "different"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Artifacts: map[string]string{"tool": "tool"}})
				req := release.Request{Tag: w.Tag(), Half: release.Both, Artifacts: []string{"*"}}
				if r, err := ship.Converge(t.Context(), w.Outside(), req, ship.Options{}); err != nil || r.Outcome != release.Released {
					t.Fatalf("%s, %v", r.Outcome, err)
				}
				if test.change != nil {
					test.change(t, w)
				}
				_, proofs, err := prove.Release(t.Context(), w.Outside(), req, test.rebuild)
				if err != nil {
					t.Fatal(err)
				}
				if prove.Holds(proofs) != (test.proof == "") {
					t.Errorf("holds: %v\n%+v", prove.Holds(proofs), proofs)
				}
				if test.proof != "" && !slices.ContainsFunc(proofs, func(p prove.Proof) bool { return p.Name == test.proof && p.State == test.state && p.Detail != "" }) {
					t.Errorf("%q is not %s:\n%+v", test.proof, test.state, proofs)
				}
				if test.proof == "" {
					for _, name := range []string{"repository", "asset tool", "asset core-1.0.0.crate", "driver 1.0.0 in crates-io", "bill of lading"} {
						if !slices.ContainsFunc(proofs, func(p prove.Proof) bool { return p.Name == name }) {
							t.Errorf("no proof of %s", name)
						}
					}
				}
			})
		})
	}
}

// replace puts other content in the place of an asset of the public release, or nothing.
func replace(t *testing.T, w *reltest.World, name, content string) {
	t.Helper()
	hub := w.Outside().Forge
	all, err := hub.FindRelease(t.Context(), w.Tag())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all[0].Assets {
		if a.Name == name {
			if err := hub.DeleteAsset(t.Context(), a.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if content != "" {
		if _, err := hub.UploadAsset(t.Context(), all[0], forge.Upload{Name: name, Size: int64(len(content)), Open: reltest.Opener(content)}); err != nil {
			t.Fatal(err)
		}
	}
}

// rebill changes the bill of the public release; its MAC stays as it was.
func rebill(t *testing.T, w *reltest.World, change func(*release.Bill)) {
	t.Helper()
	keys := []release.BillKey{{Name: "crates-io", Value: secret.New(reltest.FeedToken)}}
	b := w.Bill()
	if ok, reason := b.Authentic(keys); !ok {
		t.Fatal(reason)
	}
	change(&b)
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	replace(t, w, release.BillName, string(text))
}

// TestDown fails where the world cannot be seen, instead of proving half of it.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		req := release.Request{Tag: w.Tag(), Half: release.Both}
		if _, proofs, err := prove.Release(t.Context(), w.Outside(), req, false); problem.ExitCode(err) != problem.ExitStopped || len(proofs) > 0 {
			t.Errorf("no release: %+v, %v", proofs, err)
		}
		w.Stop("github")
		if _, _, err := prove.Release(t.Context(), w.Outside(), req, false); err == nil {
			t.Error("GitHub is down and nothing is said")
		}
	})
}

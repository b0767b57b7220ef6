package observe_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/reltest"
	"github.com/tagboat/tagboat/internal/secret"
)

var two = []reltest.Crate{{Name: "core", Registries: []string{"crates-io", "feed"}}, {Name: "driver", Registries: []string{"feed"}, Needs: []string{"core"}}}

// look observes the world and wants no secret in what it writes down.
func look(t *testing.T, w *reltest.World, req release.Request) (release.Snapshot, error) {
	t.Helper()
	if req.Half == "" {
		req.Half = release.Second
	}
	req.Tag = w.Tag()
	s, err := observe.Snapshot(t.Context(), w.Outside(), req)
	text, e := json.Marshal(s)
	if e != nil {
		t.Fatal(e)
	}
	if err != nil {
		text = append(text, err.Error()...)
	}
	var masker secret.Masker
	for _, token := range []string{reltest.GitHubToken, reltest.FeedToken} {
		if err := masker.Add(secret.New(token)); err != nil {
			t.Fatal(err)
		}
	}
	if leaks := masker.Leaks(text); len(leaks) > 0 {
		t.Errorf("the snapshot holds a token, as %v", leaks)
	}
	return s, err
}

// seen observes a world that can be seen.
func seen(t *testing.T, w *reltest.World, req release.Request) release.Snapshot {
	t.Helper()
	s, err := look(t, w, req)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{Crates: two, Artifacts: map[string]string{"tool": "x"}})
		if err := w.Upload(t.Context(), "feed", "core", ""); err != nil {
			t.Fatal(err)
		}
		w.GitHub.AddIssue("it eats data", "release-blocker")
		w.GitHub.AddPullRequest("mend it", "release-blocker")
		s := seen(t, w, release.Request{Artifacts: []string{"tool"}})
		if s.Schema != release.SnapshotSchema || s.Repository != "o/r" || s.TakenAt.IsZero() || len(s.Artifacts) != 1 {
			t.Errorf("%+v", s)
		}
		r := s.Remote
		if !r.Asked || r.TagCommit != w.Commit || r.BranchName != "release/v1.0.0" || r.BranchCommit != "" || r.Development != "main" || !r.OnDevelopment || len(r.Releases) != 0 || r.Ledger.Bill != nil {
			t.Errorf("remote %+v", r)
		}
		if len(r.Blockers) != 1 || r.Blockers[0].Title != "it eats data" || r.Blockers[0].URL == "" {
			t.Errorf("blockers %+v", r.Blockers)
		}
		want := map[string]map[string]release.IndexState{
			"crates-io": {"core": {}},
			"feed":      {"core": {Exists: true, Checksum: reltest.Sum(reltest.Pack("core", "1.0.0", ""))}, "driver": {}},
		}
		got := map[string]map[string]release.IndexState{}
		for _, reg := range s.Registries {
			got[reg.Name] = reg.Crates
			if !reg.Access.Asked || reg.Access.Problem != "" || reg.AwaitAll != (reg.Name == "feed") {
				t.Errorf("%s: %+v, await %v", reg.Name, reg.Access, reg.AwaitAll)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("indexes\n%s", diff)
		}
		if f := s.Registries[1].Forecast; f.New != 1 || f.Known != 0 {
			t.Errorf("forecast %+v", f)
		}
	})
}

// TestNoForge sees the registries alone.
func TestNoForge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		out := w.Outside()
		out.Forge = nil
		s, err := observe.Snapshot(t.Context(), out, release.Request{Tag: w.Tag(), Half: release.Both})
		if err != nil || s.Remote.Asked || s.Remote.BranchName != w.Branch() || s.Repository != "" || len(s.Registries) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// TestArtifacts are looked for only by a run that needs them.
func TestArtifacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		_, err := look(t, w, release.Request{Artifacts: []string{"dist/*"}})
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Summary, "dist/*") {
			t.Errorf("a missing artifact: %v", err)
		}
		w = reltest.New(t, reltest.Options{Workflow: "on: workflow_dispatch\njobs: {}\n"})
		if s := seen(t, w, release.Request{Half: release.First, Artifacts: []string{"dist/*"}}); len(s.Artifacts) > 0 {
			t.Errorf("artifacts of another run: %+v", s.Artifacts)
		}
	})
}

func TestLineage(t *testing.T) {
	for _, test := range []struct {
		name, version, template string
		twoPart                 bool
		branches                []string // at a child of the commit
		want                    []string
	}{
		{"a minor version asks for no branch", "1.2.0", "", false, []string{"release/v1.2.0"}, nil},
		{"a patch", "1.2.1", "", false, []string{"release/v1.2.0", "release/v1.1.0", "release/v1.20.0", "release/v11.2.0"}, []string{"release/v1.2.0"}},
		{"several patches", "1.2.3", "", false, []string{"release/v1.2.0", "release/v1.2.1"}, []string{"release/v1.2.0", "release/v1.2.1"}},
		{"a branch that only looks like one", "1.2.1", "", false, []string{"release/v1.2.x", "release/v1.2.0-notes"}, []string{"release/v1.2.0-notes"}},
		{"a pre-release", "1.3.0-rc.1", "", false, []string{"release/v1.3.0-rc.0"}, []string{"release/v1.3.0-rc.0"}},
		{"two-part lines", "5.1.1", "", true, []string{"release/v5.1", "release/v5.10", "release/v5.11.0"}, []string{"release/v5.1"}},
		{"text after the version", "1.2.1", "v{version}-final", false, []string{"release/v1.2.0-final", "release/v1.3.0-final"}, []string{"release/v1.2.0-final"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Version: test.version, Config: func(c *config.Config) {
					c.Tags.TwoPart = test.twoPart
					if test.template != "" {
						c.Tags.Template = test.template
					}
				}})
				head := w.Child(w.Commit, map[string]string{"x": "y"})
				for _, b := range append(test.branches, "release/elsewhere") {
					if err := w.GitHub.PushBranch(t.Context(), b, head); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(test.want, seen(t, w, release.Request{}).Remote.OnRelease); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestOtherCommit writes down where tag and branches are, and compares no branch with a tag that was moved.
func TestOtherCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{NoTag: true})
		if r := seen(t, w, release.Request{}).Remote; r.TagCommit != "" || r.OnDevelopment {
			t.Errorf("no tag: %+v", r)
		}
		moved := w.Child(w.Commit, map[string]string{"x": "y"})
		for _, err := range []error{w.GitHub.PushTag(t.Context(), w.Tag(), moved), w.GitHub.PushBranch(t.Context(), w.Branch(), moved)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if r := seen(t, w, release.Request{}).Remote; r.TagCommit != moved || r.BranchCommit != moved || r.OnDevelopment {
			t.Errorf("moved: %+v", r)
		}
	})
}

// TestWorkflowTrap compares the workflow files themselves, also where the default branch has gone on and where more
// files differ than GitHub lists.
func TestWorkflowTrap(t *testing.T) {
	for _, test := range []struct {
		name string
		main map[string]string
		want []string
	}{
		{"the same", map[string]string{".github/workflows/release.yml": "on: push\n", "x": "y"}, nil},
		{"the default branch has another", map[string]string{".github/workflows/release.yml": "on: workflow_dispatch\n"}, []string{".github/workflows/release.yml"}},
		{"the default branch has none", map[string]string{"x": "y"}, []string{".github/workflows/release.yml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{Workflow: "on: push\n"})
				for i := range 400 {
					test.main[fmt.Sprintf("f%d", i)] = "z"
				}
				if err := w.GitHub.PushBranch(t.Context(), "main", w.Child(w.Commit, test.main)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, seen(t, w, release.Request{}).Remote.WorkflowTrap); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestReleases finds all releases of the tag, the one that counts first, and the latest of the others.
func TestReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		hub := w.Outside().Forge
		make := func(tag string, public, pre bool, assets ...string) forge.Release {
			r, err := hub.CreateDraft(t.Context(), forge.DraftRequest{Tag: tag, Name: tag, Prerelease: pre})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range assets {
				upload(t, hub, r, name, name)
			}
			if no := false; public {
				if r, err = hub.UpdateRelease(t.Context(), r.ID, forge.Update{Tag: tag, Draft: &no}); err != nil {
					t.Fatal(err)
				}
			}
			return r
		}
		for _, tag := range []string{"v0.9.0", "v0.10.0", "v2.0.0", "v3.0.0-rc.1", "dev-latest"} {
			if err := w.GitHub.PushTag(t.Context(), tag, w.Commit); err != nil {
				t.Fatal(err)
			}
		}
		make("v0.9.0", true, false)
		make("v0.10.0", true, false)
		make("v2.0.0", false, false) // a draft is not the latest
		make("v3.0.0-rc.1", true, true)
		make("dev-latest", true, true)
		first := make("v1.0.0", false, false, "a", "b")
		make("v1.0.0", false, false)
		make("v1.0.0", false, false, "a", "b") // as many files, but younger: the draft step keeps the older one
		r := seen(t, w, release.Request{}).Remote
		if r.Latest != "0.10.0" || len(r.Releases) != 3 || r.Releases[0].ID != first.ID || len(r.Releases[0].Assets) != 2 || !r.Releases[0].Draft || r.Ledger.Reason == "" {
			t.Errorf("latest %q, releases %+v, want %d first; ledger %+v", r.Latest, r.Releases, first.ID, r.Ledger)
		}
		public := make("v1.0.0", true, false)
		if r := seen(t, w, release.Request{}).Remote; r.Releases[0].ID != public.ID || r.Releases[0].Draft {
			t.Errorf("with a public one: %+v", r.Releases)
		}
	})
}

func upload(t *testing.T, hub *forge.Client, r forge.Release, name, content string) {
	t.Helper()
	_, err := hub.UploadAsset(t.Context(), r, forge.Upload{Name: name, Size: int64(len(content)), Open: reltest.Opener(content)})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBrokenAsset tells a file from what an upload that broke off has left.
func TestBrokenAsset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{})
		hub := w.Outside().Forge
		r, err := hub.CreateDraft(t.Context(), forge.DraftRequest{Tag: w.Tag()})
		if err != nil {
			t.Fatal(err)
		}
		upload(t, hub, r, "whole", "x")
		w.GitHub.BreakUpload("broken")
		if _, err := hub.UploadAsset(t.Context(), r, forge.Upload{Name: "broken", Size: 1, Open: reltest.Opener("x")}); err == nil {
			t.Fatal("the upload did not break off")
		}
		whole := map[string]bool{}
		for _, a := range seen(t, w, release.Request{}).Remote.Releases[0].Assets {
			whole[a.Name] = a.Whole
		}
		if diff := cmp.Diff(map[string]bool{"whole": true, "broken": false}, whole); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLedger reads the bill of a draft, and believes none that is not one.
func TestLedger(t *testing.T) {
	own := []release.BillKey{{Name: "crates-io", Value: secret.New(reltest.FeedToken)}}
	for _, test := range []struct {
		name      string
		files     map[string]string
		change    func(*release.Bill)
		keys      []release.BillKey
		bill      bool
		authentic bool
		missing   int
		reason    string
	}{
		{name: "ours", keys: own, bill: true, authentic: true, reason: "is right"},
		{name: "made with another credential", keys: []release.BillKey{{Name: "crates-io", Value: secret.New("other")}}, bill: true, reason: "is wrong"},
		{name: "for another repository", keys: own, change: func(b *release.Bill) { b.Repository = "fork/r" }, bill: true, reason: "for fork/r"},
		{name: "for another commit", keys: own, change: func(b *release.Bill) { b.Commit = strings.Repeat("1", 40) }, bill: true, reason: "at 1111111111"},
		{name: "names a file that is not there", keys: own, change: func(b *release.Bill) {
			b.Artifacts = []release.BillArtifact{{Name: "tool", SHA256: reltest.Sum(nil)}}
		}, bill: true, authentic: true, missing: 1, reason: "is right"},
		{name: "not JSON", files: map[string]string{release.BillName: "not JSON"}, reason: "cannot be read"},
		{name: "another schema", files: map[string]string{release.BillName: `{"schema":"other/v1"}`}, reason: "schema"},
		{name: "leads out of the folder", keys: own, change: func(b *release.Bill) {
			b.Artifacts = []release.BillArtifact{{Name: "../../etc/passwd", SHA256: reltest.Sum(nil)}}
		}, reason: "no asset can have"},
		{name: "no bill", files: map[string]string{"other": "x"}, reason: "no bill"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, reltest.Options{})
				hub := w.Outside().Forge
				r, err := hub.CreateDraft(t.Context(), forge.DraftRequest{Tag: w.Tag()})
				if err != nil {
					t.Fatal(err)
				}
				for name, content := range test.files {
					upload(t, hub, r, name, content)
				}
				if test.files == nil {
					b := release.Bill{Schema: release.BillSchema, Repository: "o/r", Tag: w.Tag(), Commit: w.Commit,
						Crates: []release.BillCrate{{Name: "core", Version: "1.0.0", SHA256: reltest.Sum([]byte("core")), Size: 4, Asset: "core-1.0.0.crate", Registries: []release.BillRegistry{{Name: "crates-io"}}}}}
					if test.change != nil {
						test.change(&b)
					}
					if err := b.Sign(test.keys); err != nil {
						t.Fatal(err)
					}
					text, err := b.Encode()
					if err != nil {
						t.Fatal(err)
					}
					upload(t, hub, r, release.BillName, string(text))
					upload(t, hub, r, "core-1.0.0.crate", "core")
				}
				l := seen(t, w, release.Request{}).Remote.Ledger
				if (l.Bill != nil) != test.bill || l.Authentic != test.authentic || len(l.Missing) != test.missing || !strings.Contains(l.Reason, test.reason) {
					t.Errorf("%+v", l)
				}
			})
		})
	}
}

// TestTrouble tells apart what the rules must judge from a world that cannot be seen.
func TestTrouble(t *testing.T) {
	for _, test := range []struct {
		name    string
		options reltest.Options
		before  func(*reltest.World)
		kind    problem.Kind // of the error
		says    string
		judged  func(release.Snapshot) string // without an error: where it must stand
	}{
		{name: "the forge is down", before: func(w *reltest.World) { w.Stop("github") }, kind: problem.Failed, says: "cannot read repository o/r"},
		{name: "the forge has a bad day", options: reltest.Options{Faults: []string{"github every: refuse 502"}}, kind: problem.Failed, says: "cannot read repository o/r"},
		{name: "no such repository", options: reltest.Options{Faults: []string{"github get-repo every: refuse 404"}}, kind: problem.Stopped, says: "cannot read repository o/r"},
		{name: "the token is refused", options: reltest.Options{GitHub: func(c *githubtwin.Config) {
			c.Tokens = map[string]githubtwin.Permissions{"another": {"contents": "read"}}
		}}, kind: problem.Stopped, says: "cannot read repository o/r"},
		{name: "issues cannot be read today", options: reltest.Options{Faults: []string{"github issues every: refuse 502"}}, kind: problem.Failed, says: "502"},
		{name: "a registry is down", before: func(w *reltest.World) { w.Stop("crates-io") }, kind: problem.Failed, says: "registry crates-io does not answer"},
		{name: "issues may not be read", options: reltest.Options{Faults: []string{"github issues: refuse 403"}}, says: "403", judged: func(s release.Snapshot) string { return s.Remote.BlockersError }},
		{name: "a registry without an index", options: reltest.Options{Checkout: func(c *release.Checkout) { c.Crates[0].Registries = []string{"nowhere"} }}, says: "has no index",
			judged: func(s release.Snapshot) string { return s.Registries[len(s.Registries)-1].Access.Problem }},
		{name: "the registry refuses the token", options: reltest.Options{Crates: two, Registry: func(name string, c *registrytwin.Config) {
			c.AuthRequired = name == "feed"
			c.Tokens[0].Value = secret.New("another-token")
		}}, says: "it cannot be published to", judged: func(s release.Snapshot) string { return s.Registries[1].Access.Problem }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := reltest.New(t, test.options)
				if test.before != nil {
					test.before(w)
				}
				s, err := look(t, w, release.Request{})
				if test.judged != nil {
					if got := test.judged(s); err != nil || !strings.Contains(got, test.says) || len(release.Blocking(release.Judge(s))) == 0 {
						t.Errorf("%v, judged %q", err, got)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), test.says) || (problem.ExitCode(err) == problem.ExitStopped) != (test.kind == problem.Stopped) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// TestTokenVariable names where a registry's token comes from.
func TestTokenVariable(t *testing.T) {
	cfg := config.Default()
	cfg.Registries["my-feed"] = config.Registry{TokenEnv: "FEED_TOKEN"}
	for name, want := range map[string]string{"crates-io": "CARGO_REGISTRY_TOKEN", "my-feed": "FEED_TOKEN", "Other-feed_2": "CARGO_REGISTRIES_OTHER_FEED_2_TOKEN"} {
		if got := observe.TokenVariable(cfg, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestTokenVariables gives the variable PAT to the only Azure feed, and to none where there are two.
func TestTokenVariables(t *testing.T) {
	const azure, other = "sparse+https://pkgs.dev.azure.com/org/_packaging/feed/Cargo/index/", "sparse+https://crates.example/index/"
	for _, c := range []struct {
		name    string
		toml    map[string]config.Registry
		indexes map[string]string
		set     []string
		want    map[string]string
	}{
		{"the only feed, named by cargo alone", nil, map[string]string{"feed": azure, "other": other}, []string{"PAT"},
			map[string]string{"feed": "PAT", "other": "CARGO_REGISTRIES_OTHER_TOKEN"}},
		{"its own variable wins", nil, map[string]string{"feed": azure}, []string{"PAT", "CARGO_REGISTRIES_FEED_TOKEN"},
			map[string]string{"feed": "CARGO_REGISTRIES_FEED_TOKEN"}},
		{"its named variable wins", map[string]config.Registry{"feed": {TokenEnv: "ADO_CARGO_RW_PAT", Kind: "generic"}}, map[string]string{"feed": azure}, []string{"PAT", "ADO_CARGO_RW_PAT"},
			map[string]string{"feed": "ADO_CARGO_RW_PAT"}},
		{"a kind that only tagboat.toml tells", map[string]config.Registry{"feed": {Index: other, Kind: "azure"}}, nil, []string{"PAT"},
			map[string]string{"feed": "PAT"}},
		{"two feeds: neither", nil, map[string]string{"one": azure, "two": azure}, []string{"PAT"},
			map[string]string{"one": "CARGO_REGISTRIES_ONE_TOKEN", "two": "CARGO_REGISTRIES_TWO_TOKEN"}},
		{"PAT is not set", nil, map[string]string{"feed": azure}, nil, map[string]string{"feed": "CARGO_REGISTRIES_FEED_TOKEN"}},
		{"no feed of Azure's", nil, map[string]string{"feed": other}, []string{"PAT"}, map[string]string{"feed": "CARGO_REGISTRIES_FEED_TOKEN"}},
	} {
		cfg := config.Default()
		maps.Copy(cfg.Registries, c.toml)
		c.want["crates-io"] = "CARGO_REGISTRY_TOKEN"
		got := observe.TokenVariables(cfg, c.indexes, func(name string) bool { return slices.Contains(c.set, name) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestKinds holds that tagboat.toml knows the kinds that the registries know, and with the same limits.
func TestKinds(t *testing.T) {
	var kinds []string
	for _, x := range kind.All() {
		kinds = append(kinds, string(x.Kind))
		cfg, _, err := config.Load([]byte("[registries.feed]\nindex = \"sparse+https://crates.example/\"\nkind = \""+string(x.Kind)+"\"\n"), config.File)
		if err != nil {
			t.Errorf("kind = %q: %v", x.Kind, err)
			continue
		}
		if got := int64(cfg.Registries["feed"].MaxSize); got != 0 && got != x.MaxCrate {
			t.Errorf("%s: max_size is %d in internal/config, %d in internal/registry/kind", x.Kind, got, x.MaxCrate)
		}
	}
	_, _, err := config.Load([]byte("[registries.feed]\nkind = \"none\"\n"), config.File)
	if want := `"` + strings.Join(kinds[:len(kinds)-1], `", "`) + `" or "` + kinds[len(kinds)-1] + `"`; err == nil || !strings.Contains(fmt.Sprint(problem.All(err)[0].Detail), want) {
		t.Errorf("kind takes %v, want %s", err, want)
	}
	public, ours := kind.CratesIO.Traits(), config.Default().Registries[config.CratesIO]
	if bucket(ours.NewCrates) != public.Pace.NewCrates || bucket(ours.NewVersions) != public.Pace.NewVersions || int64(ours.MaxSize) != public.MaxCrate || ours.Wait != string(public.Wait) {
		t.Errorf("crates-io is %+v in internal/config, %+v in internal/registry/kind", ours, public)
	}
}

func bucket(b config.Bucket) kind.Bucket { return kind.Bucket{Burst: b.Burst, Every: b.Every.Std()} }

// TestCanceled ends an observation that is under way.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reltest.New(t, reltest.Options{Faults: []string{"github every: delay 10m"}})
		began := time.Now()
		w.Door(func(r *http.Request) error {
			if strings.HasPrefix(r.URL.Path, "/index/") {
				return errors.New("no route to host")
			}
			return nil
		})
		if _, err := look(t, w, release.Request{}); err == nil || time.Since(began) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

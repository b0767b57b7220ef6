package release_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
)

// TestPlanProperties makes plans of random workspaces and holds what must be true of each.
func TestPlanProperties(t *testing.T) {
	for seed := range uint64(200) {
		s := randomSnapshot(rand.New(rand.NewPCG(seed, 7)))
		p := release.MakePlan(s)
		if err := p.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(p, release.MakePlan(s)); diff != "" {
			t.Fatalf("seed %d: made again it differs\n%s", seed, diff)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var saved release.Snapshot
		if err := json.Unmarshal(text, &saved); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, release.MakePlan(saved)); diff != "" {
			t.Fatalf("seed %d: from the saved snapshot it differs\n%s", seed, diff)
		}
		if problems := wrong(s, p); len(problems) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(problems, "\n"))
		}
	}
}

func randomSnapshot(r *rand.Rand) release.Snapshot {
	s := release.Snapshot{Schema: release.SnapshotSchema, Repository: "o/r", Config: config.Default(), Request: release.Request{Tag: "v1.0.0", Half: []release.Half{release.Second, release.Both, release.First}[r.IntN(3)]}}
	s.Checkout = release.Checkout{Tag: release.Tag{Name: "v1.0.0", Version: "1.0.0"}, Commit: "abc"}
	s.Remote = release.Remote{Asked: r.IntN(4) > 0, BranchName: "release/v1.0.0", TagCommit: "abc"}
	s.Config.Release.DraftOnly = r.IntN(4) == 0
	names := []string{"alpha", "crates-io", "feed"}[:1+r.IntN(3)]
	for _, name := range names {
		s.Registries = append(s.Registries, release.Registry{Name: name, AwaitAll: r.IntN(2) == 0, Crates: map[string]release.IndexState{}})
	}
	for i := range r.IntN(12) {
		c := release.Crate{Name: fmt.Sprintf("c%d", i), Version: "1.0.0"}
		for _, at := range r.Perm(len(names))[:1+r.IntN(len(names))] {
			c.Registries = append(c.Registries, names[at])
		}
		for j := range i {
			if r.IntN(3) == 0 {
				c.Needs = append(c.Needs, fmt.Sprintf("c%d", j))
			}
		}
		s.Checkout.Crates = append(s.Checkout.Crates, c)
	}
	return s
}

// wrong says what is not true of a plan that goes all the way.
func wrong(s release.Snapshot, p release.Plan) []string {
	before := closure(p.Steps)
	var out []string
	must := func(key, need string) {
		if !before[key][need] {
			out = append(out, fmt.Sprintf("%s does not need %s", key, need))
		}
	}
	last := "seal/v1.0.0"
	if !s.Config.Release.DraftOnly {
		last = "release/v1.0.0"
	}
	uploads := 0
	for _, c := range s.Checkout.Crates {
		for _, home := range c.Registries {
			what := home + "/" + c.Name + "@" + c.Version
			must("publish/"+what, "ledger/v1.0.0")
			must("publish/"+what, "compare/v1.0.0")
			must("confirm/"+what, "publish/"+what)
			must(last, "confirm/"+what)
			uploads++
			r := s.Registries[slices.IndexFunc(s.Registries, func(r release.Registry) bool { return r.Name == home })]
			for _, name := range c.Needs {
				for _, dep := range s.Checkout.Crates {
					if dep.Name != name {
						continue
					}
					homes := dep.Registries
					if slices.Contains(homes, home) {
						homes = []string{home}
					}
					for _, at := range homes {
						must("publish/"+what, "publish/"+at+"/"+name+"@1.0.0")
						if r.AwaitAll {
							must("publish/"+what, "confirm/"+at+"/"+name+"@1.0.0")
						}
					}
				}
			}
		}
	}
	checks := map[string]bool{}
	for _, step := range p.Steps {
		switch {
		case step.Kind == release.KindCheck:
			checks[step.Key] = true
			continue
		case step.Kind == release.KindPublish:
			uploads--
		case step.Kind == release.KindRelease && s.Config.Release.DraftOnly:
			out = append(out, "a draft is made public")
		}
		for check := range checks {
			must(step.Key, check)
		}
		if kind, _, _ := strings.Cut(step.Key, "/"); kind != step.Kind {
			out = append(out, fmt.Sprintf("%s is of kind %s", step.Key, step.Kind))
		}
	}
	if uploads != 0 || len(checks) == 0 {
		out = append(out, fmt.Sprintf("%d uploads too few, %d checks", uploads, len(checks)))
	}
	return out
}

// closure returns what must be done before each step, near and far.
func closure(steps []converge.Step) map[string]map[string]bool {
	needs, out := map[string][]string{}, map[string]map[string]bool{}
	for _, s := range steps {
		needs[s.Key] = s.Needs
	}
	var visit func(key string) map[string]bool
	visit = func(key string) map[string]bool {
		if out[key] == nil {
			out[key] = map[string]bool{}
			for _, n := range needs[key] {
				out[key][n] = true
				maps.Copy(out[key], visit(n))
			}
		}
		return out[key]
	}
	for key := range needs {
		visit(key)
	}
	return out
}

// TestCrateAssetNames gives every crate of a release a name of its own that the forge leaves alone.
func TestCrateAssetNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"a", "a-1", "a_1"} {
		for _, version := range []string{"1.0.0", "1.0.0-b-1.0.0", "1.0.0+gcc.9"} {
			for i := range 3 {
				asset := release.CrateAsset(name, version, []string{"crates-io", "feed", "feed_2"}, i)
				if other := seen[asset]; other != "" || release.AssetName(asset) != asset {
					t.Errorf("%s %s #%d: %s, which is also %q; GitHub makes %s of it", name, version, i, asset, other, release.AssetName(asset))
				}
				seen[asset] = fmt.Sprint(name, version, i)
			}
		}
	}
}

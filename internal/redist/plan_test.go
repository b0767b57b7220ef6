package redist

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
)

var taken = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func sample(crates ...Crate) Snapshot {
	return Snapshot{TakenAt: taken, Source: Side{Name: "crates-io", CratesIO: true}, Target: Side{Name: "feed", Index: "sparse+https://feed.example.com/index/"}, Crates: crates}
}

func sum(s string) string { return strings.Repeat(s, 64) }

func keys(p Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.Key+" <- "+strings.Join(s.Needs, " "))
	}
	return out
}

func TestPlanOrder(t *testing.T) {
	s := sample(
		Crate{Name: "top", Version: "1.0.0", Sum: sum("a"), Needs: []string{"mid@1.0.0", "there@1.0.0", "mid@1.0.0"}},
		Crate{Name: "mid", Version: "1.0.0", Sum: sum("b"), Needs: []string{"leaf@1.0.0"}, Yanked: true},
		Crate{Name: "leaf", Version: "1.0.0", Sum: sum("c")},
		Crate{Name: "there", Version: "1.0.0", Sum: sum("d"), There: sum("d"), Yanked: true, ThereYanked: true},
	)
	want := []string{
		"fetch/crates-io/leaf@1.0.0 <- ", "fetch/crates-io/mid@1.0.0 <- ", "fetch/crates-io/top@1.0.0 <- ",
		"publish/feed/leaf@1.0.0 <- fetch/crates-io/leaf@1.0.0",
		"confirm/feed/leaf@1.0.0 <- publish/feed/leaf@1.0.0",
		"publish/feed/mid@1.0.0 <- fetch/crates-io/mid@1.0.0 publish/feed/leaf@1.0.0",
		"confirm/feed/mid@1.0.0 <- publish/feed/mid@1.0.0",
		"publish/feed/top@1.0.0 <- fetch/crates-io/top@1.0.0 publish/feed/mid@1.0.0",
		"confirm/feed/top@1.0.0 <- publish/feed/top@1.0.0",
		"yank/feed/mid@1.0.0 <- confirm/feed/mid@1.0.0",
	}
	if diff := cmp.Diff(want, keys(MakePlan(s))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.Target.AwaitAll, s.Rules.Licenses = true, []string{"MIT"}
	p := MakePlan(s)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(keys(p), "\n")
	for _, want := range []string{
		"judge/feed <- fetch/crates-io/leaf@1.0.0 fetch/crates-io/mid@1.0.0 fetch/crates-io/top@1.0.0",
		"publish/feed/mid@1.0.0 <- fetch/crates-io/mid@1.0.0 judge/feed confirm/feed/leaf@1.0.0",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the plan lacks %q:\n%s", want, text)
		}
	}
	s.DryRun = true
	for _, step := range MakePlan(s).Steps {
		if step.Kind != KindFetch && step.Kind != KindJudge {
			t.Errorf("a dry run plans %s", step.Key)
		}
	}
}

// Two lock files may resolve features so that crates need each other: there is a plan all the same.
func TestPlanOpensRings(t *testing.T) {
	s := sample(
		Crate{Name: "a", Version: "1.0.0", Sum: sum("a"), Needs: []string{"b@1.0.0"}},
		Crate{Name: "b", Version: "1.0.0", Sum: sum("b"), Needs: []string{"c@1.0.0", "a@1.0.0"}},
		Crate{Name: "c", Version: "1.0.0", Sum: sum("c"), Needs: []string{"a@1.0.0", "c@1.0.0"}},
	)
	p := MakePlan(s)
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	if got := len(p.Steps); got != 9 {
		t.Errorf("%d steps, want 9", got)
	}
}

func TestJudge(t *testing.T) {
	old, young := taken.Add(-30*24*time.Hour), taken.Add(-time.Hour)
	for name, c := range map[string]struct {
		crate Crate
		rules config.ThirdParty
		want  string // rule and a piece of the detail; "" is nothing
	}{
		"good":                         {crate: Crate{Sum: sum("a"), Locked: sum("a"), Published: old}},
		"lock differs from source":     {crate: Crate{Sum: sum("a"), Locked: sum("b"), LockedBy: "Cargo.lock"}, want: "checksum Cargo.lock  sha256 bbbb"},
		"target differs":               {crate: Crate{Sum: sum("a"), There: sum("b")}, want: "checksum feed  sha256 bbbb"},
		"target differs from lock":     {crate: Crate{Locked: sum("a"), There: sum("b")}, want: "checksum feed  sha256 bbbb"},
		"gone, but there":              {crate: Crate{Locked: sum("a"), There: sum("a")}},
		"gone, there, nothing to hold": {crate: Crate{There: sum("a")}, want: "source x 1.0.0"},
		"gone":                         {crate: Crate{Locked: sum("a")}, want: "source x 1.0.0"},
		"yanked":                       {crate: Crate{Sum: sum("a"), Yanked: true}, want: "yanked x 1.0.0"},
		"name":                         {crate: Crate{Sum: sum("a")}, rules: config.ThirdParty{DenyNames: []string{"[x]"}}, want: "name x 1.0.0"},
		"name of what is there":        {crate: Crate{Sum: sum("a"), There: sum("a")}, rules: config.ThirdParty{DenyNames: []string{"x"}}},
		"young":                        {crate: Crate{Sum: sum("a"), Published: young}, rules: config.ThirdParty{MinAge: config.Duration(24 * time.Hour)}, want: "age x 1.0.0: published 2026-05-04 11:00 UTC, old enough at 2026-05-05 11:00 UTC"},
		"old":                          {crate: Crate{Sum: sum("a"), Published: old}, rules: config.ThirdParty{MinAge: config.Duration(24 * time.Hour)}},
		"no date":                      {crate: Crate{Sum: sum("a")}, rules: config.ThirdParty{MinAge: config.Duration(time.Hour)}, want: "age does not say when"},
		"young, but there":             {crate: Crate{Sum: sum("a"), There: sum("a"), Published: young}, rules: config.ThirdParty{MinAge: config.Duration(24 * time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			c.crate.Name, c.crate.Version = "x", "1.0.0"
			s := sample(c.crate)
			s.Rules = c.rules
			found := Judge(s)
			if c.want == "" {
				if len(found) > 0 {
					t.Errorf("found %+v, want nothing", found)
				}
				return
			}
			rule, detail, _ := strings.Cut(c.want, " ")
			if len(found) != 1 || found[0].Rule != rule || !strings.Contains(found[0].Detail, detail) {
				t.Errorf("found %+v, want %s", found, c.want)
			}
		})
	}
}

// A finding names many crates, and not thousands.
func TestJudgeListsSome(t *testing.T) {
	var crates []Crate
	for i := range 100 {
		crates = append(crates, Crate{Name: strings.Repeat("x", i+1), Version: "1.0.0"})
	}
	found := Judge(sample(crates...))
	if len(found) != 1 || found[0].Summary != "registry crates-io lacks 100 crates" || !strings.HasSuffix(found[0].Detail, "\nand 70 more") {
		t.Errorf("found %+v", found)
	}
}

func TestJudgeLicences(t *testing.T) {
	s := sample(Crate{Name: "a", Version: "1.0.0", Sum: sum("a")}, Crate{Name: "b", Version: "1.0.0", Sum: sum("b")}, Crate{Name: "c", Version: "1.0.0", Sum: sum("c"), There: sum("c")})
	s.Rules.Licenses = []string{"MIT"}
	f := JudgeLicences(s, map[string]string{"a@1.0.0": "MIT"})
	if f == nil || f.Detail != "b 1.0.0: there is no licence expression" {
		t.Errorf("found %+v", f)
	}
	s.Rules.Reviewed = []string{"b*"}
	if f := JudgeLicences(s, map[string]string{"a@1.0.0": "MIT"}); f != nil {
		t.Errorf("found %+v", f)
	}
}

func TestReport(t *testing.T) {
	s := sample(Crate{Name: "a", Version: "1.0.0", Sum: sum("a"), Published: taken}, Crate{Name: "b", Version: "1.0.0", Sum: sum("b"), There: sum("b")})
	p := MakePlan(s)
	r := NewReport(s, p)
	if r.Outcome != release.Planned || r.Redist[0].Crates[0].State != Missing || r.Redist[0].Crates[1].State != There {
		t.Errorf("at the start: %+v", r)
	}
	res := converge.Result{}
	for _, step := range p.Steps {
		res.Steps = append(res.Steps, converge.StepResult{Step: step, Outcome: converge.Done(), Attempts: 1})
	}
	r.Finish(s, res, map[string]string{"a@1.0.0": "MIT"})
	if m := r.Redist[0].Crates[0]; r.Outcome != release.Redistributed || m.State != Moved || m.License != "MIT" || r.ExitCode() != 0 {
		t.Errorf("at the end: %s %+v", r.Outcome, m)
	}
	if got, want := r.Redist[0].Config, "[registries.feed]\nindex = \"sparse+https://feed.example.com/index/\"\n\n[source.crates-io]\nreplace-with = \"feed\"\n"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	other := Report{Report: release.Report{Outcome: release.Failed}}
	r.Join(other)
	if r.Outcome != release.Failed {
		t.Errorf("joined with a failure: %s", r.Outcome)
	}
}

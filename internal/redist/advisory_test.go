package redist

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/config"
)

const advisory = "```toml\n[advisory]\nid = \"RUSTSEC-2020-0071\"\npackage = \"time\"\ndate = \"2020-11-18\"\n\n[versions]\npatched = [\">= 0.2.23\"]\nunaffected = [\"= 0.2.0\", \"< 0.2.0\"]\n```\n\n# Potential segfault\n\nText.\n"

func TestAdvisory(t *testing.T) {
	a, err := ParseAdvisory(advisory)
	if err != nil || a.ID != "RUSTSEC-2020-0071" || a.Title != "Potential segfault" || a.Informational != "" {
		t.Fatalf("got %+v, %v", a, err)
	}
	for version, want := range map[string]bool{"0.1.44": false, "0.2.0": false, "0.2.7": true, "0.2.22": true, "0.2.23": false, "0.3.0": false, "0.2.23-rc.1": true, "0.2.24-rc.1": false, "0.3.0-rc.1": false, "1.0.0-rc.1": false, "0.2.22-rc.1": true, "x": false} {
		if got := a.Affects(version); got != want {
			t.Errorf("%s: affected %v, want %v", version, got, want)
		}
	}
	withdrawn, err := ParseAdvisory(strings.Replace(advisory, "date =", "withdrawn = \"2021-01-01\"\ndate =", 1))
	if err != nil || withdrawn.Affects("0.2.7") {
		t.Errorf("withdrawn: %+v, %v", withdrawn, err)
	}
	never, err := ParseAdvisory("```toml\n[advisory]\nid = \"X\"\npackage = \"p\"\ninformational = \"unmaintained\"\n\n[versions]\npatched = []\n```\n# T\n")
	if err != nil || !never.Affects("9.9.9") || never.Informational != "unmaintained" {
		t.Errorf("without a patch: %+v, %v", never, err)
	}
	for _, text := range []string{"", "# T\n", "```toml\nx\n```\n", "```toml\n[advisory]\nid = \"X\"\n```\n", strings.Replace(advisory, ">= 0.2.23", ">> 1", 1)} {
		if _, err := ParseAdvisory(text); err == nil {
			t.Errorf("taken: %q", text)
		}
	}
}

func TestJudgeAdvisories(t *testing.T) {
	bad, err := ParseAdvisory(advisory)
	if err != nil {
		t.Fatal(err)
	}
	info := bad
	info.ID, info.Informational = "RUSTSEC-2021-0001", "unsound"
	s := sample(Crate{Name: "time", Version: "0.2.7", Sum: sum("a")}, Crate{Name: "time", Version: "0.3.0", Sum: sum("b")}, Crate{Name: "other", Version: "0.2.7", Sum: sum("c")})
	s.Advisories = []Advisory{bad, info}
	found := Judge(s)
	if len(found) != 2 || found[0].Detail != "time 0.2.7: RUSTSEC-2020-0071 Potential segfault" || found[0].Severity != "stop" || found[1].Severity != "warn" || !strings.Contains(found[1].Detail, "(unsound)") {
		t.Errorf("found %+v", found)
	}
	s.Rules.Accepted = []string{bad.ID, info.ID}
	if found := Judge(s); len(found) != 0 {
		t.Errorf("accepted: %+v", found)
	}
	s.Rules.Accepted = nil
	s.Crates[0].There = s.Crates[0].Sum
	if found := Judge(s); len(found) != 0 {
		t.Errorf("there already: %+v", found)
	}
}

// What cargo-deny denies stops, whatever kind it is of, and the one version alone.
func TestJudgeDenied(t *testing.T) {
	s := sample(Crate{Name: "old", Version: "0.1.0", Sum: sum("a")}, Crate{Name: "old", Version: "0.2.0", Sum: sum("b")})
	s.Rules.Advisories = config.CargoDeny
	s.Advisories = []Advisory{{ID: "RUSTSEC-2020-0002", Package: "old", Denied: "0.1.0", Title: "Old", Informational: "unmaintained", Cure: "No safe upgrade is available!"}}
	found := Judge(s)
	if len(found) != 1 || found[0].Severity != "stop" || found[0].Detail != "old 0.1.0: RUSTSEC-2020-0002 Old (unmaintained)\n  No safe upgrade is available!" || !strings.Contains(found[0].Hint, "deny.toml") {
		t.Errorf("found %+v", found)
	}
	s.Rules.Accepted = []string{"RUSTSEC-2020-0002"}
	if found := Judge(s); len(found) != 0 {
		t.Errorf("accepted: %+v", found)
	}
}

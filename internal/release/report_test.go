package release_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
)

// TestNewReport says what is known before the first step.
func TestNewReport(t *testing.T) {
	s := snapshot(t, "one-crate", []byte(`{"remote": {"releases": [{"id": 2, "url": "https://github.com/first", "assets": [{"name": "a"}]}, {"id": 1, "url": "https://github.com/second"}],
		"ledger": {"bill": {"schema": "tagboat.bill/v1"}}, "blockers": [{"number": 1, "title": "x"}], "on_development": false},
		"config": {"rules": {"development-branch": {"relax": true, "reason": "why"}}}}`))
	r := release.NewReport("plan", s, release.MakePlan(s))
	if r.Outcome != release.Stopped || r.ExitCode() != problem.ExitStopped || r.URL != "https://github.com/first" || len(r.Assets) != 1 || r.Bill == nil || r.Branch != "release/v0.4.0" {
		t.Errorf("%+v", r)
	}
	if len(r.Problems) != 1 || r.Problems[0].Rule != "blockers" || r.Problems[0].Hint == "" {
		t.Errorf("problems %+v", r.Problems)
	}
	outcomes := map[string]string{}
	for _, step := range r.Steps {
		if step.Kind != release.KindCheck && step.Outcome != "pending" {
			t.Errorf("%s is %s before it began", step.Key, step.Outcome)
		}
		outcomes[step.Key] = step.Outcome
	}
	for key, want := range map[string]string{"check/blockers": "failed", "check/development-branch": "done", "check/tag-version": "done"} {
		if outcomes[key] != want {
			t.Errorf("%s is %q, want %q", key, outcomes[key], want)
		}
	}
	good := snapshot(t, "one-crate", []byte(`{}`))
	if r := release.NewReport("plan", good, release.MakePlan(good)); r.Outcome != release.Planned || r.ExitCode() != 0 {
		t.Errorf("without findings: %s", r.Outcome)
	}
}

// TestReportFields holds the names of docs that programs read. They are additive only.
func TestReportFields(t *testing.T) {
	s := snapshot(t, "one-crate", []byte(`{"remote": {"blockers": [{"number": 1, "title": "x"}]}}`))
	b := fullBill()
	s.Remote.Ledger.Bill = &b
	r := release.NewReport("rehearse", s, release.MakePlan(s))
	var tree map[string]any
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	first := func(v any, names ...string) map[string]any {
		for _, name := range names {
			v = v.(map[string]any)[name]
			if list, ok := v.([]any); ok {
				v = list[0]
			}
		}
		return v.(map[string]any)
	}
	for _, test := range []struct {
		where map[string]any
		want  string
	}{
		{tree, "schema command outcome repository tag commit branch steps bill problems"},
		{first(tree, "steps"), "key kind outcome reason attempts elapsed_ms"},
		{first(tree, "bill"), "schema toolchain crates artifacts"},
		{first(tree, "bill", "crates"), "name version sha256 size registries"},
		{first(tree, "bill", "crates", "registries"), "name index confirmed_at"},
		{first(tree, "bill", "artifacts"), "name sha256 size"},
		{first(tree, "problems"), "summary detail hint"},
	} {
		for _, name := range strings.Fields(test.want) {
			if _, ok := test.where[name]; !ok {
				t.Errorf("%q is missing in %v", name, test.where)
			}
		}
	}
	if tree["schema"] != "tagboat.report/v1" || first(tree, "bill")["schema"] != "tagboat.bill/v1" {
		t.Errorf("schemas: %v, %v", tree["schema"], first(tree, "bill")["schema"])
	}
	empty, err := json.Marshal(release.ErrorReport("plan", nil))
	if err != nil || !strings.Contains(string(empty), `"steps":[]`) || !strings.Contains(string(empty), `"problems":[]`) {
		t.Errorf("lists of an empty report: %s, %v", empty, err)
	}
}

func TestErrorReport(t *testing.T) {
	cause := errors.New("connection refused")
	for _, test := range []struct {
		name     string
		err      error
		outcome  string
		exit     int
		problems []release.ReportProblem
	}{
		{"plain", cause, release.Failed, 1, []release.ReportProblem{{Summary: "connection refused"}}},
		{"interrupted", fmt.Errorf("git config: %w", context.Canceled), release.Failed, 1, []release.ReportProblem{{Summary: "the run was interrupted", Hint: "run it again"}}},
		{"failed", &problem.Error{Summary: "s", Err: cause}, release.Failed, 1, []release.ReportProblem{{Summary: "s", Detail: "connection refused"}}},
		{"stopped", fmt.Errorf("a: %w", &problem.Error{Kind: problem.Stopped, Summary: "s", Detail: "d", Hint: "h", File: "f", Line: 3, Err: cause}), release.Stopped, 2,
			[]release.ReportProblem{{Summary: "s", Detail: "d", Hint: "h", File: "f", Line: 3}}},
		{"waiting", &problem.Error{Kind: problem.Waiting, Summary: "s"}, release.Waiting, 3, []release.ReportProblem{{Summary: "s"}}},
		{"usage", &problem.Error{Kind: problem.Usage, Summary: "s"}, release.Stopped, 2, []release.ReportProblem{{Summary: "s"}}},
		{"two", errors.Join(&problem.Error{Summary: "one"}, &problem.Error{Kind: problem.Stopped, Summary: "two"}), release.Stopped, 2, []release.ReportProblem{{Summary: "one"}, {Summary: "two"}}},
	} {
		r := release.ErrorReport("release", test.err)
		if diff := cmp.Diff(test.problems, r.Problems); r.Outcome != test.outcome || r.ExitCode() != test.exit || diff != "" {
			t.Errorf("%s: outcome %s, exit %d\n%s", test.name, r.Outcome, r.ExitCode(), diff)
		}
	}
	if got := release.Problems(cause, "publish/x"); len(got) != 1 || got[0].Step != "publish/x" {
		t.Errorf("problems of a step: %+v", got)
	}
}

func TestExitCodes(t *testing.T) {
	for outcome, want := range map[string]int{release.Released: 0, release.Started: 0, release.Planned: 0, release.Verified: 0, release.Failed: 1, release.Stopped: 2, release.Waiting: 3, "": 1, "other": 1} {
		if got := (&release.Report{Outcome: outcome}).ExitCode(); got != want {
			t.Errorf("%q: exit %d, want %d", outcome, got, want)
		}
	}
}

// TestPublic finds the published release, wherever it stands in the list.
func TestPublic(t *testing.T) {
	s := release.Snapshot{Remote: release.Remote{Releases: []release.Release{{ID: 1, Draft: true}, {ID: 2}}}}
	if r := s.Public(); r == nil || r.ID != 2 {
		t.Errorf("public: %+v", r)
	}
	s.Remote.Releases = slices.Delete(s.Remote.Releases, 1, 2)
	if r := s.Public(); r != nil {
		t.Errorf("a draft is public: %+v", r)
	}
}

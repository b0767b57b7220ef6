package render_test

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// TestLogins: the plan and the job summary say by what each crate goes.
func TestLogins(t *testing.T) {
	r := release.Report{Command: "plan", Outcome: release.Planned, Steps: []release.ReportStep{{Key: "publish/crates-io/core@1.0.0", Kind: release.KindPublish}},
		Crates: []release.Crate{{Name: "core", Version: "1.0.0", Registries: []string{"crates-io", "feed"}}, {Name: "driver", Version: "1.0.0", Registries: []string{"crates-io"}}},
		Registries: []release.Registry{
			{Name: "crates-io", Login: &release.Login{How: release.LoginTrusted, Repository: "acme/demo", Workflow: "release.yml", Environment: "release"}, Crates: map[string]release.IndexState{"core": {Exists: true}}},
			{Name: "feed", Login: &release.Login{How: release.LoginEntra}}}}
	plan := strings.Join(strings.Fields(render.Plan(render.Style{Width: 80}, r)), " ")
	summary := render.Markdown(r)
	for _, want := range []string{
		"crates-io: by trusted publishing (repository acme/demo, workflow release.yml, environment release): core; by a token, because they are new: driver",
		"feed: by Entra, with a token that is made for this run",
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
		if !strings.Contains(strings.ReplaceAll(summary, "\\", ""), want) {
			t.Errorf("the summary does not say %q:\n%s", want, summary)
		}
	}
	r.Registries = []release.Registry{{Name: "crates-io"}}
	if plan := render.Plan(render.Style{Width: 80}, r); strings.Contains(plan, "Logins") {
		t.Errorf("without any:\n%s", plan)
	}
}

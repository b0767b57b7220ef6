package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// TestPlanAccess shows where each token comes from and what is known of it, and lets no registry's words reach the terminal
// as they are.
func TestPlanAccess(t *testing.T) {
	r := release.Report{Outcome: release.Planned, Registries: []release.Registry{
		{Name: "feed", Access: release.Access{Asked: true, Variable: "ADO_CARGO_RW_PAT", Notes: []string{"the token may read\x1b[31m", "or not\nerror: forged"}, Expires: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)}},
		{Name: "crates-io", Access: release.Access{Asked: true, NoToken: true, Variable: "CARGO_REGISTRY_TOKEN"}},
	}}
	got := render.Plan(render.Style{Width: 200}, r)
	if want := "Registries\n  feed  token from ADO_CARGO_RW_PAT  the token may read"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %q in it", got, want)
	}
	if !strings.Contains(got, "good until 2026-01-02 10:00 UTC") || strings.Contains(got, "\x1b[31m") || strings.Contains(got, "\nerror: forged") || strings.Contains(got, "CARGO_REGISTRY_TOKEN") {
		t.Errorf("got\n%q", got)
	}
}

package source

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

// LintIdentity checks whether the release workflow lets its jobs prove what they are, where a registry is logged in to
// with nothing else.
func LintIdentity(f WorkflowFile, cfg config.Config) []release.Finding {
	w, err := parseWorkflow(f.Content)
	if err != nil {
		return nil // LintWorkflow has said so
	}
	var out []release.Finding
	for _, name := range slices.Sorted(maps.Keys(cfg.Registries)) {
		how := cfg.Registries[name].Login
		if how != config.LoginTrusted && how != config.LoginEntra {
			continue
		}
		may := canWrite(w.Permissions, "id-token")
		for _, j := range w.Jobs {
			may = may || canWrite(j.Permissions, "id-token")
		}
		if !may {
			out = append(out, release.Finding{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: w.line("permissions"),
				Summary: fmt.Sprintf("no job of the release workflow has `id-token: write`, and %s is logged in to by %s", name, how),
				Detail:  "the job that publishes needs:\n\n    permissions:\n      contents: write\n      id-token: write", Hint: "a workflow that calls this one must give the permission, too"})
		}
		for _, event := range []string{"pull_request_target", "workflow_run"} {
			if how == config.LoginTrusted && w.hasTrigger(event) {
				out = append(out, release.Finding{Rule: "workflow-lint", Severity: release.Warn, File: workflowPath(f.Name), Line: w.line("on", event),
					Summary: fmt.Sprintf("crates.io takes no trusted publishing from a run that `%s` starts", event), Hint: "start the release workflow by `workflow_dispatch`, as Tagboat does"})
			}
		}
	}
	return out
}

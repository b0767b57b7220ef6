package action

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

// TestDecide holds which command line each event and each input gives; docs/action.md says the same in words.
func TestDecide(t *testing.T) {
	rolling := config.Default()
	rolling.Release.Rolling.Enabled = true
	plain := config.Default()
	backports := config.Default()
	backports.Patch.Backports = true
	with := func(set func(*Inputs)) Inputs {
		in, err := readInputs(func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if in.Deadline != "5h30m" {
			t.Errorf("the default deadline is %q", in.Deadline)
		}
		in.Deadline = ""
		if set != nil {
			set(&in)
		}
		return in
	}
	auto := with(nil)
	for name, tt := range map[string]struct {
		in   Inputs
		e    Event
		cfg  config.Config
		want string // the command line; "" for nothing, "usage ..." for an error
	}{
		"tag":                  {auto, Event{Name: "push", Ref: "refs/tags/v0.4.0", Commit: sha}, plain, "release --tag=v0.4.0 --commit=" + sha},
		"tag without a commit": {auto, Event{Name: "push", Ref: "refs/tags/v0.4.0"}, plain, "release --tag=v0.4.0"},
		"create":               {auto, Event{Name: "create", Ref: "refs/tags/v0.4.0"}, plain, "release --tag=v0.4.0"},
		"deleted tag":          {auto, Event{Name: "push", Ref: "refs/tags/v0.4.0", Deleted: true}, plain, ""},
		"option-like tag":      {auto, Event{Name: "push", Ref: "refs/tags/--help"}, plain, "release --tag=--help"},
		"rolling tag":          {auto, Event{Name: "push", Ref: "refs/tags/dev-latest"}, rolling, ""},
		"no rolling tag":       {auto, Event{Name: "push", Ref: "refs/tags/dev-latest"}, plain, "release --tag=dev-latest"},
		"release branch":       {auto, Event{Name: "workflow_dispatch", Ref: "refs/heads/release/v0.4.0"}, plain, "release --branch=release/v0.4.0"},
		"dispatch on a tag":    {auto, Event{Name: "workflow_dispatch", Ref: "refs/tags/v0.4.0"}, plain, "release --tag=v0.4.0"},
		"dispatch on main":     {auto, Event{Name: "workflow_dispatch", Ref: "refs/heads/main"}, plain, "usage branch main is no release branch"},
		"development branch":   {auto, Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main"}, rolling, "rolling"},
		"not configured":       {auto, Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main"}, plain, ""},
		"other branch":         {auto, Event{Name: "push", Ref: "refs/heads/x", DefaultBranch: "main"}, rolling, ""},
		"no default branch":    {auto, Event{Name: "push", Ref: "refs/heads/main"}, rolling, ""},
		"no ref":               {auto, Event{Name: "push"}, rolling, ""},
		"pull request":         {auto, Event{Name: "pull_request", Ref: "refs/pull/7/merge", PullRequest: 7}, plain, "check"},
		"schedule":             {auto, Event{Name: "schedule", Ref: "refs/heads/main"}, plain, "reconcile --since=168h; token check --fail-on=expired"},
		"schedule, backports":  {auto, Event{Name: "schedule", Ref: "refs/heads/main"}, backports, "reconcile --since=168h; token check --fail-on=expired; patch --labelled"},
		"command reconcile":    {with(func(in *Inputs) { in.Command = "reconcile" }), Event{Name: "schedule", Ref: "refs/heads/main"}, plain, "reconcile --since=168h"},
		"command backports":    {with(func(in *Inputs) { in.Command, in.Toolchain = "backports", "/w/t" }), Event{Name: "schedule", Ref: "refs/heads/main"}, plain, "patch --labelled"},
		"command redist":       {with(func(in *Inputs) { in.Command, in.Deadline, in.Detach = "redist", "1h", true }), Event{Name: "schedule", Ref: "refs/heads/main"}, plain, "redist --deadline=1h"},
		"command token-check":  {with(func(in *Inputs) { in.Command = "token-check" }), Event{Name: "push", Ref: "refs/heads/main"}, plain, "token check --fail-on=expired"},
		"unknown event":        {auto, Event{Name: "workflow_run", Ref: "refs/heads/main"}, plain, "usage the event \"workflow_run\" does not say what to do"},
		"unknown event, tag":   {with(func(in *Inputs) { in.Tag = "v1.0.0" }), Event{Name: "workflow_run", Ref: "refs/heads/main"}, plain, "release --tag=v1.0.0"},
		"artifacts": {with(func(in *Inputs) { in.Artifacts, in.Deadline, in.Detach = []string{"dist/*", "-x"}, "5h", true }), Event{Name: "workflow_dispatch", Ref: "refs/heads/release/v0.4.0"}, plain,
			"release --branch=release/v0.4.0 --artifacts=dist/* --artifacts=-x --detach --deadline=5h"},
		"packages": {with(func(in *Inputs) { in.Packages = "/w/p" }), Event{Name: "workflow_dispatch", Ref: "refs/heads/release/v0.4.0"}, plain, "release --branch=release/v0.4.0 --packages=/w/p"},
		// What a release branch is says the commit, which only the command reads.
		"packages, odd branch":     {with(func(in *Inputs) { in.Packages = "/w/p" }), Event{Name: "workflow_dispatch", Ref: "refs/heads/rel-0.4"}, plain, "release --branch=rel-0.4 --packages=/w/p"},
		"toolchain cache":          {with(func(in *Inputs) { in.Toolchain = "/w/t" }), Event{Name: "push", Ref: "refs/tags/v0.4.0"}, plain, "release --tag=v0.4.0 --toolchain-cache=/w/t"},
		"toolchain cache, check":   {with(func(in *Inputs) { in.Toolchain = "/w/t" }), Event{Name: "pull_request", Ref: "refs/pull/7/merge"}, plain, "check --toolchain-cache=/w/t"},
		"toolchain cache, rolling": {with(func(in *Inputs) { in.Toolchain = "/w/t" }), Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main"}, rolling, "rolling"},
		"packages, plan":           {with(func(in *Inputs) { in.Packages, in.Command = "/w/p", "plan" }), Event{Name: "push", Ref: "refs/tags/v0.4.0"}, plain, "plan --tag=v0.4.0 --packages=/w/p"},
		"packages, pull request":   {with(func(in *Inputs) { in.Packages = "/w/p" }), Event{Name: "pull_request", Ref: "refs/pull/7/merge"}, plain, "usage the input packages cannot be \"/w/p\""},
		"input wins":               {with(func(in *Inputs) { in.Branch = "release/v1.0.0" }), Event{Name: "push", Ref: "refs/tags/v0.4.0", Commit: sha}, plain, "release --branch=release/v1.0.0"},
		"command release":          {with(func(in *Inputs) { in.Command = "release" }), Event{Name: "push", Ref: "refs/heads/main"}, plain, "release --branch=main"},
		"command plan":             {with(func(in *Inputs) { in.Command = "plan" }), Event{Name: "push", Ref: "refs/tags/v0.4.0"}, plain, "plan --tag=v0.4.0"},
		"command check":            {with(func(in *Inputs) { in.Command, in.Artifacts = "check", []string{"x"} }), Event{Name: "push", Ref: "refs/tags/v0.4.0"}, plain, "check"},
		"command verify":           {with(func(in *Inputs) { in.Command = "verify" }), Event{Name: "release", Ref: "refs/tags/v0.4.0"}, plain, "verify -- v0.4.0"},
		"verify nothing":           {with(func(in *Inputs) { in.Command = "verify" }), Event{Name: "schedule", Ref: "refs/heads/main"}, plain, "usage the input tag cannot be \"\""},
		"release nothing":          {with(func(in *Inputs) { in.Command = "release" }), Event{Name: "pull_request", Ref: "refs/pull/7/merge"}, plain, "usage the input tag cannot be \"\""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Decide(tt.in, tt.e, tt.cfg)
			got := strings.Join(c.Args, " ")
			for _, next := range c.Then {
				got += "; " + strings.Join(next.Args, " ")
			}
			if err != nil {
				p := problem.All(err)
				if len(p) != 1 || p[0].Kind != problem.Usage || p[0].Hint == "" {
					t.Fatalf("%v: want one usage problem with a hint", err)
				}
				got = "usage " + p[0].Summary
			} else if c.Why == "" {
				t.Error("the choice has no reason")
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCommandLine holds that what the log shows for people to type is one word each for a shell.
func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"release", "--tag=v1;id", "--artifacts=it's $(x)/*"})
	if want := `tagboat release '--tag=v1;id' '--artifacts=it'\''s $(x)/*'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

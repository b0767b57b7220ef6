package action

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
)

// Call is a command line of tagboat and why it was chosen. Without arguments there is nothing to do. Then are others, for
// afterwards, whatever comes of the first.
type Call struct {
	Args []string
	Why  string
	Then []Call
}

// Decide turns inputs and event into a command line. cfg is tagboat.toml of the workspace, which says what a release
// branch is and whether there is a rolling pre-release; what it gets wrong, the command will find.
func Decide(in Inputs, e Event, cfg config.Config) (Call, error) {
	c, err := decide(in, e, cfg)
	if err != nil || c.Args == nil {
		return c, err
	}
	switch c.Args[0] {
	case "release", "plan", "rolling", "rehearse":
		for _, glob := range in.Artifacts {
			c.Args = append(c.Args, "--artifacts="+glob)
		}
	}
	if in.Toolchain != "" && c.Args[0] != "rolling" && c.Args[0] != "verify" && c.Args[0] != "patch" { // which build nothing
		c.Args = append(c.Args, "--toolchain-cache="+in.Toolchain)
	}
	switch {
	case in.Packages == "":
	case c.Args[0] == "release" || c.Args[0] == "plan":
		c.Args = append(c.Args, "--packages="+in.Packages)
	default:
		return Call{}, wrongInput("packages", in.Packages, "it is for release and plan, and "+c.Args[0]+" is what the event or the input command asks for")
	}
	if c.Args[0] == "release" || c.Args[0] == "reconcile" {
		if in.Detach {
			c.Args = append(c.Args, "--detach")
		}
	}
	if c.Args[0] == "release" || c.Args[0] == "reconcile" || c.Args[0] == "redist" {
		if in.Deadline != "" {
			c.Args = append(c.Args, "--deadline="+in.Deadline)
		}
	}
	if c.Args[0] == "reconcile" {
		c.Args = append(c.Args, "--since="+in.Since)
	}
	return c, nil
}

// backports keeps the pull requests for patches that labels ask for.
var backports = []string{"patch", "--labelled"}

// tokenCheck leaves it to an issue to tell which token stops working soon: a step turns red for one that does not work.
var tokenCheck = []string{"token", "check", "--fail-on=expired"}

func decide(in Inputs, e Event, cfg config.Config) (Call, error) {
	switch in.Command {
	case "auto":
		return fromEvent(in, e, cfg)
	case "release", "plan":
		return target(in.Command, in, e, "the input command")
	case "verify":
		tag := in.Tag
		if tag == "" {
			tag = e.Tag()
		}
		if tag == "" {
			return Call{}, wrongInput("tag", "", "verify needs the tag of the release to prove")
		}
		return Call{Args: []string{"verify", "--", tag}, Why: "the input command"}, nil
	}
	if args, ok := map[string][]string{"token-check": tokenCheck, "backports": backports}[in.Command]; ok {
		return Call{Args: args, Why: "the input command"}, nil
	}
	return Call{Args: []string{in.Command}, Why: "the input command"}, nil
}

// fromEvent is what `command: auto` does for each event.
func fromEvent(in Inputs, e Event, cfg config.Config) (Call, error) {
	if in.Tag != "" || in.Branch != "" {
		return target("release", in, e, "the inputs name it")
	}
	switch e.Name {
	case "pull_request", "pull_request_target", "merge_group":
		return Call{Args: []string{"check"}, Why: "a release of this state is checked"}, nil
	case "schedule":
		care := Call{Args: tokenCheck, Why: "the tokens of this step are looked after"}
		c := Call{Args: []string{"reconcile"}, Why: "tags without a finished release are looked for", Then: []Call{care}}
		if cfg.Patch.Backports {
			c.Then = append(c.Then, Call{Args: backports, Why: "merged pull requests that are labelled for a version line are picked for its next patch"})
		}
		return c, nil
	case "push", "create", "delete":
		return fromPush(in, e, cfg)
	case "workflow_dispatch":
		_, isRelease := release.BranchForm(cfg.Branches.Release).Tag(e.Branch())
		// With packages there is no checkout that says what a release branch is; the command asks the commit.
		if e.Tag() == "" && !isRelease && in.Packages == "" {
			return Call{}, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s is no release branch", shown(e.Ref)),
				Detail: "release branches here look like " + release.BranchForm(cfg.Branches.Release).Of("v0.4.0"),
				Hint:   "start the workflow on the release branch or on the tag, or give the input tag"}
		}
		return target("release", in, e, "the workflow was started on it")
	}
	return Call{}, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("the event %q does not say what to do", e.Name),
		Hint: "give the inputs command and tag or branch"}
}

// fromPush is for refs that were made, moved or deleted.
func fromPush(in Inputs, e Event, cfg config.Config) (Call, error) {
	development := cfg.Branches.Development
	if development == "" {
		development = e.DefaultBranch
	}
	switch {
	case e.Deleted:
		return Call{Why: shown(e.Ref) + " was deleted; what was released stays released"}, nil
	case e.Tag() != "" && cfg.Release.Rolling.Enabled && e.Tag() == cfg.Release.Rolling.Tag:
		return Call{Why: e.Tag() + " is the tag of the rolling pre-release, which Tagboat moves itself"}, nil
	case e.Tag() != "":
		return target("release", in, e, "the tag was pushed")
	case e.Name == "push" && e.Branch() != "" && e.Branch() == development && cfg.Release.Rolling.Enabled:
		return Call{Args: []string{"rolling"}, Why: "the development branch was pushed"}, nil
	case e.Name == "push" && e.Branch() != "" && e.Branch() == development:
		return Call{Why: "the development branch was pushed, and tagboat.toml has no rolling pre-release"}, nil
	}
	return Call{Why: shown(e.Ref) + " asks for no release"}, nil
}

// target is a command about one release: of the inputs, else of the event.
func target(command string, in Inputs, e Event, why string) (Call, error) {
	switch {
	case in.Tag != "" && in.Branch != "":
		return Call{}, &problem.Error{Kind: problem.Usage, Summary: "the inputs tag and branch exclude each other", Hint: "give tag for the first half, branch inside the release workflow"}
	case in.Tag != "":
		return Call{Args: []string{command, "--tag=" + in.Tag}, Why: why}, nil
	case in.Branch != "":
		return Call{Args: []string{command, "--branch=" + in.Branch}, Why: why}, nil
	case e.Tag() != "":
		c := Call{Args: []string{command, "--tag=" + e.Tag()}, Why: why}
		if e.Commit != "" {
			c.Args = append(c.Args, "--commit="+e.Commit)
		}
		return c, nil
	case e.Branch() != "":
		return Call{Args: []string{command, "--branch=" + e.Branch()}, Why: why}, nil
	}
	return Call{}, wrongInput("tag", "", fmt.Sprintf("the event %s names no tag and no branch: give one of the inputs tag and branch", e.Name))
}

// shown is a ref as people write it.
func shown(ref string) string {
	switch {
	case ref == "":
		return "the ref"
	case strings.HasPrefix(ref, "refs/tags/"):
		return "tag " + after(ref, "refs/tags/")
	case strings.HasPrefix(ref, "refs/heads/"):
		return "branch " + after(ref, "refs/heads/")
	}
	return ref
}

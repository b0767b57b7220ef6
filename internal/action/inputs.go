package action

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// Inputs are what a workflow gives with `with:`. The tags are the one source of action.yml: the name, the default, and
// what people read. An input that is left out arrives with its default.
type Inputs struct {
	Command   string   `input:"command" default:"auto" doc:"What to do: auto (from the event), release, check, plan, rehearse, reconcile, rolling, verify, redist (the [[redist]] tables of tagboat.toml), token-check, backports (tagboat patch --labelled)."`
	Tag       string   `input:"tag" doc:"The release tag. Default: the tag that the event names."`
	Branch    string   `input:"branch" doc:"The release branch. Default: the branch that the workflow runs on."`
	Artifacts []string `input:"artifacts" doc:"Files and folders that become assets of the release, as globs, one on each line."`
	Packages  string   `input:"packages" doc:"For release and plan: the folder that tagboat package has filled in another job, relative to working-directory. Neither a checkout nor the full image is needed then."`
	Toolchain string   `input:"toolchain-cache" doc:"A folder, relative to the workspace, in which a toolchain that rust-toolchain.toml pins and that had to be installed is kept for later steps. Who can write it decides what is published."`
	Detach    bool     `input:"detach" default:"false" doc:"true: end as soon as the release workflow has started, without following it to its end."`
	Deadline  string   `input:"deadline" default:"5h30m" doc:"End as waiting rather than run longer than this; the next run goes on from there. The default leaves half an hour of the 6 hours that GitHub gives a job: give less where timeout-minutes is less."`
	Since     string   `input:"since" default:"168h" doc:"For reconcile: how old a tag without a finished release may be."`
	Comment   bool     `input:"comment" default:"true" doc:"true: on pull requests, keep one comment with what a release of this state would do, where the token may write one."`
	Directory string   `input:"working-directory" default:"." doc:"The repository, relative to the workspace."`
	Token     string   `input:"github-token" default:"${{ github.token }}" doc:"The token for GitHub. Only a GitHub App's token or a personal one may make branches on commits that change workflow files."`
}

// Outputs are what later steps read.
type Outputs struct {
	Outcome   string `output:"outcome" doc:"released, started, planned, verified, redistributed, waiting, stopped, failed, or nothing where the event asks for nothing."`
	Tag       string `output:"tag" doc:"The release tag."`
	Version   string `output:"version" doc:"The version of the tag, such as 0.4.0."`
	Branch    string `output:"branch" doc:"The release branch."`
	Commit    string `output:"commit" doc:"The commit that is released."`
	ReleaseID string `output:"release-id" doc:"The number of the GitHub release."`
	URL       string `output:"release-url" doc:"The page of the GitHub release."`
	RunURL    string `output:"run-url" doc:"The page of the release workflow's run."`
	Crates    string `output:"crates" doc:"The crates that are published and confirmed, as JSON: [{\"name\", \"version\", \"sha256\", \"registries\": [\"crates-io\"]}]."`
	Report    string `output:"report" doc:"The path of the report, a JSON document, relative to the workspace."`
}

// commands are the values of the input command.
var commands = []string{"auto", "release", "check", "plan", "rehearse", "reconcile", "rolling", "verify", "redist", "token-check", "backports"}

// readInputs reads every input by get, which returns "" for an absent one, and refuses values that cannot be meant.
func readInputs(get func(name string) string) (Inputs, error) {
	var in Inputs
	v := reflect.ValueOf(&in).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, text := field.Tag.Get("input"), get(field.Tag.Get("input"))
		if text == "" && !strings.HasPrefix(field.Tag.Get("default"), "$") {
			text = field.Tag.Get("default")
		}
		switch field.Type.Kind() {
		case reflect.Bool:
			switch strings.ToLower(text) {
			case "true", "false":
				v.Field(i).SetBool(strings.EqualFold(text, "true"))
			default:
				return in, wrongInput(name, text, "it is true or false")
			}
		case reflect.Slice:
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); line != "" {
					v.Field(i).Set(reflect.Append(v.Field(i), reflect.ValueOf(line)))
				}
			}
		default:
			v.Field(i).SetString(text)
		}
	}
	if !slices.Contains(commands, in.Command) {
		return in, wrongInput("command", in.Command, "it is one of "+strings.Join(commands, ", "))
	}
	return in, nil
}

func wrongInput(name, value, hint string) error {
	return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("the input %s cannot be %q", name, value), Hint: hint}
}

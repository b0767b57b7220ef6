//go:build e2e

package contract

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/forge"
)

func TestMain(m *testing.M) {
	zone.Main() // a child of the build zone does not come back from here
	flag.Parse()
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	if code == 0 && whole {
		for _, gap := range seen.gaps() {
			fmt.Fprintln(os.Stderr, gap)
			code = 1
		}
		fmt.Fprintln(os.Stderr, seen.summary())
	}
	os.Exit(code)
}

// operations are what each method of the adapter asks of GitHub, by the embedded GitHub's names. A run of all tests
// must have held each of them against the description.
var operations = map[string][]string{
	"Ahead":              {"compare"},
	"Annotate":           {"create-tag", "create-ref"},
	"CommitOnBranch":     {"get-git-commit", "create-blob", "create-tree", "create-commit"}, // and GraphQL: TestGraphQL
	"CreatePull":         {"create-pull"},
	"MoveBranch":         {"get-repo"}, // and GraphQL: TestGraphQL
	"Pull":               {"get-pull"},
	"OpenPulls":          {"list-pulls"},
	"Pulls":              {"list-pulls"},
	"UpdatePull":         {"update-pull"},
	"MergedPulls":        {"issues", "get-pull"},
	"Assets":             {"list-assets"},
	"Blob":               {"get-blob"},
	"Branch":             {"get-ref"},
	"Branches":           {"list-refs"},
	"ChangedFiles":       {"compare"},
	"Comments":           {"list-comments"},
	"CloseIssue":         {"update-issue"},
	"CommitDate":         {"get-commit"},
	"Contains":           {"compare"},
	"CreateBranch":       {"create-ref", "get-ref"},
	"CreateComment":      {"create-comment"},
	"CreateDraft":        {"create-release"},
	"CreateIssue":        {"create-issue"},
	"CreateTag":          {"create-ref", "get-ref"},
	"DeleteAsset":        {"delete-asset"},
	"DeleteBranch":       {"delete-ref", "get-ref"},
	"DeleteRelease":      {"delete-release", "get-release"},
	"DeleteTag":          {"delete-ref", "get-ref"},
	"Dispatch":           {"dispatch", "list-runs"},
	"DownloadAsset":      {"get-asset"},
	"File":               {"get-contents", "get-blob"},
	"FindRelease":        {"list-releases"},
	"GenerateNotes":      {"generate-notes"},
	"Labels":             {"list-labels"},
	"List":               {"get-contents"},
	"OpenIssues":         {"issues"},
	"PutSecret":          {"put-secret", "put-environment-secret", "put-organization-secret"},
	"RateLimit":          {"rate-limit"},
	"Release":            {"get-release"},
	"Releases":           {"list-releases"},
	"ReleasesWithPrefix": {"list-releases"},
	"RenameAsset":        {"rename-asset"},
	"Repository":         {"get-repo"},
	"RulesFor":           {"get-rules"},
	"Run":                {"get-run"},
	"Runs":               {"list-runs"},
	"Secret":             {"get-secret", "get-environment-secret", "get-organization-secret", "list-secret-repositories"},
	"SecretKey":          {"get-secret-key", "get-environment-secret-key", "get-organization-secret-key"},
	"Slug":               nil,
	"Tag":                {"get-ref", "get-tag"},
	"TagNames":           {"list-refs"},
	"TokenEnds":          {"rate-limit"},
	"Tree":               {"get-tree"},
	"UpdateComment":      {"update-comment"},
	"UpdateIssue":        {"update-issue"},
	"UpdateRelease":      {"update-release", "get-release"},
	"UpdateTag":          {"update-ref", "get-ref"},
	"UploadAsset":        {"upload-asset"},
	"UpsertTag":          {"update-ref", "create-ref"},
	"WorkflowChanges":    {"get-contents"},
	"WorkflowFiles":      {"get-contents"},
	"Workflows":          {"list-workflows"},
}

// TestEveryMethod holds the list of operations against the adapter itself, so that a new method cannot be forgotten.
func TestEveryMethod(t *testing.T) {
	client := reflect.TypeFor[*forge.Client]()
	for i := range client.NumMethod() {
		if _, ok := operations[client.Method(i).Name]; !ok {
			t.Errorf("forge.Client.%s: not in the list of operations", client.Method(i).Name)
		}
	}
	for name := range operations {
		if _, ok := client.MethodByName(name); !ok {
			t.Errorf("%s is listed and no method of forge.Client", name)
		}
	}
}

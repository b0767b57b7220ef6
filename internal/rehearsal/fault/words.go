package fault

import (
	"fmt"
	"slices"
	"strings"
)

// GitHub is the service name of the forge; every other service is a registry.
const GitHub = "github"

// word is one entry of the vocabulary: what is written, what it takes, what it means.
type word struct{ name, takes, means string }

// registryOperations and githubOperations are what the twins call the requests they get.
var registryOperations = []word{
	{"config", "", "read the index's config.json"},
	{"index", "CRATE", "read a crate's index file"},
	{"publish", "CRATE", "upload a version"},
	{"may-publish", "", "ask by an upload of nothing whether the token may publish"},
	{"download", "CRATE", "download a .crate file"},
	{"yank", "CRATE", "yank a version"},
	{"unyank", "CRATE", "undo a yank"},
	{"owners", "CRATE", "list a crate's owners"},
	{"crate", "CRATE", "read what the web API says of a crate"},
	{"search", "", "search for crates"},
	{"exchange", "", "exchange a job's identity for a token of trusted publishing"},
	{"revoke", "", "revoke such a token"},
	{"entra-token", "", "exchange a job's identity for a token of Entra"},
}

var githubOperations = []word{
	{"get-repo", "", "read the repository"},
	{"get-ref", "REF", "read a ref, for instance refs/tags/v1.0.0"},
	{"list-refs", "REF", "list the refs that start with REF"},
	{"create-ref", "REF", "create a branch or a tag"},
	{"update-ref", "REF", "move a branch or a tag"},
	{"delete-ref", "REF", "delete a branch or a tag"},
	{"get-tag", "SHA", "read an annotated tag"},
	{"create-tag", "TAG", "create an annotated tag's object"},
	{"list-tags", "", "list tags"},
	{"get-branch", "BRANCH", "read a branch"},
	{"list-branches", "", "list branches"},
	{"get-commit", "REF", "read a commit"},
	{"compare", "BASE...HEAD", "compare two commits"},
	{"get-contents", "PATH", "read a file or a folder"},
	{"get-blob", "SHA", "read a file by its object id"},
	{"get-tree", "COMMIT", "list the files of a commit"},
	{"get-git-commit", "SHA", "read a commit of the git database"},
	{"create-blob", "", "store a file"},
	{"create-tree", "", "store a tree of files"},
	{"create-commit", "", "store a commit"},
	{"get-rules", "BRANCH", "read the rules of a branch"},
	{"get-immutable-releases", "", "read whether releases are immutable"},
	{"list-releases", "", "list releases, drafts included"},
	{"get-release", "TAG", "read one release"},
	{"get-release-by-tag", "TAG", "find a published release"},
	{"get-latest-release", "", "read the latest release"},
	{"create-release", "TAG", "create a release or a draft"},
	{"update-release", "TAG", "edit a release, publishing it included"},
	{"delete-release", "TAG", "delete a release"},
	{"generate-notes", "TAG", "generate release notes"},
	{"list-assets", "TAG", "list a release's assets"},
	{"upload-asset", "NAME", "upload an asset"},
	{"get-asset", "NAME", "read or download an asset"},
	{"download-asset", "NAME", "download an asset from the storage behind it"},
	{"rename-asset", "NAME", "rename an asset"},
	{"delete-asset", "NAME", "delete an asset"},
	{"release-page", "TAG", "read a release's page"},
	{"dispatch", "WORKFLOW", "start a workflow"},
	{"list-workflows", "", "list workflows"},
	{"get-workflow", "WORKFLOW", "read a workflow"},
	{"list-runs", "WORKFLOW", "list workflow runs"},
	{"get-run", "", "read one workflow run"},
	{"cancel-run", "", "cancel a workflow run"},
	{"get-secret-key", "", "read the public key for the repository's secrets"},
	{"get-secret", "NAME", "read what is told of a secret of the repository"},
	{"put-secret", "NAME", "make or replace a secret of the repository"},
	{"get-environment-secret-key", "", "read the public key for an environment's secrets"},
	{"get-environment-secret", "NAME", "read what is told of a secret of an environment"},
	{"put-environment-secret", "NAME", "make or replace a secret of an environment"},
	{"get-organization-secret-key", "", "read the public key for the organization's secrets"},
	{"get-organization-secret", "NAME", "read what is told of a secret of the organization"},
	{"put-organization-secret", "NAME", "make or replace a secret of the organization"},
	{"list-secret-repositories", "NAME", "list the repositories that see a secret of the organization"},
	{"issues", "", "list issues"},
	{"get-issue", "NUMBER", "read an issue"},
	{"create-issue", "", "open an issue"},
	{"update-issue", "NUMBER", "edit an issue"},
	{"list-issue-labels", "NUMBER", "list an issue's labels"},
	{"list-labels", "", "list labels"},
	{"list-comments", "NUMBER", "list the comments on an issue or a pull request"},
	{"create-comment", "NUMBER", "comment on an issue or a pull request"},
	{"update-comment", "ID", "edit a comment"},
	{"list-pulls", "HEAD", "list pull requests"},
	{"create-pull", "HEAD", "open a pull request"},
	{"get-pull", "NUMBER", "read a pull request"},
	{"update-pull", "NUMBER", "edit a pull request"},
	{"create-label", "NAME", "create a label"},
	{"graphql", "", "make a commit that GitHub signs, or move refs under a lock"},
	{"get-user", "", "read whose token it is"},
	{"rate-limit", "", "read the rate limits"},
	{"id-token", "", "ask for a job's identity"},
	{"jwks", "", "read the keys that sign identities"},
	{"openid-configuration", "", "read where those keys are"},
	{"git", "SERVICE", "fetch or push over git's HTTP protocol"},
}

// actions are the words after the colon.
var actions = []word{
	{"refuse", "STATUS [retry-after DURATION]", "answer STATUS and do nothing"},
	{"accept-then", "STATUS | drop", "do what was asked, then answer STATUS or close the connection"},
	{"drop", "", "close the connection and do nothing"},
	{"delay", "DURATION", "wait before doing what was asked"},
	{"lag", "DURATION", "show an accepted version in the index only later"},
	{"expire", "after N publishes | N calls | DURATION", "let the token stop to work; another token works"},
	{"die", "", "end the process before the effect"},
	{"die-after", "", "end the process after the effect, before the answer"},
}

// Operations returns the names of all operations, those of registries first.
func Operations() []string {
	return append(names(registryOperations), names(githubOperations)...)
}

func names(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.name
	}
	return out
}

func isOperation(name string) bool {
	same := func(w word) bool { return w.name == name }
	return slices.ContainsFunc(registryOperations, same) || slices.ContainsFunc(githubOperations, same)
}

// Reference returns the language's reference in Markdown, from the same tables that Parse reads.
func Reference() string {
	var b strings.Builder
	b.WriteString("A fault is one line:\n\n```\n[SERVICE] [OPERATION [ARGUMENT]] [#N | every]: ACTION\n" +
		"die before|after STEP [#N | every]\ndisk full at STEP [#N | every]\n```\n\n" +
		"SERVICE is `github` or the name of a registry; without it every service is meant. ARGUMENT and STEP are globs:\n" +
		"`*` stands for any characters, slashes included, `?` for one. STEP is the key of a step or its kind. A fault acts\n" +
		"on the first call that matches, `#N` on the N-th, `every` on all; `delay`, `lag` and `expire` last.\n" +
		"A word in double quotes is taken as a name, never as an operation or a keyword.\n")
	for _, part := range []struct {
		title string
		words []word
	}{{"Actions", actions}, {"Operations of a registry", registryOperations}, {"Operations of GitHub", githubOperations}} {
		fmt.Fprintf(&b, "\n### %s\n\n| Word | Meaning |\n|---|---|\n", part.title)
		for _, w := range part.words {
			text := strings.ReplaceAll(strings.TrimSpace(w.name+" "+w.takes), "|", `\|`)
			fmt.Fprintf(&b, "| `%s` | %s |\n", text, w.means)
		}
	}
	b.WriteString("\n### Examples\n\n```\n")
	for _, line := range examples {
		b.WriteString(line + "\n")
	}
	b.WriteString("```\n")
	return b.String()
}

// examples are shown in the reference; a test parses every one.
var examples = []string{
	"publish core: refuse 503",
	"crates-io publish core #2: accept-then 500",
	"crates-io publish *: refuse 429 retry-after 10m",
	"github upload-asset bill.json: drop",
	"github create-ref: accept-then drop",
	"github every: delay 2s",
	"publish core: die-after",
	"index: lag 30s",
	"crates-io: expire after 3 publishes",
	"die before publish/crates-io/core@0.4.0",
	"die after draft",
	"disk full at package",
}

// nearest returns the candidate that name is the start of, or else the one that differs least, or "" where none is close.
func nearest(name string, candidates []string) string {
	best, limit := "", len(name)/3+1
	for _, c := range candidates {
		if len(name) > 2 && strings.HasPrefix(c, name) {
			return c
		}
		if d := distance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

package githubtwin

import "github.com/tagboat/tagboat/internal/rehearsal/githubapi"

// row is one operation: see githubapi.Route.
type row struct {
	method, pattern, needs, op string
	arg                        func(c *call) string
	do                         func(c *call) reply
	streams                    bool
}

// table lists every operation. The order matters only where a literal segment and a parameter both match.
func (t *Twin) table() []githubapi.Route {
	const repo = "/repos/{owner}/{repo}"
	rows := []row{
		{method: "GET", pattern: "/user", op: "get-user", do: t.site.GetUser},
		{method: "GET", pattern: "/rate_limit", op: "rate-limit", do: t.site.GetRateLimit},
		{method: "GET", pattern: repo, needs: "metadata=read", op: "get-repo", do: t.site.GetRepository},

		{method: "GET", pattern: repo + "/git/ref/{ref...}", needs: "contents=read", op: "get-ref", arg: githubapi.RefParam, do: t.git.GetRef},
		{method: "GET", pattern: repo + "/git/matching-refs/{ref...}", needs: "contents=read", op: "list-refs", arg: githubapi.RefParam, do: t.git.MatchingRefs},
		{method: "POST", pattern: repo + "/git/refs", needs: "contents=write", op: "create-ref", arg: githubapi.BodyField("ref"), do: t.git.CreateRef},
		{method: "PATCH", pattern: repo + "/git/refs/{ref...}", needs: "contents=write", op: "update-ref", arg: githubapi.RefParam, do: t.git.UpdateRef},
		{method: "DELETE", pattern: repo + "/git/refs/{ref...}", needs: "contents=write", op: "delete-ref", arg: githubapi.RefParam, do: t.git.DeleteRef},
		{method: "GET", pattern: repo + "/git/tags/{sha}", needs: "contents=read", op: "get-tag", arg: githubapi.Param("sha"), do: t.git.GetTag},
		{method: "POST", pattern: repo + "/git/tags", needs: "contents=write", op: "create-tag", arg: githubapi.BodyField("tag"), do: t.git.CreateTag},
		{method: "GET", pattern: repo + "/git/blobs/{sha}", needs: "contents=read", op: "get-blob", arg: githubapi.Param("sha"), do: t.git.GetBlob},
		{method: "POST", pattern: repo + "/git/blobs", needs: "contents=write", op: "create-blob", do: t.git.CreateBlob},
		{method: "POST", pattern: repo + "/git/trees", needs: "contents=write", op: "create-tree", do: t.git.CreateTree},
		{method: "POST", pattern: repo + "/git/commits", needs: "contents=write", op: "create-commit", do: t.git.CreateGitCommit},
		{method: "GET", pattern: repo + "/git/commits/{sha}", needs: "contents=read", op: "get-git-commit", arg: githubapi.Param("sha"), do: t.git.GetGitCommit},
		{method: "GET", pattern: repo + "/git/trees/{tree...}", needs: "contents=read", op: "get-tree", arg: githubapi.Param("tree"), do: t.git.GetTree},
		{method: "GET", pattern: repo + "/tags", needs: "metadata=read", op: "list-tags", do: t.git.ListTags},
		{method: "GET", pattern: repo + "/branches", needs: "contents=read", op: "list-branches", do: t.git.ListBranches},
		{method: "GET", pattern: repo + "/branches/{branch...}", needs: "contents=read", op: "get-branch", arg: githubapi.Param("branch"), do: t.git.GetBranch},
		{method: "GET", pattern: repo + "/commits/{ref...}", needs: "contents=read", op: "get-commit", arg: githubapi.Param("ref"), do: t.git.GetCommit},
		{method: "GET", pattern: repo + "/compare/{basehead...}", needs: "contents=read", op: "compare", arg: githubapi.Param("basehead"), do: t.git.Compare},
		{method: "GET", pattern: repo + "/contents/{path...}", needs: "contents=read", op: "get-contents", arg: githubapi.Param("path"), do: t.git.GetContents},
		{method: "GET", pattern: repo + "/contents", needs: "contents=read", op: "get-contents", do: t.git.GetContents},
		{method: "GET", pattern: repo + "/rules/branches/{branch...}", needs: "metadata=read", op: "get-rules", arg: githubapi.Param("branch"), do: t.git.GetRules},
		{method: "GET", pattern: repo + "/immutable-releases", needs: "administration=read", op: "get-immutable-releases", do: t.getImmutable},

		{method: "GET", pattern: repo + "/releases", needs: "contents=read", op: "list-releases", do: t.listReleases},
		{method: "POST", pattern: repo + "/releases", needs: "contents=write", op: "create-release", arg: githubapi.BodyField("tag_name"), do: t.createRelease},
		{method: "POST", pattern: repo + "/releases/generate-notes", needs: "contents=write", op: "generate-notes", arg: githubapi.BodyField("tag_name"), do: t.generateNotes},
		{method: "GET", pattern: repo + "/releases/latest", needs: "contents=read", op: "get-latest-release", do: t.getLatest},
		{method: "GET", pattern: repo + "/releases/tags/{tag...}", needs: "contents=read", op: "get-release-by-tag", arg: githubapi.Param("tag"), do: t.getByTag},
		{method: "GET", pattern: repo + "/releases/assets/{asset}", needs: "contents=read", op: "get-asset", arg: t.assetArg, do: t.getAsset},
		{method: "PATCH", pattern: repo + "/releases/assets/{asset}", needs: "contents=write", op: "rename-asset", arg: t.assetArg, do: t.renameAsset},
		{method: "DELETE", pattern: repo + "/releases/assets/{asset}", needs: "contents=write", op: "delete-asset", arg: t.assetArg, do: t.deleteAsset},
		{method: "GET", pattern: repo + "/releases/{release}", needs: "contents=read", op: "get-release", arg: t.releaseArg, do: t.getRelease},
		{method: "PATCH", pattern: repo + "/releases/{release}", needs: "contents=write", op: "update-release", arg: t.releaseArg, do: t.updateRelease},
		{method: "DELETE", pattern: repo + "/releases/{release}", needs: "contents=write", op: "delete-release", arg: t.releaseArg, do: t.deleteRelease},
		{method: "GET", pattern: repo + "/releases/{release}/assets", needs: "contents=read", op: "list-assets", arg: t.releaseArg, do: t.listAssets},
		{method: "POST", pattern: "/uploads" + repo + "/releases/{release}/assets", needs: "contents=write", op: "upload-asset", arg: githubapi.QueryArg("name"), do: t.uploadAsset, streams: true},

		{method: "GET", pattern: repo + "/actions/workflows", needs: "actions=read", op: "list-workflows", do: t.runs.ListWorkflows},
		{method: "GET", pattern: repo + "/actions/workflows/{workflow}", needs: "actions=read", op: "get-workflow", arg: githubapi.Param("workflow"), do: t.runs.GetWorkflow},
		{method: "POST", pattern: repo + "/actions/workflows/{workflow}/dispatches", needs: "actions=write", op: "dispatch", arg: githubapi.Param("workflow"), do: t.runs.Dispatch},
		{method: "GET", pattern: repo + "/actions/workflows/{workflow}/runs", needs: "actions=read", op: "list-runs", arg: githubapi.Param("workflow"), do: t.runs.ListRuns},
		{method: "GET", pattern: repo + "/actions/runs", needs: "actions=read", op: "list-runs", do: t.runs.ListRuns},
		{method: "GET", pattern: repo + "/actions/runs/{run}", needs: "actions=read", op: "get-run", do: t.runs.GetRun},
		{method: "POST", pattern: repo + "/actions/runs/{run}/cancel", needs: "actions=write", op: "cancel-run", do: t.runs.CancelRun},

		{method: "GET", pattern: repo + "/actions/secrets/public-key", needs: "secrets=read", op: "get-secret-key", do: t.secrets.Key},
		{method: "GET", pattern: repo + "/actions/secrets/{name}", needs: "secrets=read", op: "get-secret", arg: githubapi.Param("name"), do: t.secrets.Get},
		{method: "PUT", pattern: repo + "/actions/secrets/{name}", needs: "secrets=write", op: "put-secret", arg: githubapi.Param("name"), do: t.secrets.Put},
		{method: "GET", pattern: repo + "/environments/{environment}/secrets/public-key", needs: "environments=read", op: "get-environment-secret-key", do: t.secrets.Key},
		{method: "GET", pattern: repo + "/environments/{environment}/secrets/{name}", needs: "environments=read", op: "get-environment-secret", arg: githubapi.Param("name"), do: t.secrets.Get},
		{method: "PUT", pattern: repo + "/environments/{environment}/secrets/{name}", needs: "environments=write", op: "put-environment-secret", arg: githubapi.Param("name"), do: t.secrets.Put},
		{method: "GET", pattern: "/orgs/{org}/actions/secrets/public-key", needs: "organization_secrets=read", op: "get-organization-secret-key", do: t.secrets.Key},
		{method: "GET", pattern: "/orgs/{org}/actions/secrets/{name}", needs: "organization_secrets=read", op: "get-organization-secret", arg: githubapi.Param("name"), do: t.secrets.Get},
		{method: "PUT", pattern: "/orgs/{org}/actions/secrets/{name}", needs: "organization_secrets=write", op: "put-organization-secret", arg: githubapi.Param("name"), do: t.secrets.Put},
		{method: "GET", pattern: "/orgs/{org}/actions/secrets/{name}/repositories", needs: "organization_secrets=read", op: "list-secret-repositories", arg: githubapi.Param("name"), do: t.secrets.Repositories},

		{method: "GET", pattern: repo + "/issues", needs: "issues=read", op: "issues", do: t.listIssues},
		{method: "POST", pattern: repo + "/issues", needs: "issues=write", op: "create-issue", do: t.createIssue},
		{method: "GET", pattern: repo + "/issues/{number}", needs: "issues=read", op: "get-issue", arg: githubapi.Param("number"), do: t.getIssue},
		{method: "PATCH", pattern: repo + "/issues/{number}", needs: "issues=write", op: "update-issue", arg: githubapi.Param("number"), do: t.updateIssue},
		{method: "GET", pattern: repo + "/issues/{number}/labels", needs: "issues=read", op: "list-issue-labels", arg: githubapi.Param("number"), do: t.issueLabels},
		{method: "GET", pattern: repo + "/issues/{number}/comments", needs: "issues=read", op: "list-comments", arg: githubapi.Param("number"), do: t.listComments},
		{method: "POST", pattern: repo + "/issues/{number}/comments", needs: "issues=write; pull_requests=write", op: "create-comment", arg: githubapi.Param("number"), do: t.createComment},
		{method: "PATCH", pattern: repo + "/issues/comments/{comment}", needs: "issues=write; pull_requests=write", op: "update-comment", arg: githubapi.Param("comment"), do: t.updateComment},
		{method: "GET", pattern: repo + "/labels", needs: "issues=read; pull_requests=read", op: "list-labels", do: t.listLabels},
		{method: "POST", pattern: repo + "/labels", needs: "issues=write", op: "create-label", arg: githubapi.BodyField("name"), do: t.createLabel},

		{method: "GET", pattern: repo + "/pulls", needs: "pull_requests=read", op: "list-pulls", arg: githubapi.QueryArg("head"), do: t.listPulls},
		{method: "POST", pattern: repo + "/pulls", needs: "pull_requests=write", op: "create-pull", arg: githubapi.BodyField("head"), do: t.createPull},
		{method: "GET", pattern: repo + "/pulls/{number}", needs: "pull_requests=read", op: "get-pull", arg: githubapi.Param("number"), do: t.getPull},
		{method: "PATCH", pattern: repo + "/pulls/{number}", needs: "pull_requests=write", op: "update-pull", arg: githubapi.Param("number"), do: t.updatePull},
		{method: "POST", pattern: "/graphql", op: "graphql", do: t.git.GraphQL},

		{method: "GET", pattern: "/storage/{owner}/{repo}/{ticket}", op: "download-asset", arg: t.ticketArg, do: t.redeem, streams: true},
		{method: "GET", pattern: "/{owner}/{repo}/releases/tag/{tag...}", op: "release-page", arg: githubapi.Param("tag"), do: t.releasePage},
		{method: "GET", pattern: "/{owner}/{repo}/releases/download/{tag}/{name}", op: "download-asset", arg: githubapi.Param("name"), do: t.download},
		{method: "GET", pattern: "/{owner}/{repo}/raw/{ref}/{path...}", op: "get-contents", arg: githubapi.Param("path"), do: t.git.RawFile},
		{method: "GET", pattern: "/{owner}/{git}/info/refs", op: "git", arg: githubapi.QueryArg("service"), do: t.git.SmartHTTP, streams: true},
		{method: "POST", pattern: "/{owner}/{git}/{service}", op: "git", arg: githubapi.Param("service"), do: t.git.SmartHTTP, streams: true},
	}
	routes := make([]githubapi.Route, len(rows))
	for i, r := range rows {
		routes[i] = githubapi.Route{Method: r.method, Pattern: r.pattern, Needs: r.needs, Op: r.op, Arg: r.arg, Do: r.do, Streams: r.streams}
	}
	return routes
}

func (t *Twin) assetArg(c *call) string {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if a := t.assets[githubapi.Number(c.Params["asset"])]; a != nil {
		return a.name
	}
	return ""
}

func (t *Twin) ticketArg(c *call) string {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if a := t.assets[t.tickets[c.Params["ticket"]].asset]; a != nil {
		return a.name
	}
	return ""
}

func (t *Twin) releaseArg(c *call) string {
	t.site.Mu.Lock()
	defer t.site.Mu.Unlock()
	if r := t.releases[githubapi.Number(c.Params["release"])]; r != nil {
		return r.tag
	}
	return ""
}

package githubtwin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// route is one operation. Pattern segments in braces are parameters; the last may be {name...}. Needs is the permission as
// x-accepted-github-permissions names it. Op and arg make the operation's name for faults and counters.
type route struct {
	method, pattern, needs, op string
	arg                        func(t *Twin, c *call) string
	do                         func(c *call) reply
	streams                    bool // takes the lock itself
	segments                   []string
}

// table lists every operation. The order matters only where a literal segment and a parameter both match.
func (t *Twin) table() []route {
	const repo = "/repos/{owner}/{repo}"
	table := []route{
		{method: "GET", pattern: "/user", op: "get-user", do: t.getUser},
		{method: "GET", pattern: "/rate_limit", op: "rate-limit", do: t.getRateLimit},
		{method: "GET", pattern: repo, needs: "metadata=read", op: "get-repo", do: t.getRepository},

		{method: "GET", pattern: repo + "/git/ref/{ref...}", needs: "contents=read", op: "get-ref", arg: refParam, do: t.getRef},
		{method: "GET", pattern: repo + "/git/matching-refs/{ref...}", needs: "contents=read", op: "list-refs", arg: refParam, do: t.matchingRefs},
		{method: "POST", pattern: repo + "/git/refs", needs: "contents=write", op: "create-ref", arg: bodyField("ref"), do: t.createRef},
		{method: "PATCH", pattern: repo + "/git/refs/{ref...}", needs: "contents=write", op: "update-ref", arg: refParam, do: t.updateRef},
		{method: "DELETE", pattern: repo + "/git/refs/{ref...}", needs: "contents=write", op: "delete-ref", arg: refParam, do: t.deleteRef},
		{method: "GET", pattern: repo + "/git/tags/{sha}", needs: "contents=read", op: "get-tag", arg: param("sha"), do: t.getTag},
		{method: "POST", pattern: repo + "/git/tags", needs: "contents=write", op: "create-tag", arg: bodyField("tag"), do: t.createTag},
		{method: "GET", pattern: repo + "/tags", needs: "metadata=read", op: "list-tags", do: t.listTags},
		{method: "GET", pattern: repo + "/branches", needs: "contents=read", op: "list-branches", do: t.listBranches},
		{method: "GET", pattern: repo + "/branches/{branch...}", needs: "contents=read", op: "get-branch", arg: param("branch"), do: t.getBranch},
		{method: "GET", pattern: repo + "/commits/{ref...}", needs: "contents=read", op: "get-commit", arg: param("ref"), do: t.getCommit},
		{method: "GET", pattern: repo + "/compare/{basehead...}", needs: "contents=read", op: "compare", arg: param("basehead"), do: t.compare},
		{method: "GET", pattern: repo + "/contents/{path...}", needs: "contents=read", op: "get-contents", arg: param("path"), do: t.getContents},
		{method: "GET", pattern: repo + "/contents", needs: "contents=read", op: "get-contents", do: t.getContents},
		{method: "GET", pattern: repo + "/rules/branches/{branch...}", needs: "metadata=read", op: "get-rules", arg: param("branch"), do: t.getRules},
		{method: "GET", pattern: repo + "/immutable-releases", needs: "administration=read", op: "get-immutable-releases", do: t.getImmutable},

		{method: "GET", pattern: repo + "/releases", needs: "contents=read", op: "list-releases", do: t.listReleases},
		{method: "POST", pattern: repo + "/releases", needs: "contents=write", op: "create-release", arg: bodyField("tag_name"), do: t.createRelease},
		{method: "POST", pattern: repo + "/releases/generate-notes", needs: "contents=write", op: "generate-notes", arg: bodyField("tag_name"), do: t.generateNotes},
		{method: "GET", pattern: repo + "/releases/latest", needs: "contents=read", op: "get-latest-release", do: t.getLatest},
		{method: "GET", pattern: repo + "/releases/tags/{tag...}", needs: "contents=read", op: "get-release-by-tag", arg: param("tag"), do: t.getByTag},
		{method: "GET", pattern: repo + "/releases/assets/{asset}", needs: "contents=read", op: "get-asset", arg: assetArg, do: t.getAsset},
		{method: "PATCH", pattern: repo + "/releases/assets/{asset}", needs: "contents=write", op: "rename-asset", arg: assetArg, do: t.renameAsset},
		{method: "DELETE", pattern: repo + "/releases/assets/{asset}", needs: "contents=write", op: "delete-asset", arg: assetArg, do: t.deleteAsset},
		{method: "GET", pattern: repo + "/releases/{release}", needs: "contents=read", op: "get-release", arg: releaseArg, do: t.getRelease},
		{method: "PATCH", pattern: repo + "/releases/{release}", needs: "contents=write", op: "update-release", arg: releaseArg, do: t.updateRelease},
		{method: "DELETE", pattern: repo + "/releases/{release}", needs: "contents=write", op: "delete-release", arg: releaseArg, do: t.deleteRelease},
		{method: "GET", pattern: repo + "/releases/{release}/assets", needs: "contents=read", op: "list-assets", arg: releaseArg, do: t.listAssets},
		{method: "POST", pattern: "/uploads" + repo + "/releases/{release}/assets", needs: "contents=write", op: "upload-asset", arg: queryArg("name"), do: t.uploadAsset, streams: true},

		{method: "GET", pattern: repo + "/actions/workflows", needs: "actions=read", op: "list-workflows", do: t.listWorkflows},
		{method: "GET", pattern: repo + "/actions/workflows/{workflow}", needs: "actions=read", op: "get-workflow", arg: param("workflow"), do: t.getWorkflow},
		{method: "POST", pattern: repo + "/actions/workflows/{workflow}/dispatches", needs: "actions=write", op: "dispatch", arg: param("workflow"), do: t.dispatch},
		{method: "GET", pattern: repo + "/actions/workflows/{workflow}/runs", needs: "actions=read", op: "list-runs", arg: param("workflow"), do: t.listRuns},
		{method: "GET", pattern: repo + "/actions/runs", needs: "actions=read", op: "list-runs", do: t.listRuns},
		{method: "GET", pattern: repo + "/actions/runs/{run}", needs: "actions=read", op: "get-run", do: t.getRun},
		{method: "POST", pattern: repo + "/actions/runs/{run}/cancel", needs: "actions=write", op: "cancel-run", do: t.cancelRun},

		{method: "GET", pattern: repo + "/issues", needs: "issues=read", op: "issues", do: t.listIssues},
		{method: "POST", pattern: repo + "/issues", needs: "issues=write", op: "create-issue", do: t.createIssue},
		{method: "GET", pattern: repo + "/issues/{number}", needs: "issues=read", op: "get-issue", arg: param("number"), do: t.getIssue},
		{method: "PATCH", pattern: repo + "/issues/{number}", needs: "issues=write", op: "update-issue", arg: param("number"), do: t.updateIssue},
		{method: "GET", pattern: repo + "/issues/{number}/labels", needs: "issues=read", op: "list-issue-labels", arg: param("number"), do: t.issueLabels},
		{method: "GET", pattern: repo + "/labels", needs: "issues=read", op: "list-labels", do: t.listLabels},
		{method: "POST", pattern: repo + "/labels", needs: "issues=write", op: "create-label", arg: bodyField("name"), do: t.createLabel},

		{method: "GET", pattern: "/storage/{owner}/{repo}/{ticket}", op: "download-asset", arg: ticketArg, do: t.redeem, streams: true},
		{method: "GET", pattern: "/{owner}/{repo}/releases/tag/{tag...}", op: "release-page", arg: param("tag"), do: t.releasePage},
		{method: "GET", pattern: "/{owner}/{repo}/releases/download/{tag}/{name}", op: "download-asset", arg: param("name"), do: t.download},
		{method: "GET", pattern: "/{owner}/{repo}/raw/{ref}/{path...}", op: "get-contents", arg: param("path"), do: t.rawFile},
		{method: "GET", pattern: "/{owner}/{git}/info/refs", op: "git", arg: queryArg("service"), do: t.smartHTTP, streams: true},
		{method: "POST", pattern: "/{owner}/{git}/{service}", op: "git", arg: param("service"), do: t.smartHTTP, streams: true},
	}
	for i := range table {
		table[i].segments = strings.Split(table[i].pattern[1:], "/")
	}
	return table
}

// find returns the route of a request with its parameters, or nil. The alias prefixes of an Enterprise Server are dropped.
func (t *Twin) find(r *http.Request) (*route, map[string]string) {
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, "/api/v3/"); ok {
		path = "/" + rest
	} else if rest, ok := strings.CutPrefix(path, "/api/uploads/"); ok {
		path = "/uploads/" + rest
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i := range t.routes {
		if t.routes[i].method != r.Method && (r.Method != http.MethodHead || t.routes[i].method != http.MethodGet) {
			continue
		}
		if params, ok := match(t.routes[i].segments, segments); ok && t.mine(params) {
			return &t.routes[i], params
		}
	}
	return nil, nil
}

func (t *Twin) mine(params map[string]string) bool {
	owner, has := params["owner"]
	if !has {
		return true
	}
	name := params["repo"]
	if git, ok := params["git"]; ok {
		name = strings.TrimSuffix(git, ".git")
	}
	return strings.EqualFold(owner, t.cfg.Owner) && strings.EqualFold(name, t.cfg.Repo)
}

func match(pattern, path []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, p := range pattern {
		name, isParam := strings.CutPrefix(p, "{")
		if i >= len(path) || !isParam && path[i] != p {
			return nil, false
		}
		if !isParam {
			continue
		}
		value := path[i]
		name, rest := strings.CutSuffix(strings.TrimSuffix(name, "}"), "...")
		if rest {
			value = strings.Join(path[i:], "/")
		}
		plain, err := url.PathUnescape(value)
		if err != nil || plain == "" {
			return nil, false
		}
		params[name] = plain
		if rest {
			return params, true
		}
	}
	return params, len(pattern) == len(path)
}

// Op names the operation of a request for faults and counters: "get-repo", "create-ref refs/heads/release/v1.0.0",
// "create-release v1.0.0", "upload-asset core-1.0.0.crate", "dispatch release.yml", and so on; "" for what the twin
// does not know. Refs are full names. The request stays usable: a JSON body that was read is put back.
func (t *Twin) Op(r *http.Request) string {
	found, params := t.find(r)
	if found == nil {
		return ""
	}
	c := &call{Request: r, params: params, route: found}
	if found.arg == nil {
		return found.op
	}
	if arg := found.arg(t, c); arg != "" {
		return found.op + " " + arg
	}
	return found.op
}

func param(name string) func(*Twin, *call) string {
	return func(_ *Twin, c *call) string { return c.params[name] }
}

func queryArg(name string) func(*Twin, *call) string {
	return func(_ *Twin, c *call) string { return c.URL.Query().Get(name) }
}

func refParam(_ *Twin, c *call) string { return "refs/" + c.params["ref"] }

func bodyField(name string) func(*Twin, *call) string {
	return func(_ *Twin, c *call) string {
		read, err := io.ReadAll(io.LimitReader(c.Body, maxBody))
		c.Request.Body = putBack{io.MultiReader(bytes.NewReader(read), errorReader{err}, c.Body), c.Body}
		var fields map[string]any
		if json.Unmarshal(read, &fields) != nil {
			return ""
		}
		s, _ := fields[name].(string)
		return s
	}
}

// putBack is a body whose beginning was read already.
type putBack struct {
	io.Reader
	io.Closer
}

// errorReader repeats the error that ended an earlier reading, if there was one.
type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

func assetArg(t *Twin, c *call) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.assets[number(c.params["asset"])]; a != nil {
		return a.name
	}
	return ""
}

func ticketArg(t *Twin, c *call) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.assets[t.tickets[c.params["ticket"]].asset]; a != nil {
		return a.name
	}
	return ""
}

func releaseArg(t *Twin, c *call) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.releases[number(c.params["release"])]; r != nil {
		return r.tag
	}
	return ""
}

// number reads an id; what is no number is 0, which nothing has.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

package githubtwin_test

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

func TestPermissions(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) {
		c.Tokens = map[string]githubtwin.Permissions{
			"reader": {"contents": "read"},
			"writer": {"contents": "write", "actions": "write"},
			"owner":  {"contents": "write", "workflows": "write", "administration": "read"},
		}
	})
	ref := func(sha string) obj { return obj{"ref": "refs/heads/x", "sha": sha} }
	w.token = "nobody"
	w.want(401, "Bad credentials", "GET", "", nil)
	w.token = ""
	w.want(200, `"push":false`, "GET", "", nil)
	w.want(401, "Requires authentication", "POST", "/git/refs", ref(w.head))
	w.token = "reader"
	if a := w.want(403, "Resource not accessible by integration", "POST", "/git/refs", ref(w.head)); a.header.Get("X-Accepted-Github-Permissions") != "contents=write" {
		t.Errorf("accepted permissions: %q", a.header.Get("X-Accepted-Github-Permissions"))
	}
	w.want(403, "", "POST", dispatches, obj{"ref": "main"})
	w.want(403, "", "GET", "/immutable-releases", nil)
	w.token = "writer"
	if a := w.want(403, "Resource not accessible by integration", "POST", "/git/refs", ref(w.side)); !strings.Contains(a.header.Get("X-Accepted-Github-Permissions"), "workflows=write") {
		t.Errorf("the trap does not name the permission: %q", a.header.Get("X-Accepted-Github-Permissions"))
	}
	if a := w.want(404, "Not Found", "POST", "/releases", obj{"tag_name": "v1", "target_commitish": "side"}); !strings.Contains(a.header.Get("X-Accepted-Github-Permissions"), "workflows=write") {
		t.Errorf("the trap does not name the permission: %q", a.header.Get("X-Accepted-Github-Permissions"))
	}
	if err := w.twin.PushTag(t.Context(), "v1", w.side); err != nil {
		t.Fatal(err)
	}
	w.want(201, "v1", "POST", "/releases", obj{"tag_name": "v1"}) // no target: the default branch is looked at
	w.want(201, "", "POST", "/git/refs", ref(w.second))           // fewer workflow files are no difference
	w.want(404, "Not Found", "GET", "/immutable-releases", nil, "Authorization: token owner")
	w.token = "owner"
	w.want(201, "", "POST", "/git/refs", obj{"ref": "refs/heads/y", "sha": w.side})
}

func TestPrivate(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) {
		c.Private = true
		c.Tokens = map[string]githubtwin.Permissions{"reader": {"contents": "read"}, "other": {"issues": "read"}}
	})
	w.token = ""
	w.want(404, "Not Found", "GET", "", nil)
	w.want(404, "", "GET", "/git/ref/heads/main", nil)
	w.token = "reader"
	w.want(200, `"private":true`, "GET", "", nil)
	w.want(200, "", "GET", "/git/ref/heads/main", nil)
	w.want(403, "", "GET", "/issues", nil)
	w.token = "other"
	w.want(403, "", "GET", "/git/ref/heads/main", nil)
}

func TestLimits(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) {
		c.Limits = githubtwin.Limits{PerHour: 8, WritesPerMinute: 2, SecondaryStatus: 429}
	})
	w.draft("v1")
	w.draft("v2")
	if a := w.want(429, "secondary rate limit", "POST", "/releases", obj{"tag_name": "v3"}); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for range 5 {
		w.want(200, "", "GET", "", nil)
	}
	a := w.want(403, "API rate limit exceeded", "GET", "", nil)
	if a.header.Get("X-Ratelimit-Remaining") != "0" || a.header.Get("X-Ratelimit-Reset") == "" || a.header.Get("X-Ratelimit-Limit") != "8" {
		t.Errorf("headers: %v", a.header)
	}
	if a := w.want(200, `"remaining":0`, "GET", "//rate_limit", nil); a.header.Get("X-Github-Request-Id") == "" {
		t.Error("no request id")
	}
}

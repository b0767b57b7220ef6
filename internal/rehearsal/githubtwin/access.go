package githubtwin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// meter is what one token has used of its limits.
type meter struct {
	resets time.Time
	used   int
	writes []time.Time // content-creating requests of the last minute
}

// admit checks credentials, limits and permissions. A reply with status 0 lets the call through.
func (t *Twin) admit(c *call) reply {
	c.token = credential(c.Request)
	perms, known := t.cfg.Tokens[c.token]
	c.perms, c.all = perms, c.token != "" && len(t.cfg.Tokens) == 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.route != nil {
		t.requests[c.route.op]++
	}
	isAPI := c.route == nil || c.route.needs != "" || strings.HasPrefix(c.route.pattern, "/user") || strings.HasPrefix(c.route.pattern, "/rate")
	switch {
	case !isAPI:
		return reply{} // pages, downloads and git ask for what they need themselves
	case c.token != "" && !known && !c.all:
		return fail(http.StatusUnauthorized, "Bad credentials")
	}
	h := c.w.Header()
	h.Set("X-Github-Api-Version-Selected", c.version())
	if rep := t.meterIt(c, h); rep.status != 0 {
		return rep
	}
	if c.route == nil {
		return notFound()
	}
	h.Set("X-Accepted-Github-Permissions", c.route.needs)
	permission, level, _ := strings.Cut(c.route.needs, "=")
	return t.allowed(c, permission, level)
}

func (c *call) version() string {
	if v := c.Header.Get("X-GitHub-Api-Version"); v != "" {
		return v
	}
	return "2022-11-28"
}

// credential returns the token of the request in any of the forms GitHub takes, or "".
func credential(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "token") {
		return strings.TrimSpace(token)
	}
	return ""
}

// allowed refuses what the credential may not do: what it must not even know about is 404.
func (t *Twin) allowed(c *call, permission, level string) reply {
	switch {
	case permission == "" || t.may(c, permission, level):
		return reply{}
	case c.token == "" && t.cfg.Private:
		return notFound()
	case c.token == "":
		return fail(http.StatusUnauthorized, "Requires authentication")
	}
	return fail(http.StatusForbidden, "Resource not accessible by integration")
}

// may reports whether the credential has a permission. What is public needs none to be read.
func (t *Twin) may(c *call, permission, level string) bool {
	if c.all || level == "read" && !t.cfg.Private && permission != "administration" {
		return true
	}
	if permission == "metadata" {
		return c.perms != nil // every installation may read metadata
	}
	has := c.perms[permission]
	return has == "write" || has == "admin" || has == level
}

// meterIt counts the request against the token's limits and tells their state.
func (t *Twin) meterIt(c *call, h http.Header) reply {
	m := t.meters[c.token]
	if m == nil || !time.Now().Before(m.resets) {
		m = &meter{resets: now().Add(time.Hour), writes: slices.Clone(m.recent())}
		t.meters[c.token] = m
	}
	limit := t.cfg.Limits.PerHour
	free := c.route != nil && c.route.op == "rate-limit"
	exhausted := m.used >= limit
	if !free && !exhausted {
		m.used++
	}
	h.Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(limit-m.used))
	h.Set("X-Ratelimit-Used", strconv.Itoa(m.used))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(m.resets.Unix(), 10))
	h.Set("X-Ratelimit-Resource", "core")
	if exhausted && !free {
		return fail(http.StatusForbidden, "API rate limit exceeded for installation.")
	}
	if c.Method == http.MethodGet || c.Method == http.MethodHead || t.cfg.Limits.WritesPerMinute == 0 {
		return reply{}
	}
	m.writes = m.recent()
	if len(m.writes) >= t.cfg.Limits.WritesPerMinute {
		h.Set("Retry-After", strconv.Itoa(int(time.Until(m.writes[0].Add(time.Minute)).Seconds())+1))
		return fail(t.cfg.Limits.SecondaryStatus, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	}
	m.writes = append(m.writes, time.Now())
	return reply{}
}

func (m *meter) recent() []time.Time {
	if m == nil {
		return nil
	}
	return slices.DeleteFunc(m.writes, func(at time.Time) bool { return time.Since(at) >= time.Minute })
}

func (t *Twin) getRateLimit(c *call) reply {
	m := t.meters[c.token]
	core := object{"limit": t.cfg.Limits.PerHour, "remaining": t.cfg.Limits.PerHour - m.used, "used": m.used, "reset": m.resets.Unix()}
	search := object{"limit": 30, "remaining": 30, "used": 0, "reset": now().Add(time.Minute).Unix()}
	return ok(object{"resources": object{"core": core, "search": search}, "rate": core})
}

// workflowTrap refuses a ref or a release on a commit whose workflow files differ from those of the default branch, for
// tokens without workflows:write. GITHUB_TOKEN can never have it. Refs answer 403, releases 404; both name the permission.
func (t *Twin) workflowTrap(c *call, commit string, status int) (reply, error) {
	if t.may(c, "workflows", "write") {
		return reply{}, nil
	}
	head, err := gitstore.Resolve(c.Context(), t.cfg.Refs, "refs/heads/"+t.cfg.DefaultBranch)
	if err != nil || head == commit {
		return reply{}, ignoreMissing(err)
	}
	differ, err := t.workflowsDiffer(c.Context(), head, commit)
	if err != nil || !differ {
		return reply{}, err
	}
	rep := notFound()
	if status == http.StatusForbidden {
		rep = fail(status, "Resource not accessible by integration")
	}
	rep.header = map[string]string{"X-Accepted-Github-Permissions": "contents=write; contents=write,workflows=write"}
	return rep, nil
}

func ignoreMissing(err error) error {
	if err == gitstore.ErrNotFound {
		return nil
	}
	return err
}

func (t *Twin) workflowsDiffer(ctx context.Context, base, commit string) (bool, error) {
	const folder = ".github/workflows/"
	known := map[string]string{}
	tree, err := t.cfg.Refs.Tree(ctx, base)
	if err != nil {
		return false, err
	}
	for _, e := range tree {
		known[e.Path] = e.SHA
	}
	if tree, err = t.cfg.Refs.Tree(ctx, commit); err != nil {
		return false, err
	}
	return slices.ContainsFunc(tree, func(e gitstore.Entry) bool {
		return strings.HasPrefix(e.Path, folder) && known[e.Path] != e.SHA
	}), nil
}

package githubapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meter is what one token has used of its limits.
type meter struct {
	resets time.Time
	used   int
	writes []time.Time // content-creating requests of the last minute
}

// admit checks credentials, limits and permissions. A Reply with status 0 lets the Call through.
func (s *Site) admit(c *Call) Reply {
	c.Token = credential(c.Request)
	perms, known := s.Tokens[c.Token]
	end, ends := s.TokenEnds[c.Token]
	c.perms, c.all = perms, c.Token != "" && len(s.Tokens) == 0
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if c.route != nil {
		s.requests[c.route.Op]++
	}
	isAPI := c.route == nil || c.route.Needs != "" || strings.HasPrefix(c.route.Pattern, "/user") || strings.HasPrefix(c.route.Pattern, "/rate")
	switch {
	case !isAPI:
		return Reply{} // pages, downloads and git ask for what they need themselves
	case c.Token != "" && !known && !c.all, ends && !time.Now().Before(end):
		return Fail(http.StatusUnauthorized, "Bad credentials")
	}
	h := c.W.Header()
	if ends {
		h.Set("GitHub-Authentication-Token-Expiration", end.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	h.Set("X-Github-Api-Version-Selected", c.Version())
	if rep := s.meterIt(c, h); rep.Status != 0 {
		return rep
	}
	if c.route == nil {
		return NotFound()
	}
	h.Set("X-Accepted-Github-Permissions", c.route.Needs)
	var refused Reply
	for either := range strings.SplitSeq(c.route.Needs, "; ") {
		permission, level, _ := strings.Cut(either, "=")
		if refused = s.Allowed(c, permission, level); refused.Status == 0 {
			break
		}
	}
	return refused
}

// Version is the API version that the caller asked for.
func (c *Call) Version() string {
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

// Allowed refuses what the credential may not do: what it must not even know about is 404.
func (s *Site) Allowed(c *Call, permission, level string) Reply {
	switch {
	case permission == "" || s.May(c, permission, level):
		return Reply{}
	case c.Token == "" && s.Private:
		return NotFound()
	case c.Token == "":
		return Fail(http.StatusUnauthorized, "Requires authentication")
	}
	return Fail(http.StatusForbidden, "Resource not accessible by integration")
}

// guarded are the permissions that reading asks for in a public repository, too.
var guarded = []string{"administration", "secrets", "environments", "organization_secrets"}

// May reports whether the credential has a permission. What is public needs none to be read.
func (s *Site) May(c *Call, permission, level string) bool {
	if c.all || level == "read" && !s.Private && !slices.Contains(guarded, permission) {
		return true
	}
	if permission == "metadata" {
		return c.perms != nil // every installation may read metadata
	}
	has := c.perms[permission]
	return has == "write" || has == "admin" || has == level
}

// meterIt counts the request against the token's limits and tells their state.
func (s *Site) meterIt(c *Call, h http.Header) Reply {
	m := s.meters[c.Token]
	if m == nil || !time.Now().Before(m.resets) {
		m = &meter{resets: Now().Add(time.Hour), writes: slices.Clone(m.recent())}
		s.meters[c.Token] = m
	}
	limit := s.Limits.PerHour
	free := c.route != nil && c.route.Op == "rate-limit"
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
		return Fail(http.StatusForbidden, "API rate limit exceeded for installation.")
	}
	if c.Method == http.MethodGet || c.Method == http.MethodHead || s.Limits.WritesPerMinute == 0 {
		return Reply{}
	}
	m.writes = m.recent()
	if len(m.writes) >= s.Limits.WritesPerMinute {
		h.Set("Retry-After", strconv.Itoa(int(time.Until(m.writes[0].Add(time.Minute)).Seconds())+1))
		return Fail(s.Limits.SecondaryStatus, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	}
	m.writes = append(m.writes, time.Now())
	return Reply{}
}

func (m *meter) recent() []time.Time {
	if m == nil {
		return nil
	}
	return slices.DeleteFunc(m.writes, func(at time.Time) bool { return time.Since(at) >= time.Minute })
}

// GetRateLimit is the operation /rate_limit.
func (s *Site) GetRateLimit(c *Call) Reply {
	m := s.meters[c.Token]
	core := Object{"limit": s.Limits.PerHour, "remaining": s.Limits.PerHour - m.used, "used": m.used, "reset": m.resets.Unix()}
	search := Object{"limit": 30, "remaining": 30, "used": 0, "reset": Now().Add(time.Minute).Unix()}
	return OK(Object{"resources": Object{"core": core, "search": search}, "rate": core})
}

// Known reports whether the request's token is one that exists.
func (c *Call) Known() bool { return c.perms != nil || c.all }

// Insider is a call that the world makes to itself: it may see everything. Root is how payloads name the server.
func (s *Site) Insider(ctx context.Context, root string) *Call {
	return &Call{Request: (&http.Request{}).WithContext(ctx), all: true, URLs: s.URLsAt(root, "")}
}

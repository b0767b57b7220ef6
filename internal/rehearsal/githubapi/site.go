// Package githubapi is the front of an embedded GitHub: routes, credentials, permissions, rate limits and the form of
// every answer, and the little state that all parts of one repository share. What the operations do is in its siblings.
package githubapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Permissions maps a permission ("contents", "actions", "issues", "workflows", "administration") to "read" or "write".
type Permissions map[string]string

// Limits are the rate limits of each token. Zero values are GitHub's for an App installation, without a secondary one.
type Limits struct {
	PerHour         int // requests an hour; 0 is 5000
	WritesPerMinute int // content-creating requests a minute; 0 is no limit
	SecondaryStatus int // answer of the secondary limit: 403 or 429; 0 is 403
}

// Config names the repository and those who may use it.
type Config struct {
	Owner, Repo   string
	DefaultBranch string
	Private       bool                   // nothing is visible without a token that may read it
	Tokens        map[string]Permissions // the credentials that exist; without any, every token may do everything
	TokenEnds     map[string]time.Time   // when those stop working that end; it is told with every answer
	Actor         string                 // login of the credentials' owner
	Limits        Limits
}

// Write is one change of the world, in order. Op is an operation's name ("create-ref", "upload-asset", ...), or
// "publish-release" or "push".
type Write struct {
	At         time.Time
	Op, Detail string
}

// Site is one repository's front. Its operations run one at a time, under Mu, except those that stream.
type Site struct {
	Config
	Born       time.Time
	OpenIssues func() int // how many the repository has; called under Mu

	// Mu guards the whole world behind the site.
	Mu sync.Mutex

	routes   []Route
	nextID   int64
	requests map[string]int
	writes   []Write
	meters   map[string]*meter
}

// NewSite returns a site without routes; see Handle.
func NewSite(cfg Config) *Site {
	if cfg.Limits.PerHour == 0 {
		cfg.Limits.PerHour = 5000
	}
	if cfg.Limits.SecondaryStatus == 0 {
		cfg.Limits.SecondaryStatus = http.StatusForbidden
	}
	return &Site{Config: cfg, Born: Now(), OpenIssues: func() int { return 0 }, nextID: 1000, requests: map[string]int{}, meters: map[string]*meter{}}
}

// Handle adds operations. A request goes to the first one that matches.
func (s *Site) Handle(routes ...Route) {
	for _, r := range routes {
		r.segments = strings.Split(r.Pattern[1:], "/")
		s.routes = append(s.routes, r)
	}
}

// Owns reports whether a path is below this repository, in any of the places where GitHub has them.
func (s *Site) Owns(path string) bool {
	path = strings.ToLower(path)
	name := strings.ToLower("/" + s.Owner + "/" + s.Repo)
	for _, prefix := range []string{"", "/repos", "/api/v3/repos", "/uploads/repos", "/api/uploads/repos", "/storage"} {
		rest, ok := strings.CutPrefix(path, prefix+name)
		if ok && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, ".git/")) {
			return true
		}
	}
	return false
}

// Now is the present second: GitHub's times have no fractions.
func Now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// NextID returns an id that nothing has yet. Mu must be held.
func (s *Site) NextID() int64 { s.nextID++; return s.nextID }

// Wrote records a change of the world. Mu must be held.
func (s *Site) Wrote(op, format string, args ...any) {
	s.writes = append(s.writes, Write{At: time.Now(), Op: op, Detail: fmt.Sprintf(format, args...)})
}

// Requests counts the requests so far by operation name without arguments, as in "upload-asset".
func (s *Site) Requests() map[string]int {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return maps.Clone(s.requests)
}

// Writes returns every change of the world in order.
func (s *Site) Writes() []Write {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return slices.Clone(s.writes)
}

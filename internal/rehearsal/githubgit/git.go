// Package githubgit is the git side of an embedded GitHub: refs, tags, commits, comparisons, files and rules over REST,
// clones and pushes over smart HTTP, and the webhook events that pushes make.
package githubgit

import (
	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

type (
	call   = githubapi.Call
	reply  = githubapi.Reply
	object = githubapi.Object
)

// Rule is one active ruleset rule. Type is GitHub's ("creation", "update", "deletion", "pull_request", ...); all are listed
// for matching branches, and "creation" is enforced for the refs that match.
type Rule struct {
	Pattern    string // path.Match pattern on the full ref, such as "refs/heads/release/*"
	Type       string
	Parameters map[string]any
}

// Config is what the git side needs of the others. Every field but Rules is required.
type Config struct {
	Refs    gitstore.Store
	Rules   []Rule
	BaseURL string                                           // how payloads made without a request name this server
	Frozen  func(tag string) bool                            // whether a tag may neither move nor go; called under Site.Mu
	Release func(c *githubapi.Call, id int64) map[string]any // a release as JSON, or nil; called under Site.Mu
}

// Git is the git side of one repository. Methods named after operations are called under Site.Mu by the site.
type Git struct {
	site    *githubapi.Site
	refs    gitstore.Store
	rules   []Rule
	baseURL string
	frozen  func(tag string) bool
	release func(c *call, id int64) object

	happenings []happening
	signed     map[string]bool // commits that GitHub made itself
}

// New returns the git side of a site.
func New(site *githubapi.Site, cfg Config) *Git {
	return &Git{site: site, refs: cfg.Refs, rules: cfg.Rules, baseURL: cfg.BaseURL, frozen: cfg.Frozen, release: cfg.Release, signed: map[string]bool{}}
}

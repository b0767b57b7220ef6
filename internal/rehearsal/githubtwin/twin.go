// Package githubtwin is a GitHub that holds state: the REST API, uploads, releases with their awkward rules, workflow
// dispatches and runs, issues, and git over smart HTTP, for one repository. Rehearsals and storms release against it.
//
// Its answers have the shape of GitHub's OpenAPI description (https://github.com/github/rest-api-description). Time is
// taken from package time alone, so that a storm can run it under a virtual clock.
package githubtwin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/githubgit"
	"github.com/tagboat/tagboat/internal/rehearsal/githubruns"
	"github.com/tagboat/tagboat/internal/rehearsal/githubsecrets"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// What the parts of the twin are called here.
type (
	// RefStore is where the twin keeps its git side: gitstore.Bare or gitstore.Memory.
	RefStore = gitstore.Store
	// Permissions maps a permission ("contents", "actions", "issues", "workflows", "administration", "secrets", "environments",
	// "organization_secrets") to "read" or "write".
	Permissions = githubapi.Permissions
	// Limits are the rate limits of each token.
	Limits = githubapi.Limits
	// Write is one change of the world.
	Write = githubapi.Write
	// Rule is one active ruleset rule.
	Rule = githubgit.Rule
	// Update is one ref of a push.
	Update = githubgit.Update
	// Event is one webhook delivery that GitHub would have sent.
	Event = githubgit.Event
	// Dispatch is one workflow run that was asked for.
	Dispatch = githubruns.Dispatch
	// Run is a workflow run as it is now.
	Run = githubruns.Run
	// Secret is a secret of workflows.
	Secret = githubsecrets.Secret

	call   = githubapi.Call
	reply  = githubapi.Reply
	object = githubapi.Object
)

// Config describes the world at its start. Owner, Repo and Refs are required.
type Config struct {
	Owner, Repo   string
	Refs          RefStore
	DefaultBranch string // "" is "main"
	Private       bool   // nothing is visible without a token that may read it

	// Tokens are the credentials that exist. Without any, every token may do everything.
	Tokens map[string]Permissions
	// TokenEnds are the credentials that stop working, and when.
	TokenEnds map[string]time.Time
	Actor     string // login of the credentials' owner; "" is "tagboat[bot]"
	Limits    Limits
	Rules     []Rule

	Immutable    bool                                                      // releases become immutable when they are published
	ForgetsTags  bool                                                      // changing a draft without tag_name turns its tag into "untagged-..."
	DraftLag     time.Duration                                             // how long a new draft is missing from the list of releases
	OldServer    bool                                                      // the dispatch endpoint refuses return_run_details, as Enterprise Server 3.20 does
	NeverStarts  bool                                                      // dispatched runs stay queued
	StartDelay   time.Duration                                             // how long dispatched runs stay queued
	OnDispatch   func(ctx context.Context, d Dispatch) (conclusion string) // the run itself; nil is "success" at once
	Dir          string                                                    // folder for large assets; "" keeps all of them in memory
	BaseURL      string                                                    // how payloads made without a request name this server; "" is "http://github.invalid"
	MaxAssetSize int64                                                     // 0 is GitHub's 2 GiB
}

// Twin is one embedded repository. It is safe for concurrent use. Close it, or runs may outlive it.
type Twin struct {
	cfg  Config
	site *githubapi.Site
	git  *githubgit.Git
	runs *githubruns.Runs

	secrets *githubsecrets.Store

	// Guarded by site.Mu.
	releases map[int64]*release
	burnt    map[string]bool // tags of immutable releases, for ever
	latest   int64
	assets   map[int64]*asset
	broken   map[string]bool // asset names whose next upload breaks
	tickets  map[string]ticket
	issues   map[int]*issue
	labels   map[string]githubapi.Label
	comments []*comment // of all issues, the oldest first
}

// New returns a world with no releases, runs or issues, on top of what the store holds.
func New(cfg Config) (*Twin, error) {
	if cfg.Owner == "" || cfg.Repo == "" || cfg.Refs == nil {
		return nil, errors.New("embedded GitHub: owner, repository and store are required")
	}
	for _, d := range []struct {
		field *string
		value string
	}{{&cfg.DefaultBranch, "main"}, {&cfg.Actor, "tagboat[bot]"}, {&cfg.BaseURL, "http://github.invalid"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if cfg.MaxAssetSize == 0 {
		cfg.MaxAssetSize = 2<<30 - 1
	}
	t := &Twin{
		cfg: cfg, releases: map[int64]*release{}, burnt: map[string]bool{}, assets: map[int64]*asset{}, broken: map[string]bool{}, tickets: map[string]ticket{},
		issues: map[int]*issue{}, labels: map[string]githubapi.Label{},
	}
	t.site = githubapi.NewSite(githubapi.Config{Owner: cfg.Owner, Repo: cfg.Repo, DefaultBranch: cfg.DefaultBranch, Private: cfg.Private, Tokens: cfg.Tokens, TokenEnds: cfg.TokenEnds,
		Actor: cfg.Actor, Limits: cfg.Limits})
	t.site.OpenIssues = t.openIssues
	t.git = githubgit.New(t.site, githubgit.Config{Refs: cfg.Refs, Rules: cfg.Rules, BaseURL: cfg.BaseURL, Frozen: t.frozen, Release: t.releaseByID})
	t.secrets = githubsecrets.New(t.site)
	t.runs = githubruns.New(t.site, githubruns.Config{Refs: cfg.Refs, OldServer: cfg.OldServer, NeverStarts: cfg.NeverStarts, StartDelay: cfg.StartDelay, OnDispatch: cfg.OnDispatch})
	t.site.Handle(t.table()...)
	return t, nil
}

// Close ends the runs' context and waits for them.
func (t *Twin) Close() error {
	t.runs.Close()
	return nil
}

// Handler serves everything on one address: the REST API at "/" and "/api/v3/", uploads at "/uploads/", git at
// "/{owner}/{repo}.git/", release pages and downloads where github.com has them.
func (t *Twin) Handler() http.Handler { return t.site }

// Join serves several repositories on one address. What belongs to no repository (/user, /rate_limit) is the first one's.
func Join(first *Twin, more ...*Twin) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, t := range more {
			if t.site.Owns(r.URL.Path) {
				t.site.ServeHTTP(w, r)
				return
			}
		}
		first.site.ServeHTTP(w, r)
	})
}

// Op names the operation of a request for faults and counters: "get-repo", "create-ref refs/heads/release/v1.0.0",
// "create-release v1.0.0", "upload-asset core-1.0.0.crate", "dispatch release.yml", and so on; "" for what the twin
// does not know. Refs are full names. The request stays usable: a JSON body that was read is put back.
func (t *Twin) Op(r *http.Request) string { return t.site.Op(r) }

// Requests counts the requests so far by operation name without arguments, as in "upload-asset".
func (t *Twin) Requests() map[string]int { return t.site.Requests() }

// Writes returns every change of the world in order.
func (t *Twin) Writes() []Write { return t.site.Writes() }

// Runs returns all workflow runs, oldest first.
func (t *Twin) Runs() []Run { return t.runs.All() }

// Secrets are the secrets of workflows: the repository's, those of its environments, and its organization's.
func (t *Twin) Secrets() *githubsecrets.Store { return t.secrets }

// Push moves refs as one git push does, by someone who may, and records its events. Before is looked up.
func (t *Twin) Push(ctx context.Context, updates ...Update) error { return t.git.Push(ctx, updates...) }

// PushTag pushes a lightweight tag.
func (t *Twin) PushTag(ctx context.Context, name, commit string) error {
	return t.git.PushTag(ctx, name, commit)
}

// PushAnnotatedTag makes a tag object and pushes it.
func (t *Twin) PushAnnotatedTag(ctx context.Context, name, commit, message string) error {
	return t.git.PushAnnotatedTag(ctx, name, commit, message)
}

// PushBranch pushes a branch.
func (t *Twin) PushBranch(ctx context.Context, name, commit string) error {
	return t.git.PushBranch(ctx, name, commit)
}

// Events returns what GitHub would have sent so far, in order: push, create, delete and release.
func (t *Twin) Events(ctx context.Context) ([]Event, error) { return t.git.Events(ctx) }

// Undrafted returns the writes that made a release public, in order; Detail is the tag.
func (t *Twin) Undrafted() []Write {
	return slices.DeleteFunc(t.Writes(), func(w Write) bool { return w.Op != "publish-release" })
}

// Refs returns the refs as they are now, sorted by name.
func (t *Twin) Refs(ctx context.Context) ([]gitstore.Ref, error) { return t.cfg.Refs.Refs(ctx) }

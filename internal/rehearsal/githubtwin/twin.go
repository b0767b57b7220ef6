// Package githubtwin is a GitHub that holds state: the REST API, uploads, releases with their awkward rules, workflow
// dispatches and runs, issues, and git over smart HTTP, for one repository. Rehearsals and storms release against it.
//
// Its answers have the shape of GitHub's OpenAPI description (https://github.com/github/rest-api-description). Time is
// taken from package time alone, so that a storm can run it under a virtual clock.
package githubtwin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// RefStore is where the twin keeps its git side: gitstore.Bare or gitstore.Memory.
type RefStore = gitstore.Store

// Permissions maps a permission ("contents", "actions", "issues", "workflows", "administration") to "read" or "write".
type Permissions map[string]string

// Config describes the world at its start. Owner, Repo and Refs are required.
type Config struct {
	Owner, Repo   string
	Refs          RefStore
	DefaultBranch string // "" is "main"
	Private       bool   // nothing is visible without a token that may read it

	// Tokens are the credentials that exist. Without any, every token may do everything.
	Tokens map[string]Permissions
	Actor  string // login of the credentials' owner; "" is "tagboat[bot]"
	Limits Limits
	Rules  []Rule

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

// Limits are the rate limits of each token. Zero values are GitHub's for an App installation, without a secondary one.
type Limits struct {
	PerHour         int // requests an hour; 0 is 5000
	WritesPerMinute int // content-creating requests a minute; 0 is no limit
	SecondaryStatus int // answer of the secondary limit: 403 or 429; 0 is 403
}

// Rule is one active ruleset rule. Type is GitHub's ("creation", "update", "deletion", "pull_request", ...); all are listed
// for matching branches, and "creation" is enforced for the refs that match.
type Rule struct {
	Pattern    string // path.Match pattern on the full ref, such as "refs/heads/release/*"
	Type       string
	Parameters map[string]any
}

// Dispatch is one workflow run that was asked for. Ref is as the caller gave it, SHA the commit it stood for.
type Dispatch struct {
	Workflow, Ref, SHA string
	Inputs             map[string]string
	RunID              int64
}

// Write is one change of the world, in order. Op is a name as Op gives it ("create-ref", "publish-release", "upload-asset", ...).
type Write struct {
	At         time.Time
	Op, Detail string
}

// Twin is one embedded repository. It is safe for concurrent use. Close it, or runs may outlive it.
type Twin struct {
	cfg    Config
	routes []route
	ctx    context.Context // of the runs; ends with Close
	stop   context.CancelFunc
	runs   sync.WaitGroup

	mu       sync.Mutex
	nextID   int64
	requests map[string]int
	writes   []Write
	events   []happening
	meters   map[string]*meter
	releases map[int64]*release
	burnt    map[string]bool // tags of immutable releases, for ever
	latest   int64
	assets   map[int64]*asset
	broken   map[string]bool // asset names whose next upload breaks
	tickets  map[string]ticket
	started  map[int64]*run
	flows    map[string]int64 // workflow path to id
	issues   map[int]*issue
	labels   map[string]label
	born     time.Time
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
	if cfg.Limits.PerHour == 0 {
		cfg.Limits.PerHour = 5000
	}
	if cfg.Limits.SecondaryStatus == 0 {
		cfg.Limits.SecondaryStatus = http.StatusForbidden
	}
	t := &Twin{
		cfg: cfg, nextID: 1000, requests: map[string]int{}, meters: map[string]*meter{},
		releases: map[int64]*release{}, burnt: map[string]bool{}, assets: map[int64]*asset{}, broken: map[string]bool{}, tickets: map[string]ticket{},
		started: map[int64]*run{}, flows: map[string]int64{}, issues: map[int]*issue{}, labels: map[string]label{}, born: now(),
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.routes = t.table()
	return t, nil
}

// Close ends the runs' context and waits for them.
func (t *Twin) Close() error {
	t.stop()
	t.runs.Wait()
	return nil
}

// Handler serves everything on one address: the REST API at "/" and "/api/v3/", uploads at "/uploads/", git at
// "/{owner}/{repo}.git/", release pages and downloads where github.com has them.
func (t *Twin) Handler() http.Handler { return http.HandlerFunc(t.serve) }

// Join serves several repositories on one address. What belongs to no repository (/user, /rate_limit) is the first one's.
func Join(first *Twin, more ...*Twin) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, t := range more {
			if t.owns(r.URL.Path) {
				t.serve(w, r)
				return
			}
		}
		first.serve(w, r)
	})
}

func (t *Twin) owns(path string) bool {
	path = strings.ToLower(path)
	name := strings.ToLower("/" + t.cfg.Owner + "/" + t.cfg.Repo)
	for _, prefix := range []string{"", "/repos", "/api/v3/repos", "/uploads/repos", "/storage"} {
		rest, ok := strings.CutPrefix(path, prefix+name)
		if ok && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, ".git/")) {
			return true
		}
	}
	return false
}

// now is the present second: GitHub's times have no fractions.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (t *Twin) id() int64 { t.nextID++; return t.nextID }

func (t *Twin) wrote(op, format string, args ...any) {
	t.writes = append(t.writes, Write{At: time.Now(), Op: op, Detail: fmt.Sprintf(format, args...)})
}

// Requests counts the requests so far by operation name without arguments, as in "upload-asset".
func (t *Twin) Requests() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.requests)
}

// Writes returns every change of the world in order.
func (t *Twin) Writes() []Write {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.writes)
}

// Undrafted returns the writes that made a release public, in order; Detail is the tag.
func (t *Twin) Undrafted() []Write {
	return slices.DeleteFunc(t.Writes(), func(w Write) bool { return w.Op != "publish-release" })
}

// Refs returns the refs as they are now, sorted by name.
func (t *Twin) Refs(ctx context.Context) ([]gitstore.Ref, error) { return t.cfg.Refs.Refs(ctx) }

// Package world is what the processes of a stormy release find outside: GitHub and registries, strangers who change the
// draft, and what must hold of all of it. It looks at the services past all faults.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// Whose release it is, and where GitHub is reached.
const (
	Owner      = "hyperlight-dev"
	Repository = "hyperlight"
	GitHubHost = "github.test"
	// byHand is the token of people who do things by hand. It is no secret of ours. They have as many hands as it takes to
	// stay below GitHub's limits.
	byHand = "by-hand"
	hands  = 64
	// handLabel is how registries name who uploads by hand.
	handLabel = "by hand"
)

// The secrets of every release, of which nothing may ever be seen. RotatedToken is crates.io's next one.
const (
	GitHubToken   = "ghs_Storm/7b1d+e09c4f2a86d5"
	CratesIOToken = "cio+Storm/41c7a9f0e63b8d25"
	RotatedToken  = "cio+Storm/90b2e6d8c1f4a735"
	FeedToken     = "Bearer feed/Storm+5e8f13ac97d024b6"
	UserKey       = "key/Storm+c86a02fb7e91d354"
)

// World is what the processes of a release find outside: the services, and strangers with a token of their own.
type World struct {
	Scene      *scene.Scene
	stock      *Stock
	Commit     string // of the release
	store      *gitstore.Memory
	GitHub     *githubtwin.Twin
	Registries map[string]*registrytwin.Twin
	identity   *githubid.Issuer // nil where runs have no identity
	Hooks

	mu      sync.Mutex
	lags    map[string]time.Duration
	ready   time.Time // when the world was prepared
	meddled map[int]bool
	handled int // requests made by hand
}

// Hooks are what a world asks of the release that happens in it.
type Hooks struct {
	Fail     func(invariant, format string, args ...any) // something that must always hold does not
	Note     func(who, format string, args ...any)
	Serve    func(service, host string, h http.Handler)        // makes a service reachable
	Dispatch func(context.Context, githubtwin.Dispatch) string // runs a workflow and returns its conclusion
	Lag      func(registry, crate string) time.Duration        // what faults add to an index's lag
}

// New returns the world of a scene, with nothing in it yet.
func New(s *scene.Scene, all *Stock, h Hooks) *World {
	return &World{Scene: s, stock: all, Hooks: h, store: gitstore.NewMemory(), Registries: map[string]*registrytwin.Twin{}, lags: map[string]time.Duration{}, meddled: map[int]bool{}}
}

// Open makes the services and what is there before the release begins. It must be called on the virtual clock.
func (t *World) Open(ctx context.Context) error {
	err := t.openGitHub(ctx)
	t.openIdentity()
	for _, name := range t.Scene.Registries() {
		t.openRegistry(name)
	}
	if err = errors.Join(err, t.publishedBefore(), t.reserve()); err != nil {
		return err
	}
	time.Sleep(time.Minute)
	t.ready = time.Now()
	return nil
}

func (t *World) openGitHub(ctx context.Context) error {
	first, err := t.store.AddCommit("first", map[string]string{"Cargo.toml": "[workspace]\n"})
	if err != nil {
		return err
	}
	t.Commit, err = t.store.AddCommit("release", map[string]string{"Cargo.toml": "[workspace]\n", ".github/workflows/release.yml": "name: Release\non: {workflow_dispatch: {}}\n"}, first)
	if err != nil {
		return err
	}
	s := t.Scene
	may := githubtwin.Permissions{"contents": "write", "actions": "write", "issues": "read", "metadata": "read"}
	tokens := map[string]githubtwin.Permissions{GitHubToken: may}
	for i := range hands {
		tokens[fmt.Sprint(byHand, i)] = githubtwin.Permissions{"contents": "write", "metadata": "read"}
	}
	t.GitHub, err = githubtwin.New(githubtwin.Config{Owner: Owner, Repo: Repository, Refs: t.store, Tokens: tokens,
		Limits:    githubtwin.Limits{PerHour: s.PerHour, WritesPerMinute: s.PerMinute, SecondaryStatus: []int{http.StatusForbidden, http.StatusTooManyRequests}[s.Seed%2]},
		Immutable: s.Immutable, ForgetsTags: s.ForgetsTags, DraftLag: s.DraftLag, OldServer: s.OldServer, StartDelay: s.StartDelay, OnDispatch: t.Dispatch, BaseURL: "http://" + GitHubHost})
	if err != nil {
		return err
	}
	err = t.GitHub.PushBranch(ctx, "main", t.Commit)
	if s.Annotated {
		err = errors.Join(err, t.GitHub.PushAnnotatedTag(ctx, scene.TagName, t.Commit, "Hyperlight "+scene.Version))
	} else {
		err = errors.Join(err, t.GitHub.PushTag(ctx, scene.TagName, t.Commit))
	}
	switch s.BranchAt {
	case "there":
		err = errors.Join(err, t.GitHub.PushBranch(ctx, scene.Branch, t.Commit))
	case "elsewhere":
		err = errors.Join(err, t.GitHub.PushBranch(ctx, scene.Branch, first))
	}
	for _, name := range s.Breaks {
		t.GitHub.BreakUpload(name)
	}
	t.Serve(fault.GitHub, GitHubHost, t.GitHub.Handler())
	return err
}

// RegistryHost is where a registry is reached.
func RegistryHost(name string) string { return name + ".test" }

func (t *World) openRegistry(name string) {
	c := registrytwin.Config{Name: name, URL: "http://" + RegistryHost(name), Cache: t.stock.cache, LagOf: func(crate string) time.Duration { return t.lagOf(name, crate) },
		Manners: registrytwin.CratesIO, Tokens: []registrytwin.Token{
			{Label: "tagboat", Value: secret.New(CratesIOToken), Scope: registrytwin.Publish}, {Label: "tagboat", Value: secret.New(RotatedToken), Scope: registrytwin.Publish},
			{Label: handLabel, Value: secret.New(byHand), Scope: registrytwin.Publish}}}
	if t.Scene.Limits {
		c.Buckets = registrytwin.CratesIOBuckets()
	}
	if name == scene.FeedName {
		c.Manners, c.AuthRequired, c.Buckets = registrytwin.Lenient, true, registrytwin.Buckets{}
		c.Tokens = []registrytwin.Token{{Label: "tagboat", Value: secret.New(FeedToken), Scope: registrytwin.Publish}}
	}
	if name == registry.CratesIO && t.identity != nil {
		c.Trusted = t.trusted()
	}
	t.Registries[name] = registrytwin.New(c)
	t.Serve(name, RegistryHost(name), t.Registries[name].Handler())
}

// lagOf is how long the index hides an upload. It is decided once for each crate, so that what a refused upload asks does
// not change what the accepted one gets.
func (t *World) lagOf(registry, crate string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready.IsZero() {
		return 0
	}
	key := registry + "/" + crate
	lag, known := t.lags[key]
	if !known {
		lag = t.Scene.Lag + t.Lag(registry, crate)
		t.lags[key] = lag
	}
	return lag
}

// publishedBefore puts crates on crates.io that the release finds there.
func (t *World) publishedBefore() error {
	var put []scene.Parcel
	for _, name := range scene.Names()[:t.Scene.Published] {
		put = append(put, t.stock.parcels[scene.Packing{}][name])
	}
	if t.Scene.Foreign != "" {
		// Its dependencies must be known to the registry; they are ours.
		for _, name := range scene.Names() {
			if name == t.Scene.Foreign {
				put = append(put, t.stock.parcels[scene.Packing{By: scene.ByAStranger}][name])
				break
			}
			put = append(put, t.stock.parcels[scene.Packing{}][name])
		}
	}
	for _, p := range put {
		time.Sleep(10 * time.Minute) // whoever did it kept to the limits
		if status, answer, err := t.publishByHand(p); err != nil || status != http.StatusOK {
			return fmt.Errorf("publish %s by hand: %d %s: %w", p.Name, status, answer, err)
		}
	}
	return nil
}

// publishByHand uploads a crate to crates.io past all faults.
func (t *World) publishByHand(p scene.Parcel) (status int, answer string, err error) {
	crate, err := registry.ReadCrate(p.Bytes)
	if err != nil {
		return 0, "", err
	}
	reader, _, err := crate.Body(registry.Registry{Name: registry.CratesIO})
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return 0, "", err
	}
	status, answer = direct(t.Registries[registry.CratesIO].Handler(), http.MethodPut, "http://"+RegistryHost(registry.CratesIO)+"/api/v1/crates/new", byHand, body)
	return status, answer, nil
}

// Parcels are the bytes that packaging gives for a registry.
func (t *World) Parcels(registry string, by scene.Maker) map[string]scene.Parcel {
	return t.stock.parcels[scene.Packing{ForFeed: registry == scene.FeedName && t.Scene.FeedBytes, By: by}]
}

// Token is a run's credential for a registry.
func (t *World) Token(run int, registry string) string {
	switch {
	case registry == scene.FeedName:
		return FeedToken
	case t.Scene.Rotated > 0 && run >= t.Scene.Rotated:
		return RotatedToken
	}
	return CratesIOToken
}

// Keys are the credentials that make a bill authentic for a run.
func (t *World) Keys(run int) []release.BillKey {
	var out []release.BillKey
	if t.Scene.UserKey {
		out = append(out, release.BillKey{Name: release.UserKey, Value: secret.New(UserKey)})
	}
	for _, r := range t.Scene.Registries() {
		out = append(out, release.BillKey{Name: r, Value: secret.New(t.Token(run, r))})
	}
	return out
}

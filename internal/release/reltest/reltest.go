// Package reltest is a small world for the tests of releases: a GitHub and registries that hold state and speak their
// real protocols over HTTP, on connections in memory so that it also runs under a virtual clock, and a Source whose
// crates were packaged beforehand.
package reltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

// The tokens of the world. No output may hold them.
const (
	GitHubToken = "ghs_marked-github-token"
	FeedToken   = "marked-registry-token"
)

// Crate is one crate of the world's workspace.
type Crate struct {
	Name       string
	Registries []string // none is crates.io
	Needs      []string
}

// Options say how a world begins. The zero value is crates "core" and "driver", which needs core, both for crates.io,
// tagged v1.0.0 on main.
type Options struct {
	Crates    []Crate
	Version   string // "" is 1.0.0
	OwnBytes  bool   // each registry gets bytes of its own
	Workflow  string // content of .github/workflows/release.yml
	NoTag     bool   // the tag was not pushed
	GitHub    func(*githubtwin.Config)
	Registry  func(name string, c *registrytwin.Config)
	Config    func(*config.Config)
	Checkout  func(*release.Checkout)
	Artifacts map[string]string // files of the working directory
	Faults    []string          // in the language of package fault
	Job       *githubid.Job     // runs have this identity, and crates-io goes by trusted publishing
	Fresh     []string          // with Job: crates that crates-io does not have yet; it has all others
	NoToken   bool              // with Job: there is no token for crates-io
	// Kinds are the kinds of registries, with twins of their manners; one that is not named is lenient and tells nothing.
	Kinds map[string]registry.Kind
	// Token is what a run's user stored for every registry; nil is FeedToken alone.
	Token func() string
}

// World is everything that a release touches. Its twins are the truth about what was done.
type World struct {
	t       testing.TB
	options Options
	network map[string]*listener
	store   *gitstore.Memory

	GitHub     *githubtwin.Twin
	Registries map[string]*registrytwin.Twin
	Faults     *fault.Set
	Commit     string
	Identity   *githubid.Issuer  // with Options.Job
	Masker     *secret.Masker    // knows every credential that a run made
	Keys       []release.BillKey // of the next run
	WorkingDir string

	mu        sync.Mutex
	door      func(*http.Request) error // asked before each request leaves
	answer    func(*http.Response) error
	later     bool
	packaged  int
	published []string
}

// New starts a world that ends with the test.
func New(t testing.TB, o Options) *World {
	t.Helper()
	if o.Crates == nil {
		o.Crates = []Crate{{Name: "core"}, {Name: "driver", Needs: []string{"core"}}}
	}
	if o.Version == "" {
		o.Version = "1.0.0"
	}
	w := &World{t: t, options: o, network: map[string]*listener{}, store: gitstore.NewMemory(), Registries: map[string]*registrytwin.Twin{}, WorkingDir: t.TempDir()}
	w.Masker = &secret.Masker{}
	w.faults(o.Faults)
	w.startGitHub()
	for i := range w.options.Crates {
		c := &w.options.Crates[i]
		if c.Registries == nil {
			c.Registries = []string{registry.CratesIO}
		}
		for _, name := range c.Registries {
			if w.Registries[name] == nil {
				w.startRegistry(name)
				w.Keys = append(w.Keys, release.BillKey{Name: name, Value: secret.New(FeedToken)})
			}
		}
	}
	for name, content := range o.Artifacts {
		w.Write(name, content)
	}
	return w
}

func (w *World) faults(lines []string) {
	var specs []fault.Spec
	for _, line := range lines {
		s, err := fault.Parse(line)
		if err != nil {
			w.t.Fatal(err)
		}
		specs = append(specs, s)
	}
	w.Faults = fault.NewSet(specs...)
}

// Write puts a file into the working directory.
func (w *World) Write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.WorkingDir, name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// HasArtifacts reports whether the world began with files in its working directory.
func (w *World) HasArtifacts() bool { return len(w.options.Artifacts) > 0 }

// RenameAsset gives an asset of the newest release of the tag another name, as somebody else would.
func (w *World) RenameAsset(from, to string) {
	w.t.Helper()
	rel, _ := w.GitHub.Release(w.Tag())
	for _, a := range rel.Assets {
		if a.Name == from {
			if _, err := w.Outside().Forge.RenameAsset(w.t.Context(), a.ID, to); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("the release holds no %s", from)
}

// Bill returns the bill of lading of the newest release of the tag.
func (w *World) Bill() release.Bill {
	w.t.Helper()
	var b release.Bill
	rel, _ := w.GitHub.Release(w.Tag())
	for _, a := range rel.Assets {
		if a.Name != release.BillName {
			continue
		}
		content, err := w.GitHub.AssetBytes(a.ID)
		if err == nil {
			err = json.Unmarshal(content, &b)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return b
}

// Tag is the tag of the world's release.
func (w *World) Tag() string { return "v" + w.options.Version }

// Branch is its release branch.
func (w *World) Branch() string { return "release/" + w.Tag() }

func (w *World) startGitHub() {
	files := map[string]string{"Cargo.toml": "[workspace]\n"}
	if w.options.Workflow != "" {
		files[".github/workflows/release.yml"] = w.options.Workflow
	}
	c := githubtwin.Config{Owner: "o", Repo: "r", Refs: w.store, BaseURL: "http://github.test",
		Tokens: map[string]githubtwin.Permissions{GitHubToken: {"contents": "write", "actions": "write", "issues": "read", "workflows": "write"}}}
	if w.options.GitHub != nil {
		w.options.GitHub(&c)
	}
	var err error
	if w.Commit, err = w.store.AddCommit("release", files); err != nil {
		w.t.Fatal(err)
	}
	if w.GitHub, err = githubtwin.New(c); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.GitHub.Close() })
	err = w.GitHub.PushBranch(w.t.Context(), "main", w.Commit)
	if !w.options.NoTag {
		err = errors.Join(err, w.GitHub.PushAnnotatedTag(w.t.Context(), w.Tag(), w.Commit, "release"))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.Serve("github.test", w.Faults.Wrap(fault.GitHub, w.GitHub.Op, w.GitHub.Handler()))
}

// Child adds a commit with files on top of another.
func (w *World) Child(parent string, files map[string]string) string {
	w.t.Helper()
	sha, err := w.store.AddCommit("next", files, parent)
	if err != nil {
		w.t.Fatal(err)
	}
	return sha
}

func (w *World) startRegistry(name string) {
	host := name + ".test"
	c := registrytwin.Config{Name: name, URL: "http://" + host, Manners: registrytwin.Lenient, Tokens: []registrytwin.Token{{Label: "publisher", Value: secret.New(FeedToken), Scope: registrytwin.Publish}},
		LagOf: func(crate string) time.Duration { return w.Faults.Lag(name, crate) }}
	if k := w.options.Kinds[name]; k != "" {
		c.Manners = registrytwin.Manners(k)
	}
	if w.options.Job != nil && name == registry.CratesIO {
		w.trust(&c)
	}
	if w.options.Registry != nil {
		w.options.Registry(name, &c)
	}
	w.Registries[name] = registrytwin.New(c)
	if w.options.Job != nil && name == registry.CratesIO {
		w.reserve()
	}
	w.Serve(host, w.Faults.Wrap(name, registrytwin.Op, w.Registries[name].Handler()))
}

// Serve answers at a host of the world, instead of who did so before.
func (w *World) Serve(host string, h http.Handler) {
	l := &listener{waiting: make(chan net.Conn), closed: make(chan struct{})}
	w.network[host] = l
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	w.t.Cleanup(func() { server.Close(); <-done })
}

// Stop takes a service off the network: "github" or the name of a registry.
func (w *World) Stop(service string) { w.network[service+".test"].Close() }

// Door sets what is asked before each request of the following runs leaves; its error is what the client gets.
func (w *World) Door(ask func(*http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.door = ask
}

// Answer sets what sees each answer of the following runs first. It may change it; its error is what the client gets
// instead, as when an answer is lost after the fact.
func (w *World) Answer(see func(*http.Response) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = see
}

// Later lets the following packagings give other bytes, as another toolchain would.
func (w *World) Later() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.later = true
}

// Packaged returns how often crates were packaged.
func (w *World) Packaged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.packaged
}

// CargoPublished returns what cargo was asked to publish: "registry/crate".
func (w *World) CargoPublished() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.published)
}

// Outside returns the world as one run sees it: clients and a scratch folder of its own.
func (w *World) Outside() observe.World {
	w.t.Helper()
	transport := &http.Transport{DialContext: w.dial, DisableCompression: true}
	w.t.Cleanup(transport.CloseIdleConnections)
	w.mu.Lock()
	client := &http.Client{Transport: through{transport, w.door, w.answer}}
	w.mu.Unlock()
	hub, err := forge.New(forge.Options{APIURL: "http://github.test", UploadURL: "http://github.test", Owner: "o", Repo: "r", HTTP: client, Token: token(GitHubToken)})
	if err != nil {
		w.t.Fatal(err)
	}
	out := observe.World{Source: &source{w}, Forge: hub, Keys: w.Keys, Scratch: w.t.TempDir(), WorkingDir: w.WorkingDir, Poll: time.Second,
		Token: func(context.Context, string) (secret.Value, error) { return secret.New(FeedToken), nil }}
	credentials := w.credentials(client)
	credentials.Wire(&out)
	out.Registry = observe.Clients(func(name, index string) (registry.Registry, registry.Options, error) {
		if w.Registries[name] == nil {
			return registry.Registry{}, registry.Options{}, fmt.Errorf("registry %s has no index", name)
		}
		r, err := registry.New(name, index)
		r.URL = "http://" + name + ".test/index/"
		if k := w.options.Kinds[name]; k != "" {
			r = r.As(k)
		}
		return r, credentials.Options(name, registry.Options{HTTP: client, UserAgent: "tagboat/test"}), err
	})
	return out
}

func token(value string) func(context.Context) (secret.Value, error) {
	return func(context.Context) (secret.Value, error) { return secret.New(value), nil }
}

type through struct {
	http.RoundTripper
	door   func(*http.Request) error
	answer func(*http.Response) error
}

func (t through) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.door != nil {
		if err := t.door(r); err != nil {
			return nil, err
		}
	}
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil && t.answer != nil {
		if err = t.answer(resp); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}

func (w *World) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l := w.network[host]
	if l == nil {
		return nil, fmt.Errorf("dial %s: no such host", host)
	}
	here, there := net.Pipe()
	select {
	case l.waiting <- there:
		return here, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", host)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// source is the commit of the world's release and its crates.
type source struct{ w *World }

func (s *source) Checkout(context.Context, release.Request, observe.Sealed) (release.Checkout, config.Config, error) {
	o := s.w.options
	c := release.Checkout{Tag: release.Tag{Name: s.w.Tag(), Version: o.Version, Commit: s.w.Commit, Annotated: true}, Commit: s.w.Commit,
		Changelog: release.Changelog{Path: "CHANGELOG.md", Section: "Better.", Found: true}, Indexes: map[string]string{}}
	cfg := config.Default()
	for _, crate := range o.Crates {
		c.Crates = append(c.Crates, release.Crate{Name: crate.Name, Version: o.Version, Manifest: crate.Name + "/Cargo.toml", Line: 3, Registries: crate.Registries, Needs: crate.Needs})
		for _, name := range crate.Registries {
			if name != registry.CratesIO {
				c.Indexes[name] = "sparse+https://" + name + ".test/index/"
			}
		}
	}
	if o.Workflow != "" {
		c.Workflow = release.Workflow{File: "release.yml", Dispatch: true}
	}
	if o.Checkout != nil {
		o.Checkout(&c)
	}
	if o.Config != nil {
		o.Config(&cfg)
	}
	return c, cfg, nil
}

func (s *source) Package(_ context.Context, order observe.PackageOrder) (*pack.Result, error) {
	s.w.mu.Lock()
	s.w.packaged++
	later := s.w.later
	s.w.mu.Unlock()
	out := &pack.Result{Rustc: "rustc 1.95.0", Cargo: "cargo 1.95.0", Isolation: []string{"none: a test"}, Verified: true}
	for _, name := range order.Crates {
		order.Progress(name, "package")
		content := Pack(name, s.w.options.Version, s.w.remark(order.Registry.Name, later))
		path := filepath.Join(order.Out, name+".crate")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return nil, err
		}
		out.Crates = append(out.Crates, pack.Crate{Name: name, Version: s.w.options.Version, Path: path, SHA256: Sum(content), Size: int64(len(content)), Files: []string{"Cargo.toml", "src/lib.rs"}})
	}
	return out, nil
}

// remark makes bytes differ where they must.
func (w *World) remark(registry string, later bool) string {
	remark := ""
	if w.options.OwnBytes {
		remark += " for " + registry
	}
	if later {
		remark += " by another toolchain"
	}
	return remark
}

func (s *source) Publish(ctx context.Context, order observe.PackageOrder, _ secret.Value) error {
	s.w.mu.Lock()
	s.w.published = append(s.w.published, order.Registry.Name+"/"+order.Crates[0])
	s.w.mu.Unlock()
	return s.w.Upload(ctx, order.Registry.Name, order.Crates[0], s.w.remark(order.Registry.Name, false))
}

// Upload publishes a crate as somebody else would, with a remark in its bytes.
func (w *World) Upload(ctx context.Context, registryName, name, remark string) error {
	o := w.Outside()
	client, err := o.Registry(registryName, "sparse+https://"+registryName+".test/index/")
	if err != nil {
		return err
	}
	c, err := registry.ReadCrate(Pack(name, w.options.Version, remark))
	if err != nil {
		return err
	}
	_, err = client.Publish(ctx, c)
	return err
}

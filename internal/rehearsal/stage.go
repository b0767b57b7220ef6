// Package rehearsal is the whole way of a release with nothing outside the machine: an embedded GitHub and embedded
// cargo registries on loopback, the user's own repository, the real git and the real cargo, and faults on request.
//
// Only the addresses differ from a real release: the plan, the steps, the build zone and the bytes are the same.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/gate"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
	"github.com/tagboat/tagboat/internal/secret"
)

// Config describes a rehearsal.
type Config struct {
	Path   string                          // the user's repository; nothing in it is changed
	Tags   []string                        // which tags; none: those that the crates' versions ask for
	Dir    string                          // an existing empty folder for the world
	Faults *fault.Set                      // nil: nothing goes wrong
	Lag    time.Duration                   // of every index
	Wrap   func(http.Handler) http.Handler // around every server, for measurements; may be nil
	// Toolchains keeps toolchains that had to be installed; "" is a folder in Dir. Say tells a person of it; may be nil.
	Toolchains string
	Say        func(sentence string)
}

// Stage is the embedded world, with its servers running.
type Stage struct {
	Config  Config
	Owner   string
	Name    string
	Branch  string           // the default branch: the one that the user's repository is on
	Commit  string           // the user's HEAD
	Tags    []string         // to release, in order
	Dirty   []string         // uncommitted files, which are not part of the rehearsal
	Bare    *git.Repo        // the repository on the embedded GitHub
	GitHub  *githubtwin.Twin //
	URL     string           // of the embedded GitHub
	Feeds   map[string]*Feed // by registry name
	Release config.Config    // of the user's HEAD
	Notes   []string         // what people should know of the embedded world
	Source  release.Checkout // the user's HEAD as a release sees it

	identity  *identity // nil where no registry needs it
	listeners []net.Listener
	servers   []*http.Server
	mu        sync.Mutex
	dispatch  func(context.Context, githubtwin.Dispatch) string
	lives     []func() // ends the runs that are under way, oldest first
}

// Feed is one embedded registry. It stands for the registry with the identity Index, which stays in every manifest
// and lock file, so that what is packaged here is byte for byte what a real release packages.
type Feed struct {
	Name  string
	Index string // identity, as cargo names it
	URL   string // sparse index of the twin, without "sparse+"
	Token secret.Value
	Twin  *registrytwin.Twin
	kind  registry.Kind
}

// Build makes the world and starts its servers. Close stops them; the folder is the caller's.
func Build(ctx context.Context, c Config) (*Stage, error) {
	s := &Stage{Config: c, Feeds: map[string]*Feed{}}
	if s.Config.Faults == nil {
		s.Config.Faults = fault.NewSet()
	}
	s.Config.Faults.OnDie = s.kill
	if err := s.copyRepository(ctx); err != nil {
		return nil, err
	}
	if err := s.readHead(ctx); err != nil {
		return nil, err
	}
	if err := s.makeTags(ctx); err != nil {
		return nil, err
	}
	err := s.startGitHub(ctx)
	if err == nil {
		err = s.startIdentity()
	}
	if err == nil {
		err = s.startFeeds()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// copyRepository fetches the user's branches and tags into a bare repository. What is not committed stays behind.
func (s *Stage) copyRepository(ctx context.Context) error {
	user, err := git.Open(ctx, s.Config.Path)
	if err != nil {
		return err
	}
	commit, branch, err := user.Head(ctx)
	if err != nil {
		return err
	}
	s.Commit, s.Branch = commit, branch
	refs := []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}
	if s.Branch == "" { // a detached HEAD stands for a branch of its own
		s.Branch = "rehearsal"
		refs = append(refs, "+HEAD:refs/heads/"+s.Branch)
	}
	if s.Dirty, err = user.Dirty(ctx); err != nil {
		return err
	}
	s.Owner, s.Name = "local", cleanName(filepath.Base(user.Dir))
	if remote, err := user.Remote(ctx, "origin"); err == nil {
		if owner, name, ok := git.ParseGitHub(remote); ok {
			s.Owner, s.Name = owner, name
		}
	}
	if s.Bare, err = git.InitBare(ctx, filepath.Join(s.Config.Dir, "github.git")); err != nil {
		return err
	}
	if err := s.Bare.Fetch(ctx, user.Dir, refs...); err != nil {
		return err
	}
	return s.Bare.SetHead(ctx, s.Branch)
}

func cleanName(s string) string {
	s = release.AssetName(s)
	if s == "" {
		return "repository"
	}
	return s
}

// readHead learns which registries and tags the user's HEAD asks for.
func (s *Stage) readHead(ctx context.Context) error {
	scratch, err := os.MkdirTemp(s.Config.Dir, "head-")
	if err != nil {
		return fmt.Errorf("make folder for the rehearsal: %w", err)
	}
	defer os.RemoveAll(scratch)
	source := &source.Repository{Repo: s.Bare, Scratch: scratch, Toolchains: s.toolchains(), Say: s.Config.Say}
	defer source.Close()
	s.Source, s.Release, err = source.Checkout(ctx, release.Request{}, nil)
	return err
}

// toolchains is where all runs of the rehearsal find a toolchain that the first one installed.
func (s *Stage) toolchains() string {
	if s.Config.Toolchains != "" {
		return s.Config.Toolchains
	}
	return filepath.Join(s.Config.Dir, "toolchains")
}

// makeTags decides which tags are rehearsed and makes those that do not exist yet, annotated, at the user's HEAD.
func (s *Stage) makeTags(ctx context.Context) error {
	form := release.TagForm{Template: s.Release.Tags.Template, TwoPart: s.Release.Tags.TwoPart}
	s.Tags = s.Config.Tags
	if len(s.Tags) == 0 {
		seen := map[string]bool{}
		for _, c := range s.Source.Crates {
			tag := form.Format(c.Name, c.Version)
			if !seen[tag] && (form.PerCrate() || len(seen) == 0) {
				seen[tag] = true
				s.Tags = append(s.Tags, tag)
			}
		}
	}
	for _, tag := range s.Tags {
		if _, err := form.Parse(tag); err != nil {
			return err
		}
		there, err := s.Bare.Tag(ctx, tag)
		if err == nil && len(s.Config.Tags) == 0 && there.Commit != s.Commit {
			s.Notes = append(s.Notes, fmt.Sprintf("the tag %s is there already, at %s, and that is what is rehearsed, not HEAD (%s): for HEAD, give the crates their next version, or name another tag",
				tag, release.Short(there.Commit), release.Short(s.Commit)))
		}
		if errors.Is(err, git.ErrNotFound) {
			_, err = s.Bare.CreateTag(ctx, git.TagRequest{Name: tag, Object: s.Commit, Message: "Rehearsal of " + tag, Tagger: git.Identity{Name: "Tagboat", Email: "rehearsal@tagboat.invalid"}, Time: time.Now()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) startGitHub(ctx context.Context) error {
	store, err := gitstore.OpenBare(ctx, s.Bare.Dir)
	if err != nil {
		return err
	}
	assets := filepath.Join(s.Config.Dir, "assets")
	if err := os.MkdirAll(assets, 0o755); err != nil {
		return fmt.Errorf("make folder for assets: %w", err)
	}
	listener, url, err := listen()
	if err != nil {
		return err
	}
	s.URL = url
	s.GitHub, err = githubtwin.New(githubtwin.Config{Owner: s.Owner, Repo: s.Name, Refs: store, DefaultBranch: s.Branch, Dir: assets, BaseURL: url,
		OnDispatch: func(ctx context.Context, d githubtwin.Dispatch) string {
			s.mu.Lock()
			run := s.dispatch
			s.mu.Unlock()
			if run == nil {
				return "success"
			}
			return run(ctx, d)
		}})
	if err != nil {
		return err
	}
	s.serve(listener, s.Config.Faults.Wrap("github", s.GitHub.Op, s.GitHub.Handler()))
	return nil
}

func (s *Stage) startFeeds() error {
	for name, index := range s.registries() {
		real, err := registry.New(name, index)
		if err != nil {
			return err
		}
		real = real.As(observe.KindOf(s.Release, name, real.Index))
		listener, url, err := listen()
		if err != nil {
			return err
		}
		token := secret.New("rehearsal-token-for-" + name)
		if real.Kind != registry.KindCratesIO {
			token = secret.New("Bearer rehearsal-token-for-" + name)
		}
		c := registrytwin.Config{Name: name, URL: url, Manners: registrytwin.Lenient, AuthRequired: real.Kind != registry.KindCratesIO, Lag: s.Config.Lag,
			LagOf:  func(crate string) time.Duration { return s.Config.Faults.Lag(name, crate) },
			Tokens: []registrytwin.Token{{Label: "tagboat", Value: token, Scope: registrytwin.Publish}}}
		switch real.Kind {
		case registry.KindCratesIO:
			c.Manners, c.Buckets = registrytwin.CratesIO, registrytwin.Buckets{}
			c.Upstream = registrytwin.Upstream{Folders: downloaded()}
		case registry.KindGeneric:
		default:
			c.Manners = registrytwin.Manners(real.Kind)
		}
		s.trust(name, &c)
		feed := &Feed{Name: name, kind: real.Kind, Index: real.Index, URL: url + "/index/", Token: token, Twin: registrytwin.New(c)}
		if c.Trusted != nil {
			for _, crate := range s.crates(name) {
				if err := feed.Twin.Reserve(crate); err != nil {
					return err
				}
			}
		}
		s.Feeds[name] = feed
		s.serve(listener, s.Config.Faults.Wrap(name, registrytwin.Op, feed.Twin.Handler()))
	}
	return nil
}

// registries are all that the user's workspace names, and crates.io.
func (s *Stage) registries() map[string]string {
	out := map[string]string{registry.CratesIO: ""}
	for alias, index := range s.Source.Indexes {
		out[alias] = index
	}
	for alias, r := range s.Release.Registries {
		if alias != registry.CratesIO && r.Index != "" {
			out[alias] = r.Index
		}
	}
	return out
}

// downloaded lists the folders of crates that cargo has downloaded on this machine: a rehearsal reads dependencies
// from there, so that it needs no network. Their checksums must still be the lock file's.
func downloaded() []string {
	home := os.Getenv("CARGO_HOME")
	if home == "" {
		if dir, err := os.UserHomeDir(); err == nil {
			home = filepath.Join(dir, ".cargo")
		}
	}
	folders, _ := filepath.Glob(filepath.Join(home, "registry", "cache", "*"))
	sort.Strings(folders)
	return folders
}

func listen() (net.Listener, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen on loopback: %w", err)
	}
	return l, "http://" + l.Addr().String(), nil
}

func (s *Stage) serve(l net.Listener, h http.Handler) {
	if s.Config.Wrap != nil {
		h = s.Config.Wrap(h)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	go server.Serve(l) // ends with Close; its error is then http.ErrServerClosed
}

// Close stops the servers.
func (s *Stage) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	if s.GitHub != nil {
		errs = append(errs, s.GitHub.Close())
	}
	return errors.Join(errs...)
}

// World is what a run of the pipeline sees of the stage; scratch is the run's own empty folder. end closes what the
// run opened.
func (s *Stage) World(ctx context.Context, scratch string) (w observe.World, end func() error, err error) {
	repo, err := git.Open(ctx, s.Bare.Dir)
	if err != nil {
		return w, nil, err
	}
	client, err := forge.New(forge.Options{APIURL: s.URL, UploadURL: s.URL, Owner: s.Owner, Repo: s.Name,
		Token: func(context.Context) (secret.Value, error) { return secret.New("rehearsal-github-token"), nil }})
	if err != nil {
		return w, nil, err
	}
	source := &source.Repository{Repo: repo, Scratch: scratch, Stands: map[string]string{}, Toolchains: s.toolchains(), Say: s.Config.Say}
	w = observe.World{Source: source, Forge: client, Scratch: scratch, WorkingDir: s.Config.Path, Poll: 20 * time.Millisecond}
	if f := s.Feeds[registry.CratesIO]; f != nil {
		source.Stands[f.Index] = f.URL
	}
	credentials := s.credentials()
	credentials.Wire(&w)
	w.Keys = s.keys()
	w.Registry = observe.Clients(func(name, index string) (registry.Registry, registry.Options, error) {
		f, ok := s.Feeds[name]
		if !ok {
			return registry.Registry{}, registry.Options{}, fmt.Errorf("its index is nowhere configured")
		}
		r, err := registry.New(name, f.Index)
		r = r.As(f.kind)
		r.URL = f.URL
		return r, credentials.Options(name, registry.Options{}), err
	})
	var stops []func()
	source.Gate = func(name, index string) (string, error) { // as in a real release: no token enters the build zone
		client, err := w.Registry(name, index)
		if err != nil {
			return "", err
		}
		url, stop, err := gate.Open(client)
		stops = append(stops, stop)
		return url, err
	}
	return w, func() error {
		for _, stop := range stops {
			stop()
		}
		return source.Close()
	}, nil
}

// Consume is the command with which a person can use what was published, from any folder with a Cargo.toml.
func (f *Feed) Consume(crate, version string) string {
	if f.Name == registry.CratesIO {
		return fmt.Sprintf("cargo --config 'source.crates-io.replace-with=\"rehearsal\"' --config 'source.rehearsal.registry=\"sparse+%s\"' add %s@=%s", f.URL, crate, version)
	}
	alias := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	return fmt.Sprintf("CARGO_REGISTRIES_%s_INDEX='sparse+%s' CARGO_REGISTRIES_%s_TOKEN='%s' CARGO_REGISTRIES_%s_CREDENTIAL_PROVIDER=cargo:token cargo add %s@=%s --registry %s",
		alias, f.URL, alias, f.Token.Reveal(), alias, crate, version, f.Name)
}

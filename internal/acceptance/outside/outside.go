// Package outside is an outside world for tests of real runs: a GitHub and cargo registries on loopback, around one
// repository, that a tagboat process meets as it meets the real ones, and that a test can change behind its back.
package outside

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/secret"
)

// Owner is who the repository belongs to.
const Owner = "acme"

// Config describes a world at its start.
type Config struct {
	// Workspace is the folder to release. In its .cargo/config.toml and tagboat.toml, {index:NAME} stands for the index
	// of a registry that the world starts.
	Workspace string
	Dir       string // an existing empty folder for the world
	Mark      string // part of every token; "" is "secret"
	// OnDispatch is the run of a dispatched workflow; nil succeeds at once.
	OnDispatch func(ctx context.Context, d githubtwin.Dispatch) (conclusion string)
	// Around is put around every server, closest to the client. May be nil.
	Around  func(service string, op func(*http.Request) string, next http.Handler) http.Handler
	Manners registrytwin.Manners // of every registry; "" is lenient
}

// World is a running outside world.
type World struct {
	Name     string // of the repository
	Checkout string // a clone with the workspace, as a person or actions/checkout has it
	Bare     *git.Repo
	GitHub   *githubtwin.Twin
	URL      string // of GitHub
	Token    string // for GitHub
	Feeds    map[string]*Feed

	config  Config
	faults  atomic.Pointer[fault.Set]
	mu      sync.Mutex
	holds   []*Hold
	servers []*http.Server

	internet *Internet // nil until it is opened
}

// Feed is one registry.
type Feed struct {
	Name, Index string // as cargo names it
	Token       string // the whole Authorization header
	Twin        *registrytwin.Twin
	server      *http.Server
}

var indexOf = regexp.MustCompile(`\{index:([a-z-]+)\}`)

// Start makes the world and starts its servers. Close stops them.
func Start(ctx context.Context, c Config) (*World, error) {
	w := &World{Name: filepath.Base(c.Workspace), Checkout: filepath.Join(c.Dir, "checkout", filepath.Base(c.Workspace)), Feeds: map[string]*Feed{}, config: c}
	if w.config.Mark == "" {
		w.config.Mark = "secret"
	}
	w.Token = "ghs_github" + w.config.Mark
	w.faults.Store(fault.NewSet())
	staged := filepath.Join(c.Dir, "staged")
	if err := os.CopyFS(staged, os.DirFS(c.Workspace)); err != nil {
		return nil, fmt.Errorf("copy the workspace: %w", err)
	}
	if err := w.startFeeds(staged); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := os.MkdirAll(filepath.Dir(w.Checkout), 0o755); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	err := sample.Stage(ctx, staged, w.Checkout)
	if err == nil {
		w.Bare, err = git.InitBare(ctx, filepath.Join(c.Dir, "github.git"))
	}
	if err == nil {
		err = w.Push(ctx, "refs/heads/main")
	}
	if err == nil {
		err = w.Bare.SetHead(ctx, "main")
	}
	if err == nil {
		err = w.startGitHub(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// startFeeds starts a registry for each {index:NAME} and writes its address into the files.
func (w *World) startFeeds(dir string) error {
	for _, name := range []string{".cargo/config.toml", "tagboat.toml"} {
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range indexOf.FindAllSubmatch(text, -1) {
			if err := w.startFeed(string(m[1])); err != nil {
				return err
			}
		}
		text = indexOf.ReplaceAllFunc(text, func(m []byte) []byte { return []byte(w.Feeds[string(indexOf.FindSubmatch(m)[1])].Index) })
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) startFeed(name string) error {
	if w.Feeds[name] != nil {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String()
	f := &Feed{Name: name, Index: "sparse+" + url + "/index/", Token: "Bearer " + name + w.config.Mark}
	f.Twin = registrytwin.New(registrytwin.Config{Name: name, URL: url, AuthRequired: true, Manners: w.config.Manners, Bearer: w.bearer, Tokens: []registrytwin.Token{
		{Label: "tagboat", Value: secret.New(strings.TrimPrefix(f.Token, "Bearer ")), Scope: registrytwin.Publish},
		{Label: "tagboat", Value: secret.New("next" + w.config.Mark), Scope: registrytwin.Publish}, // after a rotation
		{Label: "reader", Value: secret.New("reader" + w.config.Mark), Scope: registrytwin.Read}}})
	f.server = w.serve(l, name, registrytwin.Op, f.Twin.Handler())
	w.Feeds[name] = f
	return nil
}

func (w *World) startGitHub(ctx context.Context) error {
	store, err := gitstore.OpenBare(ctx, w.Bare.Dir)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.URL = "http://" + l.Addr().String()
	w.GitHub, err = githubtwin.New(githubtwin.Config{Owner: Owner, Repo: w.Name, Refs: store, DefaultBranch: "main", BaseURL: w.URL, OnDispatch: w.config.OnDispatch, Tokens: map[string]githubtwin.Permissions{
		w.Token:                        {"contents": "write", "actions": "write", "issues": "write", "pull_requests": "write", "workflows": "write", "metadata": "read"},
		"ghs_keeper" + w.config.Mark:   {"secrets": "write", "environments": "write", "organization_secrets": "write", "metadata": "read"},
		"ghs_readonly" + w.config.Mark: {"contents": "read", "actions": "read", "issues": "read", "metadata": "read"},
		"ghs_ending" + w.config.Mark:   {"contents": "read", "issues": "write", "metadata": "read"},
	}, TokenEnds: map[string]time.Time{"ghs_ending" + w.config.Mark: time.Now().Add(10*24*time.Hour + time.Hour)}})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	w.serve(l, "github", w.GitHub.Op, w.GitHub.Handler())
	return nil
}

func (w *World) serve(l net.Listener, name string, op func(*http.Request) string, h http.Handler) *http.Server {
	server := &http.Server{Handler: w.around(name, op, h), ReadHeaderTimeout: time.Minute}
	w.mu.Lock()
	w.servers = append(w.servers, server)
	w.mu.Unlock()
	go server.Serve(l) // ends with Close
	return server
}

// around puts faults, holds and what the test wants around a service.
func (w *World) around(name string, op func(*http.Request) string, h http.Handler) http.Handler {
	var inner http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.faults.Load().Wrap(name, op, h).ServeHTTP(rw, r)
	})
	inner = w.holding(name, op, inner)
	if w.config.Around != nil {
		inner = w.config.Around(name, op, inner)
	}
	return inner
}

// Close stops the servers.
func (w *World) Close() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	if w.GitHub != nil {
		errs = append(errs, w.GitHub.Close())
	}
	return errors.Join(errs...)
}

// Env is what a run on this world has in its environment.
func (w *World) Env() map[string]string {
	env := map[string]string{"GITHUB_API_URL": w.URL, "GITHUB_REPOSITORY": Owner + "/" + w.Name, "GITHUB_TOKEN": w.Token}
	for name, f := range w.Feeds {
		env["CARGO_REGISTRIES_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"_TOKEN"] = f.Token
	}
	return env
}

// Fault makes things go wrong from now on, in the words of package fault, instead of what went wrong before.
func (w *World) Fault(lines ...string) error {
	var specs []fault.Spec
	for _, line := range lines {
		s, err := fault.Parse(line)
		if err != nil {
			return err
		}
		specs = append(specs, s)
	}
	w.faults.Store(fault.NewSet(specs...))
	return nil
}

// Push brings refs of the checkout to GitHub, whatever they pointed to there.
func (w *World) Push(ctx context.Context, refs ...string) error {
	for i, ref := range refs {
		from, to, ok := strings.Cut(ref, ":")
		if !ok {
			to = from
		}
		refs[i] = "+" + from + ":" + to
	}
	return w.Bare.Fetch(ctx, w.Checkout, refs...)
}

// Git runs git in the checkout.
func (w *World) Git(ctx context.Context, argv ...string) error {
	return sample.Git(ctx, w.Checkout, argv...)
}

// StopFeed takes a registry off the network.
func (w *World) StopFeed(name string) error {
	f, ok := w.Feeds[name]
	if !ok {
		return fmt.Errorf("no registry %s", name)
	}
	return f.server.Close()
}

// Forge is a client of GitHub for a test's own changes.
func (w *World) Forge() (*forge.Client, error) {
	return forge.New(forge.Options{APIURL: w.URL, Owner: Owner, Repo: w.Name, Token: func(context.Context) (secret.Value, error) { return secret.New(w.Token), nil }})
}

// Show describes the world, one fact a line: refs, releases with their assets, runs, issues, secrets, accepted uploads.
func (w *World) Show(ctx context.Context) (string, error) {
	var lines []string
	refs, err := w.GitHub.Refs(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range refs {
		lines = append(lines, fmt.Sprintf("ref %s %s", r.Name, r.Object))
	}
	for _, r := range w.GitHub.Releases() {
		state := "public"
		if r.Draft {
			state = "draft"
		}
		lines = append(lines, fmt.Sprintf("release %s %s", r.Tag, state))
		for _, a := range r.Assets {
			lines = append(lines, fmt.Sprintf("asset %s %s %s %s", r.Tag, a.Name, a.State, a.Digest))
		}
	}
	for _, r := range w.GitHub.Runs() {
		lines = append(lines, fmt.Sprintf("run %s %s", r.Dispatch.Workflow, r.Dispatch.Ref))
	}
	for _, i := range w.GitHub.Issues() {
		lines = append(lines, fmt.Sprintf("issue %d %s %s", i.Number, i.State, i.Title))
	}
	lines = append(lines, w.GitHub.Secrets().Show()...)
	for _, name := range slices.Sorted(maps.Keys(w.Feeds)) {
		for _, u := range w.Feeds[name].Twin.Accepted() {
			lines = append(lines, fmt.Sprintf("crate %s %s %s %s", name, u.Name, u.Version, u.SHA256))
		}
	}
	if w.internet != nil {
		lines = append(lines, w.internet.show()...)
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// Print is a short form of Show: two worlds with the same one are the same.
func (w *World) Print(ctx context.Context) (string, error) {
	text, err := w.Show(ctx)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text))), err
}

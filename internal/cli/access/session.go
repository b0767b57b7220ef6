// Package access is what people do about access to registries: log in, run cargo with tokens that it asks for, and be the
// provider that it asks.
package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/credential"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// Desk is one call of the program, as far as access goes.
type Desk struct {
	Dir      string
	Env      map[string]string
	In       io.Reader
	Out, Err io.Writer // masked
	// PlainOut and PlainErr are the same without the mask: for cargo, which asked for a token, and for a runner that must
	// know what to mask.
	PlainOut, PlainErr io.Writer
	Masker             *secret.Masker
	JSON               bool
	UserAgent          string
	Say                func(format string, args ...any)
	Warn               func(sentence string) // says each sentence once
	Flush              func()                // brings out what Out and Err hold back
	// Keys finds the tokens of registries (name -> index) in the environment.
	Keys func(cfg config.Config, indexes map[string]string) Keys
}

// Keys is the environment's tokens.
type Keys struct {
	From      func(name string) string // the variable
	Variables map[string]string        // registry -> variable
	Client    func(name, index string) (*registry.Client, error)
}

// SessionSchema names the version of the shape of session.
const SessionSchema = "tagboat.session/v1"

// Session is the JSON document of `tagboat run` and of `tagboat login --ci`.
type Session struct {
	Schema     string         `json:"schema"`
	Registries []SessionGrant `json:"registries"`
	Command    []string       `json:"command,omitempty"`   // what was run
	Apart      bool           `json:"apart,omitempty"`     // the dependencies were fetched first; the command has no token
	ExitCode   *int           `json:"exit_code,omitempty"` // of the command; absent where it took this process's place
	Kept       string         `json:"kept,omitempty"`      // the folder that the tokens are kept in
}

// SessionGrant is what cargo may ask for one registry.
type SessionGrant struct {
	Name    string     `json:"name"`
	Index   string     `json:"index"`
	Publish []string   `json:"publish"`           // crates of the workspace, with their versions
	Expires *time.Time `json:"expires,omitempty"` // when the token ends, where that is known
}

func sessionOf(grants credential.Grants) Session {
	s := Session{Schema: SessionSchema, Registries: []SessionGrant{}}
	for _, g := range grants {
		out := SessionGrant{Name: g.Name, Index: g.Index, Publish: []string{}}
		for _, name := range sorted(g.Crates) {
			out.Publish = append(out.Publish, name+" "+g.Crates[name])
		}
		if !g.Expires.IsZero() {
			out.Expires = &g.Expires
		}
		s.Registries = append(s.Registries, out)
	}
	return s
}

// wallet is the registries that are known in the folder, with the tokens of the environment.
type wallet struct {
	credential.Place
	keys Keys
}

func (d *Desk) wallet(ctx context.Context) (wallet, error) {
	place, err := credential.Look(ctx, d.Dir, d.childEnv(Keys{}))
	if err != nil {
		return wallet{}, err
	}
	return wallet{Place: place, keys: d.Keys(place.Config, place.Indexes)}, nil
}

// childEnv is the environment of programs that are not ours: without what is named like a secret, and without tokens.
func (d *Desk) childEnv(keys Keys) map[string]string {
	env := maps.Clone(d.Env)
	maps.DeleteFunc(env, func(name, _ string) bool { return secret.NamedLikeSecret(name) })
	for _, name := range keys.Variables {
		delete(env, name)
	}
	return env
}

// straight holds that a token which cargo is given goes nowhere but to its registry.
func (w wallet) straight() error {
	if len(w.Diversions) == 0 {
		return nil
	}
	return &problem.Error{Kind: problem.Stopped, Summary: "the repository's configuration decides who sees what cargo sends", Detail: strings.Join(w.Diversions, "\n"),
		Hint: "where that is meant, say it beside the token: CARGO_HTTP_PROXY, CARGO_HTTP_CAINFO, RUSTUP_TOOLCHAIN"}
}

// names are the registries of the wallet, crates.io first.
func (w wallet) names() []string { return append([]string{registry.CratesIO}, sorted(w.Indexes)...) }

// grant finds a registry's token in its variable. The client has it, too. Without a token the grant has none.
func (w wallet) grant(ctx context.Context, name string) (credential.Grant, *registry.Client, error) {
	client, err := w.keys.Client(name, w.Indexes[name])
	if err != nil {
		return credential.Grant{}, nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s cannot be used", name), Err: err,
			Hint: fmt.Sprintf("[registries.%s] in .cargo/config.toml says where its index is", name)}
	}
	g := credential.Grant{Name: name, Index: client.Registry().Index, Crates: w.Crates(name)}
	if g.Token, err = client.Token(ctx); err != nil {
		return g, nil, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("the token in %s cannot be used", w.keys.From(name)), Err: err, Hint: "store the token again, alone and as one line"}
	}
	g.Expires, _ = kind.Expiry(g.Token)
	return g, client, nil
}

// byAzure reports whether the Azure CLI is asked for a registry's token. That a registry is Azure's is no matter of the
// repository's word: its address says it, or the user names the address too.
func (w wallet) byAzure(r registry.Registry) bool {
	byAddress, err := registry.New(r.Name, r.Index)
	return err == nil && (byAddress.Kind == registry.KindAzure || r.Kind == registry.KindAzure && w.Own[r.Name]) && credential.Installed("az")
}

// azure gives a grant a token of the Azure CLI.
func (d *Desk) azure(ctx context.Context, w wallet, g *credential.Grant, client **registry.Client) error {
	token, expires, err := credential.AzureToken(ctx, d.childEnv(w.keys))
	if err == nil {
		*client = d.clientWith((*client).Registry(), token)
		g.Expires = expires
		g.Token, err = (*client).Token(ctx)
	}
	if err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: "the Azure CLI gives no token for registry " + g.Name, Err: err, Hint: "az login; or give a personal access token"}
	}
	return nil
}

// clientWith is a client of the registry with a token that is in no variable.
func (d *Desk) clientWith(r registry.Registry, token secret.Value) *registry.Client {
	kind.Hide(d.Masker, token)
	return registry.NewClient(r, registry.Options{UserAgent: d.UserAgent, Warn: d.Warn, Hide: func(v secret.Value) { kind.Hide(d.Masker, v) },
		Token: func(context.Context) (secret.Value, error) { return token, nil }})
}

// grants are all registries whose token is at hand.
func (d *Desk) grants(ctx context.Context, w wallet) (credential.Grants, error) {
	var out credential.Grants
	var looked []string
	for _, name := range w.names() {
		g, client, err := w.grant(ctx, name)
		if err != nil {
			return nil, err
		}
		looked = append(looked, fmt.Sprintf("%s: %s", name, w.keys.From(name)))
		if g.Token.IsZero() && w.byAzure(client.Registry()) {
			if err := d.azure(ctx, w, &g, &client); err != nil {
				looked = append(looked, err.Error())
			}
		}
		if !g.Token.IsZero() {
			out = append(out, g)
		}
	}
	if len(out) == 0 {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "there is no token for any registry", Detail: "where one was looked for:\n" + strings.Join(looked, "\n"),
			Hint: "set one of these variables; registries are those of .cargo/config.toml and tagboat.toml"}
	}
	return out, nil
}

// Trust is what a command may do while it may ask for tokens.
type Trust struct{ Crates bool } // build them

// Run runs a command in a session and returns its exit code.
func (d *Desk) Run(ctx context.Context, argv []string, o Trust) (int, error) {
	if !credential.Supported {
		return 0, &problem.Error{Kind: problem.Usage, Summary: "tagboat run works on Linux only", Detail: "this system does not tell which program asks for a token",
			Hint: "tagboat login stores a token with cargo's own means"}
	}
	fetch, apart := credential.Apart(argv)
	if !apart && !o.Crates && credential.Builds(argv) {
		return 0, &problem.Error{Kind: problem.Usage, Summary: "crates may be built while this command may ask for tokens", Detail: "a build script that runs then can get at them",
			Hint: "keep the two apart: tagboat run -- cargo package, then tagboat run -- cargo publish --no-verify; or give --trust-crates"}
	}
	if err := credential.CloseMemory(); err != nil {
		return 0, err
	}
	w, err := d.wallet(ctx)
	if err != nil {
		return 0, err
	}
	if err := w.straight(); err != nil {
		return 0, err
	}
	if w.Unread != nil && !apart {
		return 0, w.Unread // what may be published is not known
	}
	grants, err := d.grants(ctx, w)
	if err != nil {
		return 0, err
	}
	if apart {
		for i := range grants {
			grants[i].Crates = nil // to fetch is to read
		}
	}
	program, err := d.program()
	if err != nil {
		return 0, err
	}
	doc := sessionOf(grants)
	doc.Command, doc.Apart = argv, apart
	call := credential.Program{Dir: d.Dir, Argv: argv, Env: grants.Environment(d.childEnv(w.keys), program, ""), In: d.In, Out: d.Out, Err: d.Err}
	if !apart {
		exit, err := d.within(ctx, grants, call, o)
		doc.ExitCode = &exit
		if err == nil && d.JSON {
			err = render.JSON(d.Out, doc)
		}
		return exit, err
	}
	if len(fetch) > 0 {
		first := call
		first.Argv, first.In = fetch, nil
		if exit, err := d.within(ctx, grants, first, o); exit != 0 || err != nil {
			return exit, err
		}
	}
	return 0, d.become(doc, call)
}

// within runs a command in a session of its own.
func (d *Desk) within(ctx context.Context, grants credential.Grants, p credential.Program, o Trust) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s, err := credential.Open([]string{d.Env["XDG_RUNTIME_DIR"], d.Env["RUNNER_TEMP"], os.TempDir(), "/tmp"}, grants)
	if err != nil {
		return 0, &problem.Error{Kind: problem.Failed, Summary: "cannot hold tokens for cargo", Err: err, Hint: "is XDG_RUNTIME_DIR, RUNNER_TEMP or TMPDIR a folder of yours?"}
	}
	p.Env = maps.Clone(p.Env)
	p.Env[credential.Variable] = s.Dir
	if !o.Crates { // what the repository would put around the compiler
		p.Env["RUSTC"], p.Env["RUSTC_WRAPPER"], p.Env["RUSTC_WORKSPACE_WRAPPER"] = cmp.Or(p.Env["RUSTC"], "rustc"), "", ""
	}
	if d.JSON {
		p.Out = d.Err
	}
	exit, err := p.Run(ctx)
	if err != nil && ctx.Err() == nil {
		err = &problem.Error{Kind: problem.Failed, Summary: "cannot run " + p.Argv[0], Err: err, Hint: "is it installed, and in PATH?"}
	}
	return exit, errors.Join(err, s.Close())
}

// become ends this process as another program, so that no token is left in its memory.
func (d *Desk) become(doc Session, p credential.Program) error {
	delete(p.Env, credential.Variable)
	p.Env["CARGO_NET_OFFLINE"] = "true"
	if d.JSON {
		if err := render.JSON(d.Out, doc); err != nil {
			return err
		}
	}
	d.Flush()
	if d.JSON {
		if err := credential.StdoutToStderr(); err != nil {
			return err
		}
	}
	return &problem.Error{Kind: problem.Failed, Summary: "cannot run " + p.Argv[0], Err: p.Become(), Hint: "is it installed, and in PATH?"}
}

// program is this program as cargo can be told to start it: cargo breaks what a variable says at blanks.
func (d *Desk) program() (string, error) {
	path, err := os.Executable()
	if err == nil && strings.ContainsAny(path, " \t") {
		err = errors.New("cargo cannot start a credential provider whose path has a blank: " + path)
	}
	if err != nil {
		return "", &problem.Error{Kind: problem.Failed, Summary: "cargo cannot be told where tagboat is", Err: err, Hint: "install tagboat in a folder without blanks in its name"}
	}
	return path, nil
}

// Provide speaks the protocol with the cargo that started this program.
func (d *Desk) Provide(ctx context.Context) error {
	return credential.Serve(d.In, d.PlainOut, func(line []byte) []byte { return d.provide(ctx, line) })
}

func (d *Desk) provide(ctx context.Context, line []byte) []byte {
	r, err := credential.Parse(line)
	dir := d.Env[credential.Variable]
	if err != nil || dir != "" || !slices.Contains(r.Args, "--azure-cli") {
		return credential.Ask(dir, line)
	}
	return credential.Respond(line, func(r credential.Request) (credential.Answer, error) {
		at, err := registry.New(r.Name, r.Index)
		if err != nil || at.Kind != registry.KindAzure || !strings.HasPrefix(at.URL, "https://") || r.Kind != "get" || !credential.Installed("az") {
			return credential.Answer{}, credential.ErrElsewhere
		}
		if r.Operation != "read" { // whose crate it is cannot be known here
			return credential.Answer{}, &credential.Refusal{Kind: "operation-not-supported"}
		}
		token, expires, err := credential.AzureToken(ctx, d.childEnv(Keys{}))
		if err != nil {
			return credential.Answer{}, err
		}
		return credential.Answer{Token: token, Expires: expires}, nil
	})
}

// keepDir is where tokens are kept for the steps of a job that follow.
func (d *Desk) keepDir() string {
	for _, name := range []string{"RUNNER_TEMP", "XDG_RUNTIME_DIR"} {
		if base := d.Env[name]; base != "" {
			return filepath.Join(base, "tagboat-tokens")
		}
	}
	return ""
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

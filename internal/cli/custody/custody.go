// Package custody is what people do about the tokens that their jobs use: ask about them, and renew them.
package custody

import (
	"cmp"
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/care"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
	"github.com/tagboat/tagboat/internal/secret"
)

// Desk is one call of the program, as far as tokens go.
type Desk struct {
	Config   config.Config
	Indexes  map[string]string // of registries that .cargo/config.toml names
	Others   []string          // registries that are known otherwise: by a variable of cargo's
	Variable func(registry string) string
	// Client returns a client for a registry that uses this token.
	Client func(name, index string, token secret.Value) (*registry.Client, error)
	Hub    func(ctx context.Context) (*forge.Client, error) // GitHub

	Env    map[string]string
	In     io.Reader
	Err    io.Writer // masked
	Masker *secret.Masker
	Say    func(format string, args ...any)
	Flush  func() // brings out what Err holds back
}

// token is one token by its name. ok is false where nothing has that name.
func (d *Desk) token(name string) (care.Token, bool) {
	c, ok := d.Config.TokenNamed(name)
	if _, known := d.Indexes[name]; !ok && !known {
		return care.Token{}, false
	}
	t := care.Token{Name: name, Config: c, Variable: c.TokenEnv, Index: d.Config.Registries[c.Registry].Index}
	if t.Variable == "" {
		t.Variable = d.Variable(c.Registry)
	}
	if t.Index == "" {
		t.Index = d.Indexes[c.Registry]
	}
	if v := d.Env[t.Variable]; v != "" {
		t.Value = secret.New(v)
		d.hide(t.Value)
		os.Unsetenv(t.Variable) // whatever it is called, no child inherits it
	}
	if client, err := d.Client(c.Registry, t.Index, secret.Value{}); err == nil {
		t.Kind = client.Registry().Kind
	}
	return t, true
}

// hide masks a value and every part of it.
func (d *Desk) hide(v secret.Value) {
	d.Masker.Environment(v.Reveal())
	kind.Hide(d.Masker, v)
}

// ask asks a token's registry.
func (d *Desk) ask(ctx context.Context, t care.Token) (registry.Access, error) {
	client, err := d.Client(t.Config.Registry, t.Index, t.Value)
	if err != nil {
		return registry.Access{}, err
	}
	return client.Check(ctx)
}

// known lists everything that may be a token's name, sorted.
func (d *Desk) known() []string {
	all := slices.Concat(slices.Collect(maps.Keys(d.Config.Tokens)), slices.Collect(maps.Keys(d.Config.Registries)), slices.Collect(maps.Keys(d.Indexes)), d.Others)
	slices.Sort(all)
	return slices.Compact(all)
}

// all are the tokens that are watched: those of tagboat.toml, and each that the run has and that is watched under no other
// name.
func (d *Desk) all() []care.Token {
	var out []care.Token
	taken := map[string]bool{}
	for _, table := range []bool{true, false} {
		for _, name := range d.known() {
			_, has := d.Config.Tokens[name]
			t, ok := d.token(name)
			if d.isHub(name) || has != table || !ok || !has && (t.Value.IsZero() || taken[t.Variable]) {
				continue
			}
			taken[t.Variable] = true
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b care.Token) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// hubName is what the token for GitHub is called, unless a registry is.
const hubName = "github"

func (d *Desk) isHub(name string) bool {
	_, ours := d.Config.Registries[name]
	_, cargos := d.Indexes[name]
	return name == hubName && !ours && !cargos
}

// gitHub asks GitHub about its own token, as far as it tells or tagboat.toml does that it ends; of the token of a job
// neither does. ok is false where there is nothing to watch.
func (d *Desk) gitHub(ctx context.Context) (seen care.Seen, ok bool) {
	t := care.Token{Name: hubName, Kind: care.GitHub, Index: cmp.Or(d.Env["GITHUB_SERVER_URL"], "https://github.com"), Variable: "GITHUB_TOKEN"}
	if d.Env[t.Variable] == "" {
		t.Variable = "GH_TOKEN"
	}
	if d.Env[t.Variable] == "" {
		return seen, false
	}
	t.Value = secret.New(d.Env[t.Variable])
	t.Config, _ = d.Config.TokenNamed(t.Name)
	client, err := d.Hub(ctx)
	if err != nil {
		return seen, false // whoever needs it will say so
	}
	seen = care.Seen{Token: t, Access: registry.Access{Reachable: true, AuthRequired: true, Token: true, Read: registry.Yes, Publish: registry.Unknown}}
	if seen.Ends, err = client.TokenEnds(ctx); forge.IsDenied(err) {
		seen.Access.Read, seen.Access.Detail = registry.No, []string{err.Error()}
		return seen, true
	}
	_, table := d.Config.Tokens[hubName]
	return seen, err == nil && (!seen.Ends.IsZero() || table)
}

// unknown does not repeat the name: it may be the token itself.
func (d *Desk) unknown() error {
	return &problem.Error{Kind: problem.Usage, Summary: "no token has that name", Detail: "known: " + strings.Join(d.known(), ", "),
		Hint: "a token is called like its registry, or like its table under [tokens] in tagboat.toml; if a token itself stood on the command line, replace it"}
}

// Check is what to ask, and what to do with the answers.
type Check struct {
	Names     []string // none: all
	Tolerance care.Tolerance
	Issue     bool // keep one issue current; it is about all tokens, so not with Names
	DryRun    bool // without changing the issue
}

// Check asks about tokens.
func (d *Desk) Check(ctx context.Context, o Check) (*release.Report, error) {
	list := d.all()
	if len(o.Names) > 0 {
		list, o.Issue = nil, false
	}
	for _, name := range o.Names {
		if d.isHub(name) {
			continue
		}
		t, ok := d.token(name)
		if !ok {
			return nil, d.unknown()
		}
		list = append(list, t)
	}
	d.Say("Asking about %s.", plain.Count(len(list), "token"))
	seen, err := care.Look(ctx, list, d.ask)
	if err != nil {
		return nil, err
	}
	if hub, ok := d.gitHub(ctx); ok && d.isHub(hubName) && (len(o.Names) == 0 || o.Names[0] == hubName) {
		seen = append(seen, hub)
	}
	if !o.Issue || len(seen) == 0 {
		r := care.Check("", seen, o.Tolerance, time.Now())
		return &r, nil
	}
	client, err := d.Hub(ctx)
	if err != nil {
		return nil, err
	}
	var hub notice.Tracker = client
	if o.DryRun {
		hub = notice.DryRun(client)
	}
	r := care.Check(client.Slug(), seen, o.Tolerance, time.Now())
	title, body := render.TokenIssue(r)
	care.Tell(ctx, hub, &r, care.Text{Title: d.Masker.Mask(title), Body: d.Masker.Mask(body), Farewell: render.TokenFarewell(r)})
	if r.Notice != nil {
		r.Notice.DryRun = o.DryRun
	}
	return &r, nil
}

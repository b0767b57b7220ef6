package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cli/prompt"
	"github.com/tagboat/tagboat/internal/credential"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// LoginSchema names the version of the shape of LoginReport.
const LoginSchema = "tagboat.login/v1"

// LoginReport is the JSON document of `tagboat login` and `tagboat logout`.
type LoginReport struct {
	Schema   string     `json:"schema"`
	Registry string     `json:"registry,omitempty"`
	Index    string     `json:"index,omitempty"`
	From     string     `json:"from,omitempty"`    // "azure-cli", "terminal", "stdin"
	Read     string     `json:"read,omitempty"`    // what the registry lets the token do: "yes", "no", "unknown"
	Publish  string     `json:"publish,omitempty"` // the same for publishing
	Detail   []string   `json:"detail,omitempty"`  // what else is known of that, for people
	Expires  *time.Time `json:"expires,omitempty"` // when the token ends, where that is known
	Stored   string     `json:"stored,omitempty"`  // by which credential provider of cargo; absent after logout
	Removed  bool       `json:"removed,omitempty"` // after logout
}

// Login is how to log in.
type Login struct{ WithToken, CI bool }

// Login tries a token on a registry and stores it with cargo's own means.
func (d *Desk) Login(ctx context.Context, name string, o Login) error {
	w, err := d.known(ctx, name)
	if err != nil {
		return err
	}
	client, err := w.keys.Client(name, w.Indexes[name])
	if err != nil {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s cannot be used", name), Err: err}
	}
	r := client.Registry()
	g := credential.Grant{Name: name, Index: r.Index}
	doc := LoginReport{Schema: LoginSchema, Registry: name, Index: r.Index, From: "azure-cli"}
	if !o.WithToken && w.byAzure(r) {
		if err := d.azure(ctx, w, &g, &client); err != nil {
			return err
		}
	} else {
		var raw secret.Value
		if raw, doc.From, err = d.readToken(ctx, r); err != nil {
			return err
		}
		client = d.clientWith(r, raw)
		if g.Token, err = client.Token(ctx); err != nil {
			return &problem.Error{Kind: problem.Usage, Summary: "this token cannot be used", Err: err, Hint: "it is " + r.Kind.Traits().TokenForm}
		}
		g.Expires, _ = kind.Expiry(g.Token)
	}
	found, err := client.Check(ctx)
	if err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer; nothing was stored", name), Err: err}
	}
	if found.Read == registry.No || found.Publish == registry.No && r.Kind == registry.KindCratesIO {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s refuses the token; nothing was stored", name), Detail: strings.Join(found.Detail, "\n"),
			Hint: "it is " + r.Kind.Traits().TokenForm}
	}
	doc.Read, doc.Publish, doc.Detail = string(found.Read), string(found.Publish), found.Detail
	if !g.Expires.IsZero() {
		doc.Expires = &g.Expires
	}
	if doc.Stored, err = d.store(ctx, w, g); err != nil {
		return err
	}
	return d.loggedIn(doc)
}

// known is the wallet, with that registry in it.
func (d *Desk) known(ctx context.Context, name string) (wallet, error) {
	w, err := d.wallet(ctx)
	if err == nil && name != registry.CratesIO && w.Indexes[name] == "" {
		err = &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("registry %s is not known here", name), Detail: "known are: " + strings.Join(w.names(), ", "),
			Hint: fmt.Sprintf("name its index in [registries.%s] of .cargo/config.toml, or in %s", name, credential.IndexVariable(name))}
	}
	return w, err
}

// maxToken bounds what is read as a token. Entra's are some thousand bytes long.
const maxToken = 64 << 10

// readToken reads a token from the terminal, without showing it, or from stdin.
func (d *Desk) readToken(ctx context.Context, r registry.Registry) (secret.Value, string, error) {
	from := "stdin"
	if prompt.Terminal(d.In) {
		from = "terminal"
		fmt.Fprintf(d.Err, "Token for registry %s: %s.\nIt is not shown: ", r.Name, r.Kind.Traits().TokenForm)
		d.Flush()
	}
	text, err := prompt.Secret(ctx, d.In, maxToken)
	if from == "terminal" {
		fmt.Fprintln(d.Err)
	}
	switch {
	case err == nil && len(text) > maxToken:
		err = fmt.Errorf("it is longer than %d bytes", maxToken)
	case err == nil && len(bytes.TrimSpace(text)) == 0:
		err = errors.New("nothing was given")
	}
	if err != nil {
		return secret.Value{}, from, &problem.Error{Kind: problem.Usage, Summary: "cannot read a token from " + from, Err: err, Hint: "type it, or pipe it in"}
	}
	return secret.New(strings.TrimRight(string(text), "\r\n")), from, nil
}

// store gives the token to cargo login, which is run in cargo's home: neither a configuration nor a toolchain of the
// repository has a say in who gets it.
func (d *Desk) store(ctx context.Context, w wallet, g credential.Grant) (provider string, err error) {
	p, provider, err := d.atHome(w, g.Name, "login")
	if err != nil {
		return "", err
	}
	p.In = strings.NewReader(g.Token.Reveal() + "\n")
	if _, err := p.Output(ctx); err != nil {
		return "", &problem.Error{Kind: problem.Failed, Summary: "cargo login did not store the token", Err: err,
			Hint: `name a credential provider that stores, before tagboat: global-credential-providers = ["cargo:token", "tagboat credential"]`}
	}
	return provider, nil
}

// atHome is a call of cargo for one registry in cargo's home, and the providers that it will ask.
func (d *Desk) atHome(w wallet, name, command string) (credential.Program, string, error) {
	env := d.childEnv(w.keys)
	home := credential.Home(env)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return credential.Program{}, "", &problem.Error{Kind: problem.Failed, Summary: "cannot make cargo's home", Err: err}
	}
	argv := []string{"cargo", command}
	if name != registry.CratesIO {
		env[credential.IndexVariable(name)] = w.Indexes[name]
		argv = append(argv, "--registry", name)
	}
	providers, err := userProviders(home, env, name)
	if err != nil {
		return credential.Program{}, "", err
	}
	if len(providers) == 0 { // cargo's own default, which it wants said for registries that need a token to read
		providers = []string{"cargo:token"}
		env["CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"] = "cargo:token"
	}
	return credential.Program{Dir: home, Argv: argv, Env: env}, strings.Join(providers, ", "), nil
}

// userProviders are the credential providers that the user's own configuration names for a registry.
// https://doc.rust-lang.org/cargo/reference/registry-authentication.html
func userProviders(home string, env map[string]string, name string) ([]string, error) {
	type entry struct {
		Provider any `toml:"credential-provider"`
	}
	var doc struct {
		Registry struct {
			entry
			Global []string `toml:"global-credential-providers"`
		} `toml:"registry"`
		Registries map[string]entry `toml:"registries"`
	}
	for _, file := range []string{"config", "config.toml"} {
		text, err := os.ReadFile(filepath.Join(home, file))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = toml.Unmarshal(text, &doc)
		}
		if err != nil {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "cannot read cargo's configuration", File: filepath.Join(home, file), Err: err}
		}
		break
	}
	own := doc.Registries[name].Provider
	if name == registry.CratesIO {
		own = doc.Registry.Provider
	}
	for _, said := range []any{env[credential.ProviderVariable(name)], own} {
		switch v := said.(type) {
		case string:
			if v != "" {
				return []string{v}, nil
			}
		case []any:
			return []string{strings.Trim(fmt.Sprint(v), "[]")}, nil
		}
	}
	if v := env["CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"]; v != "" {
		return append(doc.Registry.Global, strings.Fields(v)...), nil
	}
	return doc.Registry.Global, nil
}

func (d *Desk) loggedIn(doc LoginReport) error {
	if d.JSON {
		return render.JSON(d.Out, doc)
	}
	d.Say("Logged in to %s (%s).", doc.Registry, doc.Index)
	for _, line := range doc.Detail {
		d.Say("  %s", line)
	}
	if doc.Expires != nil {
		d.Say("  The token ends at %s.", doc.Expires.Format(time.RFC3339))
	}
	d.Say("  Stored by %s.", doc.Stored)
	if doc.Stored == "cargo:token" {
		d.Say("  That is a file: what runs as you can read it. A keyring is better: cargo:libsecret, cargo:macos-keychain or cargo:wincred in global-credential-providers.")
	}
	return nil
}

// Logout forgets a registry's token, with cargo's own means.
func (d *Desk) Logout(ctx context.Context, name string) error {
	w, err := d.known(ctx, name)
	if err != nil {
		return err
	}
	p, _, err := d.atHome(w, name, "logout")
	if err != nil {
		return err
	}
	if _, err := p.Output(ctx); err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: "cargo logout did not remove the token", Err: err}
	}
	if d.JSON {
		return render.JSON(d.Out, LoginReport{Schema: LoginSchema, Registry: name, Index: w.Indexes[name], Removed: true})
	}
	d.Say("Logged out of %s. The token itself stays good until it is revoked where it was made.", name)
	return nil
}

// KeepForCI keeps the environment's tokens for the cargo calls of a job's later steps.
func (d *Desk) KeepForCI(ctx context.Context, only []string) error {
	dir := d.keepDir()
	if dir == "" {
		return &problem.Error{Kind: problem.Usage, Summary: "there is no folder for this job alone", Hint: "set RUNNER_TEMP (GitHub Actions does) or XDG_RUNTIME_DIR"}
	}
	w, err := d.wallet(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(w.straight(), w.Unread); err != nil {
		return err
	}
	for _, name := range only {
		if !slices.Contains(w.names(), name) {
			return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("registry %s is not known here", name), Detail: "known are: " + strings.Join(w.names(), ", ")}
		}
	}
	grants, err := d.grants(ctx, w)
	if err != nil {
		return err
	}
	if len(only) > 0 {
		grants = slices.DeleteFunc(grants, func(g credential.Grant) bool { return !slices.Contains(only, g.Name) })
	}
	if len(grants) < len(only) {
		return &problem.Error{Kind: problem.Usage, Summary: "not every registry that was named has a token", Hint: "tokens are read from the variables that tagboat login --ci without a name lists"}
	}
	for _, g := range grants {
		if err := d.proved(ctx, w, g); err != nil {
			return err
		}
	}
	program, err := d.program()
	if err != nil {
		return err
	}
	if err := grants.Keep(dir); err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: "cannot keep the tokens", Err: err}
	}
	if err := d.announce(grants, grants.Variables(program, dir)); err != nil {
		_, gone := credential.Forget(dir)
		return errors.Join(err, gone)
	}
	doc := sessionOf(grants)
	doc.Kept = dir
	if d.JSON {
		return render.JSON(d.Out, doc)
	}
	for _, g := range doc.Registries {
		d.Say("%s: cargo gets its token from tagboat, which keeps it below %s until tagboat logout --ci.", g.Name, dir)
	}
	return nil
}

// proved holds that the registry takes the token.
func (d *Desk) proved(ctx context.Context, w wallet, g credential.Grant) error {
	client, err := w.keys.Client(g.Name, w.Indexes[g.Name])
	if err != nil {
		return err
	}
	found, err := d.clientWith(client.Registry(), g.Token).Check(ctx)
	if err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer; nothing was kept", g.Name), Err: err}
	}
	if found.Read == registry.No {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s refuses the token; nothing was kept", g.Name), Detail: strings.Join(found.Detail, "\n"),
			Hint: "the token is read from " + w.keys.From(g.Name)}
	}
	return nil
}

// announce tells later steps where tokens come from, and the runner what to mask: it knows a secret, not what is made
// of it. Elsewhere than in GitHub Actions the variables are printed for a shell.
func (d *Desk) announce(grants credential.Grants, variables map[string]string) error {
	file := d.Env["GITHUB_ENV"]
	if file == "" {
		if d.JSON {
			return nil // the document names the folder
		}
		for _, name := range sorted(variables) {
			fmt.Fprintf(d.Out, "export %s='%s'\n", name, strings.ReplaceAll(variables[name], "'", `'\''`))
		}
		return nil
	}
	var text strings.Builder
	for _, name := range sorted(variables) {
		if strings.ContainsAny(variables[name], "\r\n") {
			return &problem.Error{Kind: problem.Stopped, Summary: name + " would have a line break", Hint: "look at the index in .cargo/config.toml"}
		}
		fmt.Fprintf(&text, "%s=%s\n", name, variables[name])
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err == nil {
		_, err = f.WriteString(text.String())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: "cannot tell the next steps about the tokens", Err: err}
	}
	if d.Env["GITHUB_ACTIONS"] != "true" {
		return nil
	}
	for _, g := range grants {
		for _, part := range kind.Parts(g.Token) {
			fmt.Fprintf(d.PlainErr, "::add-mask::%s\n", part.Reveal())
		}
	}
	return nil
}

// ForgetCI removes what KeepForCI kept.
func (d *Desk) ForgetCI() error {
	removed := false
	if dir := d.keepDir(); dir != "" {
		var err error
		if removed, err = credential.Forget(dir); err != nil {
			return &problem.Error{Kind: problem.Failed, Summary: "cannot remove the kept tokens", Err: err}
		}
	}
	if d.JSON {
		return render.JSON(d.Out, LoginReport{Schema: LoginSchema, Removed: removed})
	}
	if removed {
		d.Say("The tokens that tagboat login --ci kept are removed.")
	} else {
		d.Say("No tokens were kept.")
	}
	return nil
}

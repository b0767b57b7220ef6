package custody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tagboat/tagboat/internal/care"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// Rotate is which token to renew.
type Rotate struct {
	Name   string
	Create bool
	DryRun bool
	Nobody bool // there is no token for GitHub
}

// Rotate puts a new value into the secret that holds a token.
func (d *Desk) Rotate(ctx context.Context, o Rotate) (*release.Report, error) {
	t, ok := d.token(o.Name)
	if !ok {
		return nil, d.unknown()
	}
	if o.Nobody {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "there is no token for GitHub", Hint: "set GITHUB_TOKEN to one that may write the secret"}
	}
	client, err := d.Hub(ctx)
	if err != nil {
		return nil, err
	}
	owner, _, _ := strings.Cut(client.Slug(), "/")
	r, err := care.Rotate(ctx, client, care.Rotation{Token: t, Owner: owner, Create: o.Create, InJob: d.Env["GITHUB_ACTIONS"] == "true", DryRun: o.DryRun,
		New: func(ctx context.Context) (secret.Value, error) { return d.fresh(ctx, t) }, Ask: d.ask, Now: time.Now})
	r.Repository = client.Slug()
	if problem.ExitCode(err) == problem.ExitUsage {
		return nil, err
	}
	return &r, nil
}

// maxSecret is what GitHub takes as a secret, in bytes.
// https://docs.github.com/en/actions/reference/security/secrets#limits-for-secrets
const maxSecret = 48 << 10

// fresh asks for the new value, without showing it where somebody types, and masks it before anything else happens.
func (d *Desk) fresh(ctx context.Context, t care.Token) (secret.Value, error) {
	var text []byte
	var err error
	if f, ok := d.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(d.Err, "It is tried at %s before it is written.\nNew value of %s (%s), not shown: ", render.Clean(t.Index), render.Clean(t.Name), render.Clean(t.Variable))
		d.Flush()
		text, err = unseen(ctx, f)
		fmt.Fprintln(d.Err)
	} else {
		text, err = io.ReadAll(io.LimitReader(d.In, maxSecret+1))
	}
	raw := secret.New(string(text))
	d.hide(raw)
	clear(text)
	if err != nil {
		return secret.Value{}, &problem.Error{Kind: problem.Failed, Summary: "the new value cannot be read", Err: err}
	}
	if len(raw.Reveal()) > maxSecret {
		return secret.Value{}, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("the new value is larger than GitHub takes (%d bytes)", maxSecret), Hint: "give the token alone"}
	}
	v, warning, err := registry.CleanToken(raw.Reveal())
	if err != nil {
		return secret.Value{}, &problem.Error{Kind: problem.Usage, Summary: "the new value cannot be used", Err: err, Hint: "give the token alone, as one line, at the prompt or on standard input"}
	}
	if warning != "" && strings.TrimRight(raw.Reveal(), "\r\n") != v.Reveal() {
		d.Say("%s", warning) // the line break at the end of the input is none of the token's
	}
	d.hide(v)
	return v, nil
}

// unseen reads a line while the terminal shows nothing. An interruption leaves the terminal as it was.
func unseen(ctx context.Context, f *os.File) ([]byte, error) {
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(int(f.Fd()))
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(int(f.Fd()), before))
	}
}

package mint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// trustedLifetime is how long crates.io's tokens are good for; its answer does not say so.
// https://crates.io/docs/trusted-publishing
const trustedLifetime = 30 * time.Minute

// CratesIO returns a source of crates.io's trusted publishing tokens. They may publish versions of the crates for which
// the job's repository, workflow and environment are registered, and no new crate.
func CratesIO(job *Job, o Options) *Source {
	return newSource(job, &cratesIO{o.wire("crates.io"), o})
}

type cratesIO struct {
	wire    *wire.Client
	options Options
}

func (x *cratesIO) audience() string { return "crates.io" }

// refuses knows the events that crates.io takes no tokens from: runs that strangers can start with code of theirs.
func (x *cratesIO) refuses(id Identity) error {
	if id.Event != "pull_request_target" && id.Event != "workflow_run" {
		return nil
	}
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("crates.io takes no trusted publishing from a run that `%s` started", id.Event), Detail: id.String(),
		Hint: "start the release workflow by `workflow_dispatch` or by the push of the tag"}
}

func tokensURL(api string) string { return api + "/api/v1/trusted_publishing/tokens" }

// swap asks for a token; https://crates.io/docs/trusted-publishing.
func (x *cratesIO) swap(ctx context.Context, api string, jwt secret.Value, id Identity) (grant, error) {
	body, err := json.Marshal(map[string]string{"jwt": jwt.Reveal()})
	if err != nil {
		return grant{}, err
	}
	k := wire.Call{Op: "exchange the job's identity", Method: http.MethodPost, URL: tokensURL(api), Body: bytes.NewReader(body), Length: int64(len(body)),
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}, Timeout: callTimeout, Limit: maxAnswer, Write: true}
	made := time.Now()
	resp, answer, err := x.wire.Read(ctx, k)
	if err != nil {
		return grant{}, explain(ctx, err, "crates.io gives no token for this job", "")
	}
	if resp.StatusCode != http.StatusOK {
		return grant{}, x.refused(ctx, x.wire.StatusError(k, resp, answer), jwt, id)
	}
	var said struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(answer, &said) != nil || strings.TrimSpace(said.Token) == "" {
		return grant{}, explain(ctx, &wire.Error{Registry: "crates.io", Op: k.Op, Status: resp.StatusCode, Class: wire.Transient, Detail: "the answer holds no token"}, "crates.io gives no token for this job", "")
	}
	token := secret.New(strings.TrimSpace(said.Token))
	x.options.hide(token)
	return grant{token: token, api: api, made: made, expires: made.Add(trustedLifetime)}, nil
}

// refused explains a refusal. The most common cause is that what the job is and what is registered differ.
func (x *cratesIO) refused(ctx context.Context, e *wire.Error, jwt secret.Value, id Identity) error {
	e.Detail = wire.Clean(e.Detail, jwt)
	if strings.Contains(e.Detail, "already been used") {
		e.Class = wire.Transient // somebody between here and there sent the request twice; the next one has a token of its own
	}
	err := explain(ctx, e, "crates.io gives no token for this job", fmt.Sprintf("at https://crates.io/crates/NAME/settings of every crate, under Trusted Publishing, register repository %s, workflow %s and %s",
		id.Repository, id.Workflow, environment(id.Environment)))
	var p *problem.Error
	if errors.As(err, &p) && !e.Retryable() {
		p.Detail += "\n" + id.String() + id.remarks()
	}
	return err
}

// environment says what to fill into the field.
func environment(name string) string {
	if name == "" {
		return "no environment"
	}
	return "environment " + name
}

func (x *cratesIO) revoke(ctx context.Context, g grant) error {
	k := wire.Call{Op: "revoke a token", Method: http.MethodDelete, URL: tokensURL(g.api), Token: secret.New("Bearer " + g.token.Reveal()), Timeout: callTimeout, Limit: maxAnswer}
	resp, answer, err := x.wire.Read(ctx, k)
	if err == nil && resp.StatusCode/100 != 2 {
		err = x.wire.StatusError(k, resp, answer)
	}
	if err != nil {
		return fmt.Errorf("a token of trusted publishing could not be revoked and is good until %s: %w", g.expires.UTC().Format("15:04 UTC"), err)
	}
	return nil
}

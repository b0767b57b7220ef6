package mint

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// The variables in which GitHub tells a job with `id-token: write` where to ask for its identity.
const (
	URLVariable   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	TokenVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// Job is a job of GitHub Actions that can prove what it is.
type Job struct {
	url     *url.URL
	bearer  secret.Value
	wire    *wire.Client
	options Options
}

// Identity is what GitHub says about a job, as far as registries look at it. It is told to people and decides nothing
// here: who is asked for a credential verifies the signature.
type Identity struct {
	Repository  string // owner/name
	Workflow    string // file name of the workflow that GitHub started, "release.yml"
	Called      string // file name of the reusable workflow that holds the job, "" where it is Workflow
	Environment string // of the job, "" where it has none
	Event       string // what started the run
	Subject     string // "repo:owner/name:environment:release"
	Issuer      string
	Skew        time.Duration // how much GitHub's clock is ahead of this machine's; 0 where they agree within a minute
}

// permission is what the workflow file lacks where a job has no identity.
const permission = "the job that publishes needs:\n\n    permissions:\n      contents: write\n      id-token: write"

// NewJob returns the job with the values of URLVariable and TokenVariable. Without them the error says what a workflow
// needs.
func NewJob(address string, bearer secret.Value, o Options) (*Job, error) {
	if address == "" || bearer.IsZero() {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "this job may not prove what it is: GitHub gave it no " + URLVariable + " and " + TokenVariable, Detail: permission,
			Hint: "other permissions that the job has must be named beside them. Outside of GitHub Actions, use a token"}
	}
	u, err := url.Parse(address)
	if err == nil {
		err = private(u)
	}
	if err != nil {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: URLVariable + " cannot be used", Detail: err.Error(), Hint: "GitHub sets it; nothing else should"}
	}
	return &Job{url: u, bearer: secret.New("Bearer " + bearer.Reveal()), wire: o.wire("GitHub"), options: o}, nil
}

// private refuses an address at which somebody on the way could read along.
func private(u *url.URL) error {
	if u.Scheme == "https" && u.Host != "" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".test") {
		return nil // this machine; .test is reserved for tests (RFC 6761)
	}
	return fmt.Errorf("%s://%s is not https: a token could be read on the way", u.Scheme, u.Host)
}

// token asks GitHub for a token for an audience.
// https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
func (j *Job) token(ctx context.Context, audience string) (secret.Value, Identity, error) {
	u := *j.url
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	k := wire.Call{Op: "ask for the job's identity", Method: http.MethodGet, URL: u.String(), Token: j.bearer, Header: http.Header{"Accept": {"application/json"}}, Timeout: callTimeout, Limit: maxAnswer}
	resp, body, err := j.wire.Read(ctx, k)
	if err != nil {
		return secret.Value{}, Identity{}, explain(ctx, err, "GitHub does not say who this job is", "run the job again")
	}
	if resp.StatusCode != http.StatusOK {
		return secret.Value{}, Identity{}, explain(ctx, j.wire.StatusError(k, resp, body), "GitHub does not say who this job is", "run the job again; the permission `id-token: write` is there")
	}
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Value == "" {
		return secret.Value{}, Identity{}, &problem.Error{Kind: problem.Failed, Summary: "GitHub does not say who this job is", Detail: "its answer holds no token", Hint: "run the job again"}
	}
	jwt := secret.New(answer.Value)
	j.options.hide(jwt)
	id, err := read(jwt, time.Now())
	if err != nil {
		return secret.Value{}, id, &problem.Error{Kind: problem.Failed, Summary: "GitHub does not say who this job is", Detail: err.Error(), Hint: "run the job again"}
	}
	return jwt, id, nil
}

// read takes out of a token what people should know of it.
func read(jwt secret.Value, now time.Time) (Identity, error) {
	part := strings.Split(jwt.Reveal(), ".")
	if len(part) != 3 {
		return Identity{}, errors.New("its token is no JWT")
	}
	body, err := base64.RawURLEncoding.DecodeString(part[1])
	var c struct {
		Issuer      string  `json:"iss"`
		Subject     string  `json:"sub"`
		Repository  string  `json:"repository"`
		Workflow    string  `json:"workflow_ref"`
		JobWorkflow string  `json:"job_workflow_ref"`
		Environment string  `json:"environment"`
		Event       string  `json:"event_name"`
		IssuedAt    float64 `json:"iat"`
	}
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		return Identity{}, errors.New("its token is no JWT")
	}
	clean := func(s string) string { return wire.Clean(s, jwt) }
	id := Identity{Repository: clean(c.Repository), Workflow: clean(fileOf(c.Workflow)), Environment: clean(c.Environment), Event: clean(c.Event), Subject: clean(c.Subject), Issuer: clean(c.Issuer)}
	if called := clean(fileOf(c.JobWorkflow)); called != id.Workflow || repositoryOf(c.JobWorkflow) != repositoryOf(c.Workflow) {
		id.Called = called
	}
	if skew := time.Unix(int64(c.IssuedAt), 0).Sub(now); c.IssuedAt > 0 && skew.Abs() > time.Minute {
		id.Skew = skew.Round(time.Second)
	}
	return id, nil
}

// fileOf returns the file name in owner/name/.github/workflows/release.yml@refs/heads/main.
func fileOf(ref string) string {
	at, _, _ := strings.Cut(ref, "@")
	if at == "" {
		return ""
	}
	return path.Base(at)
}

func repositoryOf(ref string) string {
	at, _, _ := strings.Cut(ref, "/.github/")
	return strings.ToLower(at)
}

// String says in a line for each what others must have registered.
func (id Identity) String() string {
	environment := id.Environment
	if environment == "" {
		environment = "(none)"
	}
	return fmt.Sprintf("repository   %s\nworkflow     %s\nenvironment  %s", id.Repository, id.Workflow, environment)
}

// remarks are sentences about what usually makes an identity another one than was meant.
func (id Identity) remarks() string {
	var s string
	if id.Called != "" {
		s += fmt.Sprintf("\nthe job stands in the reusable workflow %s; what counts is the workflow that GitHub started, %s", id.Called, id.Workflow)
	}
	if id.Skew != 0 {
		direction := "behind"
		if id.Skew < 0 {
			direction = "ahead of"
		}
		s += fmt.Sprintf("\nthe clock of this machine is %s %s GitHub's", id.Skew.Abs(), direction)
	}
	return s
}

// explain turns a call that failed into what a person reads. What may pass later stays an error that says so.
func explain(ctx context.Context, err error, summary, hint string) error {
	var e *wire.Error
	if ctx.Err() != nil || !errors.As(err, &e) {
		return err
	}
	p := &problem.Error{Kind: problem.Stopped, Summary: summary, Detail: e.Detail, Hint: hint, Err: e}
	if e.Retryable() {
		p.Kind, p.Hint = problem.Failed, "it may pass later: run again"
	}
	if e.Status != 0 {
		p.Detail = strings.TrimSuffix(fmt.Sprintf("status %d: %s", e.Status, e.Detail), ": ")
	} else if e.Err != nil {
		p.Detail = e.Err.Error()
	}
	return p
}

package mint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// EntraAuthority is where tenants of the public cloud get their tokens.
const EntraAuthority = "https://login.microsoftonline.com"

// azureDevOps is the scope of Azure DevOps: its well-known application, with everything that the identity may do there.
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
const azureDevOps = "499b84ac-1321-427f-aa17-267ca6975798/.default"

// entraAudience is the audience that a federated credential asks for unless it names another.
const entraAudience = "api://AzureADTokenExchange"

// Application is an application of Microsoft Entra that trusts a repository's jobs. Its ids are no secrets.
type Application struct {
	Authority string // "" is EntraAuthority
	Tenant    string // id or domain
	Client    string // id
}

var entraName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$`)

// Entra returns a source of access tokens for Azure DevOps, with their scheme.
func Entra(job *Job, a Application, o Options) (*Source, error) {
	if a.Authority == "" {
		a.Authority = EntraAuthority
	}
	u, err := url.Parse(strings.TrimSuffix(a.Authority, "/"))
	if err == nil {
		err = private(u)
	}
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "the address of Entra cannot be used", Detail: err.Error(), Hint: "AZURE_AUTHORITY_HOST is " + EntraAuthority + " unless the tenant is in a cloud of its own"}
	}
	if !entraName.MatchString(a.Tenant) || !entraName.MatchString(a.Client) {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "login by Entra needs the ids of a tenant and of an application", Detail: fmt.Sprintf("tenant_id  %q\nclient_id  %q", a.Tenant, a.Client),
			Hint: "set tenant_id and client_id of the registry in tagboat.toml, or AZURE_TENANT_ID and AZURE_CLIENT_ID; they are no secrets"}
	}
	return newSource(job, &entra{Application: a, url: u.String() + "/" + a.Tenant + "/oauth2/v2.0/token", wire: o.wire("Entra"), options: o}), nil
}

type entra struct {
	Application
	url     string
	wire    *wire.Client
	options Options
}

func (x *entra) audience() string { return entraAudience }

func (x *entra) refuses(Identity) error { return nil }

// swap asks for a token with the job's identity as the client's assertion (RFC 7523).
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
func (x *entra) swap(ctx context.Context, _ string, jwt secret.Value, id Identity) (grant, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {x.Client}, "scope": {azureDevOps},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {jwt.Reveal()},
	}.Encode()
	k := wire.Call{Op: "exchange the job's identity", Method: http.MethodPost, URL: x.url, Body: strings.NewReader(form), Length: int64(len(form)),
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}, Timeout: callTimeout, Limit: maxAnswer, Write: true}
	made := time.Now()
	resp, answer, err := x.wire.Read(ctx, k)
	if err != nil {
		return grant{}, explain(ctx, err, "Entra gives no token for this job", "")
	}
	if resp.StatusCode != http.StatusOK {
		return grant{}, x.refused(ctx, x.wire.StatusError(k, resp, answer), answer, jwt, id)
	}
	var said struct {
		Type    string `json:"token_type"`
		Token   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Token == "" || !strings.EqualFold(said.Type, "Bearer") || said.Seconds <= 0 {
		return grant{}, explain(ctx, &wire.Error{Registry: "Entra", Op: k.Op, Status: resp.StatusCode, Class: wire.Transient, Detail: "the answer holds no bearer token with a lifetime"}, "Entra gives no token for this job", "")
	}
	x.options.hide(secret.New(said.Token))
	return grant{token: secret.New("Bearer " + said.Token), made: made, expires: made.Add(time.Duration(min(said.Seconds, 24*3600)) * time.Second)}, nil
}

// refused explains a refusal by Entra's own number and sentence.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
func (x *entra) refused(ctx context.Context, e *wire.Error, answer []byte, jwt secret.Value, id Identity) error {
	var said struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(answer, &said) == nil && said.Description != "" {
		sentence, _, _ := strings.Cut(said.Description, " Trace ID:")
		e.Detail = wire.Clean(sentence, jwt)
	}
	err := explain(ctx, e, "Entra gives no token for this job", fmt.Sprintf("application %s of tenant %s needs a federated credential with exactly this issuer, subject and audience (docs/trusted-publishing.md), and must be a user of the Azure DevOps organisation", x.Client, x.Tenant))
	if p, ok := err.(*problem.Error); ok && !e.Retryable() {
		p.Detail += fmt.Sprintf("\nissuer    %s\nsubject   %s\naudience  %s%s", id.Issuer, id.Subject, entraAudience, id.remarks())
	}
	return err
}

// revoke does nothing: Entra's access tokens cannot be revoked, and end by themselves.
func (x *entra) revoke(context.Context, grant) error { return nil }

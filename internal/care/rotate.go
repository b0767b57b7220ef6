package care

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// Hub is where the secrets are: GitHub.
type Hub interface {
	Repository(ctx context.Context) (forge.Repository, error)
	Secret(ctx context.Context, v forge.Vault, name string) (forge.Secret, error)
	SecretKey(ctx context.Context, v forge.Vault) (forge.SecretKey, error)
	PutSecret(ctx context.Context, v forge.Vault, s forge.Secret, key forge.SecretKey, value secret.Value) (created bool, err error)
}

// Rotation is one token to be renewed. Its Value is the one in use, where this run has it.
type Rotation struct {
	Token
	Owner  string // of the repository on GitHub
	Create bool   // the secret need not be there yet
	InJob  bool   // this is a job of GitHub Actions
	DryRun bool   // everything but the writing
	// New gets the new value from a person. It is called once it is known that the secret may be read about.
	New func(ctx context.Context) (secret.Value, error)
	Ask Ask
	Now func() time.Time
}

// The steps of a rotation, in their order.
const (
	stepLook    = "look"    // the secret is there, or may be made; the token for GitHub may read about it
	stepProve   = "prove"   // the new value does at its registry what it is for
	stepSeal    = "seal"    // the secret holds the new value
	stepConfirm = "confirm" // GitHub tells that it does
)

// Rotate puts a new value into the secret that holds a token. Nothing is written before the new value is proven. The
// report says how far it came; with it comes the error that ended it, if any.
func Rotate(ctx context.Context, hub Hub, o Rotation) (release.Report, error) {
	r := release.Report{Schema: release.ReportSchema, Command: "token rotate", Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	for _, kind := range []string{stepLook, stepProve, stepSeal, stepConfirm} {
		r.Steps = append(r.Steps, release.ReportStep{Key: kind + "/" + o.secretName(), Kind: kind, Outcome: "pending"})
	}
	err := o.rotate(ctx, hub, &r)
	switch {
	case err == nil && o.DryRun:
		r.Outcome = release.Planned
	case err == nil:
		r.Outcome = release.Verified
	default:
		failed := release.ErrorReport(r.Command, err)
		r.Outcome, r.Problems = failed.Outcome, failed.Problems
	}
	return r, err
}

func (o Rotation) rotate(ctx context.Context, hub Hub, r *release.Report) error {
	kind, name, err := config.ParseScope(o.Config.Scope)
	if err != nil {
		return &problem.Error{Kind: problem.Usage, Summary: "the scope of the secret cannot be used", Err: err, Hint: "it is repository, environment:NAME, organization, or organization:NAME"}
	}
	v := forge.Vault{}
	switch {
	case kind == "environment":
		v.Environment = name
	case kind == "organization" && name == "":
		v.Organization = o.Owner
	case kind == "organization":
		v.Organization = name
	}
	var before forge.Secret
	if before, err = o.look(ctx, hub, v, r); err != nil {
		return o.ended(r, stepLook, err)
	}
	fresh, err := o.prove(ctx, r)
	if err != nil {
		return o.ended(r, stepProve, err)
	}
	if o.DryRun {
		return nil
	}
	if err := o.seal(ctx, hub, v, before, fresh, r); err != nil {
		return o.ended(r, stepSeal, err)
	}
	if err := o.confirm(ctx, hub, v, before, r); err != nil {
		return o.ended(r, stepConfirm, err)
	}
	o.advise(r)
	return nil
}

// took enters what came of a step.
func took(r *release.Report, kind, outcome, reason string) {
	i := slices.IndexFunc(r.Steps, func(s release.ReportStep) bool { return s.Kind == kind })
	r.Steps[i].Outcome, r.Steps[i].Reason, r.Steps[i].Attempts = outcome, reason, 1
}

func (o Rotation) ended(r *release.Report, kind string, err error) error {
	took(r, kind, "failed", err.Error())
	return err
}

// look finds the secret as it is now. Its public key is asked for as well: whoever may not read that cannot write, and
// should learn so before making a new token.
func (o Rotation) look(ctx context.Context, hub Hub, v forge.Vault, r *release.Report) (forge.Secret, error) {
	name := o.secretName()
	if !config.SecretName(name) {
		return forge.Secret{}, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("no secret on GitHub can be called %s", name), Hint: fmt.Sprintf("write secret under [tokens.%s] in tagboat.toml", o.Name)}
	}
	if _, err := hub.SecretKey(ctx, v); err != nil {
		return forge.Secret{}, o.denied(err, v)
	}
	s, err := hub.Secret(ctx, v, name)
	switch {
	case err == nil:
		reason := fmt.Sprintf("secret %s of %s, last changed %s", name, v, s.UpdatedAt.UTC().Format(time.RFC3339))
		if s.Visibility != "" {
			reason += ", seen by " + seenBy(s)
			if err := o.visible(ctx, hub, s, r); err != nil {
				return s, err
			}
		}
		took(r, stepLook, "done", reason)
		return s, nil
	case !forge.IsNotFound(err):
		return s, o.denied(err, v)
	case !o.Create:
		return s, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s has no secret %s", capital(v.String()), name),
			Detail: "nothing was written", Hint: fmt.Sprintf("is its name or its place another one (secret and scope under [tokens.%s] in tagboat.toml)? --create makes it", o.Name)}
	}
	s = forge.Secret{Name: name}
	if v.Organization != "" {
		repo, err := hub.Repository(ctx)
		if err != nil {
			return s, err
		}
		s.Visibility, s.Selected = "selected", []int64{repo.ID}
	}
	took(r, stepLook, "done", fmt.Sprintf("%s has no secret %s; it is made", v, name))
	return s, nil
}

// visible warns where the repository at hand does not see an organization's secret: then another one is used here.
func (o Rotation) visible(ctx context.Context, hub Hub, s forge.Secret, r *release.Report) error {
	repo, err := hub.Repository(ctx)
	if err != nil {
		return err
	}
	if s.Visibility == "selected" && !slices.Contains(s.Selected, repo.ID) || s.Visibility == "private" && !repo.Private {
		r.Findings = append(r.Findings, release.Finding{Severity: release.Warn, Summary: fmt.Sprintf("repository %s does not see the secret %s of the organization", repo.FullName, s.Name),
			Detail: "it is seen by " + seenBy(s), Hint: "whether it should is decided in the organization's settings"})
	}
	return nil
}

func seenBy(s forge.Secret) string {
	switch s.Visibility {
	case "all":
		return "every repository"
	case "private":
		return "every private repository"
	}
	return fmt.Sprintf("%d selected repositories", len(s.Selected))
}

// denied explains a refusal of GitHub's, and says which token would do.
func (o Rotation) denied(err error, v forge.Vault) error {
	var e *forge.Error
	if !errors.As(err, &e) || e.Retryable() {
		return err
	}
	if v.Environment != "" && e.Class == forge.NotFound {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("there is no environment %s, or the token may not know of it", v.Environment), Detail: e.Error(),
			Hint: "its name is in the repository's settings; " + o.permission(v, e), Err: err}
	}
	if e.Class != forge.Denied {
		return err
	}
	detail := e.Message
	if e.Accepted != "" {
		detail += "\nGitHub accepts: " + e.Accepted
	}
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the token for GitHub may not write the secret %s of %s", o.secretName(), v), Detail: detail + "\nnothing was written", Hint: o.permission(v, e), Err: err}
}

// permission says what a token for GitHub needs in order to write the secrets of a vault.
func (o Rotation) permission(v forge.Vault, e *forge.Error) string {
	name, classic := "secrets", "repo"
	switch {
	case v.Environment != "":
		name = "environments"
	case v.Organization != "":
		name, classic = "organization_secrets", "admin:org"
	}
	if told, _, ok := strings.Cut(e.Accepted, "="); ok && !strings.ContainsAny(told, " ,;") {
		name = told // GitHub knows better
	}
	text := fmt.Sprintf("set GITHUB_TOKEN to a token with the permission `%s: write`: of a GitHub App, or a fine-grained personal one; a classic one needs the scope %s", name, classic)
	if o.InJob {
		text = "the GITHUB_TOKEN that a workflow is given can never write secrets, whatever its permissions say; " + text
	}
	return text
}

// prove gets the new value and tries it at its registry.
func (o Rotation) prove(ctx context.Context, r *release.Report) (secret.Value, error) {
	fresh, err := o.New(ctx)
	if err != nil {
		return fresh, err
	}
	if fresh.Equal(o.Value) {
		return fresh, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("this is the value that the token %s has already", o.Name), Detail: "nothing was written", Hint: "make a new one " + o.at()}
	}
	t := o.Token
	// What tagboat.toml says is about the old one; for all organizations, none is made any more.
	t.Value, t.Config.Expires, t.Config.Reach = fresh, "", "organization"
	if brief(fresh) {
		return fresh, &problem.Error{Kind: problem.Stopped, Summary: "the new value is made for one run and stops working soon", Detail: "nothing was written",
			Hint: fmt.Sprintf("no secret is needed for such a token; make one that lasts %s", o.at())}
	}
	s := Seen{Token: t}
	s.Access, s.Err = o.Ask(ctx, t)
	var fault interface{ Retryable() bool }
	if errors.As(s.Err, &fault) && fault.Retryable() || ctx.Err() != nil {
		return fresh, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer, so the new value could not be tried", t.Config.Registry), Detail: s.Err.Error() + "\nnothing was written", Hint: "run again when it does", Err: s.Err}
	}
	told, findings := Judge(s, o.Now())
	r.Tokens = []release.ReportToken{told}
	for _, f := range findings {
		if f.Severity != release.Stop {
			r.Findings = append(r.Findings, f)
			continue
		}
		return fresh, &problem.Error{Kind: problem.Stopped, Summary: "the new value: " + f.Summary, Detail: strings.TrimSpace(f.Detail + "\nnothing was written"), Hint: f.Hint}
	}
	took(r, stepProve, "done", fmt.Sprintf("registry %s: read %s, publish %s", t.Config.Registry, told.Read, told.Publish))
	if told.State == release.TokenUntested || t.Config.Access != "read" && s.Access.Publish == registry.Unknown {
		r.Findings = append(r.Findings, release.Finding{Severity: release.Warn, Summary: "not everything about the new value could be proven", Detail: strings.Join(s.Access.Detail, "\n"),
			Hint: fmt.Sprintf("it must be allowed to do this: %s", t.needs())})
	}
	return fresh, nil
}

// seal writes the secret. Who sees one of an organization stays as it is.
func (o Rotation) seal(ctx context.Context, hub Hub, v forge.Vault, before forge.Secret, fresh secret.Value, r *release.Report) error {
	// GitHub tells whole seconds: that of the last change must be over, or a later one would not show.
	if left := before.UpdatedAt.Add(time.Second).Sub(o.Now()); left > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, 2*time.Second)): // more is a wrong clock
		}
	}
	key, err := hub.SecretKey(ctx, v) // again: a person may have taken long, and keys change
	if err != nil {
		return o.denied(err, v)
	}
	s := before
	s.Name = o.secretName()
	created, err := hub.PutSecret(ctx, v, s, key, fresh)
	var fault interface{ Retryable() bool }
	if errors.As(err, &fault) && fault.Retryable() {
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("whether GitHub took the new value for secret %s of %s is not known", s.Name, v), Detail: err.Error(), Hint: "run the same again; doing it twice is harmless", Err: err}
	}
	if err != nil {
		return o.denied(err, v)
	}
	reason := "replaced"
	if created {
		reason = "made"
	}
	took(r, stepSeal, "done", fmt.Sprintf("secret %s of %s %s", s.Name, v, reason))
	return nil
}

// confirm looks again: the secret changed, and who sees it did not.
func (o Rotation) confirm(ctx context.Context, hub Hub, v forge.Vault, before forge.Secret, r *release.Report) error {
	after, err := hub.Secret(ctx, v, o.secretName())
	if err != nil {
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("GitHub took the new value for secret %s of %s, and does not say what it has now", o.secretName(), v), Detail: err.Error(),
			Hint: "run the same again; doing it twice is harmless", Err: err}
	}
	again := "whether it holds the new value is not known; run again"
	switch {
	case !after.UpdatedAt.After(before.UpdatedAt):
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("GitHub took the new value for secret %s of %s, and tells no later change", o.secretName(), v),
			Detail: fmt.Sprintf("changed %s, before that %s", after.UpdatedAt.UTC().Format(time.RFC3339), before.UpdatedAt.UTC().Format(time.RFC3339)), Hint: again}
	case after.Visibility != before.Visibility || !slices.Equal(after.Selected, before.Selected):
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("secret %s of %s holds the new value, and others see it than before", o.secretName(), v),
			Detail: fmt.Sprintf("seen by %s, before that by %s", seenBy(after), seenBy(before)), Hint: "did somebody change it at the same time? set it right in the organization's settings"}
	}
	took(r, stepConfirm, "done", "changed "+after.UpdatedAt.UTC().Format(time.RFC3339))
	return nil
}

// advise says what is left to a person.
func (o Rotation) advise(r *release.Report) {
	r.Findings = append(r.Findings, release.Finding{Severity: release.Warn, Summary: "revoke the old token: it still works",
		Hint: fmt.Sprintf("wait for jobs that began before %s, then do it %s", o.Now().UTC().Format("2006-01-02 15:04 UTC"), o.at())})
	if old := o.Config.Expires; old != "" {
		r.Findings = append(r.Findings, release.Finding{Severity: release.Warn, Summary: fmt.Sprintf("tagboat.toml still has the day of the old token, %s", old),
			Hint: fmt.Sprintf("write that of the new one as expires under [tokens.%s]", o.Name)})
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

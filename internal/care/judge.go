package care

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

// Seen is what was found out about a token: what its registry lets it do, or why that could not be asked. Both are zero
// for a token that was not given.
type Seen struct {
	Token
	Access registry.Access
	Err    error
	Ends   time.Time // as the service told; zero where it did not
}

// Judge says how a token stands at a time, and what a person must do about it.
func Judge(s Seen, now time.Time) (release.ReportToken, []release.Finding) {
	t := release.ReportToken{Name: s.Name, Registry: s.Config.Registry, Variable: s.Variable, Given: !s.Value.IsZero(), Secret: s.secretName(), Scope: s.Config.Scope,
		State: release.TokenUntested, Read: string(registry.Unknown), Publish: string(registry.Unknown), Notes: []string{}}
	if s.Kind == GitHub {
		t.Secret = s.Config.Secret // its variable is filled from a secret of another name
	}
	if s.personal() {
		t.Reach = s.Config.Reach
	}
	if s.Access.Reachable {
		t.Read, t.Publish, t.Notes = string(s.Access.Read), string(s.Access.Publish), append(t.Notes, s.Access.Detail...)
	}
	end, from := s.end()
	if !end.IsZero() {
		t.Expires, t.ExpiresFrom = &end, from
	}
	switch {
	case !t.Given && end.IsZero():
		t.Notes = append(t.Notes, s.Variable+" is not set in this run")
		return t, []release.Finding{{Severity: release.Stop, Summary: fmt.Sprintf("nothing is known of the token %s", s.Name),
			Detail: s.Variable + " is not set in this run, and tagboat.toml names no day on which the token stops working",
			Hint:   fmt.Sprintf("give %s to this step, or write expires under [tokens.%s] in tagboat.toml", s.Variable, s.Name)}}
	case !t.Given:
		t.Notes = append(t.Notes, s.Variable+" is not set in this run, so only the day is watched")
	case s.Err != nil:
		return s.unasked(t)
	case s.refused():
		t.State = release.TokenRefused
		return t, []release.Finding{s.refusal(now)}
	case s.Access.Publish == registry.Yes, s.Access.AuthRequired:
		t.State = release.TokenOK
	}
	return s.lifetime(t, now)
}

// refused reports whether the registry does not let the token do what it is for.
func (s Seen) refused() bool {
	return s.Access.Read == registry.No || s.Config.Access != "read" && s.Access.Publish == registry.No
}

func (s Seen) refusal(now time.Time) release.Finding {
	if s.Kind == GitHub {
		return release.Finding{Severity: release.Stop, Summary: "GitHub refuses the token in " + s.Variable, Detail: strings.Join(s.Access.Detail, "\n"), Hint: s.renewal("has it expired or been revoked?")}
	}
	what := "published with"
	if s.Access.Read == registry.No {
		what = "read with"
	}
	f := release.Finding{Severity: release.Stop, Summary: fmt.Sprintf("registry %s cannot be %s the token %s", s.Config.Registry, what, s.Name),
		Detail: strings.Join(s.Access.Detail, "\n"), Hint: s.renewal("has it expired, been revoked, or too few rights?")}
	if s.personal() && s.Config.Reach != "organization" && !now.Before(globalEnd) {
		f.Detail += "\nAzure DevOps stopped taking tokens for all organizations on " + globalEnd.Format(time.DateOnly)
	}
	return f
}

// unasked is for a token whose registry could not be asked: one that does not answer is a fault of the world, which the
// next run may find mended; a token that cannot be sent is a matter for a person.
func (s Seen) unasked(t release.ReportToken) (release.ReportToken, []release.Finding) {
	var fault interface{ Retryable() bool }
	if errors.As(s.Err, &fault) && fault.Retryable() {
		t.State = release.TokenUnreachable
		t.Notes = append(t.Notes, s.Err.Error())
		return t, nil
	}
	t.State = release.TokenRefused
	return t, []release.Finding{{Severity: release.Stop, Summary: fmt.Sprintf("the token %s cannot be used", s.Name), Detail: s.Err.Error(),
		Hint: fmt.Sprintf("the token is read from %s, and the index of registry %s from .cargo/config.toml or tagboat.toml", s.Variable, s.Config.Registry)}}
}

const azureDevOps = "Azure DevOps"

// end is the first day that is known on which the token stops working, and who says so; zero where nobody does. Tokens
// that are made to be used at once have none: nobody renews them.
func (s Seen) end() (at time.Time, from string) {
	earlier := func(t time.Time, who string) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, from = t, who
		}
	}
	if l, ok := lifeOf(s.Value); ok && !brief(s.Value) {
		earlier(l.to, "the token")
	}
	earlier(s.Ends, "its service")
	earlier(s.Config.Expires.Time(), config.File)
	if s.personal() && s.Config.Reach == "global" {
		earlier(globalEnd, azureDevOps)
	}
	return at, from
}

// lifetime judges the time that is left.
func (s Seen) lifetime(t release.ReportToken, now time.Time) (release.ReportToken, []release.Finding) {
	var out []release.Finding
	warn := now.AddDate(0, 0, s.Config.WarnDays)
	works := t.State == release.TokenOK
	switch {
	case t.Expires == nil:
		if brief(s.Value) {
			t.Notes = append(t.Notes, "it is made anew for each run")
		} else {
			t.Notes = append(t.Notes, fmt.Sprintf("nobody tells when it stops working; write expires under [tokens.%s] in tagboat.toml", s.Name))
		}
	case !t.Expires.After(now) && works:
		t.State = release.TokenExpiring
		cure := "write the new day as expires"
		if t.ExpiresFrom == azureDevOps {
			cure = `write reach = "organization"`
		}
		out = append(out, release.Finding{Severity: release.Stop, Summary: fmt.Sprintf("the token %s works, although its day has passed", s.Name),
			Detail: fmt.Sprintf("%s says that it stopped on %s", t.ExpiresFrom, day(*t.Expires)), Hint: fmt.Sprintf("was it renewed? %s under [tokens.%s] in tagboat.toml", cure, s.Name)})
	case !t.Expires.After(now):
		t.State = release.TokenExpired
		out = append(out, release.Finding{Severity: release.Stop, Summary: fmt.Sprintf("the token %s stopped working on %s", s.Name, day(*t.Expires)),
			Detail: "as " + t.ExpiresFrom + " says", Hint: s.renewal("")})
	case !t.Expires.After(warn):
		t.State = release.TokenExpiring
		out = append(out, release.Finding{Severity: release.Stop, Summary: fmt.Sprintf("the token %s stops working on %s", s.Name, day(*t.Expires)),
			Detail: "as " + t.ExpiresFrom + " says", Hint: s.renewal("")})
	}
	if s.personal() && s.Config.Reach == "unknown" && now.Before(globalEnd) && !globalEnd.After(warn) && len(out) == 0 {
		t.State = release.TokenExpiring
		out = append(out, release.Finding{Severity: release.Stop, Summary: fmt.Sprintf("the token %s may be of the kind that stops working on %s", s.Name, day(globalEnd)),
			Detail: "Azure DevOps ends personal access tokens that are good for all organizations, and does not tell which those are",
			Hint: fmt.Sprintf("look %s: where its organization is \"All accessible organizations\", make one for this organization and give it to `tagboat token rotate %s`; then write reach = \"organization\" under [tokens.%s] in tagboat.toml",
				s.at(), s.Name, s.Name)})
	}
	if s.Config.Access == "read" && s.Access.Publish == registry.Yes {
		out = append(out, release.Finding{Severity: release.Warn, Summary: fmt.Sprintf("the token %s may publish, although tagboat.toml says that it is for reading", s.Name),
			Hint: s.renewal("")})
	}
	return t, out
}

// renewal says how a person renews the token.
func (s Token) renewal(question string) string {
	if s.Kind == GitHub {
		return strings.TrimSpace(fmt.Sprintf("%s make a new one %s that may do this: %s; then put it into its secret on GitHub, and into whatever else has it", question, s.at(), s.needs()))
	}
	return strings.TrimSpace(fmt.Sprintf("%s make a new one %s that may do this: %s; then give it to `tagboat token rotate %s`", question, s.at(), s.needs(), s.Name))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

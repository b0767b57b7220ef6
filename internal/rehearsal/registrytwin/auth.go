package registrytwin

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
)

// identity is who a request comes from. The zero identity is anonymous.
type identity struct {
	token   *Token        // nil: anonymous, or a header that names no known token
	given   bool          // there was an Authorization header
	trusted bool          // the header holds what looks like a token of trusted publishing
	minted  *trustedToken // that token, where the twin made it
}

// identify finds the token of a request. It refuses only what cannot be a credential at all; whether the credential
// is good enough is allow's question.
func (t *Twin) identify(r *http.Request) (identity, *refusal) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return identity{}, nil
	}
	name, rest := scheme(header)
	if t.config.Manners == CratesIO && name == "" && strings.Contains(header, " ") || t.config.Manners == CratesIO && name != "" && name != "bearer" {
		word, _, _ := strings.Cut(header, " ")
		return identity{}, refusef(http.StatusUnauthorized, "Invalid `Authorization` header: Found unexpected authentication scheme `%s`", word)
	}
	if !slices.Contains(forms[t.config.Manners], name) {
		return identity{given: true}, nil
	}
	candidates := []string{header, rest}
	if name == "basic" {
		if pair, err := base64.StdEncoding.DecodeString(rest); err == nil {
			if _, password, ok := strings.Cut(string(pair), ":"); ok {
				candidates = append(candidates, password)
			}
		}
	}
	for i := range t.config.Tokens {
		token := &t.config.Tokens[i]
		for _, c := range candidates {
			if !token.Value.IsZero() && token.Value.Reveal() == c {
				return identity{token: token, given: true}, nil
			}
		}
	}
	for _, c := range candidates {
		if t.config.Trusted != nil && strings.HasPrefix(c, trustedPrefix) {
			return identity{given: true, trusted: true, minted: t.trustedBy(c)}, nil
		}
	}
	if t.config.Bearer != nil && name == "bearer" {
		if token, ok := t.config.Bearer(rest); ok {
			return identity{token: &token, given: true}, nil
		}
	}
	return identity{given: true}, nil
}

// label names the identity's token.
func (i identity) label() string {
	switch {
	case i.minted != nil:
		return TrustedLabel
	case i.token == nil:
		return ""
	}
	return i.token.Label
}

// allow returns the refusal where the identity may not act in the scope.
func (t *Twin) allow(who identity, scope Scope) *refusal {
	valid := who.token != nil && (who.token.Expires.IsZero() || time.Now().Before(who.token.Expires))
	if valid && (scope == Read || who.token.Scope == Publish) {
		return nil
	}
	return t.config.Manners.denial(who, valid)
}

func cratesIODenial(who identity, valid bool) *refusal {
	switch {
	case valid:
		return refusef(http.StatusForbidden, "this token does not have the required permissions to perform this action")
	case who.given:
		return refusef(http.StatusForbidden, "authentication failed")
	}
	return refusef(http.StatusForbidden, "this action requires authentication")
}

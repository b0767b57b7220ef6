package kind

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Clean prepares a text for use in a header: blanks and line breaks around it, which editors and `echo` leave in secrets,
// are cut off with a warning for people; anything else that a header cannot carry is an error. Neither text shows the
// token.
func Clean(token string) (clean, warning string, err error) {
	clean = strings.Trim(token, " \t\r\n")
	if clean == "" {
		return "", "", errors.New("the token is empty")
	}
	for i := 0; i < len(clean); i++ {
		if b := clean[i]; (b < 0x20 || b > 0x7e) && b != '\t' {
			return "", "", fmt.Errorf("the token has a character that a header cannot carry (byte %d of %d)", i+1, len(clean))
		}
	}
	if clean != token {
		warning = "the token has blanks or line breaks around it, which were cut off; store it without them"
	}
	return clean, warning, nil
}

// Authorize returns the value of the Authorization header for a token as a person stored it: a bare token gets the scheme
// that the kind wants, a value that carries its scheme already stays, and a Basic value that a shell broke into lines is
// mended. The warnings are sentences for people. Neither they nor the error show the token.
func (k Kind) Authorize(raw string) (value secret.Value, warnings []string, err error) {
	words := strings.Fields(raw)
	if k == Generic && (len(words) < 2 || !strings.EqualFold(words[0], "basic")) {
		return cleaned(raw) // nothing is known, so it is sent as it is
	}
	joined, mended := mend(words)
	clean, warning, err := Clean(raw)
	if mended {
		clean, warning, err = Clean(joined)
		warning = "the token was broken into several words, as `base64` breaks its output after 76 characters, and was put together again; store the token alone and leave the rest to Tagboat"
	}
	if err != nil {
		return secret.Value{}, nil, err
	}
	if owner := k.foreign(Innermost(clean).Reveal()); owner != "" {
		return secret.Value{}, nil, fmt.Errorf("the token is one for %s, and is sent to nobody else", owner)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	text, more, err := k.formed(clean)
	if err != nil {
		return secret.Value{}, nil, err
	}
	return secret.New(text), append(warnings, more...), nil
}

// foreign names the service that a token is for, where its beginning tells and it is not k.
// https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
func (k Kind) foreign(token string) string {
	for _, x := range []struct {
		prefix, owner string
		kind          Kind
	}{
		{"ghp_", "GitHub", ""}, {"gho_", "GitHub", ""}, {"ghu_", "GitHub", ""}, {"ghs_", "GitHub", ""}, {"ghr_", "GitHub", ""}, {"github_pat_", "GitHub", ""},
		{"cio_tp_", "crates.io", CratesIO},
	} {
		if strings.HasPrefix(token, x.prefix) && k != x.kind {
			return x.owner
		}
	}
	return ""
}

func cleaned(raw string) (secret.Value, []string, error) {
	clean, warning, err := Clean(raw)
	if err != nil {
		return secret.Value{}, nil, err
	}
	if warning == "" {
		return secret.New(clean), nil, nil
	}
	return secret.New(clean), []string{warning}, nil
}

// mend puts base64 together that a shell took for several words, with "Basic" before it or not.
func mend(words []string) (string, bool) {
	head := ""
	if len(words) > 0 && strings.EqualFold(words[0], "basic") {
		head, words = "Basic ", words[1:]
	}
	if len(words) < 2 {
		return "", false
	}
	if _, ok := pair(strings.Join(words, "")); !ok {
		return "", false
	}
	return head + strings.Join(words, ""), true
}

// formed puts a clean token into the form that the kind wants.
func (k Kind) formed(clean string) (text string, warnings []string, err error) {
	scheme, rest, found := strings.Cut(clean, " ")
	switch rest = strings.TrimSpace(rest); {
	case k != Generic && strings.Contains(clean, "\t"):
		return "", nil, errors.New("the token has a tab within")
	case !found:
		return k.schemed(clean)
	case strings.Contains(rest, " "):
		return "", nil, errors.New("the token has blanks within; it is several words where one was expected")
	case strings.EqualFold(scheme, "basic"):
		if _, ok := pair(rest); !ok && k != Generic {
			return "", nil, errors.New(`what follows "Basic " is not the base64 of a user, a colon and a token; store the token alone`)
		}
		return "Basic " + rest, nil, nil
	case strings.EqualFold(scheme, "bearer"):
		return "Bearer " + rest, nil, nil
	case k == Generic, k == Cloudsmith && strings.EqualFold(scheme, "token"):
		return clean, nil, nil
	}
	return "", nil, errors.New(`the token has a blank within and begins with neither "Basic " nor "Bearer "`)
}

// schemed gives a token of one word its scheme.
func (k Kind) schemed(word string) (text string, warnings []string, err error) {
	switch k.Traits().Form {
	case Bearer:
		return "Bearer " + word, nil, nil
	case BasicPAT:
	default:
		return word, nil, nil
	}
	if _, ok := claims(word); ok {
		return "Bearer " + word, nil, nil
	}
	// No personal access token has a colon, and none is the base64 of one that has.
	if _, token, ok := strings.Cut(word, ":"); ok {
		if token == "" {
			return "", nil, errors.New("nothing follows the colon of the token")
		}
		return basic(word), []string{`the token has a user and a colon before it ("PAT:…"); the token alone is enough`}, nil
	}
	if user, ok := pair(word); ok && printable(user) {
		return "Basic " + word, []string{"the token is in base64 already; the token alone is enough"}, nil
	}
	return basic("PAT:" + word), nil, nil
}

func basic(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }

// pair decodes base64 of "user:token", padded or not.
func pair(word string) (string, bool) {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "="))
	user, token, found := strings.Cut(string(decoded), ":")
	return string(decoded), err == nil && found && token != "" && printable(user) && printable(token)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// Parts returns what must not show of an Authorization value: the value, what follows its scheme, and for Basic the pair
// and the token in it.
func Parts(value secret.Value) []secret.Value {
	if value.IsZero() {
		return nil
	}
	parts := []secret.Value{value}
	scheme, rest, found := strings.Cut(value.Reveal(), " ")
	if !found || rest == "" {
		return parts
	}
	parts = append(parts, secret.New(rest))
	if decoded, ok := pair(rest); ok && strings.EqualFold(scheme, "basic") {
		_, token, _ := strings.Cut(decoded, ":")
		parts = append(parts, secret.New(decoded), secret.New(token))
	}
	return parts
}

// Innermost returns a token without what stands around it: of "Basic " and base64 the token in it. It is the same for every form
// of the same token.
func Innermost(raw string) secret.Value {
	clean := strings.TrimSpace(raw)
	if joined, ok := mend(strings.Fields(clean)); ok {
		clean = joined
	}
	parts := Parts(secret.New(clean))
	if len(parts) == 0 {
		return secret.Value{}
	}
	return parts[len(parts)-1]
}

// Hide registers every part of an Authorization value, in every encoding, with the masker.
func Hide(m *secret.Masker, value secret.Value) {
	for _, part := range Parts(value) {
		// What is too short to be masked is too short to be a token.
		_ = m.Add(part)
	}
}

// Expiry returns when an Authorization value stops being good, where it says so itself (a JSON web token's exp).
func Expiry(value secret.Value) (time.Time, bool) {
	words := strings.Fields(value.Reveal())
	if len(words) == 0 {
		return time.Time{}, false
	}
	c, ok := claims(words[len(words)-1])
	if !ok || !(c.Expires >= 1 && c.Expires < math.MaxInt32*1000.0) {
		return time.Time{}, false
	}
	return time.Unix(int64(c.Expires), 0).UTC(), true
}

// payload is what is read of a JSON web token (RFC 7519). Nothing is trusted: its service checks it.
type payload struct {
	Expires float64 `json:"exp"`
}

// claims reads the claims of a JSON web token: three parts of base64url, of which the first two are JSON objects.
func claims(word string) (payload, bool) {
	parts := strings.Split(word, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return payload{}, false
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var c payload
	for i, into := range []any{&head, &c} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return payload{}, false
		}
	}
	_, err := base64.RawURLEncoding.DecodeString(parts[2])
	return c, err == nil && head.Algorithm != ""
}

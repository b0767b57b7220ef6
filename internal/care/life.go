package care

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// life is what a JSON web token says of itself (RFC 7519). Nothing is trusted: its service checks it.
type life struct{ from, to time.Time }

// brief reports whether a token was made to be used at once, as those of Entra and of trusted publishing are: nobody
// renews such a one by hand, and no secret holds it.
func brief(token secret.Value) bool {
	if strings.Contains(token.Reveal(), "cio_tp_") {
		return true // https://crates.io/docs/trusted-publishing
	}
	l, ok := lifeOf(token)
	return ok && !l.from.IsZero() && l.to.Sub(l.from) <= 24*time.Hour
}

// lifeOf reads the claims of a JSON web token, with a scheme before it or not. Other tokens say nothing.
func lifeOf(token secret.Value) (life, bool) {
	words := strings.Fields(token.Reveal())
	if len(words) == 0 {
		return life{}, false
	}
	parts := strings.Split(words[len(words)-1], ".")
	if len(parts) != 3 {
		return life{}, false
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	for i, into := range []any{&head, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return life{}, false
		}
	}
	return life{from: instant(claims.Issued), to: instant(claims.Expires)}, head.Algorithm != ""
}

// instant is a claim as a time, zero where it is none.
func instant(seconds float64) time.Time {
	if !(seconds >= 1 && seconds < math.MaxInt32*1000.0) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

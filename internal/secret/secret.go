// Package secret keeps tokens out of sight: Value is a secret that prints as *** everywhere, Masker removes secrets
// and their usual encodings from text on its way out.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is what stands in the place of a secret.
const Mask = "***"

// Value is a secret. It prints as *** through fmt, log/slog and every encoder; the zero value is an absent secret and
// prints as nothing. Values are comparable with == only for identity; Equal compares what they hold.
//
// The text sits behind a func: reflection, which prints unexported fields of surrounding structs without asking
// their methods, ends at an address.
type Value struct {
	held *holder
}

type holder struct {
	reveal func() string
}

// New returns s as a secret. An empty s gives the zero value.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{&holder{func() string { return s }}}
}

// Reveal returns the secret's text, "" where absent. It is the only way out.
func (v Value) Reveal() string {
	if v.held == nil {
		return ""
	}
	return v.held.reveal()
}

// IsZero reports whether the secret is absent.
func (v Value) IsZero() bool { return v.held == nil }

// Equal reports whether both hold the same text.
func (v Value) Equal(w Value) bool { return v.Reveal() == w.Reveal() }

// String returns *** or, where absent, nothing.
func (v Value) String() string {
	if v.held == nil {
		return ""
	}
	return Mask
}

// GoString is String.
func (v Value) GoString() string { return v.String() }

// Format prints String for every verb and flag.
func (v Value) Format(f fmt.State, _ rune) { io.WriteString(f, v.String()) }

// LogValue returns String as a value of log/slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText returns String.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalJSON returns String as a JSON string.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + v.String() + `"`), nil }

// MarshalBinary returns String, so that encoding/gob does not fail on a surrounding struct.
func (v Value) MarshalBinary() ([]byte, error) { return []byte(v.String()), nil }

package cratefile

import (
	"slices"
	"strconv"
)

// jsonWriter writes JSON as Rust's serde_json does, compact and with nothing escaped that need not be. encoding/json
// cannot: it escapes U+2028 and U+2029 whatever its options, and a README may hold them.
type jsonWriter struct{ out []byte }

func (w *jsonWriter) text(s string) { w.out = append(w.out, s...) }

// key starts the next member of an object; the comma is left out after the opening brace.
func (w *jsonWriter) key(name string) {
	if last := w.out[len(w.out)-1]; last != '{' {
		w.text(",")
	}
	w.string(name)
	w.text(":")
}

const hexDigits = "0123456789abcdef"

func (w *jsonWriter) string(s string) {
	w.out = append(w.out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.out = append(w.out, '\\', c)
		case c >= 0x20:
			w.out = append(w.out, c)
		case c == '\b':
			w.text(`\b`)
		case c == '\t':
			w.text(`\t`)
		case c == '\n':
			w.text(`\n`)
		case c == '\f':
			w.text(`\f`)
		case c == '\r':
			w.text(`\r`)
		default:
			w.text(`\u00`)
			w.out = append(w.out, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	w.out = append(w.out, '"')
}

func (w *jsonWriter) optional(s *string) {
	if s == nil {
		w.text("null")
		return
	}
	w.string(*s)
}

func (w *jsonWriter) bool(b bool) { w.out = strconv.AppendBool(w.out, b) }

// strings writes an array; never null.
func (w *jsonWriter) strings(list []string) {
	w.text("[")
	for i, s := range list {
		if i > 0 {
			w.text(",")
		}
		w.string(s)
	}
	w.text("]")
}

// object writes a map with its keys in byte order, the order of a Rust BTreeMap.
func object[V any](w *jsonWriter, m map[string]V, value func(V)) {
	w.text("{")
	for _, k := range sortedKeys(m) {
		w.key(k)
		value(m[k])
	}
	w.text("}")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package secret

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// MinLength is the length in bytes below which a text is not masked: three letters occur everywhere.
const MinLength = 4

// ErrShort is returned by Masker.Add for a secret that is too short to be masked.
var ErrShort = errors.New("the secret is shorter than 4 bytes and is not masked in output")

// Masker replaces every registered secret, plain or encoded, by ***. The zero value is ready for use, a nil *Masker
// masks nothing, and all methods may be called concurrently.
type Masker struct {
	mu    sync.Mutex
	kinds map[string]string // form -> what kind of form it is
	built *index            // nil after Add until the next use
}

// Add registers v: its plain text, JSON-escaped, quoted by Go, URL-escaped, base64 (three alignments, both alphabets,
// with and without padding) and hex; each of its lines likewise; and the extra forms as they are. It returns
// ErrShort when v or one of the extra forms is shorter than MinLength: that text stays visible. An absent v adds
// only the extra forms.
func (m *Masker) Add(v Value, forms ...string) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	add := func(kind, form string) {
		if _, known := m.kinds[form]; known || len(form) < MinLength {
			return
		}
		if m.kinds == nil {
			m.kinds = map[string]string{}
		}
		m.kinds[form] = kind
		m.built = nil
	}
	if text := v.Reveal(); text != "" {
		if len(strings.TrimSpace(text)) < MinLength {
			err = ErrShort
		} else {
			encodings(text, add)
			for _, line := range lines(text) {
				encodings(line, add)
			}
		}
	}
	for _, form := range forms {
		if form != "" && len(form) < MinLength {
			err = ErrShort
		}
		add("form", form)
	}
	return err
}

// Mask returns s with every occurrence of a registered form replaced by ***; forms that overlap become one.
func (m *Masker) Mask(s string) string {
	x := m.index()
	spans := x.find(s, 0)
	if len(spans) == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	at := 0
	for _, span := range spans {
		b.WriteString(s[at:span.from])
		b.WriteString(Mask)
		at = span.to
	}
	b.WriteString(s[at:])
	return b.String()
}

// Leaks returns the kinds of the registered forms that occur in b ("plain", "json", "quoted", "url", "base64", "hex",
// "form"), sorted, each once; never the secret. An empty answer means that b shows no registered secret.
func (m *Masker) Leaks(b []byte) []string {
	x := m.index()
	if x == nil {
		return nil
	}
	text := string(b)
	found := map[string]bool{}
	for form, kind := range x.kinds {
		if !found[kind] && strings.Contains(text, form) {
			found[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// index returns the current search index; nil when nothing is registered.
func (m *Masker) index() *index {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.built == nil && len(m.kinds) > 0 {
		m.built = newIndex(maps.Clone(m.kinds))
	}
	return m.built
}

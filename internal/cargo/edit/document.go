package edit

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
)

// document is a TOML file in the course of being edited. Each edit splices bytes and reads the result again, so that
// every edit finds the places as they are by then.
type document struct {
	data []byte
	root *manifest.Node
}

func parse(data []byte) (*document, error) {
	root, err := manifest.Parse(data)
	if err != nil {
		return nil, err
	}
	return &document{data, root}, nil
}

// set makes the value at that path the string. It replaces a string that is there; a key that is not there is added to
// its table in the way that table is written: a line, a dotted key, or a part of an inline table. A dependency that is
// a bare requirement becomes an inline table. The table itself must be there.
func (d *document) set(path []string, value string) error {
	table := d.root.Get(path[:len(path)-1]...)
	key := path[len(path)-1]
	was := table.Get(key)
	switch {
	case was != nil && !d.quoted(was):
		return fmt.Errorf("%s is no string", strings.Join(path, "."))
	case was != nil:
		return d.splice(was.Span, like(d.data[was.Span.Start:was.Span.End], value))
	case table == nil:
		return fmt.Errorf("there is no %s", strings.Join(path[:len(path)-1], "."))
	case table.String() != "":
		bare := string(d.data[table.Span.Start:table.Span.End])
		return d.splice(table.Span, "{ version = "+bare+", "+bareKey(key)+" = "+quote(value)+" }")
	case table.Tail.At == 0:
		return fmt.Errorf("%s has no place for %s", strings.Join(path[:len(path)-1], "."), key)
	}
	return d.add(table.Tail, bareKey(key)+" = "+quote(value))
}

// quoted reports whether a value is a string.
func (d *document) quoted(n *manifest.Node) bool {
	return n.Span.Start < n.Span.End && (d.data[n.Span.Start] == '"' || d.data[n.Span.Start] == '\'')
}

// add writes `key = value` where a tail says.
func (d *document) add(t manifest.Tail, text string) error {
	at := manifest.Span{Start: t.At, End: t.At}
	switch t.Style {
	case manifest.Empty:
		return d.splice(at, " "+text+" ")
	case manifest.Commas:
		return d.splice(at, ", "+t.Prefix+text)
	}
	start := bytes.LastIndexByte(d.data[:t.From], '\n') + 1
	indent := bytes.TrimPrefix(d.data[start:t.From], []byte("\ufeff"))
	indent = indent[:len(indent)-len(bytes.TrimLeft(indent, " \t"))]
	line := string(indent) + t.Prefix + text
	if end := bytes.IndexByte(d.data[t.At:], '\n'); end >= 0 {
		at.Start = t.At + end + 1
		at.End = at.Start
		return d.splice(at, line+d.newline(t.At+end))
	}
	at.Start, at.End = len(d.data), len(d.data)
	return d.splice(at, d.newline(bytes.IndexByte(d.data, '\n'))+line)
}

// newline returns the end of a line as the one at that offset has it.
func (d *document) newline(at int) string {
	if at > 0 && d.data[at-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// splice replaces a run of bytes. What is then no TOML is not taken over.
func (d *document) splice(at manifest.Span, text string) error {
	next, err := parse(slices.Concat(d.data[:at.Start], []byte(text), d.data[at.End:]))
	if err != nil {
		return fmt.Errorf("the file would not be TOML any more: %w", err)
	}
	*d = *next
	return nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func bareKey(key string) string {
	if plainKey.MatchString(key) {
		return key
	}
	return quote(key)
}

// like writes a string with the quotes of another where they can hold it.
func like(old []byte, value string) string {
	plain := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\'' || r == '\\' })
	if !plain {
		return quote(value)
	}
	for _, q := range []string{`"""`, `'''`} {
		if len(old) >= 6 && bytes.HasPrefix(old, []byte(q)) {
			first := old[3:] // a newline right behind the quotes is no part of the string
			first = first[:len(first)-len(bytes.TrimPrefix(bytes.TrimPrefix(first, []byte("\r")), []byte("\n")))]
			return q + string(first) + value + q
		}
	}
	return string(old[:1]) + value + string(old[:1])
}

// quote writes a basic string. https://toml.io/en/v1.0.0#string
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

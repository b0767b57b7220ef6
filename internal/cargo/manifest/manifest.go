// Package manifest reads the TOML files of a checkout as trees whose every value knows its line, for messages that say
// where to edit.
//
// It reads, it does not judge: what cargo refuses is cargo's to say. The one thing it refuses is text that is not TOML.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxDepth bounds nesting: no manifest comes near it, and the tree is walked recursively.
const maxDepth = 64

// SyntaxError says that a file is not TOML and where.
type SyntaxError struct {
	Line    int // from 1
	Message string
}

// Error returns the message with its line.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Node is a TOML value. The methods of a nil Node answer as for an absent value, so that lookups chain.
type Node struct {
	Line  int    // where the value's key is, from 1; for a table where it is first named
	Text  string // a scalar as it reads: strings unquoted
	Plain bool   // whether it is a scalar but no string: a boolean, a number, a date
	Items []*Node
	Span  Span // the value's own bytes, quotes and braces included; empty for a table of headers or dotted keys
	Tail  Tail // of a table: where its next key can be written
	keys  []string
	table map[string]*Node
}

// Span is a run of bytes of the document as it was given to Parse.
type Span struct{ Start, End int }

// Tail says where a table can get a further key: behind what ends at At.
type Tail struct {
	From   int    // where the last key, header or brace that ends at At begins; 0 with At: there is no such place
	At     int    // offset in the document
	Prefix string // what a key begins with there, as written: "x." where the table is made by dotted keys
	Style  Style
}

// Style is how the keys of a table are set apart.
type Style int

const (
	Lines  Style = iota // each has a line
	Commas              // in an inline table
	Empty               // in an inline table that has none yet
)

// Get returns the value at that path of keys, nil when there is none.
func (n *Node) Get(path ...string) *Node {
	for _, key := range path {
		if n == nil {
			return nil
		}
		n = n.table[key]
	}
	return n
}

// First returns the value of the first of those keys that is there: cargo accepts some under two spellings.
func (n *Node) First(keys ...string) *Node {
	for _, key := range keys {
		if v := n.Get(key); v != nil {
			return v
		}
	}
	return nil
}

// Keys returns a table's keys in the order of the file.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// String returns a string's value, "" for anything else.
func (n *Node) String() string {
	if n == nil || n.Plain {
		return ""
	}
	return n.Text
}

// True reports whether the value is the boolean true.
func (n *Node) True() bool { return n != nil && n.Plain && n.Text == "true" }

// Strings returns the strings of an array, or the one string.
func (n *Node) Strings() []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, item := range n.Items {
		out = append(out, item.String())
	}
	if s := n.String(); s != "" {
		out = append(out, s)
	}
	return out
}

// At returns the place of a value of that file: its first line for a value that is absent.
func (n *Node) At(file string) Position {
	if n == nil {
		return Position{File: file, Line: 1}
	}
	return Position{File: file, Line: n.Line}
}

// open returns the table of that key, made at line where it is absent; of an array of tables the last one.
func (n *Node) open(key string, line int) *Node {
	v := n.table[key]
	if v == nil {
		v = &Node{Line: line}
		n.put(key, v)
	}
	if len(v.Items) > 0 && v.Items[len(v.Items)-1].table != nil {
		return v.Items[len(v.Items)-1]
	}
	return v
}

func (n *Node) put(key string, v *Node) {
	if n.table == nil {
		n.table = map[string]*Node{}
	}
	if n.table[key] == nil {
		n.keys = append(n.keys, key)
	}
	n.table[key] = v
}

// Parse reads a TOML document. The error is a *SyntaxError.
func Parse(data []byte) (*Node, error) {
	whole := len(data)
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := reader{data: data, skip: whole - len(data)}
	for i, b := range data {
		if b == '\n' {
			r.ends = append(r.ends, i)
		}
	}
	r.p.Reset(data)
	root := &Node{Line: 1}
	table := root
	for r.p.NextExpression() {
		var err error
		switch e := r.p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, err = r.open(root, e)
		case unstable.KeyValue:
			err = r.keyValue(table, e, place{style: Lines})
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.p.Error(); err != nil {
		return nil, r.syntax(err)
	}
	return root, nil
}

type reader struct {
	p    unstable.Parser
	data []byte
	skip int   // bytes before data in the document
	ends []int // offsets of the newlines
}

// place says where a key stands: how deep, and how its neighbours are set apart.
type place struct {
	depth int
	style Style
}

func (r *reader) syntax(err error) error {
	out := &SyntaxError{Line: len(r.ends) + 1, Message: err.Error()}
	if p := (*unstable.ParserError)(nil); errors.As(err, &p) {
		out.Message = p.Message
		if len(p.Highlight) > 0 {
			out.Line = r.line(int(r.p.Range(p.Highlight).Offset))
		}
	}
	return out
}

func (r *reader) line(offset int) int {
	i, _ := slices.BinarySearch(r.ends, offset)
	return i + 1
}

// open returns the table that a [header] or [[header]] opens.
func (r *reader) open(root *Node, e *unstable.Node) (*Node, error) {
	n := root
	it := e.Key()
	start, end := 0, 0
	for depth := 0; it.Next(); depth++ {
		raw := it.Node().Raw
		key, line := string(it.Node().Data), r.line(int(raw.Offset))
		if end = int(raw.Offset + raw.Length); depth == 0 {
			start = int(raw.Offset)
		}
		if depth > maxDepth {
			return nil, &SyntaxError{line, "nested too deeply"}
		}
		last := it.IsLast()
		if last && e.Kind == unstable.ArrayTable {
			array := n.table[key]
			if array == nil {
				array = &Node{Line: line}
				n.put(key, array)
			}
			array.Items = append(array.Items, &Node{Line: line, table: map[string]*Node{}})
		}
		n = n.open(key, line)
	}
	for end < len(r.data) && r.data[end] != ']' {
		end++
	}
	for end < len(r.data) && r.data[end] == ']' {
		end++
	}
	n.Tail = Tail{From: start + r.skip, At: end + r.skip, Style: Lines}
	return n, nil
}

// keyValue puts `a.b = value` into a table.
func (r *reader) keyValue(n *Node, e *unstable.Node, at place) error {
	start := int(e.Raw.Offset)
	tail := Tail{From: start + r.skip, At: start + int(e.Raw.Length) + r.skip, Style: at.style}
	it := e.Key()
	for it.Next() {
		raw := it.Node().Raw
		key, line := string(it.Node().Data), r.line(int(raw.Offset))
		if at.depth++; at.depth > maxDepth {
			return &SyntaxError{line, "nested too deeply"}
		}
		tail.Prefix = string(r.data[start:raw.Offset])
		n.Tail = tail
		if !it.IsLast() {
			n = n.open(key, line)
			continue
		}
		v, err := r.value(e.Value(), line, at.depth)
		if err != nil {
			return err
		}
		if v.Span.End = tail.At; v.Span.Start == 0 {
			v.Span.Start = tail.At // an array or a number: nobody asks for its bytes
		}
		n.put(key, v)
	}
	return nil
}

func (r *reader) value(e *unstable.Node, line, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, &SyntaxError{line, "nested too deeply"}
	}
	v := &Node{Line: line}
	if e.Raw.Length > 0 {
		v.Span = Span{int(e.Raw.Offset) + r.skip, int(e.Raw.Offset+e.Raw.Length) + r.skip}
	}
	switch e.Kind {
	case unstable.InlineTable:
		v.table = map[string]*Node{}
		v.Tail = Tail{From: v.Span.Start, At: v.Span.Start + 1, Style: Empty}
		for it := e.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			if err := r.keyValue(v, it.Node(), place{depth, Commas}); err != nil {
				return nil, err
			}
		}
	case unstable.Array:
		for it := e.Children(); it.Next(); {
			item := it.Node()
			if item.Kind == unstable.Comment {
				continue
			}
			at := line
			if item.Raw.Length > 0 {
				at = r.line(int(item.Raw.Offset))
			}
			sub, err := r.value(item, at, depth+1)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, sub)
		}
	default:
		v.Text, v.Plain = string(e.Data), e.Kind != unstable.String
	}
	return v, nil
}

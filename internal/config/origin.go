package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Source is the kind of place that a value comes from.
type Source string

// The sources, from the weakest to the strongest.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
)

// Origin is where a value comes from: Name is the file, the variable or the flag; Line counts from 1 in a file.
type Origin struct {
	Source Source `json:"source"`
	Name   string `json:"name,omitempty"`
	Line   int    `json:"line,omitempty"`
}

// String returns "default", "tagboat.toml:3", "environment NAME" or "flag --name".
func (o Origin) String() string {
	switch o.Source {
	case FromFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case FromEnvironment, FromFlag:
		return string(o.Source) + " " + o.Name
	}
	return string(FromDefault)
}

// Origins tells for each key ("package.locked", "registries.feed.index") where its value comes from. Tables are keys
// too. A key that is not there has its default.
type Origins map[string]Origin

// Of returns the origin of a key's value.
func (o Origins) Of(key string) Origin {
	if origin, ok := o[key]; ok {
		return origin
	}
	return Origin{Source: FromDefault}
}

// Setting is one key with its value and the value's origin.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // string, bool, int64 or []string, as it is written in the file
	Origin Origin `json:"origin"`
}

// Settings lists every key of c that has a value of its own (no tables), in the order of the reference.
func Settings(c Config, o Origins) []Setting {
	var out []Setting
	eachLeaf(reflect.ValueOf(c), nil, func(path []string, v reflect.Value) {
		key := joinKey(path)
		out = append(out, Setting{Key: key, Value: plain(v), Origin: o.Of(key)})
	})
	return out
}

// eachLeaf calls do for all values below v that are no table; map keys come sorted.
func eachLeaf(v reflect.Value, path []string, do func(path []string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for _, f := range fields(v.Type()) {
			eachLeaf(v.FieldByIndex(f.index), append(path, f.name), do)
		}
	case v.Kind() == reflect.Map:
		for _, key := range slices.Sorted(maps.Keys(keysOf(v))) {
			eachLeaf(v.MapIndex(reflect.ValueOf(key)), append(path, key), do)
		}
	default:
		do(path, v)
	}
}

func keysOf(m reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, key := range m.MapKeys() {
		keys[key.String()] = true
	}
	return keys
}

// plain returns v as the file writes it.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case Size:
		if x == 0 {
			return int64(0)
		}
		return x.String()
	case fmt.Stringer:
		return x.String()
	case int:
		return int64(x)
	default:
		return x
	}
}

// field is a key of a table.
type field struct {
	name    string
	doc     string
	enum    []string
	example string
	index   []int
	typ     reflect.Type
}

// fields lists the keys of a table's struct in the order of its fields.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		x := field{name: f.Tag.Get("toml"), doc: f.Tag.Get("doc"), example: f.Tag.Get("example"), index: f.Index, typ: f.Type}
		if enum := f.Tag.Get("enum"); enum != "" {
			x.enum = strings.Split(enum, ",")
		}
		out = append(out, x)
	}
	return out
}

// joinKey writes a path as a TOML key.
func joinKey(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = p
		if !isBare(p) {
			parts[i] = fmt.Sprintf("%q", p)
		}
	}
	return strings.Join(parts, ".")
}

func isBare(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != ""
}

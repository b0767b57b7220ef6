// Package tomlkey knows the keys of a TOML document that Go structs describe by their tags: names, types and
// documentation, how a key's path is spelled, and which key was probably meant.
package tomlkey

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Field is a key of a table.
type Field struct {
	Name    string
	Doc     string   // tag doc
	Enum    []string // tag enum: the values that it may have; nil is any
	Example string   // tag example
	Index   []int    // of the struct's field
	Type    reflect.Type
}

// Fields lists the keys of a table's struct in the order of its fields.
func Fields(t reflect.Type) []Field {
	var out []Field
	for i := range t.NumField() {
		f := t.Field(i)
		x := Field{Name: f.Tag.Get("toml"), Doc: f.Tag.Get("doc"), Example: f.Tag.Get("example"), Index: f.Index, Type: f.Type}
		if enum := f.Tag.Get("enum"); enum != "" {
			x.Enum = strings.Split(enum, ",")
		}
		out = append(out, x)
	}
	return out
}

// Join writes a path as a TOML key.
func Join(path []string) string {
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

// IsTables reports whether a key holds an array of tables. Their paths have the table's number, from 0, after the key.
func IsTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// TypeAt returns the type of the key at path.
func TypeAt(t reflect.Type, path []string) (reflect.Type, bool) {
	for _, key := range path {
		switch t.Kind() {
		case reflect.Map:
			t = t.Elem()
		case reflect.Slice:
			if _, err := strconv.ParseUint(key, 10, 31); err != nil || !IsTables(t) {
				return nil, false
			}
			t = t.Elem()
		case reflect.Struct:
			known := Fields(t)
			i := slices.IndexFunc(known, func(f Field) bool { return f.Name == key })
			if i < 0 {
				return nil, false
			}
			t = known[i].Type
		default:
			return nil, false
		}
	}
	return t, true
}

// Split reads a TOML key in its plain spelling.
func Split(key string) ([]string, error) {
	var node any = map[string]any{}
	err := toml.Unmarshal([]byte(key+" = 0"), &node)
	var path []string
	for tree, ok := node.(map[string]any); err == nil && ok && len(tree) == 1; tree, ok = node.(map[string]any) {
		for name, below := range tree {
			path, node = append(path, name), below
		}
	}
	if err != nil || Join(path) != key {
		return nil, fmt.Errorf("%q is no key", key)
	}
	return path, nil
}

// EachLeaf calls do for all values below v that are no table; map keys come sorted.
func EachLeaf(v reflect.Value, path []string, do func(path []string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for _, f := range Fields(v.Type()) {
			EachLeaf(v.FieldByIndex(f.Index), append(path, f.Name), do)
		}
	case v.Kind() == reflect.Map:
		for _, key := range slices.Sorted(maps.Keys(keysOf(v))) {
			EachLeaf(v.MapIndex(reflect.ValueOf(key)), append(path, key), do)
		}
	case IsTables(v.Type()):
		for i := range v.Len() {
			EachLeaf(v.Index(i), append(path, strconv.Itoa(i)), do)
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

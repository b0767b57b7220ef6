package config

import (
	"fmt"
	"reflect"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
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
	tomlkey.EachLeaf(reflect.ValueOf(c), nil, func(path []string, v reflect.Value) {
		key := tomlkey.Join(path)
		out = append(out, Setting{Key: key, Value: plain(v), Origin: o.Of(key)})
	})
	return out
}

// plain returns v as the file writes it.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case Size:
		if x == 0 {
			return int64(0)
		}
		return x.String()
	case Date:
		return string(x)
	case fmt.Stringer:
		return x.String()
	case int:
		return int64(x)
	default:
		return x
	}
}

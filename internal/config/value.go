package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
	"github.com/tagboat/tagboat/internal/problem"
)

var errType = errors.New("wrong type")

// assign stores a decoded TOML value in a key that is no table.
func assign(from any, into reflect.Value) error {
	if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		switch x := from.(type) {
		case string:
			return text.UnmarshalText([]byte(x))
		case int64:
			if into.Type() == reflect.TypeFor[Size]() {
				return text.UnmarshalText(strconv.AppendInt(nil, x, 10))
			}
		case toml.LocalDate:
			if into.Type() == reflect.TypeFor[Date]() {
				return text.UnmarshalText([]byte(x.String()))
			}
		}
		return errType
	}
	switch x := from.(type) {
	case string:
		if into.Kind() == reflect.String {
			into.SetString(x)
			return nil
		}
	case bool:
		if into.Kind() == reflect.Bool {
			into.SetBool(x)
			return nil
		}
	case int64:
		if into.Kind() == reflect.Int {
			into.SetInt(x)
			return nil
		}
	case []any:
		if into.Kind() == reflect.Slice {
			return assignStrings(x, into)
		}
	}
	return errType
}

func assignStrings(from []any, into reflect.Value) error {
	list := make([]string, len(from))
	for i, x := range from {
		s, ok := x.(string)
		if !ok {
			return fmt.Errorf("got %s at position %d, want a string", describe(x), i+1)
		}
		list[i] = s
	}
	into.Set(reflect.ValueOf(list))
	return nil
}

// wanted names the type of a key for a person.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return "a duration like \"10m\""
	case t == reflect.TypeFor[Size]():
		return "a size like \"10 MiB\""
	case t == reflect.TypeFor[Date]():
		return "a day like 2027-01-31"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "an array of strings"
	}
	return "a table"
}

// describe names the type of a decoded TOML value.
func describe(x any) string {
	switch x.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	case time.Time, toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return "a date or time"
	}
	return fmt.Sprintf("a %T", x)
}

// Set changes one key ("package.locked", "registries.feed.token_env") to a value from outside the file: text as it is,
// true or false, a number, a list separated by commas. from is recorded as the value's origin. c is checked as a whole
// afterwards and unchanged where that fails. The tables on the key's way that hold names (registries, package.crates,
// package.env) get an entry where they have none.
func Set(c *Config, o Origins, key, value string, from Origin) error {
	path, err := tomlkey.Split(key)
	if err != nil {
		return usage(from, err.Error(), "")
	}
	l := loader{origins: maps.Clone(o)} // no file: the caller knows the place
	if l.origins == nil {
		l.origins = Origins{}
	}
	changed := clone(*c)
	typ, ok := tomlkey.TypeAt(reflect.TypeFor[Config](), path)
	if !ok {
		return usage(from, fmt.Sprintf("unknown key %s", key), tomlkey.UnknownHint(reflect.TypeFor[Config](), path))
	}
	if typ, ok := tomlkey.TypeAt(reflect.TypeFor[Config](), path[:1]); ok && tomlkey.IsTables(typ) {
		return usage(from, fmt.Sprintf("%s is only set in %s", key, File), "")
	}
	leaf, err := parseText(typ, value)
	if err != nil {
		return usage(from, fmt.Sprintf("%s has a wrong value: %v", key, err), "")
	}
	for i := len(path) - 1; i > 0; i-- {
		leaf = map[string]any{path[i]: leaf}
	}
	l.table(map[string]any{path[0]: leaf}, reflect.ValueOf(&changed).Elem(), nil)
	l.origins[tomlkey.Join(path)] = from
	if len(l.problems) == 0 {
		l.complete(&changed)
		l.validate(changed)
	}
	if len(l.problems) > 0 {
		p := l.problems[0]
		return usage(from, p.Error(), p.Hint)
	}
	*c = changed
	if o != nil {
		o[tomlkey.Join(path)] = from
	}
	return nil
}

// clone copies c with its maps; lists are replaced as a whole, never changed in place.
func clone(c Config) Config {
	c.Registries = maps.Clone(c.Registries)
	c.Tokens = maps.Clone(c.Tokens)
	c.Package.Env = maps.Clone(c.Package.Env)
	c.Rules = maps.Clone(c.Rules)
	return c
}

func usage(from Origin, summary, hint string) error {
	return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s: %s", from, summary), Hint: hint}
}

// parseText reads text for a key of type t into what a TOML document would give.
func parseText(t reflect.Type, text string) (any, error) {
	switch {
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map || tomlkey.IsTables(t):
		return nil, errors.New("it is a table")
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || t.Kind() == reflect.String:
		return text, nil
	case t.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("got %q, want true or false", text)
		}
		return text == "true", nil
	case t.Kind() == reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("got %q, want a whole number", text)
		}
		return n, nil
	}
	list := []any{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

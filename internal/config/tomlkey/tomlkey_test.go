package tomlkey

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

type leaf struct {
	Mode string `toml:"mode" doc:"How." enum:"slow,fast" example:"fast"`
	Size int    `toml:"max_size"`
}

type root struct {
	Name   string          `toml:"name"`
	Deep   leaf            `toml:"deep"`
	Leaves map[string]leaf `toml:"leaves"`
}

func TestFields(t *testing.T) {
	got := Fields(reflect.TypeFor[leaf]())
	if len(got) != 2 || got[0].Name != "mode" || got[0].Doc != "How." || !slices.Equal(got[0].Enum, []string{"slow", "fast"}) || got[0].Example != "fast" || got[1].Enum != nil {
		t.Errorf("got %+v", got)
	}
	var keys []string
	EachLeaf(reflect.ValueOf(root{Leaves: map[string]leaf{"b c": {}, "a": {}}}), nil, func(path []string, _ reflect.Value) {
		keys = append(keys, Join(path))
	})
	want := `name deep.mode deep.max_size leaves.a.mode leaves.a.max_size leaves."b c".mode leaves."b c".max_size`
	if strings.Join(keys, " ") != want {
		t.Errorf("leaves\n got %s\nwant %s", strings.Join(keys, " "), want)
	}
}

func TestSplit(t *testing.T) {
	for _, key := range []string{"name", "deep.max_size", `leaves."b.c".mode`} {
		path, err := Split(key)
		if err != nil || Join(path) != key {
			t.Errorf("%s: %q, %v", key, path, err)
		}
		if _, ok := TypeAt(reflect.TypeFor[root](), path); !ok {
			t.Errorf("%s: no such key", key)
		}
	}
	for _, key := range []string{"", "a b", "a..b", " name", "a = 1\nb"} {
		if path, err := Split(key); err == nil {
			t.Errorf("%q: %q, want an error", key, path)
		}
	}
}

func TestUnknownHint(t *testing.T) {
	for key, want := range map[string]string{
		"nmae": "did you mean name?", "deep.max-size": "did you mean deep.max_size?", "leaves.x.Mode": "did you mean leaves.x.mode?",
		"mode": "did you mean deep.mode?", "deep.zzz": "known keys here: mode, max_size", "nothing.like.it": "known keys here: name, deep, leaves",
	} {
		if got := UnknownHint(reflect.TypeFor[root](), strings.Split(key, ".")); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"always", "never", "when-present"}
	for word, want := range map[string]string{"alway": "always", "nevre": "never", "when_present": "when-present", "maybe": "", "Always": "always"} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
	if got := OneOf(words); got != `"always", "never" or "when-present"` {
		t.Errorf("got %s", got)
	}
}

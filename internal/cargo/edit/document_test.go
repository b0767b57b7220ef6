package edit

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
)

const windows = "\ufeff[package]\r\nname = \"a\"\r\n\tversion\t=\t'1.0.0'\t# mine\r\n\r\n[dependencies]\r\nb = \"1\"\r\nc = {}\r\n[dependencies.d]"

func TestSet(t *testing.T) {
	for name, c := range map[string]struct{ text, path, value, want string }{
		"literal":            {windows, "package version", "2.0.0", strings.Replace(windows, "1.0.0", "2.0.0", 1)},
		"addedAfterComment":  {windows, "package license", "MIT", strings.Replace(windows, "# mine\r\n", "# mine\r\n\tlicense = \"MIT\"\r\n", 1)},
		"bareBecomesTable":   {windows, "dependencies b registry", "r", strings.Replace(windows, `b = "1"`, `b = { version = "1", registry = "r" }`, 1)},
		"emptyTable":         {windows, "dependencies c registry", "r", strings.Replace(windows, `c = {}`, `c = { registry = "r" }`, 1)},
		"headerAtTheEnd":     {windows, "dependencies d version", "1", windows + "\r\nversion = \"1\""},
		"spaceInHeader":      {"[ package ] # x\nname = 'a'\n[ a . \"b]\" ]\n", "a b] c", "1", "[ package ] # x\nname = 'a'\n[ a . \"b]\" ]\nc = \"1\"\n"},
		"severalLines":       {"[d]\nx = { # one\n  path = \"p\", # two\n}\n", "d x version", "1", "[d]\nx = { # one\n  path = \"p\", version = \"1\", # two\n}\n"},
		"dottedInBraces":     {"d = { x.path = \"p\", y = 1 }", "d x version", "1", "d = { x.path = \"p\", x.version = \"1\", y = 1 }"},
		"dottedAtTheTop":     {"a.b.'c' = 1 # z", "a b d.e", "1", "a.b.'c' = 1 # z\na.b.\"d.e\" = \"1\""},
		"basicOverLines":     {"a = \"\"\"\r\n1\"\"\"", "a", "2", "a = \"\"\"\r\n2\"\"\""},
		"literalOverLines":   {"a = '''1'''", "a", "2", "a = '''2'''"},
		"needsEscapes":       {"a = '1'", "a", "it's\n\"\\\x01", `a = "it's\n\"\\\u0001"`},
		"longValueBefore":    {"[a]\nx = [\n  1,\n]\n\n[b]\n", "a y", "1", "[a]\nx = [\n  1,\n]\ny = \"1\"\n\n[b]\n"},
		"emptyString":        {"a = ''\n", "a", "1", "a = '1'\n"},
		"spaceBeforeComment": {"[a] # [x]]\n", "a b", "1", "[a] # [x]]\nb = \"1\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.set(strings.Fields(c.path), c.value); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(d.data)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for name, c := range map[string][2]string{
		"number":    {"a = 1", "a"},
		"table":     {"[a]", "a"},
		"array":     {"a = ['x']", "a"},
		"noTable":   {"a = 1", "b c"},
		"noPlace":   {"[a.b]", "a c"},
		"inNumber":  {"a = 1", "a b"},
		"manyOf":    {"[[a]]\nb = '1'", "a b"},
		"inAnArray": {"a = [{ b = '1' }]", "a b"},
	} {
		d, err := parse([]byte(c[0]))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.set(strings.Fields(c[1]), "x"); err == nil || string(d.data) != c[0] {
			t.Errorf("%s: error %v, text %q", name, err, d.data)
		}
	}
}

const added = "tagboat added"

// FuzzEdit: every string of a document can be set, and every table that has a place gets a further key. What comes out
// is TOML, says the same in every other value, and keeps every byte but the value's. The reading of both documents is
// the library's own, which shares nothing with the places that the edit goes by.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(windows), "2.0.0-rc--1")
	f.Add([]byte("[a]\nb = { c.d = \"\"\"\n1\"\"\", e = [{f = 'x'}] } # y\n[[g]]\nh.i = '''z'''\n"), "it's \"\\\n")
	f.Add([]byte("\"\".'' = \"\\u0030\"\n[\"]\"] # ]\n"), "")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		var before map[string]any
		if toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &before) != nil || !utf8.ValidString(value) {
			return
		}
		d, err := parse(data)
		if err != nil {
			t.Skip("deeper than the reader goes")
		}
		var paths [][]string
		collect(d.root, nil, &paths)
		for _, path := range paths {
			try(t, data, path, value)
		}
	})
}

// collect finds what can be set: every string, and a further key of every string and table.
func collect(n *manifest.Node, path []string, out *[][]string) {
	for _, key := range n.Keys() {
		at := append(path[:len(path):len(path)], key)
		v := n.Get(key)
		if v.Plain || len(v.Items) > 0 || len(*out) > 64 {
			continue
		}
		if len(v.Keys()) == 0 && v.Tail.At == 0 {
			*out = append(*out, at)
		}
		*out = append(*out, append(at[:len(at):len(at)], added))
		collect(v, at, out)
	}
}

func try(t *testing.T, data []byte, path []string, value string) {
	d, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	last := path[len(path)-1]
	table, was := d.root.Get(path[:len(path)-1]...), d.root.Get(path...)
	refused := d.set(path, value)
	if refused != nil {
		if !bytes.Equal(d.data, data) {
			t.Errorf("refused, and changed: %v", refused)
		}
		if was != nil && d.quoted(was) || was == nil && (table.Tail.At > 0 || table.String() != "") {
			t.Errorf("%q in %q cannot be set: %v", path, data, refused)
		}
		return
	}
	want, got := decode(t, data), decode(t, d.data)
	at := want
	for _, key := range path[:len(path)-1] {
		if bare, ok := at[key].(string); ok {
			at[key] = map[string]any{"version": bare}
		}
		at = at[key].(map[string]any)
	}
	at[last] = value
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("set %q in %q to %q gave %q (-want +got):\n%s", path, data, value, d.data, diff)
	}
	kept(t, data, d.data, was, path)
}

func decode(t *testing.T, data []byte) map[string]any {
	var out map[string]any
	if err := toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &out); err != nil {
		t.Errorf("%q: %v", data, err)
	}
	return out
}

// kept holds that what was there before is there still, but for a value that was replaced.
func kept(t *testing.T, before, after []byte, was *manifest.Node, path []string) {
	if was != nil {
		if !bytes.HasPrefix(after, before[:was.Span.Start]) || !bytes.HasSuffix(after, before[was.Span.End:]) {
			t.Errorf("more than the value of %q changed:\n%q\n%q", path, before, after)
		}
		return
	}
	for _, b := range after { // an insertion, or two around a bare requirement, leave a subsequence
		if len(before) > 0 && b == before[0] {
			before = before[1:]
		}
	}
	if len(before) > 0 {
		t.Errorf("adding %q lost %q of\n%q", path, before, after)
	}
}

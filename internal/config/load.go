package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
	"github.com/tagboat/tagboat/internal/problem"
)

// Load reads a configuration. name is the file's path as people know it; empty content is a file with nothing in it.
// Every mistake is a *problem.Error of kind Usage with file and line; several are joined, in the order of their lines.
func Load(content []byte, name string) (Config, Origins, error) {
	if len(content) > MaxSize {
		return Config{}, nil, &problem.Error{Kind: problem.Usage, File: name, Summary: fmt.Sprintf("the configuration is larger than %s", Size(MaxSize)),
			Detail: fmt.Sprintf("it has %d bytes", len(content))}
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var tree map[string]any
	if err := toml.Unmarshal(content, &tree); err != nil {
		return Config{}, nil, syntaxProblem(err, name)
	}
	l := loader{name: name, origins: keyLines(content, name)}
	c := Default()
	l.table(tree, reflect.ValueOf(&c).Elem(), nil)
	if len(l.problems) == 0 {
		l.complete(&c)
		l.validate(c)
	}
	if len(l.problems) > 0 {
		return Config{}, nil, l.err()
	}
	for key := range l.origins {
		if l.origins[key].Line == 0 {
			delete(l.origins, key)
		}
	}
	return c, l.origins, nil
}

func syntaxProblem(err error, name string) error {
	p := &problem.Error{Kind: problem.Usage, File: name, Summary: "not valid TOML", Detail: err.Error()}
	if de := (*toml.DecodeError)(nil); errors.As(err, &de) {
		p.Line, _ = de.Position()
		p.Detail = strings.TrimPrefix(de.Error(), "toml: ")
	}
	return p
}

// keyLines maps every key and table of a valid document to its line.
func keyLines(content []byte, name string) Origins {
	origins := Origins{}
	var p unstable.Parser
	p.Reset(content)
	add := func(path []string, key *unstable.Node) {
		joined := tomlkey.Join(path)
		if _, known := origins[joined]; !known {
			line := 1 + bytes.Count(content[:key.Raw.Offset], []byte("\n"))
			origins[joined] = Origin{Source: FromFile, Name: name, Line: line}
		}
	}
	var table []string
	tables := map[string]int{} // how many tables an array of them has so far
	// within is the path of a table, with the number of the table that is meant after each array of tables on its way.
	within := func(it unstable.Iterator, array bool) []string {
		var path []string
		for it.Next() {
			path = append(path, string(it.Node().Data))
			joined := tomlkey.Join(path)
			if array && it.IsLast() {
				tables[joined]++
			}
			if n := tables[joined]; n > 0 {
				path = append(path, strconv.Itoa(n-1))
			}
			add(path, it.Node())
		}
		return path
	}
	var keyValue func(prefix []string, n *unstable.Node)
	keyValue = func(prefix []string, n *unstable.Node) {
		path := slices.Clone(prefix)
		for it := n.Key(); it.Next(); {
			path = append(path, string(it.Node().Data))
			add(path, it.Node())
		}
		if n.Value().Kind == unstable.InlineTable {
			for it := n.Value().Children(); it.Next(); {
				keyValue(path, it.Node())
			}
		}
	}
	for p.NextExpression() {
		switch n := p.Expression(); n.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = within(n.Key(), n.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			keyValue(table, n)
		}
	}
	return origins
}

// loader collects problems while it fills a Config.
type loader struct {
	name     string
	origins  Origins
	problems []*problem.Error
}

func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *problem.Error) int { return a.Line - b.Line })
	if len(l.problems) == 1 {
		return l.problems[0]
	}
	all := make([]error, len(l.problems))
	for i, p := range l.problems {
		all[i] = p
	}
	return errors.Join(all...)
}

// report adds a problem at the line of a key, or of the nearest table around it.
func (l *loader) report(path []string, summary, detail, hint string) {
	line := 0
	for n := len(path); n > 0 && line == 0; n-- {
		line = l.origins[tomlkey.Join(path[:n])].Line
	}
	l.problems = append(l.problems, &problem.Error{Kind: problem.Usage, Summary: summary, Detail: detail, Hint: hint, File: l.name, Line: line})
}

// table fills a struct or a map from a table of the document.
func (l *loader) table(tree map[string]any, into reflect.Value, path []string) {
	keys := make([]string, 0, len(tree))
	for key := range tree {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		here := append(slices.Clone(path), key)
		if into.Kind() == reflect.Map {
			l.entry(tree[key], into, here)
			continue
		}
		known := tomlkey.Fields(into.Type())
		i := slices.IndexFunc(known, func(f tomlkey.Field) bool { return f.Name == key })
		if i < 0 {
			l.report(here, fmt.Sprintf("unknown key %s", tomlkey.Join(here)), "", tomlkey.UnknownHint(reflect.TypeFor[Config](), here))
			continue
		}
		l.value(tree[key], into.FieldByIndex(known[i].Index), here)
		if text, ok := tree[key].(string); ok && len(known[i].Enum) > 0 && !slices.Contains(known[i].Enum, text) {
			l.report(here, fmt.Sprintf("%s has a wrong value", tomlkey.Join(here)),
				fmt.Sprintf("got %q, want %s", text, tomlkey.OneOf(known[i].Enum)), tomlkey.DidYouMean(tomlkey.Nearest(text, known[i].Enum)))
		}
	}
}

// entry fills one entry of a map of tables or strings, on top of what is there already.
func (l *loader) entry(from any, into reflect.Value, path []string) {
	key := reflect.ValueOf(path[len(path)-1])
	fresh := reflect.New(into.Type().Elem()).Elem()
	switch old := into.MapIndex(key); {
	case old.IsValid():
		fresh.Set(old)
	case fresh.Type() == reflect.TypeFor[Registry]():
		fresh.Set(reflect.ValueOf(registryDefaults()))
	case fresh.Type() == reflect.TypeFor[Token]():
		fresh.Set(reflect.ValueOf(tokenDefaults()))
	}
	l.value(from, fresh, path)
	into.SetMapIndex(key, fresh)
}

func (l *loader) value(from any, into reflect.Value, path []string) {
	if into.Kind() == reflect.Struct || into.Kind() == reflect.Map {
		tree, ok := from.(map[string]any)
		if !ok {
			l.wrongType(path, "a table", from)
			return
		}
		l.table(tree, into, path)
		return
	}
	if tomlkey.IsTables(into.Type()) {
		l.tables(from, into, path)
		return
	}
	if err := assign(from, into); errors.Is(err, errType) {
		l.wrongType(path, wanted(into.Type()), from)
	} else if err != nil {
		l.report(path, fmt.Sprintf("%s has a wrong value", tomlkey.Join(path)), err.Error(), "")
	}
}

// tables fills an array of tables.
func (l *loader) tables(from any, into reflect.Value, path []string) {
	list, ok := from.([]any)
	if !ok {
		l.wrongType(path, "an array of tables", from)
		return
	}
	for i, one := range list {
		fresh := reflect.New(into.Type().Elem()).Elem()
		if fresh.Type() == reflect.TypeFor[Redist]() {
			fresh.Set(reflect.ValueOf(redistDefaults()))
		}
		l.value(one, fresh, append(slices.Clone(path), strconv.Itoa(i)))
		into.Set(reflect.Append(into, fresh))
	}
}

func (l *loader) wrongType(path []string, want string, got any) {
	l.report(path, fmt.Sprintf("%s has a wrong type", tomlkey.Join(path)), fmt.Sprintf("got %s, want %s", describe(got), want), "")
}

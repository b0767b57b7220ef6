package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
)

const referenceIntro = "# Configuration\n\n" +
	"<!-- Generated from internal/config; `go test ./internal/config -update` writes it anew. -->\n\n" +
	"Tagboat reads `tagboat.toml` at the root of the repository, as it is in the tagged commit. The file is optional, and so is every key.\n" +
	"An unknown key is an error. `tagboat config` prints every value with the place it comes from.\n\n" +
	"Editors that check TOML against a schema find it at [tagboat.schema.json](tagboat.schema.json):\n\n" +
	"```toml\n#:schema " + SchemaID + "\n```\n\n" +
	"A duration is a string like `\"90s\"`, `\"10m\"` or `\"6h\"`. A size is a number of bytes or a string like `\"10 MiB\"`.\n" +
	"A date is a day like `2027-01-31`. In patterns, `*` and `?` stand for characters within one part of a path, `**` for any number of parts.\n"

// Reference returns docs/configuration.md: every key with its type, default and meaning, and the rules.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	defaults := Default()
	v := reflect.ValueOf(defaults)
	for _, f := range tomlkey.Fields(v.Type()) {
		writeSection(&b, f, v.FieldByIndex(f.Index), []string{f.Name})
		switch f.Name {
		case "registries":
			writeCratesIO(&b, defaults.Registries[CratesIO])
		case "rules":
			writeRules(&b)
		}
	}
	return b.String()
}

// writeSection writes a table's heading, its keys, an example and then the tables in it.
func writeSection(b *strings.Builder, f tomlkey.Field, v reflect.Value, path []string) {
	if v.Kind() == reflect.Map {
		path = append(path, "NAME")
		entry := v.Type().Elem()
		v = reflect.New(entry).Elem()
		switch entry {
		case reflect.TypeFor[Registry]():
			v.Set(reflect.ValueOf(registryDefaults()))
		case reflect.TypeFor[Token]():
			v.Set(reflect.ValueOf(tokenDefaults()))
		}
	}
	heading := "[" + strings.Join(path, ".") + "]"
	if tomlkey.IsTables(v.Type()) {
		heading, v = "["+heading+"]", reflect.ValueOf(redistDefaults())
	}
	fmt.Fprintf(b, "\n%s `%s`\n\n%s\n\n", strings.Repeat("#", min(len(path)+1, 4)), heading, f.Doc)
	var tables, keys []tomlkey.Field
	for _, key := range tomlkey.Fields(v.Type()) {
		if isTable(key.Type) {
			tables = append(tables, key)
		} else {
			keys = append(keys, key)
		}
	}
	b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, key := range keys {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key.Name, typeName(key), code(literal(v.FieldByIndex(key.Index))), cell(key.Doc))
	}
	writeExample(b, f, keys, heading)
	for _, table := range tables {
		writeSection(b, table, v.FieldByIndex(table.Index), append(path[:len(path):len(path)], table.Name))
	}
}

// isTable reports whether a key has a section of its own; a table of strings is a key.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || tomlkey.IsTables(t) || t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct
}

func writeExample(b *strings.Builder, f tomlkey.Field, keys []tomlkey.Field, heading string) {
	var lines []string
	for _, key := range keys {
		switch {
		case key.Example == "":
		case key.Type.Kind() == reflect.String:
			lines = append(lines, fmt.Sprintf("%s = \"%s\"", key.Name, key.Example))
		default:
			lines = append(lines, key.Name+" = "+key.Example)
		}
	}
	if len(lines) == 0 {
		return
	}
	if f.Example != "" {
		heading = strings.Replace(heading, "NAME", f.Example, 1)
	}
	fmt.Fprintf(b, "\n```toml\n%s\n%s\n```\n", heading, strings.Join(lines, "\n"))
}

func writeCratesIO(b *strings.Builder, r Registry) {
	b.WriteString("\n`crates-io` is always there, with these values:\n\n```toml\n[registries.crates-io]\n")
	tomlkey.EachLeaf(reflect.ValueOf(r), nil, func(path []string, v reflect.Value) {
		fmt.Fprintf(b, "%s = %s\n", tomlkey.Join(path), literal(v))
	})
	b.WriteString("```\n")
}

func writeRules(b *strings.Builder) {
	b.WriteString("\n```toml\n[rules.changelog]\nrelax = true\nreason = \"release notes are written by hand\"\n```\n\n")
	b.WriteString("| Rule | Asks for | Relaxable |\n|---|---|---|\n")
	for _, r := range Rules() {
		relaxable := "no"
		if r.Relaxable {
			relaxable = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", r.Name, r.Says, relaxable)
	}
}

// typeName says what a key takes.
func typeName(f tomlkey.Field) string {
	if len(f.Enum) > 0 {
		words := make([]string, len(f.Enum))
		for i, w := range f.Enum {
			words[i] = code(fmt.Sprintf("%q", w))
		}
		return strings.Join(words, ", ")
	}
	switch {
	case f.Type == reflect.TypeFor[Duration]():
		return "duration"
	case f.Type == reflect.TypeFor[Size]():
		return "size"
	case f.Type == reflect.TypeFor[Date]():
		return "date"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	case reflect.Slice:
		return "array of strings"
	case reflect.Map:
		return "table of strings"
	}
	return "string"
}

// literal writes a value as TOML.
func literal(v reflect.Value) string {
	switch x := plain(v).(type) {
	case string:
		return fmt.Sprintf("%q", x)
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		return "{}"
	default:
		return fmt.Sprint(x)
	}
}

func code(s string) string { return "`" + s + "`" }

// cell makes a text fit into a Markdown table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

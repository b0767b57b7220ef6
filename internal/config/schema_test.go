package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
)

// MakeSchema makes what Schema returns. The library for it would be a tenth of the program.
func MakeSchema() []byte {
	r := jsonschema.Reflector{
		FieldNameTag:               "toml",
		DoNotReference:             true,
		ExpandedStruct:             true,
		RequiredFromJSONSchemaTags: true,
		Mapper:                     scalarSchema,
	}
	root := r.Reflect(&Config{})
	root.ID = SchemaID
	root.Title = File
	root.Description = "Configuration of Tagboat. Every key is optional."
	describeSchema(root, reflect.ValueOf(Default()), nil)
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("unreachable: the schema is plain data: %v", err))
	}
	return append(text, '\n')
}

// scalarSchema gives the schema of our own text types.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case reflect.TypeFor[Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^[0-9]+ *(B|kB|MB|GB|KiB|MiB|GiB)?$`},
			{Type: "integer", Minimum: "0"},
		}}
	case reflect.TypeFor[Date]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]{4}-[0-9]{2}-[0-9]{2})?$`}
	}
	return nil
}

// describeSchema adds what the struct tags and the defaults say to the schema of a table.
func describeSchema(s *jsonschema.Schema, v reflect.Value, path []string) {
	for _, f := range tomlkey.Fields(v.Type()) {
		property, _ := s.Properties.Get(f.Name)
		property.Description = f.Doc
		for _, word := range f.Enum {
			property.Enum = append(property.Enum, word)
		}
		value, here := v.FieldByIndex(f.Index), append(path, f.Name)
		switch value.Kind() {
		case reflect.Struct:
			describeSchema(property, value, here)
		case reflect.Map:
			describeEntries(property, value, here)
		default:
			if tomlkey.IsTables(value.Type()) {
				describeSchema(property.Items, reflect.ValueOf(redistDefaults()), here)
				continue
			}
			if len(path) == 0 || path[0] != "registries" {
				property.Default = plain(value)
			}
		}
	}
}

// describeEntries does the same for a table of tables: each entry has the shape of one.
func describeEntries(s *jsonschema.Schema, v reflect.Value, path []string) {
	if entry := v.Type().Elem(); entry.Kind() == reflect.Struct {
		describeSchema(s.AdditionalProperties, reflect.Zero(entry), append([]string{"registries"}, path...))
	}
	if strings.Join(path, ".") == "rules" {
		names := &jsonschema.Schema{}
		for _, r := range Rules() {
			if r.Relaxable {
				names.Enum = append(names.Enum, r.Name)
			}
		}
		s.PropertyNames = names
	}
}

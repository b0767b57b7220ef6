package config

import (
	_ "embed"
	"slices"
)

// SchemaID is where the schema is published.
const SchemaID = "https://raw.githubusercontent.com/tagboat/tagboat/main/docs/tagboat.schema.json"

// schema is written by `make docs`, from the structs of this package.
//
//go:embed tagboat.schema.json
var schema []byte

// Schema returns the JSON Schema of tagboat.toml (draft 2020-12), indented, for editors that check TOML files.
func Schema() []byte { return slices.Clone(schema) }

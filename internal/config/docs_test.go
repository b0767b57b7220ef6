package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/config"
)

var update = flag.Bool("update", false, "write the generated documents anew")

func TestGeneratedDocuments(t *testing.T) {
	for path, want := range map[string][]byte{
		"../../docs/configuration.md":    []byte(config.Reference()),
		"../../docs/tagboat.schema.json": config.MakeSchema(),
		"tagboat.schema.json":            config.MakeSchema(), // built into the program
	} {
		path := filepath.FromSlash(path)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not current; go test ./internal/config -update writes it anew", path)
		}
	}
}

func TestReferenceHasEveryKey(t *testing.T) {
	text := config.Reference()
	for _, s := range config.Settings(config.Default(), nil) {
		last := s.Key[strings.LastIndexByte(s.Key, '.')+1:]
		if !strings.Contains(text, "| `"+last+"` |") {
			t.Errorf("%s is not in the reference", s.Key)
		}
	}
	for _, r := range config.Rules() {
		if !strings.Contains(text, "| `"+r.Name+"` | "+r.Says) {
			t.Errorf("rule %s is not in the reference", r.Name)
		}
	}
}

// TestReferenceExamples loads every example of the reference.
func TestReferenceExamples(t *testing.T) {
	examples := 0
	for i, block := range strings.Split(config.Reference(), "```toml\n") {
		if i == 0 {
			continue
		}
		text, _, _ := strings.Cut(block, "```")
		if _, _, err := config.Load([]byte(text), config.File); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		examples++
	}
	if examples < 8 {
		t.Errorf("got %d examples, want more", examples)
	}
}

// property is the part of a schema that the test below reads.
type property struct {
	Description          string
	Type                 string
	OneOf                []any
	Properties           map[string]property
	AdditionalProperties json.RawMessage
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	var root property
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	count := 0
	var walk func(key string, p property)
	walk = func(key string, p property) {
		count++
		if p.Description == "" && !strings.HasSuffix(key, ".NAME") {
			t.Errorf("%s has no description", key)
		}
		if p.Type == "" && p.OneOf == nil {
			t.Errorf("%s has no type", key)
		}
		if p.Properties != nil && string(p.AdditionalProperties) != "false" {
			t.Errorf("%s allows unknown keys", key)
		}
		for name, below := range p.Properties {
			walk(key+"."+name, below)
		}
		if len(p.AdditionalProperties) > 0 && p.AdditionalProperties[0] == '{' {
			var entry property
			if err := json.Unmarshal(p.AdditionalProperties, &entry); err != nil {
				t.Fatal(err)
			}
			walk(key+".NAME", entry)
		}
	}
	walk("root", root)
	if count < 60 {
		t.Errorf("got %d keys, want more", count)
	}
}

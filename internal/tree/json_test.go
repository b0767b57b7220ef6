package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/printer"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
)

// described are the types whose fields docs/json.md lists, with the folders that hold them.
var described = []struct {
	dir   string
	types []string
}{
	{"internal/release", []string{"Report", "ReportStep", "ReportProblem", "ReportBump", "ReportPick", "ReportEdit", "ReportToken", "ReportNotice", "Finding", "Crate", "Bill", "BillCrate", "BillRegistry", "BillArtifact", "BillRelaxed", "Upstream",
		"Snapshot", "Request", "Checkout", "Tag", "Changelog", "Workflow", "Remote", "Issue", "Release", "Asset", "Ledger", "Registry", "Access", "IndexState", "Forecast", "Artifact"}},
	{"internal/release/handover", []string{"Document"}},
	{"internal/release/prove", []string{"Proof"}},
	{"internal/redist", []string{"Part", "Move", "Superseded"}},
	{"internal/cli", []string{"settings"}},
	{"internal/render", []string{"TokenSource"}},
	{"internal/cli/access", []string{"Session", "SessionGrant", "LoginReport"}},
	{"internal/config", []string{"Setting", "Origin"}},
	{"internal/rehearsal/storm", []string{"Result", "Violation"}},
}

const fieldsFrom, fieldsTo = "<!-- fields: `make docs` writes them anew -->\n", "<!-- end of fields -->\n"

// TestJSONFields holds that docs/json.md lists every field of every document, with what the code says of it.
func TestJSONFields(t *testing.T) {
	var list strings.Builder
	all := sources(t)
	for _, d := range described {
		for _, name := range d.types {
			writeType(t, &list, all, d.dir, name)
		}
	}
	path := filepath.Join(root, "docs/json.md")
	text := read(t, "docs/json.md")
	before, rest, ok := strings.Cut(text, fieldsFrom)
	_, after, ok2 := strings.Cut(rest, fieldsTo)
	if !ok || !ok2 {
		t.Fatal("docs/json.md has no place for the fields")
	}
	want := before + fieldsFrom + list.String() + "\n" + fieldsTo + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("docs/json.md is not current (`make docs` writes it anew), -want +got:\n%s", diff)
	}
}

var jsonTag = regexp.MustCompile(`json:"([^",]+)`)

// writeType writes the table of one struct.
func writeType(t *testing.T, b *strings.Builder, all []goFile, dir, name string) {
	t.Helper()
	for _, s := range all {
		if s.dir() != dir || s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				typ, ok := spec.(*ast.TypeSpec)
				if !ok || typ.Name.Name != name {
					continue
				}
				title := strings.ToUpper(name[:1]) + name[1:]
				fmt.Fprintf(b, "\n### %s\n\n%s\n\n| Field | Type | Meaning |\n|---|---|---|\n", title, strings.ReplaceAll(strings.TrimSpace(g.Doc.Text()), name+" ", title+" "))
				for _, f := range typ.Type.(*ast.StructType).Fields.List {
					writeField(b, s, f)
				}
				return
			}
		}
	}
	t.Errorf("%s has no type %s", dir, name)
}

func writeField(b *strings.Builder, s goFile, f *ast.Field) {
	if f.Tag == nil {
		return
	}
	m := jsonTag.FindStringSubmatch(f.Tag.Value)
	if m == nil {
		return
	}
	var typ bytes.Buffer
	printer.Fprint(&typ, s.set, f.Type)
	meaning := strings.Join(strings.Fields(f.Comment.Text()), " ")
	if strings.Contains(f.Tag.Value, "omitempty") {
		meaning = strings.TrimSpace(meaning + " (may be absent)")
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", m[1], jsonType(typ.String()), strings.ReplaceAll(meaning, "|", `\|`))
}

// jsonType names a Go type as a JSON reader sees it.
func jsonType(typ string) string {
	typ = strings.TrimPrefix(typ, "*")
	switch typ {
	case "int", "int64", "uint64":
		return "number"
	case "bool":
		return "boolean"
	case "time.Time":
		return "time, RFC 3339"
	case "time.Duration":
		return "number, nanoseconds"
	case "Half", "Severity", "Source":
		return "string"
	case "any":
		return "any value"
	case "config.Config":
		return "[configuration](configuration.md)"
	}
	if item, ok := strings.CutPrefix(typ, "[]"); ok {
		return "list of " + jsonType(item)
	}
	if value, ok := strings.CutPrefix(typ, "map[string]"); ok {
		return "object, name to " + jsonType(value)
	}
	return strings.TrimPrefix(typ, "config.")
}

// TestJSONExamples holds that the examples of docs/json.md are documents of their schema.
func TestJSONExamples(t *testing.T) {
	schemas := map[string]reflect.Type{release.ReportSchema: reflect.TypeFor[release.Report](), release.BillSchema: reflect.TypeFor[release.Bill](), release.SnapshotSchema: reflect.TypeFor[release.Snapshot](), handover.Schema: reflect.TypeFor[handover.Document]()}
	seen := map[string]bool{}
	for _, part := range strings.Split(read(t, "docs/json.md"), "```json\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		var head struct{ Schema string }
		if err := json.Unmarshal([]byte(text), &head); err != nil {
			t.Errorf("not JSON: %v\n%s", err, text)
			continue
		}
		seen[head.Schema] = true
		typ, ok := schemas[head.Schema]
		if !ok {
			continue
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(reflect.New(typ).Interface()); err != nil {
			t.Errorf("%s: %v", head.Schema, err)
		}
	}
	for _, want := range []string{release.ReportSchema, release.BillSchema, release.SnapshotSchema, handover.Schema, "tagboat.config/v1", "tagboat.storm/v1"} {
		if !seen[want] {
			t.Errorf("docs/json.md has no example of %s", want)
		}
	}
}

var outcomeRow = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| .* \\| (\\d+) \\|$")

// TestJSONOutcomes holds that the outcomes of docs/json.md have the exit codes that it tells.
func TestJSONOutcomes(t *testing.T) {
	got := map[string]string{}
	for _, m := range outcomeRow.FindAllStringSubmatch(read(t, "docs/json.md"), -1) {
		got[m[1]] = m[2]
	}
	want := map[string]string{}
	for _, outcome := range []string{release.Released, release.Started, release.Planned, release.Verified, release.Changed, release.Redistributed, release.Waiting, release.Stopped, release.Failed} {
		want[outcome] = fmt.Sprint((&release.Report{Outcome: outcome}).ExitCode())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes and exit codes, -want +got:\n%s", diff)
	}
}

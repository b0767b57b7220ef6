package manifest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/problem"
)

const document = "\ufeff[package] # comment\r\n" +
	"name = \"a\"\r\n" +
	"authors = [\r\n" +
	"  # nobody\r\n" +
	"  'x',\r\n" +
	"  \"y\",\r\n" +
	"]\r\n" +
	"version.workspace = true\r\n" +
	"\r\n" +
	"[target.'cfg( unix )'.dependencies]\r\n" +
	"b = { path = \"../b\", version = \"1\" }\r\n" +
	"[[bin]]\r\n" +
	"name = \"one\"\r\n" +
	"[bin.sub]\r\n" +
	"x = 1\r\n" +
	"[[bin]]\r\n" +
	"name = \"two\"\r\n" +
	"[dependencies.c]\r\n" +
	"version = \"\"\"\r\n2\"\"\"\r\n"

func TestParse(t *testing.T) {
	doc, err := manifest.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		Text string
		Line int
	}
	bins := doc.Get("bin").Items
	if len(bins) != 2 {
		t.Fatalf("%d bins, want 2", len(bins))
	}
	got := map[string]place{}
	for name, n := range map[string]*manifest.Node{
		"name":           doc.Get("package", "name"),
		"authors.1":      doc.Get("package", "authors").Items[1],
		"inherited":      doc.Get("package", "version", "workspace"),
		"inline version": doc.Get("target", "cfg( unix )", "dependencies", "b", "version"),
		"first bin":      bins[0].Get("name"),
		"below a bin":    bins[0].Get("sub", "x"),
		"second bin":     bins[1].Get("name"),
		"multi-line":     doc.Get("dependencies", "c", "version"),
		"table":          doc.Get("dependencies", "c"),
	} {
		got[name] = place{n.Text, n.Line}
	}
	want := map[string]place{
		"name": {"a", 2}, "authors.1": {"y", 6}, "inherited": {"true", 8}, "inline version": {"1", 11},
		"first bin": {"one", 13}, "below a bin": {"1", 15}, "second bin": {"two", 17}, "multi-line": {"2", 19}, "table": {"", 18},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x", "y"}, doc.Get("package", "authors").Strings()); diff != "" {
		t.Errorf("authors (-want +got):\n%s", diff)
	}
	if n := doc.Get("no", "such", "key"); n != nil || n.String() != "" || n.True() || n.Keys() != nil || n.First("a") != nil {
		t.Error("an absent value has content")
	}
	if doc.Get("package", "version", "workspace").String() != "" {
		t.Error("a boolean reads as a string")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"noValue":       {"a = 1\nb =\nc = 1\n", 2},
		"openString":    {"a = 1\n\nb = \"x\ny\"\n", 3},
		"openTable":     {"[a\n", 1},
		"escape":        {"a = 1\nb = \"\\q\"\n", 2},
		"notText":       {"a = 1\n\xff = 1\n", 2},
		"conflict":      {"<<<<<<< HEAD\na = 1\n", 1},
		"deepArray":     {"a = " + strings.Repeat("[", 1<<19), 1},
		"deepTable":     {"a = " + strings.Repeat("{a=", 1<<18), 1},
		"deepKey":       {"b = 1\n" + strings.Repeat("a.", 1<<19) + "a = 1", 2},
		"deepHeader":    {"\n\n[" + strings.Repeat("a.", 1<<19) + "a]", 3},
		"closedArray":   {"a = " + strings.Repeat("[", 100) + strings.Repeat("]", 100), 1},
		"endsInTheVoid": {"a = [\n1,\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Parse([]byte(c.text))
			var s *manifest.SyntaxError
			if !errors.As(err, &s) || s.Line != c.line || s.Message == "" {
				t.Errorf("got %v, want an error in line %d", err, c.line)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	f.Add([]byte("a.b = [{c = 1}]\n[a.d]\n[[a.e]]\n"))
	f.Add([]byte("a = 1\na.b = 2\n[a]\n[[a]]\n[a.b.c]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := manifest.Parse(data)
		if (doc == nil) != (err != nil) {
			t.Errorf("document %v, error %v", doc, err)
		}
		if s := (*manifest.SyntaxError)(nil); err != nil && (!errors.As(err, &s) || s.Line < 1) {
			t.Errorf("error without a line: %v", err)
		}
	})
}

func TestTreeStaysInItsFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret.toml")
	if err := os.WriteFile(outside, []byte("token = 'not to be shown'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "Cargo.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, ".cargo")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.toml"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.toml"), []byte("\n=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := manifest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for name, line := range map[string]int{
		"Cargo.toml": 0, ".cargo/secret.toml": 0, "../secret.toml": 0, "large.toml": 0, ".": 0, "broken.toml": 2,
	} {
		_, err := tree.Read(name)
		var p *problem.Error
		if !errors.As(err, &p) || p.File != name || p.Line != line || p.Kind != problem.Stopped {
			t.Errorf("%s: got %v, want a problem with that file and line %d", name, err, line)
		}
	}
	if _, err := tree.Read("absent.toml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestSettingsIncludes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".cargo"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := func(include string) {
		text := "include = " + include + "\n[alias]\nb = 'build'\n"
		if err := os.WriteFile(filepath.Join(dir, ".cargo/config.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config("['config.toml', 'absent.toml', 'config.toml']")
	tree, err := manifest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if s, err := tree.Settings(); err != nil || len(s.Programs) != 1 {
		t.Errorf("a circle of includes gave %d programs and %v, want 1", len(s.Programs), err)
	}
	config("'../../../../etc/passwd'")
	if tree, err = manifest.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if _, err := tree.Settings(); err == nil {
		t.Error("an include that leaves the checkout was taken")
	}
}

package tree

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the repository, seen from here.
const root = "../.."

const module = "github.com/tagboat/tagboat/"

// goFile is one Go file of the repository.
type goFile struct {
	path string // from the root, with slashes
	text []byte
	file *ast.File
	set  *token.FileSet
}

func (s goFile) dir() string          { return path.Dir(s.path) }
func (s goFile) test() bool           { return strings.HasSuffix(s.path, "_test.go") }
func (s goFile) lines() int           { return bytes.Count(s.text, []byte("\n")) }
func (s goFile) line(p token.Pos) int { return s.set.Position(p).Line }

// imports returns the paths that a file imports, those of this module without its name.
func (s goFile) imports() []string {
	var out []string
	for _, i := range s.file.Imports {
		out = append(out, strings.TrimPrefix(strings.Trim(i.Path.Value, `"`), module))
	}
	return out
}

// listed walks the repository once, without what git and tools keep there.
var listed = sync.OnceValues(func() ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (rel == ".git" || rel == ".cache" || rel == "bin" || d.Name() == "target" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			out = append(out, rel)
		}
		return nil
	})
	return out, err
})

// files are all files of the repository.
func files(t *testing.T) []string {
	t.Helper()
	out, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parsed holds every Go file that belongs to a package.
var parsed = sync.OnceValues(func() ([]goFile, error) {
	names, err := listed()
	if err != nil {
		return nil, err
	}
	var out []goFile
	for _, name := range names {
		if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		out = append(out, goFile{path: name, text: text, file: file, set: set})
	}
	return out, nil
})

// sources are all Go files of the repository.
func sources(t *testing.T) []goFile {
	t.Helper()
	out, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFormatted holds that gofmt has nothing to say.
func TestFormatted(t *testing.T) {
	for _, s := range sources(t) {
		if want, err := format.Source(s.text); err != nil || !bytes.Equal(want, s.text) {
			t.Errorf("%s: gofmt -w %s (%v)", s.path, s.path, err)
		}
	}
}

// TestPackageComments holds that every package says once what it is.
func TestPackageComments(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		comments[s.dir()] = append(comments[s.dir()], "")
		if s.file.Doc != nil {
			comments[s.dir()][0] += " " + s.path
			if want := "Package " + s.file.Name.Name + " "; s.file.Name.Name != "main" && !strings.HasPrefix(s.file.Doc.Text(), want) {
				t.Errorf("%s: the package comment does not begin with %q", s.path, want)
			}
		}
	}
	for dir, where := range comments {
		if n := len(strings.Fields(where[0])); n != 1 {
			t.Errorf("%s has %d package comments, want 1:%s", dir, n, where[0])
		}
	}
}

// The limits of size. Lines of code are those that hold more than a comment.
const (
	maxFunction = 80
	maxPackage  = 1500
	maxFile     = 1 << 20
)

// TestSizes holds that nothing grows past what one can read at a sitting.
func TestSizes(t *testing.T) {
	packages := map[string]int{}
	for _, s := range sources(t) {
		if !s.test() {
			packages[s.dir()] += code(s)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				return true
			}
			if lines := length(s, f); lines > maxFunction {
				t.Errorf("%s:%d: %s has %d lines, more than %d: it is two functions", s.path, s.line(f.Pos()), f.Name.Name, lines, maxFunction)
			}
			return false
		})
	}
	for dir, lines := range packages {
		if lines > maxPackage {
			t.Errorf("%s has %d lines of code, more than %d: it is two packages", dir, lines, maxPackage)
		}
	}
	for _, name := range files(t) {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxFile {
			t.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxFile)
		}
	}
}

// length counts a function's lines. Tables count as one line: a list may be long.
func length(s goFile, f *ast.FuncDecl) int {
	n := s.line(f.End()) - s.line(f.Pos()) + 1
	ast.Inspect(f, func(node ast.Node) bool {
		list, ok := node.(*ast.CompositeLit)
		if ok {
			n -= s.line(list.End()) - s.line(list.Pos())
		}
		return !ok
	})
	return n
}

// code counts the lines of a file that hold code.
func code(s goFile) int {
	comment := map[int]bool{}
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			for l := s.line(c.Pos()); l <= s.line(c.End()); l++ {
				comment[l] = true
			}
		}
	}
	n := 0
	for i, line := range strings.Split(string(s.text), "\n") {
		line = strings.TrimSpace(line)
		alone := strings.HasPrefix(line, "//") || strings.HasPrefix(line, "/*") || strings.HasSuffix(line, "*/")
		if line != "" && !(comment[i+1] && alone) {
			n++
		}
	}
	return n
}

// TestNothingPutOff holds that no marker of unfinished work is left behind.
func TestNothingPutOff(t *testing.T) {
	for _, name := range files(t) {
		if strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"} {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d: %s", name, i+1, strings.TrimSpace(line))
				}
			}
		}
	}
}

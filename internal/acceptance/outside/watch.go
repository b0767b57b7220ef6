package outside

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/secret"
)

// Watch is every token of a test, by whom it is for. What it finds is told through complain, which may be a test's Errorf.
type Watch map[string]*secret.Masker

// WatchFor watches tokens, of one with a scheme also what follows it.
func WatchFor(tokens map[string]string) Watch {
	w := Watch{}
	for name, token := range tokens {
		m := &secret.Masker{}
		_, bare, ok := strings.Cut(token, " ")
		if !ok {
			bare = token
		}
		m.Add(secret.New(token), bare)
		m.Add(secret.New(bare))
		w[name] = m
	}
	return w
}

// Clean looks for the tokens, in any form, in bytes; what gzip packed is unpacked too. The token of but is excused.
func (w Watch) Clean(complain func(string, ...any), where string, text []byte, but ...string) {
	for name, m := range w {
		if len(but) > 0 && but[0] == name {
			continue
		}
		if forms := m.Leaks(text); len(forms) > 0 {
			complain("%s holds the token for %s: %q", where, name, forms)
		}
	}
	if zip, err := gzip.NewReader(bytes.NewReader(text)); err == nil {
		if inner, err := io.ReadAll(io.LimitReader(zip, 64<<20)); err == nil {
			w.Clean(complain, where+", unpacked", inner, but...)
		}
	}
}

// Folder looks into the names and the bytes of every file below a folder.
func (w Watch) Folder(complain func(string, ...any), dir string) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		w.Clean(complain, "the name "+name, []byte(name))
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		w.Clean(complain, name, text)
		return nil
	})
	if err != nil {
		complain("look into %s: %v", dir, err)
	}
}

// Assets looks into the assets of every release, and its texts.
func (w Watch) Assets(complain func(string, ...any), hub *githubtwin.Twin) {
	for _, rel := range hub.Releases() {
		w.Clean(complain, "the notes of "+rel.Tag, []byte(rel.Name+rel.Body))
		for _, a := range rel.Assets {
			text, err := hub.AssetBytes(a.ID)
			if err != nil {
				complain("asset %s: %v", a.Name, err)
			}
			w.Clean(complain, "asset "+a.Name, text)
		}
	}
}

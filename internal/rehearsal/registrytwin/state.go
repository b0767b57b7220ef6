package registrytwin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// crate is a published crate. The twin's lock guards it.
type crate struct {
	name     string
	versions []*version // in order of acceptance
}

// version is a published version.
type version struct {
	number           string
	sum              string
	size             int64
	line, yankedLine []byte // of the index, with the newline
	yanked           bool
	visible          time.Time // from when the index shows it
	changed          time.Time // from when the index shows its present state
	deleted          bool      // the number stays taken
	data             []byte    // nil where path is set
	path             string
	description      string
}

func (c *crate) find(is func(*version) bool) *version {
	if i := slices.IndexFunc(c.versions, is); i >= 0 {
		return c.versions[i]
	}
	return nil
}

// key is what two names share that the registry takes for the same crate.
func (t *Twin) key(name string) string {
	name = strings.ToLower(name)
	if t.config.Manners == CratesIO {
		name = strings.ReplaceAll(name, "_", "-")
	}
	return name
}

// exists reports whether anything was published under the name.
func (t *Twin) exists(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.crates[t.key(name)] != nil
}

// lookup returns the version that was published here, or nil. The caller holds the lock.
func (t *Twin) lookup(name, number string) *version {
	c := t.crates[t.key(name)]
	if c == nil {
		return nil
	}
	return c.find(func(v *version) bool { return v.number == number && !v.deleted })
}

// Delete takes a version away, as its owner does on the registry's pages, and reports whether it was there. crates.io and
// Azure Artifacts never take the number again; the others do.
func (t *Twin) Delete(name, number string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.lookup(name, number)
	if v == nil {
		return false
	}
	if v.deleted = true; t.config.Manners != CratesIO && t.config.Manners != Azure {
		c := t.crates[t.key(name)]
		c.versions = slices.DeleteFunc(c.versions, func(w *version) bool { return w == v })
	}
	return true
}

// keep moves the version's bytes to the twin's folder. Name and number have been checked: they make a file name.
func (t *Twin) keep(name string, v *version) error {
	if t.config.Dir == "" {
		return nil
	}
	path := filepath.Join(t.config.Dir, name+"-"+v.number+".crate")
	if err := os.WriteFile(path, v.data, 0o644); err != nil {
		return fmt.Errorf("keep %s %s: %w", name, v.number, err)
	}
	v.data, v.path = nil, path
	return nil
}

// bytes returns the version's .crate.
func (v *version) bytes() ([]byte, error) {
	if v.path == "" {
		return v.data, nil
	}
	return os.ReadFile(v.path)
}

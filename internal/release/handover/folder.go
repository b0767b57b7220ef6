package handover

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
)

// What a folder may cost its reader.
const (
	maxDocument = 16 << 20
	maxCrate    = 512 << 20
	maxFiles    = 4000
	maxText     = 300 // characters of a version or of a line about the isolation
)

// Folder is a folder that was read: its files are those that its document names, with the bytes that it names, and each is
// a .crate of the name and version that it names. What that has to do with a commit is not judged yet.
type Folder struct {
	Document
	files map[string]*cratefile.File // by asset
	paths map[string]string          // of our own copies, by asset
}

// Open reads a folder that a stranger may have filled. The crates are copied into scratch, a folder of this run alone, so
// that what was looked at is what will be uploaded. Everything that is wrong with the folder is a stop.
func Open(dir, scratch string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "there are no packages", Err: err, Hint: "`tagboat package --out DIR` makes them; in a workflow, actions/download-artifact brings them here"}
	}
	defer root.Close()
	f := &Folder{files: map[string]*cratefile.File{}, paths: map[string]string{}}
	present, err := plainFiles(root)
	if err != nil {
		return nil, refuse(dir, err)
	}
	if err := f.readDocument(root, present); err != nil {
		return nil, refuse(dir, err)
	}
	for _, c := range f.Crates {
		if !present[c.Asset] {
			return nil, refuse(dir, fmt.Errorf("%s is missing", c.Asset))
		}
		delete(present, c.Asset)
	}
	if len(present) > 0 {
		return nil, refuse(dir, fmt.Errorf("%s is there, and %s does not name it", slices.Sorted(maps.Keys(present))[0], Name))
	}
	for _, c := range f.Crates {
		if err := f.take(root, c, filepath.Join(scratch, c.Asset)); err != nil {
			return nil, refuse(dir, fmt.Errorf("%s: %w", c.Asset, err))
		}
	}
	return f, nil
}

// refuse is the stop that a folder is not what `tagboat package` leaves.
func refuse(dir string, err error) error {
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the packages in %s cannot be trusted", dir), Detail: err.Error(), Err: err,
		Hint: "package them again, with `tagboat package` into an empty folder, and hand over that folder alone. Nothing was uploaded"}
}

// plainFiles lists a folder that may hold nothing but files.
func plainFiles(root *os.Root) (map[string]bool, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("it has more than %d files", maxFiles)
	}
	out := map[string]bool{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%q is no plain file", e.Name())
		}
		out[e.Name()] = true
	}
	return out, nil
}

// readDocument reads the document, whose names become names of files, and takes it off the list.
func (f *Folder) readDocument(root *os.Root, present map[string]bool) error {
	if !present[Name] {
		return fmt.Errorf("it has no %s", Name)
	}
	delete(present, Name)
	file, err := open(root, Name)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	if err != nil {
		return err
	}
	if len(text) > maxDocument {
		return fmt.Errorf("%s has more than %d bytes", Name, maxDocument)
	}
	if err := json.Unmarshal(text, &f.Document); err != nil {
		return fmt.Errorf("%s: %w", Name, err)
	}
	return f.Document.check()
}

// check refuses a document that cannot be one of ours.
func (d *Document) check() error {
	if d.Schema != Schema {
		return fmt.Errorf("%s has schema %q, want %q", Name, d.Schema, Schema)
	}
	b := release.Bill{Schema: release.BillSchema, Crates: d.Crates}
	if err := b.Check(); err != nil {
		return fmt.Errorf("%s: %s", Name, strings.Replace(err.Error(), "bill names", "it names", 1))
	}
	for _, c := range d.Crates {
		if c.Asset == Name || filepath.Ext(c.Asset) != ".crate" {
			return fmt.Errorf("%s names a file %q, which is no crate's", Name, c.Asset)
		}
		if c.Size > maxCrate {
			return fmt.Errorf("%s says that %s has %d bytes, more than %d", Name, c.Asset, c.Size, maxCrate)
		}
		if len(c.Registries) == 0 {
			return fmt.Errorf("%s names no registry for %s", Name, c.Name)
		}
	}
	for _, line := range append([]string{d.Toolchain, d.Cargo}, d.Isolation...) {
		if len(line) > maxText {
			return fmt.Errorf("%s has a line of %d characters about how it was packaged", Name, len(line))
		}
	}
	return nil
}

// open opens a plain file of the folder; what took its place since it was listed is refused.
func open(root *os.Root, name string) (*os.File, error) {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	return root.Open(name)
}

// take copies a crate to a file of our own and reads it.
func (f *Folder) take(root *os.Root, c release.BillCrate, to string) error {
	src, err := open(root, c.Asset)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(dst, hash), io.LimitReader(src, c.Size+1))
	if err = errors.Join(err, dst.Close()); err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); size != c.Size || sum != c.SHA256 {
		return fmt.Errorf("its bytes are not those that %s names\nnamed  sha256 %s\nfound  sha256 %s", Name, c.SHA256, sum)
	}
	crate, err := cratefile.Open(to, cratefile.Limits{})
	if err != nil {
		return fmt.Errorf("it is no crate: %w", errors.Unwrap(err))
	}
	if crate.Name != c.Name || crate.Version != c.Version {
		return fmt.Errorf("it is %s %s, and %s says %s %s", crate.Name, crate.Version, Name, c.Name, c.Version)
	}
	switch {
	case crate.VCS == nil:
		return errors.New("it does not say from which commit it was packaged (.cargo_vcs_info.json)")
	case crate.VCS.SHA1 != f.Commit:
		return fmt.Errorf("it was packaged from commit %s, and %s says %s", crate.VCS.SHA1, Name, f.Commit)
	}
	f.files[c.Asset], f.paths[c.Asset] = crate, to
	return nil
}

// File returns what was read of a crate's file, and where our own copy of it is.
func (f *Folder) File(asset string) (crate *cratefile.File, path string) {
	return f.files[asset], f.paths[asset]
}

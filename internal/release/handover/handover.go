// Package handover brings packaged crates from the job that packaged them to the job that publishes them: a folder with the
// .crate files and a document that names them. The one who writes it ran other people's code; the one who reads it
// holds the tokens, and believes nothing that it cannot hold against something else.
package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// Schema names the version of the document's shape. Additive changes keep it.
const Schema = "tagboat.packages/v1"

// Name is the document's file in the folder.
const Name = "packages.json"

// Document says what a folder holds: the crates of one commit, packaged and verified. It holds no secret, and the same
// commit, packaged by the same toolchain, gives the same document.
type Document struct {
	Schema     string              `json:"schema"`
	Repository string              `json:"repository,omitempty"` // owner/name, where it is known
	Tag        string              `json:"tag,omitempty"`        // absent where a commit was packaged that nobody named a tag of
	Commit     string              `json:"commit"`
	Toolchain  string              `json:"toolchain"` // "rustc 1.95.0 (…)"
	Cargo      string              `json:"cargo"`     // "cargo 1.95.0 (…)"
	Isolation  []string            `json:"isolation"` // what closed the build zone
	Verified   bool                `json:"verified"`  // every crate was built from its packaged sources
	Crates     []release.BillCrate `json:"crates"`    // as a bill of lading has them, `asset` being the file's name in the folder
}

// Crate returns the entry of a crate for a registry, nil where there is none.
func (d *Document) Crate(name, registry string) *release.BillCrate {
	b := release.Bill{Crates: d.Crates}
	return b.Bound(name, registry)
}

// Encode returns the document as it stands in the folder: indented JSON with a final newline.
func (d *Document) Encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("encode %s: %w", Name, err)
	}
	return out.Bytes(), nil
}

// Pack packages every crate of a snapshot for every registry that it goes to, and returns the document and where the
// files lie, by the names that it gives them.
func Pack(ctx context.Context, w observe.World, s release.Snapshot, progress func(crate, phase string)) (Document, map[string]string, error) {
	d := Document{Schema: Schema, Repository: s.Repository, Tag: s.Request.Tag, Commit: s.Checkout.Commit, Isolation: steady(s.Checkout.Isolation)}
	if d.Tag == "" && s.Checkout.Tag.Commit != "" {
		d.Tag = s.Checkout.Tag.Name
	}
	files := map[string]string{}
	var bill release.Bill
	var names []string
	for _, c := range s.Checkout.Crates {
		names = append(names, c.Registries...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		order := observe.PackageOrder{Registry: registry.Registry{Name: name}, Out: filepath.Join(w.Scratch, "crates-"+name), Progress: progress}
		if err := os.MkdirAll(order.Out, 0o755); err != nil {
			return d, nil, fmt.Errorf("make folder for crates: %w", err)
		}
		for _, c := range s.Checkout.Crates {
			if slices.Contains(c.Registries, name) {
				order.Crates = append(order.Crates, c.Name)
			}
		}
		packed, err := w.Source.Package(ctx, order)
		if err != nil {
			return d, nil, err
		}
		d.Toolchain, d.Cargo, d.Isolation, d.Verified = packed.Rustc, packed.Cargo, steady(packed.Isolation), packed.Verified
		home := release.BillRegistry{Name: name, Index: observe.IndexOf(s.Checkout, s.Config, name)}
		for _, p := range packed.Crates {
			i := slices.IndexFunc(s.Checkout.Crates, func(c release.Crate) bool { return c.Name == p.Name })
			if i < 0 {
				return d, nil, fmt.Errorf("package %s for %s: cargo made a .crate that nobody asked for", p.Name, name)
			}
			if asset := bill.Enter(s.Checkout.Crates[i], release.BillCrate{SHA256: p.SHA256, Size: p.Size, Files: len(p.Files)}, home); asset != "" {
				files[asset] = p.Path
			}
		}
	}
	at := func(name string) int {
		return slices.IndexFunc(s.Checkout.Crates, func(c release.Crate) bool { return c.Name == name })
	}
	d.Crates = bill.Crates
	slices.SortStableFunc(d.Crates, func(a, b release.BillCrate) int { return at(a.Name) - at(b.Name) }) // in the order of publishing
	return d, files, nil
}

var ownUser = regexp.MustCompile(`^user [0-9]+$`)

// steady leaves out of the isolation what is another one each time: the number of the zone's user.
func steady(isolation []string) []string {
	out := []string{}
	for _, line := range isolation {
		out = append(out, ownUser.ReplaceAllString(line, "a user of its own"))
	}
	return out
}

// Clear returns an error where a folder holds anything that is not of an earlier handover: what lies in it is handed
// over as a whole. A folder that is not there is clear.
func Clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &problem.Error{Kind: problem.Usage, Summary: "the folder for the packages cannot be used", Err: err, Hint: "name a folder that is empty or not there yet"}
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() != Name && path.Ext(e.Name()) != ".crate" && !strings.HasPrefix(e.Name(), part) {
			return occupied(dir, e.Name())
		}
	}
	return nil
}

func occupied(dir, name string) error {
	return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s holds other files", dir), Detail: name, Hint: "what lies in the folder is handed over as a whole: name one that is empty or not there yet"}
}

// Write fills a folder. An earlier handover in it is replaced where it holds the same files; the document is written last,
// so that a folder with a document is complete.
func Write(dir string, d Document, files map[string]string) error {
	if err := Clear(dir); err != nil {
		return err
	}
	content, err := d.Encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cannotWrite(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return cannotWrite(err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return cannotWrite(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), part) { // of a run that was cut
			err = errors.Join(err, root.Remove(e.Name()))
		} else if _, ours := files[e.Name()]; !ours && e.Name() != Name {
			return occupied(dir, e.Name())
		}
	}
	if err != nil {
		return cannotWrite(err)
	}
	if err := root.Remove(Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannotWrite(err)
	}
	for _, c := range d.Crates {
		if err := copyTo(root, c.Asset, files[c.Asset]); err != nil {
			return cannotWrite(err)
		}
	}
	if err := put(root, Name, bytes.NewReader(content)); err != nil {
		return cannotWrite(err)
	}
	return nil
}

func cannotWrite(err error) error {
	return &problem.Error{Kind: problem.Failed, Summary: "the packages cannot be written", Err: err, Hint: "is the disk full, or the folder not writable?"}
}

func copyTo(root *os.Root, name, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return put(root, name, src)
}

// part begins the names of files that are being written.
const part = ".tagboat-"

// put writes a file under another name first: nobody reads half of one.
func put(root *os.Root, name string, content io.Reader) error {
	f, err := root.OpenFile(part+name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		root.Remove(part + name)
		return err
	}
	return root.Rename(part+name, name)
}

// Package cratefile reads .crate archives, which are untrusted input, and derives from one what a registry is told about
// it: nothing but the archive is needed to publish.
package cratefile

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf8"
)

// Limits bound what an archive may cost its reader, and what it may lack. A zero field means its default.
type Limits struct {
	Compressed int64 // bytes of the .crate; default 512 MiB
	Unpacked   int64 // bytes of all entries; default 512 MiB
	Entries    int   // files and directories; default 100,000
	Manifest   int64 // bytes of Cargo.toml and of .cargo_vcs_info.json; default 4 MiB
	Readme     int64 // bytes of the README; default 16 MiB
	// Published: somebody published the archive before, with the cargo of that day, which took READMEs and license files
	// from outside of the package and left them there. One that is named and not in the archive counts as none.
	Published bool
}

// maxJSON keeps the metadata within the request's 32-bit length by a wide margin.
const maxJSON = 64 << 20

func (l Limits) withDefaults() Limits {
	def := func(v *int64, to int64) {
		if *v == 0 {
			*v = to
		}
	}
	def(&l.Compressed, 512<<20)
	def(&l.Unpacked, 512<<20)
	def(&l.Manifest, 4<<20)
	def(&l.Readme, 16<<20)
	if l.Entries == 0 {
		l.Entries = 100_000
	}
	return l
}

// File is a .crate that was read in full once: it unpacks, holds nothing but plain files and directories below
// NAME-VERSION/, and its manifest says the same name and version. The archive itself stays where it is.
type File struct {
	Name, Version string
	SHA256        string // of the whole file, lowercase hex: the index's cksum
	Size          int64
	Files         []string // paths below NAME-VERSION/, in archive order
	Manifest      *Manifest
	VCS           *VCS // nil when the archive carries no .cargo_vcs_info.json

	readme []byte
	open   func() (io.ReadCloser, error)
	limits Limits
}

// VCS is .cargo_vcs_info.json: where cargo says that the package came from. It is a claim of the archive, no proof.
type VCS struct {
	SHA1  string // commit
	Dirty bool   // packaged with uncommitted changes
	Path  string // of the package in its repository; "" at the root
}

// Open reads the archive at name, which must stay unchanged for as long as the File is used.
func Open(name string, limits Limits) (*File, error) {
	f, err := read(func() (io.ReadCloser, error) { return os.Open(name) }, limits.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("read crate %s: %w", name, err)
	}
	return f, nil
}

// Read reads the archive b, which must not be changed afterwards.
func Read(b []byte, limits Limits) (*File, error) {
	f, err := read(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, limits.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("read crate: %w", err)
	}
	return f, nil
}

// Open returns the archive's bytes from the start.
func (f *File) Open() (io.ReadCloser, error) { return f.open() }

// Each calls fn with every file of the archive: its path below NAME-VERSION/, its size in bytes, its content.
func (f *File) Each(fn func(name string, size int64, content io.Reader) error) error {
	s := scan{limits: f.limits, seen: map[string]bool{}, keep: func(string) int64 { return 0 }, each: fn}
	if err := f.pass(&s); err != nil {
		return err
	}
	if s.sum != f.SHA256 {
		return errors.New("the file changed while it was read")
	}
	return nil
}

func read(open func() (io.ReadCloser, error), limits Limits) (*File, error) {
	f := &File{open: open, limits: limits}
	s := scan{limits: limits, seen: map[string]bool{}, kept: map[string][]byte{}}
	s.keep = func(name string) int64 {
		if name == "Cargo.toml" || name == ".cargo_vcs_info.json" {
			return limits.Manifest
		}
		return 0
	}
	if err := f.pass(&s); err != nil {
		return nil, err
	}
	f.Files, f.Size, f.SHA256 = s.files, s.size, s.sum
	manifest, found := s.kept["Cargo.toml"]
	if !found {
		return nil, errors.New("no Cargo.toml in the archive")
	}
	regular := make(map[string]bool, len(f.Files))
	for _, name := range f.Files {
		regular[name] = true
	}
	var err error
	if f.Manifest, err = parseManifest(manifest, regular); err != nil {
		return nil, err
	}
	f.Name, f.Version = f.Manifest.Name, f.Manifest.Version
	if want := f.Name + "-" + f.Version; s.root != want {
		return nil, fmt.Errorf("the files are below %q, the manifest says %q", s.root, want)
	}
	if info, found := s.kept[".cargo_vcs_info.json"]; found {
		if f.VCS, err = parseVCS(info); err != nil {
			return nil, err
		}
	}
	if license := f.Manifest.LicenseFile; license != nil && !regular[*license] && !limits.Published {
		return nil, fmt.Errorf("the license file %q is not in the archive", *license)
	}
	return f, f.readReadme(limits, regular)
}

// readReadme goes through the archive again: which file is the README is known only after the manifest was read.
func (f *File) readReadme(limits Limits, regular map[string]bool) error {
	name := f.Manifest.ReadmeFile
	if name == nil {
		return nil
	}
	if limits.Published {
		if *name = path.Clean(*name); !regular[*name] {
			f.Manifest.ReadmeFile = nil
			return nil
		}
	}
	if !regular[*name] {
		return fmt.Errorf("the README %q is not in the archive", *name)
	}
	s := scan{limits: limits, seen: map[string]bool{}, kept: map[string][]byte{}}
	s.keep = func(file string) int64 {
		if file == *name {
			return limits.Readme
		}
		return 0
	}
	if err := f.pass(&s); err != nil {
		return err
	}
	if s.sum != f.SHA256 {
		return errors.New("the file changed while it was read")
	}
	if f.readme = s.kept[*name]; !utf8.Valid(f.readme) {
		return fmt.Errorf("the README %q is not UTF-8", *name)
	}
	return nil
}

func parseVCS(text []byte) (*VCS, error) {
	var info struct {
		Git struct {
			SHA1  string `json:"sha1"`
			Dirty bool   `json:"dirty"`
		} `json:"git"`
		Path string `json:"path_in_vcs"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf(".cargo_vcs_info.json: %w", err)
	}
	return &VCS{SHA1: info.Git.SHA1, Dirty: info.Git.Dirty, Path: info.Path}, nil
}

// scan is one pass over an archive.
type scan struct {
	limits Limits
	keep   func(name string) int64 // how many bytes of a file may be kept; 0 skips it
	each   func(name string, size int64, content io.Reader) error

	root  string // first path element of every entry
	files []string
	seen  map[string]bool // paths below root
	kept  map[string][]byte
	size  int64
	sum   string
}

func (f *File) pass(s *scan) error {
	src, err := f.open()
	if err != nil {
		return err
	}
	defer src.Close()
	hash := sha256.New()
	counted := &limitedReader{r: io.TeeReader(src, hash), left: s.limits.Compressed, what: "compressed size"}
	// A byte reader keeps gzip from reading past the end of its stream, so that every byte is hashed once and in order.
	file := bufio.NewReaderSize(counted, 64<<10)
	if err := s.archive(file); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, file); err != nil {
		return err
	}
	s.size = counted.read
	s.sum = hex.EncodeToString(hash.Sum(nil))
	return nil
}

func (s *scan) archive(file *bufio.Reader) error {
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	// Cargo reads the first gzip member only; what it does not see must not be seen here either.
	unzipped.Multistream(false)
	unpacked := &limitedReader{r: unzipped, left: s.limits.Unpacked, what: "unpacked size"}
	entries := tar.NewReader(unpacked)
	for n := 0; ; n++ {
		h, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if n >= s.limits.Entries {
			return fmt.Errorf("more than %d entries", s.limits.Entries)
		}
		if err := s.entry(h, entries); err != nil {
			return err
		}
	}
	// The checksum of the gzip stream is verified at its end, after tar's own end mark.
	_, err = io.Copy(io.Discard, unpacked)
	return err
}

func (s *scan) entry(h *tar.Header, body io.Reader) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return fmt.Errorf("entry %q is neither a file nor a directory (type %q)", h.Name, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return fmt.Errorf("entry %q is a sparse file", h.Name)
		}
	}
	name := h.Name
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
	}
	if err := checkPath(name); err != nil {
		return err
	}
	root, rest, below := strings.Cut(name, "/")
	if s.root == "" {
		s.root = root
	}
	if root != s.root || !below && h.Typeflag == tar.TypeReg {
		return fmt.Errorf("entry %q is not below %s/", h.Name, s.root)
	}
	if s.seen[rest] {
		return fmt.Errorf("entry %q occurs twice", h.Name)
	}
	s.seen[rest] = true
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	if strings.EqualFold(rest, "Cargo.toml") && rest != "Cargo.toml" {
		return fmt.Errorf("entry %q could be taken for the manifest", h.Name)
	}
	s.files = append(s.files, rest)
	if s.each != nil {
		return s.each(rest, h.Size, body)
	}
	if limit := s.keep(rest); limit > 0 {
		b, err := io.ReadAll(&limitedReader{r: body, left: limit, what: "size of " + rest})
		s.kept[rest] = b
		return err
	}
	return nil
}

// checkPath accepts what is the same clean relative path on every system. Other control characters than NUL pass, as
// they pass cargo: who shows a name has to escape it.
func checkPath(name string) error {
	if name == "" || path.Clean(name) != name || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("entry %q is not a clean relative path", name)
	}
	if !utf8.ValidString(name) || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("entry %q has a backslash, a NUL or is not UTF-8", name)
	}
	return nil
}

// limitedReader fails, rather than ends, where more than its limit comes.
type limitedReader struct {
	r          io.Reader
	left, read int64
	what       string
}

func (l *limitedReader) Read(p []byte) (int, error) {
	// One byte more than is left is asked for, so that a source of exactly the limit ends with io.EOF.
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	l.read += int64(n)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, fmt.Errorf("%s: more than %d bytes", l.what, l.read-1)
	}
	return n, err
}

package registrytwin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// ReservedVersion is what Reserve publishes.
const ReservedVersion = "0.0.0"

// Reserve puts an empty version 0.0.0 of a crate where nothing of it is yet, as its owner did long ago. It is none of the
// accepted uploads, and no lag hides it.
func (t *Twin) Reserve(name string) error {
	data, err := emptyCrate(name)
	if err != nil {
		return fmt.Errorf("reserve %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	found, err := t.cache.Read(sum, data)
	if err != nil {
		return fmt.Errorf("reserve %s: %w", name, err)
	}
	v := &version{number: ReservedVersion, sum: hex.EncodeToString(sum[:]), size: int64(len(data)), visible: time.Now(), changed: time.Now(), data: data}
	l := found.CratesIOLine(v.sum, time.Now())
	if v.line, err = l.Encode(); err == nil {
		l.Yanked = true
		v.yankedLine, err = l.Encode()
	}
	if err != nil {
		return fmt.Errorf("reserve %s: %w", name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.crates[t.key(name)] == nil {
		t.crates[t.key(name)] = &crate{name: name, versions: []*version{v}}
	}
	return nil
}

func emptyCrate(name string) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, f := range []struct{ name, text string }{
		{"Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\ndescription = \"Reserved.\"\nlicense = \"MIT\"\n", name, ReservedVersion)},
		{"src/lib.rs", ""},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: name + "-" + ReservedVersion + "/" + f.name, Mode: 0o644, Size: int64(len(f.text)), Typeflag: tar.TypeReg}); err != nil {
			return nil, err
		}
		if _, err := archive.Write([]byte(f.text)); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

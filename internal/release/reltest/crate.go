package reltest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// Pack returns a .crate file. Crates of one name and version differ in their bytes by the remark alone.
func Pack(name, version, remark string) []byte {
	files := []struct{ name, content string }{
		{"Cargo.toml", fmt.Sprintf("[package]\nedition = \"2021\"\nname = %q\nversion = %q\ndescription = \"A part.\"\nreadme = false\nlicense = \"MIT\"\n", name, version)},
		{"src/lib.rs", "//! " + name + remark + "\n"},
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, f := range files { // writing to memory does not fail
		w.WriteHeader(&tar.Header{Name: name + "-" + version + "/" + f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.content)), ModTime: time.Unix(1153704088, 0)})
		w.Write([]byte(f.content))
	}
	w.Close()
	zip.Close()
	return out.Bytes()
}

// Sum is the SHA-256 of content in hex.
func Sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// Opener opens content as an upload wants it.
func Opener(content string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
}

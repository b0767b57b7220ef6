package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"sync/atomic"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/registry/wire"
)

// Crate is a .crate file that was checked and can be published.
type Crate struct{ *cratefile.File }

// OpenCrate reads and checks the .crate at path, which must stay unchanged until it is published.
func OpenCrate(path string) (*Crate, error) { return crateOf(cratefile.Open(path, cratefile.Limits{})) }

// OpenPublished is OpenCrate for a .crate that somebody published before: old ones lack files that they name.
func OpenPublished(path string) (*Crate, error) {
	return crateOf(cratefile.Open(path, cratefile.Limits{Published: true}))
}

// ReadCrate reads and checks a .crate in memory.
func ReadCrate(b []byte) (*Crate, error) { return crateOf(cratefile.Read(b, cratefile.Limits{})) }

func crateOf(f *cratefile.File, err error) (*Crate, error) {
	if err != nil {
		return nil, err
	}
	return &Crate{f}, nil
}

func target(r Registry) cratefile.Target {
	return cratefile.Target{Index: r.Index, Mirror: r.Mirror, MirrorOf: r.MirrorOf}
}

// Metadata returns the JSON of the publish request to r, byte for byte as cargo 1.95 sends it.
func (c *Crate) Metadata(r Registry) ([]byte, error) { return c.File.Metadata(target(r)) }

// Body returns the body of the publish request to r and its length: each part with its length ahead as 32 bits,
// little-endian. The reader fails at the end instead of giving the last bytes when the archive is no longer the one that
// was checked. Close it.
func (c *Crate) Body(r Registry) (io.ReadCloser, int64, error) {
	meta, err := c.Metadata(r)
	if err != nil {
		return nil, 0, err
	}
	if c.Size > math.MaxUint32 {
		return nil, 0, fmt.Errorf("crate %s %s: %d bytes do not fit a publish request", c.Name, c.Version, c.Size)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))
	head = append(head, meta...)
	head = binary.LittleEndian.AppendUint32(head, uint32(c.Size))
	file, err := c.File.Open()
	if err != nil {
		return nil, 0, err
	}
	sealed := &sealedReader{r: file, left: c.Size, want: c.SHA256, hash: sha256.New()}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), sealed), file}, int64(len(head)) + c.Size, nil
}

// sealedReader gives exactly the bytes with the wanted checksum, or an error before their end.
type sealedReader struct {
	r    io.Reader
	left int64
	want string
	hash hash.Hash
}

func (s *sealedReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.hash.Write(p[:n])
	s.left -= int64(n)
	if s.left == 0 && hex.EncodeToString(s.hash.Sum(nil)) != s.want {
		return 0, wire.Final("the .crate file changed after it was checked")
	}
	if err == io.EOF && s.left > 0 {
		return n, wire.Final("the .crate file became shorter after it was checked")
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// Receipt is a registry's yes to an upload.
type Receipt struct {
	Warnings []string // what the registry found worth saying, made safe to print
}

// expectFrom is the size from which the registry is asked before the body is sent, as curl does: a refusal on the
// headers alone (401, 429) would otherwise cut the connection under the upload and be lost.
const expectFrom = 1 << 20

// Publish uploads the crate: one request, never repeated, never redirected. After any error that is not clearly a
// refusal, ask the index before another attempt.
func (c *Client) Publish(ctx context.Context, crate *Crate) (Receipt, error) {
	k := wire.Call{Op: fmt.Sprintf("publish %s %s", crate.Name, crate.Version), Method: http.MethodPut, Write: true, Limit: maxAnswer}
	config, err := c.apiConfig(ctx, k.Op)
	if err != nil {
		return Receipt{}, err
	}
	if limit := c.registry.MaxCrate; limit > 0 && crate.Size > limit {
		return Receipt{}, &Error{Registry: c.registry.Name, Op: k.Op, Class: Refused,
			Detail: fmt.Sprintf("the .crate has %d bytes; this registry takes %d", crate.Size, limit)}
	}
	if k.Token, err = c.uploadToken(ctx, k.Op, crate.Name, config.API); err != nil {
		return Receipt{}, err
	}
	body, length, err := crate.Body(c.registry)
	if err != nil {
		return Receipt{}, fmt.Errorf("%s at registry %s: %w", k.Op, c.registry.Name, err)
	}
	defer body.Close()
	k.URL, k.Length, k.Timeout = config.API+"/api/v1/crates/new", length, deadline(length)
	k.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/octet-stream"}}
	if length >= expectFrom {
		k.Header.Set("Expect", "100-continue")
	}
	progress := &progressReader{r: body, report: func(done int64) {
		if c.options.Progress != nil {
			c.options.Progress(ctx, done, length)
		}
	}}
	defer progress.closed.Store(true)
	k.Body = progress
	resp, answer, err := c.wire.Read(ctx, k)
	if err != nil {
		return Receipt{}, err
	}
	return c.receipt(k, resp, answer)
}

// receipt reads the answer to an upload: any 2xx without an errors array is a yes.
func (c *Client) receipt(k wire.Call, resp *http.Response, answer []byte) (Receipt, error) {
	if resp.StatusCode/100 != 2 || wire.ReportsErrors(answer) {
		return Receipt{}, c.wire.StatusError(k, resp, answer)
	}
	if len(bytes.TrimSpace(answer)) == 0 {
		return Receipt{}, nil
	}
	var said struct {
		Warnings struct {
			Categories []string `json:"invalid_categories"`
			Badges     []string `json:"invalid_badges"`
			Other      []string `json:"other"`
		} `json:"warnings"`
	}
	if !json.Valid(answer) {
		// A proxy or login page in front of the registry answers so.
		return Receipt{}, &Error{Registry: c.registry.Name, Op: k.Op, Status: resp.StatusCode, Class: Transient, Unclear: true,
			Detail: "the answer is not JSON"}
	}
	// Warnings of another shape are none; they do not undo the upload.
	_ = json.Unmarshal(answer, &said)
	var r Receipt
	for _, w := range said.Warnings.Categories {
		r.Warnings = append(r.Warnings, "not a category, ignored: "+wire.Clean(w, k.Token))
	}
	for _, w := range said.Warnings.Badges {
		r.Warnings = append(r.Warnings, "not a valid badge, ignored: "+wire.Clean(w, k.Token))
	}
	for _, w := range said.Warnings.Other {
		r.Warnings = append(r.Warnings, wire.Clean(w, k.Token))
	}
	return r, nil
}

// apiConfig returns the configuration of a registry that has a web API.
func (c *Client) apiConfig(ctx context.Context, op string) (Config, error) {
	config, err := c.Config(ctx)
	if err == nil && config.API == "" {
		err = &Error{Registry: c.registry.Name, Op: op, Class: Refused, Detail: "the registry has no web API: its config.json names no api"}
	}
	return config, err
}

// progressReader reports bytes as they are taken. A transport may go on reading after an early answer; closed ends that.
type progressReader struct {
	r      io.Reader
	done   int64
	report func(done int64)
	closed atomic.Bool
}

func (p *progressReader) Read(b []byte) (int, error) {
	if p.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	n, err := p.r.Read(b)
	if n > 0 {
		p.done += int64(n)
		p.report(p.done)
	}
	return n, err
}

package registrytwin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/rehearsal/cratestore"
	"github.com/tagboat/tagboat/internal/secret"
)

// pipes is a listener for connections made in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serve serves the handler over connections in memory and returns a client for it.
func serve(t testing.TB, handler http.Handler) *http.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case l.conns <- there:
			return here, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return &http.Client{Transport: transport}
}

// registry is a twin and a client of it.
type registry struct {
	*Twin
	client *http.Client
}

// newRegistry starts a twin that knows the tokens "good", "reader" and, with another owner, "other".
func newRegistry(t testing.TB, c Config) *registry {
	t.Helper()
	c.Tokens = append(c.Tokens,
		Token{Label: "ci", Value: secret.New("good"), Scope: Publish},
		Token{Label: "other", Value: secret.New("other"), Scope: Publish},
		Token{Label: "reader", Value: secret.New("reader"), Scope: Read})
	twin := New(c)
	return &registry{twin, serve(t, twin.Handler())}
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (g *registry) do(t testing.TB, method, path, token string, body io.Reader, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://registry.example"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "cargo/1.95.0 (f2d3ce0bd 2026-03-21)")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (g *registry) get(t testing.TB, path string, header ...string) answer {
	t.Helper()
	return g.do(t, http.MethodGet, path, "", nil, header...)
}

// publish uploads the .crate as cargo does, with the metadata that its manifest gives for crates.io.
func (g *registry) publish(t testing.TB, token string, crate []byte) answer {
	t.Helper()
	return g.do(t, http.MethodPut, "/api/v1/crates/new", token, bytes.NewReader(upload(t, crate)))
}

func upload(t testing.TB, crate []byte) []byte {
	t.Helper()
	f, err := cratefile.Read(crate, cratefile.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := f.Metadata(cratefile.Target{})
	if err != nil {
		t.Fatal(err)
	}
	return frame(metadata, crate)
}

func frame(metadata, crate []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(metadata)))
	b = append(b, metadata...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(crate)))
	return append(b, crate...)
}

// complete is what crates.io wants of a package besides a name and a version.
const complete = "description = \"d\"\nlicense = \"MIT\"\n"

// pack makes a .crate with a manifest that starts with [package], name and version and goes on with rest.
func pack(t testing.TB, name, version, rest string) []byte {
	t.Helper()
	manifest := "[package]\nname = \"" + name + "\"\nversion = \"" + version + "\"\nedition = \"2021\"\n" + rest
	root := name + "-" + version + "/"
	return archiveOf(t, tar.Header{Name: root + "Cargo.toml"}, manifest, tar.Header{Name: root + "src/lib.rs"}, "")
}

// archiveOf makes a .tar.gz of headers, each followed by its content.
func archiveOf(t testing.TB, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(entries); i += 2 {
		h, content := entries[i].(tar.Header), entries[i+1].(string)
		h.Mode, h.Size = 0o644, int64(len(content))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lines decodes an index file.
func lines(t testing.TB, body string) []cratestore.Line {
	t.Helper()
	var out []cratestore.Line
	for text := range strings.Lines(body) {
		var l cratestore.Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		out = append(out, l)
	}
	return out
}

// versions are the version numbers in an index file.
func numbers(t testing.TB, a answer) string {
	t.Helper()
	if a.status != http.StatusOK {
		return http.StatusText(a.status)
	}
	var out []string
	for _, l := range lines(t, a.body) {
		out = append(out, l.Version)
	}
	return strings.Join(out, " ")
}

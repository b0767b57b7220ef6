package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tagboat/tagboat/internal/secret"
)

const testToken = "Bearer s3cr3t-t0ken-value"

// host is a registry on loopback: config.json at /index/, the rest is the test's.
type host struct {
	*httptest.Server
	mux *http.ServeMux

	mu  sync.Mutex
	log []string // "METHOD path authorization"
}

func (h *host) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.log)
}

func newHost(t *testing.T, config string) *host {
	h := &host{mux: http.NewServeMux()}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.log = append(h.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")))
		h.mu.Unlock()
		h.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	if config != "" {
		h.mux.HandleFunc("GET /index/config.json", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.ReplaceAll(config, "HOST", h.URL))
		})
	}
	return h
}

const openConfig = `{"dl":"HOST/dl","api":"HOST/","unknown":1}`

// testJWT is a JSON web token that was good until 2001-09-09 01:46:40 UTC: {"alg":"none"} and {"exp":1e9}.
const testJWT = "eyJhbGciOiJub25lIn0.eyJleHAiOjFlOX0.c2ln"

const closedConfig = `{"dl":"HOST/dl","api":"HOST","auth-required":true}`

func (h *host) answer(pattern string, status int, header http.Header, body string) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func (h *host) client(o Options) *Client {
	o.HTTP = h.Client()
	return NewClient(Registry{Name: "feed", Index: "sparse+" + h.URL + "/index/", URL: h.URL + "/index", Kind: KindGeneric}, o)
}

func withToken(s string) Options {
	return Options{UserAgent: "tagboat/1", Token: func(context.Context) (secret.Value, error) { return secret.New(s), nil }}
}

func crateBytes(t testing.TB, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	for name, body := range map[string]string{
		"Cargo.toml": "[package]\nname = \"demo\"\nversion = \"1.0.0+b\"\nreadme = false\n", "src/lib.rs": strings.Repeat("x", size),
	} {
		if err := w.WriteHeader(&tar.Header{Name: "demo-1.0.0+b/" + name, Size: int64(len(body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, body)
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func demo(t testing.TB, size int) *Crate {
	t.Helper()
	c, err := ReadCrate(crateBytes(t, size))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows the token: %v", err)
	}
	return e
}

const sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func line(version, more string) string {
	return fmt.Sprintf(`{"name":"demo","vers":"%s","deps":[],"cksum":"%s","features":{},"yanked":false%s}`+"\n", version, sumA, more)
}

func TestLookup(t *testing.T) {
	h := newHost(t, openConfig)
	h.answer("GET /index/de/mo/demo", http.StatusOK, nil, line("1.0.0", "")+"\n"+line("1.1.0+x", `,"v":2,"strange":{"a":[]}`)+`{"v":3,"vers":7}`+"\n"+line("2.0.0-rc.1", `,"pubtime":"2026-01-02T03:04:05Z"`))
	entries, err := h.client(Options{}).Lookup(t.Context(), "Demo")
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, e := range entries {
		versions = append(versions, e.Version)
	}
	if diff := cmp.Diff([]string{"1.0.0", "1.1.0+x", "2.0.0-rc.1"}, versions); diff != "" {
		t.Error(diff)
	}
	if e := entries[2]; e.Published.Year() != 2026 || e.Schema != 1 || entries[1].Schema != 2 {
		t.Errorf("got %+v", e)
	}
	for version, found := range map[string]bool{"1.0.0": true, "1.0.0+other": true, "1.1.0": true, "2.0.0": false, "1.0": false} {
		if _, got := Find(entries, version); got != found {
			t.Errorf("Find(%q) = %t", version, got)
		}
	}
}

func TestLookupAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		class  Class
		absent bool
		want   string
	}{
		"notFound":   {status: 404, absent: true},
		"gone":       {status: 410, absent: true},
		"legal":      {status: 451, absent: true},
		"fault":      {status: 500, class: Transient, want: "status 500"},
		"forbidden":  {status: 403, class: Denied},
		"redirect":   {status: 302, class: Refused},
		"otherCrate": {status: 200, body: strings.Replace(line("1.0.0", ""), "demo", "other", 1), class: Transient, want: `line 1: the entry is for crate "other"`},
		"malformed":  {status: 200, body: line("1.0.0", "") + "{\n", class: Transient, want: "index of demo, line 2"},
		"checksum":   {status: 200, body: strings.Replace(line("1.0.0", ""), "a", "g", 5), class: Transient, want: "line 1"},
		"version":    {status: 200, body: line("1.0", ""), class: Transient, want: "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, openConfig)
			h.answer("GET /index/de/mo/demo", c.status, nil, c.body)
			entries, err := h.client(Options{}).Lookup(t.Context(), "demo")
			if c.absent {
				if err != nil || entries != nil {
					t.Errorf("got %v, %v, want an absent crate", entries, err)
				}
				return
			}
			if e := asError(t, err); e.Class != c.class || !strings.Contains(e.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", e, c.class, c.want)
			}
		})
	}
}

func TestLookupAsksOnceForWhatDidNotChange(t *testing.T) {
	h := newHost(t, openConfig)
	body, etag := line("1.0.0", ""), `"one"`
	unchanged := 0
	h.mux.HandleFunc("GET /index/de/mo/demo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			unchanged++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, body)
	})
	c := h.client(Options{})
	count := func() int {
		t.Helper()
		entries, err := c.Lookup(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if a, b := count(), count(); a != 1 || b != 1 {
		t.Errorf("got %d and %d entries", a, b)
	}
	body, etag = body+line("1.1.0", ""), `"two"`
	if n := count(); n != 2 {
		t.Errorf("got %d entries after the change", n)
	}
	if len(h.requests()) != 4 || unchanged != 1 {
		t.Errorf("%d answers without a body; requests: %q", unchanged, h.requests())
	}
}

// A registry that keeps all to itself answers 401 to the first request for config.json.
func TestTokenGoesWhereItIsAskedFor(t *testing.T) {
	h := newHost(t, "")
	h.mux.HandleFunc("GET /index/config.json", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != testToken {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, strings.ReplaceAll(closedConfig, "HOST", h.URL))
	})
	h.answer("GET /index/de/mo/demo", http.StatusOK, nil, line("1.0.0", ""))
	if _, err := h.client(withToken(testToken)).Lookup(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /index/config.json", "GET /index/config.json " + testToken, "GET /index/de/mo/demo " + testToken}
	if diff := cmp.Diff(want, h.requests()); diff != "" {
		t.Error(diff)
	}
	if e := asError(t, second(h.client(Options{}).Lookup(t.Context(), "demo"))); e.Class != Denied {
		t.Errorf("without a token: %v", e)
	}
}

func second[A any](_ A, err error) error { return err }

func TestTokenStaysAtItsOrigin(t *testing.T) {
	store := newHost(t, "")
	sum := sha256.Sum256([]byte("bytes"))
	store.answer("GET /blob", http.StatusOK, nil, "bytes")
	h := newHost(t, closedConfig)
	h.answer("GET /dl/demo/1.0.0/download", http.StatusFound, http.Header{"Location": {store.URL + "/blob"}}, "")
	h.answer("PUT /api/v1/crates/new", http.StatusTemporaryRedirect, http.Header{"Location": {store.URL + "/take"}}, "")
	h.answer("GET /index/de/mo/demo", http.StatusMovedPermanently, http.Header{"Location": {"/elsewhere"}}, "")
	h.answer("GET /elsewhere", http.StatusOK, nil, line("1.0.0", ""))
	c := h.client(withToken(testToken))

	var got bytes.Buffer
	n, err := c.Download(t.Context(), Entry{Name: "demo", Version: "1.0.0", Checksum: hex.EncodeToString(sum[:])}, &got)
	if err != nil || n != 5 || got.String() != "bytes" {
		t.Errorf("download: %d bytes %q, %v", n, &got, err)
	}
	if e := asError(t, second(c.Publish(t.Context(), demo(t, 10)))); e.Class != Refused || !strings.Contains(e.Detail, store.URL) {
		t.Errorf("publish: %v", e)
	}
	if _, err := c.Lookup(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"GET /blob"}, store.requests()); diff != "" {
		t.Errorf("at the other host: %s", diff)
	}
	if last := h.requests()[len(h.requests())-1]; last != "GET /elsewhere "+testToken {
		t.Errorf("within the host: %q", last)
	}
}

// The transport may still be reading when an early answer has ended the upload.
func TestNoProgressAfterTheEnd(t *testing.T) {
	p := &progressReader{r: strings.NewReader("left"), report: func(int64) { t.Error("reported") }}
	p.closed.Store(true)
	if n, err := p.Read(make([]byte, 4)); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestConfigRefused(t *testing.T) {
	for name, body := range map[string]string{
		"notJSON": "<html>", "noDL": `{"api":"HOST"}`, "badAPI": `{"dl":"HOST/dl","api":"ftp://x"}`, "user": `{"dl":"https://u:p@example.invalid/dl"}`,
		"large": `{"dl":"HOST/dl","x":"` + strings.Repeat("x", maxConfig) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if e := asError(t, second(newHost(t, body).client(Options{}).Config(t.Context()))); e.Class != Refused {
				t.Errorf("got %v", e)
			}
		})
	}
	c := NewClient(Registry{URL: "https://feed.example"}, Options{})
	if err := c.checkAddresses(Config{API: "http://feed.example", DL: "https://feed.example"}); err == nil {
		t.Error("an http address below an https index passed")
	}
}

func TestPublish(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, openConfig)
			crate := demo(t, size)
			var got *http.Request
			var body []byte
			h.mux.HandleFunc("PUT /api/v1/crates/new", func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				io.WriteString(w, `{"warnings":{"invalid_categories":["a\u001b[31m"],"invalid_badges":["b"],"other":["c `+testToken+`"]}}`)
			})
			var done, total int64
			o := withToken(testToken)
			o.Progress = func(_ context.Context, d, all int64) { done, total = d, all }
			c := h.client(o)
			receipt, err := c.Publish(t.Context(), crate)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"not a category, ignored: a[31m", "not a valid badge, ignored: b", "c ***"}
			if diff := cmp.Diff(want, receipt.Warnings); diff != "" {
				t.Error(diff)
			}
			r, length, err := crate.Body(c.Registry())
			if err != nil {
				t.Fatal(err)
			}
			if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, body) || got.ContentLength != length || int64(len(all)) != length {
				t.Errorf("body of %d bytes, Content-Length %d, want %d; %v", len(body), got.ContentLength, length, err)
			}
			if done != length || total != length {
				t.Errorf("progress ended at %d of %d, want %d", done, total, length)
			}
			for k, v := range map[string]string{"Authorization": testToken, "Accept": "application/json", "Content-Type": "application/octet-stream", "User-Agent": "tagboat/1"} {
				if got.Header.Get(k) != v {
					t.Errorf("%s is %q, want %q", k, got.Header.Get(k), v)
				}
			}
		})
	}
}

func TestPublishRefusals(t *testing.T) {
	problem := func(s string) string {
		quoted, _ := json.Marshal(s)
		return fmt.Sprintf(`{"errors":[{"detail":%s}]}`, quoted)
	}
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		status  int
		header  http.Header
		body    string
		class   Class
		unclear bool
		retry   bool // RetryTime is set
		detail  string
	}{
		"limited":          {status: 429, body: problem("You have published too many"), header: http.Header{"Retry-After": {date}}, class: RateLimited, retry: true},
		"limitedNoHeader":  {status: 429, class: RateLimited},
		"unavailableUntil": {status: 503, header: http.Header{"Retry-After": {"120"}}, class: RateLimited, retry: true},
		"unavailable":      {status: 503, class: Transient, unclear: true},
		"fault":            {status: 500, body: "oops", class: Transient, unclear: true, detail: "oops"},
		"webPage":          {status: 502, body: "<html>Bad</html>", class: Transient, unclear: true, detail: "the answer is a web page, not JSON"},
		"timeout":          {status: 408, class: Transient, unclear: true},
		"notImplemented":   {status: 501, class: Refused},
		"denied":           {status: 401, body: "Unauthorized", class: Denied, detail: "Unauthorized"},
		"notOwner":         {status: 403, body: problem("this crate exists but you don't seem to be an owner"), class: Denied},
		"cratesIO":         {status: 400, body: problem("crate version `1.0.0` is already uploaded"), class: Duplicate, unclear: true},
		"gitea":            {status: 409, body: `{"ok":false,"errors":[{"detail":"package version already exists"}]}`, class: Duplicate, unclear: true},
		"kellnr":           {status: 400, body: problem("Crate with version already exists: demo-1.0.0"), class: Duplicate, unclear: true},
		"feed":             {status: 403, body: `{"$id":"1","message":"The feed already contains file 'demo'"}`, class: Duplicate, unclear: true},
		"conflictSilent":   {status: 409, class: Duplicate, unclear: true},
		"conflictOther":    {status: 409, body: problem("another upload is running"), class: Refused},
		"inBand":           {status: 200, body: problem("no thanks"), class: Refused, detail: "no thanks"},
		"inBandDuplicate":  {status: 200, body: problem("crate version already uploaded"), class: Duplicate, unclear: true},
		"inBandEmpty":      {status: 200, body: `{"errors":[]}`, class: Refused},
		"loginPage":        {status: 200, body: "<html>log in</html>", class: Transient, unclear: true},
		"tooLarge":         {status: 413, body: problem("max upload size is: 10"), class: Refused, detail: "max upload size is: 10"},
		"unknown":          {status: 404, class: NotFound},
		"echo":             {status: 400, body: problem("bad " + testToken + "\x1b[31m\n and s3cr3t-t0ken-value"), class: Refused, detail: "bad *** and ***"},
		"long":             {status: 400, body: problem(strings.Repeat("x", 5000)), class: Refused, detail: strings.Repeat("x", 600) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, openConfig)
			h.answer("PUT /api/v1/crates/new", c.status, c.header, c.body)
			_, err := h.client(withToken(testToken)).Publish(t.Context(), demo(t, 10))
			e := asError(t, err)
			if e.Class != c.class || e.Unclear != c.unclear || e.Status != c.status {
				t.Errorf("got %v, unclear %t, want %v", e, e.Unclear, c.class)
			}
			if e.Retryable() != (c.class == Transient || c.class == RateLimited) || e.RetryTime().IsZero() == c.retry {
				t.Errorf("retryable %t at %v", e.Retryable(), e.RetryTime())
			}
			if c.detail != "" && strings.ReplaceAll(e.Detail, "[31m", "") != c.detail {
				t.Errorf("detail is %q, want %q", e.Detail, c.detail)
			}
		})
	}
}

func TestPublishTransportFaults(t *testing.T) {
	h := newHost(t, openConfig)
	h.mux.HandleFunc("PUT /api/v1/crates/new", func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler) // accepted, and the answer is lost
	})
	c := h.client(withToken(testToken))
	if e := asError(t, second(c.Publish(t.Context(), demo(t, 10)))); e.Class != Transient || !e.Unclear || !e.Retryable() {
		t.Errorf("cut connection: %v", e)
	}
	if n := len(h.requests()); n != 2 {
		t.Errorf("the upload was repeated: %q", h.requests())
	}
	cancelled, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("told to stop")
	cancel(cause)
	if _, err := c.Publish(cancelled, demo(t, 10)); !errors.Is(err, cause) || IsClass(err, Transient) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPublishDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"dl":"https://f.example/dl","api":"https://f.example"}`))}, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		o := withToken(testToken)
		o.HTTP = &http.Client{Transport: stuck}
		c := NewClient(Registry{Name: "feed", URL: "https://f.example/"}, o)
		started := time.Now()
		e := asError(t, second(c.Publish(t.Context(), demo(t, 1<<20))))
		if e.Class != Transient || !e.Unclear {
			t.Errorf("got %v", e)
		}
		if took := time.Since(started); took < 3*time.Minute || took > 5*time.Minute {
			t.Errorf("gave up after %v", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPublishNeedsTheCheckedBytes(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"other":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"shorter": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, openConfig)
			var accepted bool
			h.mux.HandleFunc("PUT /api/v1/crates/new", func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				accepted = err == nil
			})
			path := filepath.Join(t.TempDir(), "demo.crate")
			b := crateBytes(t, 100)
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			crate, err := OpenCrate(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(b), 0o644); err != nil {
				t.Fatal(err)
			}
			e := asError(t, second(h.client(withToken(testToken)).Publish(t.Context(), crate)))
			h.Close()
			if e.Class != Refused || accepted {
				t.Errorf("got %v, whole body arrived: %t", e, accepted)
			}
		})
	}
}

func TestPublishRefusedBeforeTheWire(t *testing.T) {
	noAPI := newHost(t, `{"dl":"HOST/dl"}`)
	if e := asError(t, second(noAPI.client(withToken(testToken)).Publish(t.Context(), demo(t, 1)))); e.Class != Refused || !strings.Contains(e.Detail, "no web API") {
		t.Errorf("no api: %v", e)
	}
	h := newHost(t, openConfig)
	if e := asError(t, second(h.client(Options{}).Publish(t.Context(), demo(t, 1)))); e.Class != Denied {
		t.Errorf("no token: %v", e)
	}
	c := NewClient(Registry{Name: CratesIO, URL: h.URL + "/index/"}.As(KindCratesIO), withToken(testToken))
	if e := asError(t, second(c.Publish(t.Context(), demo(t, 11<<20)))); e.Class != Refused || !strings.Contains(e.Detail, "10485760") {
		t.Errorf("too large: %v", e)
	}
	if _, err := h.client(withToken("a\nb")).Publish(t.Context(), demo(t, 1)); err == nil || !strings.Contains(err.Error(), "byte 2 of 3") {
		t.Errorf("bad token: %v", err)
	}
	for _, r := range append(h.requests(), noAPI.requests()...) {
		if strings.HasPrefix(r, "PUT") {
			t.Errorf("sent %q", r)
		}
	}
}

func TestYank(t *testing.T) {
	h := newHost(t, openConfig)
	h.answer("DELETE /api/v1/crates/demo/1.0.0/yank", http.StatusOK, nil, `{"ok":true}`)
	h.answer("PUT /api/v1/crates/demo/1.0.0/unyank", http.StatusForbidden, nil, `{"errors":[{"detail":"must be an owner"}]}`)
	c := h.client(withToken(testToken))
	if err := c.Yank(t.Context(), "demo", "1.0.0"); err != nil {
		t.Error(err)
	}
	if e := asError(t, c.Unyank(t.Context(), "demo", "1.0.0")); e.Class != Denied {
		t.Errorf("got %v", e)
	}
	if err := c.Yank(t.Context(), "demo", "1.0/../x"); err == nil {
		t.Error("a version that is none passed")
	}
}

func TestDownloadRefuses(t *testing.T) {
	h := newHost(t, `{"dl":"HOST/{prefix}/{lowerprefix}/{crate}-{version}-{sha256-checksum}.crate"}`)
	h.answer("GET /De/mo/de/mo/Demo-1.0.0-"+sumA+".crate", http.StatusOK, nil, "bytes")
	c := h.client(Options{})
	e := asError(t, second(c.Download(t.Context(), Entry{Name: "Demo", Version: "1.0.0", Checksum: sumA}, io.Discard)))
	if e.Class != Refused || !strings.Contains(e.Detail, "the index says "+sumA) {
		t.Errorf("got %v", e)
	}
	if e := asError(t, second(c.Download(t.Context(), Entry{Name: "Demo", Version: "2.0.0", Checksum: sumA}, io.Discard))); e.Class != NotFound {
		t.Errorf("got %v", e)
	}
	full := errors.New("disk full")
	if _, err := c.Download(t.Context(), Entry{Name: "Demo", Version: "1.0.0", Checksum: sumA}, failingWriter{full}); !errors.Is(err, full) || IsClass(err, Transient) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOwners(t *testing.T) {
	h := newHost(t, openConfig)
	h.answer("GET /api/v1/crates/demo/owners", http.StatusOK, nil, `{"users":[{"id":1,"login":"ada","kind":"user"}]}`)
	owners, err := h.client(withToken(testToken)).Owners(t.Context(), "demo")
	if diff := cmp.Diff([]Owner{{Login: "ada", Kind: "user"}}, owners); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestCheck(t *testing.T) {
	const api = `{"dl":"HOST/dl","api":"HOST"}`
	for name, c := range map[string]struct {
		config  string
		token   string
		kind    Kind
		probe   int
		answer  string
		trusted bool
		second  int // status of config.json with the token
		want    Access
		detail  string
	}{
		"noToken":      {config: api, want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "no token is configured"},
		"open":         {config: api, token: testToken, want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "reading needs no token"},
		"closed":       {config: closedConfig, token: testToken, want: Access{Reachable: true, AuthRequired: true, Read: Yes, Publish: Unknown}, detail: "the token was not refused"},
		"closedNoKey":  {config: closedConfig, want: Access{Reachable: true, AuthRequired: true, Read: No, Publish: No}, detail: "no token is configured"},
		"readOnly":     {config: `{"dl":"HOST/dl"}`, token: testToken, want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "takes no uploads"},
		"denied":       {token: testToken, want: Access{Reachable: true, AuthRequired: true, Read: No, Publish: No}, detail: "refused the token (status 401)"},
		"deniedNoKey":  {want: Access{Reachable: true, AuthRequired: true, Read: No, Publish: No}, detail: "none is configured"},
		"valid":        {config: api, token: testToken, kind: KindCratesIO, probe: 200, answer: "{}", want: Access{Reachable: true, Read: Yes, Publish: Yes}, detail: "valid and not limited"},
		"invalid":      {config: api, token: testToken, kind: KindCratesIO, probe: 403, answer: `{"errors":[{"detail":"authentication failed"}]}`, want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "refused the token"},
		"scoped":       {config: api, token: testToken, kind: KindCratesIO, probe: 403, answer: `{"errors":[{"detail":"this token does not have the required permissions to perform this action"}]}`, want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "limited to some uses"},
		"wrongScheme":  {config: api, token: testToken, kind: KindCratesIO, probe: 401, answer: "{}", want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "refused the token"},
		"unanswered":   {config: api, token: testToken, kind: KindCratesIO, probe: 404, want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "could not be asked"},
		"wrongOpen":    {config: api, token: testToken, second: 401, want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "refused the token (status 401)"},
		"wrongClosed":  {config: closedConfig, token: testToken, second: 403, want: Access{Reachable: true, AuthRequired: true, Read: No, Publish: No}, detail: "refused the token (status 403)"},
		"mayPublish":   {config: api, token: testToken, kind: KindGitea, probe: 400, answer: `{"ok":false,"errors":[{"detail":"EOF"}]}`, want: Access{Reachable: true, Read: Yes, Publish: Yes}, detail: "the token may publish"},
		"mayNot":       {config: api, token: testToken, kind: KindGitea, probe: 401, answer: "reqPackageAccess", want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "refused the token (status 401)"},
		"mayReadOnly":  {token: testToken, kind: KindGitea, probe: 401, second: 200, config: "", want: Access{Reachable: true, AuthRequired: true, Read: Yes, Publish: No}, detail: "may read and not publish"},
		"notAsked":     {config: api, token: testToken, kind: KindGitea, probe: 503, want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "could not be asked: status 503"},
		"accepted":     {config: api, token: testToken, kind: KindGitea, probe: 200, answer: "{}", want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "could not be asked: status 200"},
		"kellnrKnows":  {config: api, token: testToken, kind: KindKellnr, probe: 400, want: Access{Reachable: true, Read: Yes, Publish: Unknown}, detail: "the token is valid"},
		"kellnrNot":    {config: api, token: testToken, kind: KindKellnr, probe: 403, want: Access{Reachable: true, Read: Yes, Publish: No}, detail: "refused the token (status 403)"},
		"expiring":     {config: api, token: testJWT, kind: KindAzure, want: Access{Reachable: true, Read: Yes, Publish: Unknown, Expires: time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)}, detail: "stopped being good at 2001-09-09 01:46 UTC"},
		"trustedToken": {config: api, token: "cio_tp_x", kind: KindCratesIO, want: Access{Reachable: true, Unpaced: true, Read: Yes, Publish: Unknown}, detail: "trusted publishing"},
		"trusted":      {config: api, kind: KindCratesIO, trusted: true, want: Access{Reachable: true, Trusted: true, Read: Yes, Publish: Unknown}, detail: "go by trusted publishing"},
		"bothLanes":    {config: api, token: testToken, kind: KindCratesIO, trusted: true, probe: 200, answer: "{}", want: Access{Reachable: true, Trusted: true, Read: Yes, Publish: Yes}, detail: "valid and not limited"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "")
			h.mux.HandleFunc("GET /index/config.json", func(w http.ResponseWriter, r *http.Request) {
				switch authorized := r.Header.Get("Authorization") != ""; {
				case authorized && c.second > 200:
					w.WriteHeader(c.second)
				case authorized && c.second == 200:
					io.WriteString(w, strings.ReplaceAll(closedConfig, "HOST", h.URL))
				case c.config == "":
					w.WriteHeader(http.StatusUnauthorized)
				default:
					io.WriteString(w, strings.ReplaceAll(c.config, "HOST", h.URL))
				}
			})
			if c.probe != 0 {
				h.answer("GET /api/v1/crates", c.probe, nil, c.answer)
				h.mux.HandleFunc("PUT /api/v1/crates/new", func(w http.ResponseWriter, r *http.Request) {
					if body, err := io.ReadAll(r.Body); len(body) > 0 || err != nil || r.ContentLength != 0 {
						t.Errorf("a check uploads %d bytes (%v)", len(body), err)
					}
					w.WriteHeader(c.probe)
					io.WriteString(w, c.answer)
				})
			}
			options := withToken(c.token)
			if c.trusted {
				options.Trusted = func(context.Context, string) (secret.Value, error) { panic("a look mints") }
			}
			client := NewClient(Registry{Name: "feed", URL: h.URL + "/index/", Kind: c.kind}, options)
			got, err := client.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if detail := strings.Join(got.Detail, "\n"); !strings.Contains(detail, c.detail) || strings.Contains(detail, "s3cr3t") {
				t.Errorf("detail %q, want %q", detail, c.detail)
			}
			got.Detail = nil
			c.want.Token = c.token != ""
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	h := newHost(t, "")
	h.answer("GET /index/config.json", http.StatusBadGateway, nil, "")
	if e := asError(t, second(h.client(Options{}).Check(t.Context()))); !e.Retryable() {
		t.Errorf("got %v", e)
	}
}

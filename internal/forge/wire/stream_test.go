package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

// sink accepts uploads and says how many bytes came, with which length announced.
func sink(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		if n != r.ContentLength {
			t.Errorf("got %d bytes with Content-Length %d", n, r.ContentLength)
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":1}`)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestUploadKeepsMemoryFlat(t *testing.T) {
	const size = 256 << 20
	srv := sink(t)
	c := newClient(t, wire.Options{APIURL: srv.URL})
	var read, last int64
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	err := c.Upload(t.Context(), wire.Upload{
		Op: "upload", Template: srv.URL + "/up{?name}", Name: "big", Size: size,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(counter{&read}, size)), nil },
		Progress: func(n int64) {
			if n < last {
				t.Errorf("progress went from %d to %d", last, n)
			}
			last = n
		},
	})
	runtime.ReadMemStats(&during)
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(during.TotalAlloc - before.TotalAlloc); grown > 16<<20 {
		t.Errorf("%d bytes were allocated for an upload of %d, want less than 16 MiB", grown, size)
	}
	if last != size {
		t.Errorf("got a last progress of %d, want %d", last, size)
	}
}

func TestUploadErrors(t *testing.T) {
	srv := sink(t)
	c := newClient(t, wire.Options{APIURL: srv.URL})
	broken := errors.New("disk broken")
	tests := map[string]struct {
		open func() (io.ReadCloser, error)
		size int64
		want string
	}{
		"cannot open": {func() (io.ReadCloser, error) { return nil, broken }, 5, "upload: open: disk broken"},
		"cannot read": {func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("12"), readError{broken})), nil
		}, 5, "upload: read: disk broken"},
		"too short": {text("123"), 5, "upload: read: got 3 bytes, want 5"},
		"too long":  {text("1234567"), 5, "upload: read: got 6 bytes or more, want 5"},
		"empty":     {text(""), 0, ""},
		"right":     {text("12345"), 5, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := c.Upload(t.Context(), wire.Upload{Op: "upload", Template: srv.URL + "/up", Name: "x", Size: tt.size, Open: tt.open})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			var e *wire.Error
			if errors.As(err, &e) {
				t.Errorf("got class %s for a fault of the file, want none", e.Class)
			}
		})
	}
}

type readError struct{ err error }

func (r readError) Read([]byte) (int, error) { return 0, r.err }

// An answer can come before the body was read; the source must be closed once and not be reported on any more.
func TestUploadRefusedEarly(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"message":"Validation Failed","errors":[{"resource":"ReleaseAsset","code":"already_exists","field":"name"}]}`)
	}))
	defer srv.Close()
	c := newClient(t, wire.Options{APIURL: srv.URL})
	var closed, late atomic.Int64
	var done atomic.Bool
	var n int64
	err := c.Upload(t.Context(), wire.Upload{
		Op: "upload", Template: srv.URL + "/up", Name: "x", Size: 64 << 20,
		Open: func() (io.ReadCloser, error) {
			return closer{io.LimitReader(counter{&n}, 64<<20), func() { closed.Add(1) }}, nil
		},
		Progress: func(int64) {
			if done.Load() {
				late.Add(1)
			}
		},
	})
	done.Store(true)
	var e *wire.Error
	if !errors.As(err, &e) || (e.Class != wire.Conflict && e.Class != wire.Transient) {
		t.Errorf("got %v, want Conflict, or Transient where the connection broke first", err)
	}
	srv.Close()
	if late.Load() != 0 || closed.Load() > 1 {
		t.Errorf("got %d late reports and %d closes, want none and one", late.Load(), closed.Load())
	}
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

func TestUploadsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inFlight, most atomic.Int64
		c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if now := inFlight.Add(1); now > most.Load() {
				most.Store(now)
			}
			defer inFlight.Add(-1)
			io.Copy(io.Discard, r.Body)
			time.Sleep(time.Minute) // five rounds: longer than a stall, but only while waiting for one's turn
			return answer(201, `{}`), nil
		})}})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := c.Upload(t.Context(), wire.Upload{Op: "up", Template: "https://uploads.github.com/x", Name: "x", Size: 3, Open: text("abc")})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := most.Load(); got != 4 {
			t.Errorf("got %d uploads at once, want 4", got)
		}
	})
}

func TestStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == "POST" {
				io.CopyN(io.Discard, r.Body, 1)
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			resp := answer(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("some"), waiter{r.Context()}))
			return resp, nil
		})}})
		var e *wire.Error
		err := c.Upload(t.Context(), wire.Upload{Op: "up", Template: "https://uploads.github.com/x", Name: "x", Size: 3, Open: text("abc")})
		if !errors.As(err, &e) || e.Class != wire.Transient || errors.Is(err, context.Canceled) {
			t.Errorf("upload: got %v, want Transient", err)
		}
		body, err := c.Download(t.Context(), "down", c.Root()+"/x")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if !errors.As(err, &e) || e.Class != wire.Transient || string(got) != "some" {
			t.Errorf("download: got %q, %v, want Transient after what came", got, err)
		}
		body.Close()
	})
}

type waiter struct{ ctx context.Context }

func (w waiter) Read([]byte) (int, error) { <-w.ctx.Done(); return 0, w.ctx.Err() }

func TestDownloadErrors(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		want    wire.Class
	}{
		"absent":           {func(w http.ResponseWriter, r *http.Request) { http.Error(w, `{"message":"Not Found"}`, 404) }, wire.NotFound},
		"server error":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }, wire.Transient},
		"nowhere":          {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) }, wire.Refused},
		"to a file":        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file:///etc/passwd", 302) }, wire.Refused},
		"connection drops": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, wire.Transient},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tt.handler)
			defer srv.Close()
			c := newClient(t, wire.Options{APIURL: srv.URL})
			_, err := c.Download(t.Context(), "download", c.Root()+"/x")
			var e *wire.Error
			if !errors.As(err, &e) || e.Class != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "short")
		}))
		defer srv.Close()
		c := newClient(t, wire.Options{APIURL: srv.URL})
		body, err := c.Download(t.Context(), "download", c.Root()+"/x")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		_, err = io.ReadAll(body)
		var e *wire.Error
		if !errors.As(err, &e) || e.Class != wire.Transient {
			t.Errorf("got %v, want Transient", err)
		}
	})
}

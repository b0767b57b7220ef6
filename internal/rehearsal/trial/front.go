package trial

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
)

// maxRequests is more than any process needs, polling an index for half an hour for each of nine crates included.
const maxRequests = 6000

// front stands before a service: it lets faults happen, and holds what arrives against what must be.
func (t *Trial) front(service string, plain http.Handler) http.Handler {
	stormy := t.faults.Wrap(service, func(r *http.Request) string {
		if c := t.callOf(r); c != nil {
			return c.Op
		}
		return ""
	}, plain)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := t.callOf(r)
		if c == nil {
			t.fail("rehearsal", "%s %s comes from nobody", r.Method, r.URL)
			return
		}
		c.arrived.Add(1)
		number := t.arrive(c, r)
		if r.Method == http.MethodPut {
			before := len(t.Uploads(service))
			defer func() {
				if len(t.Uploads(service)) > before {
					c.process.accepted()
				}
			}()
		}
		switch kind := t.mishapAt(number); {
		case t.calm.Load():
			plain.ServeHTTP(w, r)
		case kind != "":
			t.tear(c, kind, plain)(w, r)
		default:
			t.strike(c, stormy)(w, r)
		}
	})
}

func (t *Trial) callOf(r *http.Request) *call {
	id, err := strconv.ParseInt(r.Header.Get(callHeader), 10, 64)
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[id]
}

// strike lets the faults act. Where one of them asks for a death, it is the death of the process whose call this is.
func (t *Trial) strike(c *call, stormy http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fired := len(t.faults.Fired())
		defer func() {
			cut := recover()
			if all := t.faults.Fired(); len(all) > fired {
				c.suffers(strings.Join(all[fired:], ", "))
			}
			if cut == nil {
				return
			}
			if err, ok := cut.(error); ok && errors.Is(err, http.ErrAbortHandler) && t.died.CompareAndSwap(true, false) {
				c.process.die("in the middle of " + c.name())
			}
			panic(cut)
		}()
		stormy.ServeHTTP(w, r)
	}
}

// mishapAt returns our own fault for the n-th request, "" for none.
func (t *Trial) mishapAt(n int) string {
	if i := slices.IndexFunc(t.Scene.Mishaps, func(m scene.Mishap) bool { return m.Call == n }); i >= 0 {
		return t.Scene.Mishaps[i].Kind
	}
	return ""
}

// tear lets half of something arrive and cuts the connection.
func (t *Trial) tear(c *call, kind string, plain http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.mishaps[kind]++
		t.mu.Unlock()
		c.suffers(kind)
		if kind == scene.TornAnswer {
			whole := world.NewAnswer(w.Header())
			plain.ServeHTTP(whole, r)
			w.Header().Set("Content-Length", strconv.Itoa(whole.Body.Len()))
			w.WriteHeader(whole.Status)
			_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2]) // the connection is cut anyway
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			panic(http.ErrAbortHandler)
		}
		body, _ := io.ReadAll(r.Body) // the body of a request in memory
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{}))
		if len(body) > 0 {
			plain.ServeHTTP(world.NewAnswer(http.Header{}), r)
		}
		if kind == scene.TornDeath {
			c.process.die("in the middle of sending " + c.name())
		}
		panic(http.ErrAbortHandler)
	}
}

// broken is the end of a connection that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// suffers notes what happened to the call.
func (c *call) suffers(what string) { c.trouble.Store(&what) }

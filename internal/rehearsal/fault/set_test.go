package fault

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// world is an HTTP server over in-memory connections whose handler counts what it has really done.
type world struct {
	set    *Set
	client *http.Client

	mu   sync.Mutex
	done []string
}

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

// newWorld serves service "crates-io". The operation of a request is its path without the first slash, in which + stands
// for the space.
func newWorld(t *testing.T, lines ...string) *world {
	t.Helper()
	var specs []Spec
	for _, l := range lines {
		s, err := Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	w := &world{set: NewSet(specs...)}
	op := func(r *http.Request) string { return strings.ReplaceAll(r.URL.Path[1:], "+", " ") }
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.mu.Lock()
		w.done = append(w.done, op(r))
		w.mu.Unlock()
		_, _ = io.WriteString(rw, "ok")
	})
	l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
	server := &http.Server{Handler: w.set.Wrap("crates-io", op, handler)}
	go func() { _ = server.Serve(l) }()
	w.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case l.conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = server.Close()
	})
	return w
}

// call makes a request and returns the status, 0 where the connection broke.
func (w *world) call(t *testing.T, op, token string) (int, *http.Response) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://registry/"+strings.ReplaceAll(op, " ", "+"), strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := bufio.NewReader(resp.Body).ReadString(0)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(strings.NewReader(b))
	return resp.StatusCode, resp
}

func TestWrap(t *testing.T) {
	for name, test := range map[string]struct {
		faults  []string
		calls   []string
		want    []int
		done    []string
		unfired []string
	}{
		"refuse the first": {
			faults: []string{"publish core: refuse 503"}, calls: []string{"publish core", "publish core", "publish top"},
			want: []int{503, 200, 200}, done: []string{"publish core", "publish top"},
		},
		"successive first faults": {
			faults: []string{"publish core: refuse 503", "publish: drop"}, calls: []string{"publish core", "publish core", "publish core"},
			want: []int{503, 0, 200}, done: []string{"publish core"},
		},
		"the second call": {
			faults: []string{"crates-io publish c* #2: refuse 500"}, calls: []string{"publish core", "publish top", "publish cave", "publish core"},
			want: []int{200, 200, 500, 200}, done: []string{"publish core", "publish top", "publish core"},
		},
		"every call": {
			faults: []string{"publish every: refuse 502"}, calls: []string{"publish core", "index core", "publish top"},
			want: []int{502, 200, 502}, done: []string{"index core"},
		},
		"lost answers": {
			faults: []string{"publish core: accept-then 500", "publish top: accept-then drop"}, calls: []string{"publish core", "publish top"},
			want: []int{500, 0}, done: []string{"publish core", "publish top"},
		},
		"deaths": {
			faults: []string{"publish core: die", "publish core: die-after"}, calls: []string{"publish core", "publish core", "publish core"},
			want: []int{0, 0, 200}, done: []string{"publish core", "publish core"},
		},
		"another service": {
			faults: []string{"github every: drop", "config: drop"}, calls: []string{"publish core"},
			want: []int{200}, done: []string{"publish core"}, unfired: []string{"github every: drop", "config: drop"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, test.faults...)
				var deaths int
				w.set.OnDie = func() { deaths++ }
				var got []int
				for _, c := range test.calls {
					status, _ := w.call(t, c, "")
					got = append(got, status)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.done, w.done); diff != "" {
					t.Errorf("done (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.unfired, w.set.Unfired()); diff != "" {
					t.Errorf("unfired (-want +got):\n%s", diff)
				}
				if got, want := len(w.set.Fired()), len(test.faults)-len(test.unfired); got != want {
					t.Errorf("fired %v, want %d", w.set.Fired(), want)
				}
				if want := strings.Count(strings.Join(test.faults, " "), "die"); deaths != want {
					t.Errorf("died %d times, want %d", deaths, want)
				}
			})
		})
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "crates-io: delay 2s", "publish core: delay 3s", "publish core: refuse 500")
		start := time.Now()
		if status, _ := w.call(t, "publish core", ""); status != 500 || time.Since(start) != 5*time.Second {
			t.Errorf("got %d after %v, want 500 after 5s", status, time.Since(start))
		}
		start = time.Now()
		if status, _ := w.call(t, "config", ""); status != 200 || time.Since(start) != 2*time.Second {
			t.Errorf("got %d after %v, want 200 after 2s", status, time.Since(start))
		}
		w.client.Timeout = time.Second
		if status, _ := w.call(t, "config", ""); status != 0 {
			t.Errorf("got %d, want none: the client gave up", status)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"config"}, w.done); diff != "" {
			t.Errorf("what the client gave up on was done (-want +got):\n%s", diff)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "publish core: refuse 429 retry-after 10m", "publish core: refuse 503 retry-after 1500ms")
		status, resp := w.call(t, "publish core", "")
		at, err := http.ParseTime(resp.Header.Get("Retry-After"))
		if status != 429 || err != nil || !at.Equal(time.Now().Add(10*time.Minute)) {
			t.Errorf("got %d, Retry-After %q, want 429 and a date in 10 minutes", status, resp.Header.Get("Retry-After"))
		}
		body, _ := io.ReadAll(resp.Body)
		if want := "Please try again after " + at.Format(http.TimeFormat); !strings.Contains(string(body), want) {
			t.Errorf("the body %s does not say %q", body, want)
		}
		if _, resp = w.call(t, "publish core", ""); resp.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After of a proxy is %q, want 2 seconds", resp.Header.Get("Retry-After"))
		}
	})
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "crates-io: expire after 2 publishes")
		var got []int
		for _, c := range []struct{ op, token string }{
			{"publish a", "one"}, {"index a", "one"}, {"publish b", "one"}, {"index b", "one"}, {"publish c", "one"},
			{"config", ""}, {"publish c", "two"}, {"publish d", "two"}, {"publish e", "two"}, {"publish f", "one"},
		} {
			status, _ := w.call(t, c.op, c.token)
			got = append(got, status)
		}
		if diff := cmp.Diff([]int{200, 200, 200, 403, 403, 200, 200, 200, 200, 403}, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestSteps(t *testing.T) {
	var specs []Spec
	for _, l := range []string{"die before publish/*/core@0.4.0", "die after draft", "die before publish #2", "disk full at package"} {
		s, err := Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	s := NewSet(specs...)
	for _, call := range []struct {
		key    string
		moment Moment
		want   bool
	}{
		{"publish/crates-io/core@0.4.0", After, false},
		{"publish/crates-io/core@0.4.0", Before, true},
		{"publish/crates-io/core@0.4.0", Before, true}, // the second step of kind publish
		{"publish/crates-io/core@0.4.0", Before, false},
		{"draft", Before, false},
		{"draft", After, true},
		{"draft", After, false},
	} {
		if got := s.StepDie(call.key, call.moment); got != call.want {
			t.Errorf("StepDie(%s, %s) = %t, want %t", call.key, call.moment, got, call.want)
		}
	}
	if err := s.StepDisk("package"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("package: got %v, want a full disk", err)
	}
	if err := s.StepDisk("package"); err != nil {
		t.Errorf("package again: %v", err)
	}
	if got := s.Unfired(); got != nil {
		t.Errorf("unfired: %v", got)
	}
}

func TestLag(t *testing.T) {
	s := NewSet(Spec{Operation: "index", Action: Lag, Duration: time.Second},
		Spec{Service: "feed", Operation: "index", Argument: "core", Action: Lag, Duration: time.Minute})
	for _, call := range []struct {
		service, crate string
		want           time.Duration
	}{{"crates-io", "core", time.Second}, {"feed", "core", time.Minute + time.Second}, {"feed", "top", time.Second}} {
		if got := s.Lag(call.service, call.crate); got != call.want {
			t.Errorf("Lag(%s, %s) = %v, want %v", call.service, call.crate, got, call.want)
		}
	}
	if got := len(s.Fired()); got != 2 {
		t.Errorf("fired %v, want both once", s.Fired())
	}
}

func TestCheck(t *testing.T) {
	s := NewSet(Spec{Service: "crate-io", Action: Drop})
	if err := s.Check("github", "crates-io"); err == nil || !strings.Contains(err.Error(), "no service is called crate-io") {
		t.Errorf("got %v, want an unknown service", err)
	}
	if err := s.Check("crate-io"); err != nil {
		t.Error(err)
	}
	var none *Set
	if err := none.Check(); err != nil || none.StepDie("draft", Before) || none.Lag("feed", "core") != 0 || none.Unfired() != nil {
		t.Error("no faults act")
	}
}

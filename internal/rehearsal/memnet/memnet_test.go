package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A server is reached over memory under the virtual clock, and no more once the network is closed.
func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		n.Serve("here.test", &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			time.Sleep(time.Hour)
			io.WriteString(w, strings.ToUpper(string(b)))
		})})
		client := &http.Client{Transport: &http.Transport{DialContext: n.DialNamed, DisableKeepAlives: true}}
		began := time.Now()
		resp, err := client.Post("http://here.test/", "text/plain", strings.NewReader("ahoy"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(b) != "AHOY" || time.Since(began) != time.Hour {
			t.Errorf("got %q after %s, %v", b, time.Since(began), err)
		}
		if _, err := client.Get("http://nowhere.test/"); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("an unknown host: %v", err)
		}
		n.Close()
		synctest.Wait()
		if _, err := n.Dial(t.Context(), "here.test:80"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		l := n.listen("here.test")
		here, there := ends(t, n, l)
		if _, err := here.Write([]byte("one ")); err != nil {
			t.Fatal(err)
		}
		closed := false
		here.Closing = func() { closed = true }
		if err := here.Close(); err != nil || !closed {
			t.Errorf("close: told %v, %v", closed, err)
		}
		if b, err := io.ReadAll(there); err != nil || string(b) != "one " {
			t.Errorf("what was written before the end: %q, %v", b, err)
		}
		if _, err := there.Write([]byte("lost")); err != nil {
			t.Errorf("write to a reader that is gone: %v", err)
		}
		if _, err := here.Read(make([]byte, 1)); err == nil {
			t.Error("a closed end reads")
		}
		silent, _ := ends(t, n, l)
		began := time.Now()
		if err := silent.SetDeadline(began.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("read until the deadline: %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "here.test"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial a server that does not accept: %v", err)
		}
	})
}

// ends returns both ends of a connection.
func ends(t *testing.T, n *Network, l net.Listener) (here, there *Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	c, err := n.Dial(t.Context(), "here.test:443")
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Conn), (<-accepted).(*Conn)
}

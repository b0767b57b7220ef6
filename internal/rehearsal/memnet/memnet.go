// Package memnet connects programs in memory: listeners by host name, connections that are two buffers. It works under the
// virtual clock of testing/synctest, where a connection of the system would not.
package memnet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Network is a wire between programs and servers. Writing never blocks, as with a socket whose buffer is large enough. Everything waits on
// sync.Cond, which a virtual clock knows as waiting.
type Network struct {
	servers []*http.Server

	mu        sync.Mutex
	listeners map[string]*listener
}

// New returns a network without hosts.
func New() *Network { return &Network{listeners: map[string]*listener{}} }

// listen opens the host; there is one listener for each.
func (n *Network) listen(host string) net.Listener {
	l := &listener{host: host, waiting: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[host] = l
	return l
}

// Dial connects to a host; address may carry a port, which does not count.
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	n.mu.Lock()
	l := n.listeners[host]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: no such host", host)
	}
	up, down := newPipe(), newPipe()
	select {
	case l.waiting <- &Conn{from: up, to: down, host: host}:
		return &Conn{from: down, to: up, host: host}, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", host)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Serve starts a server that lives until the network is closed.
func (n *Network) Serve(host string, s *http.Server) {
	n.servers = append(n.servers, s)
	go s.Serve(n.listen(host)) // ends with Close; its error is then http.ErrServerClosed
}

// Close ends all servers with their connections.
func (n *Network) Close() {
	for _, s := range n.servers {
		_ = s.Close() // its listener is ours and closes without an error
	}
}

type listener struct {
	host    string
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return hostAddr(l.host) }

type hostAddr string

func (hostAddr) Network() string  { return "memory" }
func (a hostAddr) String() string { return string(a) }

// pipe is one direction of a connection.
type pipe struct {
	mu       sync.Mutex
	changed  *sync.Cond
	buffer   []byte
	read     int  // how much of buffer has been read
	ended    bool // no more will be written
	gone     bool // nobody will read: what is written is lost, as on a real wire
	deadline time.Time
	alarm    *time.Timer
}

func newPipe() *pipe {
	p := &pipe{}
	p.changed = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) take(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.gone:
			return 0, net.ErrClosed
		case !p.deadline.IsZero() && !time.Now().Before(p.deadline):
			return 0, os.ErrDeadlineExceeded
		case p.read < len(p.buffer):
			n := copy(b, p.buffer[p.read:])
			if p.read += n; p.read == len(p.buffer) {
				p.buffer, p.read = p.buffer[:0], 0
			}
			return n, nil
		case p.ended:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (p *pipe) put(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, net.ErrClosed
	}
	if !p.gone {
		p.buffer = append(p.buffer, b...)
		p.changed.Broadcast()
	}
	return len(b), nil
}

// finish lets the reader see the end after what was written.
func (p *pipe) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.changed.Broadcast()
}

// abandon ends reading.
func (p *pipe) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone, p.buffer, p.read = true, nil, 0
	if p.alarm != nil {
		p.alarm.Stop()
	}
	p.changed.Broadcast()
}

func (p *pipe) setDeadline(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = at
	if p.alarm != nil {
		p.alarm.Stop()
		p.alarm = nil
	}
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		p.alarm = time.AfterFunc(wait, p.changed.Broadcast)
	}
	p.changed.Broadcast()
}

// Conn is one end of a connection.
type Conn struct {
	from, to *pipe
	host     string
	Closing  func() // told once when this end is closed; may be nil
	once     sync.Once
}

func (c *Conn) Read(b []byte) (int, error)  { return c.from.take(b) }
func (c *Conn) Write(b []byte) (int, error) { return c.to.put(b) }

func (c *Conn) Close() error {
	c.once.Do(func() {
		c.to.finish()
		c.from.abandon()
		if c.Closing != nil {
			c.Closing()
		}
	})
	return nil
}

func (c *Conn) LocalAddr() net.Addr  { return hostAddr(c.host) }
func (c *Conn) RemoteAddr() net.Addr { return hostAddr(c.host) }

func (c *Conn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *Conn) SetWriteDeadline(time.Time) error   { return nil } // writing never blocks
func (c *Conn) SetReadDeadline(at time.Time) error { c.from.setDeadline(at); return nil }

// DialNamed is dial as http.Transport calls it.
func (n *Network) DialNamed(ctx context.Context, _, address string) (net.Conn, error) {
	return n.Dial(ctx, address)
}

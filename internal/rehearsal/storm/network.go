package storm

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

// network is the wire between the processes and the services of one release: listeners by host name, connections that
// are two buffers in memory. Writing never blocks, as with a socket whose buffer is large enough. Everything waits on
// sync.Cond, which a virtual clock knows as waiting.
type network struct {
	servers []*http.Server

	mu        sync.Mutex
	listeners map[string]*listener
}

func newNetwork() *network { return &network{listeners: map[string]*listener{}} }

// listen opens the host; there is one listener for each.
func (n *network) listen(host string) net.Listener {
	l := &listener{host: host, waiting: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[host] = l
	return l
}

// dial connects to a host; address may carry a port, which does not count.
func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
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
	case l.waiting <- &conn{from: up, to: down, host: host}:
		return &conn{from: down, to: up, host: host}, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", host)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends all servers with their connections.
func (n *network) close() {
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

// conn is one end of a connection.
type conn struct {
	from, to *pipe
	host     string
	closing  func() // told once when this end is closed; may be nil
	once     sync.Once
}

func (c *conn) Read(b []byte) (int, error)  { return c.from.take(b) }
func (c *conn) Write(b []byte) (int, error) { return c.to.put(b) }

func (c *conn) Close() error {
	c.once.Do(func() {
		c.to.finish()
		c.from.abandon()
		if c.closing != nil {
			c.closing()
		}
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return hostAddr(c.host) }
func (c *conn) RemoteAddr() net.Addr { return hostAddr(c.host) }

func (c *conn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(time.Time) error   { return nil } // writing never blocks
func (c *conn) SetReadDeadline(at time.Time) error { c.from.setDeadline(at); return nil }

// dialNamed is dial as http.Transport calls it.
func (n *network) dialNamed(ctx context.Context, _, address string) (net.Conn, error) {
	return n.dial(ctx, address)
}

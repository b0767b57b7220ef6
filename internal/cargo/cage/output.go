package cage

import (
	"bytes"
	"strings"
	"sync"
)

const (
	maxStdout = 64 << 20
	maxTail   = 64 << 10
	maxLine   = 16 << 10
)

// limited keeps the first max bytes and swallows the rest, so that a program never blocks and never fills our memory.
type limited struct {
	buf bytes.Buffer
	max int
}

func (l *limited) Write(b []byte) (int, error) {
	if room := l.max - l.buf.Len(); room > 0 {
		l.buf.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// tail keeps the last bytes and hands each line on.
type tail struct {
	mu   sync.Mutex
	kept []byte
	line []byte
	each func(string)
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if len(t.kept) > 2*maxTail {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-maxTail:]...)
	}
	if t.each == nil {
		return len(b), nil
	}
	rest := b
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		t.grow(rest[:i])
		t.flush()
		rest = rest[i+1:]
	}
	t.grow(rest)
	return len(b), nil
}

// grow adds to the current line up to a bound; a longer line is cut.
func (t *tail) grow(b []byte) {
	if room := maxLine - len(t.line); room > 0 {
		t.line = append(t.line, b[:min(room, len(b))]...)
	}
}

func (t *tail) flush() {
	t.each(strings.TrimSuffix(string(t.line), "\r"))
	t.line = t.line[:0]
}

// close hands on a last line without an end and returns the kept bytes.
func (t *tail) close() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.each != nil && len(t.line) > 0 {
		t.flush()
	}
	if len(t.kept) > maxTail {
		t.kept = t.kept[len(t.kept)-maxTail:]
	}
	return t.kept
}

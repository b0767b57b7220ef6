package zone

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/tagboat/tagboat/internal/problem"
)

const (
	maxStdout = 64 << 20
	maxTail   = 64 << 10
	maxLine   = 16 << 10
)

// ExitError is a program of the zone that ended with a code other than zero. Its text has the program and the tail of
// its standard error.
type ExitError struct {
	Argv   []string
	Exit   int
	Stderr string
}

// Error names the program, its exit code and the last lines that it wrote.
func (e *ExitError) Error() string {
	name := strings.Join(e.Argv, " ")
	if tail := lastLines(e.Stderr, 20); tail != "" {
		return fmt.Sprintf("%s: exit code %d\n%s", name, e.Exit, tail)
	}
	return fmt.Sprintf("%s: exit code %d", name, e.Exit)
}

// Err returns nil for exit code 0, a *problem.Error where the disk was full, and an *ExitError otherwise.
func (o Output) Err() error {
	if o.Exit == 0 {
		return nil
	}
	e := &ExitError{Argv: o.Argv, Exit: o.Exit, Stderr: string(o.Stderr)}
	if strings.Contains(e.Stderr, "No space left on device") || strings.Contains(e.Stderr, "os error 28") {
		return diskFull(e)
	}
	return e
}

// explainIO turns a full disk into a *problem.Error and leaves other errors as they are.
func explainIO(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return diskFull(err)
	}
	return err
}

func diskFull(err error) error {
	return &problem.Error{
		Kind:    problem.Failed,
		Summary: "the disk is full",
		Detail:  "the build zone keeps the target folder and the unpacked dependencies of the whole workspace",
		Hint:    "free disk space, or point TMPDIR at a larger file system, and run again",
		Err:     err,
	}
}

// notInstalled is the problem of a program that the zone does not have.
func notInstalled(name string, err error) error {
	e := &problem.Error{Kind: problem.Failed, Summary: "the program " + name + " is not installed", Err: err}
	switch name {
	case "cargo", "rustc":
		e.Hint = "install Rust with rustup (https://rustup.rs) on the machine that runs tagboat"
	default:
		e.Hint = "install " + name + " under /usr, or name its folder under package.mounts in tagboat.toml"
	}
	return e
}

// lastLines returns the last n lines of s.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

func joinLines(list []string) string { return strings.Join(list, "; ") }

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

package credential

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Variable names the folder of a session to the provider that cargo starts.
const Variable = "TAGBOAT_SESSION"

const (
	socketName = "socket"
	// maxSocket is the longest path that a Unix socket may have everywhere.
	maxSocket = 100
	patience  = 10 * time.Second
)

// Session is grants in memory, for the providers of one command. It ends with Close or with this process, whichever comes
// first, and leaves no token behind.
type Session struct {
	Dir string // for Variable

	listener *net.UnixListener
	grants   Grants
	handlers sync.WaitGroup
}

// Open starts a session below the first of the folders whose path is short enough. From then on the memory and the
// environment of this process are closed to other processes of the same user.
func Open(below []string, g Grants) (*Session, error) {
	if err := CloseMemory(); err != nil {
		return nil, err
	}
	var errs []error
	for _, base := range below {
		if base == "" || len(base) > maxSocket-len("/tagboat-session-0123456789/"+socketName) {
			continue
		}
		dir, err := os.MkdirTemp(base, "tagboat-session-") // mode 0700
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
		if err != nil {
			errs = append(errs, err, os.RemoveAll(dir))
			continue
		}
		s := &Session{Dir: dir, listener: l, grants: g}
		s.handlers.Go(s.accept)
		return s, nil
	}
	return nil, fmt.Errorf("open a socket for cargo's credential provider: %w", errors.Join(append(errs, errors.New("no folder for it"))...))
}

// Close ends the session: when it returns, no more token is given.
func (s *Session) Close() error {
	err := s.listener.Close()
	s.handlers.Wait()
	s.grants = nil
	return errors.Join(err, os.RemoveAll(s.Dir))
}

func (s *Session) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a peer that went away, or too many open files for a moment
		}
		s.handlers.Go(func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			s.answer(conn)
		})
	}
}

// answer is one question and its answer.
func (s *Session) answer(conn *net.UnixConn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, MaxLine)
	if !lines.Scan() {
		return
	}
	conn.Write(Respond(lines.Bytes(), func(r Request) (Answer, error) {
		if err := admit(conn); err != nil {
			return Answer{}, &Refusal{Kind: "other", Message: "tagboat gives no token: " + err.Error()}
		}
		return s.grants.Answer(r)
	}))
}

// Ask brings a line of cargo's to the session in a folder, or to the tokens that were kept there, and returns the answer.
func Ask(dir string, line []byte) []byte {
	if dir == "" {
		return Respond(line, Grants(nil).Answer)
	}
	conn, err := net.DialTimeout("unix", filepath.Join(dir, socketName), patience)
	if err != nil {
		g, err := Kept(dir)
		return Respond(line, func(r Request) (Answer, error) {
			if err != nil {
				return Answer{}, &Refusal{Kind: "other", Message: "tagboat: " + err.Error()}
			}
			return g.Answer(r)
		})
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err = conn.Write(append(append([]byte(nil), line...), '\n')); err == nil {
		lines := bufio.NewScanner(conn)
		lines.Buffer(nil, MaxLine)
		if lines.Scan() {
			return append(append([]byte(nil), lines.Bytes()...), '\n')
		}
		err = errors.Join(lines.Err(), errors.New("the session ended"))
	}
	return Respond(line, func(Request) (Answer, error) {
		return Answer{}, &Refusal{Kind: "other", Message: "tagboat: ask the session: " + err.Error()}
	})
}

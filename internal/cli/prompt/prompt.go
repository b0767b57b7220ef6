// Package prompt asks people for secrets.
package prompt

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal reports whether somebody types what is read.
func Terminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Secret reads one line from a terminal that shows nothing meanwhile, without its end, or else all of the input up to
// one byte more than limit. An interruption leaves the terminal as it was.
func Secret(ctx context.Context, in io.Reader, limit int64) ([]byte, error) {
	if !Terminal(in) {
		return io.ReadAll(io.LimitReader(in, limit+1))
	}
	f := in.(*os.File)
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(int(f.Fd()))
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(int(f.Fd()), before))
	}
}

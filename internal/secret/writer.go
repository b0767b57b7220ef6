package secret

import (
	"io"
	"strings"
	"sync"
)

// Writer masks what is written through it, also where a secret spans several writes. It holds back only bytes that may
// be the beginning of a secret; Flush or Close pass them on. It may be used concurrently.
type Writer struct {
	masker *Masker
	to     io.Writer

	mu      sync.Mutex
	held    string // not yet passed on
	covered int    // so many bytes of held belong to a secret whose *** is already out
}

// Writer returns a writer that masks what it passes to w. The masker may be given more secrets at any time; they are
// masked from the next Write on.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{masker: m, to: w} }

// Write masks p and passes on all of it that cannot be part of an unfinished secret. An error of the underlying
// writer is returned with a count of 0: how much of p it took is not known.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.masker.index()
	text := w.held + string(p)
	if err := w.pass(x, text, x.pending(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush passes on what was held back. The next Write starts afresh: a secret cut in two by a Flush is not recognised,
// so call it only where the source has ended or is known to pause between whole texts.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass(w.masker.index(), w.held, len(w.held))
}

// Close is Flush; the underlying writer stays open.
func (w *Writer) Close() error { return w.Flush() }

// pass writes text up to cut, masked, and holds the rest.
func (w *Writer) pass(x *index, text string, cut int) error {
	var b strings.Builder
	at, covered := 0, max(0, w.covered-cut)
	for i, s := range x.find(text, w.covered) {
		if s.from >= cut {
			break
		}
		b.WriteString(text[at:s.from])
		if i > 0 || w.covered == 0 {
			b.WriteString(Mask)
		}
		at = s.to
		covered = max(0, s.to-cut)
	}
	if at < cut {
		b.WriteString(text[at:cut])
	}
	w.held, w.covered = text[cut:], covered
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(w.to, b.String())
	return err
}

package storm

import (
	"net/http"
	"slices"

	"github.com/tagboat/tagboat/internal/rehearsal/lie"
)

// lie lets the lies answer a request. Where one does, or fails it, lied is true.
func (t *trial) lie(c *call, req *http.Request) (resp *http.Response, err error, lied bool) {
	for _, s := range t.sabotage {
		if s.Instead == nil {
			continue
		}
		if resp, err := s.Instead(t.World, &c.Request, req); resp != nil || err != nil {
			t.record(c.entry("a lie"))
			return resp, err, true
		}
	}
	return nil, nil, false
}

// distort lets the lies change an answer.
func (t *trial) distort(c *call, resp *http.Response) error {
	for _, s := range t.sabotage {
		if s.Distort == nil {
			continue
		}
		if err := s.Distort(t.World, &c.Request, resp); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) sabotaged(name string) bool {
	return slices.ContainsFunc(t.sabotage, func(s lie.Lie) bool { return s.Name == name })
}

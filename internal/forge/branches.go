package forge

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Ref is a branch and the commit it points at.
type Ref struct{ Name, Commit string }

// Branches lists the branches whose name starts with prefix, sorted by name; none is no error. GitHub gives them all at
// once: this list has no pages.
//
// https://docs.github.com/en/rest/git/refs#list-matching-references
func (c *Client) Branches(ctx context.Context, prefix string) ([]Ref, error) {
	var list []github.Reference
	call := wire.Call{Op: "list branches " + prefix + "*", Method: http.MethodGet, Path: c.wire.Root() + "/git/matching-refs/" + wire.Segments("heads/"+prefix), Out: &list}
	if _, err := c.wire.Do(ctx, call); err != nil {
		return nil, err
	}
	var out []Ref
	for _, r := range list {
		if name, ok := strings.CutPrefix(r.GetRef(), "refs/heads/"); ok && strings.HasPrefix(name, prefix) {
			out = append(out, Ref{Name: name, Commit: r.GetObject().GetSHA()})
		}
	}
	return out, nil
}

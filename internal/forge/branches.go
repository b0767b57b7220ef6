package forge

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Ref is a branch and the commit it points at.
type Ref struct{ Name, Commit string }

// Branches lists the branches whose name starts with prefix, sorted by name; none is no error.
//
// https://docs.github.com/en/rest/git/refs#list-matching-references
func (c *Client) Branches(ctx context.Context, prefix string) ([]Ref, error) {
	var out []Ref
	op := "list branches " + prefix + "*"
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list []github.Reference
		resp, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/matching-refs/" + wire.Segments("heads/"+prefix), Query: q, Out: &list})
		for _, r := range list {
			if name, ok := strings.CutPrefix(r.GetRef(), "refs/heads/"); ok && strings.HasPrefix(name, prefix) {
				out = append(out, Ref{Name: name, Commit: r.GetObject().GetSHA()})
			}
		}
		return resp, err
	})
	return out, err
}

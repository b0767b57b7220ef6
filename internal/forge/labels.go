package forge

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Labels lists the names of the labels that the repository has.
//
// https://docs.github.com/en/rest/issues/labels#list-labels-for-a-repository
func (c *Client) Labels(ctx context.Context) ([]string, error) {
	var all []string
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list []*github.Label
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list labels", Method: http.MethodGet, Path: c.wire.Root() + "/labels", Query: q, Out: &list})
		for _, l := range list {
			all = append(all, l.GetName())
		}
		return resp, err
	})
	return all, err
}

// MergedPulls lists the merged pull requests with a label in the order in which they were merged. GitHub's list of pull
// requests knows no labels, and its list of issues no commits, so each is asked for by itself.
//
// https://docs.github.com/en/rest/issues/issues#list-repository-issues
func (c *Client) MergedPulls(ctx context.Context, label string) ([]Pull, error) {
	var numbers []int
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		q.Set("state", "closed")
		q.Set("labels", label)
		var list []issue
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list pull requests labelled " + label, Method: http.MethodGet, Path: c.wire.Root() + "/issues", Query: q, Out: &list})
		for _, i := range list {
			if i.isPull() {
				numbers = append(numbers, i.Number)
			}
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	var out []Pull
	for _, n := range numbers {
		p, err := c.Pull(ctx, n)
		if err != nil {
			return nil, err
		}
		if p.Merged {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, Pull.CompareMerged)
	return out, nil
}

// CompareMerged orders pull requests by when they were merged.
func (p Pull) CompareMerged(o Pull) int {
	return cmp.Or(p.MergedAt.Compare(o.MergedAt), p.Number-o.Number)
}

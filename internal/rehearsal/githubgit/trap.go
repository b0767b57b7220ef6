package githubgit

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// WorkflowTrap refuses a ref or a release on a commit whose workflow files differ from those of the default branch, for
// tokens without workflows:write. GITHUB_TOKEN can never have it. Refs answer 403, releases 404; both name the permission.
func (g *Git) WorkflowTrap(c *call, commit string, status int) (reply, error) {
	if g.site.May(c, "workflows", "write") {
		return reply{}, nil
	}
	head, err := gitstore.Resolve(c.Context(), g.refs, "refs/heads/"+g.site.DefaultBranch)
	if errors.Is(err, gitstore.ErrNotFound) || head == commit {
		return reply{}, nil
	}
	if err != nil {
		return reply{}, err
	}
	differ, err := g.workflowsDiffer(c.Context(), head, commit)
	if err != nil || !differ {
		return reply{}, err
	}
	rep := githubapi.NotFound()
	if status == http.StatusForbidden {
		rep = githubapi.Fail(status, "Resource not accessible by integration")
	}
	rep.Header = map[string]string{"X-Accepted-Github-Permissions": "contents=write; contents=write,workflows=write"}
	return rep, nil
}

func (g *Git) workflowsDiffer(ctx context.Context, base, commit string) (bool, error) {
	const folder = ".github/workflows/"
	known := map[string]string{}
	tree, err := g.refs.Tree(ctx, base)
	if err != nil {
		return false, err
	}
	for _, e := range tree {
		known[e.Path] = e.SHA
	}
	if tree, err = g.refs.Tree(ctx, commit); err != nil {
		return false, err
	}
	return slices.ContainsFunc(tree, func(e gitstore.Entry) bool {
		return strings.HasPrefix(e.Path, folder) && known[e.Path] != e.SHA
	}), nil
}

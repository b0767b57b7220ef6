package forge

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Change is what becomes of a file.
type Change struct {
	Content []byte // nil deletes it; of a link it is where that leads
	Mode    string // git's, "100755" or "120000", or "100644" for what was one of them; "" for a file that is plain, and was
}

// BranchCommit is a commit to be made on a branch by GitHub.
type BranchCommit struct {
	Branch   string
	Expected string            // the commit that the branch must be at
	Files    map[string]Change // by path
	Headline string
	Body     string
}

const moveMutation = `mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }`

// MoveBranch moves a branch to a commit that need not be ahead of it, if it is at the expected one; else Conflict.
//
// https://docs.github.com/en/graphql/reference/mutations#updaterefs
func (c *Client) MoveBranch(ctx context.Context, branch, expected, to string) error {
	var repository struct {
		NodeID string `json:"node_id"`
	}
	op := "move branch " + branch
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root(), Out: &repository}); err != nil {
		return err
	}
	input := map[string]any{"repositoryId": repository.NodeID, "refUpdates": []map[string]any{{"name": "refs/heads/" + branch, "beforeOid": expected, "afterOid": to, "force": true}}}
	var out struct{ UpdateRefs any }
	err := c.wire.GraphQL(ctx, op, moveMutation, map[string]any{"input": input}, &out)
	if e, ok := err.(*Error); ok && e.Class == Refused {
		// GitHub has no type of its own for a ref that is elsewhere.
		if now, look := c.Branch(ctx, branch); look == nil && now != expected {
			e.Class = Conflict
		}
	}
	return err
}

const commitMutation = `mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid url } } }`

// CommitOnBranch makes a commit on top of a branch and returns its hash, and whether GitHub signed it. A branch that is
// elsewhere is Conflict. GitHub signs what it makes by this mutation for everybody. But it makes plain files alone; a
// commit with another mode goes by the git database, where GitHub signs for apps and for the jobs of workflows only.
//
// https://docs.github.com/en/graphql/reference/mutations#createcommitonbranch
func (c *Client) CommitOnBranch(ctx context.Context, b BranchCommit) (sha string, signed bool, err error) {
	type addition struct {
		Path     string `json:"path"`
		Contents string `json:"contents"`
	}
	type deletion struct {
		Path string `json:"path"`
	}
	additions, deletions := []addition{}, []deletion{}
	for _, path := range slices.Sorted(maps.Keys(b.Files)) {
		switch f := b.Files[path]; {
		case f.Mode != "":
			return c.commitTree(ctx, b)
		case f.Content == nil:
			deletions = append(deletions, deletion{path})
		default:
			additions = append(additions, addition{path, base64.StdEncoding.EncodeToString(f.Content)})
		}
	}
	input := map[string]any{
		"branch":          map[string]string{"repositoryNameWithOwner": c.Slug(), "branchName": b.Branch},
		"message":         map[string]string{"headline": b.Headline, "body": b.Body},
		"fileChanges":     map[string]any{"additions": additions, "deletions": deletions},
		"expectedHeadOid": b.Expected,
	}
	var out struct {
		CreateCommitOnBranch *struct {
			Commit struct{ OID, URL string }
		}
	}
	op := "commit to " + b.Branch
	if err := c.wire.GraphQL(ctx, op, commitMutation, map[string]any{"input": input}, &out); err != nil {
		return "", false, err
	}
	if out.CreateCommitOnBranch == nil || out.CreateCommitOnBranch.Commit.OID == "" {
		return "", false, c.wire.Malformed(op, "commit without a hash")
	}
	return out.CreateCommitOnBranch.Commit.OID, true, nil
}

// commitTree makes a commit of blobs and a tree, and then moves the branch to it, if it is still where it must be.
//
// https://docs.github.com/en/rest/git/commits#create-a-commit
func (c *Client) commitTree(ctx context.Context, b BranchCommit) (sha string, signed bool, err error) {
	op := "commit to " + b.Branch
	var parent struct {
		Tree struct{ SHA string }
	}
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/commits/" + wire.Segments(b.Expected), Out: &parent}); err != nil {
		return "", false, err
	}
	if parent.Tree.SHA == "" {
		return "", false, c.wire.Malformed(op, "commit without a tree")
	}
	type entry struct {
		Path string  `json:"path"`
		Mode string  `json:"mode"`
		Type string  `json:"type"`
		SHA  *string `json:"sha"` // null takes the file out
	}
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(b.Files)) {
		f := b.Files[path]
		e := entry{Path: path, Mode: cmp.Or(f.Mode, "100644"), Type: "blob"}
		if f.Content != nil {
			blob, err := c.create(ctx, op, "blobs", map[string]string{"content": base64.StdEncoding.EncodeToString(f.Content), "encoding": "base64"})
			if err != nil {
				return "", false, err
			}
			e.SHA = &blob.SHA
		}
		entries = append(entries, e)
	}
	tree, err := c.create(ctx, op, "trees", map[string]any{"base_tree": parent.Tree.SHA, "tree": entries})
	if err != nil {
		return "", false, err
	}
	// GitHub signs only what names neither an author nor a committer.
	commit, err := c.create(ctx, op, "commits", map[string]any{"message": strings.TrimSpace(b.Headline + "\n\n" + b.Body), "tree": tree.SHA, "parents": []string{b.Expected}})
	if err != nil {
		return "", false, err
	}
	return commit.SHA, commit.Verification.Verified, c.MoveBranch(ctx, b.Branch, b.Expected, commit.SHA)
}

type gitObject struct {
	SHA          string
	Verification struct{ Verified bool }
}

// create stores an object in the git database.
//
// https://docs.github.com/en/rest/git
func (c *Client) create(ctx context.Context, op, kind string, body any) (out gitObject, err error) {
	_, err = c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: c.wire.Root() + "/git/" + kind, Body: body, Out: &out, Create: true})
	if err == nil && out.SHA == "" {
		err = c.wire.Malformed(op, kind+" without a hash")
	}
	return out, err
}

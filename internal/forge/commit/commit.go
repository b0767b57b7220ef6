// Package commit has GitHub make a commit on a branch.
package commit

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

// Request is a commit to be made on a branch by GitHub.
type Request struct {
	Branch   string
	Expected string            // the commit that the branch must be at
	Files    map[string]Change // by path
	Headline string
	Body     string
}

// Move moves a branch from one commit to another. A branch that is elsewhere is Conflict.
type Move func(ctx context.Context, branch, expected, to string) error

const commitMutation = `mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid url } } }`

// On makes a commit on top of a branch and returns its hash, and whether GitHub signed it. A branch that is elsewhere is
// Conflict. move moves a branch that is where it must be, like forge.Client.MoveBranch. GitHub signs what it makes by this mutation for everybody. But it makes plain files alone; a
// commit with another mode goes by the git database, where GitHub signs for apps and for the jobs of workflows only.
//
// https://docs.github.com/en/graphql/reference/mutations#createcommitonbranch
func On(ctx context.Context, w *wire.Client, r Request, move Move) (sha string, signed bool, err error) {
	type addition struct {
		Path     string `json:"path"`
		Contents string `json:"contents"`
	}
	type deletion struct {
		Path string `json:"path"`
	}
	additions, deletions := []addition{}, []deletion{}
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		switch f := r.Files[path]; {
		case f.Mode != "":
			return tree(ctx, w, r, move)
		case f.Content == nil:
			deletions = append(deletions, deletion{path})
		default:
			additions = append(additions, addition{path, base64.StdEncoding.EncodeToString(f.Content)})
		}
	}
	input := map[string]any{
		"branch":          map[string]string{"repositoryNameWithOwner": w.Slug(), "branchName": r.Branch},
		"message":         map[string]string{"headline": r.Headline, "body": r.Body},
		"fileChanges":     map[string]any{"additions": additions, "deletions": deletions},
		"expectedHeadOid": r.Expected,
	}
	var out struct {
		CreateCommitOnBranch *struct {
			Commit struct{ OID, URL string }
		}
	}
	op := "commit to " + r.Branch
	if err := w.GraphQL(ctx, op, commitMutation, map[string]any{"input": input}, &out); err != nil {
		return "", false, err
	}
	if out.CreateCommitOnBranch == nil || out.CreateCommitOnBranch.Commit.OID == "" {
		return "", false, w.Malformed(op, "commit without a hash")
	}
	return out.CreateCommitOnBranch.Commit.OID, true, nil
}

// tree makes a commit of blobs and a tree, and then moves the branch to it, if it is still where it must be.
//
// https://docs.github.com/en/rest/git/commits#create-a-commit
func tree(ctx context.Context, w *wire.Client, r Request, move Move) (sha string, signed bool, err error) {
	op := "commit to " + r.Branch
	var parent struct {
		Tree struct{ SHA string }
	}
	if _, err := w.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: w.Root() + "/git/commits/" + wire.Segments(r.Expected), Out: &parent}); err != nil {
		return "", false, err
	}
	if parent.Tree.SHA == "" {
		return "", false, w.Malformed(op, "commit without a tree")
	}
	type entry struct {
		Path string  `json:"path"`
		Mode string  `json:"mode"`
		Type string  `json:"type"`
		SHA  *string `json:"sha"` // null takes the file out
	}
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		f := r.Files[path]
		e := entry{Path: path, Mode: cmp.Or(f.Mode, "100644"), Type: "blob"}
		if f.Content != nil {
			blob, err := create(ctx, w, op, "blobs", map[string]string{"content": base64.StdEncoding.EncodeToString(f.Content), "encoding": "base64"})
			if err != nil {
				return "", false, err
			}
			e.SHA = &blob.SHA
		}
		entries = append(entries, e)
	}
	made, err := create(ctx, w, op, "trees", map[string]any{"base_tree": parent.Tree.SHA, "tree": entries})
	if err != nil {
		return "", false, err
	}
	// GitHub signs only what names neither an author nor a committer.
	commit, err := create(ctx, w, op, "commits", map[string]any{"message": strings.TrimSpace(r.Headline + "\n\n" + r.Body), "tree": made.SHA, "parents": []string{r.Expected}})
	if err != nil {
		return "", false, err
	}
	return commit.SHA, commit.Verification.Verified, move(ctx, r.Branch, r.Expected, commit.SHA)
}

type object struct {
	SHA          string
	Verification struct{ Verified bool }
}

// create stores an object in the git database.
//
// https://docs.github.com/en/rest/git
func create(ctx context.Context, w *wire.Client, op, kind string, body any) (out object, err error) {
	_, err = w.Do(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: w.Root() + "/git/" + kind, Body: body, Out: &out, Create: true})
	if err == nil && out.SHA == "" {
		err = w.Malformed(op, kind+" without a hash")
	}
	return out, err
}

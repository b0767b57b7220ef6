package githubgit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// commitInput is the input of the mutation createCommitOnBranch.
// https://docs.github.com/en/graphql/reference/input-objects#createcommitonbranchinput
type commitInput struct {
	Branch struct {
		RepositoryNameWithOwner, BranchName string
	}
	Message struct {
		Headline, Body string
	}
	FileChanges struct {
		Additions []struct{ Path, Contents string }
		Deletions []struct{ Path string }
	}
	ExpectedHeadOid string
}

// GraphQL answers POST /graphql, for what REST has nothing for: a commit that GitHub signs, a ref that moves under a lock.
func (g *Git) GraphQL(c *call) reply {
	var in struct {
		Query     string
		Variables struct {
			Input struct {
				commitInput
				refsInput
			}
		}
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	name, do := "createCommitOnBranch", func() (object, reply) { return g.createCommit(c, in.Variables.Input.commitInput) }
	if strings.Contains(in.Query, "updateRefs") {
		name, do = "updateRefs", func() (object, reply) { return g.updateRefs(c, in.Variables.Input.refsInput) }
	} else if !strings.Contains(in.Query, name) {
		return githubapi.OK(object{"errors": []object{{"message": "the embedded GitHub knows createCommitOnBranch and updateRefs alone"}}})
	}
	data, rep := do()
	if rep.Status != 0 {
		if e, ok := rep.Body.(refused); ok { // an error of a mutation has status 200 all the same
			return githubapi.OK(object{"data": object{name: nil}, "errors": []object{{"type": e.typ, "path": []string{name}, "locations": []object{{"line": 1, "column": 1}}, "message": e.message}}})
		}
		return rep
	}
	return githubapi.OK(object{"data": object{name: data}})
}

type refused struct{ typ, message string }

func refusal(typ, message string) (object, reply) {
	return nil, reply{Status: http.StatusOK, Body: refused{typ, message}}
}

// refsInput is the input of the mutation updateRefs.
// https://docs.github.com/en/graphql/reference/input-objects#updaterefsinput
type refsInput struct {
	RepositoryID string
	RefUpdates   []struct {
		Name, BeforeOid, AfterOid string
		Force                     bool
	}
}

func (g *Git) updateRefs(c *call, in refsInput) (object, reply) {
	if !g.site.May(c, "contents", "write") {
		return refusal("FORBIDDEN", "Resource not accessible by integration")
	}
	for _, u := range in.RefUpdates {
		old, err := g.refs.Ref(c.Context(), u.Name)
		if err != nil || u.BeforeOid != "" && old.Object != u.BeforeOid {
			return refusal("UNPROCESSABLE", "Reference cannot be updated: it is not at the expected commit")
		}
		forward, err := g.fastForward(c.Context(), old.Object, u.AfterOid)
		if err != nil || !forward && !u.Force {
			return refusal("UNPROCESSABLE", "Update is not a fast forward")
		}
		if rep := g.SetRef(c, u.Name, old.Object, u.AfterOid); rep.Status != 0 {
			return refusal("UNPROCESSABLE", "Reference cannot be updated")
		}
		g.site.Wrote("update-ref", "%s %s..%s", u.Name, old.Object, u.AfterOid)
	}
	return object{"clientMutationId": nil}, reply{}
}

func (g *Git) createCommit(c *call, in commitInput) (object, reply) {
	name := "refs/heads/" + strings.TrimPrefix(in.Branch.BranchName, "refs/heads/")
	head, err := g.refs.Ref(c.Context(), name)
	switch {
	case !strings.EqualFold(in.Branch.RepositoryNameWithOwner, g.site.Owner+"/"+g.site.Repo):
		return refusal("NOT_FOUND", fmt.Sprintf("Could not resolve to a Repository with the name '%s'.", in.Branch.RepositoryNameWithOwner))
	case !g.site.May(c, "contents", "write"):
		return refusal("FORBIDDEN", "Resource not accessible by integration")
	case errors.Is(err, gitstore.ErrNotFound):
		return refusal("NOT_FOUND", fmt.Sprintf("No such branch \"%s\"", in.Branch.BranchName))
	case err != nil:
		return nil, githubapi.Trouble(err)
	case head.Object != in.ExpectedHeadOid:
		return refusal("STALE_DATA", fmt.Sprintf("Expected branch to point to \"%s\" but it did not.  Pull and try again.", in.ExpectedHeadOid))
	case in.Message.Headline == "":
		return refusal("UNPROCESSABLE", "A commit message is required")
	}
	var changes []gitstore.Entry
	for _, f := range in.FileChanges.Additions {
		content, err := base64.StdEncoding.DecodeString(f.Contents)
		if err != nil || f.Path == "" || strings.HasPrefix(f.Path, "/") {
			return refusal("UNPROCESSABLE", "The path or the contents of a file cannot be read")
		}
		blob, err := g.refs.MakeBlob(c.Context(), content)
		if err != nil {
			return nil, githubapi.Trouble(err)
		}
		changes = append(changes, gitstore.Entry{Path: f.Path, Mode: "100644", SHA: blob}) // it makes plain files alone
	}
	for _, f := range in.FileChanges.Deletions {
		changes = append(changes, gitstore.Entry{Path: f.Path})
	}
	message := strings.TrimSpace(in.Message.Headline + "\n\n" + in.Message.Body)
	sha, err := g.changedCommit(c.Context(), changes, message, head.Object)
	if err != nil {
		return nil, githubapi.Trouble(err)
	}
	if rep := g.SetRef(c, name, head.Object, sha); rep.Status != 0 {
		return refusal("UNPROCESSABLE", "The branch cannot be updated")
	}
	g.signed[sha] = true
	g.site.Wrote("commit", "%s %s..%s", name, head.Object, sha)
	return object{"commit": object{"oid": sha, "url": c.URLs.HTML + "/commit/" + sha}}, reply{}
}

// changedCommit makes a commit that has the files of its first parent with changes.
func (g *Git) changedCommit(ctx context.Context, changes []gitstore.Entry, message string, parents ...string) (string, error) {
	from, err := g.refs.Commit(ctx, parents[0])
	if err != nil {
		return "", err
	}
	tree, err := g.refs.MakeTree(ctx, from.Tree, changes)
	if err != nil {
		return "", err
	}
	return g.refs.MakeCommit(ctx, gitstore.Commit{Tree: tree, Message: message, Parents: parents, Author: g.signature(), Committer: g.signature()})
}

// verification is what GitHub says of a commit's signature: its own are good, others are not there.
func (g *Git) verification(sha string) object {
	if !g.signed[sha] {
		return unsigned()
	}
	v := unsigned()
	v["verified"], v["reason"], v["verified_at"] = true, "valid", githubapi.Stamp(githubapi.Now())
	v["signature"], v["payload"] = "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", "tree"
	return v
}

// Merge makes the commit that merging head into base makes, and moves base to it. The head must begin at base's commit or
// at one before whose files base has not changed since. Site.Mu must be held.
func (g *Git) Merge(c *call, base, head, message string) (string, error) {
	ctx := c.Context()
	to, err := g.refs.Ref(ctx, "refs/heads/"+base)
	if err != nil {
		return "", err
	}
	common, err := g.refs.MergeBase(ctx, to.Object, head)
	if err != nil {
		return "", err
	}
	ours, err := g.refs.Diff(ctx, common, to.Object)
	if err != nil {
		return "", err
	}
	theirs, err := g.refs.Diff(ctx, common, head)
	if err != nil {
		return "", err
	}
	changed := map[string]bool{}
	for _, f := range ours {
		changed[f.Path] = true
	}
	tree, err := g.refs.Tree(ctx, head)
	if err != nil {
		return "", err
	}
	var changes []gitstore.Entry
	for _, f := range theirs {
		if changed[f.Path] {
			return "", fmt.Errorf("merge into %s: %s has changed on both sides", base, f.Path)
		}
		e := gitstore.Entry{Path: f.Path}
		if i := slices.IndexFunc(tree, func(e gitstore.Entry) bool { return e.Path == f.Path }); i >= 0 {
			e = tree[i]
		}
		changes = append(changes, e)
	}
	sha, err := g.changedCommit(ctx, changes, message, to.Object, head)
	if err != nil {
		return "", err
	}
	if rep := g.SetRef(c, "refs/heads/"+base, to.Object, sha); rep.Status != 0 {
		return "", fmt.Errorf("merge into %s: status %d", base, rep.Status)
	}
	g.signed[sha] = true
	g.site.Wrote("merge", "refs/heads/%s %s..%s", base, to.Object, sha)
	return sha, nil
}

// Head returns the commit of a branch, "" where it is not.
func (g *Git) Head(c *call, branch string) string {
	r, err := g.refs.Ref(c.Context(), "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return r.Object
}

// Between returns how a head differs from a base: commits ahead, files, lines.
func (g *Git) Between(c *call, base, head string) (commits, files, additions, deletions int) {
	ctx := c.Context()
	common, err := g.refs.MergeBase(ctx, base, head)
	if err != nil {
		return 0, 0, 0, 0
	}
	ahead, _ := g.refs.Ahead(ctx, base, head)
	changes, _ := g.refs.Diff(ctx, common, head)
	for _, f := range changes {
		additions += f.Additions
		deletions += f.Deletions
	}
	return len(ahead), len(changes), additions, deletions
}

// Holds reports whether a commit is in the history of another.
func (g *Git) Holds(c *call, head, commit string) bool {
	missing, err := g.refs.Ahead(c.Context(), head, commit)
	return err == nil && len(missing) == 0
}

package githubgit

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// CreateBlob answers POST git/blobs: it stores the content of a file.
func (g *Git) CreateBlob(c *call) reply {
	var in struct{ Content, Encoding string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	content := []byte(in.Content)
	if in.Encoding == "base64" {
		var err error
		if content, err = base64.StdEncoding.DecodeString(in.Content); err != nil {
			return githubapi.Unprocessable("content is not valid Base64")
		}
	}
	sha, err := g.refs.MakeBlob(c.Context(), content)
	if err != nil {
		return githubapi.Trouble(err)
	}
	g.site.Wrote("create-blob", "%s", sha)
	return githubapi.Created(object{"sha": sha, "url": c.URLs.Repo + "/git/blobs/" + sha})
}

// CreateTree answers POST git/trees: the files of a tree with changes. An entry whose id is null is taken out.
func (g *Git) CreateTree(c *call) reply {
	var in struct {
		Tree []struct {
			Path, Mode, Type string
			SHA, Content     *string
		}
		BaseTree string `json:"base_tree"`
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	ctx := c.Context()
	if typ, err := g.refs.Type(ctx, in.BaseTree); in.BaseTree != "" && (err != nil || typ != gitstore.TypeTree) {
		return githubapi.Unprocessable("base_tree is not a valid tree oid")
	}
	var changes []gitstore.Entry
	for _, e := range in.Tree {
		entry := gitstore.Entry{Path: e.Path, Mode: e.Mode}
		typ := gitstore.TypeBlob
		switch {
		case e.Path == "" || strings.HasPrefix(e.Path, "/"):
			return githubapi.Unprocessable("tree.path contains a malformed path component")
		case e.SHA != nil:
			entry.SHA = *e.SHA
			var err error
			if typ, err = g.refs.Type(ctx, entry.SHA); err != nil && e.Mode != "160000" {
				return githubapi.Unprocessable("tree.sha " + entry.SHA + " is not a valid blob")
			}
		case e.Content != nil:
			var err error
			if entry.SHA, err = g.refs.MakeBlob(ctx, []byte(*e.Content)); err != nil {
				return githubapi.Trouble(err)
			}
		}
		switch e.Mode {
		case "100644", "100755", "120000":
			if typ != gitstore.TypeBlob {
				return githubapi.Unprocessable("tree.sha " + entry.SHA + " is not a valid blob")
			}
		case "160000", "040000":
		default:
			return githubapi.Unprocessable("tree.mode is not valid")
		}
		changes = append(changes, entry)
	}
	sha, err := g.refs.MakeTree(ctx, in.BaseTree, changes)
	if err != nil {
		return githubapi.Trouble(err)
	}
	g.site.Wrote("create-tree", "%s", sha)
	rep := g.tree(c, sha, sha)
	if rep.Status == 200 {
		rep.Status = 201
	}
	return rep
}

// GetGitCommit answers GET git/commits/{sha}.
func (g *Git) GetGitCommit(c *call) reply {
	k, err := g.refs.Commit(c.Context(), c.Params["sha"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.OK(g.gitCommitObject(c, k))
}

func (g *Git) gitCommitObject(c *call, k gitstore.Commit) object {
	parents := []object{}
	for _, p := range k.Parents {
		parents = append(parents, object{"sha": p, "url": c.URLs.Repo + "/git/commits/" + p, "html_url": c.URLs.HTML + "/commit/" + p})
	}
	return object{
		"sha": k.SHA, "node_id": githubapi.NodeID("Commit", k.SHA), "url": c.URLs.Repo + "/git/commits/" + k.SHA, "html_url": c.URLs.HTML + "/commit/" + k.SHA,
		"author": person(k.Author), "committer": person(k.Committer), "message": k.Message, "parents": parents,
		"tree": object{"sha": k.Tree, "url": c.URLs.Repo + "/git/trees/" + k.Tree}, "verification": g.verification(k.SHA),
	}
}

// CreateGitCommit answers POST git/commits: a commit and no ref. GitHub signs it for an app, or for the token of a job,
// which does not say itself who made it; it signs none for a person.
//
// https://docs.github.com/en/authentication/managing-commit-signature-verification/about-commit-signature-verification
func (g *Git) CreateGitCommit(c *call) reply {
	type who struct {
		Name, Email string
		Date        time.Time
	}
	var in struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *who
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	ctx := c.Context()
	if typ, err := g.refs.Type(ctx, in.Tree); err != nil || typ != gitstore.TypeTree {
		return githubapi.Unprocessable("Tree SHA does not exist")
	}
	for _, p := range in.Parents {
		if typ, err := g.refs.Type(ctx, p); err != nil || typ != gitstore.TypeCommit {
			return githubapi.Unprocessable("Parent SHA does not exist or is not a commit object")
		}
	}
	k := gitstore.Commit{Tree: in.Tree, Message: in.Message, Parents: in.Parents, Author: g.signature(), Committer: g.signature()}
	if in.Author != nil {
		k.Author = gitstore.Signature{Name: in.Author.Name, Email: in.Author.Email, When: in.Author.Date}
		k.Committer = k.Author
	}
	if in.Committer != nil {
		k.Committer = gitstore.Signature{Name: in.Committer.Name, Email: in.Committer.Email, When: in.Committer.Date}
	}
	sha, err := g.refs.MakeCommit(ctx, k)
	if err != nil {
		return githubapi.Trouble(err)
	}
	personal := strings.HasPrefix(c.Token, "ghp_") || strings.HasPrefix(c.Token, "github_pat_")
	if !personal && in.Author == nil && in.Committer == nil {
		g.signed[sha] = true
	}
	g.site.Wrote("create-commit", "%s", sha)
	made, err := g.refs.Commit(ctx, sha)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.Created(g.gitCommitObject(c, made))
}

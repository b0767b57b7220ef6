package githubgit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// Bounds of one comparison: https://docs.github.com/rest/commits/commits#compare-two-commits
const (
	maxCompareCommits = 250
	maxCompareFiles   = 300
)

func person(s gitstore.Signature) object {
	return object{"name": s.Name, "email": s.Email, "date": githubapi.Stamp(s.When)}
}

func (g *Git) commitObject(c *call, k gitstore.Commit) object {
	parents := []object{}
	for _, p := range k.Parents {
		parents = append(parents, object{"sha": p, "url": c.URLs.Repo + "/commits/" + p, "html_url": c.URLs.HTML + "/commit/" + p})
	}
	self := c.URLs.Repo + "/commits/" + k.SHA
	return object{
		"sha": k.SHA, "node_id": githubapi.NodeID("Commit", k.SHA), "url": self, "html_url": c.URLs.HTML + "/commit/" + k.SHA, "comments_url": self + "/comments",
		"author": nil, "committer": nil, "parents": parents,
		"commit": object{
			"author": person(k.Author), "committer": person(k.Committer), "message": k.Message, "comment_count": 0,
			"tree": object{"sha": k.Tree, "url": c.URLs.Repo + "/git/trees/" + k.Tree}, "url": c.URLs.Repo + "/git/commits/" + k.SHA,
			"verification": g.verification(k.SHA),
		},
	}
}

// GetCommit answers GET commits/{ref}, also as a bare id where the caller accepts that.
func (g *Git) GetCommit(c *call) reply {
	ctx := c.Context()
	sha, err := gitstore.Resolve(ctx, g.refs, c.Params["ref"])
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Unprocessable("No commit found for SHA: " + c.Params["ref"])
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	if strings.Contains(c.Header.Get("Accept"), "sha") {
		return reply{Status: http.StatusOK, Body: []byte(sha), Header: map[string]string{"Content-Type": "application/vnd.github.sha; charset=utf-8"}}
	}
	k, err := g.refs.Commit(ctx, sha)
	if err != nil {
		return githubapi.Trouble(err)
	}
	body := g.commitObject(c, k)
	var files []object
	if len(k.Parents) > 0 {
		if files, err = g.changed(c, k.Parents[0], sha); err != nil {
			return githubapi.Trouble(err)
		}
		body["files"] = files
	}
	return githubapi.OK(body)
}

// changed returns GitHub's entries for the files that differ between two commits.
func (g *Git) changed(c *call, base, head string) ([]object, error) {
	changes, err := g.refs.Diff(c.Context(), base, head)
	out := []object{}
	for _, f := range changes[:min(len(changes), maxCompareFiles)] {
		at := githubapi.Escape(head) + "/" + githubapi.Escape(f.Path)
		out = append(out, object{
			"sha": f.SHA, "filename": f.Path, "status": f.Status, "additions": f.Additions, "deletions": f.Deletions, "changes": f.Additions + f.Deletions,
			"blob_url": c.URLs.HTML + "/blob/" + at, "raw_url": c.URLs.HTML + "/raw/" + at, "contents_url": c.URLs.Repo + "/contents/" + githubapi.Escape(f.Path) + "?ref=" + head,
		})
	}
	return out, err
}

// Compare answers GET compare/{base}...{head}. At most 250 commits and 300 files are listed, as at GitHub.
func (g *Git) Compare(c *call) reply {
	ctx := c.Context()
	base, head, hasBoth := strings.Cut(c.Params["basehead"], "...")
	if !hasBoth {
		return githubapi.NotFound()
	}
	var ends [2]string
	for i, name := range []string{base, head} {
		if owner, ref, other := strings.Cut(name, ":"); other && strings.EqualFold(owner, g.site.Owner) {
			name = ref
		}
		sha, err := gitstore.Resolve(ctx, g.refs, name)
		if err != nil {
			return githubapi.Trouble(err)
		}
		ends[i] = sha
	}
	common, err := g.refs.MergeBase(ctx, ends[0], ends[1])
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Fail(http.StatusNotFound, "No common ancestor between "+base+" and "+head+".")
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	ahead, err := g.refs.Ahead(ctx, ends[0], ends[1])
	if err != nil {
		return githubapi.Trouble(err)
	}
	behind, err := g.refs.Ahead(ctx, ends[1], ends[0])
	if err != nil {
		return githubapi.Trouble(err)
	}
	body, err := g.comparison(c, ends, common, ahead)
	if err != nil {
		return githubapi.Trouble(err)
	}
	body["ahead_by"], body["behind_by"], body["total_commits"] = len(ahead), len(behind), len(ahead)
	switch {
	case len(ahead) > 0 && len(behind) > 0:
		body["status"] = "diverged"
	case len(ahead) > 0:
		body["status"] = "ahead"
	case len(behind) > 0:
		body["status"] = "behind"
	default:
		body["status"] = "identical"
	}
	return githubapi.OK(body)
}

// comparison is the part of a comparison that reads objects. Commits beyond the bound are left out, oldest kept.
func (g *Git) comparison(c *call, ends [2]string, common string, ahead []string) (object, error) {
	files, err := g.changed(c, common, ends[1])
	if err != nil {
		return nil, err
	}
	wanted := append([]string{ends[0], common}, ahead[:min(len(ahead), maxCompareCommits)]...)
	commits := []object{}
	for _, sha := range wanted {
		k, err := g.refs.Commit(c.Context(), sha)
		if err != nil {
			return nil, err
		}
		commits = append(commits, g.commitObject(c, k))
	}
	span := ends[0] + "..." + ends[1]
	html := c.URLs.HTML + "/compare/" + span
	return object{
		"url": c.URLs.Repo + "/compare/" + span, "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": commits[0], "merge_base_commit": commits[1], "commits": commits[2:], "files": files,
	}, nil
}

// GetContents answers GET contents/{path}: a file, raw where the caller accepts that, or a folder.
func (g *Git) GetContents(c *call) reply {
	ref := c.URL.Query().Get("ref")
	if ref == "" {
		ref = g.site.DefaultBranch
	}
	tree, err := gitstore.TreeAt(c.Context(), g.refs, ref)
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Fail(http.StatusNotFound, "No commit found for the ref "+ref)
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	wanted := strings.Trim(c.Params["path"], "/")
	if i := slices.IndexFunc(tree, func(e gitstore.Entry) bool { return e.Path == wanted }); i >= 0 {
		return g.file(c, ref, tree[i])
	}
	if list := folder(c, ref, wanted, tree); len(list) > 0 {
		return githubapi.OK(list)
	}
	return githubapi.NotFound()
}

func (g *Git) file(c *call, ref string, e gitstore.Entry) reply {
	body := entryObject(c, ref, e, kind(e.Mode))
	if kind(e.Mode) == "submodule" {
		body["submodule_git_url"] = c.URLs.HTML // where it really lives is in .gitmodules, which nobody here reads
		return githubapi.OK(body)
	}
	content, err := g.refs.Blob(c.Context(), e.SHA)
	if err != nil {
		return githubapi.Trouble(err)
	}
	if kind(e.Mode) == "symlink" {
		body["target"] = string(content)
		return githubapi.OK(body)
	}
	if strings.Contains(c.Header.Get("Accept"), "raw") {
		return reply{Status: http.StatusOK, Body: content, Header: map[string]string{"Content-Type": "application/vnd.github.raw; charset=utf-8"}}
	}
	body["encoding"], body["content"] = "base64", wrapped(content)
	if len(content) > 1<<20 { // larger files come only as raw
		body["encoding"], body["content"] = "none", ""
	}
	return githubapi.OK(body)
}

// GetBlob answers GET git/blobs/{sha}, which also has what contents leaves out because it is too large.
func (g *Git) GetBlob(c *call) reply {
	content, err := g.refs.Blob(c.Context(), c.Params["sha"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	if strings.Contains(c.Header.Get("Accept"), "raw") {
		return reply{Status: http.StatusOK, Body: content, Header: map[string]string{"Content-Type": "application/vnd.github.raw; charset=utf-8"}}
	}
	sha := c.Params["sha"]
	return githubapi.OK(object{
		"sha": sha, "node_id": githubapi.NodeID("Blob", sha), "size": len(content), "url": c.URLs.Repo + "/git/blobs/" + sha,
		"encoding": "base64", "content": wrapped(content),
	})
}

// maxTree is how many entries a recursive listing has: https://docs.github.com/rest/git/trees#get-a-tree
const maxTree = 100_000

// GetTree answers GET git/trees/{tree} of a tree, a commit or a ref; with recursive, whatever its value, all files below it.
func (g *Git) GetTree(c *call) reply {
	ctx, id := c.Context(), c.Params["tree"]
	if typ, err := g.refs.Type(ctx, id); err == nil && typ == gitstore.TypeTree {
		return g.tree(c, id, id)
	}
	sha, err := gitstore.Resolve(ctx, g.refs, id)
	if err != nil {
		return githubapi.Trouble(err)
	}
	k, err := g.refs.Commit(ctx, sha)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return g.tree(c, k.Tree, sha)
}

// tree answers with a tree, whose files those of an object are.
func (g *Git) tree(c *call, id, of string) reply {
	files, err := g.refs.Tree(c.Context(), of)
	if err != nil {
		return githubapi.Trouble(err)
	}
	entries := []object{}
	for _, e := range treeEntries(files, c.URL.Query().Has("recursive")) {
		entry := object{"path": e.Path, "mode": e.Mode, "type": "blob", "sha": e.SHA, "size": e.Size, "url": c.URLs.Repo + "/git/blobs/" + e.SHA}
		switch kind(e.Mode) {
		case "dir":
			entry["type"], entry["url"] = "tree", c.URLs.Repo+"/git/trees/"+e.SHA
			delete(entry, "size")
		case "submodule":
			entry["type"] = "commit"
			delete(entry, "size")
			delete(entry, "url")
		}
		entries = append(entries, entry)
	}
	return githubapi.OK(object{"sha": id, "url": c.URLs.Repo + "/git/trees/" + id, "tree": entries[:min(len(entries), maxTree)], "truncated": len(entries) > maxTree})
}

// treeEntries adds the folders, whose ids nobody here knows, and leaves out what is below them unless all is wanted.
func treeEntries(files []gitstore.Entry, all bool) []gitstore.Entry {
	var out []gitstore.Entry
	seen := map[string]bool{}
	for _, e := range files {
		for i, r := range e.Path {
			if r == '/' && !seen[e.Path[:i]] && (all || !strings.Contains(e.Path[:i], "/")) {
				seen[e.Path[:i]] = true
				out = append(out, gitstore.Entry{Path: e.Path[:i], Mode: "040000", SHA: gitstore.Zero})
			}
		}
		if all || !strings.Contains(e.Path, "/") {
			out = append(out, e)
		}
	}
	return out
}

// wrapped is base64 in lines of 60 characters, as GitHub sends it.
func wrapped(content []byte) string {
	var out bytes.Buffer
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(content)), 60) {
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.String()
}

func kind(mode string) string {
	switch mode {
	case "120000":
		return "symlink"
	case "160000":
		return "submodule"
	case "040000":
		return "dir"
	}
	return "file"
}

func entryObject(c *call, ref string, e gitstore.Entry, typ string) object {
	self := c.URLs.Repo + "/contents/" + githubapi.Escape(e.Path) + "?ref=" + githubapi.Escape(ref)
	page := c.URLs.HTML + "/blob/" + githubapi.Escape(ref) + "/" + githubapi.Escape(e.Path)
	git := c.URLs.Repo + "/git/blobs/" + e.SHA
	var download any
	switch typ {
	case "dir":
		page, git = c.URLs.HTML+"/tree/"+githubapi.Escape(ref)+"/"+githubapi.Escape(e.Path), c.URLs.Repo+"/git/trees/"+e.SHA
	case "file", "symlink":
		download = c.URLs.HTML + "/raw/" + strings.ReplaceAll(githubapi.Escape(ref), "/", "%2F") + "/" + githubapi.Escape(e.Path)
	}
	return object{
		"type": typ, "name": path.Base(e.Path), "path": e.Path, "sha": e.SHA, "size": e.Size, "url": self, "html_url": page, "git_url": git,
		"download_url": download, "_links": object{"self": self, "html": page, "git": git},
	}
}

// folder lists what is directly below a path, files and folders, by name.
func folder(c *call, ref, below string, tree []gitstore.Entry) []object {
	prefix := ""
	if below != "" {
		prefix = below + "/"
	}
	var out []object
	seen := map[string]bool{}
	for _, e := range tree {
		rest, inside := strings.CutPrefix(e.Path, prefix)
		if !inside {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if !deeper {
			out = append(out, entryObject(c, ref, e, kind(e.Mode)))
		} else if !seen[name] {
			seen[name] = true
			out = append(out, entryObject(c, ref, gitstore.Entry{Path: prefix + name, Mode: "040000", SHA: gitstore.Zero}, "dir"))
		}
	}
	return out
}

// RawFile serves what download_url names, for those who may read the repository.
func (g *Git) RawFile(c *call) reply {
	if rep := g.site.Allowed(c, "contents", "read"); rep.Status != 0 {
		return githubapi.NotFound()
	}
	commit, err := gitstore.Resolve(c.Context(), g.refs, c.Params["ref"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	content, err := gitstore.File(c.Context(), g.refs, commit, c.Params["path"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	return reply{Status: http.StatusOK, Body: content, Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}
}

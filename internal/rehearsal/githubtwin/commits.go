package githubtwin

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// Bounds of one comparison: https://docs.github.com/rest/commits/commits#compare-two-commits
const (
	maxCompareCommits = 250
	maxCompareFiles   = 300
)

func person(s gitstore.Signature) object {
	return object{"name": s.Name, "email": s.Email, "date": stamp(s.When)}
}

func (t *Twin) commit(c *call, k gitstore.Commit) object {
	parents := []object{}
	for _, p := range k.Parents {
		parents = append(parents, object{"sha": p, "url": c.urls.repo + "/commits/" + p, "html_url": c.urls.html + "/commit/" + p})
	}
	self := c.urls.repo + "/commits/" + k.SHA
	return object{
		"sha": k.SHA, "node_id": nodeID("Commit", k.SHA), "url": self, "html_url": c.urls.html + "/commit/" + k.SHA, "comments_url": self + "/comments",
		"author": nil, "committer": nil, "parents": parents,
		"commit": object{
			"author": person(k.Author), "committer": person(k.Committer), "message": k.Message, "comment_count": 0,
			"tree": object{"sha": k.Tree, "url": c.urls.repo + "/git/trees/" + k.Tree}, "url": c.urls.repo + "/git/commits/" + k.SHA,
			"verification": unsigned(),
		},
	}
}

func (t *Twin) getCommit(c *call) reply {
	ctx := c.Context()
	sha, err := gitstore.Resolve(ctx, t.cfg.Refs, c.params["ref"])
	if errors.Is(err, gitstore.ErrNotFound) {
		return unprocessable("No commit found for SHA: " + c.params["ref"])
	}
	if err != nil {
		return trouble(err)
	}
	if strings.Contains(c.Header.Get("Accept"), "sha") {
		return reply{status: http.StatusOK, body: []byte(sha), header: map[string]string{"Content-Type": "application/vnd.github.sha; charset=utf-8"}}
	}
	k, err := t.cfg.Refs.Commit(ctx, sha)
	if err != nil {
		return trouble(err)
	}
	body := t.commit(c, k)
	var files []object
	if len(k.Parents) > 0 {
		if files, err = t.changed(c, k.Parents[0], sha); err != nil {
			return trouble(err)
		}
		body["files"] = files
	}
	return ok(body)
}

// changed returns GitHub's entries for the files that differ between two commits.
func (t *Twin) changed(c *call, base, head string) ([]object, error) {
	changes, err := t.cfg.Refs.Diff(c.Context(), base, head)
	out := []object{}
	for _, f := range changes[:min(len(changes), maxCompareFiles)] {
		at := escape(head) + "/" + escape(f.Path)
		out = append(out, object{
			"sha": f.SHA, "filename": f.Path, "status": f.Status, "additions": f.Additions, "deletions": f.Deletions, "changes": f.Additions + f.Deletions,
			"blob_url": c.urls.html + "/blob/" + at, "raw_url": c.urls.html + "/raw/" + at, "contents_url": c.urls.repo + "/contents/" + escape(f.Path) + "?ref=" + head,
		})
	}
	return out, err
}

func (t *Twin) compare(c *call) reply {
	ctx := c.Context()
	base, head, hasBoth := strings.Cut(c.params["basehead"], "...")
	if !hasBoth {
		return notFound()
	}
	var ends [2]string
	for i, name := range []string{base, head} {
		if owner, ref, other := strings.Cut(name, ":"); other && strings.EqualFold(owner, t.cfg.Owner) {
			name = ref
		}
		sha, err := gitstore.Resolve(ctx, t.cfg.Refs, name)
		if err != nil {
			return trouble(err)
		}
		ends[i] = sha
	}
	common, err := t.cfg.Refs.MergeBase(ctx, ends[0], ends[1])
	if errors.Is(err, gitstore.ErrNotFound) {
		return fail(http.StatusNotFound, "No common ancestor between "+base+" and "+head+".")
	}
	if err != nil {
		return trouble(err)
	}
	ahead, err := t.cfg.Refs.Ahead(ctx, ends[0], ends[1])
	if err != nil {
		return trouble(err)
	}
	behind, err := t.cfg.Refs.Ahead(ctx, ends[1], ends[0])
	if err != nil {
		return trouble(err)
	}
	body, err := t.comparison(c, ends, common, ahead)
	if err != nil {
		return trouble(err)
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
	return ok(body)
}

// comparison is the part of a comparison that reads objects. Commits beyond the bound are left out, oldest kept.
func (t *Twin) comparison(c *call, ends [2]string, common string, ahead []string) (object, error) {
	files, err := t.changed(c, common, ends[1])
	if err != nil {
		return nil, err
	}
	wanted := append([]string{ends[0], common}, ahead[:min(len(ahead), maxCompareCommits)]...)
	commits := []object{}
	for _, sha := range wanted {
		k, err := t.cfg.Refs.Commit(c.Context(), sha)
		if err != nil {
			return nil, err
		}
		commits = append(commits, t.commit(c, k))
	}
	span := ends[0] + "..." + ends[1]
	html := c.urls.html + "/compare/" + span
	return object{
		"url": c.urls.repo + "/compare/" + span, "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": commits[0], "merge_base_commit": commits[1], "commits": commits[2:], "files": files,
	}, nil
}

func (t *Twin) getContents(c *call) reply {
	ref := c.URL.Query().Get("ref")
	if ref == "" {
		ref = t.cfg.DefaultBranch
	}
	tree, err := t.treeAt(c.Context(), ref)
	if errors.Is(err, gitstore.ErrNotFound) {
		return fail(http.StatusNotFound, "No commit found for the ref "+ref)
	}
	if err != nil {
		return trouble(err)
	}
	wanted := strings.Trim(c.params["path"], "/")
	if i := slices.IndexFunc(tree, func(e gitstore.Entry) bool { return e.Path == wanted }); i >= 0 {
		return t.file(c, ref, tree[i])
	}
	if list := folder(c, ref, wanted, tree); len(list) > 0 {
		return ok(list)
	}
	return notFound()
}

func (t *Twin) treeAt(ctx context.Context, ref string) ([]gitstore.Entry, error) {
	sha, err := gitstore.Resolve(ctx, t.cfg.Refs, ref)
	if err != nil {
		return nil, err
	}
	return t.cfg.Refs.Tree(ctx, sha)
}

func (t *Twin) file(c *call, ref string, e gitstore.Entry) reply {
	body := c.entry(ref, e, kind(e.Mode))
	if kind(e.Mode) == "submodule" {
		body["submodule_git_url"] = c.urls.html // where it really lives is in .gitmodules, which nobody here reads
		return ok(body)
	}
	content, err := t.cfg.Refs.Blob(c.Context(), e.SHA)
	if err != nil {
		return trouble(err)
	}
	if kind(e.Mode) == "symlink" {
		body["target"] = string(content)
		return ok(body)
	}
	if strings.Contains(c.Header.Get("Accept"), "raw") {
		return reply{status: http.StatusOK, body: content, header: map[string]string{"Content-Type": "application/vnd.github.raw; charset=utf-8"}}
	}
	body["encoding"], body["content"] = "base64", wrapped(content)
	if len(content) > 1<<20 { // larger files come only as raw
		body["encoding"], body["content"] = "none", ""
	}
	return ok(body)
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

func (c *call) entry(ref string, e gitstore.Entry, typ string) object {
	self := c.urls.repo + "/contents/" + escape(e.Path) + "?ref=" + escape(ref)
	page := c.urls.html + "/blob/" + escape(ref) + "/" + escape(e.Path)
	git := c.urls.repo + "/git/blobs/" + e.SHA
	var download any
	switch typ {
	case "dir":
		page, git = c.urls.html+"/tree/"+escape(ref)+"/"+escape(e.Path), c.urls.repo+"/git/trees/"+e.SHA
	case "file", "symlink":
		download = c.urls.html + "/raw/" + strings.ReplaceAll(escape(ref), "/", "%2F") + "/" + escape(e.Path)
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
			out = append(out, c.entry(ref, e, kind(e.Mode)))
		} else if !seen[name] {
			seen[name] = true
			out = append(out, c.entry(ref, gitstore.Entry{Path: prefix + name, Mode: "040000", SHA: gitstore.Zero}, "dir"))
		}
	}
	return out
}

// rawFile serves what download_url names, for those who may read the repository.
func (t *Twin) rawFile(c *call) reply {
	if rep := t.allowed(c, "contents", "read"); rep.status != 0 {
		return notFound()
	}
	commit, err := gitstore.Resolve(c.Context(), t.cfg.Refs, c.params["ref"])
	if err != nil {
		return trouble(err)
	}
	content, err := gitstore.File(c.Context(), t.cfg.Refs, commit, c.params["path"])
	if err != nil {
		return trouble(err)
	}
	return reply{status: http.StatusOK, body: content, header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}
}

package githubgit

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

func refObject(c *call, r gitstore.Ref) object {
	return object{
		"ref": r.Name, "node_id": githubapi.NodeID("Ref", r.Name), "url": c.URLs.Repo + "/git/" + githubapi.Escape(r.Name),
		"object": object{"type": r.Type, "sha": r.Object, "url": c.URLs.Repo + "/git/" + r.Type + "s/" + r.Object},
	}
}

// GetRef answers GET git/ref/{ref}.
func (g *Git) GetRef(c *call) reply {
	r, err := g.refs.Ref(c.Context(), "refs/"+c.Params["ref"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.OK(refObject(c, r))
}

// MatchingRefs answers GET git/matching-refs/{ref}: all at once, since this list has no pages.
func (g *Git) MatchingRefs(c *call) reply {
	refs, err := g.refs.Refs(c.Context())
	if err != nil {
		return githubapi.Trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		if strings.HasPrefix(r.Name, "refs/"+c.Params["ref"]) {
			out = append(out, refObject(c, r))
		}
	}
	return githubapi.OK(out)
}

// CreateRef answers POST git/refs.
func (g *Git) CreateRef(c *call) reply {
	var in struct{ Ref, SHA string }
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if !strings.HasPrefix(in.Ref, "refs/") || strings.Count(in.Ref, "/") < 2 || !ValidRef(in.Ref) {
		return githubapi.Unprocessable("Reference name is not valid: it must start with 'refs/' and have at least two slashes.")
	}
	switch _, err := g.refs.Ref(c.Context(), in.Ref); {
	case err == nil:
		return githubapi.Unprocessable("Reference already exists")
	case !errors.Is(err, gitstore.ErrNotFound):
		return githubapi.Trouble(err)
	}
	if rep := g.SetRef(c, in.Ref, "", in.SHA); rep.Status != 0 {
		return rep
	}
	g.site.Wrote("create-ref", "%s %s", in.Ref, in.SHA)
	r, err := g.refs.Ref(c.Context(), in.Ref)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.Created(refObject(c, r))
}

// ValidRef is the part of git check-ref-format that matters for names people type.
func ValidRef(name string) bool {
	return !strings.ContainsAny(name, " ~^:?*[\\\x7f") && !strings.Contains(name, "..") && !strings.Contains(name, "//") &&
		!strings.Contains(name, "@{") && !strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}

// SetRef moves or creates a ref under all of GitHub's rules for it. A reply with status 0 means that it was done.
func (g *Git) SetRef(c *call, name, old, target string) reply {
	ctx := c.Context()
	typ, err := g.refs.Type(ctx, target)
	if errors.Is(err, gitstore.ErrNotFound) || !gitstore.IsObjectID(target) {
		return githubapi.Unprocessable("Object does not exist")
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	if strings.HasPrefix(name, "refs/heads/") && typ != gitstore.TypeCommit {
		return githubapi.Unprocessable("Reference update failed")
	}
	if old == "" && g.ruled(name, "creation") {
		return githubapi.Unprocessable("Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n")
	}
	commit, typ, err := gitstore.Peel(ctx, g.refs, target)
	if err != nil {
		return githubapi.Trouble(err)
	}
	if typ == gitstore.TypeCommit {
		if rep, err := g.WorkflowTrap(c, commit, http.StatusForbidden); err != nil || rep.Status != 0 {
			return githubapi.OrTrouble(rep, err)
		}
	}
	switch err := g.refs.SetRef(ctx, name, old, target); {
	case errors.Is(err, gitstore.ErrConflict):
		return githubapi.Unprocessable("Reference update failed")
	case err != nil:
		return githubapi.Trouble(err)
	}
	return githubapi.OrTrouble(reply{}, g.moved(ctx, update{Ref: name, Before: old, After: target}))
}

func (g *Git) ruled(ref, typ string) bool {
	for _, r := range g.rules {
		if matched, _ := path.Match(r.Pattern, ref); matched && r.Type == typ {
			return true
		}
	}
	return false
}

// UpdateRef answers PATCH git/refs/{ref}: forward only, unless forced.
func (g *Git) UpdateRef(c *call) reply {
	var in struct {
		SHA   string
		Force bool
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	name := "refs/" + c.Params["ref"]
	old, err := g.refs.Ref(c.Context(), name)
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Unprocessable("Reference does not exist")
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	if g.frozenRef(name) {
		return githubapi.Unprocessable("Cannot update this protected ref.")
	}
	if !in.Force && gitstore.IsObjectID(in.SHA) {
		forward, err := g.fastForward(c.Context(), old.Object, in.SHA)
		if err != nil && !errors.Is(err, gitstore.ErrNotFound) {
			return githubapi.Trouble(err)
		}
		if err == nil && !forward {
			return githubapi.Unprocessable("Update is not a fast forward")
		}
	}
	if rep := g.SetRef(c, name, old.Object, in.SHA); rep.Status != 0 {
		return rep
	}
	g.site.Wrote("update-ref", "%s %s..%s", name, old.Object, in.SHA)
	moved, err := g.refs.Ref(c.Context(), name)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.OK(refObject(c, moved))
}

// fastForward reports whether everything in old is in target too.
func (g *Git) fastForward(ctx context.Context, old, target string) (bool, error) {
	if old == target {
		return true, nil
	}
	from, _, err := gitstore.Peel(ctx, g.refs, old)
	if err != nil {
		return false, err
	}
	to, _, err := gitstore.Peel(ctx, g.refs, target)
	if err != nil {
		return false, err
	}
	missing, err := g.refs.Ahead(ctx, to, from)
	return len(missing) == 0, err
}

// DeleteRef answers DELETE git/refs/{ref}.
func (g *Git) DeleteRef(c *call) reply {
	name := "refs/" + c.Params["ref"]
	old, err := g.refs.Ref(c.Context(), name)
	switch {
	case errors.Is(err, gitstore.ErrNotFound):
		return githubapi.Unprocessable("Reference does not exist")
	case err != nil:
		return githubapi.Trouble(err)
	case name == "refs/heads/"+g.site.DefaultBranch:
		return githubapi.Unprocessable("Cannot delete the default branch")
	case g.frozenRef(name):
		return githubapi.Unprocessable("Cannot delete this protected ref.")
	}
	if err := g.refs.SetRef(c.Context(), name, old.Object, ""); err != nil {
		return githubapi.Trouble(err)
	}
	g.site.Wrote("delete-ref", "%s %s", name, old.Object)
	return githubapi.OrTrouble(githubapi.NoContent(), g.moved(c.Context(), update{Ref: name, Before: old.Object}))
}

func tagObject(c *call, tag gitstore.Tag) object {
	return object{
		"node_id": githubapi.NodeID("Tag", tag.SHA), "tag": tag.Name, "sha": tag.SHA, "url": c.URLs.Repo + "/git/tags/" + tag.SHA, "message": tag.Message,
		"tagger":       object{"name": tag.Tagger.Name, "email": tag.Tagger.Email, "date": githubapi.Stamp(tag.Tagger.When)},
		"object":       object{"type": tag.Type, "sha": tag.Object, "url": c.URLs.Repo + "/git/" + tag.Type + "s/" + tag.Object},
		"verification": unsigned(),
	}
}

func unsigned() object {
	return object{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

// GetTag answers GET git/tags/{sha}.
func (g *Git) GetTag(c *call) reply {
	tag, err := g.refs.Tag(c.Context(), c.Params["sha"])
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.OK(tagObject(c, tag))
}

// CreateTag answers POST git/tags: it makes the object and no ref.
func (g *Git) CreateTag(c *call) reply {
	var in struct {
		Tag, Message, Object, Type string
		Tagger                     struct{ Name, Email string }
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if typ, err := g.refs.Type(c.Context(), in.Object); err != nil || typ != in.Type {
		return githubapi.Unprocessable("Object does not exist or is of another type")
	}
	tagger := gitstore.Signature{Name: in.Tagger.Name, Email: in.Tagger.Email, When: githubapi.Now()}
	if tagger.Name == "" {
		tagger = g.signature()
	}
	sha, err := g.refs.CreateTag(c.Context(), gitstore.Tag{Name: in.Tag, Message: in.Message, Object: in.Object, Type: in.Type, Tagger: tagger})
	if err != nil {
		return githubapi.Trouble(err)
	}
	g.site.Wrote("create-tag", "%s %s", in.Tag, sha)
	tag, err := g.refs.Tag(c.Context(), sha)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.Created(tagObject(c, tag))
}

func (g *Git) signature() gitstore.Signature {
	return gitstore.Signature{Name: g.site.Actor, Email: "actor@users.noreply.github.com", When: githubapi.Now()}
}

// ListTags answers GET tags.
func (g *Git) ListTags(c *call) reply {
	refs, err := g.refs.Refs(c.Context())
	if err != nil {
		return githubapi.Trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		name, isTag := strings.CutPrefix(r.Name, "refs/tags/")
		if !isTag {
			continue
		}
		commit, _, err := gitstore.Peel(c.Context(), g.refs, r.Object)
		if err != nil {
			return githubapi.Trouble(err)
		}
		out = append(out, object{
			"name": name, "node_id": githubapi.NodeID("Ref", r.Name), "commit": object{"sha": commit, "url": c.URLs.Repo + "/commits/" + commit},
			"zipball_url": c.URLs.Repo + "/zipball/" + githubapi.Escape(r.Name), "tarball_url": c.URLs.Repo + "/tarball/" + githubapi.Escape(r.Name),
		})
	}
	out, header := githubapi.Page(c, out)
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

// ListBranches answers GET branches.
func (g *Git) ListBranches(c *call) reply {
	refs, err := g.refs.Refs(c.Context())
	if err != nil {
		return githubapi.Trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		if name, isBranch := strings.CutPrefix(r.Name, "refs/heads/"); isBranch {
			out = append(out, object{"name": name, "protected": false, "commit": object{"sha": r.Object, "url": c.URLs.Repo + "/commits/" + r.Object}})
		}
	}
	out, header := githubapi.Page(c, out)
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

// GetBranch answers GET branches/{branch}.
func (g *Git) GetBranch(c *call) reply {
	name := c.Params["branch"]
	r, err := g.refs.Ref(c.Context(), "refs/heads/"+name)
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Fail(http.StatusNotFound, "Branch not found")
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	commit, err := g.refs.Commit(c.Context(), r.Object)
	if err != nil {
		return githubapi.Trouble(err)
	}
	self := c.URLs.Repo + "/branches/" + githubapi.Escape(name)
	return githubapi.OK(object{
		"name": name, "commit": g.commitObject(c, commit), "protected": false, "protection": object{"enabled": false},
		"protection_url": self + "/protection", "_links": object{"self": self, "html": c.URLs.HTML + "/tree/" + githubapi.Escape(name)},
	})
}

// GetRules answers GET rules/branches/{branch}, also for a branch that does not exist.
func (g *Git) GetRules(c *call) reply {
	out := []object{}
	for i, r := range g.rules {
		if matched, _ := path.Match(r.Pattern, "refs/heads/"+c.Params["branch"]); !matched {
			continue
		}
		rule := object{"type": r.Type, "ruleset_source_type": "Repository", "ruleset_source": g.site.Owner + "/" + g.site.Repo, "ruleset_id": i + 1}
		if r.Parameters != nil {
			rule["parameters"] = r.Parameters
		}
		out = append(out, rule)
	}
	out, header := githubapi.Page(c, out)
	return reply{Status: http.StatusOK, Body: out, Header: header}
}

// frozenRef reports whether a ref is a tag that may neither move nor go.
func (g *Git) frozenRef(ref string) bool {
	tag, isTag := strings.CutPrefix(ref, "refs/tags/")
	return isTag && g.frozen(tag)
}

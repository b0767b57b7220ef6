package githubtwin

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

func (c *call) ref(r gitstore.Ref) object {
	return object{
		"ref": r.Name, "node_id": nodeID("Ref", r.Name), "url": c.urls.repo + "/git/" + escape(r.Name),
		"object": object{"type": r.Type, "sha": r.Object, "url": c.urls.repo + "/git/" + r.Type + "s/" + r.Object},
	}
}

func (t *Twin) getRef(c *call) reply {
	r, err := t.cfg.Refs.Ref(c.Context(), "refs/"+c.params["ref"])
	if err != nil {
		return trouble(err)
	}
	return ok(c.ref(r))
}

func (t *Twin) matchingRefs(c *call) reply {
	refs, err := t.cfg.Refs.Refs(c.Context())
	if err != nil {
		return trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		if strings.HasPrefix(r.Name, "refs/"+c.params["ref"]) {
			out = append(out, c.ref(r))
		}
	}
	out, header := page(c, out)
	return reply{status: http.StatusOK, body: out, header: header}
}

func (t *Twin) createRef(c *call) reply {
	var in struct{ Ref, SHA string }
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if !strings.HasPrefix(in.Ref, "refs/") || strings.Count(in.Ref, "/") < 2 || !validRef(in.Ref) {
		return unprocessable("Reference name is not valid: it must start with 'refs/' and have at least two slashes.")
	}
	switch _, err := t.cfg.Refs.Ref(c.Context(), in.Ref); {
	case err == nil:
		return unprocessable("Reference already exists")
	case !errors.Is(err, gitstore.ErrNotFound):
		return trouble(err)
	}
	if rep := t.setRef(c, in.Ref, "", in.SHA); rep.status != 0 {
		return rep
	}
	t.wrote("create-ref", "%s %s", in.Ref, in.SHA)
	r, err := t.cfg.Refs.Ref(c.Context(), in.Ref)
	if err != nil {
		return trouble(err)
	}
	return created(c.ref(r))
}

// validRef is the part of git check-ref-format that matters for names people type.
func validRef(name string) bool {
	return !strings.ContainsAny(name, " ~^:?*[\\\x7f") && !strings.Contains(name, "..") && !strings.Contains(name, "//") &&
		!strings.Contains(name, "@{") && !strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}

// setRef moves or creates a ref under all of GitHub's rules for it. A reply with status 0 means that it was done.
func (t *Twin) setRef(c *call, name, old, target string) reply {
	ctx := c.Context()
	typ, err := t.cfg.Refs.Type(ctx, target)
	if errors.Is(err, gitstore.ErrNotFound) || !gitstore.IsObjectID(target) {
		return unprocessable("Object does not exist")
	}
	if err != nil {
		return trouble(err)
	}
	if strings.HasPrefix(name, "refs/heads/") && typ != gitstore.TypeCommit {
		return unprocessable("Reference update failed")
	}
	if old == "" && t.ruled(name, "creation") {
		return unprocessable("Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n")
	}
	commit, typ, err := gitstore.Peel(ctx, t.cfg.Refs, target)
	if err != nil {
		return trouble(err)
	}
	if typ == gitstore.TypeCommit {
		if rep, err := t.workflowTrap(c, commit, http.StatusForbidden); err != nil || rep.status != 0 {
			return orTrouble(rep, err)
		}
	}
	switch err := t.cfg.Refs.SetRef(ctx, name, old, target); {
	case errors.Is(err, gitstore.ErrConflict):
		return unprocessable("Reference update failed")
	case err != nil:
		return trouble(err)
	}
	return orTrouble(reply{}, t.moved(ctx, update{Ref: name, Before: old, After: target}))
}

func orTrouble(rep reply, err error) reply {
	if err != nil {
		return trouble(err)
	}
	return rep
}

func (t *Twin) ruled(ref, typ string) bool {
	for _, r := range t.cfg.Rules {
		if matched, _ := path.Match(r.Pattern, ref); matched && r.Type == typ {
			return true
		}
	}
	return false
}

func (t *Twin) updateRef(c *call) reply {
	var in struct {
		SHA   string
		Force bool
	}
	if rep, good := c.decode(&in); !good {
		return rep
	}
	name := "refs/" + c.params["ref"]
	old, err := t.cfg.Refs.Ref(c.Context(), name)
	if errors.Is(err, gitstore.ErrNotFound) {
		return unprocessable("Reference does not exist")
	}
	if err != nil {
		return trouble(err)
	}
	if t.frozen(name) {
		return unprocessable("Cannot update this protected ref.")
	}
	if !in.Force && gitstore.IsObjectID(in.SHA) {
		forward, err := t.fastForward(c.Context(), old.Object, in.SHA)
		if err != nil && !errors.Is(err, gitstore.ErrNotFound) {
			return trouble(err)
		}
		if err == nil && !forward {
			return unprocessable("Update is not a fast forward")
		}
	}
	if rep := t.setRef(c, name, old.Object, in.SHA); rep.status != 0 {
		return rep
	}
	t.wrote("update-ref", "%s %s..%s", name, old.Object, in.SHA)
	moved, err := t.cfg.Refs.Ref(c.Context(), name)
	if err != nil {
		return trouble(err)
	}
	return ok(c.ref(moved))
}

// fastForward reports whether everything in old is in target too.
func (t *Twin) fastForward(ctx context.Context, old, target string) (bool, error) {
	if old == target {
		return true, nil
	}
	from, _, err := gitstore.Peel(ctx, t.cfg.Refs, old)
	if err != nil {
		return false, err
	}
	to, _, err := gitstore.Peel(ctx, t.cfg.Refs, target)
	if err != nil {
		return false, err
	}
	missing, err := t.cfg.Refs.Ahead(ctx, to, from)
	return len(missing) == 0, err
}

func (t *Twin) deleteRef(c *call) reply {
	name := "refs/" + c.params["ref"]
	old, err := t.cfg.Refs.Ref(c.Context(), name)
	switch {
	case errors.Is(err, gitstore.ErrNotFound):
		return unprocessable("Reference does not exist")
	case err != nil:
		return trouble(err)
	case name == "refs/heads/"+t.cfg.DefaultBranch:
		return unprocessable("Cannot delete the default branch")
	case t.frozen(name):
		return unprocessable("Cannot delete this protected ref.")
	}
	if err := t.cfg.Refs.SetRef(c.Context(), name, old.Object, ""); err != nil {
		return trouble(err)
	}
	t.wrote("delete-ref", "%s %s", name, old.Object)
	return orTrouble(noContent(), t.moved(c.Context(), update{Ref: name, Before: old.Object}))
}

// frozen reports whether a tag belongs to a published immutable release: such tags neither move nor go.
func (t *Twin) frozen(ref string) bool {
	tag, isTag := strings.CutPrefix(ref, "refs/tags/")
	if !isTag {
		return false
	}
	for _, r := range t.releases {
		if r.immutable && r.tag == tag {
			return true
		}
	}
	return false
}

func (c *call) tag(tag gitstore.Tag) object {
	return object{
		"node_id": nodeID("Tag", tag.SHA), "tag": tag.Name, "sha": tag.SHA, "url": c.urls.repo + "/git/tags/" + tag.SHA, "message": tag.Message,
		"tagger":       object{"name": tag.Tagger.Name, "email": tag.Tagger.Email, "date": stamp(tag.Tagger.When)},
		"object":       object{"type": tag.Type, "sha": tag.Object, "url": c.urls.repo + "/git/" + tag.Type + "s/" + tag.Object},
		"verification": unsigned(),
	}
}

func unsigned() object {
	return object{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

func (t *Twin) getTag(c *call) reply {
	tag, err := t.cfg.Refs.Tag(c.Context(), c.params["sha"])
	if err != nil {
		return trouble(err)
	}
	return ok(c.tag(tag))
}

func (t *Twin) createTag(c *call) reply {
	var in struct {
		Tag, Message, Object, Type string
		Tagger                     struct{ Name, Email string }
	}
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if typ, err := t.cfg.Refs.Type(c.Context(), in.Object); err != nil || typ != in.Type {
		return unprocessable("Object does not exist or is of another type")
	}
	tagger := gitstore.Signature{Name: in.Tagger.Name, Email: in.Tagger.Email, When: now()}
	if tagger.Name == "" {
		tagger = t.signature()
	}
	sha, err := t.cfg.Refs.CreateTag(c.Context(), gitstore.Tag{Name: in.Tag, Message: in.Message, Object: in.Object, Type: in.Type, Tagger: tagger})
	if err != nil {
		return trouble(err)
	}
	t.wrote("create-tag", "%s %s", in.Tag, sha)
	tag, err := t.cfg.Refs.Tag(c.Context(), sha)
	if err != nil {
		return trouble(err)
	}
	return created(c.tag(tag))
}

func (t *Twin) signature() gitstore.Signature {
	return gitstore.Signature{Name: t.cfg.Actor, Email: "actor@users.noreply.github.com", When: now()}
}

func (t *Twin) listTags(c *call) reply {
	refs, err := t.cfg.Refs.Refs(c.Context())
	if err != nil {
		return trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		name, isTag := strings.CutPrefix(r.Name, "refs/tags/")
		if !isTag {
			continue
		}
		commit, _, err := gitstore.Peel(c.Context(), t.cfg.Refs, r.Object)
		if err != nil {
			return trouble(err)
		}
		out = append(out, object{
			"name": name, "node_id": nodeID("Ref", r.Name), "commit": object{"sha": commit, "url": c.urls.repo + "/commits/" + commit},
			"zipball_url": c.urls.repo + "/zipball/" + escape(r.Name), "tarball_url": c.urls.repo + "/tarball/" + escape(r.Name),
		})
	}
	out, header := page(c, out)
	return reply{status: http.StatusOK, body: out, header: header}
}

func (t *Twin) listBranches(c *call) reply {
	refs, err := t.cfg.Refs.Refs(c.Context())
	if err != nil {
		return trouble(err)
	}
	out := []object{}
	for _, r := range refs {
		if name, isBranch := strings.CutPrefix(r.Name, "refs/heads/"); isBranch {
			out = append(out, object{"name": name, "protected": false, "commit": object{"sha": r.Object, "url": c.urls.repo + "/commits/" + r.Object}})
		}
	}
	out, header := page(c, out)
	return reply{status: http.StatusOK, body: out, header: header}
}

func (t *Twin) getBranch(c *call) reply {
	name := c.params["branch"]
	r, err := t.cfg.Refs.Ref(c.Context(), "refs/heads/"+name)
	if errors.Is(err, gitstore.ErrNotFound) {
		return fail(http.StatusNotFound, "Branch not found")
	}
	if err != nil {
		return trouble(err)
	}
	commit, err := t.cfg.Refs.Commit(c.Context(), r.Object)
	if err != nil {
		return trouble(err)
	}
	self := c.urls.repo + "/branches/" + escape(name)
	return ok(object{
		"name": name, "commit": t.commit(c, commit), "protected": false, "protection": object{"enabled": false},
		"protection_url": self + "/protection", "_links": object{"self": self, "html": c.urls.html + "/tree/" + escape(name)},
	})
}

func (t *Twin) getRules(c *call) reply {
	out := []object{}
	for i, r := range t.cfg.Rules {
		if matched, _ := path.Match(r.Pattern, "refs/heads/"+c.params["branch"]); !matched {
			continue
		}
		rule := object{"type": r.Type, "ruleset_source_type": "Repository", "ruleset_source": t.cfg.Owner + "/" + t.cfg.Repo, "ruleset_id": i + 1}
		if r.Parameters != nil {
			rule["parameters"] = r.Parameters
		}
		out = append(out, rule)
	}
	out, header := page(c, out)
	return reply{status: http.StatusOK, body: out, header: header}
}

func (t *Twin) getImmutable(*call) reply {
	if !t.cfg.Immutable {
		return notFound()
	}
	return ok(object{"enabled": true, "enforced_by_owner": false})
}

package forge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Tag is a tag as GitHub has it. Object is what the ref points at, Commit what remains after peeling; they are the same
// for a lightweight tag. At is when an annotated tag was made, zero for a lightweight one.
type Tag struct {
	Name      string
	Object    string
	Commit    string
	Annotated bool
	At        time.Time
}

// peelDepth bounds how many tags of tags are followed.
const peelDepth = 8

// Tag returns the tag with exactly this name, without "refs/tags/"; annotated tags, also tags of tags, are peeled.
// An absent tag is NotFound; a tag of a tree or a blob is Refused.
//
// https://docs.github.com/en/rest/git/refs#get-a-reference, https://docs.github.com/en/rest/git/tags#get-a-tag
func (c *Client) Tag(ctx context.Context, name string) (Tag, error) {
	op := "get tag " + name
	obj, err := c.ref(ctx, op, "tags/"+name)
	if err != nil {
		return Tag{}, err
	}
	t := Tag{Name: name, Object: obj.GetSHA()}
	for depth := 0; obj.GetType() == "tag"; depth++ {
		if depth == peelDepth {
			return Tag{}, c.wire.Malformed(op, fmt.Sprintf("more than %d tags on top of each other", peelDepth))
		}
		var tag github.Tag
		_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/tags/" + wire.Segments(obj.GetSHA()), Out: &tag})
		if err != nil {
			return Tag{}, err
		}
		if !t.Annotated {
			t.Annotated, t.At = true, tag.GetTagger().GetDate().Time
		}
		if obj = tag.GetObject(); obj.GetSHA() == "" {
			return Tag{}, c.wire.Malformed(op, "tag object without a target")
		}
	}
	if obj.GetType() != "commit" {
		return Tag{}, c.wire.Refuse(op, "the tag points at a "+obj.GetType()+", want a commit")
	}
	t.Commit = obj.GetSHA()
	return t, nil
}

// TagNames lists all tags by name, without "refs/tags/".
//
// https://docs.github.com/en/rest/git/refs#list-matching-references
func (c *Client) TagNames(ctx context.Context) ([]string, error) {
	var list []github.Reference
	if _, err := c.wire.Do(ctx, wire.Call{Op: "list tags", Method: http.MethodGet, Path: c.wire.Root() + "/git/matching-refs/tags/", Out: &list}); err != nil {
		return nil, err
	}
	var out []string
	for _, r := range list {
		if name, ok := strings.CutPrefix(r.GetRef(), "refs/tags/"); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// CommitDate returns when a commit was made by its committer.
//
// https://docs.github.com/en/rest/commits/commits#get-a-commit
func (c *Client) CommitDate(ctx context.Context, sha string) (time.Time, error) {
	var out github.RepositoryCommit
	op := "get commit " + sha
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/commits/" + wire.Segments(sha), Out: &out}); err != nil {
		return time.Time{}, err
	}
	at := out.GetCommit().GetCommitter().GetDate().Time
	if at.IsZero() {
		return at, c.wire.Malformed(op, "commit without a date")
	}
	return at, nil
}

// Branch returns the commit a branch points at. An absent branch is NotFound.
//
// https://docs.github.com/en/rest/git/refs#get-a-reference
func (c *Client) Branch(ctx context.Context, name string) (sha string, err error) {
	obj, err := c.ref(ctx, "get branch "+name, "heads/"+name)
	if err != nil {
		return "", err
	}
	return obj.GetSHA(), nil
}

// ref reads one ref by its exact name. The comparison guards against servers whose answer is a ref that only starts
// with the name, as GitHub's older git/refs endpoint does.
func (c *Client) ref(ctx context.Context, op, name string) (*github.GitObject, error) {
	var ref github.Reference
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/ref/" + wire.Segments(name), Out: &ref})
	if err != nil {
		return nil, err
	}
	if got := ref.GetRef(); got != "refs/"+name {
		return nil, &Error{Op: op + " in " + c.wire.Slug(), Class: NotFound, Message: fmt.Sprintf("got %q, want refs/%s", got, name)}
	}
	if ref.GetObject().GetSHA() == "" {
		return nil, c.wire.Malformed(op, "ref without an object")
	}
	return ref.GetObject(), nil
}

// CreateBranch makes a branch at a commit. A branch that exists, wherever it points, is Conflict: look where it points.
// Denied with Accepted "...workflows=write" means that the commit's workflow files differ from those of the default
// branch, which the GITHUB_TOKEN of a workflow can never be allowed.
//
// https://docs.github.com/en/rest/git/refs#create-a-reference
func (c *Client) CreateBranch(ctx context.Context, name, sha string) error {
	return c.createRef(ctx, "create branch "+name, "heads/"+name, sha)
}

// CreateTag makes a lightweight tag at a commit, or an annotated one if sha is that of a tag object. The errors are those
// of CreateBranch.
//
// https://docs.github.com/en/rest/git/refs#create-a-reference
func (c *Client) CreateTag(ctx context.Context, name, sha string) error {
	return c.createRef(ctx, "create tag "+name, "tags/"+name, sha)
}

// Annotation is an annotated tag that is to be made.
type Annotation struct {
	Name, Message, Commit string
	Tagger, Email         string
	At                    time.Time
}

// Annotate makes a tag object and returns its hash. No ref points to it yet: that is CreateTag's.
//
// https://docs.github.com/en/rest/git/tags#create-a-tag-object
func (c *Client) Annotate(ctx context.Context, a Annotation) (sha string, err error) {
	op := "make tag object " + a.Name
	in := map[string]any{
		"tag": a.Name, "message": a.Message, "object": a.Commit, "type": "commit",
		"tagger": map[string]string{"name": a.Tagger, "email": a.Email, "date": a.At.UTC().Format(time.RFC3339)},
	}
	var tag github.Tag
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: c.wire.Root() + "/git/tags", Body: in, Out: &tag, Create: true}); err != nil {
		return "", err
	}
	if tag.GetSHA() == "" {
		return "", c.wire.Malformed(op, "tag object without a hash")
	}
	return tag.GetSHA(), nil
}

func (c *Client) createRef(ctx context.Context, op, name, sha string) error {
	in := map[string]string{"ref": "refs/" + name, "sha": sha}
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: c.wire.Root() + "/git/refs", Body: in, Create: true})
	if e, ok := err.(*Error); ok && e.Status == http.StatusUnprocessableEntity {
		// "Reference already exists" carries no code, so its existence is looked up.
		if _, look := c.ref(ctx, op, name); look == nil {
			e.Class = Conflict
		}
	}
	return err
}

// UpdateTag moves an existing tag to sha, by force. An absent tag is NotFound.
//
// https://docs.github.com/en/rest/git/refs#update-a-reference
func (c *Client) UpdateTag(ctx context.Context, name, sha string) error {
	op := "move tag " + name
	in := map[string]any{"sha": sha, "force": true}
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPatch, Path: c.wire.Root() + "/git/refs/" + wire.Segments("tags/"+name), Body: in})
	return c.refMissing(ctx, op, "tags/"+name, err)
}

// UpsertTag makes the tag point at sha, whether it exists or not.
func (c *Client) UpsertTag(ctx context.Context, name, sha string) error {
	err := c.UpdateTag(ctx, name, sha)
	if IsNotFound(err) {
		return c.CreateTag(ctx, name, sha)
	}
	return err
}

// DeleteTag removes a tag. An absent tag is NotFound.
//
// https://docs.github.com/en/rest/git/refs#delete-a-reference
func (c *Client) DeleteTag(ctx context.Context, name string) error {
	return c.deleteRef(ctx, "delete tag "+name, "tags/"+name)
}

// DeleteBranch removes a branch. An absent branch is NotFound.
//
// https://docs.github.com/en/rest/git/refs#delete-a-reference
func (c *Client) DeleteBranch(ctx context.Context, name string) error {
	return c.deleteRef(ctx, "delete branch "+name, "heads/"+name)
}

func (c *Client) deleteRef(ctx context.Context, op, name string) error {
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodDelete, Path: c.wire.Root() + "/git/refs/" + wire.Segments(name)})
	return c.refMissing(ctx, op, name, err)
}

// refMissing tells the two meanings of a failed write to a ref apart by looking: GitHub answers 422 for an absent ref
// and for one that it will not change, and 404 also where only a permission is missing.
func (c *Client) refMissing(ctx context.Context, op, name string, err error) error {
	e, ok := err.(*Error)
	if !ok || (e.Status != http.StatusUnprocessableEntity && e.Status != http.StatusNotFound) {
		return err
	}
	switch _, look := c.ref(ctx, op, name); {
	case IsNotFound(look):
		e.Class = NotFound
	case look == nil && e.Status == http.StatusNotFound:
		e.Class = Denied
	}
	return e
}

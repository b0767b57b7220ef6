package githubgit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// maxTagsPerPush is how many tags one push may hold and still make events:
// https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#push
const maxTagsPerPush = 3

// smallBody is what a git request may hold in memory; larger ones go through a file.
const smallBody = 256 << 10

// Event is one webhook delivery that GitHub would have sent. Name is the X-GitHub-Event header.
type Event struct {
	At      time.Time
	Name    string
	Payload json.RawMessage
}

// Update is one ref of a push. An empty Before means that the push made the ref, an empty After that it deleted it.
type Update struct{ Ref, Before, After string }

type update = Update

// happening is an event whose payload is made when somebody asks for it.
type happening struct {
	at      time.Time
	name    string
	update  update
	commit  string // the peeled commit of a push
	forced  bool
	release int64
}

// Published records the event of a release that became public. Site.Mu must be held.
func (g *Git) Published(release int64) { g.happened(happening{name: "release", release: release}) }

func (g *Git) happened(h happening) {
	h.at = time.Now()
	g.happenings = append(g.happenings, h)
}

// moved records the events of one push.
func (g *Git) moved(ctx context.Context, updates ...update) error {
	tags := 0
	for _, u := range updates {
		if strings.HasPrefix(u.Ref, "refs/tags/") {
			tags++
		}
	}
	for _, u := range updates {
		if tags > maxTagsPerPush && strings.HasPrefix(u.Ref, "refs/tags/") {
			continue
		}
		h := happening{name: "push", update: u}
		if u.After != "" {
			commit, _, err := gitstore.Peel(ctx, g.refs, u.After)
			if err != nil {
				return fmt.Errorf("event of %s: %w", u.Ref, err)
			}
			h.commit = commit
		}
		if u.Before != "" && u.After != "" {
			forward, err := g.fastForward(ctx, u.Before, u.After)
			if err != nil {
				return fmt.Errorf("event of %s: %w", u.Ref, err)
			}
			h.forced = !forward
		}
		switch {
		case u.Before == "":
			g.happened(happening{name: "create", update: u})
		case u.After == "":
			g.happened(happening{name: "delete", update: u})
		}
		g.happened(h)
	}
	return nil
}

// Push moves refs as one git push does, by someone who may, and records its events. Before is looked up.
func (g *Git) Push(ctx context.Context, updates ...Update) error {
	g.site.Mu.Lock()
	defer g.site.Mu.Unlock()
	for i := range updates {
		u := &updates[i]
		r, err := g.refs.Ref(ctx, u.Ref)
		if err != nil && !errors.Is(err, gitstore.ErrNotFound) {
			return err
		}
		u.Before = r.Object
		if err := g.refs.SetRef(ctx, u.Ref, u.Before, u.After); err != nil {
			return fmt.Errorf("push %s to %s: %w", u.Ref, u.After, err)
		}
		g.site.Wrote("push", "%s %s..%s", u.Ref, u.Before, u.After)
	}
	return g.moved(ctx, updates...)
}

// PushTag pushes a lightweight tag.
func (g *Git) PushTag(ctx context.Context, name, commit string) error {
	return g.Push(ctx, Update{Ref: "refs/tags/" + name, After: commit})
}

// PushAnnotatedTag makes a tag object and pushes it.
func (g *Git) PushAnnotatedTag(ctx context.Context, name, commit, message string) error {
	object, err := g.refs.CreateTag(ctx, gitstore.Tag{Name: name, Message: message, Object: commit, Type: gitstore.TypeCommit, Tagger: g.signature()})
	if err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return g.PushTag(ctx, name, object)
}

// PushBranch pushes a branch.
func (g *Git) PushBranch(ctx context.Context, name, commit string) error {
	return g.Push(ctx, Update{Ref: "refs/heads/" + name, After: commit})
}

// Events returns what GitHub would have sent so far, in order: push, create, delete and release.
func (g *Git) Events(ctx context.Context) ([]Event, error) {
	g.site.Mu.Lock()
	defer g.site.Mu.Unlock()
	c := g.site.Insider(ctx, g.baseURL)
	var out []Event
	for _, h := range g.happenings {
		payload, err := g.payload(c, h)
		if err != nil {
			return nil, fmt.Errorf("payload of %s: %w", h.name, err)
		}
		b, err := json.Marshal(payload)
		if err != nil {
			return nil, fmt.Errorf("payload of %s: %w", h.name, err)
		}
		out = append(out, Event{At: h.at, Name: h.name, Payload: b})
	}
	return out, nil
}

func (g *Git) payload(c *call, h happening) (object, error) {
	body := object{"repository": g.site.Repository(c), "sender": g.site.User(c)}
	short := gitstore.Ref{Name: h.update.Ref}.Short()
	typ := "branch"
	if strings.HasPrefix(h.update.Ref, "refs/tags/") {
		typ = "tag"
	}
	switch h.name {
	case "create":
		body["ref"], body["ref_type"], body["master_branch"], body["description"], body["pusher_type"] = short, typ, g.site.DefaultBranch, nil, "user"
	case "delete":
		body["ref"], body["ref_type"], body["pusher_type"] = short, typ, "user"
	case "release":
		body["action"] = "published"
		if r := g.release(c, h.release); r != nil {
			body["release"] = r
		}
	case "push":
		return body, g.pushPayload(c, body, h)
	}
	return body, nil
}

// pushPayload fills in a push: after is the tag object of an annotated tag, while head_commit is always the commit.
func (g *Git) pushPayload(c *call, body object, h happening) error {
	u := h.update
	for side, sha := range map[string]string{"before": u.Before, "after": u.After} {
		if sha == "" {
			sha = gitstore.Zero
		}
		body[side] = sha
	}
	who := object{"name": g.site.Actor, "email": "actor@users.noreply.github.com"}
	body["ref"], body["base_ref"], body["pusher"] = u.Ref, nil, who
	body["created"], body["deleted"], body["forced"] = u.Before == "", u.After == "", h.forced
	body["compare"] = fmt.Sprintf("%s/compare/%.12s...%.12s", c.URLs.HTML, body["before"], body["after"])
	body["commits"], body["head_commit"] = []object{}, nil
	repository := body["repository"].(object) // push events count these in seconds
	repository["created_at"], repository["pushed_at"], repository["master_branch"] = g.site.Born.Unix(), h.at.Unix(), g.site.DefaultBranch
	if h.commit == "" {
		return nil
	}
	k, err := g.refs.Commit(c.Context(), h.commit)
	if err != nil {
		return err
	}
	head := object{
		"id": k.SHA, "tree_id": k.Tree, "distinct": true, "message": k.Message, "timestamp": githubapi.Stamp(k.Committer.When), "url": c.URLs.HTML + "/commit/" + k.SHA,
		"author":    object{"name": k.Author.Name, "email": k.Author.Email, "username": k.Author.Name},
		"committer": object{"name": k.Committer.Name, "email": k.Committer.Email, "username": k.Committer.Name},
		"added":     []string{}, "removed": []string{}, "modified": []string{},
	}
	body["head_commit"] = head
	if strings.HasPrefix(u.Ref, "refs/heads/") {
		body["commits"] = []object{head}
	}
	return nil
}

// smartServer is a store that can speak git over HTTP; gitstore.Bare does.
type smartServer interface {
	ServeGit(w http.ResponseWriter, r *http.Request, path, user string)
}

// SmartHTTP lets git clone, fetch and push. Reading what is public needs no token, pushing needs contents:write.
func (g *Git) SmartHTTP(c *call) reply {
	server, speaks := g.refs.(smartServer)
	service := c.Params["service"]
	if service == "" {
		service = c.URL.Query().Get("service")
	}
	if !speaks || !strings.HasSuffix(c.Params["git"], ".git") || service != "git-upload-pack" && service != "git-receive-pack" {
		return githubapi.NotFound()
	}
	level := "read"
	if service == "git-receive-pack" {
		level = "write"
	}
	if !g.site.May(c, "contents", level) {
		if c.Token != "" && (c.Known()) {
			return reply{Status: http.StatusForbidden, Body: []byte("Permission to " + g.site.Owner + "/" + g.site.Repo + ".git denied.\n")}
		}
		return reply{Status: http.StatusUnauthorized, Body: []byte("Authentication required\n"), Header: map[string]string{"WWW-Authenticate": `Basic realm="GitHub"`}}
	}
	file, err := spool(c.Request)
	if err != nil {
		return githubapi.Trouble(err)
	}
	defer file.Close()
	path := "/info/refs"
	if c.Params["service"] != "" {
		path = "/" + service
	}
	if level == "write" && c.Method == http.MethodPost {
		g.receive(c, server, path)
	} else {
		server.ServeGit(c.W, c.Request, path, g.site.Actor)
	}
	return reply{Stream: func() {}} // the answer is out already
}

// receive takes one push, under the lock, so that the refs that move are this push's.
func (g *Git) receive(c *call, server smartServer, path string) {
	g.site.Mu.Lock()
	defer g.site.Mu.Unlock()
	before, err := g.refs.Refs(c.Context())
	if err == nil {
		server.ServeGit(c.W, c.Request, path, g.site.Actor)
		// A caller that hung up after its push must not hide it.
		err = g.noticePush(context.WithoutCancel(c.Context()), before)
	}
	if err != nil {
		g.site.Wrote("push", "events lost: %v", err)
	}
}

func (g *Git) noticePush(ctx context.Context, before []gitstore.Ref) error {
	after, err := g.refs.Refs(ctx)
	if err != nil {
		return err
	}
	var updates []update
	old := map[string]string{}
	for _, r := range before {
		old[r.Name] = r.Object
	}
	for _, r := range after {
		if old[r.Name] != r.Object {
			updates = append(updates, update{Ref: r.Name, Before: old[r.Name], After: r.Object})
		}
		delete(old, r.Name)
	}
	for _, r := range before {
		if sha, gone := old[r.Name]; gone {
			updates = append(updates, update{Ref: r.Name, Before: sha})
		}
	}
	for _, u := range updates {
		g.site.Wrote("push", "%s %s..%s", u.Ref, u.Before, u.After)
	}
	return g.moved(ctx, updates...)
}

// spool takes a body in before git sees it: CGI has no chunked bodies, and a stalled push must not hold the lock.
func spool(r *http.Request) (io.Closer, error) {
	if r.Body == nil || r.Method != http.MethodPost {
		return io.NopCloser(nil), nil
	}
	if r.ContentLength >= 0 && r.ContentLength <= smallBody {
		b, err := io.ReadAll(io.LimitReader(r.Body, smallBody))
		r.Body = io.NopCloser(bytes.NewReader(b))
		return io.NopCloser(nil), err
	}
	f, err := os.CreateTemp("", "push-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil { // the open file stays readable
		return nil, errors.Join(err, f.Close())
	}
	n, err := io.Copy(f, r.Body)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.Body, r.ContentLength, r.TransferEncoding = f, n, nil
	return f, nil
}

package githubtwin

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

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// maxTagsPerPush is how many tags one push may hold and still make events:
// https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#push
const maxTagsPerPush = 3

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
	at          time.Time
	name        string
	update      update
	commit, tag string // the peeled commit of a push; the tag of a release
	forced      bool
	release     int64
}

func (t *Twin) happened(h happening) {
	h.at = time.Now()
	t.events = append(t.events, h)
}

// moved records the events of one push.
func (t *Twin) moved(ctx context.Context, updates ...update) error {
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
			commit, _, err := gitstore.Peel(ctx, t.cfg.Refs, u.After)
			if err != nil {
				return fmt.Errorf("event of %s: %w", u.Ref, err)
			}
			h.commit = commit
		}
		if u.Before != "" && u.After != "" {
			forward, err := t.fastForward(ctx, u.Before, u.After)
			if err != nil {
				return fmt.Errorf("event of %s: %w", u.Ref, err)
			}
			h.forced = !forward
		}
		switch {
		case u.Before == "":
			t.happened(happening{name: "create", update: u})
		case u.After == "":
			t.happened(happening{name: "delete", update: u})
		}
		t.happened(h)
	}
	return nil
}

// Push moves refs as one git push does, by someone who may, and records its events. Before is looked up.
func (t *Twin) Push(ctx context.Context, updates ...Update) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range updates {
		u := &updates[i]
		r, err := t.cfg.Refs.Ref(ctx, u.Ref)
		if err != nil && !errors.Is(err, gitstore.ErrNotFound) {
			return err
		}
		u.Before = r.Object
		if err := t.cfg.Refs.SetRef(ctx, u.Ref, u.Before, u.After); err != nil {
			return fmt.Errorf("push %s to %s: %w", u.Ref, u.After, err)
		}
		t.wrote("push", "%s %s..%s", u.Ref, u.Before, u.After)
	}
	return t.moved(ctx, updates...)
}

// PushTag pushes a lightweight tag.
func (t *Twin) PushTag(ctx context.Context, name, commit string) error {
	return t.Push(ctx, Update{Ref: "refs/tags/" + name, After: commit})
}

// PushAnnotatedTag makes a tag object and pushes it.
func (t *Twin) PushAnnotatedTag(ctx context.Context, name, commit, message string) error {
	object, err := t.cfg.Refs.CreateTag(ctx, gitstore.Tag{Name: name, Message: message, Object: commit, Type: gitstore.TypeCommit, Tagger: t.signature()})
	if err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return t.PushTag(ctx, name, object)
}

// PushBranch pushes a branch.
func (t *Twin) PushBranch(ctx context.Context, name, commit string) error {
	return t.Push(ctx, Update{Ref: "refs/heads/" + name, After: commit})
}

// Events returns what GitHub would have sent so far, in order: push, create, delete and release.
func (t *Twin) Events(ctx context.Context) ([]Event, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &call{Request: (&http.Request{}).WithContext(ctx), all: true, urls: t.urlsAt(t.cfg.BaseURL, false)}
	var out []Event
	for _, h := range t.events {
		payload, err := t.payload(c, h)
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

func (t *Twin) payload(c *call, h happening) (object, error) {
	body := object{"repository": t.repository(c), "sender": t.user(c)}
	short := gitstore.Ref{Name: h.update.Ref}.Short()
	typ := "branch"
	if strings.HasPrefix(h.update.Ref, "refs/tags/") {
		typ = "tag"
	}
	switch h.name {
	case "create":
		body["ref"], body["ref_type"], body["master_branch"], body["description"], body["pusher_type"] = short, typ, t.cfg.DefaultBranch, nil, "user"
	case "delete":
		body["ref"], body["ref_type"], body["pusher_type"] = short, typ, "user"
	case "release":
		body["action"] = "published"
		if r := t.releases[h.release]; r != nil {
			body["release"] = t.release(c, r)
		}
	case "push":
		return body, t.pushPayload(c, body, h)
	}
	return body, nil
}

// pushPayload fills in a push: after is the tag object of an annotated tag, while head_commit is always the commit.
func (t *Twin) pushPayload(c *call, body object, h happening) error {
	u := h.update
	for side, sha := range map[string]string{"before": u.Before, "after": u.After} {
		if sha == "" {
			sha = gitstore.Zero
		}
		body[side] = sha
	}
	who := object{"name": t.cfg.Actor, "email": "actor@users.noreply.github.com"}
	body["ref"], body["base_ref"], body["pusher"] = u.Ref, nil, who
	body["created"], body["deleted"], body["forced"] = u.Before == "", u.After == "", h.forced
	body["compare"] = fmt.Sprintf("%s/compare/%.12s...%.12s", c.urls.html, body["before"], body["after"])
	body["commits"], body["head_commit"] = []object{}, nil
	repository := body["repository"].(object) // push events count these in seconds
	repository["created_at"], repository["pushed_at"], repository["master_branch"] = t.born.Unix(), h.at.Unix(), t.cfg.DefaultBranch
	if h.commit == "" {
		return nil
	}
	k, err := t.cfg.Refs.Commit(c.Context(), h.commit)
	if err != nil {
		return err
	}
	head := object{
		"id": k.SHA, "tree_id": k.Tree, "distinct": true, "message": k.Message, "timestamp": stamp(k.Committer.When), "url": c.urls.html + "/commit/" + k.SHA,
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

// smartHTTP lets git clone, fetch and push. Reading what is public needs no token, pushing needs contents:write.
func (t *Twin) smartHTTP(c *call) reply {
	server, speaks := t.cfg.Refs.(smartServer)
	service := c.params["service"]
	if service == "" {
		service = c.URL.Query().Get("service")
	}
	if !speaks || !strings.HasSuffix(c.params["git"], ".git") || service != "git-upload-pack" && service != "git-receive-pack" {
		return notFound()
	}
	level := "read"
	if service == "git-receive-pack" {
		level = "write"
	}
	if !t.may(c, "contents", level) {
		if c.token != "" && (c.perms != nil || c.all) {
			return reply{status: http.StatusForbidden, body: []byte("Permission to " + t.cfg.Owner + "/" + t.cfg.Repo + ".git denied.\n")}
		}
		return reply{status: http.StatusUnauthorized, body: []byte("Authentication required\n"), header: map[string]string{"WWW-Authenticate": `Basic realm="GitHub"`}}
	}
	pushes := level == "write" && c.Method == http.MethodPost
	file, err := spool(c.Request)
	if err != nil {
		return trouble(err)
	}
	defer file.Close()
	if pushes {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	path := "/" + c.params["service"]
	if c.params["service"] == "" {
		path = "/info/refs"
	}
	return reply{stream: t.exchange(c, server, path, pushes)}
}

// exchange runs one git request. It is called while the lock is held for a push, so that its refs are attributed to it.
func (t *Twin) exchange(c *call, server smartServer, path string, pushes bool) func() {
	nothing := func() {}
	if !pushes {
		server.ServeGit(c.w, c.Request, path, t.cfg.Actor)
		return nothing
	}
	before, err := t.cfg.Refs.Refs(c.Context())
	if err == nil {
		server.ServeGit(c.w, c.Request, path, t.cfg.Actor)
		// A caller that hung up after its push must not hide it.
		err = t.noticePush(context.WithoutCancel(c.Context()), before)
	}
	if err != nil {
		t.wrote("push", "events lost: %v", err)
	}
	return nothing
}

func (t *Twin) noticePush(ctx context.Context, before []gitstore.Ref) error {
	after, err := t.cfg.Refs.Refs(ctx)
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
		t.wrote("push", "%s %s..%s", u.Ref, u.Before, u.After)
	}
	return t.moved(ctx, updates...)
}

// spool takes a body in before git sees it: CGI has no chunked bodies, and a stalled push must not hold the lock.
func spool(r *http.Request) (io.Closer, error) {
	if r.Body == nil || r.Method != http.MethodPost {
		return io.NopCloser(nil), nil
	}
	if r.ContentLength >= 0 && r.ContentLength <= smallAsset {
		b, err := io.ReadAll(io.LimitReader(r.Body, smallAsset))
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

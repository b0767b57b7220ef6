//go:build e2e

package contract

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	owner = "acme"
	repo  = "rocket"
)

// The tokens of both GitHubs. Writer may do all that a release needs, but not change workflow files.
const (
	writer = "writer-token"
	reader = "reader-token"
)

const releaseWorkflow = `name: Release
on:
  workflow_dispatch:
    inputs:
      tag: {required: true}
jobs: {}
`

// change is one commit of the history that both GitHubs get.
type change struct {
	name    string
	files   map[string]string
	parents []string // names
}

// large is more than the contents API gives.
var large = strings.Repeat("0123456789abcdef", 1<<16) + "end"

// history has three commits on main and one beside it, which changes a workflow.
var history = []change{
	{"first", map[string]string{"Cargo.toml": "[package]\n", "src/lib.rs": "one\n", ".github/workflows/ci.yml": "on: push\n"}, nil},
	{"second", map[string]string{"Cargo.toml": "[package]\n", "src/lib.rs": "one\ntwo\n", ".github/workflows/ci.yml": "on: push\n"}, []string{"first"}},
	{"side", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/ci.yml": "on: [push, pull_request]\n"}, []string{"first"}},
	{"third", map[string]string{"crates/core/Cargo.toml": "[package]\n", "src/lib.rs": "one\ntwo\n", "docs/a b+c.md": "Grüße\n", "large.txt": large,
		".github/workflows/ci.yml": "on: push\n", ".github/workflows/release.yml": releaseWorkflow}, []string{"second"}},
}

var branches = map[string]string{"main": "third", "side": "side"}

// world is an embedded GitHub whose every exchange is held against the description.
type world struct {
	twin    *githubtwin.Twin
	store   *gitstore.Memory
	url     string
	commits map[string]string // name -> id
}

// newWorld starts an embedded GitHub with the history on it.
func newWorld(t *testing.T, cfg githubtwin.Config) *world {
	t.Helper()
	store := gitstore.NewMemory()
	w := &world{store: store, commits: map[string]string{}}
	for _, c := range history {
		var parents []string
		for _, p := range c.parents {
			parents = append(parents, w.commits[p])
		}
		sha, err := store.AddCommit(c.name, c.files, parents...)
		if err != nil {
			t.Fatal(err)
		}
		w.commits[c.name] = sha
	}
	cfg.Owner, cfg.Repo, cfg.Refs = owner, repo, store
	if cfg.Tokens == nil {
		cfg.Tokens = map[string]githubtwin.Permissions{
			writer: {"contents": "write", "actions": "write", "issues": "read"},
			reader: {"contents": "read", "actions": "read", "issues": "read"},
		}
	}
	var err error
	if w.twin, err = githubtwin.New(cfg); err != nil {
		t.Fatal(err)
	}
	for branch, commit := range branches {
		if err := w.twin.PushBranch(t.Context(), branch, w.commits[commit]); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(seen.inspect(t, w.twin.Op, w.twin.Handler(), func(violation error) { t.Error(violation) }))
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := w.twin.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// client is the adapter with a token; "" is anonymous.
func (w *world) client(t *testing.T, token string) *forge.Client {
	t.Helper()
	return newClient(t, w.url, token)
}

func newClient(t *testing.T, url, token string) *forge.Client {
	t.Helper()
	c, err := forge.New(forge.Options{APIURL: url, Owner: owner, Repo: repo, HTTP: &http.Client{Transport: http.DefaultTransport},
		Token: func(context.Context) (secret.Value, error) {
			if token == "" {
				return secret.Value{}, nil
			}
			return secret.New(token), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// class is what an error of the adapter means, or "ok".
func class(err error) string {
	var e *forge.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, forge.ErrTruncated):
		return "truncated"
	case errors.As(err, &e):
		return e.Class.String()
	}
	return "error without a class: " + err.Error()
}

// want holds the class of an outcome.
func want(t *testing.T, what string, err error, meaning string) *forge.Error {
	t.Helper()
	if got := class(err); got != meaning {
		t.Errorf("%s: got %s (%v), want %s", what, got, err, meaning)
	}
	var e *forge.Error
	if !errors.As(err, &e) {
		e = &forge.Error{}
	}
	return e
}

// file is an upload of a text.
func file(name, content string) forge.Upload {
	return forge.Upload{Name: name, ContentType: "application/gzip", Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func ptr[T any](v T) *T { return &v }

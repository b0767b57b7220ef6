package githubtwin_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// deliberate marks a request that breaks GitHub's description on purpose.
const deliberate = "X-Deliberate"

const (
	owner = "acme"
	repo  = "rocket"
)

const releaseWorkflow = `name: Release
run-name: release ${{ inputs.tag }} (${{ github.event.inputs.nonce }})
on:
  workflow_dispatch:
    inputs:
      tag: {required: true}
      nonce: {default: none}
      mode: {type: choice, options: [dry, real], default: dry}
`

// world is a twin behind HTTP with three commits on main and one beside it.
type world struct {
	t     *testing.T
	twin  *githubtwin.Twin
	store *gitstore.Memory
	url   string
	token string
	http  *http.Client

	first, second, head, side string
}

func newWorld(t *testing.T, change ...func(*githubtwin.Config)) *world {
	t.Helper()
	w := &world{t: t, store: gitstore.NewMemory(), token: "token"}
	files := map[string]string{"Cargo.toml": "[package]\n", "src/lib.rs": "one\n", ".github/workflows/ci.yml": "on: push\n"}
	w.first = w.commit("first", files)
	files["src/lib.rs"] = "one\ntwo\n"
	w.second = w.commit("second", files, w.first)
	w.side = w.commit("side", map[string]string{"Cargo.toml": "[package]\n", ".github/workflows/ci.yml": "on: [push, pull_request]\n"}, w.first)
	files[".github/workflows/release.yml"] = releaseWorkflow
	delete(files, "Cargo.toml")
	files["crates/core/Cargo.toml"] = "[package]\n"
	w.head = w.commit("third", files, w.second)
	cfg := githubtwin.Config{Owner: owner, Repo: repo, Refs: w.store}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if w.twin, err = githubtwin.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.twin.Close() })
	for branch, commit := range map[string]string{"main": w.head, "release/v1.0.0": w.second, "side": w.side} {
		if err := w.twin.PushBranch(t.Context(), branch, commit); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(checked(t, w.twin.Handler()))
	t.Cleanup(server.Close)
	w.url, w.http = server.URL, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func (w *world) commit(message string, files map[string]string, parents ...string) string {
	w.t.Helper()
	sha, err := w.store.AddCommit(message, files, parents...)
	if err != nil {
		w.t.Fatal(err)
	}
	return sha
}

// client is go-github against the twin, as an Enterprise Server and its alias prefix where alias is "/api/v3".
func (w *world) client(alias string) *github.Client {
	c := github.NewClient(nil).WithAuthToken(w.token)
	c.BaseURL = must(url.Parse(w.url + alias + "/"))
	c.UploadURL = must(url.Parse(w.url + "/uploads/"))
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// answer is one raw answer.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// do sends one request. Headers come as "Name: value"; body is JSON, bytes or nil. A path is below the repository unless
// it starts with "//" (which is cut to "/") or "http".
func (w *world) do(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	target := w.url + "/repos/" + owner + "/" + repo + path
	if strings.HasPrefix(path, "//") {
		target = w.url + path[1:]
	} else if strings.HasPrefix(path, "http") {
		target = path
	}
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		reader = bytes.NewReader(must(json.Marshal(b)))
	}
	req := must(http.NewRequestWithContext(w.t.Context(), method, target, reader))
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header, body: must(io.ReadAll(res.Body))}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && bytes.HasPrefix(a.body, []byte("{")) {
		if err := json.Unmarshal(a.body, &a.json); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return a
}

// want sends a request and holds its status and, if given, a part of its body.
func (w *world) want(status int, part, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.do(method, path, body, headers...)
	if a.status != status || !strings.Contains(string(a.body), part) {
		w.t.Errorf("%s %s: got %d %s, want %d with %q", method, path, a.status, a.body, status, part)
	}
	return a
}

type obj = map[string]any

func (a answer) id() string { return jsonNumber(a.json["id"]) }

func jsonNumber(v any) string { return string(must(json.Marshal(v))) }

func (w *world) upload(release answer, name string, content []byte) answer {
	w.t.Helper()
	target, _, _ := strings.Cut(release.json["upload_url"].(string), "{")
	return w.do("POST", target+"?name="+url.QueryEscape(name), content, "Content-Type: application/octet-stream")
}

func (w *world) draft(tag string) answer {
	w.t.Helper()
	return w.want(201, tag, "POST", "/releases", obj{"tag_name": tag, "draft": true, "name": "Release " + tag, "body": "notes"})
}

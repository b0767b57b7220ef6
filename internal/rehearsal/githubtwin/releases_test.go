package githubtwin_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

func TestDraftToRelease(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.client("")
	draft := w.draft("v1.0.0")
	twin := w.draft("v1.0.0") // two drafts with one tag may exist
	w.want(404, "", "GET", "/releases/tags/v1.0.0", nil)
	w.want(404, "", "GET", "/releases/latest", nil)
	w.want(404, "", "GET", "/git/ref/tags/v1.0.0", nil)
	list, _, err := c.Repositories.ListReleases(ctx, owner, repo, nil)
	if err != nil || len(list) != 2 || !list[0].GetDraft() || list[0].PublishedAt != nil {
		t.Fatalf("drafts in the list: %v %v", list, err)
	}
	anonymous := github.NewClient(nil)
	anonymous.BaseURL = c.BaseURL
	if list, _, err := anonymous.Repositories.ListReleases(ctx, owner, repo, nil); err != nil || len(list) != 0 {
		t.Errorf("drafts for strangers: %v %v", list, err)
	}
	w.want(404, "", "GET", "//"+owner+"/"+repo+"/releases/tag/v1.0.0", nil)
	up := w.upload(draft, "core-1.0.0.crate", []byte("crate"))
	if up.status != 201 || up.json["state"] != "uploaded" || up.json["digest"] != fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("crate"))) {
		t.Fatalf("upload: %d %s", up.status, up.body)
	}
	w.want(404, "", "GET", "//"+owner+"/"+repo+"/releases/download/v1.0.0/core-1.0.0.crate", nil)
	w.want(200, `"draft":false`, "PATCH", "/releases/"+draft.id(), obj{"tag_name": "v1.0.0", "draft": false, "target_commitish": w.second, "body": "<script>"})
	w.want(422, "already_exists", "PATCH", "/releases/"+twin.id(), obj{"tag_name": "v1.0.0", "draft": false})
	w.want(422, "already_exists", "POST", "/releases", obj{"tag_name": "v1.0.0"})
	w.want(200, w.second, "GET", "/git/ref/tags/v1.0.0", nil)
	w.want(200, `"v1.0.0"`, "GET", "/releases/tags/v1.0.0", nil)
	w.want(200, `"v1.0.0"`, "GET", "/releases/latest", nil)
	w.want(200, "&lt;script&gt;", "GET", "//"+owner+"/"+repo+"/releases/tag/v1.0.0", nil)
	if undrafted := w.twin.Undrafted(); len(undrafted) != 1 || undrafted[0].Detail != "v1.0.0" {
		t.Errorf("undrafted: %v", undrafted)
	}
	if r, ok := w.twin.Release("v1.0.0"); !ok || r.Draft || !r.Latest || len(r.Assets) != 1 || r.PublishedAt.IsZero() {
		t.Errorf("release in the world: %+v", r)
	}
	w.want(204, "", "DELETE", "/releases/"+twin.id(), nil)
	w.want(404, "", "GET", "/releases/"+twin.id(), nil)
	w.want(200, "v1.0.0", "GET", "/git/ref/tags/v1.0.0", nil)
}

func TestReleaseInput(t *testing.T) {
	w := newWorld(t)
	w.want(422, "target_commitish", "POST", "/releases", obj{"tag_name": "v1", "target_commitish": "none"})
	w.want(422, "tag_name", "POST", "/releases", obj{"name": "x"}, deliberate+": 1")
	w.want(422, "tag_name", "POST", "/releases", obj{"tag_name": "a b"})
	w.want(422, "make_latest", "POST", "/releases", obj{"tag_name": "v1", "prerelease": true, "make_latest": "true"})
	w.want(422, "is not a", "POST", "/releases", obj{"tag_name": 7}, deliberate+": 1")
	w.want(400, "Problems parsing JSON", "POST", "/releases", []byte("{"), deliberate+": 1")
	w.want(201, "Full Changelog", "POST", "/releases", obj{"tag_name": "v1", "generate_release_notes": true})
	w.want(200, "compare/v1...v2", "POST", "/releases/generate-notes", obj{"tag_name": "v2"})
	w.want(200, "compare/v1...v2", "POST", "/releases/generate-notes", obj{"tag_name": "v2", "previous_tag_name": "v1"})
	w.want(422, "previous_tag_name", "POST", "/releases/generate-notes", obj{"tag_name": "v2", "previous_tag_name": "v0"})
	w.want(201, `"prerelease":true`, "POST", "/releases", obj{"tag_name": "v2-rc", "prerelease": true})
	w.want(200, `"tag_name":"v1"`, "GET", "/releases/latest", nil)
	w.want(201, "v0.9", "POST", "/releases", obj{"tag_name": "v0.9", "make_latest": "false"})
	w.want(200, `"tag_name":"v1"`, "GET", "/releases/latest", nil)
	w.want(201, "v2", "POST", "/releases", obj{"tag_name": "v2"})
	w.want(200, `"tag_name":"v2"`, "GET", "/releases/latest", nil)
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 65 {
		w.draft(fmt.Sprintf("v0.%d.0", i))
	}
	opt := &github.ListOptions{}
	var tags []string
	for {
		list, res, err := w.client("/api/v3").Repositories.ListReleases(t.Context(), owner, repo, opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			tags = append(tags, r.GetTagName())
		}
		if opt.Page = res.NextPage; opt.Page == 0 {
			break
		}
	}
	if len(tags) != 65 || tags[0] != "v0.64.0" || tags[64] != "v0.0.0" {
		t.Errorf("65 drafts in pages: %v", tags)
	}
	a := w.do("GET", "/releases?per_page=10&page=2", nil)
	for _, rel := range []string{`page=1&per_page=10>; rel="prev"`, `page=3&per_page=10>; rel="next"`, `page=7&per_page=10>; rel="last"`} {
		if !strings.Contains(a.header.Get("Link"), rel) {
			t.Errorf("Link %s: no %s", a.header.Get("Link"), rel)
		}
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t)
	draft := w.draft("v1.0.0")
	up := w.upload(draft, "a (b)~c.txt", []byte("content"))
	if up.json["name"] != "a.b.c.txt" {
		t.Errorf("name: %v", up.json["name"])
	}
	for given, want := range map[string]string{"x+1.crate": "x+1.crate", ".hidden": "default.hidden", "end.": "end", "ü": "default", "a/../b": "a.b"} {
		if got := w.upload(draft, given, []byte("x")).json["name"]; got != want {
			t.Errorf("name of %q: got %v, want %s", given, got, want)
		}
	}
	if again := w.upload(draft, "a b c.txt", []byte("other")); again.status != 422 || !strings.Contains(string(again.body), "already_exists") {
		t.Errorf("same name again: %d %s", again.status, again.body)
	}
	if empty := w.upload(draft, "empty", []byte{}); empty.status != 422 || !strings.Contains(string(empty.body), "size must be greater") {
		t.Errorf("empty asset: %d %s", empty.status, empty.body)
	}
	one := "/releases/assets/" + up.id()
	w.want(422, "already_exists", "PATCH", one, obj{"name": "end"})
	w.want(200, `"name":"renamed"`, "PATCH", one, obj{"name": "renamed", "label": "Label"})
	w.want(200, `"label":"Label"`, "GET", one, nil)
	w.want(204, "", "DELETE", one, nil)
	w.want(404, "", "GET", one, nil)
	var list []obj
	if err := json.Unmarshal(w.do("GET", "/releases/"+draft.id()+"/assets", nil).body, &list); err != nil || len(list) != 5 {
		t.Errorf("assets left: %v %v", list, err)
	}
}

func TestDownload(t *testing.T) {
	w := newWorld(t)
	draft := w.draft("v1.0.0")
	up := w.upload(draft, "core.crate", []byte("content"))
	one := "/releases/assets/" + up.id()
	moved := w.want(302, "", "GET", one, nil, "Accept: application/octet-stream", deliberate+": 1")
	place := moved.header.Get("Location")
	w.want(400, "Only one auth mechanism", "GET", place, nil)
	w.want(200, "content", "GET", place, nil, "Authorization: ")
	w.want(403, "", "GET", place, nil, "Authorization: ")
	body, _, err := w.client("").Repositories.DownloadReleaseAsset(t.Context(), owner, repo, int64(up.json["id"].(float64)), http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b := must(io.ReadAll(body)); string(b) != "content" {
		t.Errorf("download: %q", b)
	}
	w.want(200, "", "PATCH", "/releases/"+draft.id(), obj{"tag_name": "v1.0.0", "draft": false})
	public := w.want(302, "", "GET", "//"+owner+"/"+repo+"/releases/download/v1.0.0/core.crate", nil, "Authorization: ")
	w.want(200, "content", "GET", public.header.Get("Location"), nil, "Authorization: ")
}

func TestBrokenUpload(t *testing.T) {
	w := newWorld(t)
	draft := w.draft("v1.0.0")
	target, _, _ := strings.Cut(draft.json["upload_url"].(string), "{")
	place := must(url.Parse(target))
	conn := must(net.Dial("tcp", place.Host))
	fmt.Fprintf(conn, "POST %s?name=cut HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer token\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nhalf", place.Path, place.Host)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
	conn.Close()
	w.twin.BreakUpload("fault")
	if a := w.upload(draft, "fault", []byte("all of it")); a.status != 502 {
		t.Errorf("broken upload: %d", a.status)
	}
	r, _ := w.twin.Release("v1.0.0")
	states := map[string]string{}
	for _, a := range r.Assets {
		states[a.Name] = fmt.Sprintf("%s %d %s", a.State, a.Size, a.Digest)
	}
	if states["cut"] != "starter 0 " || states["fault"] != "starter 0 " {
		t.Errorf("states: %v", states)
	}
	if a := w.upload(draft, "fault", []byte("again")); a.status != 422 {
		t.Errorf("upload beside a starter: %d", a.status)
	}
	w.want(204, "", "DELETE", fmt.Sprintf("/releases/assets/%d", r.Assets[1].ID), nil)
	if a := w.upload(draft, r.Assets[1].Name, []byte("again")); a.status != 201 {
		t.Errorf("upload after the starter is gone: %d", a.status)
	}
}

func TestLargeAssetGoesToDisk(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *githubtwin.Config) { c.Dir, c.MaxAssetSize = dir, 1<<20 })
	draft := w.draft("v1.0.0")
	content := []byte(strings.Repeat("0123456789abcdef", 1<<15))
	if a := w.upload(draft, "large", content); a.status != 201 {
		t.Fatalf("upload: %d %s", a.status, a.body)
	}
	if a := w.upload(draft, "too-large", append(content, make([]byte, 1<<20)...)); a.status != 422 {
		t.Errorf("too large: %d", a.status)
	}
	w.upload(draft, "small", []byte("x"))
	files := must(filepath.Glob(filepath.Join(dir, "*")))
	r, _ := w.twin.Release("v1.0.0")
	if len(files) != 1 || must(os.Stat(files[0])).Size() != int64(len(content)) {
		t.Fatalf("files: %v", files)
	}
	if b := must(w.twin.AssetBytes(r.Assets[0].ID)); string(b) != string(content) {
		t.Errorf("content differs")
	}
	w.want(204, "", "DELETE", "/releases/"+draft.id(), nil)
	if files := must(filepath.Glob(filepath.Join(dir, "*"))); len(files) != 0 {
		t.Errorf("files after the release is gone: %v", files)
	}
}

func TestImmutable(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) { c.Immutable = true })
	w.want(200, `"enabled":true`, "GET", "/immutable-releases", nil)
	draft := w.draft("v1.0.0")
	up := w.upload(draft, "core.crate", []byte("content"))
	one := "/releases/" + draft.id()
	w.want(200, `"immutable":true`, "PATCH", one, obj{"tag_name": "v1.0.0", "draft": false})
	if a := w.upload(draft, "late", []byte("x")); a.status != 422 || !strings.Contains(string(a.body), "Cannot upload assets to an immutable release") {
		t.Errorf("late upload: %d %s", a.status, a.body)
	}
	w.want(422, "immutable", "DELETE", "/releases/assets/"+up.id(), nil)
	w.want(422, "immutable", "PATCH", "/releases/assets/"+up.id(), obj{"name": "x"})
	w.want(422, "immutable", "PATCH", one, obj{"tag_name": "v2.0.0"})
	w.want(200, "changed", "PATCH", one, obj{"body": "changed"})
	w.want(422, "protected", "DELETE", "/git/refs/tags/v1.0.0", nil)
	w.want(422, "protected", "PATCH", "/git/refs/tags/v1.0.0", obj{"sha": w.first, "force": true})
	w.want(204, "", "DELETE", one, nil)
	w.want(204, "", "DELETE", "/git/refs/tags/v1.0.0", nil)
	w.want(422, "tag_name was used by an immutable release", "POST", "/releases", obj{"tag_name": "v1.0.0"})
}

func TestForgottenTag(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) { c.ForgetsTags = true })
	draft := w.draft("v1.0.0")
	w.want(200, `"tag_name":"v1.0.0"`, "PATCH", "/releases/"+draft.id(), obj{"tag_name": "v1.0.0", "body": "x"})
	w.want(200, `"tag_name":"untagged-`, "PATCH", "/releases/"+draft.id(), obj{"body": "x"})
}

func TestOpNames(t *testing.T) {
	w := newWorld(t)
	draft := w.draft("v1.0.0")
	up := w.upload(draft, "core.crate", []byte("x"))
	base := "/repos/" + owner + "/" + repo
	for line, want := range map[string]string{
		"GET " + base: "get-repo",
		"GET /api/v3" + base + "/git/ref/heads/release/v1.0.0":                  "get-ref refs/heads/release/v1.0.0",
		"GET " + base + "/git/ref/heads%2Fmain":                                 "get-ref refs/heads/main",
		`POST ` + base + `/git/refs {"ref":"refs/heads/x"}`:                     "create-ref refs/heads/x",
		`POST ` + base + `/releases {"tag_name":"v1.0.0"}`:                      "create-release v1.0.0",
		"PATCH " + base + "/releases/" + draft.id():                             "update-release v1.0.0",
		"DELETE " + base + "/releases/assets/" + up.id():                        "delete-asset core.crate",
		"POST /uploads" + base + "/releases/1/assets?name=x.crate":              "upload-asset x.crate",
		"POST " + base + "/actions/workflows/release.yml/dispatches":            "dispatch release.yml",
		"GET " + base + "/compare/main...v1":                                    "compare main...v1",
		"GET /" + owner + "/" + repo + "/releases/download/v1/core.crate":       "download-asset core.crate",
		"GET /" + owner + "/" + repo + ".git/info/refs?service=git-upload-pack": "git git-upload-pack",
		"GET /repos/other/" + repo:                                              "",
		"GET " + base + "/none":                                                 "",
	} {
		head, body, _ := strings.Cut(line, " {")
		method, target, _ := strings.Cut(head, " ")
		var content io.Reader
		if body != "" {
			content = iotest.OneByteReader(strings.NewReader("{" + body))
		}
		r := must(http.NewRequest(method, "http://x"+target, content))
		if r.Body == nil {
			r.Body = http.NoBody
		}
		if got := w.twin.Op(r); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
		if rest := must(io.ReadAll(r.Body)); body != "" && string(rest) != "{"+body {
			t.Errorf("%s: body after naming: %q", line, rest)
		}
	}
	if counts := w.twin.Requests(); counts["create-release"] != 1 || counts["upload-asset"] != 1 {
		t.Errorf("counts: %v", counts)
	}
	ops := []string{}
	for _, x := range w.twin.Writes() {
		ops = append(ops, x.Op)
	}
	if !slices.Equal(ops, []string{"push", "push", "push", "create-release", "upload-asset"}) {
		t.Errorf("writes: %v", ops)
	}
}

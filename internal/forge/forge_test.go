package forge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/secret"
)

// hub plays GitHub: each pattern of a ServeMux gives one answer, and what was asked is kept.
type hub struct {
	*httptest.Server
	mu  sync.Mutex
	log []string
}

// reply is an answer. {HUB} in the body or a header stands for the server's own address.
type reply struct {
	status int
	body   string
	header map[string]string
}

func ok(body string) reply               { return reply{status: 200, body: body} }
func status(code int, body string) reply { return reply{status: code, body: body} }

const missing = `{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}`

// newHub serves replies: several for one pattern are given one after the other, the last one for ever.
func newHub(t *testing.T, replies map[string][]reply) (*hub, *forge.Client) {
	t.Helper()
	h := &hub{}
	used := map[string]int{}
	mux := http.NewServeMux()
	for pattern, list := range replies {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			h.mu.Lock()
			h.log = append(h.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+strings.TrimSpace(string(body))))
			a := list[min(used[pattern], len(list)-1)]
			used[pattern]++
			h.mu.Unlock()
			for k, v := range a.header {
				w.Header().Set(k, strings.ReplaceAll(v, "{HUB}", h.URL))
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(a.status)
			io.WriteString(w, strings.ReplaceAll(a.body, "{HUB}", h.URL))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.log = append(h.log, r.Method+" "+r.URL.RequestURI())
		h.mu.Unlock()
		w.WriteHeader(404)
		io.WriteString(w, missing)
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h, client(t, forge.Options{APIURL: h.URL})
}

func client(t *testing.T, o forge.Options) *forge.Client {
	t.Helper()
	o.Owner, o.Repo = "o", "r"
	o.Token = func(context.Context) (secret.Value, error) { return secret.New("t"), nil }
	c, err := forge.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *hub) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.log...)
}

// wantClass fails unless err has the class; -1 stands for no error.
func wantClass(t *testing.T, err error, want forge.Class) {
	t.Helper()
	var e *forge.Error
	switch {
	case want == -1 && err != nil:
		t.Errorf("got %v, want no error", err)
	case want != -1 && (!errors.As(err, &e) || e.Class != want):
		t.Errorf("got %v, want class %s", err, want)
	}
}

const none forge.Class = -1

const sha, shb = "6dcb09b5b57875f334f61aebed695e2e4193db5e", "7638417db6d59f3c431d3e1f261cc637155684cd"

func object(kind, sha string) string {
	return `{"type":"` + kind + `","sha":"` + sha + `","url":"https://api.github.com/x"}`
}

func refBody(name, kind, sha string) string {
	return `{"ref":"` + name + `","node_id":"n","url":"https://api.github.com/x","object":` + object(kind, sha) + `}`
}

func tagBody(kind, sha string) string {
	return `{"node_id":"n","tag":"v1","sha":"` + sha + `","url":"u","message":"m","tagger":{"name":"a","email":"b","date":"2026-01-01T00:00:00Z"},"object":` + object(kind, sha) + `}`
}

func TestTag(t *testing.T) {
	const path = "GET /repos/o/r/git/ref/tags/v1"
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // as tagBody says
	tests := map[string]struct {
		replies map[string][]reply
		want    forge.Tag
		class   forge.Class
	}{
		"lightweight": {map[string][]reply{path: {ok(refBody("refs/tags/v1", "commit", sha))}}, forge.Tag{Name: "v1", Object: sha, Commit: sha}, none},
		"annotated": {map[string][]reply{
			path:                                  {ok(refBody("refs/tags/v1", "tag", shb))},
			"GET /repos/o/r/git/tags/" + shb + "": {ok(tagBody("commit", sha))},
		}, forge.Tag{Name: "v1", Object: shb, Commit: sha, Annotated: true, At: made}, none},
		"tag of a tag": {map[string][]reply{
			path:                         {ok(refBody("refs/tags/v1", "tag", "aa"))},
			"GET /repos/o/r/git/tags/aa": {ok(tagBody("tag", "bb"))},
			"GET /repos/o/r/git/tags/bb": {ok(tagBody("commit", sha))},
		}, forge.Tag{Name: "v1", Object: "aa", Commit: sha, Annotated: true, At: made}, none},
		"tags without end": {map[string][]reply{
			path:                         {ok(refBody("refs/tags/v1", "tag", "aa"))},
			"GET /repos/o/r/git/tags/aa": {ok(tagBody("tag", "aa"))},
		}, forge.Tag{}, forge.Refused},
		"tag of a tree":        {map[string][]reply{path: {ok(refBody("refs/tags/v1", "tree", sha))}}, forge.Tag{}, forge.Refused},
		"only a longer name":   {map[string][]reply{path: {ok(refBody("refs/tags/v1.0", "commit", sha))}}, forge.Tag{}, forge.NotFound},
		"list of longer names": {map[string][]reply{path: {ok("[" + refBody("refs/tags/v1.0", "commit", sha) + "]")}}, forge.Tag{}, forge.Refused},
		"absent":               {nil, forge.Tag{}, forge.NotFound},
		"no object":            {map[string][]reply{path: {ok(`{"ref":"refs/tags/v1"}`)}}, forge.Tag{}, forge.Refused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, c := newHub(t, tt.replies)
			got, err := c.Tag(t.Context(), "v1")
			wantClass(t, err, tt.class)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestRefWrites(t *testing.T) {
	exists := status(422, `{"message":"Reference already exists","documentation_url":"https://docs.github.com/rest/git/refs#create-a-reference","status":"422"}`)
	gone := status(422, `{"message":"Reference does not exist"}`)
	denied := reply{404, missing, map[string]string{"X-Accepted-GitHub-Permissions": "contents=write; contents=write,workflows=write"}}
	create := `POST /repos/o/r/git/refs {"ref":"refs/heads/release/v1","sha":"` + sha + `"}`
	tests := map[string]struct {
		do      func(context.Context, *forge.Client) error
		replies map[string][]reply
		class   forge.Class
		want    []string
	}{
		"create branch": {
			func(ctx context.Context, c *forge.Client) error { return c.CreateBranch(ctx, "release/v1", sha) },
			map[string][]reply{"POST /repos/o/r/git/refs": {status(201, refBody("refs/heads/release/v1", "commit", sha))}},
			none, []string{create},
		},
		"create branch that exists": {
			func(ctx context.Context, c *forge.Client) error { return c.CreateBranch(ctx, "release/v1", sha) },
			map[string][]reply{"POST /repos/o/r/git/refs": {exists}, "GET /repos/o/r/git/ref/heads/release/v1": {ok(refBody("refs/heads/release/v1", "commit", shb))}},
			forge.Conflict, []string{create, "GET /repos/o/r/git/ref/heads/release/v1"},
		},
		"create branch on an unknown commit": {
			func(ctx context.Context, c *forge.Client) error { return c.CreateBranch(ctx, "release/v1", sha) },
			map[string][]reply{"POST /repos/o/r/git/refs": {status(422, `{"message":"Object does not exist"}`)}},
			forge.Refused, []string{create, "GET /repos/o/r/git/ref/heads/release/v1"},
		},
		"create branch without the right to workflows": {
			func(ctx context.Context, c *forge.Client) error { return c.CreateBranch(ctx, "release/v1", sha) },
			map[string][]reply{"POST /repos/o/r/git/refs": {denied}},
			forge.Denied, []string{create},
		},
		"move tag": {
			func(ctx context.Context, c *forge.Client) error { return c.UpsertTag(ctx, "dev", sha) },
			map[string][]reply{"PATCH /repos/o/r/git/refs/tags/dev": {ok(refBody("refs/tags/dev", "commit", sha))}},
			none, []string{`PATCH /repos/o/r/git/refs/tags/dev {"force":true,"sha":"` + sha + `"}`},
		},
		"move tag that is absent": {
			func(ctx context.Context, c *forge.Client) error { return c.UpsertTag(ctx, "dev", sha) },
			map[string][]reply{"PATCH /repos/o/r/git/refs/tags/dev": {gone}, "POST /repos/o/r/git/refs": {status(201, `{}`)}},
			none, []string{`PATCH /repos/o/r/git/refs/tags/dev {"force":true,"sha":"` + sha + `"}`, "GET /repos/o/r/git/ref/tags/dev", `POST /repos/o/r/git/refs {"ref":"refs/tags/dev","sha":"` + sha + `"}`},
		},
		"move tag without the right to": {
			func(ctx context.Context, c *forge.Client) error { return c.UpsertTag(ctx, "dev", sha) },
			map[string][]reply{"PATCH /repos/o/r/git/refs/tags/dev": {denied}, "GET /repos/o/r/git/ref/tags/dev": {ok(refBody("refs/tags/dev", "commit", shb))}},
			forge.Denied, []string{`PATCH /repos/o/r/git/refs/tags/dev {"force":true,"sha":"` + sha + `"}`, "GET /repos/o/r/git/ref/tags/dev"},
		},
		"delete branch": {
			func(ctx context.Context, c *forge.Client) error { return c.DeleteBranch(ctx, "release/v1") },
			map[string][]reply{"DELETE /repos/o/r/git/refs/heads/release/v1": {status(204, "")}},
			none, []string{"DELETE /repos/o/r/git/refs/heads/release/v1"},
		},
		"delete tag that is absent": {
			func(ctx context.Context, c *forge.Client) error { return c.DeleteTag(ctx, "v1") },
			map[string][]reply{"DELETE /repos/o/r/git/refs/tags/v1": {gone}},
			forge.NotFound, []string{"DELETE /repos/o/r/git/refs/tags/v1", "GET /repos/o/r/git/ref/tags/v1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, c := newHub(t, tt.replies)
			err := tt.do(t.Context(), c)
			wantClass(t, err, tt.class)
			if diff := cmp.Diff(tt.want, h.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			var e *forge.Error
			if errors.As(err, &e) && e.Class == forge.Denied && !strings.Contains(e.Accepted, "workflows=write") {
				t.Errorf("got accepted %q, want it to name workflows=write", e.Accepted)
			}
		})
	}
}

// release is the body of one release as GitHub writes it, without the people.
func releaseBody(id int64, tag, extra string) string {
	return fmt.Sprintf(`{"id":%d,"tag_name":%q,"target_commitish":"main","name":"n","body":null,"draft":true,"prerelease":false,"immutable":false,`+
		`"url":"{HUB}/repos/o/r/releases/%d","html_url":"https://github.com/o/r/releases/%s","upload_url":"{HUB}/api/uploads/repos/o/r/releases/%d/assets{?name,label}",`+
		`"created_at":"2026-01-02T03:04:05Z","published_at":null,"assets":[%s]}`, id, tag, id, tag, id, extra)
}

func assetBody(id int64, name, digest string) string {
	d, _ := json.Marshal(digest)
	if digest == "" {
		d = []byte("null")
	}
	return fmt.Sprintf(`{"id":%d,"name":%q,"label":null,"state":"uploaded","content_type":"application/gzip","size":7,"digest":%s,"url":"{HUB}/repos/o/r/releases/assets/%d","browser_download_url":"https://github.com/x"}`, id, name, d, id)
}

func TestFindRelease(t *testing.T) {
	next := map[string]string{"Link": `<{HUB}/repos/o/r/releases?per_page=32&page=2>; rel="next", <{HUB}/repos/o/r/releases?per_page=32&page=2>; rel="last"`}
	h, c := newHub(t, map[string][]reply{"GET /repos/o/r/releases": {
		{200, "[" + releaseBody(9, "v2", "") + "," + releaseBody(5, "v1", assetBody(1, "a.crate", "sha256:aa")) + "]", next},
		ok("[" + releaseBody(5, "v1", "") + "," + releaseBody(7, "v1", "") + "," + releaseBody(3, "v1.0", "") + "]"),
	}})
	got, err := c.FindRelease(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	want := []forge.Release{
		{ID: 7, Tag: "v1", Name: "n", Draft: true, Target: "main", URL: h.URL + "/repos/o/r/releases/7", HTMLURL: "https://github.com/o/r/releases/v1", UploadURL: h.URL + "/api/uploads/repos/o/r/releases/7/assets{?name,label}", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: 5, Tag: "v1", Name: "n", Draft: true, Target: "main", URL: h.URL + "/repos/o/r/releases/5", HTMLURL: "https://github.com/o/r/releases/v1", UploadURL: h.URL + "/api/uploads/repos/o/r/releases/5/assets{?name,label}", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Assets: []forge.Asset{{ID: 1, Name: "a.crate", State: "uploaded", Digest: "sha256:aa", ContentType: "application/gzip", Size: 7, URL: h.URL + "/repos/o/r/releases/assets/1", DownloadURL: "https://github.com/x"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GET /repos/o/r/releases?page=1&per_page=32", "GET /repos/o/r/releases?page=2&per_page=32"}, h.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	some, err := c.ReleasesWithPrefix(t.Context(), "v1.")
	if err != nil || len(some) != 1 || some[0].ID != 3 {
		t.Errorf("with prefix: got %+v, %v, want release 3", some, err)
	}
}

// 33 releases with so many assets that a page of 32 is more than a client accepts.
func TestReleasesOfManyAssets(t *testing.T) {
	const total, each = 33, 1<<20 + 1<<14
	filler := strings.Repeat(" ", each)
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		var page, size int
		fmt.Sscanf(r.URL.RawQuery, "page=%d&per_page=%d", &page, &size)
		if page*size < total {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/x?page=%d>; rel="next"`, r.Host, page+1))
		}
		io.WriteString(w, "[")
		for i := (page - 1) * size; i < min(page*size, total); i++ {
			if i > (page-1)*size {
				io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `{"id":%d,"tag_name":"v%d"%s}`, total-i, total-i, filler)
		}
		io.WriteString(w, "]")
	}))
	defer srv.Close()
	n := int64(total)
	for r, err := range client(t, forge.Options{APIURL: srv.URL}).Releases(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.ID != n {
			t.Fatalf("got release %d, want %d", r.ID, n)
		}
		n--
	}
	if n != 0 {
		t.Errorf("%d releases are missing", n)
	}
	want := []string{"page=1&per_page=32", "page=1&per_page=16", "page=2&per_page=16", "page=3&per_page=16"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func ptr[T any](v T) *T { return &v }

func TestReleaseWrites(t *testing.T) {
	tests := map[string]struct {
		do      func(context.Context, *forge.Client) error
		replies map[string][]reply
		class   forge.Class
		want    []string
	}{
		"draft": {
			func(ctx context.Context, c *forge.Client) error {
				r, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1", Name: "One", Body: "<b>"})
				if err == nil && r.ID != 4 {
					return fmt.Errorf("got release %d, want 4", r.ID)
				}
				return err
			},
			map[string][]reply{"POST /repos/o/r/releases": {status(201, releaseBody(4, "v1", ""))}},
			none, []string{`POST /repos/o/r/releases {"tag_name":"v1","name":"One","body":"<b>","draft":true,"prerelease":false}`},
		},
		"draft at a target": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1", Target: sha, Prerelease: true})
				return err
			},
			map[string][]reply{"POST /repos/o/r/releases": {{404, missing, map[string]string{"X-Accepted-GitHub-Permissions": "contents=write,workflows=write"}}}},
			forge.Denied, []string{`POST /repos/o/r/releases {"tag_name":"v1","target_commitish":"` + sha + `","name":"","body":"","draft":true,"prerelease":true}`},
		},
		"draft without a tag": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.CreateDraft(ctx, forge.DraftRequest{})
				return err
			}, nil, forge.Refused, nil,
		},
		"draft with an empty answer": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1"})
				return err
			},
			map[string][]reply{"POST /repos/o/r/releases": {status(201, "")}},
			forge.Refused, []string{`POST /repos/o/r/releases {"tag_name":"v1","name":"","body":"","draft":true,"prerelease":false}`},
		},
		"publish": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Tag: "v1", Draft: ptr(false), MakeLatest: "true"})
				return err
			},
			map[string][]reply{"PATCH /repos/o/r/releases/4": {ok(releaseBody(4, "v1", ""))}},
			none, []string{`PATCH /repos/o/r/releases/4 {"tag_name":"v1","draft":false,"make_latest":"true"}`},
		},
		"clear the body": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Tag: "v1", Body: ptr(""), Prerelease: ptr(true)})
				return err
			},
			map[string][]reply{"PATCH /repos/o/r/releases/4": {ok(releaseBody(4, "v1", ""))}},
			none, []string{`PATCH /repos/o/r/releases/4 {"tag_name":"v1","body":"","prerelease":true}`},
		},
		"update without a tag": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Draft: ptr(false)})
				return err
			}, nil, forge.Refused, nil,
		},
		"update of a deleted release": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Tag: "v1"})
				return err
			}, nil, forge.NotFound, []string{"PATCH /repos/o/r/releases/4", "GET /repos/o/r/releases/4"},
		},
		"update without the right to": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Tag: "v1"})
				return err
			},
			map[string][]reply{"PATCH /repos/o/r/releases/4": {status(404, missing)}, "GET /repos/o/r/releases/4": {ok(releaseBody(4, "v1", ""))}},
			forge.Denied, []string{`PATCH /repos/o/r/releases/4 {"tag_name":"v1"}`, "GET /repos/o/r/releases/4"},
		},
		"tag of another release": {
			func(ctx context.Context, c *forge.Client) error {
				_, err := c.UpdateRelease(ctx, 4, forge.Update{Tag: "v1"})
				return err
			},
			map[string][]reply{"PATCH /repos/o/r/releases/4": {status(422, `{"message":"Validation Failed","errors":[{"resource":"Release","code":"already_exists","field":"tag_name"}]}`)}},
			forge.Conflict, []string{`PATCH /repos/o/r/releases/4 {"tag_name":"v1"}`},
		},
		"delete release": {
			func(ctx context.Context, c *forge.Client) error { return c.DeleteRelease(ctx, 4) },
			map[string][]reply{"DELETE /repos/o/r/releases/4": {status(204, "")}},
			none, []string{"DELETE /repos/o/r/releases/4"},
		},
		"delete asset": {
			func(ctx context.Context, c *forge.Client) error { return c.DeleteAsset(ctx, 8) },
			nil, forge.NotFound, []string{"DELETE /repos/o/r/releases/assets/8"},
		},
		"rename asset": {
			func(ctx context.Context, c *forge.Client) error {
				a, err := c.RenameAsset(ctx, 8, "b")
				if err == nil && a.Name != "b" {
					return fmt.Errorf("got %+v, want b", a)
				}
				return err
			},
			map[string][]reply{"PATCH /repos/o/r/releases/assets/8": {ok(assetBody(8, "b", ""))}},
			none, []string{`PATCH /repos/o/r/releases/assets/8 {"name":"b"}`},
		},
		"notes": {
			func(ctx context.Context, c *forge.Client) error {
				s, err := c.GenerateNotes(ctx, "v1", "", "v0")
				if err == nil && s != "## What" {
					return fmt.Errorf("got %q", s)
				}
				return err
			},
			map[string][]reply{"POST /repos/o/r/releases/generate-notes": {ok(`{"name":"v1","body":"## What"}`)}},
			none, []string{`POST /repos/o/r/releases/generate-notes {"tag_name":"v1","previous_tag_name":"v0"}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, c := newHub(t, tt.replies)
			wantClass(t, tt.do(t.Context(), c), tt.class)
			got := h.requests()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUploadAndDownloadAsset(t *testing.T) {
	h, c := newHub(t, map[string][]reply{
		"POST /api/uploads/repos/o/r/releases/4/assets": {status(201, assetBody(8, "core-1.0.0.crate", "sha256:bb"))},
		"GET /repos/o/r/releases/assets/8":              {{302, "", map[string]string{"Location": "{HUB}/storage/8?sig=1"}}},
		"GET /storage/8":                                {ok("content")},
	})
	rel := forge.Release{ID: 4, Tag: "v1", UploadURL: h.URL + "/api/uploads/repos/o/r/releases/4/assets{?name,label}"}
	var progress []int64
	a, err := c.UploadAsset(t.Context(), rel, forge.Upload{
		Name: "core-1.0.0.crate", ContentType: "application/gzip", Size: 7,
		Open:     func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil },
		Progress: func(n int64) { progress = append(progress, n) },
	})
	if err != nil || a.Digest != "sha256:bb" || a.ID != 8 {
		t.Fatalf("got %+v, %v", a, err)
	}
	if diff := cmp.Diff([]int64{7}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	body, err := c.DownloadAsset(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); string(got) != "content" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got := h.requests()[0]; got != "POST /api/uploads/repos/o/r/releases/4/assets?name=core-1.0.0.crate content" {
		t.Errorf("got %s", got)
	}
}

func TestAssetsPages(t *testing.T) {
	_, c := newHub(t, map[string][]reply{"GET /repos/o/r/releases/4/assets": {
		{200, "[" + assetBody(1, "a", "sha256:aa") + "]", map[string]string{"Link": `<{HUB}/x?page=2>; rel="next"`}},
		ok(`[{"id":2,"name":"b","state":"starter","size":0,"digest":null}]`),
	}})
	got, err := c.Assets(t.Context(), 4)
	if err != nil || len(got) != 2 || got[1].State != "starter" || got[1].Digest != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPagesThatTurnInCircles(t *testing.T) {
	_, c := newHub(t, map[string][]reply{"GET /repos/o/r/releases/4/assets": {
		{200, "[]", map[string]string{"Link": `<{HUB}/x?page=1>; rel="next"`}},
	}})
	_, err := c.Assets(t.Context(), 4)
	wantClass(t, err, forge.Refused)
}

func TestRepository(t *testing.T) {
	const start = `{"id":1,"name":"r","full_name":"o/r","private":true,"archived":false,"default_branch":"main","html_url":"https://github.com/o/r"`
	_, c := newHub(t, map[string][]reply{"GET /repos/o/r": {
		ok(start + `,"permissions":{"admin":false,"maintain":false,"push":true,"triage":true,"pull":true}}`), ok(start + `}`), ok(`{}`),
	}})
	want := forge.Repository{ID: 1, FullName: "o/r", DefaultBranch: "main", HTMLURL: "https://github.com/o/r", Private: true}
	for _, p := range []forge.Permissions{{Known: true, Push: true, Pull: true}, {}} {
		want.Permissions = p
		if got, err := c.Repository(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	_, err := c.Repository(t.Context())
	wantClass(t, err, forge.Refused)
}

func TestOpenIssues(t *testing.T) {
	h, c := newHub(t, map[string][]reply{"GET /repos/o/r/issues": {
		ok(`[{"number":1,"title":"broken","html_url":"u1"},{"number":2,"title":"pr","html_url":"u2","pull_request":{"url":"x"}},{"number":3,"title":"also","html_url":"u3","pull_request":null}]`),
		status(410, `{"message":"Issues are disabled for this repo"}`),
	}})
	got, err := c.OpenIssues(t.Context(), "release-blocker")
	if diff := cmp.Diff([]forge.Issue{{Number: 1, Title: "broken", URL: "u1"}, {Number: 3, Title: "also", URL: "u3"}}, got); diff != "" || err != nil {
		t.Errorf("%v, issues (-want +got):\n%s", err, diff)
	}
	if got := h.requests()[0]; got != "GET /repos/o/r/issues?labels=release-blocker&page=1&per_page=100&state=open" {
		t.Errorf("got %s", got)
	}
	if got, err := c.OpenIssues(t.Context(), "x"); got != nil || err != nil {
		t.Errorf("disabled issues: got %v, %v, want none", got, err)
	}
}

func TestRulesAndRate(t *testing.T) {
	_, c := newHub(t, map[string][]reply{
		"GET /repos/o/r/rules/branches/release/v1": {ok(`[{"type":"max_file_size","parameters":{"max_file_size":1},"ruleset_source_type":"Repository","ruleset_source":"o/r","ruleset_id":3}]`)},
		"GET /rate_limit":                          {ok(`{"resources":{"core":{"limit":5000,"used":1,"remaining":4999,"reset":1767225600}},"rate":{}}`)},
	})
	rules, err := c.RulesFor(t.Context(), "release/v1")
	if err != nil || len(rules) != 1 || rules[0].Type != "max_file_size" || string(rules[0].Parameters) != `{"max_file_size":1}` {
		t.Errorf("got %+v, %v", rules, err)
	}
	rate, err := c.RateLimit(t.Context())
	if want := (forge.Rate{Remaining: 4999, Limit: 5000, Reset: time.Unix(1767225600, 0)}); err != nil || rate.Limit != want.Limit || rate.Remaining != want.Remaining || !rate.Reset.Equal(want.Reset) {
		t.Errorf("got %+v, %v, want %+v", rate, err, want)
	}
}

func TestContents(t *testing.T) {
	file := `{"type":"file","encoding":"base64","size":5,"name":"a b.toml","path":"dir/a b.toml","content":"aGVs\nbG8=\n","sha":"` + sha + `"}`
	_, c := newHub(t, map[string][]reply{
		"GET /repos/o/r/contents/dir/a b.toml":      {ok(file)},
		"GET /repos/o/r/contents/large":             {ok(`{"type":"file","encoding":"none","size":2000000,"path":"large","content":"","sha":"` + shb + `"}`)},
		"GET /repos/o/r/git/blobs/" + shb:           {ok(`{"encoding":"base64","content":"bGFyZ2U=","sha":"` + shb + `","size":5}`)},
		"GET /repos/o/r/contents/sub":               {ok(`{"type":"submodule","path":"sub","sha":"` + sha + `"}`)},
		"GET /repos/o/r/contents/.github/workflows": {ok(`[{"type":"file","path":".github/workflows/release.yml","sha":"1"},{"type":"dir","path":".github/workflows/old","sha":"2"},{"type":"file","path":".github/workflows/ci.yml","sha":"3"}]`)},
	})
	for path, want := range map[string]string{"dir/a b.toml": "hello", "large": "large"} {
		if got, err := c.File(t.Context(), "v1", path); string(got) != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	for path, class := range map[string]forge.Class{"none": forge.NotFound, ".github/workflows": forge.Refused, "sub": forge.Refused} {
		_, err := c.File(t.Context(), "v1", path)
		wantClass(t, err, class)
	}
	got, err := c.List(t.Context(), "v1", "/.github/workflows/")
	if diff := cmp.Diff([]string{".github/workflows/ci.yml", ".github/workflows/old/", ".github/workflows/release.yml"}, got); diff != "" || err != nil {
		t.Errorf("%v, list (-want +got):\n%s", err, diff)
	}
	_, err = c.List(t.Context(), "v1", "sub")
	wantClass(t, err, forge.Refused)
	files, err := c.WorkflowFiles(t.Context(), "v1")
	if len(files) != 2 || err != nil {
		t.Errorf("got %q, %v, want two files", files, err)
	}
}

func TestWorkflowChanges(t *testing.T) {
	list := func(entries ...string) reply {
		var parts []string
		for _, e := range entries {
			path, sha, _ := strings.Cut(e, "=")
			parts = append(parts, fmt.Sprintf(`{"type":"file","path":%q,"sha":%q}`, path, sha))
		}
		return ok("[" + strings.Join(parts, ",") + "]")
	}
	tests := map[string]struct {
		head, base reply
		want       []string
	}{
		"same":             {list("a=1", "b=2"), list("a=1", "b=2"), nil},
		"changed and new":  {list("c=1", "a=1", "b=3"), list("a=1", "b=2"), []string{"b", "c"}},
		"removed":          {list("a=1"), list("a=1", "b=2"), nil},
		"none at the base": {list("a=1"), status(404, missing), []string{"a"}},
		"none at the head": {status(404, missing), list("a=1"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := map[string]reply{"head": tt.head, "main": tt.base}[r.URL.Query().Get("ref")] // they are asked for at once
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				w.WriteHeader(answer.status)
				io.WriteString(w, answer.body)
			}))
			t.Cleanup(hub.Close)
			c := client(t, forge.Options{APIURL: hub.URL})
			got, err := c.WorkflowChanges(t.Context(), "main", "head")
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	const path = "GET /repos/o/r/compare/release/v1..." + sha
	for state, want := range map[string]bool{"behind": true, "identical": true, "ahead": false, "diverged": false} {
		_, c := newHub(t, map[string][]reply{path: {ok(`{"status":"` + state + `","ahead_by":0,"behind_by":1,"files":[]}`)}})
		if got, err := c.Contains(t.Context(), "release/v1", sha); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", state, got, err, want)
		}
	}
	var files []string
	for i := range 300 {
		files = append(files, fmt.Sprintf(`{"filename":"f%03d","status":"modified"}`, i))
	}
	_, c := newHub(t, map[string][]reply{path: {
		ok(`{"status":"ahead","files":[{"filename":"b","status":"renamed","previous_filename":"a"},{"filename":"c","status":"added"}]}`),
		ok(`{"status":"ahead","files":[` + strings.Join(files, ",") + `]}`),
	}})
	got, err := c.ChangedFiles(t.Context(), "release/v1", sha)
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = c.ChangedFiles(t.Context(), "release/v1", sha)
	if !errors.Is(err, forge.ErrTruncated) || len(got) != 300 {
		t.Errorf("got %d files, %v, want 300 with ErrTruncated", len(got), err)
	}
	_, err = c.Contains(t.Context(), "gone", sha)
	wantClass(t, err, forge.NotFound)
}

func TestWorkflowsAndRuns(t *testing.T) {
	h, c := newHub(t, map[string][]reply{
		"GET /repos/o/r/actions/workflows":                  {ok(`{"total_count":1,"workflows":[{"id":1,"name":"Release","path":".github/workflows/release.yml","state":"active","html_url":"u"}]}`)},
		"GET /repos/o/r/actions/runs/7":                     {ok(runBody(7, "completed", `"success"`))},
		"GET /repos/o/r/actions/workflows/release.yml/runs": {ok(`{"total_count":1,"workflow_runs":[` + runBody(7, "queued", "null") + `]}`)},
	})
	w, err := c.Workflows(t.Context())
	if diff := cmp.Diff([]forge.Workflow{{ID: 1, Name: "Release", Path: ".github/workflows/release.yml", State: "active", HTMLURL: "u"}}, w); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	want := forge.Run{ID: 7, Status: "completed", Conclusion: "success", HTMLURL: "https://github.com/o/r/actions/runs/7", HeadSHA: sha, HeadBranch: "release/v1", Event: "workflow_dispatch", Title: "Release v1", Path: ".github/workflows/release.yml", Attempt: 1, CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r, err := c.Run(t.Context(), 7)
	if diff := cmp.Diff(want, r); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	runs, err := c.Runs(t.Context(), "release.yml", "release/v1", time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)))
	if len(runs) != 1 || runs[0].Conclusion != "" || err != nil {
		t.Errorf("got %+v, %v", runs, err)
	}
	if got, want := h.requests()[2], "GET /repos/o/r/actions/workflows/release.yml/runs?branch=release%2Fv1&created=%3E%3D2026-01-01T00%3A00%3A00Z&page=1&per_page=100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func runBody(id int, status, conclusion string) string {
	return fmt.Sprintf(`{"id":%d,"name":"Release","head_branch":"release/v1","head_sha":%q,"path":".github/workflows/release.yml","display_title":"Release v1","run_number":3,"run_attempt":1,"event":"workflow_dispatch","status":%q,"conclusion":%s,"html_url":"https://github.com/o/r/actions/runs/%d","created_at":"2026-01-01T00:00:00Z"}`,
		id, sha, status, conclusion, id)
}

// roundTrip is a transport in memory, which a virtual clock can wait for.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDispatch(t *testing.T) {
	runs := func(bodies ...string) reply { return ok(`{"workflow_runs":[` + strings.Join(bodies, ",") + `]}`) }
	known := reply{200, `{"workflow_run_id":7,"run_url":"https://api.github.com/repos/o/r/actions/runs/7","html_url":"https://github.com/o/r/actions/runs/7"}`, nil}
	unknownField := status(422, `{"message":"Invalid request.\n\n\"return_run_details\" is not a permitted key."}`)
	accepted := status(204, "")
	tests := map[string]struct {
		dispatch, list []reply
		class          forge.Class
		id             int64
		guessed        bool
		candidates     int
		posts, lists   int
	}{
		"run is named":               {[]reply{known}, nil, none, 7, false, 0, 1, 0},
		"old server":                 {[]reply{unknownField, accepted}, []reply{runs(runBody(5, "completed", `"success"`)), runs(runBody(8, "queued", "null"), runBody(5, "completed", `"success"`))}, none, 8, true, 0, 2, 2},
		"old server, 400":            {[]reply{status(400, `{"message":"Bad Request"}`), accepted}, []reply{runs(), runs(runBody(8, "queued", "null"))}, none, 8, true, 0, 2, 2},
		"server that ignores fields": {[]reply{accepted}, []reply{runs(runBody(8, "queued", "null"))}, none, 8, true, 0, 1, 1},
		"two can be it":              {[]reply{accepted}, []reply{runs(runBody(9, "queued", "null"), runBody(8, "queued", "null"))}, none, 0, false, 2, 1, 1},
		"late":                       {[]reply{accepted}, []reply{runs(), runs(), runs(runBody(8, "queued", "null"))}, none, 8, true, 0, 1, 3},
		"never":                      {[]reply{accepted}, []reply{runs()}, none, 0, false, 0, 1, 6},
		"not seen for an error":      {[]reply{accepted}, []reply{status(502, "")}, none, 0, false, 0, 1, 1},
		"no trigger in the file":     {[]reply{status(422, `{"message":"Workflow does not have 'workflow_dispatch' trigger"}`)}, []reply{runs()}, forge.Refused, 0, false, 0, 2, 1},
		"no such workflow":           {[]reply{status(404, missing)}, nil, forge.NotFound, 0, false, 0, 1, 0},
		"may not":                    {[]reply{{403, `{"message":"Resource not accessible by integration"}`, map[string]string{"X-Accepted-GitHub-Permissions": "actions=write"}}}, nil, forge.Denied, 0, false, 0, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				posts, lists := 0, 0
				take := func(list []reply, n *int) (*http.Response, error) {
					a := list[min(*n, len(list)-1)]
					*n++
					resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}
					resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
					for k, v := range a.header {
						resp.Header.Set(k, v)
					}
					return resp, nil
				}
				c := client(t, forge.Options{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == "GET" {
						if got := r.URL.Query(); got.Get("event") != "workflow_dispatch" || got.Get("branch") != "release/v1" || got.Get("created") != ">=1999-12-31T23:59:55Z" && got.Get("created") < ">=1999-12-31T23:59:55Z" {
							t.Errorf("got list query %v", got)
						}
						return take(tt.list, &lists)
					}
					body, _ := io.ReadAll(r.Body)
					if got, want := strings.Contains(string(body), "return_run_details"), posts == 0; got != want {
						t.Errorf("post %d: got body %s", posts, body)
					}
					return take(tt.dispatch, &posts)
				})}})
				got, err := c.Dispatch(t.Context(), "release.yml", "release/v1", map[string]string{"tag": "v1"})
				wantClass(t, err, tt.class)
				if got.ID != tt.id || got.Guessed != tt.guessed || len(got.Candidates) != tt.candidates {
					t.Errorf("got %+v, want run %d, guessed %v, %d candidates", got, tt.id, tt.guessed, tt.candidates)
				}
				if posts != tt.posts || lists != tt.lists {
					t.Errorf("got %d dispatches and %d lists, want %d and %d", posts, lists, tt.posts, tt.lists)
				}
			})
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	_, c := newHub(t, map[string][]reply{
		"GET /repos/o/r/git/ref/heads/main": {ok(refBody("refs/heads/main", "commit", sha))},
		"GET /repos/o/r/releases":           {ok("[" + releaseBody(1, "v1", "") + "]")},
		"POST /repos/o/r/git/refs":          {{403, `{"message":"API rate limit exceeded"}`, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}}},
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := c.Branch(t.Context(), "main"); err != nil {
				t.Error(err)
			}
			if _, err := c.FindRelease(t.Context(), "v1"); err != nil {
				t.Error(err)
			}
			wantClass(t, c.CreateBranch(t.Context(), "x", sha), forge.RateLimited)
		})
	}
	wg.Wait()
}

// TestMergedPulls holds that issues and pull requests that were only closed are none, and the order in which they were merged.
func TestMergedPulls(t *testing.T) {
	h, c := newHub(t, map[string][]reply{
		"GET /repos/o/r/labels":  {ok(`[{"name":"bug"},{"name":"backport v0.4"}]`)},
		"GET /repos/o/r/issues":  {ok(`[{"number":9,"pull_request":{"url":"x"}},{"number":5,"pull_request":{"url":"x"}},{"number":4,"title":"an issue"},{"number":3,"pull_request":{"url":"x"}}]`)},
		"GET /repos/o/r/pulls/9": {ok(`{"number":9,"state":"closed","merged_at":"2026-01-02T00:00:00Z","merge_commit_sha":"` + sha + `","comments":2}`)},
		"GET /repos/o/r/pulls/5": {ok(`{"number":5,"state":"closed","merged_at":null}`)},
		"GET /repos/o/r/pulls/3": {ok(`{"number":3,"state":"closed","merged_at":"2026-01-03T00:00:00Z","merge_commit_sha":"` + shb + `"}`)},
	})
	if got, err := c.Labels(t.Context()); err != nil || !slices.Equal(got, []string{"bug", "backport v0.4"}) {
		t.Errorf("labels: got %q, %v", got, err)
	}
	got, err := c.MergedPulls(t.Context(), "backport v0.4")
	if err != nil || len(got) != 2 || got[0].Number != 9 || got[0].MergeCommit != sha || got[0].Comments != 2 || got[1].Number != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := h.requests()[1]; got != "GET /repos/o/r/issues?labels=backport+v0.4&page=1&per_page=100&state=closed" {
		t.Errorf("got %s", got)
	}
}

package openapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/openapi"
)

func load(t *testing.T) *openapi.Validator {
	t.Helper()
	v, err := openapi.Load(filepath.Join("testdata", "small.json"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWrap(t *testing.T) {
	v := load(t)
	v.Ignore = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/o/r.git/") }
	ref := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		method, path, body string
		contentType        string
		handler            http.HandlerFunc
		want               string // part of the one report; "" for none
	}{
		"good answer":                   {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(200, `{"ref":"refs/tags/v1"}`)},
		"ref with slashes":              {method: "GET", path: "/repos/o/r/git/ref/heads/release/v1", handler: ref(200, `{"ref":"x"}`)},
		"prefix of a server":            {method: "GET", path: "/api/v3/repos/o/r/git/ref/heads/release/v1", handler: ref(200, `{"ref":"x"}`)},
		"missing field":                 {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(200, `{}`), want: `"ref" is missing`},
		"wrong type":                    {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(200, `{"ref":1}`), want: "value must be a string"},
		"described error":               {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(404, `{"message":"Not Found"}`)},
		"described error, wrong body":   {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(404, `{}`), want: `"message" is missing`},
		"error that is not described":   {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(502, `<html>`)},
		"success that is not described": {method: "GET", path: "/repos/o/r/git/ref/tags/v1", handler: ref(203, `{}`), want: "no answer with this status"},
		"unknown operation":             {method: "GET", path: "/repos/o/r/nothing", handler: ref(200, `{}`), want: "no such operation"},
		"unknown query":                 {method: "GET", path: "/repos/o/r/git/ref/tags/v1?pag=2", handler: ref(200, `{"ref":"x"}`), want: `unknown query parameter "pag"`},
		"good body":                     {method: "POST", path: "/repos/o/r/releases", body: `{"tag_name":"v1"}`, handler: ref(201, `{"id":1}`)},
		"bad enum":                      {method: "POST", path: "/repos/o/r/releases", body: `{"tag_name":"v1","make_latest":"maybe"}`, handler: ref(201, `{"id":1}`), want: "make_latest"},
		"misspelt field":                {method: "POST", path: "/repos/o/r/releases", body: `{"tag_name":"v1","make_lates":"true"}`, handler: ref(201, `{"id":1}`), want: `unknown field "make_lates"`},
		"missing body":                  {method: "POST", path: "/repos/o/r/releases", handler: ref(201, `{"id":1}`), want: "value is required"},
		"upload":                        {method: "POST", path: "/api/uploads/repos/o/r/releases/1/assets?name=x", body: "bytes", contentType: "application/gzip", handler: ref(201, "")},
		"upload without a name":         {method: "POST", path: "/repos/o/r/releases/1/assets", body: "bytes", contentType: "application/gzip", handler: ref(201, ""), want: `"name"`},
		"ignored":                       {method: "GET", path: "/o/r.git/info/refs?service=git-upload-pack", handler: ref(200, "0000")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			srv := httptest.NewServer(v.Wrap(tt.handler, func(err error) { got = append(got, err.Error()) }))
			defer srv.Close()
			req, err := http.NewRequest(tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if tt.contentType != "" {
				req.Header.Set("Content-Type", tt.contentType)
			}
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			srv.Close()
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got reports %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got reports %q, want one with %q", got, tt.want)
			}
		})
	}
}

// The handler behind the validator must see the body it would see without.
func TestWrapPassesBodiesOn(t *testing.T) {
	v := load(t)
	for path, body := range map[string]string{"/repos/o/r/releases": `{"tag_name":"v1"}`, "/repos/o/r/releases/1/assets?name=x": strings.Repeat("asset", 1000)} {
		var got string
		h := v.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got = string(b)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(201)
			io.WriteString(w, `{"id":1}`)
		}), func(err error) {})
		req := httptest.NewRequest("POST", path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if got != body || rec.Body.String() != `{"id":1}` || rec.Code != 201 {
			t.Errorf("%s: got body %q, answer %d %q", path, got, rec.Code, rec.Body)
		}
	}
}

// A stand-in that drops connections must be able to do so through the validator.
func TestWrapHijack(t *testing.T) {
	v := load(t)
	h := v.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}), func(err error) { t.Errorf("got report %v, want none", err) })
	srv := httptest.NewServer(h)
	defer srv.Close()
	if resp, err := srv.Client().Get(srv.URL + "/repos/o/r/git/ref/tags/v1"); err == nil {
		resp.Body.Close()
		t.Error("got an answer, want a broken connection")
	}
}

func TestExamples(t *testing.T) {
	v := load(t)
	h := v.Wrap(v.Examples(), func(err error) { t.Error(err) })
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/repos/o/r/git/ref/heads/main", nil))
	if got, want := rec.Body.String(), `{"ref":"refs/heads/main"}`; rec.Code != 200 || got != want {
		t.Errorf("got %d %s, want 200 %s", rec.Code, got, want)
	}
}

func TestFetchRefusesAnotherFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "github-openapi-23.0.2.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := openapi.Fetch(context.Background(), dir)
	if err == nil || !strings.Contains(fmt.Sprint(err), "want 829b4beb") {
		t.Errorf("got %v, want an error with both sums", err)
	}
}

func TestCacheDir(t *testing.T) {
	got, err := openapi.CacheDir(func(string) string { return "/somewhere" })
	if err != nil || got != "/somewhere" {
		t.Errorf("got %q, %v, want the variable's value", got, err)
	}
}

//go:build e2e

package contract

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

// TestViolationsAreSeen breaks requests and answers, one at a time, between the adapter and the embedded GitHub. Each
// must be reported with its method, its path and what is wrong.
func TestViolationsAreSeen(t *testing.T) {
	w := newWorld(t, githubtwin.Config{})
	draft := func(c *forge.Client) { c.CreateDraft(t.Context(), forge.DraftRequest{Tag: "v1"}) }
	tests := map[string]struct {
		request, answer func(string) string
		path            func(string) string
		do              func(*forge.Client)
		want            []string
	}{
		"nothing":                              {do: draft},
		"field of a request with another type": {request: replace(`"draft":true`, `"draft":"yes"`), do: draft, want: []string{"POST /repos/acme/rocket/releases: request:", "/draft", "boolean"}},
		"misspelt field of a request":          {request: replace(`"prerelease"`, `"pre_release"`), do: draft, want: []string{"POST /repos/acme/rocket/releases: request:", `"pre_release"`}},
		"missing field of a request":           {request: replace(`"tag_name"`, `"name"`), do: draft, want: []string{"POST /repos/acme/rocket/releases: request:", "tag_name"}},
		"misspelt query":                       {path: replace("per_page", "perpage"), do: func(c *forge.Client) { c.FindRelease(t.Context(), "v1") }, want: []string{"GET /repos/acme/rocket/releases?", "request:", `"perpage"`}},
		"operation that does not exist":        {path: replace("/git/ref/", "/git/reference/"), do: func(c *forge.Client) { c.Branch(t.Context(), "main") }, want: []string{"GET /repos/acme/rocket/git/reference/heads/main: request:", "the API has no such operation", "the embedded GitHub has no such operation"}},
		"missing field of an answer":           {answer: replace(`"upload_url"`, `"uploads"`), do: draft, want: []string{"POST /repos/acme/rocket/releases: answer 201:", "upload_url"}},
		"field of an answer with another type": {answer: replace(`"full_name":"acme/rocket"`, `"full_name":7`), do: func(c *forge.Client) { c.Repository(t.Context()) }, want: []string{"GET /repos/acme/rocket: answer 200:", "full_name", "string"}},
		"refusal of another form":              {answer: replace(`"message"`, `"text"`), do: func(c *forge.Client) { c.Branch(t.Context(), absent) }, want: nil}, // GitHub promises no form here
		"invalid refusal":                      {answer: replace(`"documentation_url"`, `"docs"`), do: func(c *forge.Client) { c.CreateBranch(t.Context(), "main", w.commits["first"]) }, want: []string{"POST /repos/acme/rocket/git/refs: answer 422:", "documentation_url"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			broken := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				w.twin.Handler().ServeHTTP(rec, r)
				body := rec.Body.String()
				if tt.answer != nil {
					body = tt.answer(body)
				}
				rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				rw.WriteHeader(rec.Code)
				io.WriteString(rw, body)
			})
			inspected := newLedger().inspect(t, w.twin.Op, broken, func(violation error) { got = append(got, violation.Error()) })
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if tt.path != nil {
					r.URL.Path, r.URL.RawQuery = tt.path(r.URL.Path), tt.path(r.URL.RawQuery)
				}
				if tt.request != nil {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					body = []byte(tt.request(string(body)))
					r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				}
				inspected.ServeHTTP(rw, r)
			}))
			tt.do(newClient(t, server.URL, writer))
			server.Close()
			all := strings.Join(got, "\n")
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("got %s, want no violation", all)
			}
			for _, part := range tt.want {
				if !strings.Contains(all, part) {
					t.Errorf("got %q, want a violation with %q", all, part)
				}
			}
		})
	}
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

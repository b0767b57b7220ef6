package githubtwin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// inMemory is a client without a network.
func inMemory(h http.Handler) func(method, path string, body []byte) *httptest.ResponseRecorder {
	return func(method, path string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://api.test"+path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/octet-stream")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// wholeRelease releases once: draft, twenty assets, dispatch, publish.
func wholeRelease(tb testing.TB, change func(*githubtwin.Config)) *githubtwin.Twin {
	store := gitstore.NewMemory()
	head := must(store.AddCommit("first", map[string]string{".github/workflows/release.yml": releaseWorkflow}))
	cfg := githubtwin.Config{Owner: owner, Repo: repo, Refs: store}
	change(&cfg)
	twin := must(githubtwin.New(cfg))
	if err := twin.PushBranch(context.Background(), "main", head); err != nil {
		tb.Fatal(err)
	}
	do := inMemory(twin.Handler())
	base := "/repos/" + owner + "/" + repo
	var draft struct{ ID int64 }
	check := func(w *httptest.ResponseRecorder, status int) *httptest.ResponseRecorder {
		if w.Code != status {
			tb.Fatalf("got %d %s, want %d", w.Code, w.Body, status)
		}
		return w
	}
	check(do("POST", base+"/git/refs", fmt.Appendf(nil, `{"ref":"refs/tags/v1","sha":%q}`, head)), 201)
	if err := json.Unmarshal(check(do("POST", base+"/releases", []byte(`{"tag_name":"v1","draft":true}`)), 201).Body.Bytes(), &draft); err != nil {
		tb.Fatal(err)
	}
	for i := range 20 {
		check(do("POST", fmt.Sprintf("/uploads%s/releases/%d/assets?name=core-%d.crate", base, draft.ID, i), []byte("content")), 201)
	}
	check(do("POST", base+dispatches, []byte(`{"ref":"main","inputs":{"tag":"v1"}}`)), 204)
	for range 10 {
		check(do("GET", base+"/releases", nil), 200)
	}
	check(do("PATCH", fmt.Sprintf("%s/releases/%d", base, draft.ID), []byte(`{"tag_name":"v1","draft":false}`)), 200)
	return twin
}

func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started time.Duration
		begin := time.Now()
		twin := wholeRelease(t, func(c *githubtwin.Config) {
			c.StartDelay, c.DraftLag = 2*time.Hour, 0
			c.OnDispatch = func(ctx context.Context, _ githubtwin.Dispatch) string {
				started = time.Since(begin)
				<-ctx.Done()
				return "cancelled"
			}
		})
		if got := twin.Runs()[0].Status; got != "queued" {
			t.Errorf("run before its delay: %s", got)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := twin.Runs()[0].Status; got != "in_progress" || started != 2*time.Hour {
			t.Errorf("run after its delay: %s, started after %v", got, started)
		}
		if err := twin.Close(); err != nil {
			t.Fatal(err)
		}
		if got := twin.Runs()[0].Conclusion; got != "cancelled" {
			t.Errorf("run after the end: %s", got)
		}
	})
}

func TestDraftLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := gitstore.NewMemory()
		head := must(store.AddCommit("first", nil))
		twin := must(githubtwin.New(githubtwin.Config{Owner: owner, Repo: repo, Refs: store, DraftLag: time.Minute}))
		defer twin.Close()
		if err := twin.PushBranch(t.Context(), "main", head); err != nil {
			t.Fatal(err)
		}
		do := inMemory(twin.Handler())
		list := "/repos/" + owner + "/" + repo + "/releases"
		do("POST", list, []byte(`{"tag_name":"v1","draft":true}`))
		if got := do("GET", list, nil).Body.String(); got != "[]" {
			t.Errorf("list at once: %s", got)
		}
		time.Sleep(time.Minute)
		if got := do("GET", list, nil).Body.String(); got == "[]" {
			t.Errorf("list after the lag: %s", got)
		}
	})
}

func BenchmarkWholeRelease(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := wholeRelease(b, func(c *githubtwin.Config) { c.NeverStarts = true }).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestJoin(t *testing.T) {
	var twins []*githubtwin.Twin
	for _, name := range []string{"one", "two"} {
		twin := must(githubtwin.New(githubtwin.Config{Owner: owner, Repo: name, Refs: gitstore.NewMemory()}))
		defer twin.Close()
		twins = append(twins, twin)
	}
	do := inMemory(githubtwin.Join(twins[0], twins[1]))
	for path, want := range map[string]int{"/repos/acme/one": 200, "/repos/ACME/Two": 200, "/api/v3/repos/acme/two": 200, "/repos/acme/three": 404, "/rate_limit": 200} {
		if got := do("GET", path, nil).Code; got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	if got := twins[1].Requests()["get-repo"]; got != 2 {
		t.Errorf("requests of the second: %d", got)
	}
}

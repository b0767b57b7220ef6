//go:build e2e

package forge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/openapi"
)

// flaws are those of the description itself.
var flaws = []string{
	`parameter "created" in query`,                // takes the date syntax of the search, as its text says; is declared as one time
	`/requested_teams/0/type: property "type" is`, // the same of the example of a pull request
	`/source/language: property "language" is`,    // the example of a repository lacks what its schema requires
}

// Every request must be one that GitHub describes, and every example that GitHub gives must be read.
func TestAgainstDescription(t *testing.T) {
	dir, err := openapi.CacheDir(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	path, err := openapi.Fetch(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := openapi.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	examples := v.Examples()
	served := 0
	h := v.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		rec := httptest.NewRecorder()
		if strings.HasSuffix(r.URL.Path, ".toml") {
			r.Header.Set("Prefer", "example=response-if-content-is-a-file")
		}
		examples.ServeHTTP(rec, r)
		body := rec.Body.String()
		// The one example of a ref serves for all of them, and it must be the one that was asked for.
		if name, ok := strings.CutPrefix(r.URL.Path, "/repos/octocat/Hello-World/git/ref/"); ok {
			body = strings.ReplaceAll(body, "refs/heads/featureA", "refs/"+name)
		}
		if strings.HasSuffix(r.URL.Path, ".toml") {
			// The content of the example is no base64.
			var file map[string]any
			if err := json.Unmarshal([]byte(body), &file); err != nil {
				t.Error(err)
			}
			file["content"] = "aGVs\nbG8=\n"
			b, err := json.Marshal(file)
			if err != nil {
				t.Error(err)
			}
			body = string(b)
		}
		for k, values := range rec.Header() {
			w.Header()[k] = values
		}
		w.WriteHeader(rec.Code)
		io.WriteString(w, body)
	}), func(err error) {
		if !slices.ContainsFunc(flaws, func(f string) bool { return strings.Contains(err.Error(), f) }) {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	c, err := forge.New(forge.Options{APIURL: srv.URL, Owner: "octocat", Repo: "Hello-World"})
	if err != nil {
		t.Fatal(err)
	}

	rel := forge.Release{ID: 1, Tag: "v1", UploadURL: srv.URL + "/repos/octocat/Hello-World/releases/1/assets{?name,label}"}
	calls := []struct {
		name string
		do   func(context.Context) (got, want any, err error)
	}{
		{"repository", func(ctx context.Context) (any, any, error) {
			r, err := c.Repository(ctx)
			return r.DefaultBranch, "master", err
		}},
		{"tag", func(ctx context.Context) (any, any, error) {
			x, err := c.Tag(ctx, "release/v1.0+b")
			return x.Commit, "aa218f56b14c9653891f9e74264a383fa43fefbd", err
		}},
		{"branch", func(ctx context.Context) (any, any, error) {
			sha, err := c.Branch(ctx, "release/v1")
			return sha, "aa218f56b14c9653891f9e74264a383fa43fefbd", err
		}},
		{"create branch", func(ctx context.Context) (any, any, error) { return nil, nil, c.CreateBranch(ctx, "release/v1", sha) }},
		{"upsert tag", func(ctx context.Context) (any, any, error) { return nil, nil, c.UpsertTag(ctx, "dev", sha) }},
		{"delete tag", func(ctx context.Context) (any, any, error) { return nil, nil, c.DeleteTag(ctx, "a/b") }},
		{"contains", func(ctx context.Context) (any, any, error) {
			ok, err := c.Contains(ctx, "release/v1", sha)
			return ok, true, err
		}},
		{"changed files", func(ctx context.Context) (any, any, error) {
			files, err := c.ChangedFiles(ctx, "main", "release/v1")
			return strings.Join(files, " "), "file1.txt", err
		}},
		{"file", func(ctx context.Context) (any, any, error) {
			b, err := c.File(ctx, "v1", "dir/a file.toml")
			return string(b), "hello", err
		}},
		{"tree", func(ctx context.Context) (any, any, error) {
			list, err := c.Tree(ctx, sha)
			return len(list) > 0, true, err
		}},
		{"list", func(ctx context.Context) (any, any, error) {
			list, err := c.List(ctx, "v1", "lib")
			return len(list) > 0, true, err
		}},
		{"issues", func(ctx context.Context) (any, any, error) {
			list, err := c.OpenIssues(ctx, "release-blocker")
			return len(list), 0, err // the example is a pull request
		}},
		{"pull request", func(ctx context.Context) (any, any, error) {
			p, err := c.Pull(ctx, 1347)
			return p.Number, 1347, err
		}},
		{"pull requests", func(ctx context.Context) (any, any, error) {
			list, err := c.Pulls(ctx, "new-topic", "master")
			return len(list) == 1 && list[0].Open, true, err
		}},
		{"labels", func(ctx context.Context) (any, any, error) {
			list, err := c.Labels(ctx)
			return len(list) == 2 && list[0] == "bug", true, err
		}},
		{"merged pull requests", func(ctx context.Context) (any, any, error) {
			list, err := c.MergedPulls(ctx, "backport v0.4")
			return len(list) == 1 && list[0].Number == 1347 && !list[0].MergedAt.IsZero(), true, err
		}},
		{"open a pull request", func(ctx context.Context) (any, any, error) {
			p, err := c.CreatePull(ctx, forge.PullRequest{Title: "t", Body: "b", Head: "bump/v1", Base: "main"})
			return p.Number, 1347, err
		}},
		{"update a pull request", func(ctx context.Context) (any, any, error) {
			p, err := c.UpdatePull(ctx, 1347, forge.PullRequest{Title: "t", Body: "b"})
			return p.Number, 1347, err
		}},
		{"ahead", func(ctx context.Context) (any, any, error) {
			list, err := c.Ahead(ctx, "main", "release/v1")
			return len(list) == 1 && list[0].Message != "", true, err
		}},
		{"annotate", func(ctx context.Context) (any, any, error) {
			_, err := c.Annotate(ctx, forge.Annotation{Name: "v1", Message: "One", Commit: sha, Tagger: "Ada", Email: "ada@example.invalid", At: time.Unix(1, 0)})
			return nil, nil, err
		}},
		{"releases", func(ctx context.Context) (any, any, error) {
			list, err := c.FindRelease(ctx, "v1.0.0")
			return len(list) == 1 && len(list[0].Assets) == 1, true, err
		}},
		{"release", func(ctx context.Context) (any, any, error) {
			r, err := c.Release(ctx, 1)
			return r.Tag, "v1.0.0", err
		}},
		{"create draft", func(ctx context.Context) (any, any, error) {
			r, err := c.CreateDraft(ctx, forge.DraftRequest{Tag: "v1", Name: "n", Target: "main"})
			return r.ID, int64(1), err
		}},
		{"update", func(ctx context.Context) (any, any, error) {
			r, err := c.UpdateRelease(ctx, 1, forge.Update{Tag: "v1", Name: ptr("n"), Body: ptr(""), Draft: ptr(false), Prerelease: ptr(false), MakeLatest: "legacy"})
			return r.ID, int64(1), err
		}},
		{"delete release", func(ctx context.Context) (any, any, error) { return nil, nil, c.DeleteRelease(ctx, 1) }},
		{"notes", func(ctx context.Context) (any, any, error) {
			s, err := c.GenerateNotes(ctx, "v1", "main", "v0")
			return s != "", true, err
		}},
		{"assets", func(ctx context.Context) (any, any, error) {
			list, err := c.Assets(ctx, 1)
			return len(list) == 1 && strings.HasPrefix(list[0].Digest, "sha256:"), true, err
		}},
		{"upload", func(ctx context.Context) (any, any, error) {
			a, err := c.UploadAsset(ctx, rel, forge.Upload{Name: "a+b.crate", ContentType: "application/gzip", Size: 3, Open: func() (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader("abc")), nil
			}})
			return a.State, "uploaded", err
		}},
		{"rename asset", func(ctx context.Context) (any, any, error) {
			a, err := c.RenameAsset(ctx, 1, "b")
			return a.ID, int64(1), err
		}},
		{"delete asset", func(ctx context.Context) (any, any, error) { return nil, nil, c.DeleteAsset(ctx, 1) }},
		{"download asset", func(ctx context.Context) (any, any, error) {
			body, err := c.DownloadAsset(ctx, forge.Asset{ID: 1, Name: "a"})
			if err != nil {
				return nil, nil, err
			}
			return nil, nil, body.Close()
		}},
		{"dispatch", func(ctx context.Context) (any, any, error) {
			r, err := c.Dispatch(ctx, "release.yml", "release/v1", map[string]string{"tag": "v1"})
			return r.ID != 0 && r.HTMLURL != "", true, err
		}},
		{"run", func(ctx context.Context) (any, any, error) {
			r, err := c.Run(ctx, 30433642)
			return r.Status, "queued", err
		}},
		{"runs", func(ctx context.Context) (any, any, error) {
			list, err := c.Runs(ctx, "release.yml", "release/v1", time.Now())
			return len(list), 1, err
		}},
		{"workflows", func(ctx context.Context) (any, any, error) {
			list, err := c.Workflows(ctx)
			return len(list) == 2 && list[0].State == "active" && list[0].Path != "", true, err
		}},
		{"rules", func(ctx context.Context) (any, any, error) {
			list, err := c.RulesFor(ctx, "release/v1")
			return len(list) == 2 && list[0].Type != "", true, err
		}},
		{"create issue", func(ctx context.Context) (any, any, error) {
			i, err := c.CreateIssue(ctx, "title", "text")
			return i.Number, 1347, err
		}},
		{"update issue", func(ctx context.Context) (any, any, error) {
			i, err := c.UpdateIssue(ctx, 1347, "title", "text")
			return i.Number, 1347, err
		}},
		{"close issue", func(ctx context.Context) (any, any, error) {
			i, err := c.CloseIssue(ctx, 1347)
			return i.Number, 1347, err
		}},
		{"secret", func(ctx context.Context) (any, any, error) {
			s, err := c.Secret(ctx, forge.Vault{}, "GH_TOKEN")
			return s.Name, "GH_TOKEN", err
		}},
		{"secret of an environment", func(ctx context.Context) (any, any, error) {
			s, err := c.Secret(ctx, forge.Vault{Environment: "a/b c"}, "GH_TOKEN")
			return s.Name, "GH_TOKEN", err
		}},
		{"secret of an organization", func(ctx context.Context) (any, any, error) {
			s, err := c.Secret(ctx, forge.Vault{Organization: "octo-org"}, "GH_TOKEN")
			return fmt.Sprint(s.Visibility, s.Selected), "selected[1296269]", err
		}},
		{"rate limit", func(ctx context.Context) (any, any, error) {
			r, err := c.RateLimit(ctx)
			return r.Limit, 5000, err
		}},
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			got, want, err := call.do(t.Context())
			if err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
	if served < len(calls) {
		t.Errorf("%d requests for %d calls", served, len(calls))
	}
}

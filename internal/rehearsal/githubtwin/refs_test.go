package githubtwin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

func TestRefs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, alias := range []string{"", "/api/v3"} {
		c := w.client(alias)
		name := "refs/heads/release/v2" + strings.ReplaceAll(alias, "/", "-")
		made, _, err := c.Git.CreateRef(ctx, owner, repo, &github.Reference{Ref: &name, Object: &github.GitObject{SHA: &w.head}})
		if err != nil || made.GetRef() != name || made.GetObject().GetSHA() != w.head || made.GetObject().GetType() != "commit" {
			t.Fatalf("create ref: %v %v", made, err)
		}
		got, _, err := c.Git.GetRef(ctx, owner, repo, name)
		if err != nil || got.GetObject().GetSHA() != w.head {
			t.Fatalf("get ref: %v %v", got, err)
		}
		if !strings.HasPrefix(got.GetURL(), w.url+alias+"/repos/") {
			t.Errorf("url of a ref through %q: %s", alias, got.GetURL())
		}
	}
	w.want(422, "Reference already exists", "POST", "/git/refs", obj{"ref": "refs/heads/main", "sha": w.first})
	w.want(422, "Object does not exist", "POST", "/git/refs", obj{"ref": "refs/heads/x", "sha": strings.Repeat("1", 40)})
	w.want(422, "Reference name", "POST", "/git/refs", obj{"ref": "main", "sha": w.first})
	w.want(422, "Reference update failed", "POST", "/git/refs", obj{"ref": "refs/heads/release", "sha": w.first})
	w.want(404, "Not Found", "GET", "/git/ref/heads/release", nil)
	w.want(200, w.second, "GET", "/git/matching-refs/heads/release", nil)
	w.want(422, "not a fast forward", "PATCH", "/git/refs/heads/main", obj{"sha": w.first})
	w.want(200, w.first, "PATCH", "/git/refs/heads/side", obj{"sha": w.first, "force": true})
	w.want(200, w.second, "PATCH", "/git/refs/heads/side", obj{"sha": w.second})
	w.want(422, "Reference does not exist", "PATCH", "/git/refs/heads/none", obj{"sha": w.second})
	w.want(204, "", "DELETE", "/git/refs/heads/side", nil)
	w.want(422, "Reference does not exist", "DELETE", "/git/refs/heads/side", nil)
}

func TestAnnotatedTag(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.client("")
	tag, _, err := c.Git.CreateTag(ctx, owner, repo, &github.Tag{Tag: github.String("v1.0.0"), Message: github.String("one"),
		Object: &github.GitObject{SHA: &w.head, Type: github.String("commit")}})
	if err != nil {
		t.Fatal(err)
	}
	w.want(404, "", "GET", "/git/ref/tags/v1.0.0", nil)
	w.want(201, tag.GetSHA(), "POST", "/git/refs", obj{"ref": "refs/tags/v1.0.0", "sha": tag.GetSHA()})
	ref, _, err := c.Git.GetRef(ctx, owner, repo, "tags/v1.0.0")
	if err != nil || ref.GetObject().GetType() != "tag" {
		t.Fatalf("ref of an annotated tag: %v %v", ref, err)
	}
	got, _, err := c.Git.GetTag(ctx, owner, repo, ref.GetObject().GetSHA())
	if err != nil || got.GetObject().GetSHA() != w.head || got.GetMessage() != "one" {
		t.Fatalf("tag object: %v %v", got, err)
	}
	commit, _, err := c.Repositories.GetCommit(ctx, owner, repo, "v1.0.0", nil)
	if err != nil || commit.GetSHA() != w.head {
		t.Fatalf("commit of a tag: %v %v", commit, err)
	}
	tags, _, err := c.Repositories.ListTags(ctx, owner, repo, nil)
	if err != nil || len(tags) != 1 || tags[0].GetCommit().GetSHA() != w.head {
		t.Fatalf("tags: %v %v", tags, err)
	}
	w.want(404, "", "GET", "/git/tags/"+w.head, nil)
}

func TestReading(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.client("")
	if r, _, err := c.Repositories.Get(ctx, owner, repo); err != nil || r.GetDefaultBranch() != "main" || !r.GetPermissions()["push"] {
		t.Errorf("repository: %v %v", r, err)
	}
	if b, _, err := c.Repositories.GetBranch(ctx, owner, repo, "release/v1.0.0", 0); err != nil || b.GetCommit().GetSHA() != w.second {
		t.Errorf("branch: %v %v", b, err)
	}
	if bs, _, err := c.Repositories.ListBranches(ctx, owner, repo, nil); err != nil || len(bs) != 3 {
		t.Errorf("branches: %v %v", bs, err)
	}
	sha, _, err := c.Repositories.GetCommitSHA1(ctx, owner, repo, "heads/main", "")
	if err != nil || sha != w.head {
		t.Errorf("sha of main: %q %v", sha, err)
	}
	w.want(404, "Branch not found", "GET", "/branches/none", nil)
	w.want(422, "No commit found for SHA: none", "GET", "/commits/none", nil)
	file, _, _, err := c.Repositories.GetContents(ctx, owner, repo, ".github/workflows/release.yml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := file.GetContent(); err != nil || content != releaseWorkflow {
		t.Errorf("file: %q %v", content, err)
	}
	_, list, _, err := c.Repositories.GetContents(ctx, owner, repo, "", &github.RepositoryContentGetOptions{Ref: w.first})
	var names []string
	for _, e := range list {
		names = append(names, e.GetName()+":"+e.GetType())
	}
	if got := strings.Join(names, " "); err != nil || got != ".github:dir Cargo.toml:file src:dir" {
		t.Errorf("root: %q %v", got, err)
	}
	w.want(200, releaseWorkflow, "GET", "/contents/.github/workflows/release.yml", nil, "Accept: application/vnd.github.raw+json")
	w.want(200, releaseWorkflow, "GET", file.GetDownloadURL(), nil)
	if blob := w.want(200, `"encoding":"base64"`, "GET", "/git/blobs/"+file.GetSHA(), nil); blob.json["size"] != float64(len(releaseWorkflow)) {
		t.Errorf("blob: %v", blob.json)
	}
	w.want(200, releaseWorkflow, "GET", "/git/blobs/"+file.GetSHA(), nil, "Accept: application/vnd.github.raw+json")
	w.want(404, "Not Found", "GET", "/git/blobs/"+w.head, nil) // a commit
	w.want(404, "Not Found", "GET", "/contents/none", nil)
	w.want(404, "No commit found for the ref none", "GET", "/contents/Cargo.toml?ref=none", nil)
	w.want(200, `"login":"tagboat[bot]"`, "GET", "//user", nil)
}

func TestCompare(t *testing.T) {
	w := newWorld(t)
	for span, want := range map[string]string{
		"main...main":            "identical 0 0 [] []",
		"release/v1.0.0...main":  "ahead 1 0 [third] [.github/workflows/release.yml:added Cargo.toml:removed crates/core/Cargo.toml:added]",
		"main...release/v1.0.0":  "behind 0 1 [] []",
		"side...main":            "diverged 2 1 [second third] [.github/workflows/release.yml:added Cargo.toml:removed crates/core/Cargo.toml:added src/lib.rs:modified]",
		w.first + "..." + w.head: "ahead 2 0 [second third] [.github/workflows/release.yml:added Cargo.toml:removed crates/core/Cargo.toml:added src/lib.rs:modified]",
	} {
		base, head, _ := strings.Cut(span, "...")
		got, _, err := w.client("").Repositories.CompareCommits(t.Context(), owner, repo, base, head, nil)
		if err != nil {
			t.Errorf("%s: %v", span, err)
			continue
		}
		commits, files := []string{}, []string{}
		for _, c := range got.Commits {
			commits = append(commits, c.GetCommit().GetMessage())
		}
		for _, f := range got.Files {
			files = append(files, f.GetFilename()+":"+f.GetStatus())
		}
		if line := fmt.Sprintf("%s %d %d %v %v", got.GetStatus(), got.GetAheadBy(), got.GetBehindBy(), commits, files); line != want {
			t.Errorf("%s:\n got %s\nwant %s", span, line, want)
		}
	}
	w.want(404, "Not Found", "GET", "/compare/none...main", nil)
}

func TestPushEvents(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	fresh := events(t, w)
	if err := w.twin.PushTag(ctx, "v1.0.0", w.second); err != nil {
		t.Fatal(err)
	}
	if err := w.twin.PushAnnotatedTag(ctx, "v1.1.0", w.head, "annotated"); err != nil {
		t.Fatal(err)
	}
	four := []githubtwin.Update{{Ref: "refs/tags/a", After: w.head}, {Ref: "refs/tags/b", After: w.head}, {Ref: "refs/tags/c", After: w.head}, {Ref: "refs/tags/d", After: w.head}}
	if err := w.twin.Push(ctx, four...); err != nil {
		t.Fatal(err)
	}
	if err := w.twin.Push(ctx, githubtwin.Update{Ref: "refs/tags/v1.0.0", After: w.side}); err != nil {
		t.Fatal(err)
	}
	if err := w.twin.Push(ctx, githubtwin.Update{Ref: "refs/tags/v1.0.0"}); err != nil {
		t.Fatal(err)
	}
	got := events(t, w)[len(fresh):]
	annotated := must(w.store.Ref(ctx, "refs/tags/v1.1.0")).Object
	want := []string{
		"create", fmt.Sprintf("push refs/tags/v1.0.0 %s..%s head %s created true deleted false forced false", gitstore.Zero, w.second, w.second),
		"create", fmt.Sprintf("push refs/tags/v1.1.0 %s..%s head %s created true deleted false forced false", gitstore.Zero, annotated, w.head),
		fmt.Sprintf("push refs/tags/v1.0.0 %s..%s head %s created false deleted false forced true", w.second, w.side, w.side),
		"delete", fmt.Sprintf("push refs/tags/v1.0.0 %s..%s head  created false deleted true forced false", w.side, gitstore.Zero),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// events lists the events as go-github reads them, one line each.
func events(t *testing.T, w *world) []string {
	t.Helper()
	all, err := w.twin.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		parsed, err := github.ParseWebHook(e.Name, e.Payload)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		p, isPush := parsed.(*github.PushEvent)
		if !isPush {
			out = append(out, e.Name)
			continue
		}
		out = append(out, fmt.Sprintf("push %s %s..%s head %s created %t deleted %t forced %t", p.GetRef(), p.GetBefore(), p.GetAfter(), p.GetHeadCommit().GetID(), p.GetCreated(), p.GetDeleted(), p.GetForced()))
	}
	return out
}

func TestRules(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) {
		c.Rules = []githubtwin.Rule{{Pattern: "refs/heads/release/*", Type: "creation"}, {Pattern: "refs/heads/main", Type: "deletion"}, {Pattern: "refs/tags/locked", Type: "creation"}}
	})
	w.want(422, "Cannot create ref due to creations being restricted", "POST", "/git/refs", obj{"ref": "refs/heads/release/v9", "sha": w.head})
	w.want(422, "Cannot create ref due to creations being restricted", "POST", "/releases", obj{"tag_name": "locked"})
	var rules []obj
	if err := json.Unmarshal(w.want(200, "creation", "GET", "/rules/branches/release/v9", nil).body, &rules); err != nil || len(rules) != 1 {
		t.Errorf("rules: %v %v", rules, err)
	}
	w.want(200, "[]", "GET", "/rules/branches/other", nil)
}

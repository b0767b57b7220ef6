//go:build e2e

package acceptance

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/release"
)

// ada is who prepares releases.
var ada = map[string]string{"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.invalid"}

// line is a repository's way through a release and two patches of it.
type line struct {
	t     *testing.T
	w     *outside.World
	pulls int // merged so far
}

func (l *line) tagboat(args ...string) release.Report {
	l.t.Helper()
	return newRun(l.t.Context(), l.t, l.w, ada, args...).must(l.t, 0)
}

// merge merges the pull request that a report names, and returns the new head of its base.
func (l *line) merge(r release.Report) string {
	l.t.Helper()
	l.pulls++
	if !strings.HasSuffix(r.URL, "/pull/"+string(rune('0'+l.pulls))) {
		l.t.Fatalf("the pull request is %s, want number %d", r.URL, l.pulls)
	}
	commit, err := l.w.GitHub.MergePull(l.t.Context(), l.pulls)
	if err != nil {
		l.t.Fatal(err)
	}
	return commit
}

// release tags a commit and releases what was tagged.
func (l *line) release(commit string, want ...string) {
	l.t.Helper()
	r := l.tagboat(append([]string{"tag", "--commit", commit}, tagsOf(want)...)...)
	made := r.Releases
	if len(made) == 0 {
		made = []release.Report{r}
	}
	var tags []string
	for _, one := range made {
		tags = append(tags, one.Tag)
	}
	if got := strings.Join(tags, " "); got != strings.Join(want, " ") {
		l.t.Fatalf("tagged %s, want %s", got, want)
	}
	for _, tag := range tags {
		if r := l.tagboat("release", "--tag", tag); r.Outcome != release.Released {
			l.t.Fatalf("release %s: %+v", tag, r)
		}
	}
}

// tagsOf are the names to give: several tags at one commit are found by the versions.
func tagsOf(want []string) []string {
	if len(want) > 1 {
		return nil
	}
	return want
}

// mend commits a fix to main.
func (l *line) mend(name string) string {
	l.t.Helper()
	head, err := l.w.Bare.Commit(l.t.Context(), "refs/heads/main")
	if err != nil {
		l.t.Fatal(err)
	}
	sha, err := l.w.Bare.CommitFiles(l.t.Context(), git.CommitRequest{Branch: "main", Parent: head, Files: map[string][]byte{name: []byte("mended\n")},
		Message: "Mend " + name, Author: git.Identity{Name: "Grace", Email: "grace@example.invalid"}, Time: time.Now()})
	if err != nil {
		l.t.Fatal(err)
	}
	return sha
}

// patch picks a commit for a line, merges it and releases it.
func (l *line) patch(of, pick, want string) {
	l.t.Helper()
	r := l.tagboat("patch", of, "--pick", pick)
	if r.Tag != want || len(r.Picks) != 1 || r.Picks[0].Skipped != "" {
		l.t.Fatalf("the patch: %+v", r)
	}
	l.release(l.merge(r), want)
}

// tell writes what is to come into a changelog, where there is one.
func tell(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, os.WriteFile(name, []byte(strings.Replace(string(text), "### Added\n", "### Added\n\n* A guest that sings.\n", 1)), 0o644))
}

// TestFromBumpToSecondPatch goes all the way, every step a process on an empty disk: bump, pull request, merge, tag,
// release, then twice a patch from the branch of the release before.
func TestFromBumpToSecondPatch(t *testing.T) {
	for name, c := range map[string]struct {
		tags    []string
		of      string
		patches []string
		branch  string // of the last patch
		crates  map[string]string
	}{
		"hyperlight": {[]string{"v0.5.0"}, "v0.5.0", []string{"v0.5.1", "v0.5.2"}, "release/v0.5.2", map[string]string{"hyperlight-host": "0.5.2", "hyperlight-common": "0.5.2"}},
		"mshv": {[]string{"mshv-bindings-v0.8.0", "mshv-ioctls-v0.8.0"}, "mshv-ioctls-v0.8.0", []string{"mshv-ioctls-v0.8.1", "mshv-ioctls-v0.8.2"}, "release/mshv-ioctls-v0.8.2",
			map[string]string{"mshv-ioctls": "0.8.2", "mshv-bindings": "0.8.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, filepath.Join(workspaces, name), outside.Config{}, func(dir string) error {
				return errors.Join(forFeed(dir), tell(filepath.Join(dir, "CHANGELOG.md")), appendTo(filepath.Join(dir, "tagboat.toml"), "\n[workflow]\nfile = \"none\"\n"))
			})
			l := &line{t: t, w: w}
			bumped := l.tagboat("bump", "minor", "--pr")
			if again := l.tagboat("bump", "minor", "--pr"); again.URL != bumped.URL || again.Commit != bumped.Commit {
				t.Errorf("a second time: %s at %s, was %s at %s", again.URL, again.Commit, bumped.URL, bumped.Commit)
			}
			if _, body, _, _ := w.GitHub.Pull(1); !strings.Contains(body, "```mermaid\ngraph LR\n") || !strings.Contains(body, " --> c") || !strings.Contains(body, "tagboat tag") {
				t.Errorf("the pull request says\n%s", body)
			}
			l.release(l.merge(bumped), c.tags...)
			for _, tag := range c.patches {
				l.patch(c.of, l.mend("doc/"+tag), tag)
			}
			if _, err := w.Bare.Commit(t.Context(), "refs/heads/"+c.branch); err != nil {
				t.Error(err)
			}
			got := map[string]string{}
			for _, up := range w.Feeds["feed"].Twin.Accepted() {
				if _, ok := c.crates[up.Name]; ok {
					got[up.Name] = up.Version
				}
			}
			if !maps.Equal(got, c.crates) {
				t.Errorf("last uploaded %v, want %v", got, c.crates)
			}
		})
	}
}

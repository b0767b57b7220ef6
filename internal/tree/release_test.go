//go:build e2e

package tree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// ghGit stands in for gh where a script makes commits: the API's git side, on the bare repository $ORIGIN. git is not the
// machine's own: identities and signatures are GitHub's there.
const ghGit = `#!/usr/bin/env bash
set -euo pipefail
export GIT_AUTHOR_NAME=hub GIT_AUTHOR_EMAIL=hub@example.org GIT_COMMITTER_NAME=hub GIT_COMMITTER_EMAIL=hub@example.org
git() { command git --git-dir "$ORIGIN" "$@"; }
case "$1 $2" in
"attestation verify")
  echo "$*" >>"$ASKED" ;;
"api graphql")
  input=$(jq .variables.input)
  branch=refs/heads/$(jq -r .branch.branchName <<<"$input")
  head=$(jq -r .expectedHeadOid <<<"$input")
  [[ $(git rev-parse "$branch") == "$head" ]]
  export GIT_INDEX_FILE=$ORIGIN/api-index
  git read-tree "$head"
  while read -r path contents; do
    blob=$(base64 --decode <<<"$contents" | git hash-object -w --stdin)
    git update-index --cacheinfo "100644,$blob,$path"
  done < <(jq -r '.fileChanges.additions[] | "\(.path) \(.contents)"' <<<"$input")
  message=$(jq -r '.message.headline + "\n\n" + .message.body' <<<"$input")
  git update-ref "$branch" "$(git commit-tree "$(git write-tree)" -p "$head" -m "$message")" "$head"
  [[ -z ${LOSE_ANSWER-} ]] ;;
"api "*/matching-refs/*)
  git for-each-ref --format '%(objectname) %(refname)' "refs/${2#*/matching-refs/}*" |
    jq -R 'split(" ") | {ref: .[1], object: {sha: .[0]}}' | jq -s . ;;
"api "*/git/refs)
  body=$(cat)
  git update-ref "$(jq -r .ref <<<"$body")" "$(jq -r .sha <<<"$body")" "" ;;
"api "*/git/commits/*)
  sha=${2##*/}
  jq -n --arg parents "$(git show -s --format=%P "$sha")" --arg message "$(git show -s --format=%B "$sha")" \
    '{parents: ($parents | split(" ") | map({sha: .})), message: $message}' ;;
"api "*/contents/*)
  path=${2#*/contents/}
  git show "${path#*\?ref=}:${path%\?ref=*}" | base64 | jq -R . | jq -s '{content: join("\n")}' ;;
*) echo "gh $*?" >&2; exit 9 ;;
esac
`

// ghTwin stands in for gh where a script makes a release: it asks the GitHub that holds state, at $TWIN.
const ghTwin = `#!/usr/bin/env bash
set -euo pipefail
call() { curl --silent --show-error --fail-with-body -H 'Authorization: Bearer t' "$@"; }
[[ $GH_TOKEN == t ]]
releases=$TWIN/api/v3/repos/$GITHUB_REPOSITORY/releases
case "$1 $2" in
"release create")
  [[ "${*:4:5}" == "--draft --verify-tag --title Tagboat $3 --notes-file" ]]
  body=$(jq -n --arg tag "$3" --rawfile body "$9" '{tag_name: $tag, name: $tag, body: $body, draft: true}')
  call -d "$body" "$releases" >/dev/null ;;
"release upload")
  release=$(call "$releases" | jq --arg tag "$3" '.[] | select(.tag_name == $tag)')
  for file in "${@:4}"; do
    [[ $file != --clobber ]] || continue
    old=$(jq -r --arg name "${file##*/}" '.assets[] | select(.name == $name) | .id' <<<"$release")
    [[ -z $old ]] || call -X DELETE "$releases/assets/$old"
    call -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$(jq -r '.upload_url | sub("\\{.*"; "")' <<<"$release")?name=${file##*/}" >/dev/null
    [[ ${DIE_AFTER-} != "${file##*/}" ]]
  done ;;
"api --paginate") call "$TWIN/api/v3/$3" ;;
"api --method") call -X "$3" -d @- "$TWIN/api/v3/$4" ;;
*) echo "gh $*?" >&2; exit 9 ;;
esac
`

// sandbox is a folder with stand-ins on the PATH and an environment like that of a workflow.
type sandbox struct {
	dir string
	env []string
}

func newSandbox(t *testing.T, gh string) sandbox {
	t.Helper()
	for _, program := range []string{"bash", "curl", "git", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("these tests need %s", program)
		}
	}
	s := sandbox{dir: t.TempDir()}
	s.write(t, "bin/gh", gh)
	s.write(t, "bin/docker", "#!/bin/sh\n")
	s.env = append(os.Environ(), "PATH="+s.dir+"/bin:"+os.Getenv("PATH"), "HOME="+s.dir, "GIT_CONFIG_NOSYSTEM=1", "GH_TOKEN=t", "GITHUB_REPOSITORY=tagboat/tagboat", "RUNNER_TEMP="+s.dir,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		"GITHUB_OUTPUT="+s.dir+"/output", "GITHUB_STEP_SUMMARY="+s.dir+"/summary", "GITHUB_ACTOR=a", "IMAGE=ghcr.io/tagboat/tagboat", "ORIGIN="+s.dir+"/origin", "ASKED="+s.dir+"/asked")
	return s
}

func (s sandbox) write(t *testing.T, name, text string) {
	t.Helper()
	file, mode := filepath.Join(s.dir, name), os.FileMode(0o755)
	if strings.HasSuffix(name, ".yml") {
		mode = 0o644
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
		t.Fatal(err)
	}
}

func (s sandbox) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// run is one call in the repository's copy, with what it printed.
func (s sandbox) run(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "repo"), append(s.env, env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is a call that the test itself needs.
func (s sandbox) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.run(t, nil, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// script is what a step of a workflow runs.
func script(t *testing.T, file, job, step string) string {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, file)), &w); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.Jobs[job].Steps {
		if s.Name == step {
			return s.Run
		}
	}
	t.Fatalf("%s: job %s has no step %q", file, job, step)
	return ""
}

// prepared is a repository, and a clone of it at main, as the first half of a release finds it.
func prepared(t *testing.T) (s sandbox, base string) {
	t.Helper()
	s = newSandbox(t, ghGit)
	files := map[string]string{"repo/action.yml": actionText(t), "repo/setup/action.yml": setupText(t), "repo/main.go": "package main\n"}
	for _, name := range glob(t, ".github/*.sh") {
		files["repo/"+name] = read(t, name)
	}
	for name, text := range files {
		s.write(t, name, text)
	}
	s.must(t, "git", "init", "-q", "-b", "main")
	s.must(t, "git", "add", "-A")
	s.must(t, "git", "commit", "-q", "-m", "all of it")
	s.must(t, "git", "clone", "-q", "--bare", ".", s.dir+"/origin")
	return s, s.must(t, "git", "rev-parse", "HEAD")
}

const digests = `{"full": {"index": "` + digest + `"}, "slim": {"index": "sha256:1111111111111111111111111111111111111111111111111111111111111111"}}`

// TestReleaseCommit holds the way of the digest into the tag: what prepare.yml commits, also after a lost answer and a second
// time, is what release.yml takes, and nothing else is.
func TestReleaseCommit(t *testing.T) {
	s, base := prepared(t)
	env := []string{"DIGESTS=" + digests, "GITHUB_SHA=" + base}
	commit := func(extra ...string) (string, error) {
		s.must(t, "git", "checkout", "-q", "--force", base)
		return s.run(t, append(env, extra...), ".github/release-commit.sh", "v1.2.3")
	}
	if out, err := commit("LOSE_ANSWER=1"); err == nil {
		t.Errorf("the answer was lost, and nobody noticed: %s", out)
	}
	for range 2 {
		if out, err := commit(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	made := s.must(t, "git", "--git-dir", s.dir+"/origin", "rev-parse", "release/v1.2.3")
	if parent := s.must(t, "git", "--git-dir", s.dir+"/origin", "rev-parse", made+"^"); parent != base {
		t.Errorf("the commit is above %s, want %s", parent, base)
	}
	if summary := s.read(t, "summary"); !strings.Contains(summary, "git tag --sign v1.2.3 "+made) {
		t.Errorf("the summary is\n%s", summary)
	}
	if out, err := commit("DIGESTS=" + strings.Replace(digests, "1111", "2222", 1)); err == nil || !strings.Contains(out, "which is not the commit") {
		t.Errorf("other images, and the same branch: %v\n%s", err, out)
	}

	check := func(at string) (string, error) {
		s.must(t, "git", "fetch", "-q", s.dir+"/origin", "release/v1.2.3")
		s.must(t, "git", "checkout", "-q", "--force", at)
		s.must(t, "git", "worktree", "prune")
		defer os.RemoveAll(s.dir + "/parent")
		return s.run(t, []string{"GITHUB_REF=refs/tags/v1.2.3", "TAG=v1.2.3"}, "bash", "-eo", "pipefail", "-c", script(t, ".github/workflows/release.yml", "check", "The tag is a release"))
	}
	if out, err := check(made); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := s.read(t, "output"), "full="+digest+"\nslim=sha256:"+strings.Repeat("1", 64)+"\n"; got != want {
		t.Errorf("got outputs %q, want %q", got, want)
	}
	if asked := s.read(t, "asked"); strings.Count(asked, "--source-digest "+base+" --signer-workflow tagboat/tagboat/.github/workflows/prepare.yml") != 2 {
		t.Errorf("gh was asked\n%s", asked)
	}
	if out, err := check(base); err == nil {
		t.Errorf("main was taken for a release: %s", out)
	}
	s.must(t, "git", "checkout", "-q", "--force", made)
	s.write(t, "repo/main.go", "package evil\n")
	s.must(t, "git", "commit", "-q", "-a", "--amend", "--no-edit")
	if out, err := check(s.must(t, "git", "rev-parse", "HEAD")); err == nil || !strings.Contains(out, "+package evil") {
		t.Errorf("a third line was taken: %v\n%s", err, out)
	}
}

// TestPublishRelease holds that a release is complete before it is public, and that what broke off is finished.
func TestPublishRelease(t *testing.T) {
	s := newSandbox(t, ghTwin)
	store := gitstore.NewMemory()
	base, err := store.AddCommit("first", map[string]string{"a": "a"})
	if err != nil {
		t.Fatal(err)
	}
	twin, err := githubtwin.New(githubtwin.Config{Owner: "tagboat", Repo: "tagboat", Refs: store, Immutable: true, ForgetsTags: true,
		Tokens: map[string]githubtwin.Permissions{"t": {"contents": "write", "metadata": "read"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	if err := errors.Join(twin.PushBranch(t.Context(), "main", base), twin.PushAnnotatedTag(t.Context(), "v1.2.3", base, "one")); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(twin.Handler())
	defer server.Close()
	s.env = append(s.env, "TWIN="+server.URL)
	s.write(t, "repo/.github/publish-release.sh", read(t, ".github/publish-release.sh"))
	s.write(t, "repo/CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n* News.\n\n## [1.2.2]\n\n* Old.\n")
	sums := ""
	for _, name := range []string{"a.tar.gz", "b.zip"} {
		s.write(t, "repo/dist/"+name, "bytes of "+name)
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte("bytes of "+name)), name)
	}
	s.write(t, "repo/dist/SHA256SUMS", sums)
	publish := func(env ...string) (string, error) {
		return s.run(t, env, ".github/publish-release.sh", "v1.2.3", "dist")
	}
	state := func() string {
		return s.must(t, "bash", "-c", `gh api --paginate repos/tagboat/tagboat/releases | jq -c '.[] | [.tag_name, .draft, .body, [.assets[].name]]'`)
	}
	if out, err := publish("DIE_AFTER=a.tar.gz"); err == nil {
		t.Fatalf("it did not break off: %s", out)
	}
	if got, want := state(), `["v1.2.3",true,"\n* News.\n\n",["SHA256SUMS","a.tar.gz"]]`; got != want {
		t.Errorf("after a break: got %s, want %s", got, want)
	}
	for range 2 { // the second time there is nothing left to do
		if out, err := publish(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got, want := state(), `["v1.2.3",false,"\n* News.\n\n",["SHA256SUMS","a.tar.gz","b.zip"]]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	s.write(t, "repo/dist/b.zip", "other bytes")
	if out, err := publish(); err == nil || !strings.Contains(out, "b.zip") {
		t.Errorf("a file that is not in SHA256SUMS was taken: %v\n%s", err, out)
	}
	s.write(t, "repo/dist/SHA256SUMS", strings.Replace(sums, fmt.Sprintf("%x", sha256.Sum256([]byte("bytes of b.zip"))), fmt.Sprintf("%x", sha256.Sum256([]byte("other bytes"))), 1))
	if out, err := publish(); err == nil || !strings.Contains(out, "does not have the files that were built") {
		t.Errorf("a public release with other bytes was taken: %v\n%s", err, out)
	}
	s.write(t, "repo/CHANGELOG.md", "## [1.2.30]\n\n* News.\n")
	if out, err := publish(); err == nil || !strings.Contains(out, "says nothing about 1.2.3") {
		t.Errorf("released without a word: %v\n%s", err, out)
	}
}

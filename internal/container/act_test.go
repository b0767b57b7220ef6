//go:build e2e

package container

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

const actVersion = "v0.2.89"

// act returns the runner of workflows, built once.
var act = sync.OnceValues(func() (string, error) {
	program := filepath.Join(docker.cache, "act-"+actVersion)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	bin, err := os.MkdirTemp(docker.cache, "bin-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(bin)
	cmd := exec.Command("go", "install", "github.com/nektos/act@"+actVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
	if _, err := output(cmd); err != nil {
		return "", err
	}
	return program, os.Rename(filepath.Join(bin, "act"), program)
})

// actions returns a folder with an action for each `uses:` of the examples that is not ours: the artifact actions, on the
// package that the real ones are made of.
var actions = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(docker.cache, "actions")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/actions")); err != nil {
		return "", err
	}
	if err := shell(context.Background(), `cd "$1" && npm install --no-package-lock --no-audit --no-fund --loglevel=error && for a in upload download; do cp -a node_modules package.json $a/; done`, dir); err != nil {
		return "", err
	}
	return dir, nil
})

// ours returns a folder that is the Action as a release has it: the image is there already.
func ours(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	switched := strings.Replace(string(text), "\n  image: Dockerfile\n", "\n  image: docker://"+image+"\n", 1)
	if switched == string(text) {
		t.Fatal("action.yml has no line `image: Dockerfile`")
	}
	if err := os.WriteFile(filepath.Join(dir, "action.yml"), []byte(switched), 0o644); err != nil {
		t.Fatal(err)
	}
	// Beside it, an action that installs the program of the slim image, as the setup action does that of a release.
	if err := os.CopyFS(filepath.Join(dir, "setup"), os.DirFS("testdata/actions/setup")); err != nil {
		t.Fatal(err)
	}
	if err := shell(t.Context(), `export DOCKER_HOST="unix://$1"; c=$(docker create "$2"); docker cp "$c:/tagboat" "$3"; docker rm "$c" >/dev/null`, docker.socket, slimImage, filepath.Join(dir, "setup")); err != nil {
		t.Fatal(err)
	}
	return dir
}

var uses = regexp.MustCompile(`uses: (\S+)`)

// run runs one workflow of a clone as its event would, and returns the log.
func (w *world) run(ctx context.Context, t *testing.T, clone, workflow, event string, payload map[string]any, more ...string) (string, error) {
	t.Helper()
	program, err := act()
	if err != nil {
		t.Fatal(err)
	}
	stand, err := actions()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"event.json": string(text), ".config/act/actrc": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{event, "-C", clone, "-W", ".github/workflows/" + workflow, "-e", filepath.Join(home, "event.json"), "--pull=false", "--network=host", "--rm",
		"-P", "ubuntu-latest=" + jobImage, "-s", "GITHUB_TOKEN=" + w.Token, "-s", "CARGO_REGISTRY_TOKEN=" + w.token, "--matrix", "os:ubuntu-latest",
		"--artifact-server-path", filepath.Join(home, "artifacts"), "--artifact-server-addr", "127.0.0.1", "--artifact-server-port", freePort(t),
		"--no-cache-server", "--action-cache-path", filepath.Join(home, "cache"), "--container-daemon-socket", "unix://" + docker.socket}
	flows, err := filepath.Glob(filepath.Join(clone, ".github/workflows", "*.yml")) // one may call another
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range flows {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	for _, m := range uses.FindAllStringSubmatch(string(all), -1) {
		if name, ok := strings.CutPrefix(m[1], "docker://"); ok {
			if _, err := docker.do(ctx, "tag", slimImage, name); err != nil {
				t.Fatal(err)
			}
		}
		switch name, _, _ := strings.Cut(m[1], "@"); name {
		case "tagboat/tagboat", "tagboat/tagboat/setup":
			_, ref, _ := strings.Cut(m[1], "@")
			args = append(args, "--local-repository", "tagboat/tagboat@"+ref+"="+ours(t, fullImage))
		case "actions/upload-artifact":
			args = append(args, "--local-repository", m[1]+"="+filepath.Join(stand, "upload"))
		case "actions/download-artifact":
			args = append(args, "--local-repository", m[1]+"="+filepath.Join(stand, "download"))
		}
	}
	cmd := exec.CommandContext(ctx, program, append(args, more...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "XDG_CACHE_HOME=" + filepath.Join(home, ".cache"), "DOCKER_HOST=unix://" + docker.socket}
	return output(cmd)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// outputsIn are the outputs of a step as the runner read them.
func outputsIn(log string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`::set-output:: ([a-z-]+)=(.*)`).FindAllStringSubmatch(log, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// From a pushed tag to published crates and a public release, by two of the examples as they are: the first workflow
// dispatches the second, which hands over artifacts from job to job, and releases. In release.yml these are what people
// download, in slim.yml the packaged crates.
func TestTagToRelease(t *testing.T) {
	for workflow, artifact := range map[string]string{"release.yml": "trace_dump-x86_64-unknown-linux-gnu.tar.gz", "slim.yml": "hyperlight-common-0.4.0.crate"} {
		t.Run(strings.TrimSuffix(workflow, ".yml"), func(t *testing.T) { tagToRelease(t, workflow, artifact) })
	}
}

func tagToRelease(t *testing.T, workflow, artifact string) {
	var w *world
	var second struct {
		log string
		err error
	}
	w = startWorld(t, "hyperlight", []string{"tag.yml", workflow}, func(ctx context.Context, d githubtwin.Dispatch) string {
		second.log, second.err = w.run(ctx, t, w.clone(t, d.Ref), d.Workflow, "workflow_dispatch", map[string]any{"ref": "refs/heads/" + d.Ref})
		if second.err != nil {
			return "failure"
		}
		return "success"
	})
	const tag = "v0.4.0"
	w.pushTag(t, tag)
	log, err := w.run(t.Context(), t, w.clone(t, tag), "tag.yml", "push", map[string]any{"ref": "refs/tags/" + tag, "repository": map[string]any{"default_branch": "main"}})
	if err != nil || second.err != nil {
		t.Fatalf("%v\n%v\n%s\n%s", err, second.err, log, second.log)
	}
	first, last := outputsIn(log), outputsIn(second.log)
	if first["outcome"] != "released" || first["tag"] != tag || first["run-url"] == "" {
		t.Errorf("the first workflow's outputs are %q\n%s", first, log)
	}
	if last["outcome"] != "released" || last["version"] != "0.4.0" || last["branch"] != "release/v0.4.0" || strings.Count(last["crates"], `"sha256"`) != 9 {
		t.Errorf("the second workflow's outputs are %q\n%s", last, second.log)
	}
	if handed := strings.Contains(second.log, "9 crates that another job packaged"); handed != (workflow == "slim.yml") {
		t.Errorf("another job packaged: %t\n%s", handed, second.log)
	}
	if n := len(w.crates.Accepted()); n != 9 {
		t.Errorf("crates.io accepted %d uploads, want 9", n)
	}
	rel := w.GitHub.Releases()
	if len(rel) != 1 || rel[0].Draft || !slices.ContainsFunc(rel[0].Assets, func(a githubtwin.Asset) bool { return a.Name == artifact }) {
		t.Errorf("the release is not public with its artifact: %+v", rel)
	}
}

// The examples that need no second workflow, each by the event that it is for.
func TestExamples(t *testing.T) {
	t.Run("combined.yml", func(t *testing.T) {
		w := startWorld(t, "hyperlight", []string{"combined.yml"}, nil)
		w.pushTag(t, "v0.4.0")
		log, err := w.run(t.Context(), t, w.clone(t, "v0.4.0"), "combined.yml", "push", map[string]any{"ref": "refs/tags/v0.4.0"})
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if o := outputsIn(log); o["outcome"] != "released" || len(w.crates.Accepted()) != 9 {
			t.Errorf("outputs %q, %d uploads", o, len(w.crates.Accepted()))
		}
		// The daily look finds nothing that is left to do.
		log, err = w.run(t.Context(), t, w.clone(t, "main"), "combined.yml", "schedule", map[string]any{"repository": map[string]any{"default_branch": "main"}})
		if err != nil || !strings.Contains(log, "Nothing to do for acme/hyperlight") {
			t.Errorf("%v\n%s", err, log)
		}
	})
	t.Run("check.yml", func(t *testing.T) {
		w := startWorld(t, "hyperlight", []string{"check.yml"}, nil)
		number := w.GitHub.AddPullRequest("a change")
		repo := map[string]any{"repo": map[string]any{"full_name": "acme/hyperlight"}, "ref": "change"}
		log, err := w.run(t.Context(), t, w.clone(t, "main"), "check.yml", "pull_request", map[string]any{"number": number, "pull_request": map[string]any{"number": number, "head": repo, "base": repo}})
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if o := outputsIn(log); o["outcome"] != "planned" || o["version"] != "0.4.0" || o["report"] == "" {
			t.Errorf("outputs %q", o)
		}
		if c := w.GitHub.Comments(number); len(c) != 1 || !strings.Contains(c[0], "hyperlight-host") {
			t.Errorf("comments %q", c)
		}
	})
	t.Run("rolling.yml", func(t *testing.T) {
		w := startWorld(t, "hyperlight", []string{"rolling.yml"}, nil)
		if err := os.WriteFile(filepath.Join(w.Checkout, "tagboat.toml"), []byte("[release.rolling]\nenabled = true\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"add", "tagboat.toml"}, {"commit", "-q", "-m", "rolling"}} {
			if err := w.Git(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Push(t.Context(), "refs/heads/main"); err != nil {
			t.Fatal(err)
		}
		log, err := w.run(t.Context(), t, w.clone(t, "main"), "rolling.yml", "push", map[string]any{"ref": "refs/heads/main", "repository": map[string]any{"default_branch": "main"}})
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		rel := w.GitHub.Releases()
		if len(rel) != 1 || rel[0].Tag != "dev-latest" || len(rel[0].Assets) == 0 {
			t.Errorf("releases %+v", rel)
		}
	})
	t.Run("tokens.yml", tokensExample)
	names, err := filepath.Glob(filepath.Join(root, "examples", "*.yml"))
	if err != nil || len(names) != 7 { // with those of TestTagToRelease
		t.Errorf("%d examples, want 7: run the new one here", len(names))
	}
}

func tokensExample(t *testing.T) {
	w := startWorld(t, "hyperlight", []string{"tokens.yml"}, nil)
	soon := time.Now().AddDate(0, 0, 10).UTC().Format(time.DateOnly)
	if err := os.WriteFile(filepath.Join(w.Checkout, "tagboat.toml"), []byte("[tokens.my-feed]\nexpires = "+soon+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "tagboat.toml"}, {"commit", "-q", "-m", "tokens"}} {
		if err := w.Git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Push(t.Context(), "refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	log, err := w.run(t.Context(), t, w.clone(t, "main"), "tokens.yml", "schedule", map[string]any{"repository": map[string]any{"default_branch": "main"}})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if i := w.GitHub.Issues(); len(i) != 1 || !strings.Contains(i[0].Body, "the token my-feed stops working on "+soon) {
		t.Errorf("issues %+v\n%s", i, log)
	}
}

// A workflow that is called by another one has its caller's event, and does what that asks for.
func TestCalledWorkflow(t *testing.T) {
	w := startWorld(t, "hyperlight", []string{"combined.yml"}, nil)
	flows := filepath.Join(w.Checkout, ".github", "workflows")
	text, err := os.ReadFile(filepath.Join(flows, "combined.yml"))
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile(`(?m)^on:\n(?: .*\n|\n)+`).ReplaceAll(text, []byte("on:\n  workflow_call:\n\n"))
	caller := "on:\n  push:\n    tags: [\"v*\"]\njobs:\n  publish:\n    uses: ./.github/workflows/combined.yml\n    secrets: inherit\n"
	for name, content := range map[string][]byte{"combined.yml": called, "caller.yml": []byte(caller)} {
		if err := os.WriteFile(filepath.Join(flows, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"add", "."}, {"commit", "-q", "-m", "called"}} {
		if err := w.Git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Push(t.Context(), "refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	w.pushTag(t, "v0.4.0")
	log, err := w.run(t.Context(), t, w.clone(t, "v0.4.0"), "caller.yml", "push", map[string]any{"ref": "refs/tags/v0.4.0"})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if o := outputsIn(log); o["outcome"] != "released" || len(w.crates.Accepted()) != 9 {
		t.Errorf("outputs %q, %d uploads\n%s", o, len(w.crates.Accepted()), log)
	}
}

//go:build e2e

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
)

// runnerUser is whom the workspace belongs to on GitHub's machines; the container's user is root.
const runnerUser = 1001

// job is one container as GitHub's runner starts it for an action.
// https://github.com/actions/runner/blob/main/src/Runner.Worker/Handlers/ContainerActionHandler.cs
type job struct {
	dir       string // holds a folder for each mount
	cmd       *exec.Cmd
	name      string
	out, errs bytes.Buffer
}

var mounts = map[string]string{"temp": "/github/runner_temp", "home": "/github/home", "workflow": "/github/workflow", "file_commands": "/github/file_commands", "workspace": "/github/workspace"}

// newJob prepares a container with the flags of the runner, for a pushed tag.
func (w *world) newJob(ctx context.Context, t *testing.T, image, tag string, env map[string]string) *job {
	t.Helper()
	j := &job{dir: t.TempDir(), name: "job-" + strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(t.Name(), "-"))}
	for name := range mounts {
		if name != "workspace" {
			if err := os.Mkdir(filepath.Join(j.dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Rename(w.clone(t, tag), filepath.Join(j.dir, "workspace")); err != nil {
		t.Fatal(err)
	}
	payload := fmt.Sprintf(`{"ref": "refs/tags/%s", "repository": {"default_branch": "main"}}`, tag)
	for name, text := range map[string]string{"workflow/event.json": payload, "file_commands/output": "", "file_commands/summary": ""} {
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := shell(ctx, `chown -R "$1:$1" "$2"`, fmt.Sprint(runnerUser), j.dir); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"HOME": "/github/home", "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": "/github/workspace", "RUNNER_TEMP": "/github/runner_temp",
		"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/" + tag, "GITHUB_EVENT_PATH": "/github/workflow/event.json", "GITHUB_REPOSITORY": outside.Owner + "/" + w.Name,
		"GITHUB_API_URL": w.URL, "GITHUB_OUTPUT": "/github/file_commands/output", "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
		"INPUT_GITHUB-TOKEN": w.Token, "INPUT_COMMAND": "auto", "INPUT_WORKING-DIRECTORY": ".", "CARGO_REGISTRY_TOKEN": w.token,
	}
	maps.Copy(all, env)
	args := []string{"run", "--name", j.name, "--label", "job", "--workdir", "/github/workspace", "--rm", "--network", "host", "-v", docker.socket + ":/var/run/docker.sock"}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-e", name)
	}
	for _, name := range slices.Sorted(maps.Keys(mounts)) {
		args = append(args, "-v", filepath.Join(j.dir, name)+":"+mounts[name])
	}
	j.cmd = docker.command(ctx, append(args, image)...)
	for name, value := range all {
		j.cmd.Env = append(j.cmd.Env, name+"="+value)
	}
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.errs
	t.Cleanup(func() { docker.do(context.Background(), "rm", "--force", j.name) })
	return j
}

// must runs the container to its end and wants its exit code.
func (j *job) must(t *testing.T, code int) {
	t.Helper()
	err := j.cmd.Run()
	if got := j.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d: %v\n%s\n%s", got, code, err, j.out.String(), j.errs.String())
	}
}

func (j *job) file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(j.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// left lists what somebody else than the runner's user owns below the workspace, and what lies in the other folders.
func (j *job) left(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"workspace", "home", "temp"} {
		top := filepath.Join(j.dir, name)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == top {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if name != "workspace" || info.Sys().(*syscall.Stat_t).Uid != runnerUser {
				rel, _ := filepath.Rel(j.dir, path)
				out = append(out, rel)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (w *world) pushTag(t *testing.T, tag string) {
	t.Helper()
	if err := w.Git(t.Context(), "tag", "-a", "-m", tag, tag); err != nil {
		t.Fatal(err)
	}
	if err := w.Push(t.Context(), "refs/tags/"+tag); err != nil {
		t.Fatal(err)
	}
}

// The container does its work with the flags of GitHub's runner: as root in a workspace of another user, with a home of
// the runner's, inputs with hyphens, and files for what it tells. It leaves nothing but the report, which is the
// workspace owner's.
func TestRunnerContract(t *testing.T) {
	w := startWorld(t, "cloud", nil, nil)
	w.pushTag(t, "v53.0")
	bad := w.newJob(t.Context(), t, fullImage, "v53.0", map[string]string{"CARGO_REGISTRY_TOKEN": "cio-wrong"})
	bad.must(t, 2)
	if text := bad.file(t, "file_commands/output"); !regexp.MustCompile(`outcome<<\S+\nstopped\n`).MatchString(text) {
		t.Errorf("outputs of the failure:\n%s", text)
	}
	if !strings.Contains(bad.out.String(), "\n::error title=") || strings.Contains(bad.file(t, "file_commands/summary"), "cio-wrong") {
		t.Errorf("the failure is not told well:\n%s\n%s", bad.out.String(), bad.file(t, "file_commands/summary"))
	}
	good := w.newJob(t.Context(), t, fullImage, "v53.0", nil)
	good.must(t, 0)
	output := good.file(t, "file_commands/output")
	for _, want := range []string{`outcome<<\S+\nreleased\n`, `version<<\S+\n53\.0\.0\n`, `report<<\S+\ntagboat-report\.json\n`} {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("no %s in\n%s", want, output)
		}
	}
	if text := good.file(t, "file_commands/summary"); !strings.HasPrefix(text, "## Released v53.0") {
		t.Errorf("the summary is\n%s", text)
	}
	for _, j := range []*job{bad, good} {
		if left := j.left(t); len(left) > 0 {
			t.Errorf("left behind or owned by another: %q", left)
		}
		if report := j.file(t, "workspace/tagboat-report.json"); !strings.Contains(report, `"tagboat.report/v1"`) {
			t.Errorf("the report is\n%s", report)
		}
	}
	if n := len(w.crates.Accepted()); n != 1 {
		t.Errorf("crates.io accepted %d uploads, want 1", n)
	}
}

// A toolchain that the workspace pins and the image lacks is installed in the container, with the rights that the runner
// gives it, and the release is made with it. The folder where it is kept is the workspace owner's.
func TestToolchainInContainer(t *testing.T) {
	const pinned = "nightly-2026-01-31" // what it is called by the server; it is this machine's own
	sysroot, err := output(exec.CommandContext(t.Context(), "rustc", "--print", "sysroot"))
	if err != nil {
		t.Fatal(err)
	}
	dist, err := outside.NewDist(strings.TrimSpace(sysroot), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dist.Dir)))
	defer server.Close()
	if err := dist.Offer(pinned, server.URL); err != nil {
		t.Fatal(err)
	}
	w := startWorld(t, "cloud", nil, nil)
	if err := os.WriteFile(filepath.Join(w.Checkout, "rust-toolchain.toml"), []byte("[toolchain]\nchannel = \""+pinned+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "rust-toolchain.toml"}, {"commit", "-q", "-m", "pin"}} {
		if err := w.Git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Push(t.Context(), "refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	w.pushTag(t, "v53.0")
	j := w.newJob(t.Context(), t, fullImage, "v53.0", map[string]string{"RUSTUP_DIST_SERVER": server.URL, "INPUT_TOOLCHAIN-CACHE": "kept", "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache"})
	j.must(t, 0)
	if !strings.Contains(j.out.String(), "The commit asks for Rust "+pinned+", which is not here: rustup installs it into /github/workspace/kept.") {
		t.Errorf("nothing is said of it:\n%s", j.out.String())
	}
	if _, err := os.Stat(filepath.Join(j.dir, "workspace/kept/toolchains", pinned+"-"+dist.Triple, "bin/cargo")); err != nil {
		t.Error(err)
	}
	if left := j.left(t); len(left) > 0 {
		t.Errorf("left behind or owned by another: %q", left[:min(len(left), 20)])
	}
	if n := len(w.crates.Accepted()); n != 1 {
		t.Errorf("crates.io accepted %d uploads, want 1", n)
	}
}

// Build scripts and proc macros of the hostile sample, in the container as the runner starts it, with the engine's socket
// beside them, find none of the secrets that the step has in its environment, its inputs and its files.
func TestHostileInContainer(t *testing.T) {
	const mark = "CANARY-container-0123456789"
	w := startWorld(t, "hostile-build", nil, nil)
	w.pushTag(t, "v0.1.0")
	held := w.Hold("github", "create-release *") // everything was built by then
	j := w.newJob(t.Context(), t, fullImage, "v0.1.0", map[string]string{"PAT": mark + "-pat", "MY_VALUE": mark + "-value", "ACTIONS_RUNTIME_TOKEN": mark + "-runtime", "INPUT_OTHER": mark + "-input"})
	for _, name := range []string{"home/.netrc", "workflow/secret", "file_commands/state", "temp/secret"} {
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(mark+"-file\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- j.cmd.Wait() }()
	select {
	case <-held.Reached:
	case err := <-ended:
		t.Fatalf("the release ended early: %v\n%s\n%s", err, j.out.String(), j.errs.String())
	}
	for _, name := range []string{"hostile-build.txt", "hostile-macro.txt"} {
		text, err := docker.do(t.Context(), "exec", j.name, "sh", "-c", "cat $(find /tmp /github/runner_temp -path '*/target/verify/"+name+"')")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(text, "end\n") {
			t.Errorf("%s: the report is not complete:\n%s", name, text)
		}
		if strings.Contains(text, "CANARY") {
			t.Errorf("%s found something:\n%s", name, text)
		}
	}
	docker.do(t.Context(), "kill", "--signal", "TERM", j.name)
	<-ended
}

// A step in the image, with marked secrets in its inputs and variables, leaves no mark in its log, its outputs, summary and
// annotations, its report, the assets or any file: where it succeeds, where the registry refuses it, and where the process
// is ended with all its stacks printed.
func TestNoTokenLeaksFromTheImage(t *testing.T) {
	const mark = "~canary/0+1="
	for name, want := range map[string]int{"success": 0, "failure": 2, "crash": 2} { // the Go runtime ends with 2 on SIGQUIT
		t.Run(name, func(t *testing.T) {
			w := startWorld(t, "cloud", nil, nil)
			w.pushTag(t, "v53.0")
			env := map[string]string{
				"PAT": "pat" + mark, "ACTIONS_RUNTIME_TOKEN": "runtime" + mark, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "idtoken" + mark, "AZURE_CLIENT_SECRET": "azure \"canary\"",
				"MY_VALUE": "mine" + mark, "TAGBOAT_BILL_KEY": "line one" + mark + "\nline two" + mark, "INPUT_UNKNOWN": "input" + mark,
			}
			tokens := map[string]string{"github": w.Token, "registry": w.token}
			maps.Copy(tokens, env)
			if name == "failure" {
				env["CARGO_REGISTRY_TOKEN"] = "wrong" + mark
				tokens["registry"] = env["CARGO_REGISTRY_TOKEN"]
			}
			watch := outside.WatchFor(tokens)
			j := w.newJob(t.Context(), t, fullImage, "v53.0", env)
			if name == "crash" {
				held := w.Hold("github", "update-release *") // everything is published by then
				if err := j.cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- j.cmd.Wait() }()
				select {
				case <-held.Reached:
				case err := <-ended:
					t.Fatalf("the release ended early: %v\n%s\n%s", err, j.out.String(), j.errs.String())
				}
				if _, err := docker.do(t.Context(), "kill", "--signal", "QUIT", j.name); err != nil {
					t.Fatal(err)
				}
				<-ended
				if got := j.cmd.ProcessState.ExitCode(); got != want || !strings.Contains(j.errs.String(), "goroutine ") {
					t.Errorf("exit code %d, want %d, and stacks:\n%s", got, want, j.errs.String())
				}
			} else {
				j.must(t, want)
			}
			var log []string // what people see: the runner shows no masks
			for line := range strings.Lines(j.out.String()) {
				if !strings.HasPrefix(line, "::add-mask::") {
					log = append(log, line)
				}
			}
			if len(log) == strings.Count(j.out.String(), "\n") {
				t.Error("the runner was told no mask")
			}
			watch.Clean(t.Errorf, "the log", []byte(strings.Join(log, "")+j.errs.String()))
			watch.Folder(t.Errorf, j.dir)
			watch.Assets(t.Errorf, w.GitHub)
		})
	}
}

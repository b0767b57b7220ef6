//go:build e2e

package acceptance

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
)

// newStep prepares a process that a step of a job starts, for a pushed tag.
func newStep(ctx context.Context, t *testing.T, w *outside.World, tag string, env map[string]string) *run {
	t.Helper()
	r := newRun(ctx, t, w, env)
	files := filepath.Join(filepath.Dir(r.temp), "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	r.cmd.Args = []string{binary, "action"}
	r.cmd.Dir = r.clone
	r.cmd.Env = append(r.cmd.Env, "GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=push", "GITHUB_REF=refs/tags/"+tag, "GITHUB_WORKSPACE="+r.clone,
		"GITHUB_OUTPUT="+filepath.Join(files, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(files, "summary"))
	return r
}

// log is what people see of a step: the runner shows no masks.
func (r *run) log() string {
	var out []string
	for line := range strings.Lines(r.out.String()) {
		if !strings.HasPrefix(line, "::add-mask::") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "") + r.errs.String()
}

// A step with marked secrets in its inputs and variables leaves no mark in its log, its outputs, summary and
// annotations, its report, the assets, the requests to others or any file: where it succeeds, where the registry fails,
// and where the process is ended with all its stacks printed.
func TestNoTokenLeaksFromAStep(t *testing.T) {
	const tag = "mshv-bindings-v0.7.0"
	for _, name := range []string{"success", "failure", "crash"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := &wire{sent: map[string][]byte{}}
			w := startWorld(t, filepath.Join(workspaces, "mshv"), outside.Config{Mark: "~canary/0+1=", Around: x.around}, forFeed)
			env := map[string]string{
				"PAT": "pat~canary/2+3=", "ACTIONS_RUNTIME_TOKEN": "runtime~canary", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "idtoken~canary", "AZURE_CLIENT_SECRET": "azure \"canary\"",
				"MY_VALUE": "mine~canary", "TAGBOAT_BILL_KEY": "line one~canary\nline two~canary", "INPUT_UNKNOWN": "input~canary", "INPUT_GITHUB-TOKEN": w.Token,
			}
			all := map[string]string{"github": w.Token, "feed": w.Feeds["feed"].Token}
			for name, value := range env {
				if name != "INPUT_GITHUB-TOKEN" {
					all[name] = value
				}
			}
			if name == "failure" {
				env["CARGO_REGISTRIES_FEED_TOKEN"] = "Bearer wrong~canary"
				all["feed"] = "Bearer wrong~canary"
			}
			tokens := watchFor(all)
			pushTag(t, w, tag)
			r := newStep(t.Context(), t, w, tag, env)
			want := map[string]int{"success": 0, "failure": 2, "crash": 2}[name] // the Go runtime ends with 2 on SIGQUIT
			if name == "crash" {
				held := w.Hold("feed", "publish *")
				if err := r.cmd.Start(); err != nil {
					t.Fatal(err)
				}
				<-held.Reached
				r.cmd.Process.Signal(syscall.SIGQUIT)
				r.cmd.Wait()
				if !strings.Contains(r.errs.String(), "goroutine ") {
					t.Errorf("the crash printed no stacks:\n%s", r.log())
				}
			} else {
				r.cmd.Run()
			}
			if got := r.cmd.ProcessState.ExitCode(); got != want {
				t.Fatalf("exit code %d, want %d\n%s", got, want, r.log())
			}
			if !strings.Contains(r.out.String(), "::add-mask::"+env["PAT"]) {
				t.Error("the runner was told no mask")
			}
			tokens.clean(t, "the log", []byte(r.log()))
			tokens.folder(t, filepath.Dir(r.clone)) // workspace, temporary files, outputs, summary
			assets(t, w.GitHub, tokens)
			for service, sent := range x.sent {
				tokens.clean(t, "what "+service+" was sent", sent, map[string]string{"github": "github", "feed": "feed"}[service])
			}
		})
	}
}

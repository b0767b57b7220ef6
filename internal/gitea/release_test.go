//go:build e2e

package gitea

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

const (
	sample = "../../testdata/workspaces/hyperlight"
	tag    = "v0.4.0"
	crates = 9 // of the sample
)

// startWorld starts a GitHub around the sample, all of whose crates go to an index.
func startWorld(t *testing.T, index string) *outside.World {
	t.Helper()
	dir := t.TempDir()
	c := outside.Config{Workspace: filepath.Join(dir, "hyperlight"), Dir: filepath.Join(dir, "world")}
	err := errors.Join(os.CopyFS(c.Workspace, os.DirFS(sample)), os.Mkdir(c.Dir, 0o755), outside.ForFeed(c.Workspace, index))
	if err != nil {
		t.Fatal(err)
	}
	w, err := outside.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := w.Git(t.Context(), "tag", "-a", "-m", tag, tag); err != nil {
		t.Fatal(err)
	}
	if err := w.Push(t.Context(), "refs/tags/"+tag, "refs/heads/main:refs/heads/release/"+tag); err != nil {
		t.Fatal(err)
	}
	return w
}

// environment is what a person has, and a home of its own for cargo.
func environment(t *testing.T, extra map[string]string) []string {
	t.Helper()
	home := os.Getenv("HOME")
	rustup := os.Getenv("RUSTUP_HOME")
	if rustup == "" {
		rustup = filepath.Join(home, ".rustup")
	}
	temp := t.TempDir()
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": home, "RUSTUP_HOME": rustup, "CARGO_HOME": t.TempDir(), "RUNNER_TEMP": temp, "TMPDIR": temp, "CI": "1", "CARGO_TERM_COLOR": "never"}
	if toolchain := os.Getenv("RUSTUP_TOOLCHAIN"); toolchain != "" {
		env["RUSTUP_TOOLCHAIN"] = toolchain
	}
	maps.Copy(env, extra)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// releasing prepares a release by a process on an empty disk.
func releasing(t *testing.T, w *outside.World, token string) *exec.Cmd {
	t.Helper()
	clone := filepath.Join(t.TempDir(), w.Name)
	if _, err := output(exec.CommandContext(t.Context(), "git", "clone", "-q", "--branch", "release/"+tag, w.Bare.Dir, clone)); err != nil {
		t.Fatal(err)
	}
	env := w.Env()
	if token != "" {
		env["CARGO_REGISTRIES_FEED_TOKEN"] = token
	}
	cmd := exec.CommandContext(t.Context(), tagboat, "-C", clone, "--json", "release", "--branch", "release/"+tag)
	cmd.Env = environment(t, env)
	return cmd
}

// must runs a release and wants its exit code.
func must(t *testing.T, cmd *exec.Cmd, want int) release.Report {
	t.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var r release.Report
	if got := cmd.ProcessState.ExitCode(); got != want || json.Unmarshal(out, &r) != nil {
		t.Fatalf("exit code %d, want %d: %v\n%s\n%s", got, want, err, out, errs.String())
	}
	return r
}

func basic(token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("PAT:"+token))
}

// published holds that the index has exactly what the report's bill says, each uploaded once.
func published(t *testing.T, organisation, index string, r release.Report) {
	t.Helper()
	at, err := registry.New("feed", index)
	if err != nil {
		t.Fatal(err)
	}
	client := registry.NewClient(at, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New("Bearer " + server.admin), nil }})
	if r.Outcome != release.Released || r.Bill == nil || len(r.Bill.Crates) != crates {
		t.Fatalf("outcome %s, bill %+v", r.Outcome, r.Bill)
	}
	for _, c := range r.Bill.Crates {
		entries, err := client.Lookup(t.Context(), c.Name)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := registry.Find(entries, c.Version); !ok || e.Checksum != c.SHA256 {
			t.Errorf("%s %s: the index says %+v, the bill %s", c.Name, c.Version, e, c.SHA256)
		}
	}
	if n := len(server.uploads(organisation)); n != crates {
		t.Errorf("%d uploads, want %d", n, crates)
	}
}

// A release to a private organisation is killed twice, each time after its second upload, and goes on to its end; each crate is sent
// once. What is there by then is left alone, also by a run that knows nothing of the draft.
func TestReleaseKilledAndResumed(t *testing.T) {
	index := server.organisation(t, "killed")
	w := startWorld(t, index)
	var victim *exec.Cmd
	dead := make(chan struct{})
	uploads := 0
	server.mu.Lock()
	server.harm = func(r *http.Request) func() {
		if r.Method != http.MethodPut || r.ContentLength == 0 || !strings.HasPrefix(r.URL.Path, "/api/packages/killed/") {
			return nil
		}
		server.mu.Lock()
		defer server.mu.Unlock()
		if uploads++; victim == nil || uploads != 2 {
			return nil
		}
		me, gone := victim, dead
		return func() { me.Process.Kill(); <-gone }
	}
	server.mu.Unlock()
	t.Cleanup(func() { server.mu.Lock(); server.harm = nil; server.mu.Unlock() })
	for range 2 {
		cmd := releasing(t, w, basic(server.admin))
		server.mu.Lock()
		victim, dead, uploads = cmd, make(chan struct{}), 0
		gone := dead
		err := cmd.Start()
		server.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		close(gone)
		if cmd.ProcessState.Exited() {
			t.Fatalf("the release was not killed: %v", err)
		}
	}
	server.mu.Lock()
	victim = nil
	server.mu.Unlock()
	before := len(server.uploads("killed"))
	if before == 0 || before == crates {
		t.Fatalf("%d crates were uploaded before the second death", before)
	}
	published(t, "killed", index, must(t, releasing(t, w, basic(server.admin)), 0))
	published(t, "killed", index, must(t, releasing(t, w, "Bearer "+server.admin), 0))
	// The same bytes, packaged again by somebody who has no draft.
	published(t, "killed", index, must(t, releasing(t, startWorld(t, index), server.admin), 0))
}

// Other bytes under the same version stop the release before anything is uploaded.
func TestOtherBytes(t *testing.T) {
	index := server.organisation(t, "taken")
	at, err := registry.New("feed", index)
	if err != nil {
		t.Fatal(err)
	}
	client := registry.NewClient(at, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New("Bearer " + server.admin), nil }})
	send := func(source string) error {
		content, err := outside.MakeCrate("hyperlight-host", "0.4.0", source)
		if err != nil {
			t.Fatal(err)
		}
		crate, err := registry.ReadCrate(content)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Publish(t.Context(), crate)
		return err
	}
	if err := send("// somebody else's\n"); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"// somebody else's\n", "// others\n"} {
		var answer *registry.Error
		if err := send(source); !errors.As(err, &answer) || answer.Class != registry.Duplicate || answer.Retryable() {
			t.Errorf("sent again (%s): %v", strings.TrimSpace(source), err)
		}
	}
	r := must(t, releasing(t, startWorld(t, index), basic(server.admin)), 2)
	if len(server.uploads("taken")) != 3 || !strings.Contains(problems(r), "hyperlight-host") {
		t.Errorf("%d uploads; problems: %s", len(server.uploads("taken")), problems(r))
	}
}

func problems(r release.Report) string {
	text, _ := json.Marshal(r.Problems)
	return string(text)
}

// A token that is wrong, missing, or for reading stops the release before anything is made.
func TestTokens(t *testing.T) {
	reader, err := server.token(t.Context(), "reader", "read:package")
	if err != nil {
		t.Fatal(err)
	}
	index := server.organisation(t, "guarded")
	w := startWorld(t, index)
	before, err := w.Print(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"wrong": "Bearer 0123456789abcdef0123456789abcdef01234567", "wrong pair": basic("wrong"), "none": "", "reader": "Bearer " + reader, "reader's pair": basic(reader)} {
		t.Run(name, func(t *testing.T) {
			r := must(t, releasing(t, w, token), 2)
			if now, err := w.Print(t.Context()); err != nil || now != before {
				t.Errorf("the world was changed: %v", err)
			}
			if !strings.Contains(problems(r), "registry feed") {
				t.Errorf("problems: %s", problems(r))
			}
			if sent := server.uploads("guarded"); len(sent) > 0 {
				t.Errorf("something was uploaded: %+v", sent)
			}
		})
	}
}

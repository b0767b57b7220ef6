//go:build e2e

package gitea

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is the newest one whose modules Go's proxy has.
const version = "v1.26.0"

const tags = "sqlite sqlite_unlock_notify"

var (
	tagboat string // the real program
	server  gitea
)

func TestMain(m *testing.M) {
	code, err := func() (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
		defer cancel()
		dir, err := os.MkdirTemp("", "tagboat-gitea-")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
		tagboat = filepath.Join(dir, "tagboat")
		if _, err := output(exec.CommandContext(ctx, "go", "build", "-o", tagboat, "github.com/tagboat/tagboat/cmd/tagboat")); err != nil {
			return 1, err
		}
		defer server.stop()
		if err := server.start(ctx, filepath.Join(dir, "gitea")); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// output runs a program and returns its standard output; an error holds what it said of it.
func output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		text := out.String() + errs.String()
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text[max(0, len(text)-8000):])
	}
	return out.String(), err
}

// build makes the program, unless it is there, and returns it with the folder of its module, which has its templates. It
// cannot be installed by its path: its module file replaces others, so it is built as a dependency that does the same.
func build(ctx context.Context) (program, module string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", err
	}
	text, err := output(exec.CommandContext(ctx, "go", "mod", "download", "-json", "code.gitea.io/gitea@"+version))
	var got struct{ Dir, GoMod string }
	if err == nil {
		err = json.Unmarshal([]byte(text), &got)
	}
	if err != nil {
		return "", "", err
	}
	stamp := sha256.Sum256([]byte(version + tags + runtimeVersion(ctx)))
	program = filepath.Join(cache, "tagboat-e2e", fmt.Sprintf("gitea-%x", stamp[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, got.Dir, nil
	}
	mod, err := os.ReadFile(got.GoMod)
	if err != nil {
		return "", "", err
	}
	lines := []string{"module gitea.invalid/build", "go 1.26.0", "require code.gitea.io/gitea " + version}
	for line := range strings.Lines(string(mod)) {
		if strings.HasPrefix(line, "replace ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return "", "", err
	}
	dir, err := os.MkdirTemp(filepath.Dir(program), "gitea-build-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return "", "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-buildvcs=false", "-tags", tags, "-o", "gitea", "code.gitea.io/gitea")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=1")
	if _, err := output(cmd); err != nil {
		return "", "", err
	}
	return program, got.Dir, os.Rename(filepath.Join(dir, "gitea"), program)
}

func runtimeVersion(ctx context.Context) string {
	text, _ := output(exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")) // without it, the build says why
	return text
}

// gitea is a running server behind a proxy, which records requests and can do harm at a chosen moment.
type gitea struct {
	dir     string
	url     string // of the proxy
	program string
	process *exec.Cmd
	log     bytes.Buffer
	admin   string // a token that may make organisations and tokens
	front   *httptest.Server

	mu    sync.Mutex
	calls []call
	// harm is asked before each request is passed on; true answers that the request shall have its effect and no answer,
	// after which the returned func runs.
	harm func(*http.Request) func()
}

// call is one request as the server saw it, and what it answered.
type call struct {
	method, path, authorization string
	size                        int64
	status                      int
}

func (g *gitea) start(ctx context.Context, dir string) error {
	program, module, err := build(ctx)
	if err != nil {
		return fmt.Errorf("build Gitea: %w", err)
	}
	g.dir, g.program = dir, program
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	g.front = httptest.NewServer(g.proxy(fmt.Sprintf("http://127.0.0.1:%d", port)))
	g.url = g.front.URL
	root := ""
	if os.Geteuid() == 0 {
		root = "I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n"
	}
	user, err := output(exec.CommandContext(ctx, "id", "-un"))
	if err != nil {
		return err
	}
	ini := fmt.Sprintf("WORK_PATH = %[1]s\nRUN_USER = %[2]s\nRUN_MODE = prod\n%[3]s[server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = %[4]d\nROOT_URL = %[5]s/\nDISABLE_SSH = true\n"+
		"OFFLINE_MODE = true\nSTATIC_ROOT_PATH = %[6]s\nAPP_DATA_PATH = %[1]s/data\n[database]\nDB_TYPE = sqlite3\nPATH = %[1]s/data/gitea.db\n[repository]\nROOT = %[1]s/data/repos\n"+
		"[security]\nINSTALL_LOCK = true\nSECRET_KEY = x\nINTERNAL_TOKEN = eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjE3MDAwMDAwMDB9.x\n"+
		"[indexer]\nISSUE_INDEXER_TYPE = db\n[packages]\nENABLED = true\n[service]\nDISABLE_REGISTRATION = true\n[mailer]\nENABLED = false\n[actions]\nENABLED = false\n[log]\nMODE = console\n",
		dir, strings.TrimSpace(user), root, port, g.url, module)
	if err := os.WriteFile(filepath.Join(dir, "app.ini"), []byte(ini), 0o600); err != nil {
		return err
	}
	if _, err := output(g.command(ctx, "migrate")); err != nil {
		return err
	}
	g.process = g.command(context.WithoutCancel(ctx), "web")
	g.process.Stdout, g.process.Stderr = &g.log, &g.log
	if err := g.process.Start(); err != nil {
		return err
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(g.url + "/api/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("Gitea does not answer: %v\n%s", err, g.log.String())
		}
	}
	if _, err := output(g.command(ctx, "admin", "user", "create", "--admin", "--username", "captain", "--password", "Harbour-2026!", "--email", "captain@example.invalid", "--must-change-password=false")); err != nil {
		return err
	}
	g.admin, err = g.token(ctx, "admin", "write:package,write:organization,read:user")
	return err
}

func (g *gitea) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.program, append(args, "--config", filepath.Join(g.dir, "app.ini"))...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GITEA_WORK_DIR=" + g.dir}
	return cmd
}

func (g *gitea) stop() {
	if g.process != nil && g.process.Process != nil {
		g.process.Process.Kill()
		g.process.Wait()
	}
	if g.front != nil {
		g.front.Close()
	}
}

// token makes an access token with scopes.
func (g *gitea) token(ctx context.Context, name, scopes string) (string, error) {
	text, err := output(g.command(ctx, "admin", "user", "generate-access-token", "--username", "captain", "--token-name", name, "--scopes", scopes, "--raw"))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1], err
}

// organisation makes one, private, and returns the index of its registry.
func (g *gitea) organisation(t *testing.T, name string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/api/v1/orgs", strings.NewReader(fmt.Sprintf(`{"username":%q,"visibility":"private"}`, name)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+g.admin)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusCreated {
		t.Fatalf("make organisation %s: %s %s", name, resp.Status, text)
	}
	return "sparse+" + g.url + "/api/packages/" + name + "/cargo/"
}

func (g *gitea) proxy(to string) http.Handler {
	target, err := url.Parse(to)
	if err != nil {
		panic(err)
	}
	through := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		harm := g.harm
		g.mu.Unlock()
		var after func()
		if harm != nil {
			after = harm(r)
		}
		if after == nil {
			seen := &recorder{ResponseWriter: w, status: http.StatusOK}
			through.ServeHTTP(seen, r)
			g.note(r, seen.status)
			return
		}
		seen := httptest.NewRecorder()
		through.ServeHTTP(seen, r)
		g.note(r, seen.Code)
		after()
		panic(http.ErrAbortHandler)
	})
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (g *gitea) note(r *http.Request, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, call{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.ContentLength, status})
}

// seen returns the calls below an organisation's registry that fit.
func (g *gitea) seen(organisation string, fits func(call) bool) []call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.calls), func(c call) bool {
		return !strings.HasPrefix(c.path, "/api/packages/"+organisation+"/cargo/") || !fits(c)
	})
}

// uploads returns the uploads that a registry was sent. One without a body only asks what the token may do.
func (g *gitea) uploads(organisation string) []call {
	return g.seen(organisation, func(c call) bool {
		return c.method == http.MethodPut && c.size > 0 && strings.HasSuffix(c.path, "/api/v1/crates/new")
	})
}

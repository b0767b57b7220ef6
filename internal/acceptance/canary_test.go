//go:build e2e

package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

// watch holds that no token shows.
type watch struct{ outside.Watch }

func watchFor(tokens map[string]string) watch { return watch{outside.WatchFor(tokens)} }

func (w watch) clean(t *testing.T, where string, text []byte, but ...string) {
	t.Helper()
	w.Clean(t.Errorf, where, text, but...)
}

func (w watch) folder(t *testing.T, dir string) {
	t.Helper()
	w.Folder(t.Errorf, dir)
}

// wire keeps what every server was sent.
type wire struct {
	mu   sync.Mutex
	sent map[string][]byte // by service: request lines, headers but Authorization, bodies
}

func (x *wire) around(service string, _ func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		x.mu.Lock()
		x.sent[service] = append(append(x.sent[service], r.Method+" "+r.URL.String()+"\n"...), body...)
		for name, values := range r.Header {
			line := name + ": " + strings.Join(values, ", ") + "\n"
			if name == "Authorization" {
				line = "to " + service + " " + line
			}
			x.sent[service] = append(x.sent[service], line...)
		}
		x.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// A whole release with marked tokens leaves no mark in its output, its report, its summary, its assets, the requests to
// others than the token's own service, or any file; whoever publishes.
func TestNoTokenLeaks(t *testing.T) {
	for _, publisher := range []string{"tagboat", "cargo"} {
		t.Run(publisher, func(t *testing.T) {
			t.Parallel()
			x := &wire{sent: map[string][]byte{}}
			w := startWorld(t, filepath.Join(workspaces, "mshv"), outside.Config{Mark: "~canary/0+1=", Around: x.around}, func(dir string) error {
				if err := forFeed(dir); err != nil {
					return err
				}
				return appendTo(filepath.Join(dir, "tagboat.toml"), "\n[package]\npublisher = \""+publisher+"\"\n")
			})
			tokens := watchFor(map[string]string{"github": w.Token, "feed": w.Feeds["feed"].Token})
			tag := "mshv-bindings-v0.7.0"
			pushTag(t, w, tag)
			for _, args := range [][]string{{"plan", "--tag", tag}, {"release", "--tag", tag}, {"release", "--tag", tag}, {"verify", tag, "--rebuild"}, {"check"}, {"config"}} {
				r := newRun(t.Context(), t, w, nil, args...)
				if args[0] == "release" {
					r.cmd.Args = append(r.cmd.Args, "--summary", filepath.Join(r.clone, "summary.md"))
				}
				r.must(t, 0)
				tokens.clean(t, args[0]+" stdout", []byte(r.out.String()))
				tokens.clean(t, args[0]+" stderr", []byte(r.errs.String()))
				tokens.folder(t, r.clone)
				tokens.folder(t, r.temp)
				if left, err := filepath.Glob(filepath.Join(r.temp, "*")); err != nil || len(left) > 0 {
					t.Errorf("%s left %q behind: %v", args[0], left, err)
				}
			}
			assets(t, w.GitHub, tokens)
			for service, sent := range x.sent {
				own := map[string]string{"github": "github", "feed": "feed"}[service]
				tokens.clean(t, "what "+service+" was sent", sent, own)
			}
		})
	}
}

func assets(t *testing.T, hub *githubtwin.Twin, tokens watch) {
	t.Helper()
	tokens.Assets(t.Errorf, hub)
}

// A service that answers with the token it was sent, in every form, does not bring it into the output.
func TestEchoedTokensAreMasked(t *testing.T) {
	echo := func(service string, op func(*http.Request) string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if name := op(r); !strings.HasPrefix(name, "publish ") && !strings.HasPrefix(name, "create-ref ") {
				next.ServeHTTP(rw, r)
				return
			}
			token := r.Header.Get("Authorization")
			_, bare, _ := strings.Cut(token, " ")
			text := strings.Join([]string{token, bare, url.QueryEscape(bare), url.PathEscape(bare), base64.StdEncoding.EncodeToString([]byte(bare)), base64.RawURLEncoding.EncodeToString([]byte("x:" + bare))}, " ")
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusForbidden)
			json.NewEncoder(rw).Encode(map[string]any{"message": text, "errors": []map[string]string{{"detail": text}}})
		})
	}
	w := startWorld(t, filepath.Join(workspaces, "mshv"), outside.Config{Mark: "~canary/0+1=", Around: echo}, forFeed)
	tokens := watchFor(map[string]string{"github": w.Token, "feed": w.Feeds["feed"].Token})
	pushTag(t, w, "mshv-bindings-v0.7.0")
	first := newRun(t.Context(), t, w, nil, "release", "--tag", "mshv-bindings-v0.7.0")
	first.must(t, 2)
	if err := w.Push(t.Context(), "refs/heads/main:refs/heads/release/mshv-bindings-v0.7.0"); err != nil {
		t.Fatal(err)
	}
	second := newRun(t.Context(), t, w, nil, "release", "--tag", "mshv-bindings-v0.7.0")
	second.must(t, 2)
	for _, r := range []*run{first, second} {
		tokens.clean(t, "stdout", []byte(r.out.String()))
		tokens.clean(t, "stderr", []byte(r.errs.String()))
		if !strings.Contains(r.out.String(), "***") {
			t.Errorf("the answer is not in the report at all:\n%s", r.out.String())
		}
	}
}

// A whole rehearsal leaves none of its tokens in a report, an asset or a file.
func TestNoTokenLeaksFromARehearsal(t *testing.T) {
	s := stageSample(t, "two-registries")
	all := map[string]string{"github": "rehearsal-github-token"}
	for name, f := range s.Feeds {
		all[name] = f.Token.Reveal()
	}
	tokens := watchFor(all)
	for _, r := range rehearse(t, s) {
		tokens.clean(t, "the report", []byte(render.Report(render.Style{Width: 100}, *r)))
		tokens.clean(t, "the Markdown", []byte(render.Markdown(*r)))
		var doc bytes.Buffer
		if err := render.JSON(&doc, r); err != nil {
			t.Fatal(err)
		}
		tokens.clean(t, "the JSON", doc.Bytes())
		if r.Outcome != release.Released {
			t.Errorf("outcome %s", r.Outcome)
		}
	}
	assets(t, s.GitHub, tokens)
	tokens.folder(t, s.Config.Dir)
	tokens.folder(t, s.Config.Path)
}

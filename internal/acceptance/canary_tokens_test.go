//go:build e2e

package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

// Tokens that are checked and renewed show nowhere: not in output, files, the issue, or what GitHub is sent, but sealed;
// not even where the registry repeats what it was sent.
func TestNoTokenLeaksFromCare(t *testing.T) {
	const mark = "~canary/0+1="
	x := &wire{sent: map[string][]byte{}}
	refuse := func(service string, op func(*http.Request) string, next http.Handler) http.Handler {
		return x.around(service, op, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			token := r.Header.Get("Authorization")
			if service != "feed" || !strings.Contains(token, "refused") {
				next.ServeHTTP(rw, r)
				return
			}
			_, bare, _ := strings.Cut(token, " ")
			text := strings.Join([]string{token, bare, url.QueryEscape(bare), url.PathEscape(bare), base64.StdEncoding.EncodeToString([]byte(bare)), base64.RawURLEncoding.EncodeToString([]byte("x:" + bare))}, " ")
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(rw).Encode(map[string]any{"errors": []map[string]string{{"detail": text}}})
		}))
	}
	w := startWorld(t, filepath.Join(workspaces, "mshv"), outside.Config{Mark: mark, Around: refuse}, forFeed)
	secrets := w.GitHub.Secrets()
	if !secrets.Add("repository", githubtwin.Secret{Name: "CARGO_REGISTRIES_FEED_TOKEN", Value: "old"}) {
		t.Fatal("no secret")
	}
	refused := "Bearer refused" + mark
	tokens := watchFor(map[string]string{"github": w.Token, "keeper": "ghs_keeper" + mark, "feed": w.Feeds["feed"].Token, "refused": refused})
	const variable = "CARGO_REGISTRIES_FEED_TOKEN"
	for _, tt := range []struct {
		args  []string
		env   map[string]string
		stdin string
		code  int
	}{
		{[]string{"token", "check", "--issue"}, nil, "", 0},
		{[]string{"token", "check", "--issue"}, map[string]string{variable: refused}, "", 2},
		{[]string{"token", "check", strings.TrimPrefix(refused, "Bearer ")}, nil, "", 64},
		{[]string{"token", "rotate", "feed"}, map[string]string{"GITHUB_TOKEN": "ghs_keeper" + mark, variable: ""}, refused + "\n", 2},
		{[]string{"token", "rotate", "feed"}, map[string]string{"GITHUB_TOKEN": "ghs_keeper" + mark, variable: ""}, w.Feeds["feed"].Token + "\n", 0},
		{[]string{"token", "rotate", "feed", refused}, map[string]string{"GITHUB_TOKEN": "ghs_keeper" + mark}, "", 64},
		{[]string{"token", "check", "--issue"}, nil, "", 0},
	} {
		r := newRun(t.Context(), t, w, tt.env, tt.args...)
		r.cmd.Stdin = strings.NewReader(tt.stdin)
		r.must(t, tt.code)
		where := strings.Join(tt.args[:2], " ")
		if tt.code == 2 && !strings.Contains(r.out.String(), "***") {
			t.Errorf("%s: the registry's answer is not in the report at all:\n%s", where, r.out.String())
		}
		tokens.clean(t, where+" stdout", []byte(r.out.String()))
		tokens.clean(t, where+" stderr", []byte(r.errs.String()))
		tokens.folder(t, r.clone)
		tokens.folder(t, r.temp)
	}
	if got := secrets.Held("repository", variable).Value; got != w.Feeds["feed"].Token {
		t.Errorf("the secret holds %d bytes, want the new token", len(got))
	}
	issues := w.GitHub.Issues()
	if len(issues) != 1 || issues[0].State != "closed" {
		t.Errorf("got %d issues, want one that is closed", len(issues))
	}
	for _, i := range issues {
		tokens.clean(t, "the issue", []byte(i.Title+i.Body+strings.Join(w.GitHub.Comments(i.Number), "")))
	}
	for name := range tokens.Watch {
		for service, sent := range x.sent {
			own := map[string]string{"github": "github keeper", "feed": "feed refused"}[service]
			if !strings.Contains(own, name) {
				watch{outside.Watch{name: tokens.Watch[name]}}.clean(t, "what "+service+" was sent", sent)
			}
		}
	}
}

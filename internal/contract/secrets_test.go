//go:build e2e

package contract

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/secret"
)

// keeper may write secrets everywhere.
const keeper = "keeper-token"

func secretsWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{
		keeper: {"secrets": "write", "environments": "write", "organization_secrets": "write"},
		reader: {"secrets": "read", "environments": "read", "organization_secrets": "read"},
		writer: {"contents": "write", "issues": "write"},
	}})
	w.twin.Secrets().Environment("release / eu")
	return w
}

// vaults are the places, by the embedded GitHub's names.
var vaults = map[string]forge.Vault{
	"repository": {}, "environment:release / eu": {Environment: "release / eu"}, "organization:" + owner: {Organization: owner},
}

// Secrets are made, replaced and read about in all three places; what is held is what was sealed.
func TestSecrets(t *testing.T) {
	ctx := t.Context()
	w := secretsWorld(t)
	c := w.client(t, keeper)
	for where, v := range vaults {
		want(t, "a secret that is not there", second(c.Secret(ctx, v, "TOKEN")), "not found")
		key, err := c.SecretKey(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		s := forge.Secret{Name: "TOKEN"}
		if v.Organization != "" {
			s.Visibility, s.Selected = "selected", []int64{43, 7001, 7002}
		}
		for i, value := range []string{"first value", "second\nvalue with an ü"} {
			created, err := c.PutSecret(ctx, v, s, key, secret.New(value))
			if err != nil || created != (i == 0) {
				t.Errorf("%s: created %t, %v", where, created, err)
			}
			if got := w.twin.Secrets().Held(where, "TOKEN"); got.Value != value {
				t.Errorf("%s holds %q, want %q", where, got.Value, value)
			}
		}
		got, err := c.Secret(ctx, v, "TOKEN")
		if err != nil || got.Name != "TOKEN" || got.UpdatedAt.IsZero() || got.CreatedAt.IsZero() || got.Visibility != s.Visibility || !slices.Equal(got.Selected, s.Selected) {
			t.Errorf("%s: got %+v, %v", where, got, err)
		}
	}
	many := forge.Secret{Name: "MANY", Visibility: "selected"}
	for i := range 130 {
		many.Selected = append(many.Selected, int64(5000+i))
	}
	key, err := c.SecretKey(ctx, forge.Vault{Organization: owner})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "an organization's secret for many", second(c.PutSecret(ctx, forge.Vault{Organization: owner}, many, key, secret.New("value"))), "ok")
	if got, err := c.Secret(ctx, forge.Vault{Organization: owner}, "MANY"); err != nil || len(got.Selected) != 130 {
		t.Errorf("got %d repositories, %v, want 130", len(got.Selected), err)
	}
}

// What is refused says which permission is missing, and is never taken for something that is not there.
func TestSecretsRefused(t *testing.T) {
	ctx := t.Context()
	w := secretsWorld(t)
	permission := map[string]string{"repository": "secrets", "environment:release / eu": "environments", "organization:" + owner: "organization_secrets"}
	for where, v := range vaults {
		key, err := w.client(t, keeper).SecretKey(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		s := forge.Secret{Name: "TOKEN", Visibility: "all"}
		e := want(t, where+": read the key without the permission", second(w.client(t, writer).SecretKey(ctx, v)), "denied")
		if e.Accepted != permission[where]+"=read" {
			t.Errorf("%s: accepted %q", where, e.Accepted)
		}
		e = want(t, where+": write as a reader", second(w.client(t, reader).PutSecret(ctx, v, s, key, secret.New("x"))), "denied")
		if e.Accepted != permission[where]+"=write" {
			t.Errorf("%s: accepted %q", where, e.Accepted)
		}
		if got := w.twin.Secrets().Held(where, "TOKEN"); got.Name != "" {
			t.Errorf("%s was written", where)
		}
		stale := key
		stale.ID = "1"
		want(t, where+": a key that is not current", second(w.client(t, keeper).PutSecret(ctx, v, s, stale, secret.New("x"))), "refused")
		want(t, where+": a name of GitHub's own", second(w.client(t, keeper).PutSecret(ctx, v, forge.Secret{Name: "GITHUB_X", Visibility: "all"}, key, secret.New("x"))), "refused")
	}
	c := w.client(t, keeper)
	want(t, "an environment that is not there", second(c.SecretKey(ctx, forge.Vault{Environment: "absent"})), "not found")
	want(t, "an organization that is not there", second(c.SecretKey(ctx, forge.Vault{Organization: "absent"})), "denied")
}

// Issues are opened, changed and closed.
func TestIssues(t *testing.T) {
	ctx := t.Context()
	w := secretsWorld(t)
	c := w.client(t, writer)
	w.twin.AddStrangersIssue("by a stranger", "text")
	made, err := c.CreateIssue(ctx, "first title", "first text")
	if err != nil || made.Number == 0 || !made.Trusted || made.Body != "first text" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if _, err := c.UpdateIssue(ctx, made.Number, "second title", "second text"); err != nil {
		t.Fatal(err)
	}
	list, err := c.OpenIssues(ctx, "")
	if err != nil || len(list) != 2 || list[0].Title != "second title" || list[0].Body != "second text" || !list[0].Trusted || list[1].Trusted {
		t.Errorf("got %+v, %v", list, err)
	}
	want(t, "close", second(c.CloseIssue(ctx, made.Number)), "ok")
	if list, err := c.OpenIssues(ctx, ""); err != nil || len(list) != 1 {
		t.Errorf("got %+v, %v, want the stranger's", list, err)
	}
	want(t, "open as a reader", second(w.client(t, reader).CreateIssue(ctx, "x", "y")), "denied")
	want(t, "change what is not there", second(c.UpdateIssue(ctx, 99, "x", "y")), "not found")
	want(t, "an empty title", second(c.CreateIssue(ctx, "", "y")), "refused")
}

// Personal tokens that end say so with every answer; others do not, and one that has ended is refused.
func TestTokenEnds(t *testing.T) {
	ctx := t.Context()
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{keeper: {}, reader: {}, writer: {}},
		TokenEnds: map[string]time.Time{keeper: end, writer: time.Now().Add(-time.Minute)}})
	if got, err := w.client(t, keeper).TokenEnds(ctx); err != nil || !got.Equal(end) {
		t.Errorf("got %s, %v, want %s", got, err, end)
	}
	if got, err := w.client(t, reader).TokenEnds(ctx); err != nil || !got.IsZero() {
		t.Errorf("got %s, %v, want none", got, err)
	}
	want(t, "a token that has ended", second(w.client(t, writer).TokenEnds(ctx)), "denied")
}

// libsodium, whose sealed boxes GitHub's documentation asks for, opens what the adapter sends, byte for byte.
func TestSealedForLibsodium(t *testing.T) {
	dir, err := installed(t.Context(), "sodium")
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/sodium/open.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, os.Stderr, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	line := func() string {
		if !lines.Scan() {
			t.Fatalf("libsodium said nothing more: %v", lines.Err())
		}
		return lines.Text()
	}
	public := line()
	var sealed string
	hub := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			json.NewEncoder(rw).Encode(map[string]string{"key_id": "1", "key": public})
			return
		}
		var body struct {
			Value string `json:"encrypted_value"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		sealed = body.Value
		rw.WriteHeader(http.StatusNoContent)
	}))
	defer hub.Close()
	c := newClient(t, hub.URL, keeper)
	key, err := c.SecretKey(t.Context(), forge.Vault{})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"a", strings.Repeat("p", 84), "Basic " + strings.Repeat("x", 120), "ü\n\x00\xff end", strings.Repeat("48 kB ", 8000)} {
		if _, err := c.PutSecret(t.Context(), forge.Vault{}, forge.Secret{Name: "TOKEN"}, key, secret.New(value)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(in, sealed)
		got, err := base64.StdEncoding.DecodeString(line())
		if err != nil || string(got) != value {
			t.Errorf("libsodium opened %d bytes of %d, %v", len(got), len(value), err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

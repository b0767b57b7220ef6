package registrytwin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
)

// ask makes a request at the trusted publishing address.
func (g *registry) ask(t *testing.T, method, authorization, body string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://registry.example"+trustedPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	io.Copy(&text, resp.Body)
	return answer{status: resp.StatusCode, body: text.String()}
}

// TestTrusted plays what crates.io's own tests hold of it.
func TestTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := map[string]githubid.Claims{}
		g := newRegistry(t, Config{Manners: CratesIO, Buckets: Buckets{NewVersion: Bucket{1, time.Hour}}, Trusted: &Trusted{
			Publishers: []Publisher{{Crate: "old", Repository: "acme/demo", Workflow: "release.yml"}},
			Verify: func(_ context.Context, jwt string) (githubid.Claims, error) {
				c, ok := said[jwt]
				if !ok {
					return c, githubid.ErrSignature
				}
				return c, nil
			}}})
		for _, name := range []string{"old", "unregistered"} {
			if err := g.Reserve(name); err != nil {
				t.Fatal(err)
			}
		}
		claims := githubid.Claims{ID: "1", Repository: "Acme/Demo", WorkflowRef: "acme/demo/.github/workflows/release.yml@refs/heads/main"}
		said["good"], said["again"] = claims, claims
		claims.ID, claims.WorkflowRef = "2", "what?"
		said["odd"] = claims
		a := g.ask(t, http.MethodPost, "", `{"jwt":"good"}`)
		var got struct{ Token string }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || !strings.HasPrefix(got.Token, "cio_tp_") {
			t.Fatalf("exchange: %+v", a)
		}
		for body, want := range map[string]string{
			`{"jwt":"again"}`: "JWT has already been used", `{"jwt":"forged"}`: "Failed to decode JWT", `{"jwt":"odd"}`: "Unexpected `workflow_ref` value", `[`: "invalid request body",
		} {
			if a := g.ask(t, http.MethodPost, "", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, want) {
				t.Errorf("exchange %s: %+v", body, a)
			}
		}
		for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} { // no limit for each user
			if a := g.publish(t, got.Token, pack(t, "old", version, complete)); a.status != http.StatusOK {
				t.Errorf("publish: %+v", a)
			}
		}
		refused := func(crate, token, want string) {
			t.Helper()
			if a := g.publish(t, token, pack(t, crate, "2.0.0", complete)); a.status != http.StatusForbidden || !strings.Contains(a.body, want) {
				t.Errorf("publish %s: %+v", crate, a)
			}
		}
		refused("new", got.Token, "do not support creating new crates")
		refused("unregistered", got.Token, "not valid for crate `unregistered`")
		refused("old", "cio_tp_unknown", "Invalid authentication token")
		for authorization, status := range map[string]int{"": 401, got.Token: 401, "Bearer good": 401, "Bearer cio_tp_unknown": 204} {
			if a := g.ask(t, http.MethodDelete, authorization, ""); a.status != status {
				t.Errorf("revoke %q: %+v", authorization, a)
			}
		}
		if !g.Mints()[0].Revoked.IsZero() {
			t.Error("it is revoked by somebody else's request")
		}
		time.Sleep(30 * time.Minute)
		refused("old", got.Token, "Invalid authentication token")
		if a := g.ask(t, http.MethodDelete, "Bearer "+got.Token, ""); a.status != http.StatusNoContent || g.Mints()[0].Revoked.IsZero() {
			t.Errorf("revoke: %+v", a)
		}
		if len(g.Accepted()) != 3 || g.Accepted()[0].Token != TrustedLabel {
			t.Errorf("accepted %+v", g.Accepted())
		}
	})
}

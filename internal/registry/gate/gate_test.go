package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/secret"
)

// TestGate reads a registry that wants a token through a gate, without one.
func TestGate(t *testing.T) {
	const crate = "the bytes of a crate"
	sum := sha256.Sum256([]byte(crate))
	line := `{"name":"demo","vers":"1.0.0","deps":[],"cksum":"` + hex.EncodeToString(sum[:]) + `","features":{},"yanked":false}` + "\n"
	var url string
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/config.json":
			io.WriteString(w, `{"dl":"`+url+`/crates","api":"`+url+`","auth-required":true}`)
		case "/de/mo/demo":
			io.WriteString(w, line)
		case "/crates/demo/1.0.0/download":
			io.WriteString(w, crate)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer behind.Close()
	url = behind.URL
	reg, err := registry.New("feed", "sparse+"+url+"/")
	if err != nil {
		t.Fatal(err)
	}
	client := registry.NewClient(reg, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New("Bearer canary"), nil }})
	address, stop, err := Open(client)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	front := strings.TrimSuffix(address, "/")

	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/config.json", 200, `{"dl":"` + front + `/dl/{crate}/{version}"}` + "\n"},
		{"GET", "/de/mo/demo", 200, line},
		{"GET", "/dl/demo/1.0.0", 200, crate},
		{"GET", "/dl/demo/2.0.0", 404, ""},
		{"GET", "/dl/demo/..%2f..%2fsecret", 404, ""},
		{"GET", "/ab/se/absent", 404, ""},
		{"GET", "/wrong/place/demo", 404, ""},
		{"PUT", "/api/v1/crates/new", 405, ""},
	} {
		req, err := http.NewRequest(test.method, front+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || test.body != "" && string(body) != test.body {
			t.Errorf("%s %s: got %d %q, want %d %q", test.method, test.path, resp.StatusCode, body, test.status, test.body)
		}
		if strings.Contains(string(body), "canary") {
			t.Errorf("%s %s: the answer holds the token", test.method, test.path)
		}
	}
}

//go:build e2e

package contract

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// emulator is a running emulator of GitHub.
type emulator struct {
	url string
	key *rsa.PrivateKey // of its App
	log *bytes.Buffer   // complete once the process has ended
}

const (
	appID        = 7
	installation = 70
)

// startEmulator starts the emulator on loopback with one repository, the token of its owner, and an App that is
// installed on it. It ends with the test.
func startEmulator(t *testing.T) *emulator {
	t.Helper()
	dir, err := installed(t.Context(), "emulate")
	if err != nil {
		t.Fatal(err)
	}
	e := &emulator{log: &bytes.Buffer{}}
	if e.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(seed, e.seed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // the process has its own copy
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	e.url = "http://" + listener.Addr().String()
	inherited, err := filepath.Abs("testdata/emulate/inherited.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--import", inherited, filepath.Join("node_modules", "emulate", "dist", "index.js"),
		"start", "--service", "github", "--seed", seed, "--port", "1", "--base-url", e.url)
	cmd.Dir, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = dir, []*os.File{socket}, e.log, e.log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	alive, err := cmd.StdinPipe() // closed when this process ends, however it does
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := alive.Close()
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		err = errors.Join(err, cmd.Wait())
		late.Stop()
		if err != nil || t.Failed() {
			t.Logf("the emulator's end: %v\n%s", err, e.log)
		}
	})
	return e
}

func (e *emulator) seed(t *testing.T) []byte {
	t.Helper()
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(e.key)})
	type object = map[string]any
	b, err := json.Marshal(object{
		"tokens": object{writer: object{"login": owner, "scopes": []string{"repo"}}},
		"github": object{
			"users": []object{{"login": owner}},
			"repos": []object{{"owner": owner, "name": repo, "auto_init": false}},
			"apps": []object{{"app_id": appID, "slug": "tagboat", "name": "Tagboat", "private_key": string(key),
				"permissions":   object{"contents": "write", "issues": "write", "actions": "write", "metadata": "read"},
				"installations": []object{{"installation_id": installation, "account": owner, "repository_selection": "all"}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// post sends what the adapter has no method for, to make the emulator's repository what the tests want, and decodes the
// answer.
func (e *emulator) post(ctx context.Context, authorization, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+authorization)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST %s: %s: %s", path, resp.Status, answer)
	}
	return json.Unmarshal(answer, out)
}

const repoPath = "/repos/" + owner + "/" + repo

// object posts something that has an id and returns that.
func (e *emulator) object(t *testing.T, path string, body any) string {
	t.Helper()
	var out struct {
		SHA string `json:"sha"`
	}
	if err := e.post(t.Context(), writer, repoPath+path, body, &out); err != nil {
		t.Fatal(err)
	}
	return out.SHA
}

// token mints an installation token with the permissions that a job's token would have.
func (e *emulator) token(t *testing.T, permissions map[string]string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"iss": fmt.Sprint(appID), "iat": time.Now().Add(-time.Minute).Unix(), "exp": time.Now().Add(time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	jwt := part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part(claims)
	sum := sha256.Sum256([]byte(jwt))
	signature, err := rsa.SignPKCS1v15(rand.Reader, e.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Token string `json:"token"`
	}
	err = e.post(t.Context(), jwt+"."+part(signature), fmt.Sprintf("/app/installations/%d/access_tokens", installation), map[string]any{"permissions": permissions}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Token
}

// push gives the emulator the history. Its ids are its own.
func (e *emulator) push(t *testing.T) map[string]string {
	t.Helper()
	type object = map[string]any
	commits := map[string]string{}
	for _, c := range history {
		tree := []object{}
		for name, content := range c.files {
			blob := e.object(t, "/git/blobs", object{"content": base64.StdEncoding.EncodeToString([]byte(content)), "encoding": "base64"})
			tree = append(tree, object{"path": name, "mode": "100644", "type": "blob", "sha": blob})
		}
		parents := []string{}
		for _, p := range c.parents {
			parents = append(parents, commits[p])
		}
		commits[c.name] = e.object(t, "/git/commits", object{"message": c.name, "tree": e.object(t, "/git/trees", object{"tree": tree}), "parents": parents})
	}
	for branch, commit := range branches {
		e.ref(t, "refs/heads/"+branch, commits[commit])
	}
	return commits
}

func (e *emulator) ref(t *testing.T, name, object string) {
	t.Helper()
	e.object(t, "/git/refs", map[string]string{"ref": name, "sha": object})
}

// annotate pushes an annotated tag and returns its object.
func (e *emulator) annotate(t *testing.T, name, object, kind string) string {
	t.Helper()
	sha := e.object(t, "/git/tags", map[string]string{"tag": name, "message": strings.ToUpper(name), "object": object, "type": kind})
	e.ref(t, "refs/tags/"+name, sha)
	return sha
}

func (e *emulator) issue(t *testing.T, title string, labels ...string) {
	t.Helper()
	e.object(t, "/issues", map[string]any{"title": title, "labels": labels})
}

package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/secret"
)

const networkToken = "n3tw0rk-t0ken-value-0123456789"

// network is what lies between a client and its registry: an authority that no system knows, TLS servers under the names
// that it certifies, and a proxy that is the only way to them.
type network struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	ca    *x509.Certificate
	file  string            // the authority's certificate
	hosts map[string]string // host:port -> address on loopback
	proxy *httptest.Server

	mu      sync.Mutex    // guards hosts, too
	opened  []string      // what the proxy was asked for
	headers []http.Header // of those requests
}

func newNetwork(t *testing.T) *network {
	n := &network{t: t, hosts: map[string]string{}, file: filepath.Join(t.TempDir(), "authority.pem")}
	n.ca, n.key = n.certify("authority", true)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.ca.Raw})
	if err := os.WriteFile(n.file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	n.proxy = httptest.NewServer(http.HandlerFunc(n.connect))
	t.Cleanup(n.proxy.Close)
	return n
}

// certify makes a certificate for a host, or the authority's own.
func (n *network) certify(host string, authority bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: authority, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	parent, signer := n.ca, n.key
	if authority {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		n.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		n.t.Fatal(err)
	}
	return made, key
}

// serve answers at https://host:port with a certificate of the authority.
func (n *network) serve(host, port string, h http.Handler) {
	cert, key := n.certify(host, false)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	n.t.Cleanup(s.Close)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host+":"+port] = s.Listener.Addr().String()
}

// connect is a proxy: it takes CONNECT alone and wants a user and a password.
func (n *network) connect(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.opened, n.headers = append(n.opened, r.Method+" "+r.Host), append(n.headers, r.Header.Clone())
	address, known := n.hosts[r.Host]
	n.mu.Unlock()
	user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
	switch {
	case r.Method != http.MethodConnect:
		http.Error(w, "this proxy takes CONNECT", http.StatusMethodNotAllowed)
	case user != "builder" || password != "pr0xy-pass":
		http.Error(w, "no", http.StatusProxyAuthRequired)
	case !known:
		http.Error(w, "no such host", http.StatusBadGateway)
	default:
		n.join(w, address)
	}
}

func (n *network) join(w http.ResponseWriter, address string) {
	there, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		io.Copy(there, here)
		there.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(here, there)
}

// took returns what the proxy was asked for since the last call.
func (n *network) took() ([]string, []http.Header) {
	n.mu.Lock()
	defer n.mu.Unlock()
	opened, headers := n.opened, n.headers
	n.opened, n.headers = nil, nil
	return opened, headers
}

// visit is what a process of its own found: Go reads the variables of proxies and certificates once in each.
type visit struct {
	Done  []string // what worked
	Error string
	Class string
}

// visitor makes this test binary the process that visits.
const visitor = "TAGBOAT_TEST_VISIT"

func TestVisitor(t *testing.T) {
	index := os.Getenv(visitor)
	if index == "" {
		return // this is the other process of TestNetwork, started by it
	}
	v := visit{}
	if err := v.walk(t, index); err != nil {
		v.Error = err.Error()
		for _, c := range []Class{Refused, Transient, Denied, NotFound} {
			if IsClass(err, c) {
				v.Class = c.String()
			}
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(visitor+"_OUT"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// walk does all that a release does at a registry.
func (v *visit) walk(t *testing.T, index string) error {
	r, err := New("feed", index)
	if err != nil {
		return err
	}
	c := NewClient(r, Options{UserAgent: "tagboat/1", Token: func(context.Context) (secret.Value, error) { return secret.New(networkToken), nil }})
	if _, err := c.Check(t.Context()); err != nil {
		return err
	}
	v.Done = append(v.Done, "check")
	if _, err := c.Publish(t.Context(), demo(t, 3<<20)); err != nil {
		return err
	}
	v.Done = append(v.Done, "publish")
	entries, err := c.Lookup(t.Context(), "demo")
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("%d entries: %w", len(entries), err)
	}
	v.Done = append(v.Done, "look up")
	var got bytes.Buffer
	if _, err := c.Download(t.Context(), entries[0], &got); err != nil {
		return err
	}
	v.Done = append(v.Done, "download")
	return nil
}

// visit runs the visitor with variables of its own.
func (n *network) visit(index string, env ...string) visit {
	n.t.Helper()
	out := filepath.Join(n.t.TempDir(), "visit.json")
	cmd := exec.CommandContext(n.t.Context(), os.Args[0], "-test.run=^TestVisitor$")
	cmd.Env = append([]string{visitor + "=" + index, visitor + "_OUT=" + out, "HOME=" + n.t.TempDir(), "TMPDIR=" + os.TempDir()}, env...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(out)
	var v visit
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		n.t.Fatalf("%v\n%s", err, said)
	}
	for _, secret := range []string{networkToken, "pr0xy-pass"} {
		if strings.Contains(v.Error, secret) || strings.Contains(string(said), secret) {
			n.t.Errorf("a secret shows: %s\n%s", v.Error, said)
		}
	}
	return v
}

var whole = []string{"check", "publish", "look up", "download"}

// TestNetwork does all that a release does at a registry behind a proxy, with certificates of a company's own authority,
// as the variables of the environment name them.
func TestNetwork(t *testing.T) {
	n := newNetwork(t)
	twin := func() http.Handler {
		return registrytwin.New(registrytwin.Config{Manners: registrytwin.Lenient, AuthRequired: true,
			Tokens: []registrytwin.Token{{Label: "t", Value: secret.New(networkToken), Scope: registrytwin.Publish}}}).Handler()
	}
	folder := t.TempDir()
	authority, err := os.ReadFile(n.file)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "company.pem"), authority, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	proxy := "HTTPS_PROXY=http://builder:pr0xy-pass@" + n.proxy.Listener.Addr().String()
	trusted := "SSL_CERT_FILE=" + n.file
	for _, c := range []struct {
		name   string
		env    []string
		done   []string
		class  string
		errors string
		proxy  bool // was asked
	}{
		{name: "SSL_CERT_FILE", env: []string{proxy, trusted}, done: whole, proxy: true},
		{name: "lower case and SSL_CERT_DIR", env: []string{strings.ToLower(proxy[:11]) + proxy[11:], "SSL_CERT_DIR=" + folder}, done: whole, proxy: true},
		{name: "unknown authority", env: []string{proxy, "SSL_CERT_FILE=" + os.DevNull, "SSL_CERT_DIR=" + t.TempDir()}, class: "refused", errors: "SSL_CERT_FILE names", proxy: true},
		{name: "wrong password", env: []string{strings.Replace(proxy, "pr0xy", "wrong", 1), trusted}, class: "refused", errors: "refused the connection to the registry (status 407)", proxy: true},
		{name: "NO_PROXY", env: []string{proxy, trusted, "NO_PROXY=other.example,.feed.test"}, class: "transient", errors: "feed.test"},
		{name: "no proxy there", env: []string{"HTTPS_PROXY=http://127.0.0.1:1", trusted}, class: "transient", errors: "the proxy does not answer"},
		{name: "proxy for http alone", env: []string{"HTTP_PROXY=" + proxy[12:], trusted}, class: "transient", errors: "feed.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.serve("crates.feed.test", "443", twin())
			v := n.visit("sparse+https://crates.feed.test/index/", c.env...)
			if !slices.Equal(v.Done, c.done) || v.Class != c.class || !strings.Contains(v.Error, c.errors) {
				t.Errorf("did %q; %s: %s", v.Done, v.Class, v.Error)
			}
			opened, headers := n.took()
			if c.proxy != (len(opened) > 0) {
				t.Errorf("the proxy was asked for %q", opened)
			}
			for i, o := range opened {
				if o != "CONNECT crates.feed.test:443" || headers[i].Get("Authorization") != "" {
					t.Errorf("the proxy saw %q with %v", o, headers[i])
				}
			}
		})
	}
	if v := n.visit("sparse+https://nowhere.test/index/", proxy, trusted); v.Class != "transient" || !strings.Contains(v.Error, "status 502") {
		t.Errorf("a host that the proxy does not find: %+v", v)
	}
}

// TestRedirectsOverTLS holds that no redirect takes the token to another host, another port or an open line, nor an upload
// anywhere, behind the proxy as well.
func TestRedirectsOverTLS(t *testing.T) {
	n := newNetwork(t)
	var mu sync.Mutex
	var elsewhere []string // authorization of what came there
	thief := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		elsewhere = append(elsewhere, r.Method+" "+r.Host+" "+r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("Referer"))
		mu.Unlock()
		io.WriteString(w, `{"dl":"https://feed.test/dl","api":"https://feed.test"}`)
	})
	n.serve("other.test", "443", thief)
	n.serve("sub.feed.test", "443", thief)
	n.serve("feed.test", "8443", thief)
	for to, want := range map[string]string{
		"https://other.test/config.json":            "",
		"https://sub.feed.test/config.json":         "",
		"https://feed.test:8443/config.json":        "",
		"http://feed.test/config.json":              "redirected from https to http://feed.test",
		"https://u:p@other.test/config.json?token=": "",
	} {
		var uploads atomic.Int32
		n.serve("feed.test", "443", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: networkToken})
			switch {
			case r.Method == http.MethodPut:
				uploads.Add(1)
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			case r.Header.Get("Authorization") == "":
				w.WriteHeader(http.StatusUnauthorized)
			default:
				http.Redirect(w, r, to, http.StatusFound)
			}
		}))
		v := n.visit("sparse+https://feed.test/index/", "HTTPS_PROXY=http://builder:pr0xy-pass@"+n.proxy.Listener.Addr().String(), "SSL_CERT_FILE="+n.file)
		if want == "" {
			want = "redirected to"
			if n := uploads.Load(); n != 1 {
				t.Errorf("%s: %d uploads", to, n)
			}
		}
		if !strings.Contains(v.Error, want) {
			t.Errorf("%s: %+v", to, v)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(elsewhere) == 0 {
		t.Error("no redirect was followed: nothing is shown")
	}
	for _, e := range elsewhere {
		if strings.Contains(e, networkToken) || !strings.HasPrefix(e, "GET ") || strings.Contains(e, "Basic") {
			t.Errorf("another place got %q", e)
		}
	}
}

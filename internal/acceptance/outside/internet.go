package outside

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/entratwin"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/secret"
)

// The application at Entra that trusts the repository's jobs in the environment "release".
const (
	Tenant      = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	Application = "11111111-2222-3333-4444-555555555555"
)

const issuerHost = "token.actions.githubusercontent.com"

// Internet is what a process reaches under its real names through a proxy, over TLS by an authority of the world's own.
type Internet struct {
	CratesIO *registrytwin.Twin
	Identity *githubid.Issuer
	Entra    *entratwin.Twin

	trusted *registrytwin.Trusted
	mark    string
	env     map[string]string
}

// OpenInternet starts crates.io, GitHub's issuer and Entra, and returns them. Jobs of workflow release.yml in environment
// "release" are trusted.
func (w *World) OpenInternet() (*Internet, error) {
	key, err := githubid.Key()
	if err != nil {
		return nil, err
	}
	n := &Internet{mark: w.config.Mark, Identity: githubid.New("https://"+issuerHost, key), trusted: &registrytwin.Trusted{Mark: w.config.Mark}}
	keys := &http.Client{Transport: within{n.Identity.Handler()}}
	verify := func(audience string) func(context.Context, string) (githubid.Claims, error) {
		return func(ctx context.Context, jwt string) (githubid.Claims, error) {
			return githubid.Verifier{Issuer: n.Identity.URL(), Audience: audience, HTTP: keys}.Verify(ctx, jwt, time.Now())
		}
	}
	n.trusted.Verify = verify("crates.io")
	n.CratesIO = registrytwin.New(registrytwin.Config{Name: "crates-io", URL: "https://crates.io", Manners: registrytwin.CratesIO, Trusted: n.trusted,
		Tokens: []registrytwin.Token{{Label: "token", Value: secret.New("cio" + w.config.Mark), Scope: registrytwin.Publish}}})
	n.Entra = entratwin.New(entratwin.Config{Applications: []entratwin.Application{{Tenant: Tenant, Client: Application, Subject: "repo:" + Owner + "/" + w.Name + ":environment:release"}}, Mark: w.config.Mark, Verify: verify(entratwin.Audience)})
	hosts := map[string]http.Handler{
		"index.crates.io": w.around("crates-io", registrytwin.Op, below("/index", n.CratesIO.Handler())), "crates.io": w.around("crates-io", registrytwin.Op, n.CratesIO.Handler()),
		issuerHost: w.around(fault.GitHub, githubid.Op, n.Identity.Handler()), "login.microsoftonline.com": w.around("entra", entratwin.Op, n.Entra.Handler()),
	}
	proxy, err := w.serveNames(hosts)
	if err == nil {
		n.env = map[string]string{"HTTPS_PROXY": proxy, "SSL_CERT_FILE": filepath.Join(w.config.Dir, "authority.pem")}
		w.mu.Lock()
		w.internet = n
		w.mu.Unlock()
	}
	return n, err
}

// Trust makes a crate of crates.io, which it has then in version 0.0.0, trust jobs of the world's repository.
func (w *World) Trust(crate, workflow, environment string) error {
	n := w.internet
	n.trusted.Publishers = append(n.trusted.Publishers, registrytwin.Publisher{Crate: crate, Repository: Owner + "/" + w.Name, Workflow: workflow, Environment: environment})
	return n.CratesIO.Reserve(crate)
}

// Env is what a job has in its environment; one without an identity has only the way to the internet.
func (n *Internet) Env(j githubid.Job) map[string]string {
	env := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}
	for name, value := range n.env {
		env[name] = value
	}
	if !j.Unlicensed {
		env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = n.Identity.Start(j, n.mark)
	}
	return env
}

// show describes what came by which lane, and the tokens that were made.
func (n *Internet) show() []string {
	var lines []string
	for _, u := range n.CratesIO.Accepted() {
		lines = append(lines, fmt.Sprintf("crate crates-io %s %s by %s", u.Name, u.Version, u.Token))
	}
	for _, m := range n.CratesIO.Mints() {
		state := "open"
		if !m.Revoked.IsZero() {
			state = "revoked"
		}
		lines = append(lines, fmt.Sprintf("minted for %s %s", strings.Join(m.Crates, ", "), state))
	}
	return lines
}

// bearer finds a token that Entra gave.
func (w *World) bearer(value string) (registrytwin.Token, bool) {
	w.mu.Lock()
	n := w.internet
	w.mu.Unlock()
	if n == nil || !n.Entra.Valid(value) {
		return registrytwin.Token{}, false
	}
	return registrytwin.Token{Label: "entra", Value: secret.New(value), Scope: registrytwin.Publish}, true
}

// within answers requests in the process.
type within struct{ http.Handler }

func (h within) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// below puts a prefix before every path.
func below(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := r.Clone(r.Context())
		inner.URL.Path = prefix + r.URL.Path
		next.ServeHTTP(w, inner)
	})
}

// serveNames serves hosts over TLS by their names and returns the address of a proxy that leads there.
func (w *World) serveNames(hosts map[string]http.Handler) (string, error) {
	var names []string
	for name := range hosts {
		names = append(names, name)
	}
	certificate, err := authority(filepath.Join(w.config.Dir, "authority.pem"), names)
	if err != nil {
		return "", err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return "", err
	}
	w.start(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { hosts[r.Host].ServeHTTP(rw, r) }))
	p, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	w.start(p, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, port, err := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || err != nil || port != "443" || !slices.Contains(names, name) {
			http.Error(rw, "no such host", http.StatusBadGateway)
			return
		}
		tunnel(rw, l.Addr().String())
	}))
	return "http://" + p.Addr().String(), nil
}

func (w *World) start(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	w.mu.Lock()
	w.servers = append(w.servers, server)
	w.mu.Unlock()
	go server.Serve(l) // ends with Close
}

// tunnel connects a client with an address until one of both ends it.
func tunnel(rw http.ResponseWriter, address string) {
	there, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { io.Copy(there, here); done <- struct{}{} }()
	go func() { io.Copy(here, there); done <- struct{}{} }()
	<-done
}

// authority makes a certificate for the names, signed by itself, and writes it where a client can trust it.
func authority(file string, names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an outside world"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: names, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o644)
}

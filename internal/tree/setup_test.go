//go:build e2e

package tree

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
)

// releases stands in for a server with releases: the files of each address, over real TLS.
type releases struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	fails map[string]int // how many times an address still answers 503
	moved map[string]string
	asked []string
}

func newReleases(t *testing.T) *releases {
	r := &releases{files: map[string][]byte{}, fails: map[string]int{}, moved: map[string]string{}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, q.URL.Path)
		body, ok := r.files[q.URL.Path]
		switch {
		case q.Header.Get("Authorization") != "":
			w.WriteHeader(http.StatusTeapot) // no token is for this server
		case r.fails[q.URL.Path] > 0:
			r.fails[q.URL.Path]--
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.moved[q.URL.Path] != "":
			http.Redirect(w, q, r.moved[q.URL.Path], http.StatusFound)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Write(body)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// release puts a version on the server: the archives that .goreleaser.yaml describes, holding a program that says so.
func (r *releases) release(t *testing.T, version string) {
	t.Helper()
	base := "/tagboat/tagboat/releases/download/v" + version + "/"
	program := []byte("#!/bin/sh\necho tagboat version " + version + " 0123456789\n")
	var sums strings.Builder
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			name, body := fmt.Sprintf("tagboat-v%s-%s-%s.tar.gz", version, system, arch), tarball(t, program)
			if system == "windows" {
				name, body = fmt.Sprintf("tagboat-v%s-%s-%s.zip", version, system, arch), zipped(t, program)
			}
			r.files[base+name] = body
			fmt.Fprintf(&sums, "%x  %s\n%064x  %s.spdx.json\n", sha256.Sum256(body), name, 1, name)
		}
	}
	r.files[base+"SHA256SUMS"] = []byte(sums.String())
}

func tarball(t *testing.T, program []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, body := range map[string][]byte{"LICENSE": []byte("Apache\n"), "README.md": nil, "CHANGELOG.md": nil, "tagboat": program} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		w.Write(body)
	}
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("the tarball was not written")
	}
	return b.Bytes()
}

func zipped(t *testing.T, program []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, body := range map[string][]byte{"LICENSE": []byte("Apache\n"), "tagboat.exe": program} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(body)
	}
	if w.Close() != nil {
		t.Fatal("the zip was not written")
	}
	return b.Bytes()
}

// machine is one runner that the script runs on.
type machine struct {
	server *releases
	temp   string
	path   string
	env    []string
}

func newMachine(t *testing.T, server *releases, env ...string) machine {
	t.Helper()
	for _, program := range []string{"bash", "curl", "unzip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("these tests need %s", program)
		}
	}
	m := machine{server: server, temp: t.TempDir(), path: t.TempDir()}
	cert := filepath.Join(m.temp, "ca.pem")
	m.write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	m.env = append([]string{"PATH=" + m.path + ":" + os.Getenv("PATH"), "HOME=" + m.temp, "CURL_CA_BUNDLE=" + cert, "GITHUB_SERVER_URL=" + server.URL, "RUNNER_TEMP=" + m.temp,
		"GITHUB_PATH=" + filepath.Join(m.temp, "path"), "GITHUB_OUTPUT=" + filepath.Join(m.temp, "output"), "GH_TOKEN=hush", "RUNNER_OS=Linux", "RUNNER_ARCH=X64"}, env...)
	return m
}

func (m machine) write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o755); err != nil {
		t.Fatal(err)
	}
}

// program puts a stand-in for another program on the machine's PATH.
func (m machine) program(t *testing.T, name, script string) {
	t.Helper()
	m.write(t, filepath.Join(m.path, name), []byte("#!/bin/sh\n"+script+"\n"))
}

// install runs the script and returns what it printed, and what it wrote for the runner.
func (m machine) install(t *testing.T, env ...string) (out, outputs string, err error) {
	t.Helper()
	// A copy, so that the test is run again when the script has changed: go test knows of files that it read itself.
	script := filepath.Join(m.temp, "install.sh")
	m.write(t, script, []byte(read(t, "setup/install.sh")))
	cmd := exec.Command("bash", script)
	cmd.Env = slices.Concat(m.env, env)
	text, err := cmd.CombinedOutput()
	for _, name := range []string{"path", "output"} {
		body, readErr := os.ReadFile(filepath.Join(m.temp, name))
		if readErr != nil && !os.IsNotExist(readErr) {
			t.Fatal(readErr)
		}
		outputs += string(body)
	}
	if strings.Contains(string(text)+outputs, "hush") {
		t.Errorf("the token is printed: %s%s", text, outputs)
	}
	return string(text), outputs, err
}

// TestSetup holds the names of systems and processors, as the runner or uname says them, and what the next steps get.
func TestSetup(t *testing.T) {
	for _, c := range []struct{ env, uname, archive string }{
		{"RUNNER_OS=Linux RUNNER_ARCH=X64", "", "linux-amd64.tar.gz"},
		{"RUNNER_OS=Linux RUNNER_ARCH=ARM64", "", "linux-arm64.tar.gz"},
		{"RUNNER_OS=macOS RUNNER_ARCH=X64", "", "darwin-amd64.tar.gz"},
		{"RUNNER_OS=macOS RUNNER_ARCH=ARM64", "Darwin x86_64", "darwin-arm64.tar.gz"},
		{"RUNNER_OS=Windows RUNNER_ARCH=X64", "", "windows-amd64.zip"},
		{"RUNNER_OS=Windows RUNNER_ARCH=ARM64", "MINGW64_NT-10.0-26100 x86_64", "windows-arm64.zip"},
		{"RUNNER_OS= RUNNER_ARCH=", "Linux x86_64", "linux-amd64.tar.gz"},
		{"RUNNER_OS= RUNNER_ARCH=", "Linux aarch64", "linux-arm64.tar.gz"},
		{"RUNNER_OS= RUNNER_ARCH=", "Darwin x86_64", "darwin-amd64.tar.gz"},
		{"RUNNER_OS= RUNNER_ARCH=", "Darwin arm64", "darwin-arm64.tar.gz"},
		{"RUNNER_OS= RUNNER_ARCH=", "MINGW64_NT-10.0-20348 x86_64", "windows-amd64.zip"},
		{"RUNNER_OS= RUNNER_ARCH=", "MSYS_NT-10.0-26100 aarch64", "windows-arm64.zip"},
	} {
		t.Run(c.env+" "+c.uname, func(t *testing.T) {
			server := newReleases(t)
			server.release(t, "1.2.3")
			m := newMachine(t, server, strings.Fields(c.env)...)
			system, arch, _ := strings.Cut(c.uname, " ")
			m.program(t, "uname", fmt.Sprintf(`case $1 in -s) echo %s ;; -m) echo %s ;; esac`, system, arch))
			out, outputs, err := m.install(t, "TAGBOAT_VERSION=1.2.3")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if want := "tagboat-v1.2.3-" + c.archive; !strings.HasSuffix(server.asked[len(server.asked)-1], "/"+want) {
				t.Errorf("asked for %v, want %s", server.asked, want)
			}
			folder, outputs, _ := strings.Cut(outputs, "\n")
			program := folder + "/tagboat"
			if strings.Contains(c.archive, "windows") {
				program += ".exe"
			}
			if want := "version=v1.2.3\npath=" + program + "\n"; outputs != want {
				t.Errorf("got outputs %q, want %q", outputs, want)
			}
			if said, err := exec.Command(program, "--version").Output(); err != nil || string(said) != "tagboat version 1.2.3 0123456789\n" {
				t.Errorf("the program says %q (%v)", said, err)
			}
		})
	}
}

// TestSetupRefuses holds that what is not the released file is not installed, and that the reason is said.
func TestSetupRefuses(t *testing.T) {
	const base = "/tagboat/tagboat/releases/download/v1.2.3/"
	const archive = base + "tagboat-v1.2.3-linux-amd64.tar.gz"
	for _, c := range []struct {
		name    string
		change  func(*releases)
		env     string
		message string
		asks    bool
	}{
		{"other bytes", func(r *releases) { r.files[archive] = append(r.files[archive], 0) }, "", "is not the released file", true},
		{"no checksum", func(r *releases) { r.files[base+"SHA256SUMS"] = []byte("1234  other\n") }, "", "no single checksum", true},
		{"two checksums", func(r *releases) {
			r.files[base+"SHA256SUMS"] = append(r.files[base+"SHA256SUMS"], r.files[base+"SHA256SUMS"]...)
		}, "", "no single checksum", true},
		{"no archive", func(r *releases) { delete(r.files, archive) }, "", "There is no https", true},
		{"no release", func(r *releases) { clear(r.files) }, "", "There is no https", true},
		{"another program", func(r *releases) {
			body := r.files[strings.ReplaceAll(archive, "1.2.3", "1.2.4")]
			r.files[archive], r.files[base+"SHA256SUMS"] = body, fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(body), filepath.Base(archive))
		}, "", "says that it is tagboat version 1.2.4", true},
		{"no version", nil, "TAGBOAT_VERSION=", "names no version of its own", false},
		{"latest", nil, "TAGBOAT_VERSION=latest", "not one of the form v1.2.3", false},
		{"major", nil, "TAGBOAT_VERSION=v1", "not one of the form v1.2.3", false},
		{"path", nil, "TAGBOAT_VERSION=v1.2.3/../../../evil/releases/download/v1.2.3", "not one of the form v1.2.3", false},
		{"option", nil, "TAGBOAT_VERSION=--config=x", "not one of the form v1.2.3", false},
		{"command", nil, "TAGBOAT_VERSION=1.2.3$(touch hacked)`touch hacked`", "not one of the form v1.2.3", false},
		{"two lines", nil, "TAGBOAT_VERSION=1.2.3\n::warning::hello", "v1.2.3: 1.2.3%0A::warning", false},
		{"long", nil, "TAGBOAT_VERSION=1.2.3-" + strings.Repeat("a", 5000), "not one of the form v1.2.3", false},
		{"system", nil, "RUNNER_OS=Plan9", "no tagboat program for the system Plan9", false},
		{"processor", nil, "RUNNER_ARCH=X86", "no tagboat program for the processor X86", false},
		{"choice", nil, "TAGBOAT_VERIFY_ATTESTATION=maybe", "is auto, true or false: maybe", false},
		{"no https", nil, "GITHUB_SERVER_URL=http://127.0.0.1:9", "over https only, not from http://127", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newReleases(t)
			server.release(t, "1.2.3")
			server.release(t, "1.2.4")
			if c.change != nil {
				c.change(server)
			}
			out, outputs, err := newMachine(t, server).install(t, "TAGBOAT_VERSION=v1.2.3", c.env)
			if err == nil || outputs != "" {
				t.Errorf("installed: %s%s", out, outputs)
			}
			if !strings.Contains(out, "::error title=Set up Tagboat::") || !strings.Contains(out, c.message) {
				t.Errorf("got %s, want a message with %q", out, c.message)
			}
			if strings.Contains(out, "\n::warning") || len(out) > 2000 {
				t.Errorf("what was given comes back as it was: %s", out)
			}
			if asked := len(server.asked) > 0; asked != c.asks {
				t.Errorf("the server was asked for %v", server.asked)
			}
		})
	}
}

// TestSetupAttestation holds when gh is asked, for what, and that its word counts.
func TestSetupAttestation(t *testing.T) {
	const old, good, bad = "exit 1", `echo "$*" >>"$RUNNER_TEMP/gh"`, `[ "$3" = --help ]`
	for _, c := range []struct {
		name, gh, mode string
		github         bool // whether the server is github.com
		installs, asks bool
	}{
		{"auto, elsewhere", good, "auto", false, true, false},
		{"auto, gh is old", old, "auto", true, true, false},
		{"auto, verified", good, "auto", true, true, true},
		{"auto, not verified", bad, "auto", true, false, false},
		{"true, gh is old", old, "true", true, false, false},
		{"true, elsewhere", good, "true", false, true, true},
		{"false", bad, "false", true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newReleases(t)
			server.release(t, "1.2.3")
			m := newMachine(t, server)
			m.program(t, "gh", c.gh)
			if c.github {
				real, err := exec.LookPath("curl")
				if err != nil {
					t.Fatal(err)
				}
				address := strings.TrimPrefix(server.URL, "https://")
				m.program(t, "curl", fmt.Sprintf(`exec %s --insecure --connect-to github.com:443:%s "$@"`, real, address))
				m.env = append(m.env, "GITHUB_SERVER_URL=https://github.com")
			}
			out, _, err := m.install(t, "TAGBOAT_VERSION=v1.2.3", "TAGBOAT_VERIFY_ATTESTATION="+c.mode)
			if installed := err == nil; installed != c.installs {
				t.Errorf("installed: %t, want %t\n%s", installed, c.installs, out)
			}
			asked, err := os.ReadFile(filepath.Join(m.temp, "gh"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			want := "--repo tagboat/tagboat --source-ref refs/tags/v1.2.3 --signer-workflow tagboat/tagboat/.github/workflows/release.yml"
			if got := strings.Contains(string(asked), want); got != c.asks {
				t.Errorf("gh was asked %q", asked)
			}
		})
	}
}

// TestSetupTriesAgain holds that a server's bad moment is survived, and that files may be elsewhere, as GitHub's are. curl
// itself waits a second before it tries again.
func TestSetupTriesAgain(t *testing.T) {
	server := newReleases(t)
	server.release(t, "1.2.3-rc.1")
	const sums = "/tagboat/tagboat/releases/download/v1.2.3-rc.1/SHA256SUMS"
	server.files["/elsewhere"], server.moved[sums], server.fails[sums] = server.files[sums], server.URL+"/elsewhere", 1
	if out, _, err := newMachine(t, server).install(t, "TAGBOAT_VERSION=v1.2.3-rc.1"); err != nil || len(server.asked) != 4 {
		t.Errorf("%v, asked for %v\n%s", err, server.asked, out)
	}
}

// TestSetupNames holds that the names that the script asks for are those that goreleaser is told.
func TestSetupNames(t *testing.T) {
	var c struct {
		Builds []struct {
			Binary       string
			Goos, Goarch []string
		}
		Archives []struct {
			Formats         []string
			NameTemplate    string `yaml:"name_template"`
			FormatOverrides []struct {
				Goos    string
				Formats []string
			} `yaml:"format_overrides"`
		}
		Checksum struct {
			NameTemplate string `yaml:"name_template"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Builds, c.Archives, c.Checksum)
	want := "[{tagboat [linux darwin windows] [amd64 arm64]}] [{[tar.gz] tagboat-v{{ .Version }}-{{ .Os }}-{{ .Arch }} [{windows [zip]}]}] {SHA256SUMS}"
	if got != want {
		t.Errorf("got  %s\nwant %s\nand setup/install.sh must say the same", got, want)
	}
}

// TestSetupRealArchive installs a program that is built from this tree, under the version that a release gives it.
func TestSetupRealArchive(t *testing.T) {
	server := newReleases(t)
	server.release(t, "9.8.7")
	m := newMachine(t, server)
	file := filepath.Join(t.TempDir(), "tagboat")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-X "+module+"internal/cli.Version=9.8.7", "-o", file, "./cmd/tagboat")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	text, err := io.ReadAll(program)
	if err != nil {
		t.Fatal(err)
	}
	const base = "/tagboat/tagboat/releases/download/v9.8.7/"
	body := tarball(t, text)
	server.files[base+"tagboat-v9.8.7-linux-amd64.tar.gz"] = body
	server.files[base+"SHA256SUMS"] = fmt.Appendf(nil, "%x  tagboat-v9.8.7-linux-amd64.tar.gz\n", sha256.Sum256(body))
	out, _, err := m.install(t, "TAGBOAT_VERSION=v9.8.7")
	if err != nil || !strings.Contains(out, "tagboat version 9.8.7") {
		t.Errorf("%v\n%s", err, out)
	}
}

package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/secret"
	"github.com/tagboat/tagboat/internal/semver"
)

// The promise: what the real cargo sends to publish a crate, we send, byte for byte, from the .crate alone.
//
// For each sample and each registry that its crates may go to, `cargo package` makes the .crate files, and `cargo publish`
// uploads them, packaging again, to a registry that keeps the requests. Each request body (metadata, lengths and archive)
// must equal the one that is made here from the file of `cargo package`. crates.io is stood in for by the address that
// cargo's own tests use, so that cargo believes to speak to crates.io itself. Crates from outside the sample are made up
// in the indexes; nothing is built and nothing leaves the machine.
func TestPublishRequestEqualsCargos(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(filepath.Base(s), func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, s)
			compared := 0
			for _, alias := range w.registries {
				compared += w.compare(t, alias)
			}
			if compared == 0 {
				t.Error("no request was compared")
			}
		})
	}
}

// samples returns the workspaces that cargo can publish. The sample "cycle" is there because it cannot.
func samples(t *testing.T) []string {
	manifests, err := filepath.Glob("../../testdata/workspaces/*/Cargo.toml")
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, m := range manifests {
		if dir := filepath.Dir(m); filepath.Base(dir) != "cycle" {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		t.Fatal("no samples in testdata/workspaces")
	}
	return append(dirs, "testdata/nasty")
}

type workspace struct {
	dir        string
	recorder   *recorder
	env        []string
	registries []string // aliases; crates.io first, because the others may depend on it
	members    []member
}

type member struct {
	Name         string       `json:"name"`
	Version      string       `json:"version"`
	Publish      []string     `json:"publish"` // nil is anywhere
	Dependencies []dependency `json:"dependencies"`
}

type dependency struct {
	Name     string   `json:"name"`
	Req      string   `json:"req"`
	Path     string   `json:"path"`
	Registry string   `json:"registry"`
	Features []string `json:"features"`
}

func newWorkspace(t *testing.T, source string) *workspace {
	t.Helper()
	w := &workspace{dir: filepath.Join(t.TempDir(), "checkout"), recorder: newRecorder(t)}
	if err := sample.Stage(t.Context(), source, w.dir); err != nil {
		t.Fatal(err)
	}
	w.registries = append([]string{registry.CratesIO}, w.aliases(t)...)
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "RUSTUP_HOME=" + os.Getenv("RUSTUP_HOME"),
		"RUSTUP_TOOLCHAIN=stable", "CARGO_HOME=" + t.TempDir(), "CARGO_TERM_COLOR=never",
		"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS=cargo:token", "CARGO_REGISTRY_TOKEN=" + token,
		"__CARGO_TEST_CRATES_IO_URL_DO_NOT_USE_THIS=" + w.recorder.index(registry.CratesIO),
		// Artifact dependencies are unstable.
		"RUSTC_BOOTSTRAP=1", "CARGO_UNSTABLE_BINDEPS=true",
	}
	w.env = slices.DeleteFunc(w.env, func(e string) bool { return e == "RUSTUP_HOME=" })
	for _, alias := range w.registries[1:] {
		name := strings.ToUpper(strings.ReplaceAll(alias, "-", "_"))
		w.env = append(w.env, "CARGO_REGISTRIES_"+name+"_INDEX="+w.recorder.index(alias), "CARGO_REGISTRIES_"+name+"_TOKEN="+token)
	}
	var metadata struct {
		Packages []member `json:"packages"`
	}
	if err := json.Unmarshal(w.cargo(t, "metadata", "--no-deps", "--format-version=1"), &metadata); err != nil {
		t.Fatal(err)
	}
	w.members = metadata.Packages
	w.inventOutside(t)
	return w
}

const token = "not-a-token"

// aliases returns the registries that the sample's cargo configuration defines; the workspace of this package has none
// and gets two.
func (w *workspace) aliases(t *testing.T) []string {
	text, err := os.ReadFile(filepath.Join(w.dir, ".cargo", "config.toml"))
	if os.IsNotExist(err) {
		return []string{"other", "rec"}
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\[registries\.([\w-]+)\]`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

// inventOutside fills the indexes with what the members need from outside: some version that fits, with the features
// that are asked for.
func (w *workspace) inventOutside(t *testing.T) {
	aliasOf := map[string]string{"": registry.CratesIO}
	for _, alias := range w.registries[1:] {
		aliasOf[w.recorder.index(alias)] = alias
	}
	for _, m := range w.members {
		for _, d := range m.Dependencies {
			if d.Path == "" {
				w.recorder.invent(aliasOf[d.Registry], d.Name, fitting(t, d.Req), d.Features)
			}
		}
	}
}

func fitting(t *testing.T, requirement string) string {
	t.Helper()
	req, err := semver.ParseReq(requirement)
	if err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`[0-9][0-9A-Za-z.-]*`).FindString(requirement)
	for len(strings.Split(base, ".")) < 3 && base != "" && !strings.Contains(base, "-") {
		base = strings.TrimSuffix(base, ".") + ".0"
	}
	for _, candidate := range []string{base, "0.1.1", "0.4.0", "1.0.0", "1.2.3"} {
		if v, err := semver.Parse(candidate); err == nil && req.Matches(v) {
			return candidate
		}
	}
	t.Fatalf("no version at hand for %q", requirement)
	return ""
}

func (w *workspace) cargo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cargo", args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("cargo %q: %v\n%s", args, err, &stderr)
	}
	return stdout.Bytes()
}

// compare publishes the members that may go to alias with cargo and with a Client and compares the requests.
func (w *workspace) compare(t *testing.T, alias string) int {
	t.Helper()
	args := []string{"--no-verify", "--registry", alias}
	var going []member
	for _, m := range w.members {
		if m.Publish == nil || slices.Contains(m.Publish, alias) {
			going = append(going, m)
			args = append(args, "-p", m.Name)
		}
	}
	if len(going) == 0 {
		return 0
	}
	target := t.TempDir()
	w.cargo(t, append([]string{"package", "--target-dir", target}, args...)...)
	w.cargo(t, append([]string{"publish", "--target-dir", t.TempDir()}, args...)...)
	for _, m := range going {
		crate, err := registry.OpenCrate(filepath.Join(target, "package", m.Name+"-"+m.Version+".crate"))
		if err != nil {
			t.Fatal(err)
		}
		cargos := w.recorder.upload(t, alias, m.Name)
		r := registry.Registry{Name: alias, Index: w.recorder.index(alias), URL: w.recorder.url("ours-" + alias)}
		if alias == registry.CratesIO {
			r.Index = cratefile.CratesIOIndex
		}
		client := registry.NewClient(r, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New(token), nil }})
		if _, err := client.Publish(t.Context(), crate); err != nil {
			t.Fatal(err)
		}
		ours := w.recorder.upload(t, "ours-"+alias, m.Name)
		if !bytes.Equal(ours.metadata, cargos.metadata) {
			t.Errorf("%s to %s: metadata differs\n ours %s\ncargo %s", m.Name, alias, ours.metadata, cargos.metadata)
		}
		if sum := hash(cargos.archive); crate.SHA256 != sum || hash(ours.archive) != sum {
			t.Errorf("%s to %s: sha256 %s here, %s from cargo", m.Name, alias, crate.SHA256, sum)
		}
		if !bytes.Equal(ours.body, cargos.body) {
			t.Errorf("%s to %s: request bodies differ", m.Name, alias)
		}
		for _, name := range []string{"Accept", "Authorization"} {
			if got, want := ours.header.Get(name), cargos.header.Get(name); got != want {
				t.Errorf("%s to %s: header %s is %q, cargo sends %q", m.Name, alias, name, got, want)
			}
		}
		if ours.length != cargos.length {
			t.Errorf("%s to %s: Content-Length %d, cargo sends %d", m.Name, alias, ours.length, cargos.length)
		}
	}
	return len(going)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// recorder is a host of registries, each below a path of its own. It accepts every upload, keeps the request and shows
// the crate in the index.
type recorder struct {
	base string

	mu      sync.Mutex
	uploads map[string]upload            // by "registry/crate"
	lines   map[string][]json.RawMessage // index lines by "registry/lowercase crate"
	outside map[string]map[string]any    // made up, by "registry/crate version"
}

type upload struct {
	header                  http.Header
	length                  int64
	body, metadata, archive []byte
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{uploads: map[string]upload{}, lines: map[string][]json.RawMessage{}, outside: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{registry}/index/config.json", func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, `{"dl":"%[1]s/%[2]s/dl","api":"%[1]s/%[2]s"}`, r.base, q.PathValue("registry"))
	})
	mux.HandleFunc("GET /{registry}/index/{path...}", r.serveIndex)
	mux.HandleFunc("PUT /{registry}/api/v1/crates/new", r.serveUpload)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.base = server.URL
	return r
}

func (r *recorder) url(alias string) string   { return r.base + "/" + alias + "/index/" }
func (r *recorder) index(alias string) string { return "sparse+" + r.url(alias) }

func (r *recorder) invent(alias, name, version string, features []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := alias + "/" + name + " " + version
	entry := r.outside[key]
	if entry == nil {
		entry = map[string]any{"name": name, "vers": version, "deps": []any{}, "cksum": strings.Repeat("0", 64),
			"features": map[string][]string{}, "yanked": false}
		r.outside[key] = entry
	}
	for _, f := range features {
		entry["features"].(map[string][]string)[f] = []string{}
	}
}

func (r *recorder) serveIndex(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := q.PathValue("path")
	key := q.PathValue("registry") + "/" + path[strings.LastIndex(path, "/")+1:]
	lines := slices.Clone(r.lines[key])
	for _, k := range slices.Sorted(maps.Keys(r.outside)) {
		if name, _, _ := strings.Cut(k, " "); strings.EqualFold(name, key) {
			line, _ := json.Marshal(r.outside[k])
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		http.NotFound(w, q)
		return
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%s\n", line)
	}
}

func (r *recorder) serveUpload(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	u := upload{header: q.Header, length: q.ContentLength, body: body}
	if err == nil {
		u.metadata, u.archive, err = split(body)
	}
	var meta struct {
		Name     string           `json:"name"`
		Version  string           `json:"vers"`
		Features json.RawMessage  `json:"features"`
		Deps     []map[string]any `json:"deps"`
	}
	if err == nil {
		err = json.Unmarshal(u.metadata, &meta)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, d := range meta.Deps {
		d["req"] = d["version_req"]
		if alias, found := d["explicit_name_in_toml"]; found {
			d["package"], d["name"] = d["name"], alias
		}
	}
	line, err := json.Marshal(map[string]any{"name": meta.Name, "vers": meta.Version, "deps": meta.Deps, "cksum": hash(u.archive),
		"features": meta.Features, "yanked": false})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := q.PathValue("registry") + "/"
	r.uploads[key+meta.Name] = u
	r.lines[key+strings.ToLower(meta.Name)] = append(r.lines[key+strings.ToLower(meta.Name)], line)
}

func split(body []byte) (metadata, archive []byte, err error) {
	parts := [2][]byte{}
	for i := range parts {
		if len(body) < 4 {
			return nil, nil, io.ErrUnexpectedEOF
		}
		n := binary.LittleEndian.Uint32(body)
		if body = body[4:]; uint64(n) > uint64(len(body)) {
			return nil, nil, io.ErrUnexpectedEOF
		}
		parts[i], body = body[:n], body[n:]
	}
	if len(body) > 0 {
		return nil, nil, fmt.Errorf("%d bytes too many", len(body))
	}
	return parts[0], parts[1], nil
}

func (r *recorder) upload(t *testing.T, alias, name string) upload {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	u, found := r.uploads[alias+"/"+name]
	if !found {
		t.Fatalf("no upload of %s to %s", name, alias)
	}
	return u
}

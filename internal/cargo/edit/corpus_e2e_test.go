//go:build e2e

package edit_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/acceptance/debian"
	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/semver"
)

// corpusSize is how many of Debian's packages of crates are tried: the smallest ones, which come quickest.
const corpusSize = 500

// corpus returns the folders of real crates, from Debian's packages, kept in the cache between runs.
func corpus(t *testing.T) []string {
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	base = filepath.Join(base, "tagboat-e2e", "debian-manifests")
	done := filepath.Join(base, "complete-"+strconv.Itoa(corpusSize))
	if _, err := os.Stat(done); err != nil {
		if err := os.MkdirAll(base, 0o755); err != nil {
			t.Fatal(err)
		}
		sh(t, base, "apt-get", append([]string{"download", "-qq", "-o", "APT::Sandbox::User=root"}, smallest(t, corpusSize)...)...)
		debs, err := filepath.Glob(filepath.Join(base, "*.deb"))
		if err != nil || len(debs) < corpusSize {
			t.Fatalf("%d packages came, %v", len(debs), err)
		}
		for _, deb := range debs {
			sh(t, base, "dpkg-deb", "-x", deb, "unpacked")
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dirs, err := filepath.Glob(filepath.Join(base, "unpacked/usr/share/cargo/registry/*"))
	if err != nil || len(dirs) < 300 {
		t.Fatalf("%d crates, %v", len(dirs), err)
	}
	return dirs
}

// smallest returns the names of Debian's smallest packages of crates, without those that only stand for a feature.
func smallest(t *testing.T, n int) []string {
	type pkg struct {
		name string
		size int
	}
	var all []pkg
	var name string
	for line := range strings.Lines(sh(t, "/", "apt-cache", "show", "--no-all-versions", "librust-*-dev")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if size, err := strconv.Atoi(value); key == "Size" && err == nil && !strings.Contains(name, "+") {
			all = append(all, pkg{name, size})
		} else if key == "Package" {
			name = value
		}
	}
	slices.SortFunc(all, func(a, b pkg) int { return cmp.Or(a.size-b.size, strings.Compare(a.name, b.name)) })
	var out []string
	for _, p := range all[:min(n, len(all))] {
		out = append(out, p.name)
	}
	return out
}

func sh(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return string(out)
}

// TestCorpus bumps hundreds of real crates at a time, as one workspace whose members need each other: as they are, and as
// an editor on Windows would save them. What differs must be the intended values, by the bytes and by what the real
// cargo says before and after.
func TestCorpus(t *testing.T) {
	dirs := corpus(t)
	run := runner(t)
	for name, save := range map[string]func([]byte) []byte{
		"plain": func(text []byte) []byte { return text },
		"windows": func(text []byte) []byte {
			return append([]byte("\ufeff"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := cargo.Load(t.Context(), run, gather(t, run, dirs, save))
			if err != nil {
				t.Fatal(err)
			}
			if len(w.Members) < 400 {
				t.Errorf("%d crates, want 400 at least", len(w.Members))
			}
			bump(t, run, w, name == "windows")
		})
	}
}

// gather makes a workspace of all crates that can be members of one, each in the place of the registry's.
func gather(t *testing.T, run cargo.Runner, dirs []string, save func([]byte) []byte) string {
	root := t.TempDir()
	var members, patches strings.Builder
	var mu sync.Mutex
	seen := map[string]bool{}
	var work sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
		if err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			at := fmt.Sprintf("m%d", i)
			name := filepath.Join(root, at)
			if err := errors.Join(os.CopyFS(name, os.DirFS(dir)), os.WriteFile(filepath.Join(name, "Cargo.toml"), save(text), 0o644)); err != nil {
				t.Error(err)
				return
			}
			out, err := run(t.Context(), name, "cargo", "metadata", "--no-deps", "--format-version", "1")
			var meta struct {
				Packages []struct{ Name, Version string }
			}
			mu.Lock()
			defer mu.Unlock()
			// A workspace of its own, or one that another folder would have to complete, is for the cases by hand.
			if err != nil || json.Unmarshal(out, &meta) != nil || len(meta.Packages) != 1 || seen[meta.Packages[0].Name] || bytes.Contains(text, []byte("workspace")) {
				if err := os.RemoveAll(name); err != nil {
					t.Error(err)
				}
				return
			}
			seen[meta.Packages[0].Name] = true
			fmt.Fprintf(&members, "%q,\n", at)
			fmt.Fprintf(&patches, "%s = { path = %q }\n", meta.Packages[0].Name, at)
		})
	}
	work.Wait()
	text := "[workspace]\nresolver = \"2\"\nmembers = [\n" + members.String() + "]\n[patch.crates-io]\n" + patches.String()
	if err := os.WriteFile(filepath.Join(root, "Cargo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// bump gives every crate its next major version, writes that, and holds the outcome against what was there.
func bump(t *testing.T, run cargo.Runner, w *cargo.Workspace, exact bool) {
	c := edit.Changes{Versions: map[string]semver.Version{}, Exact: exact}
	for _, m := range w.Members {
		v, err := semver.Parse(m.Version)
		if err != nil {
			t.Fatal(err)
		}
		c.Versions[m.Name] = semver.Version{Major: v.Major + 1, Minor: 2, Patch: 3, Pre: "rc--1.0a"}
	}
	want, stuck := expected(t, metadata(t, run, w.Root), w, c)
	for name := range stuck {
		// A requirement with two parts: none of the members stands for the crate then.
		root := filepath.Join(w.Root, "Cargo.toml")
		text, err := os.ReadFile(root)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("\n"+name+" = { path = "), []byte("\n#"+name), 1)
		if err := os.WriteFile(root, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := edit.Make(w, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := edit.Write(w.Root, r.Files); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, metadata(t, run, w.Root)); diff != "" {
		t.Errorf("cargo says (-want +got):\n%.5000s", diff)
	}
	edits := 0
	for _, f := range r.Files {
		edits += len(f.Edits)
		if err := onlyValues(f); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d crates, %d files and %d values changed; requirements on %d crates cannot be rewritten", len(w.Members), len(r.Files), edits, len(stuck))
	if edits <= len(w.Members) {
		t.Error("no requirement was rewritten")
	}
}

// onlyValues holds that a file is the one before with each edit's old value exchanged in its line, and nothing else.
func onlyValues(f edit.File) error {
	before, after := bytes.SplitAfter(f.Before, []byte("\n")), bytes.SplitAfter(f.After, []byte("\n"))
	if len(before) != len(after) {
		return fmt.Errorf("%s has %d lines, had %d", f.Name, len(after), len(before))
	}
	for _, e := range f.Edits {
		line := &before[e.At.Line-1]
		at := bytes.LastIndex(*line, []byte(e.Old)) // the value is behind its key
		if !bytes.Contains(after[e.At.Line-1], []byte(e.New)) || at < 0 {
			return fmt.Errorf("%s has no %q -> %q: %q", e.At, e.Old, e.New, after[e.At.Line-1])
		}
		for ; at >= 0; at = bytes.LastIndex((*line)[:at], []byte(e.Old)) {
			try := slices.Concat((*line)[:at], []byte(e.New), (*line)[at+len(e.Old):])
			if bytes.Equal(try, after[e.At.Line-1]) {
				*line = try
				break
			}
		}
	}
	for i := range before {
		if !bytes.Equal(before[i], after[i]) {
			return fmt.Errorf("%s:%d: %q became %q", f.Name, i+1, before[i], after[i])
		}
	}
	return nil
}

// metadata returns everything that cargo says of a workspace, by crate.
func metadata(t *testing.T, run cargo.Runner, root string) map[string]map[string]any {
	out, err := run(t.Context(), root, "cargo", "metadata", "--no-deps", "--format-version", "1")
	if err != nil {
		t.Fatal(err)
	}
	var meta struct{ Packages []map[string]any }
	if err := json.Unmarshal(out, &meta); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, p := range meta.Packages {
		delete(p, "id") // it holds the version once more
		all[p["name"].(string)] = p
	}
	return all
}

// expected returns what cargo shall say after the bump, and the crates with a requirement that cannot follow.
func expected(t *testing.T, all map[string]map[string]any, w *cargo.Workspace, c edit.Changes) (want map[string]map[string]any, stuck map[string]bool) {
	stuck = map[string]bool{}
	for pass := range 2 {
		for name, p := range all {
			for _, item := range p["dependencies"].([]any) {
				d := item.(map[string]any)
				on := d["name"].(string)
				next, ok := rewritten(t, w, c, on, d["req"].(string), d["source"] != nil)
				switch {
				case pass == 0 && !ok:
					stuck[on] = true
				case pass == 1 && !stuck[on]:
					d["req"] = next
				}
			}
			if pass == 1 {
				p["version"] = c.Versions[name].String()
			}
		}
	}
	return all, stuck
}

// rewritten returns the requirement on a crate after the bump, as cargo prints it.
func rewritten(t *testing.T, w *cargo.Workspace, c edit.Changes, on, req string, registry bool) (string, bool) {
	m, ok := w.Member(on)
	if !ok || !registry {
		return req, true
	}
	old, err := semver.ParseReq(req)
	was, bad := semver.Parse(m.Version)
	if err != nil || bad != nil {
		t.Fatal(errors.Join(err, bad))
	}
	if !old.Matches(was) {
		return req, true
	}
	if c.Exact {
		return semver.Exactly(c.Versions[on]), true
	}
	next, err := semver.Follow(req, c.Versions[on])
	return next, err == nil
}

// A lock file of real crates from a registry follows without a look at the registry: cargo, which has one to look at
// afterwards, has nothing to change.
func TestLockOfRealCrates(t *testing.T) {
	packed, _, err := debian.Crates(t.Context(), "librust-reqwest-dev")
	if err != nil {
		t.Fatal(err)
	}
	var twin *registrytwin.Twin
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { twin.Handler().ServeHTTP(w, r) }))
	defer front.Close()
	twin = registrytwin.New(registrytwin.Config{URL: front.URL, Upstream: registrytwin.Upstream{Folders: []string{packed}}})
	root := t.TempDir()
	for name, text := range map[string]string{
		"Cargo.toml":          "[workspace]\nresolver = \"2\"\nmembers = [\"consumer\", \"helper\"]\n",
		"consumer/Cargo.toml": debian.Manifest + "helper = { path = \"../helper\", version = \"0.1\" }\n",
		"consumer/src/lib.rs": "",
		"helper/Cargo.toml":   "[package]\nname = \"helper\"\nversion = \"0.1.9\"\n\n[dependencies]\nserde = \"1\"\n",
		"helper/src/lib.rs":   "",
		".cargo/config.toml":  fmt.Sprintf("[source.crates-io]\nreplace-with = \"debian\"\n[source.debian]\nregistry = \"sparse+%s/index/\"\n", front.URL),
	} {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	run := runner(t)
	if _, err := run(t.Context(), root, "cargo", "generate-lockfile"); err != nil {
		t.Fatal(err)
	}
	w, err := cargo.Load(t.Context(), run, root)
	if err != nil {
		t.Fatal(err)
	}
	to := semver.Version{Minor: 2, Pre: "rc--1"}
	asked := func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("cargo was asked") }
	r, err := edit.Apply(t.Context(), asked, w, edit.Changes{Versions: map[string]semver.Version{"consumer": to, "helper": to}})
	if err != nil {
		t.Fatal(err)
	}
	lock := r.Files[len(r.Files)-1]
	if packages, err := lockfile.Parse(lock.After); err != nil || lock.Name != "Cargo.lock" || len(packages) < 150 {
		t.Errorf("%s has %d packages, %v", lock.Name, len(packages), err)
	}
	for _, argv := range [][]string{{"cargo", "metadata", "--locked", "--format-version", "1"}, {"cargo", "update", "--workspace"}} {
		if _, err := run(t.Context(), root, argv...); err != nil {
			t.Error(err)
		}
	}
	if now, err := os.ReadFile(filepath.Join(root, "Cargo.lock")); err != nil || !bytes.Equal(now, lock.After) {
		t.Errorf("cargo writes it otherwise: %s, %v", gocmp.Diff(string(lock.After), string(now)), err)
	}
}

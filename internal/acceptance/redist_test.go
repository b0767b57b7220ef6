//go:build e2e

package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// upstream is the mshv sample as its repository was when people redistributed it: the second crate finds the first by
// its path alone.
func upstream(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "mshv")
	if err := os.CopyFS(src, os.DirFS(filepath.Join(workspaces, "mshv"))); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(src, "mshv-ioctls", "Cargo.toml")
	text, err := os.ReadFile(manifest)
	if err != nil || !strings.Contains(string(text), `version = "=0.7.0", `) {
		t.Fatalf("the sample is another one: %v\n%s", err, text)
	}
	if err := os.WriteFile(manifest, []byte(strings.Replace(string(text), `version = "=0.7.0", `, "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := sample.Stage(t.Context(), src, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// ledger is a world whose repository redistributes what others write. k may be nil.
func ledger(t *testing.T, k *reaper) *outside.World {
	t.Helper()
	if k == nil {
		return ledgerWorld(t, outside.Config{})
	}
	k.world = ledgerWorld(t, outside.Config{Around: k.around})
	return k.world
}

func ledgerWorld(t *testing.T, c outside.Config) *outside.World {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	for name, text := range map[string]string{
		"README.md":    "Keeps the ledger.\n",
		"tagboat.toml": "[registries.feed]\nindex = \"{index:feed}\"\n\n[registries.upstream]\nindex = \"{index:upstream}\"\nmirror = true\n\n[registries.private]\nindex = \"{index:private}\"\n",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return startWorld(t, dir, c, nil)
}

func gitArgs(up string, more ...string) []string {
	return append([]string{"redist", "--watch", "none", "--git", up, "--rev", "main", "--crate", "mshv-ioctls", "--crate", "mshv-bindings", "--to", "feed"}, more...)
}

// redistributed fails unless the feed took both crates of a revision once, and the ledger is public.
func redistributed(t *testing.T, w *outside.World, releases int) {
	t.Helper()
	all := w.GitHub.Releases()
	if len(all) != releases || len(w.GitHub.Undrafted()) != releases {
		t.Errorf("%d releases, %d made public, want %d", len(all), len(w.GitHub.Undrafted()), releases)
	}
	sums := map[string]string{}
	for _, rel := range all {
		if rel.Draft || !strings.HasPrefix(rel.Tag, "redist-mshv-") {
			t.Errorf("release %s, a draft: %v", rel.Tag, rel.Draft)
		}
		for _, a := range rel.Assets {
			sums[a.Name] = strings.TrimPrefix(a.Digest, "sha256:")
		}
	}
	for _, name := range []string{"mshv-bindings", "mshv-ioctls"} {
		if n := uploads(w, name); n != releases {
			t.Errorf("%s was accepted %d times, want %d", name, n, releases)
		}
	}
	for i, u := range w.Feeds["feed"].Twin.Accepted() {
		if want := []string{"mshv-bindings", "mshv-ioctls"}[i%2]; u.Name != want {
			t.Errorf("upload %d is of %s, want %s", i+1, u.Name, want)
		}
		if sums[u.Name+"-"+u.Version+".crate"] != u.SHA256 {
			t.Errorf("%s %s: the registry has other bytes than the ledger", u.Name, u.Version)
		}
	}
}

// Killed after the effect of any step, a redistribution from git is finished by the next process: each crate is accepted
// once, and there is one ledger.
func TestRedistKilledAtEveryStep(t *testing.T) {
	accepted := func(name string) func(*outside.World) bool {
		return func(w *outside.World) bool { return uploads(w, name) > 0 }
	}
	all := []moment{
		{step: "package", service: "feed", op: "index mshv-bindings", before: true, nth: 2},
		{step: "draft", service: "github", op: "create-release redist-*"},
		{step: "asset/SHA256SUMS", service: "github", op: "upload-asset SHA256SUMS"},
		{step: "ledger", service: "github", op: "upload-asset bill.json"},
		{step: "seal begun", service: "github", op: "upload-asset bill.next.json"},
		{step: "seal between", service: "github", op: "delete-asset bill.json"},
		{step: "seal", service: "github", op: "rename-asset bill.next.json"},
		{step: "release", service: "github", op: "update-release redist-*"},
	}
	for _, name := range []string{"mshv-bindings", "mshv-ioctls"} {
		all = append(all, moment{step: "asset/" + name, service: "github", op: "upload-asset " + name + "-*.crate"},
			moment{step: "publish/" + name, service: "feed", op: "publish " + name},
			moment{step: "confirm/" + name, service: "feed", op: "index " + name, when: accepted(name)})
	}
	up := upstream(t)
	tries(t, all, newRun(t.Context(), t, ledger(t, nil), nil, gitArgs(up, "--dry-run")...).must(t, 0))
	for _, m := range all {
		t.Run(strings.ReplaceAll(m.step, "/", "_"), func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: m}
			w := ledger(t, k)
			if !k.let(t, newRun(t.Context(), t, w, nil, gitArgs(up)...)) {
				t.Fatalf("the call %s %s never came", m.service, m.op)
			}
			// The next day, which another scheme stands for: what the bill has is finished under the bill's versions.
			if r := newRun(t.Context(), t, w, nil, gitArgs(up, "--version-scheme", "{version}-tomorrow")...).must(t, 0); r.Outcome != release.Redistributed {
				t.Errorf("outcome %s", r.Outcome)
			}
			redistributed(t, w, 1)
			if n := len(w.GitHub.Releases()[0].Assets); n != 4 {
				t.Errorf("the ledger has %d assets, want two crates, their sums and the bill: %+v", n, w.GitHub.Releases()[0].Assets)
			}
			if rel, version := w.GitHub.Releases()[0], w.Feeds["feed"].Twin.Accepted()[0].Version; !strings.Contains(rel.Name, version) || !strings.Contains(rel.Body, version) {
				t.Errorf("the ledger of %s says %q, %q", version, rel.Name, rel.Body)
			}
		})
	}
}

// tries fails unless there is a moment for each step of a plan that has an effect.
func tries(t *testing.T, all []moment, plan release.Report) {
	t.Helper()
	if len(plan.Steps) == 0 {
		t.Error("the plan has no step")
	}
	for _, step := range plan.Steps {
		crate := step.Key[strings.LastIndexByte(step.Key, '/')+1:]
		if name, _, versioned := strings.Cut(crate, "@"); versioned {
			crate = name
		}
		tried := slices.ContainsFunc(all, func(m moment) bool {
			kind, of, _ := strings.Cut(m.step, "/")
			return kind == step.Kind && (of == "" || of == crate || strings.HasPrefix(crate, of+"-"))
		})
		if looks := step.Kind == release.KindCheck || step.Kind == release.KindCompare; !tried && !looks {
			t.Errorf("no process is killed after %s", step.Key)
		}
	}
}

// Killed after it opened the issue about what upstream has published, or while it closes it, a run leaves one issue, which
// the next one keeps.
func TestRedistNoticeKilled(t *testing.T) {
	up := upstream(t)
	args := gitArgs(up, "--watch", "upstream", "--issue")
	for _, m := range []moment{{step: "open", service: "github", op: "create-issue"}, {step: "last words", service: "github", op: "create-comment *"}, {step: "close", service: "github", op: "update-issue *"}} {
		t.Run(m.step, func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: m}
			w := ledger(t, k)
			if err := w.Publish(t.Context(), "upstream", "mshv-bindings", "9.0.0", "// theirs\n"); err != nil {
				t.Fatal(err)
			}
			state := func(want string) {
				t.Helper()
				var states []string
				for _, i := range w.GitHub.Issues() {
					states = append(states, i.State)
				}
				if !slices.Equal(states, []string{want}) {
					t.Errorf("the issues are %q, want one that is %s", states, want)
				}
			}
			for _, want := range []string{"open", "closed"} {
				k.let(t, newRun(t.Context(), t, w, nil, args...))
				newRun(t.Context(), t, w, nil, args...).must(t, 0)
				state(want)
				if err := w.Yank(t.Context(), "upstream", "mshv-bindings", "9.0.0"); err != nil {
					t.Fatal(err)
				}
			}
			if !k.killed {
				t.Error("no run was killed")
			}
			redistributed(t, w, 1)
		})
	}
}

// The redistributed pair is built by the real cargo from the lines that the report gives; a second run does nothing; a
// changed revision is published beside it; what the packages and the bill say of their origin is true.
func TestRedistConsumed(t *testing.T) {
	up, w := upstream(t), ledger(t, nil)
	r := newRun(t.Context(), t, w, nil, gitArgs(up)...)
	first := r.must(t, 0)
	redistributed(t, w, 1)
	origin(t, up, w, first)
	build := func(out string, want string) {
		var rep redist.Report
		if err := json.Unmarshal([]byte(out), &rep); err != nil {
			t.Fatal(err)
		}
		p := rep.Redist[0]
		if !strings.Contains(p.Manifest, `version = "=0.7.0-`) {
			t.Errorf("the lines for consumers pin nothing:\n%s", p.Manifest)
		}
		dir := t.TempDir()
		for name, text := range map[string]string{
			"Cargo.toml":         "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n" + p.Manifest,
			"src/main.rs":        "fn main() { print!(\"{}\", mshv_ioctls::api_version()) }\n",
			".cargo/config.toml": p.Config + "\n[source.crates-io]\nreplace-with = \"feed\"\n",
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "cargo", "run", "--quiet")
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CARGO_HOME=" + t.TempDir(), "CARGO_REGISTRIES_FEED_TOKEN=" + w.Feeds["feed"].Token}
		if got, err := cmd.CombinedOutput(); err != nil || string(got) != want {
			t.Errorf("cargo run: %v\n%s\nwant %s", err, got, want)
		}
	}
	build(r.out.String(), "1")

	mark, err := w.Print(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newRun(t.Context(), t, w, map[string]string{"PATH": pathOfGit(t), "RUSTUP_HOME": t.TempDir()}, gitArgs(up)...).must(t, 0) // there is no cargo: nothing is packaged
	if now, err := w.Print(t.Context()); err != nil || now != mark {
		t.Errorf("the second run changed the world: %v", err)
	}

	lib := filepath.Join(up, "mshv-bindings", "src", "lib.rs")
	text, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lib, []byte(strings.Replace(string(text), "u32 = 1", "u32 = 2", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := sample.Git(t.Context(), up, "commit", "-q", "-a", "-m", "Second"); err != nil {
		t.Fatal(err)
	}
	newRun(t.Context(), t, w, nil, gitArgs(up)...).must(t, 2) // the same day, so the same version, with other bytes
	redistributed(t, w, 1)
	r = newRun(t.Context(), t, w, nil, gitArgs(up, "--version-scheme", "{version}-{date}.{count}")...)
	r.must(t, 0)
	redistributed(t, w, 2)
	build(r.out.String(), "2")
}

// origin holds what the packages and the bill say of where they come from.
func origin(t *testing.T, up string, w *outside.World, r release.Report) {
	t.Helper()
	repo, err := git.Open(t.Context(), up)
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := repo.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b := r.Bill; b.Commit != head || b.Upstream == nil || b.Upstream.Repository != up || b.Upstream.Rev != "main" || len(b.Upstream.Changes) != 4 {
		t.Errorf("the bill says %s, %+v; want commit %s and four changes", b.Commit, b.Upstream, head)
	}
	for _, c := range r.Bill.Crates {
		name := filepath.Join(t.TempDir(), c.Asset)
		if err := os.WriteFile(name, crateBytes(t, w, c.Asset), 0o644); err != nil {
			t.Fatal(err)
		}
		crate, err := registry.OpenCrate(name)
		if err != nil {
			t.Fatal(err)
		}
		if crate.VCS == nil || crate.VCS.SHA1 != head || !crate.VCS.Dirty || crate.VCS.Path != c.Name {
			t.Errorf("%s says that it comes from %+v, want %s, dirty, in %s", c.Asset, crate.VCS, head, c.Name)
		}
	}
}

// crateBytes downloads an asset of the ledger.
func crateBytes(t *testing.T, w *outside.World, asset string) []byte {
	t.Helper()
	content, err := w.Asset(t.Context(), asset)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Killed at any call, a redistribution from a registry is finished by the next process: each crate is accepted once.
func TestRedistFromRegistryKilled(t *testing.T) {
	names := []string{"a", "b", "c"}
	var all []moment
	for _, name := range names {
		all = append(all, moment{step: "fetch/" + name, service: "upstream", op: "download " + name},
			moment{step: "publish/" + name, service: "feed", op: "publish " + name},
			moment{step: "confirm/" + name, service: "feed", op: "index " + name, when: func(w *outside.World) bool { return uploads(w, name) > 0 }})
	}
	all = append(all, moment{step: "yank/c", service: "feed", op: "yank c"})
	for _, m := range all {
		t.Run(strings.ReplaceAll(m.step, "/", "_"), func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: m}
			w := ledger(t, k)
			args := []string{"redist", "--from", "upstream", "--to", "feed"}
			for _, name := range names {
				if err := w.Publish(t.Context(), "upstream", name, "1.0.0", "// "+name+"\n"); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--crate", name+"@1.0.0")
			}
			if err := w.Yank(t.Context(), "upstream", "c", "1.0.0"); err != nil {
				t.Fatal(err)
			}
			if !k.let(t, newRun(t.Context(), t, w, nil, args...)) {
				t.Fatalf("the call %s %s never came", m.service, m.op)
			}
			if r := newRun(t.Context(), t, w, nil, args...).must(t, 0); r.Outcome != release.Redistributed {
				t.Errorf("outcome %s", r.Outcome)
			}
			if again := newRun(t.Context(), t, w, nil, args...).must(t, 0); len(again.Steps) > 0 {
				t.Errorf("a third run has something to do: %+v", again.Steps)
			}
			var got []string
			for _, u := range w.Feeds["feed"].Twin.Accepted() {
				got = append(got, fmt.Sprint(u.Name, " ", u.Version))
			}
			slices.Sort(got)
			if want := []string{"a 1.0.0", "b 1.0.0", "c 1.0.0"}; !slices.Equal(got, want) {
				t.Errorf("accepted %q, want %q", got, want)
			}
		})
	}
}

// packed is a .crate whose manifest has those lines.
func packed(t *testing.T, name, lines string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	text := fmt.Sprintf("[package]\nname = %q\nversion = \"1.0.0\"\nedition = \"2021\"\n%s", name, lines)
	for file, content := range map[string]string{"Cargo.toml": text, "src/lib.rs": ""} {
		if err := archive.WriteHeader(&tar.Header{Name: name + "-1.0.0/" + file, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What depends on the source's own crates depends on the target's, once it has moved there; what depends on others goes
// on depending on those.
func TestRedistRegistries(t *testing.T) {
	w := ledger(t, nil)
	client := func(name string) *registry.Client {
		r, err := registry.New(name, w.Feeds[name].Index)
		if err != nil {
			t.Fatal(err)
		}
		return registry.NewClient(r, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New(w.Feeds[name].Token), nil }})
	}
	for from, want := range map[string]map[string]string{
		"upstream": {"public": "", "own": w.Feeds["upstream"].Index},                      // a mirror of crates.io
		"private":  {"public": "https://github.com/rust-lang/crates.io-index", "own": ""}, // itself
	} {
		name := "top-" + from
		crate, err := registry.ReadCrate(packed(t, name, fmt.Sprintf("[dependencies]\npublic = \"1\"\n[dependencies.own]\nversion = \"1\"\nregistry-index = %q\n", w.Feeds[from].Index)))
		if err == nil {
			_, err = client(from).Publish(t.Context(), crate)
		}
		if err != nil {
			t.Fatal(err)
		}
		newRun(t.Context(), t, w, nil, "redist", "--from", from, "--to", "feed", "--crate", name+"@1.0.0").must(t, 0)
		entries, err := client("feed").Lookup(t.Context(), name)
		if err != nil || len(entries) != 1 || entries[0].Checksum != crate.SHA256 {
			t.Fatalf("%s: %+v, %v", name, entries, err)
		}
		for _, d := range entries[0].Deps {
			if d.Registry != want[d.Name] {
				t.Errorf("from %s: the dependency %s is in %q, want %q", from, d.Name, d.Registry, want[d.Name])
			}
		}
	}
}

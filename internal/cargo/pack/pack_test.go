package pack_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/secret"
)

func TestMain(m *testing.M) {
	zone.Main()
	os.Exit(m.Run())
}

// stage makes a git repository of files, or of a sample workspace when src is a folder's name.
func stage(t *testing.T, src string, files map[string]string) *git.Repo {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "testdata", "workspaces", src)
	if src == "" {
		dir = t.TempDir()
		for name, text := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	to := filepath.Join(t.TempDir(), "repo")
	if err := sample.Stage(t.Context(), dir, to); err != nil {
		t.Fatal(err)
	}
	repo, err := git.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func newZone(t *testing.T) *zone.Zone {
	t.Helper()
	z, err := zone.New(zone.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	})
	return z
}

// startTwin serves a registry that lets the token "letmein" publish and returns it with its index.
func startTwin(t *testing.T, c registrytwin.Config) (*registrytwin.Twin, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	c.Tokens = []registrytwin.Token{{Label: "test", Value: secret.New("letmein"), Scope: registrytwin.Publish}}
	twin := registrytwin.New(c)
	srv.Config.Handler = twin.Handler()
	srv.Start()
	t.Cleanup(srv.Close)
	return twin, "sparse+" + srv.URL + "/index/"
}

// publishable returns the crates of a workspace for a registry.
func publishable(t *testing.T, z *zone.Zone, repo *git.Repo, registry string) []string {
	t.Helper()
	w, err := cargo.Load(t.Context(), func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
		out, err := z.Run(ctx, zone.Command{Dir: dir, Argv: argv})
		return out.Stdout, errors.Join(err, out.Err())
	}, repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range w.Publishable(registry) {
		names = append(names, p.Name)
	}
	return names
}

func sums(p *pack.Result) map[string]string {
	m := map[string]string{}
	for _, c := range p.Crates {
		m[c.Name+"@"+c.Version] = c.SHA256
	}
	return m
}

// What All makes is byte for byte what cargo publish uploads, and it makes it again in another zone.
func TestAllMakesWhatCargoPublishes(t *testing.T) {
	for _, tc := range []struct{ workspace, registry string }{
		{"mshv", cargo.CratesIO}, {"kitchen-sink", cargo.CratesIO}, {"two-registries", "feed"},
	} {
		t.Run(tc.workspace, func(t *testing.T) {
			twin, index := startTwin(t, registrytwin.Config{Known: func(string) bool { return true }})
			repo := stage(t, tc.workspace, nil)
			req := pack.Request{Source: repo, Registry: tc.registry, Stands: map[string]string{cargo.CratesIOIndex: index}, Indexes: map[string]string{"feed": index}}
			var seen []map[string]string
			for range 2 {
				z := newZone(t)
				req.Crates = publishable(t, z, repo, tc.registry)
				req.Out = t.TempDir()
				p, err := pack.All(t.Context(), z, req)
				if err != nil {
					t.Fatal(err)
				}
				checkFiles(t, p)
				if !p.Verified || p.LockMade || !strings.HasPrefix(p.Cargo, "cargo ") || !strings.HasPrefix(p.Rustc, "rustc ") {
					t.Errorf("result: verified %v, lock made %v, %s, %s", p.Verified, p.LockMade, p.Cargo, p.Rustc)
				}
				seen = append(seen, sums(p))
			}
			publishWithCargo(t, repo, req)
			uploaded := map[string]string{}
			for _, u := range twin.Accepted() {
				uploaded[u.Name+"@"+u.Version] = u.SHA256
			}
			if len(uploaded) != len(req.Crates) {
				t.Fatalf("cargo uploaded %d crates of %d", len(uploaded), len(req.Crates))
			}
			for key, sum := range uploaded {
				if seen[0][key] != sum || seen[1][key] != sum {
					t.Errorf("%s: cargo published %s, packaged %s and %s", key, sum, seen[0][key], seen[1][key])
				}
			}
		})
	}
}

// publishWithCargo runs the real cargo publish, outside of any zone, on samples of our own.
func publishWithCargo(t *testing.T, repo *git.Repo, req pack.Request) {
	t.Helper()
	argv := []string{"publish", "--locked", "--no-verify"}
	for _, name := range req.Crates {
		argv = append(argv, "--package", name)
	}
	cmd := exec.CommandContext(t.Context(), "cargo")
	cmd.Env = append(os.Environ(), "CARGO_HOME="+t.TempDir(), "CARGO_TARGET_DIR="+t.TempDir(), "CARGO_REGISTRIES_FEED_INDEX="+req.Indexes["feed"])
	if req.Registry != "feed" {
		argv = append(argv, "--index", req.Stands[cargo.CratesIOIndex], "--token", "letmein",
			"--config", `source.crates-io.replace-with="stand-in"`, "--config", `source.stand-in.registry="`+req.Stands[cargo.CratesIOIndex]+`"`)
	} else {
		argv = append(argv, "--registry", req.Registry)
		cmd.Env = append(cmd.Env, "CARGO_REGISTRIES_FEED_TOKEN=letmein", "CARGO_REGISTRIES_FEED_CREDENTIAL_PROVIDER=cargo:token",
			`CARGO_SOURCE_CRATES_IO_REPLACE_WITH=stand-in`, `CARGO_SOURCE_STAND_IN_REGISTRY=`+req.Stands[cargo.CratesIOIndex])
	}
	cmd.Args, cmd.Dir = append([]string{"cargo"}, argv...), repo.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo publish: %v\n%s", err, out)
	}
}

func checkFiles(t *testing.T, p *pack.Result) {
	t.Helper()
	for _, c := range p.Crates {
		b, err := os.ReadFile(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != c.SHA256 || int64(len(b)) != c.Size {
			t.Errorf("%s: the file is not what the result says", c.Name)
		}
		if !slices.Contains(c.Files, "Cargo.toml") || !slices.Contains(c.Files, ".cargo_vcs_info.json") {
			t.Errorf("%s: files %q", c.Name, c.Files)
		}
	}
}

const plainPackage = "edition = \"2021\"\nlicense = \"MIT\"\ndescription = \"d\"\n"

// member returns the files of a library crate.
func member(name, version, rest, lib string) map[string]string {
	return map[string]string{
		name + "/Cargo.toml": "[package]\nname = \"" + name + "\"\nversion = \"" + version + "\"\n" + plainPackage + rest,
		name + "/src/lib.rs": lib,
	}
}

func workspaceOf(members ...map[string]string) map[string]string {
	files := map[string]string{"Cargo.toml": "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n"}
	for _, m := range members {
		for name, text := range m {
			if name != "Cargo.lock" {
				name = "crates/" + name
			}
			files[name] = text
		}
	}
	return files
}

// A crate whose sibling was published earlier is packaged against the published one, without a network.
func TestAllUsesPublishedSiblings(t *testing.T) {
	files := workspaceOf(
		member("anchor", "0.2.0", "", "pub fn links() -> u32 { 7 }\n"),
		member("capstan", "0.5.0", "[dependencies]\nanchor = { path = \"../anchor\", version = \"0.2\" }\n", "pub fn turns() -> u32 { anchor::links() }\n"),
	)
	repo := stage(t, "", files)
	twin, index := startTwin(t, registrytwin.Config{})
	z := newZone(t)
	req := pack.Request{Source: repo, Crates: []string{"capstan"}, Stands: map[string]string{cargo.CratesIOIndex: index}, Out: t.TempDir()}
	_, err := pack.All(t.Context(), z, req)
	if err == nil || !strings.Contains(err.Error(), "no matching package named `anchor` found") {
		t.Fatalf("with anchor unpublished: %v", err)
	}
	publishWithCargo(t, lockedRepo(t, repo), pack.Request{Crates: []string{"anchor"}, Stands: map[string]string{cargo.CratesIOIndex: index}})
	p, err := pack.All(t.Context(), z, req)
	if err != nil {
		t.Fatal(err)
	}
	if !p.LockMade {
		t.Error("the workspace has no Cargo.lock, and the result does not say that one was made")
	}
	if len(p.Crates) != 1 || !strings.Contains(inCrate(t, p.Crates[0], "Cargo.lock"), twin.Accepted()[0].SHA256) {
		t.Errorf("the packaged lock file does not name the published anchor: %+v", p.Crates)
	}
}

// lockedRepo commits a lock file.
func lockedRepo(t *testing.T, repo *git.Repo) *git.Repo {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cargo", "generate-lockfile", "--offline")
	cmd.Dir = repo.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo generate-lockfile: %v\n%s", err, out)
	}
	to := filepath.Join(t.TempDir(), "locked")
	if err := os.RemoveAll(filepath.Join(repo.Dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if err := sample.Stage(t.Context(), repo.Dir, to); err != nil {
		t.Fatal(err)
	}
	locked, err := git.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(repo.Dir, "Cargo.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(repo.Dir, ".git"), os.DirFS(filepath.Join(to, ".git"))); err != nil {
		t.Fatal(err)
	}
	return locked
}

// inCrate returns one file of a .crate.
func inCrate(t *testing.T, c pack.Crate, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tar", "-xOzf", c.Path, c.Name+"-"+c.Version+"/"+name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Failures that a person can mend say how.
func TestAllExplains(t *testing.T) {
	lock := func(version string) map[string]string {
		return map[string]string{"Cargo.lock": "version = 4\n\n[[package]]\nname = \"anchor\"\nversion = \"" + version + "\"\n"}
	}
	for _, tc := range []struct {
		name  string
		files map[string]string
		kind  problem.Kind
		want  []string
	}{
		{"stale lock", workspaceOf(member("anchor", "0.2.0", "", ""), lock("0.1.0")), problem.Stopped,
			[]string{"Cargo.lock", "cargo update --workspace"}},
		{"does not compile", workspaceOf(member("anchor", "0.2.0", "", "pub fn f() -> u32 { \"no number\" }\n"), lock("0.2.0")), problem.Stopped,
			[]string{"anchor: a crate does not build", "mismatched types"}},
		{"path without version", workspaceOf(member("anchor", "0.2.0", "[dependencies]\nbuoy = { path = \"../buoy\" }\n", ""), member("buoy", "0.1.0", "", "")), problem.Stopped,
			[]string{"no version", "buoy"}},
		{"not for this registry", workspaceOf(member("anchor", "0.2.0", "publish = [\"feed\"]\n", ""), lock("0.2.0")), problem.Stopped,
			[]string{"does not allow this registry"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := pack.All(t.Context(), newZone(t), pack.Request{Source: stage(t, "", tc.files), Crates: []string{"anchor"}, Out: t.TempDir()})
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != tc.kind {
				t.Fatalf("got %v", err)
			}
			text := strings.Join([]string{p.Error(), p.File, p.Hint}, "\n")
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in:\n%s", want, text)
				}
			}
		})
	}
}

// The progress names each crate and what happens to it, and an unverified result says so.
func TestAllProgress(t *testing.T) {
	repo := stage(t, "", workspaceOf(member("anchor", "0.2.0", "", "")))
	var seen []string
	req := pack.Request{Source: repo, Crates: []string{"anchor"}, Out: t.TempDir(), Progress: func(crate, phase string) { seen = append(seen, crate+": "+phase) }}
	z := newZone(t)
	if _, err := pack.All(t.Context(), z, req); err != nil {
		t.Fatal(err)
	}
	want := []string{": fetch", "anchor: package", "anchor: package", "anchor: verify", "anchor: compile anchor 0.2.0"}
	if !slices.Equal(seen, want) {
		t.Errorf("progress\n got %q\nwant %q", seen, want)
	}
	req.Verify = pack.Off
	p, err := pack.All(t.Context(), z, req)
	if err != nil {
		t.Fatal(err)
	}
	if p.Verified {
		t.Error("the result says verified, and nothing was built")
	}
}

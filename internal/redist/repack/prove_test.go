package repack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
)

const theirs = `[package]
name = "a"
version = "1.0.0"
readme = "../README.md"

[dependencies]
b = { path = "../b" } # a sibling
c = "1"

[target.'cfg(unix)'.dependencies]
d = { version = "1", features = ["x"] }
`

// packed is a .crate file of these files.
func packed(t *testing.T, files map[string]string) *cratefile.File {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: "a-1.0.0-x/" + name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := cratefile.Read(b.Bytes(), cratefile.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// module is the commit of a submodule in vendor.
const module = "89abcdef0123456789abcdef0123456789abcdef"

// linked returns a commit with links and a submodule besides what another one has.
func linked(t *testing.T, repo *git.Repo, commit string, links map[string]string) string {
	t.Helper()
	config := [][2]string{{"user.name", "Ada"}, {"user.email", "ada@example.invalid"}}
	exec := func(args ...string) string {
		t.Helper()
		out, err := repo.Exec(t.Context(), config, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	exec("checkout", "--quiet", commit)
	for at, to := range links {
		at = filepath.Join(repo.Dir, at)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
			t.Fatal(err)
		}
	}
	exec("add", "--all")
	exec("update-index", "--add", "--cacheinfo", "160000,"+module+",vendor")
	exec("commit", "--quiet", "--message", "links")
	return exec("rev-parse", "HEAD")
}

// TestProve holds which crates are made of a commit's files with the bill's changes alone.
func TestProve(t *testing.T) {
	ctx := t.Context()
	repo, err := git.Init(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	commit, err := repo.CommitFiles(ctx, git.CommitRequest{Branch: "main", Message: "First", Author: git.Identity{Name: "Ada", Email: "ada@example.invalid"}, Time: time.Unix(1, 0), Files: map[string][]byte{
		"README.md": []byte("read me"), "LICENSE": []byte("MIT"), "a/Cargo.toml": []byte(theirs), "a/src/lib.rs": []byte("// a"), "b/src/lib.rs": []byte("// b"), "docs/terms/COPYING": []byte("terms"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	commit = linked(t, repo, commit, map[string]string{"a/src/docs": "../../docs", "a/src/mine": "docs/terms/COPYING", "a/src/out": "/etc/passwd", "a/src/up": "../../../x", "a/src/ring": "ring"})
	changed := strings.NewReplacer(`"1.0.0"`, `"1.0.0-x"`, `path = "../b" }`, `path = "../b", version = "=1.0.0-x", registry = "feed" }`, `c = "1"`, `c = { version = "2", registry = "feed" }`).Replace(theirs)
	bill := &release.Bill{Commit: commit, Upstream: &release.Upstream{Changes: []string{
		`a/Cargo.toml: package.version = "1.0.0-x"`, `a/Cargo.toml: dependencies.b.version = "=1.0.0-x"`, `a/Cargo.toml: dependencies.b.registry = "feed"`,
		`a/Cargo.toml: dependencies.c.version = "2"`, `a/Cargo.toml: dependencies.c.registry = "feed"`, `b/Cargo.toml: package.version = "1.0.0-x"`,
	}}}
	for name, c := range map[string]struct {
		files          map[string]string // beside what is always there; "-" takes a file out
		made, manifest string
		detail         string
	}{
		"asItShouldBe":    {made: "same", manifest: "same"},
		"unchanged":       {files: map[string]string{"Cargo.toml.orig": theirs}, made: "same", manifest: "same"},
		"changedFile":     {files: map[string]string{"src/lib.rs": "// evil"}, made: "different", manifest: "same", detail: "src/lib.rs"},
		"moreFiles":       {files: map[string]string{"build.rs": "// evil"}, made: "different", manifest: "same", detail: "build.rs"},
		"siblingsFile":    {files: map[string]string{"lib.rs": "// b"}, made: "different", manifest: "same", detail: "lib.rs"},
		"otherReadme":     {files: map[string]string{"README.md": "buy me"}, made: "different", manifest: "same", detail: "README.md"},
		"licenceAbove":    {files: map[string]string{"COPYING": "terms"}, made: "same", manifest: "same"},
		"otherLicence":    {files: map[string]string{"COPYING": "theirs"}, made: "different", manifest: "same", detail: "COPYING"},
		"behindLinks":     {files: map[string]string{"src/docs/terms/COPYING": "terms", "src/mine": "terms"}, made: "same", manifest: "same"},
		"linkOut":         {files: map[string]string{"src/out": "root:"}, made: "different", manifest: "same", detail: "src/out"},
		"linkAbove":       {files: map[string]string{"src/up": "root:"}, made: "different", manifest: "same", detail: "src/up"},
		"linkToItself":    {files: map[string]string{"src/ring": "root:"}, made: "different", manifest: "same", detail: "src/ring"},
		"otherCommit":     {files: map[string]string{".cargo_vcs_info.json": `{"git":{"sha1":"0123456789abcdef0123456789abcdef01234567"},"path_in_vcs":"a"}`}, made: "different"},
		"ofSubmodule":     {files: map[string]string{".cargo_vcs_info.json": `{"git":{"sha1":"` + module + `"},"path_in_vcs":"a"}`}, made: "unknown", detail: "of the submodule vendor"},
		"noCommit":        {files: map[string]string{".cargo_vcs_info.json": "-"}, made: "different"},
		"noManifest":      {files: map[string]string{"Cargo.toml.orig": "-"}, made: "same", manifest: "missing"},
		"otherValue":      {files: map[string]string{"Cargo.toml.orig": strings.Replace(changed, `"=1.0.0-x"`, `"=1.0.0-y"`, 1)}, made: "same", manifest: "different", detail: `dependencies.b.version = "=1.0.0-y"`},
		"moreValues":      {files: map[string]string{"Cargo.toml.orig": changed + "\n[build-dependencies]\nevil = \"1\"\n"}, made: "same", manifest: "different", detail: "build-dependencies.evil.version"},
		"moreFeatures":    {files: map[string]string{"Cargo.toml.orig": strings.Replace(changed, `["x"]`, `["x", "y"]`, 1)}, made: "same", manifest: "different", detail: "features"},
		"fewerValues":     {files: map[string]string{"Cargo.toml.orig": strings.Replace(changed, `, features = ["x"]`, "", 1)}, made: "same", manifest: "different", detail: "is gone"},
		"siblingsChanges": {files: map[string]string{".cargo_vcs_info.json": `{"git":{"sha1":"` + commit + `"},"path_in_vcs":"b"}`}, made: "different", manifest: "different", detail: "b/Cargo.toml"},
		"noToml":          {files: map[string]string{"Cargo.toml.orig": "= ="}, made: "same", manifest: "different"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"Cargo.toml": "[package]\nname = \"a\"\nversion = \"1.0.0-x\"\nreadme = \"README.md\"\nlicense-file = \"COPYING\"\n", "Cargo.toml.orig": changed, "Cargo.lock": "version = 4\n", "src/lib.rs": "// a", "README.md": "read me", "COPYING": "terms",
				".cargo_vcs_info.json": `{"git":{"sha1":"` + commit + `","dirty":true},"path_in_vcs":"a"}`,
			}
			maps.Copy(files, c.files)
			maps.DeleteFunc(files, func(_, text string) bool { return text == "-" })
			u := upstream{repo: repo, bill: bill}
			if err := u.list(ctx); err != nil {
				t.Fatal(err)
			}
			proofs, err := u.crate(ctx, packed(t, files))
			if err != nil {
				t.Fatal(err)
			}
			detail := ""
			for i, want := range []string{c.made, c.manifest} {
				if got := append(proofs, proofs[0])[i]; want != "" && got.State != want {
					t.Errorf("%+v, want %s", got, want)
				}
			}
			for _, p := range proofs {
				detail += p.Detail + "\n"
			}
			if !strings.Contains(detail, c.detail) {
				t.Errorf("%q, want %q", detail, c.detail)
			}
		})
	}
}

package git_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/git"
)

// export writes a commit's files into a new folder and returns it.
func (w world) export(commit string) (dir string, size int64, err error) {
	w.t.Helper()
	dir = filepath.Join(realDir(w.t), "export")
	err = w.open().Export(w.ctx(), commit, func(n int64) (string, error) {
		size = n
		return dir, nil
	})
	return dir, size, err
}

// An export has the files of a clone: names, contents, modes, links.
func TestExportIsLikeAClone(t *testing.T) {
	w := newWorld(t)
	check(t, os.Symlink("../a", filepath.Join(w.dir, "link")))
	w.commit("first", "a", "line\r\nline\n", "run.sh", "#!/bin/sh\n", "deep/er/b", "", "deep/c", "x\x00y", "deep/er/still/größe ü", "1", "deep/er/still/\"q\"\n", "2",
		".gitattributes", "*.bat text eol=lf\n* text=auto\nc filter=lfs\nb export-ignore\n", ".gitignore", "a\n")
	check(t, os.Chmod(filepath.Join(w.dir, "run.sh"), 0o755))
	commit := w.commit("second")
	dir, size, err := w.export("main")
	check(t, err)
	c := w.clone(commit)
	e := world{t, dir}
	e.wantFiles(c.files()...)
	sum := int64(0)
	for _, name := range c.files() {
		want, err := os.Lstat(filepath.Join(c.dir, name))
		check(t, err)
		got, err := os.Lstat(filepath.Join(dir, name))
		check(t, err)
		if got.Mode() != want.Mode() {
			t.Errorf("%q: got mode %v, want %v", name, got.Mode(), want.Mode())
		}
		sum += want.Size()
		if want.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(filepath.Join(dir, name))
			if to != "../a" || err != nil {
				t.Errorf("%q: got a link to %q, %v", name, to, err)
			}
			continue
		}
		a, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		check(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%q: got %q, want %q", name, a, b)
		}
	}
	if size != sum {
		t.Errorf("got size %d, want %d", size, sum)
	}
}

func TestExportOfNothing(t *testing.T) {
	w := newWorld(t)
	dir, size, err := w.export(w.commit("empty"))
	if files := (world{t, dir}).files(); err != nil || size != 0 || len(files) > 0 {
		t.Errorf("got %q, %d bytes, %v", files, size, err)
	}
}

func TestExportErrors(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", "1")
	for rev, want := range map[string]error{"no-such": git.ErrNotFound, strings.Repeat("0", 40): git.ErrNotFound, "--all": git.ErrName} {
		if _, _, err := w.export(rev); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", rev, err, want)
		}
	}
	err := w.open().Export(t.Context(), first, func(int64) (string, error) { return w.dir, nil })
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a folder with files: %v", err)
	}
	lib := newWorld(t)
	lib.commit("lib", "l", "1")
	w.addSubmodule(lib.dir, "lib")
	dir, _, err := w.export(w.commit("with a submodule"))
	if _, missing := os.Stat(dir); !errors.Is(err, git.ErrSubmodules) || missing == nil {
		t.Errorf("got %v, and the folder: %v", err, missing)
	}
	blob := w.git("rev-parse", first+":a")
	check(t, os.Remove(filepath.Join(w.dir, ".git", "objects", blob[:2], blob[2:])))
	if _, _, err := w.export(first); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("without an object: got %v, want ErrNotFound", err)
	}
}

// TestExportOfHostileTrees tries trees that git itself would not make: what they name must not be written.
func TestExportOfHostileTrees(t *testing.T) {
	outside := filepath.Join(realDir(t), "outside")
	check(t, os.Mkdir(outside, 0o755))
	for name, entries := range map[string]string{
		"parent":      "100644 ..",
		"git":         "40000 .git",
		"git, folded": "40000 .GIT",
		"slash":       "100644 a/../../x",
		"link first":  "120000 x\n40000 x",
		"twice":       "100644 x\n100644 x",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit("first", "a", "1")
			objects := map[string]string{"100644": w.object("blob", "content"), "120000": w.object("blob", outside)}
			objects["40000"] = w.object("tree", entry("100644", "planted", objects["100644"]))
			var tree strings.Builder
			for line := range strings.SplitSeq(entries, "\n") {
				mode, name, _ := strings.Cut(line, " ")
				tree.WriteString(entry(mode, name, objects[mode]))
			}
			commit := w.git("commit-tree", "-m", "hostile", w.object("tree", tree.String()))
			if _, _, err := w.export(commit); err == nil {
				t.Error("it was exported")
			}
			if found, err := os.ReadDir(outside); len(found) > 0 || err != nil {
				t.Errorf("outside there are %v, %v", found, err)
			}
		})
	}
}

// object stores an object whatever is in it.
func (w world) object(kind, content string) string {
	w.t.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = w.dir, strings.NewReader(content)
	out, err := cmd.Output()
	check(w.t, err)
	return strings.TrimSpace(string(out))
}

// entry is one entry of a tree object. https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
func entry(mode, name, hash string) string {
	raw, _ := hex.DecodeString(hash)
	return mode + " " + name + "\x00" + string(raw)
}

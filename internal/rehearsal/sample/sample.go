// Package sample turns a folder of the repository's test data into a git repository to rehearse on.
package sample

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// When is the date of the commit that Stage makes: with the same files, the commit is the same on every machine.
const When = "2026-01-02T03:04:05+00:00"

// Stage copies the tree at src into dst and makes dst a git repository with one commit of everything on branch main.
// A file named unpack.txtar at the top of src stands for the files in it, whose names this repository cannot hold.
//
// dst must be absent or an empty folder. The identity and the date of the commit are fixed, and no git configuration,
// hook or template of this machine takes part. Nothing is ignored: a .gitignore in src is committed like any file.
func Stage(ctx context.Context, src, dst string) error {
	left, err := os.ReadDir(dst)
	switch {
	case err == nil && len(left) > 0:
		return fmt.Errorf("stage %s: %s is not empty", src, dst)
	case err != nil && !os.IsNotExist(err):
		return fmt.Errorf("stage %s: %w", src, err)
	}
	if err := copyTree(src, dst); err != nil {
		return fmt.Errorf("stage %s: %w", src, err)
	}
	for _, argv := range [][]string{
		{"init", "-q", "--template=", "--initial-branch=main"},
		{"add", "--all", "--force"},
		{"commit", "-q", "--no-verify", "-m", "Import"},
	} {
		if err := Git(ctx, dst, argv...); err != nil {
			return err
		}
	}
	return nil
}

// Git runs git in a staged repository with the identity, the date and the empty configuration of [Stage], for tests
// that go on committing or tagging there.
func Git(ctx context.Context, dir string, argv ...string) error {
	cmd := exec.CommandContext(ctx, "git", argv...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Sample", "GIT_AUTHOR_EMAIL=sample@example.invalid", "GIT_AUTHOR_DATE=" + When,
		"GIT_COMMITTER_NAME=Sample", "GIT_COMMITTER_EMAIL=sample@example.invalid", "GIT_COMMITTER_DATE=" + When,
		// The same bytes everywhere, also where git is set up to rewrite line ends or to ignore the exec bit.
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=core.autocrlf", "GIT_CONFIG_VALUE_0=false",
		"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1=" + os.DevNull,
		"GIT_CONFIG_KEY_2=core.quotePath", "GIT_CONFIG_VALUE_2=false",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("git %q in %s: %w: %s", argv, dir, err, out)
	}
	return nil
}

// copyTree copies folders and regular files; a target folder that cargo left beside a manifest stays behind.
func copyTree(src, dst string) error {
	return filepath.WalkDir(src, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if e.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "CACHEDIR.TAG")); err == nil && rel != "." {
				return fs.SkipDir
			}
			return os.MkdirAll(to, 0o755)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", name)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if rel == "unpack.txtar" {
			return unpack(data, dst)
		}
		return os.WriteFile(to, data, 0o644|info.Mode().Perm()&0o111)
	})
}

// unpack writes the files of a txtar archive below dst. A name in double quotes is a Go string.
func unpack(archive []byte, dst string) error {
	root, err := os.OpenRoot(dst)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range txtar.Parse(archive).Files {
		name := f.Name
		if strings.HasPrefix(name, `"`) {
			if name, err = strconv.Unquote(name); err != nil {
				return fmt.Errorf("name %s: %w", f.Name, err)
			}
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

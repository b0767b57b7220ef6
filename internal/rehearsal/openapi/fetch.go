package openapi

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The description is 13 MB, so it is fetched and not kept in the repository. The sum is that of the file inside the
// package.
const (
	source     = "@octokit/openapi@23.0.2"
	sourceFile = "package/generated/api.github.com.json"
	sourceSum  = "829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a"
	fileName   = "github-openapi-23.0.2.json"
)

// Fetch returns the path of the description in dir. If it is not there, `npm pack` fetches the package that publishes it
// into dir, and everything but the description is removed again. Concurrent calls, also from several processes, are
// harmless. A file whose content is not the pinned one is an error.
func Fetch(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, fileName)
	if sum, err := fileSum(path); err == nil {
		if sum != sourceSum {
			return "", fmt.Errorf("%s: got sha256 %s, want %s", path, sum, sourceSum)
		}
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("fetch API description: %w", err)
	}
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch API description: %w", err)
	}
	defer os.RemoveAll(work)
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", source)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", source, err, strings.TrimSpace(string(out)))
	}
	packed, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return "", fmt.Errorf("npm pack %s: got %d archives, want 1", source, len(packed))
	}
	fresh := filepath.Join(work, fileName)
	if err := unpack(packed[0], fresh); err != nil {
		return "", fmt.Errorf("unpack %s: %w", source, err)
	}
	sum, err := fileSum(fresh)
	if err != nil {
		return "", fmt.Errorf("fetch API description: %w", err)
	}
	if sum != sourceSum {
		return "", fmt.Errorf("%s in %s: got sha256 %s, want %s", sourceFile, source, sum, sourceSum)
	}
	if err := os.Rename(fresh, path); err != nil {
		return "", fmt.Errorf("fetch API description: %w", err)
	}
	return path, nil
}

// CacheDir returns where tests keep the description: the folder that the variable TAGBOAT_OPENAPI names, or .cache beside
// the go.mod that is found from the working directory upward. That folder is made and told to ignore itself in git.
func CacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("TAGBOAT_OPENAPI"); dir != "" {
		return dir, nil
	}
	root, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			return "", errors.New("find the repository root: no go.mod above the working directory")
		}
		root = up
	}
	dir := filepath.Join(root, ".cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return dir, nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func unpack(archive, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err != nil {
			return fmt.Errorf("%s: %w", sourceFile, err)
		}
		if h.Name != sourceFile {
			continue
		}
		out, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.CopyN(out, t, h.Size)
		return errors.Join(err, out.Close())
	}
}

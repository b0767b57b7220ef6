//go:build e2e

package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/openapi"
)

// installed returns a folder with the packages of testdata/NAME: below the folder that the variable TAGBOAT_NAME names,
// or below .cache at the repository root. If it is not there, npm installs exactly what the lock file says, which has the
// SHA-512 of every package, without running any script of a package. Concurrent calls, also from several processes, are
// harmless.
func installed(ctx context.Context, name string) (string, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s needs %s (version 20 or later of node): %w", name, program, err)
		}
	}
	root := os.Getenv("TAGBOAT_" + strings.ToUpper(name))
	if root == "" {
		cache, err := openapi.CacheDir(func(string) string { return "" })
		if err != nil {
			return "", err
		}
		root = filepath.Join(cache, name)
	}
	files := filepath.Join("testdata", name)
	pinned, err := os.ReadFile(filepath.Join(files, "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pinned)
	dir := filepath.Join(root, hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(root, "install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for _, file := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join(files, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(work, file), b, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci for %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(work, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // else another process was faster
			return "", err
		}
	}
	return dir, nil
}

// Package artifact turns local files and folders into what a release can hold.
package artifact

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
)

// Find resolves globs relative to dir. A pattern that matches nothing is an error: a release without the
// file that was asked for is not the release that was asked for. A folder becomes NAME.tar.gz.
func Find(dir string, globs []string) ([]release.Artifact, error) {
	seen := map[string]string{}
	var out []release.Artifact
	for _, glob := range globs {
		paths, err := expand(dir, glob)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			a, err := one(path)
			if err != nil {
				return nil, err
			}
			if other, ok := seen[a.Name]; ok {
				if other == path {
					continue
				}
				return nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("two artifacts would be named %s", a.Name), Detail: other + "\n" + path, Hint: "asset names are unique within a release: rename one"}
			}
			seen[a.Name] = path
			out = append(out, a)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// expand returns the files and folders that a glob names, in lexical order: * and ? within a name, ** for any folders.
// A folder that is named is not looked into.
func expand(dir, glob string) ([]string, error) {
	base, pattern := dir, filepath.ToSlash(glob)
	if filepath.IsAbs(glob) {
		base, pattern = filepath.VolumeName(glob)+string(filepath.Separator), strings.TrimPrefix(pattern, "/")
	}
	// What stands before the first wildcard is where to look; a file outside of dir ("../dist/*") is fine here.
	fixed := ""
	for {
		head, rest, ok := strings.Cut(pattern, "/")
		if !ok || strings.ContainsAny(head, "*?[") {
			break
		}
		fixed, pattern = filepath.Join(fixed, head), rest
	}
	root := filepath.Join(base, fixed)
	var paths []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == "." {
			return err
		}
		if rel = filepath.ToSlash(rel); config.Match(pattern, rel) {
			paths = append(paths, path)
			if d.IsDir() {
				return fs.SkipDir
			}
		} else if d.IsDir() && !strings.Contains(pattern, "**") && strings.Count(rel, "/") >= strings.Count(pattern, "/") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("cannot look for the artifacts %q", glob), Err: err}
	}
	if len(paths) == 0 {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("no file matches the artifact pattern %q", glob), Detail: "looked in " + dir,
			Hint: "was the build job's artifact downloaded before this step?"}
	}
	return paths, nil
}

func one(path string) (release.Artifact, error) {
	info, err := os.Stat(path)
	if err != nil {
		return release.Artifact{}, fmt.Errorf("artifact %s: %w", path, err)
	}
	a := release.Artifact{Name: release.AssetName(filepath.Base(path)), Path: path, Folder: info.IsDir(), Size: info.Size()}
	if a.Folder {
		a.Name += ".tar.gz"
		a.Size = 0
	}
	reserved := a.Name == release.BillName || a.Name == release.BillNext || a.Name == release.SumsName || strings.HasSuffix(a.Name, ".crate")
	switch {
	case a.Name == "" || reserved:
		return release.Artifact{}, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("an artifact cannot be named %q", filepath.Base(path)), Hint: "bill.json, SHA256SUMS and .crate files are made by Tagboat"}
	case !a.Folder && a.Size == 0:
		return release.Artifact{}, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("artifact %s is empty", path), Hint: "GitHub refuses empty assets"}
	case a.Size >= 2<<30:
		return release.Artifact{}, &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("artifact %s has %d bytes", path, a.Size), Hint: "GitHub's limit is below 2 GiB for each asset"}
	}
	return a, nil
}

// Sum returns the SHA-256 and the size of a file.
func Sum(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// Archive writes a folder as a .tar.gz that depends on the names, the bytes and the execute bits alone: sorted, with
// a fixed time and owner. Links stay links; devices and sockets are refused.
func Archive(folder, to string) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	zip := gzip.NewWriter(out)
	w := tar.NewWriter(zip)
	base := filepath.Base(folder)
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return archiveEntry(w, path, filepath.ToSlash(filepath.Join(base, rel)), d)
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", folder, err)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return zip.Close()
}

func archiveEntry(w *tar.Writer, path, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, name+"/"
		return w.WriteHeader(h)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
		return w.WriteHeader(h)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file, a folder nor a link", path)
	}
	if info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

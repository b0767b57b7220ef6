package zone

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Import copies a folder tree into the zone, where programs can read it and nobody but tagboat can write it, and returns
// the copy's place. Of file modes only the executable bit survives; links are copied as links; sockets and devices are
// left out. The caller's folder may be closed to other users.
func (z *Zone) Import(dir string) (string, error) {
	z.imports.Lock()
	z.imported++
	to := filepath.Join(z.dir, "src", strconv.Itoa(z.imported))
	z.imports.Unlock()
	if err := copyTree(dir, to); err != nil {
		return "", fmt.Errorf("copy the sources into the build zone: %w", explainIO(err))
	}
	return to, nil
}

// Scratch copies a folder tree into the zone's out folder under name, replacing what was there, and gives it to the zone's
// user: programs can write it. Call it before anything foreign ran, or after Reset.
func (z *Zone) Scratch(name, dir string) (string, error) {
	to := filepath.Join(z.Out(), name)
	if err := os.RemoveAll(to); err != nil {
		return "", fmt.Errorf("clear a folder of the build zone: %w", err)
	}
	if err := copyTree(dir, to); err != nil {
		return "", fmt.Errorf("copy a folder into the build zone: %w", explainIO(err))
	}
	if z.uid < 0 {
		return to, nil
	}
	err := filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, z.uid, z.gid)
	})
	if err != nil {
		return "", fmt.Errorf("give a folder to the build zone's user: %w", err)
	}
	return to, nil
}

// Reset empties every folder that programs can write, so that nothing of an earlier command reaches a later one: cargo
// would use unpacked sources, settings and programs that it finds there. No command may be running.
func (z *Zone) Reset() error {
	for _, name := range writable {
		if err := removeAll(filepath.Join(z.dir, name)); err != nil {
			return fmt.Errorf("empty the build zone: %w", err)
		}
	}
	return z.makeFolders()
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			if err := os.Mkdir(target, 0o755); err != nil {
				return err
			}
			return os.Chmod(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case d.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil
	})
}

// copyFile copies content and the executable bit; everybody may read the copy.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	if err := dst.Chmod(mode); err != nil { // the umask may have taken bits away
		dst.Close()
		return err
	}
	return dst.Close()
}

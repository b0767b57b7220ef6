package cage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// spaces builds a file system of its own for the program and moves into it: the system's programs read-only, the zone's
// folders, a few devices, a /proc with the program's own processes, and nothing else. Paths stay what they are outside.
func (c *child) spaces() error {
	p := &c.policy
	if p.Level == Bare {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", p.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=64m"); err != nil {
		return fmt.Errorf("mount the zone's root: %w", err)
	}
	if p.Closed {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
	}
	for _, step := range []func() error{c.bindDevices, c.bindSystem, c.writeEtc, c.mountProc, c.bindOwn, c.pivot} {
		if err := step(); err != nil {
			return err
		}
	}
	c.report.Closed = append(c.report.Closed, "mount namespace", "pid namespace")
	if p.Closed {
		c.report.Closed = append(c.report.Closed, "network namespace")
	}
	return nil
}

// bindSystem binds what may be read, read-only. A link such as /bin -> usr/bin stays a link.
func (c *child) bindSystem() error {
	for _, path := range c.policy.Read {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 && filepath.Dir(path) == "/" {
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, filepath.Join(c.policy.Root, path)); err != nil {
				return err
			}
			continue
		}
		if err := c.bind(path, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV); err != nil {
			return err
		}
	}
	return nil
}

// bind makes path of the outside visible at the same place of the new root.
func (c *child) bind(path string, attributes uint64) error { return c.bindAt(path, path, attributes) }

func (c *child) bindAt(path, at string, attributes uint64) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link that leads nowhere
	}
	if err != nil {
		return err
	}
	to := filepath.Join(c.policy.Root, at)
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else {
		err = touch(to)
	}
	if err != nil {
		return fmt.Errorf("make a place for %s: %w", at, err)
	}
	if err := unix.Mount(path, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: attributes, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("restrict the mount of %s: %w", path, err)
	}
	return nil
}

func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// writeEtc writes accounts that hold the program's user and nobody else.
func (c *child) writeEtc() error {
	uid, gid := c.policy.UID, c.policy.GID
	if uid < 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	home := value(c.policy.Env, "HOME")
	etc := filepath.Join(c.policy.Root, "etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	user := "zone:x:" + strconv.Itoa(uid) + ":" + strconv.Itoa(gid) + "::" + home + ":/bin/false\n"
	if err := os.WriteFile(filepath.Join(etc, "passwd"), []byte(user), 0o644); err != nil {
		return err
	}
	c.policy.Read = append(c.policy.Read, "/etc/passwd", "/etc/group")
	return os.WriteFile(filepath.Join(etc, "group"), []byte("zone:x:"+strconv.Itoa(gid)+":\n"), 0o644)
}

// bindDevices comes first: what may be read can lie in memory, below /dev/shm.
func (c *child) bindDevices() error {
	for _, dev := range devices {
		if err := c.bind(dev, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC); err != nil {
			return err
		}
	}
	dev := filepath.Join(c.policy.Root, "dev")
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o1777); err != nil {
		return err
	}
	return unix.Mount("tmpfs", shm, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=256m")
}

// mountProc mounts a /proc of the new pid namespace. Containers that mask parts of their own forbid that; then only the
// few files that describe the machine are there.
func (c *child) mountProc() error {
	proc := filepath.Join(c.policy.Root, "proc")
	if err := os.Mkdir(proc, 0o755); err != nil {
		return err
	}
	err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "")
	c.report.Proc = err == nil
	if err == nil {
		return nil
	}
	for _, path := range procFiles {
		if err := c.bind(path, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	c.policy.Read = append(c.policy.Read, procFiles...)
	return nil
}

// bindOwn binds the zone's writable folders. There is no /tmp: the zone itself may lie below it, and TMPDIR names another.
func (c *child) bindOwn() error {
	for _, path := range c.policy.Write {
		if err := c.bind(path, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes the new root the only one and takes the old one away.
func (c *child) pivot() error {
	if err := unix.Chdir(c.policy.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return unix.Chdir("/")
}

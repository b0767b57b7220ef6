package credential

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported reports whether a session can tell who asks.
const Supported = true

// CloseMemory keeps other processes of this user out of /proc/self/environ and /proc/self/mem.
// https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
func CloseMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process's memory: %w", err)
	}
	return nil
}

// admit holds that at the other end is this program, started by a cargo, and that this cargo is the only one between it
// and us. What a crate brings runs below a cargo: a cargo that it starts is the second one.
func admit(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if ctl := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); ctl != nil || err != nil {
		return errors.Join(ctl, err)
	}
	if int(peer.Uid) != os.Geteuid() {
		return errors.New("another user asks")
	}
	self, err1 := os.Stat("/proc/self/exe")
	other, err2 := os.Stat(fmt.Sprintf("/proc/%d/exe", peer.Pid))
	if err := errors.Join(err1, err2); err != nil {
		return errors.New("what program asks cannot be seen")
	}
	if !os.SameFile(self, other) {
		return errors.New("another program than tagboat asks")
	}
	return descent(int(peer.Pid), os.Getpid())
}

// descent walks from a process up to the one that must be above it.
func descent(pid, top int) error {
	parent, err := parentOf(pid)
	if err != nil {
		return err
	}
	if name, err := program(parent); err != nil || name != "cargo" {
		return errors.New("the one who asks was not started by cargo")
	}
	for pid = parent; ; {
		if pid, err = parentOf(pid); err != nil {
			return err
		}
		if pid == top {
			return nil
		}
		if pid <= 1 {
			return errors.New("the one who asks was not started below this session's command")
		}
		if name, err := program(pid); err != nil || name == "cargo" {
			return errors.New("the cargo that asks was started by another cargo, or by what that one built")
		}
	}
}

func program(pid int) (string, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.TrimSuffix(filepath.Base(path), " (deleted)"), err
}

// parentOf reads the fourth field of a process's state; the second one, the name, may hold anything.
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func parentOf(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, errors.New("the one who asks is gone")
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 0, errors.New("the system does not say who started the one who asks")
	}
	return strconv.Atoi(fields[1])
}

// private holds that a folder belongs to this user and is closed to others.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder for tokens: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || int(owner.Uid) != os.Geteuid() {
		return &fs.PathError{Op: "use", Path: dir, Err: errors.New("it is not a folder of this user alone (mode 0700)")}
	}
	return nil
}

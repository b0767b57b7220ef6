package cage

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data; both architectures that we filter are little-endian.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

// forbidden are system calls that no compiler needs and that reach other people's data or widen the kernel's surface.
// Sockets can be made through io_uring too, past any filter, so that goes as well.
var forbidden = map[uint32]unix.Errno{
	unix.SYS_KEYCTL: unix.ENOSYS, unix.SYS_ADD_KEY: unix.ENOSYS, unix.SYS_REQUEST_KEY: unix.ENOSYS,
	unix.SYS_IO_URING_SETUP: unix.ENOSYS, unix.SYS_IO_URING_ENTER: unix.ENOSYS, unix.SYS_IO_URING_REGISTER: unix.ENOSYS,
	unix.SYS_BPF: unix.EPERM, unix.SYS_PERF_EVENT_OPEN: unix.EPERM, unix.SYS_USERFAULTFD: unix.EPERM,
	unix.SYS_UNSHARE: unix.EPERM, unix.SYS_SETNS: unix.EPERM, unix.SYS_MOUNT: unix.EPERM, unix.SYS_UMOUNT2: unix.EPERM,
	unix.SYS_PIVOT_ROOT: unix.EPERM, unix.SYS_CHROOT: unix.EPERM, unix.SYS_OPEN_BY_HANDLE_AT: unix.EPERM,
	unix.SYS_FSOPEN: unix.EPERM, unix.SYS_OPEN_TREE: unix.EPERM, unix.SYS_MOVE_MOUNT: unix.EPERM, unix.SYS_MOUNT_SETATTR: unix.EPERM,
	unix.SYS_KEXEC_LOAD: unix.EPERM, unix.SYS_INIT_MODULE: unix.EPERM, unix.SYS_FINIT_MODULE: unix.EPERM, unix.SYS_DELETE_MODULE: unix.EPERM,
	unix.SYS_CLONE3: unix.ENOSYS, // its flags cannot be seen; libraries fall back to clone
}

// families are the socket families of an open network: IPv4, IPv6, and netlink, by which resolvers list addresses. Local
// sockets are not among them: Landlock before ABI 9 does not restrict connecting to one by its path.
var families = []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// filter installs the seccomp filter on this thread, which will execute the program.
func (c *child) filter() error {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok || c.policy.NoKernel {
		return nil
	}
	prog := filterProgram(arch, c.policy.Closed)
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if e == unix.ENOSYS || e == unix.EINVAL {
		return nil // a kernel without filters; the report says so
	}
	if e != 0 {
		return fmt.Errorf("install the seccomp filter: %w", e)
	}
	c.report.Seccomp = true
	text := "seccomp: only TCP and UDP sockets"
	if c.policy.Closed {
		text = "seccomp: no sockets"
	}
	c.report.Closed = append(c.report.Closed, text)
	return nil
}

// filterProgram assembles the filter.
func filterProgram(arch uint32, closed bool) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	deny := func(e unix.Errno) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(e)}
	}
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	prog := []unix.SockFilter{
		load(dataArch), equal(arch, 1, 0), deny(unix.ENOSYS), // other instruction sets number their calls differently
		load(dataNumber),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: 0x40000000}, deny(unix.ENOSYS), // x32
	}
	for number, e := range forbidden {
		prog = append(prog, equal(number, 0, 1), deny(e))
	}
	// clone with a new user namespace would give capabilities back.
	prog = append(prog, equal(unix.SYS_CLONE, 0, 4), load(dataArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 0, Jf: 1, K: unix.CLONE_NEWUSER}, deny(unix.EPERM), allow)
	if closed {
		return append(prog, equal(unix.SYS_SOCKET, 0, 1), deny(unix.EACCES), allow)
	}
	// socket(family, type, protocol): multipath TCP is refused because Landlock's port rules do not see it.
	prog = append(prog, equal(unix.SYS_SOCKET, 1, 0), allow, load(dataArg0+16), equal(unix.IPPROTO_MPTCP, 0, 1), deny(unix.EPROTONOSUPPORT), load(dataArg0))
	for _, f := range families {
		prog = append(prog, equal(f, 0, 1), allow)
	}
	return append(prog, deny(unix.EACCES))
}

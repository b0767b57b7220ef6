package cage

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// devices are the device files of the zone.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// procFiles are what may be read of /proc where it shows other people's processes too.
var procFiles = []string{
	"/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems", "/proc/sys/vm/overcommit_memory",
	"/proc/sys/kernel/osrelease", "/proc/sys/kernel/ostype",
}

// limits sets what every program gets: no core dump, a plain umask, an empty keyring, and an end with its parent.
func (c *child) limits() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	unix.Umask(0o022)
	_, _ = unix.KeyctlJoinSessionKeyring("") // absent in most containers, and then there is nothing to leave
	return nil
}

// identity becomes the zone's user and gives every capability up.
func (c *child) identity() error {
	p := &c.policy
	if p.UID >= 0 {
		// Raw calls: the thread that executes is the only one that counts, and the others end with the execution.
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
			return fmt.Errorf("leave supplementary groups: %w", e)
		}
		g, u := uintptr(p.GID), uintptr(p.UID)
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, g, g, g); e != 0 {
			return fmt.Errorf("become group %d: %w", p.GID, e)
		}
		for capability := uintptr(0); capability <= 63; capability++ {
			if unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0) != nil {
				break
			}
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, u, u, u); e != 0 {
			return fmt.Errorf("become user %d: %w", p.UID, e)
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	// A change of user clears the death signal.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the parent: %w", err)
	}
	return nil
}

func dropCapabilities() error {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // before Linux 4.3 there are none
	for capability := uintptr(0); capability <= 63; capability++ {
		if unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0) != nil {
			break // without CAP_SETPCAP no_new_privs still keeps the program from gaining any
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("give capabilities up: %w", err)
	}
	return nil
}

// landlock restricts files, TCP ports, signals and abstract sockets as far as the kernel can.
func (c *child) landlock() error {
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil || abi < 1 || c.policy.NoKernel {
		c.report.Closed = append(c.report.Closed, "no landlock: "+landlockAbsent(err))
		return nil
	}
	p := &c.policy
	var rules []landlock.Rule
	read := p.Read
	if p.Level == Bare {
		read = append(read[:len(read):len(read)], procFiles...)
	} else if c.report.Proc {
		read = append(read[:len(read):len(read)], "/proc")
	}
	for _, path := range read {
		info, err := os.Stat(path)
		switch {
		case err != nil: // absent here, or closed to this user anyway
		case info.IsDir():
			rules = append(rules, landlock.RODirs(path).IgnoreIfMissing())
		default:
			rules = append(rules, landlock.ROFiles(path).IgnoreIfMissing())
		}
	}
	write := p.Write
	if p.Level != Bare {
		write = append(write[:len(write):len(write)], "/dev/shm")
	}
	dirs := landlock.RWDirs(write...)
	if abi >= 2 {
		dirs = dirs.WithRefer() // cargo links files from one of its folders into another
	}
	rules = append(rules, dirs, landlock.RWFiles(devices...).IgnoreIfMissing())
	for _, port := range p.Ports {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	if err := landlock.V9.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("apply landlock: %w", err)
	}
	c.report.Landlock = abi
	what := "files"
	if abi >= 4 {
		what += ", tcp"
	}
	if abi >= 6 {
		what += ", signals, abstract sockets"
	}
	if abi >= 9 {
		what += ", local sockets"
	}
	c.report.Closed = append(c.report.Closed, "landlock abi "+strconv.Itoa(abi)+": "+what)
	return nil
}

func landlockAbsent(err error) string {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return "switched off at boot"
	}
	return "kernel without it"
}

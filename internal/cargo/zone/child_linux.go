package zone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Descriptors of a child.
const (
	policyFD = 3
	reportFD = 4
)

// Main must be the first call of main, and of TestMain in packages that start a zone. In an ordinary process it returns
// at once. In a zone's child it applies the policy, executes the program and never returns.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != childName {
		return
	}
	runtime.LockOSThread() // credentials and filters belong to a thread; this one will execute
	c := child{reports: os.NewFile(reportFD, "report")}
	text, err := io.ReadAll(os.NewFile(policyFD, "policy"))
	if err == nil {
		err = json.Unmarshal(text, &c.policy)
	}
	if err != nil {
		c.fail(fmt.Errorf("read the policy: %w", err))
	}
	unix.Close(policyFD)
	unix.CloseOnExec(reportFD)
	// What the parent's parents left open is not for the program.
	if err := unix.CloseRange(reportFD+1, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		closeOnExecAll()
	}
	if c.policy.Stage == 1 {
		c.supervise(text)
	}
	c.run()
}

// closeOnExecAll does by hand what close_range does on kernels that have it.
func closeOnExecAll() {
	for fd := reportFD + 1; fd < 65536; fd++ {
		unix.CloseOnExec(fd)
	}
}

type child struct {
	policy  policy
	report  report
	reports *os.File
}

// fail reports why the program cannot start, and ends.
func (c *child) fail(err error) {
	c.report.Error = err.Error()
	c.tell()
	unix.Exit(126)
}

func (c *child) tell() {
	_ = json.NewEncoder(c.reports).Encode(c.report) // a parent that is gone needs no report
}

// run applies the policy and executes the program.
func (c *child) run() {
	p := &c.policy
	for _, step := range []func() error{c.spaces, c.limits, c.identity, c.landlock, c.filter} {
		if err := step(); err != nil {
			c.fail(err)
		}
	}
	if len(p.Argv) == 0 {
		c.tell()
		unix.Exit(0)
	}
	if err := unix.Chdir(p.Dir); err != nil {
		c.fail(fmt.Errorf("enter %s: %w", p.Dir, err))
	}
	path, err := lookPath(p.Argv[0], p.Env)
	if err != nil {
		c.report.Missing = errors.Is(err, fs.ErrNotExist)
		c.fail(err)
	}
	c.tell()
	err = unix.Exec(path, p.Argv, p.Env)
	c.report.Missing = errors.Is(err, unix.ENOENT)
	c.fail(fmt.Errorf("execute %s: %w", path, err))
}

// lookPath finds a program in the PATH of env. A relative name with a slash is taken from the working folder.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(lookup(env)["PATH"]) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("look for %s in %s: %w", name, lookup(env)["PATH"], fs.ErrNotExist)
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
	if p.Level == bare {
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
	if p.Level != bare {
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

// supervise starts the child proper and outlives it, to kill whatever it leaves behind: as a subreaper it inherits every
// orphan below it. It stays outside the child's Landlock domain, which therefore can neither signal nor trace it.
func (c *child) supervise(text []byte) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		c.fail(fmt.Errorf("become the reaper: %w", err))
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	c.policy.Stage = 2
	text, err := c.policy.encode()
	if err != nil {
		c.fail(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		c.fail(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{childName}, []string{}, "/"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{r, c.reports}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.fail(fmt.Errorf("start the program's process: %w", err))
	}
	r.Close()
	c.reports.Close()
	go func() {
		w.Write(text)
		w.Close()
	}()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the code is read from the state
		close(ended)
	}()
	code := 128 + int(unix.SIGTERM)
	select {
	case <-ended:
		code = exitCode(cmd.ProcessState)
	case <-stop:
		_ = cmd.Process.Kill()
		<-ended
	}
	killChildren()
	unix.Exit(code)
}

// killChildren kills every child until there is none. A killed child's own children become ours.
func killChildren() {
	self := strconv.Itoa(os.Getpid())
	for deadline := time.Now().Add(grace / 2); time.Now().Before(deadline); {
		for _, pid := range childrenOf(self) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err == unix.ECHILD {
				return
			}
			if pid <= 0 {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid string) []int {
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name with anything) state ppid ...
		_, rest, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == pid {
			out = append(out, n)
		}
	}
	return out
}

package cage

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

	"golang.org/x/sys/unix"
)

// Descriptors of a child.
const (
	policyFD = 3
	reportFD = 4
)

// Main must be the first call of main, and of TestMain in packages that call Run. In an ordinary process it returns at
// once. In a child of Run it applies the policy, executes the program and never returns.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != childName {
		return
	}
	runtime.LockOSThread() // credentials and filters belong to a thread; this one will execute
	c := child{reports: os.NewFile(reportFD, "report")}
	policy := os.NewFile(policyFD, "policy")
	text, err := io.ReadAll(policy)
	if err == nil {
		err = json.Unmarshal(text, &c.policy)
	}
	if err != nil {
		c.fail(fmt.Errorf("read the policy: %w", err))
	}
	// By its owner: what a forgotten os.File does when it is collected would close the next one that has the number.
	policy.Close()
	unix.CloseOnExec(reportFD)
	// What the parent's parents left open is not for the program.
	if err := unix.CloseRange(reportFD+1, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		closeOnExecAll()
	}
	if c.policy.Stage == 1 {
		c.supervise()
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
	policy  order
	report  Report
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

// value returns a variable of a list of NAME=value, "" where it is not there.
func value(env []string, name string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// lookPath finds a program in the PATH of env. A relative name with a slash is taken from the working folder.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := value(env, "PATH")
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("look for %s in %s: %w", name, path, fs.ErrNotExist)
}

// supervise starts the child proper and outlives it, to kill whatever it leaves behind: as a subreaper it inherits every
// orphan below it. It stays outside the child's Landlock domain, which therefore can neither signal nor trace it.
func (c *child) supervise() {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		c.fail(fmt.Errorf("become the reaper: %w", err))
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	c.policy.Stage = 2
	text, err := json.Marshal(c.policy)
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

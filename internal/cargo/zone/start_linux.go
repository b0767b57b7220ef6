package zone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Users of zones lie in the range that systemd reserves for its dynamic users, so that no account has them.
const (
	firstUser = 61184
	lastUser  = 65519
)

// grace is how long a killed program's supervisor may take to kill what the program left behind.
const grace = 10 * time.Second

// isolate finds the strongest way that works here by trying, and returns what is missing.
func (z *Zone) isolate() ([]string, error) {
	levels := []level{userSpaces, bare}
	if os.Geteuid() == 0 {
		if !z.config.weak.NoUser {
			z.uid = freeUser()
			z.gid = z.uid
		}
		levels = []level{rootSpaces, bare}
	}
	if w := z.config.weak; w.Limited {
		levels = slices.DeleteFunc(levels, func(l level) bool { return l > w.Level })
	}
	if err := z.makeFolders(); err != nil {
		if z.uid < 0 || !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EPERM) {
			return nil, err
		}
		z.uid, z.gid = -1, -1 // root of a container that has no such user
		if err := z.makeFolders(); err != nil {
			return nil, err
		}
	}
	var refused []string
	for _, l := range levels {
		z.level = l
		if l == bare {
			if err := errors.Join(z.reachFolder(), z.reachToolchain()); err != nil {
				return nil, err
			}
		}
		r, err := z.probe()
		if err == nil {
			var missing []string
			z.isolation, missing = z.describe(r, refused)
			return missing, nil
		}
		refused = append(refused, err.Error())
	}
	return nil, fmt.Errorf("start a program in the build zone: %s", strings.Join(refused, "; "))
}

// probe runs the child without a program and returns what it could apply.
func (z *Zone) probe() (report, error) {
	p, err := z.policy(Command{})
	if err != nil {
		return report{}, err
	}
	var got report
	_, err = z.launch(context.Background(), p, nil, &got)
	if err == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	return got, err
}

// reachFolder moves the zone to the system's temporary folder where its user could not enter the one that was asked for.
// With a mount namespace the way to it is built anew.
func (z *Zone) reachFolder() error {
	if z.uid < 0 || reachable(z.dir) {
		return nil
	}
	dir, err := os.MkdirTemp("", "tagboat-zone-")
	if err != nil {
		return fmt.Errorf("make the build zone's folder: %w", explainIO(err))
	}
	if err := os.RemoveAll(z.dir); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	z.dir = dir
	if err := z.makeRoot(); err != nil {
		return err
	}
	return z.makeFolders()
}

// reachToolchain makes a copy of the toolchain inside the zone where the zone's user cannot reach the original, as below
// a home folder that is closed to others. With a mount namespace none is needed.
func (z *Zone) reachToolchain() error {
	from := z.toolchain.Sysroot
	if z.uid < 0 || from == "" || reachable(from) {
		return nil
	}
	to := filepath.Join(z.dir, "toolchain")
	if err := linkTree(from, to); err != nil {
		return fmt.Errorf("copy the Rust toolchain into the build zone: %w", err)
	}
	z.toolchain.Sysroot = to
	return nil
}

// reachable reports whether other users may enter every folder on the way to path.
func reachable(path string) bool {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// freeUser picks a user id that owns no process, at random, so that two zones differ.
func freeUser() int {
	used := map[int]bool{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				used[int(st.Uid)] = true
			}
		}
	}
	for range 100 {
		if uid := firstUser + rand.IntN(lastUser-firstUser+1); !used[uid] {
			return uid
		}
	}
	return firstUser
}

// start runs the program of p.
func (z *Zone) start(ctx context.Context, p policy, line func(string)) (Output, error) {
	if z.level == bare && z.uid >= 0 && !within(p.Dir, p.Write) && !within(p.Dir, []string{filepath.Join(z.dir, "src")}) && !reachable(p.Dir) {
		dir, err := z.Import(p.Dir)
		if err != nil {
			return Output{}, err
		}
		defer os.RemoveAll(dir)
		p.Dir = dir
	}
	var got report
	out, err := z.launch(ctx, p, line, &got)
	switch {
	case err != nil:
		return out, err
	case got.Missing:
		return out, notInstalled(p.Argv[0], errors.New(got.Error))
	case got.Error != "":
		return out, fmt.Errorf("start %s in the build zone: %s", p.Argv[0], got.Error)
	}
	return out, nil
}

// launch starts the child, hands it the policy, and waits for its end.
func (z *Zone) launch(ctx context.Context, p policy, line func(string), got *report) (Output, error) {
	text, err := p.encode()
	if err != nil {
		return Output{}, fmt.Errorf("encode the build zone's policy: %w", err)
	}
	policyR, policyW, err := os.Pipe()
	if err != nil {
		return Output{}, fmt.Errorf("open a pipe: %w", err)
	}
	reportR, reportW, err := os.Pipe()
	if err != nil {
		return Output{}, errors.Join(fmt.Errorf("open a pipe: %w", err), policyR.Close(), policyW.Close())
	}
	stdout, stderr := limited{max: maxStdout}, tail{each: line}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{childName}
	cmd.Env = []string{} // never our own: the child's is readable in /proc until it executes
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.ExtraFiles = []*os.File{policyR, reportW}
	cmd.SysProcAttr = attributes(p.Level)
	cmd.Cancel = func() error {
		if p.Level == bare {
			return cmd.Process.Signal(syscall.SIGTERM) // the supervisor kills what it has and ends
		}
		return cmd.Process.Kill() // the namespace's first process takes all others with it
	}
	cmd.WaitDelay = grace
	done := make(chan error, 1)
	started := make(chan error, 1)
	go func() {
		// The kernel ties the death signal to the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	err = <-started
	policyR.Close()
	reportW.Close()
	if err != nil {
		return Output{}, errors.Join(fmt.Errorf("start the build zone's process: %w", err), policyW.Close(), reportR.Close())
	}
	go func() {
		policyW.Write(text) // a child that is gone already reports by its exit code
		policyW.Close()
	}()
	reports := make(chan report, 1)
	go func() { reports <- readReports(reportR) }()
	err = <-done
	*got = <-reports
	reportR.Close()
	out := Output{Argv: p.Argv, Stdout: stdout.buf.Bytes(), Stderr: bytes.Clone(stderr.close()), Exit: exitCode(cmd.ProcessState)}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return out, fmt.Errorf("wait for the build zone's process: %w", err)
	}
	if len(got.Closed) == 0 && got.Error == "" {
		return out, fmt.Errorf("the build zone's process ended before it was isolated (exit code %d): %s", out.Exit, lastLines(string(out.Stderr), 3))
	}
	return out, nil
}

// readReports returns the last report of a child. Each follows the one before, until the program is executed.
func readReports(r io.Reader) report {
	var last report
	dec := json.NewDecoder(io.LimitReader(r, 1<<20))
	for {
		var next report
		if dec.Decode(&next) != nil {
			return last
		}
		last = next
	}
}

func exitCode(s *os.ProcessState) int {
	if s == nil {
		return -1
	}
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

// attributes are the process attributes of a level. A session of its own takes the terminal away, so that nothing can be
// typed into it from the zone.
func attributes(l level) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if l == bare {
		a.Pdeathsig = syscall.SIGTERM
		return a
	}
	a.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	if l == userSpaces {
		uid, gid := os.Getuid(), os.Getgid()
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}
	}
	return a
}

// describe turns what the probe applied into Isolation's list and the list of what is missing.
func (z *Zone) describe(r report, refused []string) (list, missing []string) {
	if z.uid >= 0 {
		list = append(list, "user "+strconv.Itoa(z.uid))
	}
	list = append(list, r.Closed...)
	if z.level == bare && !z.config.weak.Limited {
		for _, why := range refused {
			list = append(list, "no namespaces: "+why)
		}
	}
	spaces := z.level != bare
	if !spaces && r.Landlock == 0 {
		missing = append(missing, "files: programs can read whatever this user can read (no Landlock, no mount namespace)")
	}
	if !spaces && r.Landlock == 0 && z.uid < 0 {
		missing = append(missing, "processes: programs can read the memory of this user's other processes (no Landlock, no pid namespace)")
	}
	if !spaces && r.Landlock < 6 && z.uid < 0 {
		missing = append(missing, "signals: programs can signal this user's other processes (Landlock below ABI 6, no pid namespace)")
	}
	if !r.Seccomp && !spaces {
		missing = append(missing, "network: UDP, local sockets and, below Landlock ABI 4, TCP stay open (no seccomp filter, no network namespace)")
	}
	if r.Landlock < 4 {
		missing = append(missing, "ports: while dependencies are fetched, programs can connect to any port (Landlock below ABI 4)")
	}
	for _, m := range missing {
		list = append(list, "not isolated: "+m)
	}
	return list, missing
}

package cage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childName is argv[0] of our re-executions. The policy travels over a pipe, never by argument or environment, which
// anyone on the machine might read.
const childName = "tagboat-zone"

// grace is how long a killed program's supervisor may take to kill what the program left behind.
const grace = 10 * time.Second

// order is what the child is told: the policy, and whether it is the supervisor of a bare program (stage 1).
type order struct {
	Policy
	Stage int `json:"stage"`
}

// Run runs one program to its end and returns what it wrote and what was in force. When ctx ends, the program and all its
// descendants are killed and the context's cause is returned. line is called for each line of standard error; it may be
// nil. A program that could not start is no error of Run: see the report.
func Run(ctx context.Context, p Policy, line func(string)) (Output, Report, error) {
	o := order{Policy: p}
	if p.Level == Bare {
		o.Stage = 1
	}
	text, err := json.Marshal(o)
	if err != nil {
		return Output{}, Report{}, fmt.Errorf("encode the build zone's policy: %w", err)
	}
	policyR, policyW, err := os.Pipe()
	if err != nil {
		return Output{}, Report{}, fmt.Errorf("open a pipe: %w", err)
	}
	reportR, reportW, err := os.Pipe()
	if err != nil {
		return Output{}, Report{}, errors.Join(fmt.Errorf("open a pipe: %w", err), policyR.Close(), policyW.Close())
	}
	stdout, stderr := limited{max: maxStdout}, tail{each: line}
	cmd := command(ctx, p.Level)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.ExtraFiles = []*os.File{policyR, reportW}
	started, ended := begin(cmd)
	err = <-started
	policyR.Close()
	reportW.Close()
	if err != nil {
		return Output{}, Report{}, errors.Join(fmt.Errorf("start the build zone's process: %w", err), policyW.Close(), reportR.Close())
	}
	go func() {
		policyW.Write(text) // a child that is gone already reports by its exit code
		policyW.Close()
	}()
	reports := make(chan Report, 1)
	go func() { reports <- readReports(reportR) }()
	err = <-ended
	got := <-reports
	reportR.Close()
	out := Output{Stdout: stdout.buf.Bytes(), Stderr: bytes.Clone(stderr.close()), Exit: exitCode(cmd.ProcessState)}
	return out, got, fault(ctx, out, got, err)
}

// command is a child of a level. A program that outlives the end of ctx is killed.
func command(ctx context.Context, l Level) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{childName}
	cmd.Env = []string{} // never our own: the child's is readable in /proc until it executes
	cmd.Dir = "/"
	cmd.SysProcAttr = attributes(l)
	cmd.Cancel = func() error {
		if l == Bare {
			return cmd.Process.Signal(syscall.SIGTERM) // the supervisor kills what it has and ends
		}
		return cmd.Process.Kill() // the namespace's first process takes all others with it
	}
	cmd.WaitDelay = grace
	return cmd
}

// begin starts the child and waits for it, from one thread.
func begin(cmd *exec.Cmd) (started, ended <-chan error) {
	start, end := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ties the death signal to the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		start <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return start, end
}

// fault says what went wrong around the program; its own exit code is no fault.
func fault(ctx context.Context, out Output, got Report, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait for the build zone's process: %w", err)
	}
	if len(got.Closed) == 0 && got.Error == "" {
		last := out.Stderr[max(0, len(out.Stderr)-300):]
		return fmt.Errorf("the build zone's process ended before it was isolated (exit code %d): %s", out.Exit, strings.TrimSpace(string(last)))
	}
	return nil
}

// readReports returns the last report of a child. Each follows the one before, until the program is executed.
func readReports(r io.Reader) Report {
	var last Report
	dec := json.NewDecoder(io.LimitReader(r, 1<<20))
	for {
		var next Report
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
func attributes(l Level) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if l == Bare {
		a.Pdeathsig = syscall.SIGTERM
		return a
	}
	a.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	if l == UserSpaces {
		uid, gid := os.Getuid(), os.Getgid()
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}
	}
	return a
}

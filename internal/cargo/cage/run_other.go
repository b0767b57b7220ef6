//go:build !linux

package cage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"time"
)

// Main must be the first call of main, and of TestMain in packages that call Run. On this system it does nothing.
func Main() {}

// Run runs one program to its end with the policy's environment and working folder; nothing else of the policy can be
// enforced on this system, and the report is empty. A program that is not there is no error of Run: see the report.
func Run(ctx context.Context, p Policy, line func(string)) (Output, Report, error) {
	path := p.Argv[0]
	if found, err := exec.LookPath(path); err == nil {
		path = found
	}
	stdout, stderr := limited{max: maxStdout}, tail{each: line}
	cmd := exec.CommandContext(ctx, path, p.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.Env, p.Dir, &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	out := Output{Stdout: stdout.buf.Bytes(), Stderr: stderr.close(), Exit: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, Report{}, context.Cause(ctx)
	case err == nil, errors.As(err, &exit):
		return out, Report{}, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return out, Report{Error: err.Error(), Missing: true}, nil
	}
	return out, Report{}, fmt.Errorf("run %s: %w", p.Argv[0], err)
}

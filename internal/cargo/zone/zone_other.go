//go:build !linux

package zone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Main must be the first call of main, and of TestMain in packages that start a zone. On this system it does nothing.
func Main() {}

// isolate says that nothing is closed here: only the environment and the folders are the zone's own.
func (z *Zone) isolate() ([]string, error) {
	if err := z.makeFolders(); err != nil {
		return nil, err
	}
	missing := []string{"files, processes and the network are open to programs in the build zone (" + runtime.GOOS + " has neither Landlock nor namespaces)"}
	z.isolation = []string{"not isolated: " + missing[0]}
	return missing, nil
}

// start runs the program of p with the zone's environment and nothing more.
func (z *Zone) start(ctx context.Context, p policy, line func(string)) (Output, error) {
	path := p.Argv[0]
	if found, err := exec.LookPath(path); err == nil {
		path = found
	}
	stdout, stderr := limited{max: maxStdout}, tail{each: line}
	cmd := exec.CommandContext(ctx, path, p.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.Env, p.Dir, &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	out := Output{Argv: p.Argv, Stdout: stdout.buf.Bytes(), Stderr: stderr.close(), Exit: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case err == nil, errors.As(err, &exit):
		return out, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, os.ErrNotExist):
		return out, notInstalled(p.Argv[0], err)
	}
	return out, fmt.Errorf("run %s: %w", p.Argv[0], err)
}

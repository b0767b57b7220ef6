//go:build unix

package credential

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// StdoutToStderr lets what takes this process's place write to stderr alone.
func StdoutToStderr() error { return unix.Dup2(2, 1) }

// Become puts the program into the place of this process: nothing of it stays in memory. It returns only where that
// fails. Streams are the process's own.
func (p Program) Become() error {
	path, err := exec.LookPath(p.Argv[0])
	if err == nil && p.Dir != "" {
		err = os.Chdir(p.Dir)
	}
	if err == nil {
		err = syscall.Exec(path, p.Argv, p.environ())
	}
	return fmt.Errorf("start %s: %w", p.Argv[0], err)
}

package zone

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/tagboat/tagboat/internal/problem"
)

// ExitError is a program of the zone that ended with a code other than zero. Its text has the program and the tail of
// its standard error.
type ExitError struct {
	Argv   []string
	Exit   int
	Stderr string
}

// Error names the program, its exit code and the last lines that it wrote.
func (e *ExitError) Error() string {
	name := strings.Join(e.Argv, " ")
	if tail := lastLines(e.Stderr, 20); tail != "" {
		return fmt.Sprintf("%s: exit code %d\n%s", name, e.Exit, tail)
	}
	return fmt.Sprintf("%s: exit code %d", name, e.Exit)
}

// Err returns nil for exit code 0, a *problem.Error where the disk was full, and an *ExitError otherwise.
func (o Output) Err() error {
	if o.Exit == 0 {
		return nil
	}
	e := &ExitError{Argv: o.Argv, Exit: o.Exit, Stderr: string(o.Stderr)}
	if strings.Contains(e.Stderr, "No space left on device") || strings.Contains(e.Stderr, "os error 28") {
		return diskFull(e)
	}
	return e
}

// explainIO turns a full disk into a *problem.Error and leaves other errors as they are.
func explainIO(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return diskFull(err)
	}
	return err
}

func diskFull(err error) error {
	return &problem.Error{
		Kind:    problem.Failed,
		Summary: "the disk is full",
		Detail:  "the build zone keeps the target folder and the unpacked dependencies of the whole workspace",
		Hint:    "free disk space, or point TMPDIR at a larger file system, and run again",
		Err:     err,
	}
}

// notInstalled is the problem of a program that the zone does not have.
func notInstalled(name string, err error) error {
	e := &problem.Error{Kind: problem.Failed, Summary: "the program " + name + " is not installed", Err: err}
	switch name {
	case "cargo", "rustc":
		e.Hint = "install Rust with rustup (https://rustup.rs) on the machine that runs tagboat"
	default:
		e.Hint = "install " + name + " under /usr, or name its folder under package.mounts in tagboat.toml"
	}
	return e
}

// lastLines returns the last n lines of s.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

func joinLines(list []string) string { return strings.Join(list, "; ") }

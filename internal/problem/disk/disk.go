// Package disk makes the folder that a run works in, and says what to do where a disk is full.
package disk

import (
	"errors"
	"os"
	"syscall"

	"github.com/tagboat/tagboat/internal/problem"
)

// Scratch makes a folder for a run, below temp, or where TMPDIR says if temp is empty.
func Scratch(temp string) (string, error) {
	dir, err := os.MkdirTemp(temp, "tagboat-")
	if err != nil {
		return "", &problem.Error{Kind: problem.Failed, Summary: "cannot make a folder for the run", Err: err, Hint: "is the disk full, or RUNNER_TEMP (TMPDIR) not writable?"}
	}
	return dir, nil
}

// Explain makes a problem of a full disk, wherever it was met. An error that holds a problem already, and any other,
// stays as it is.
func Explain(err error) error {
	if len(problem.All(err)) > 0 || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return &problem.Error{Kind: problem.Failed, Summary: "the disk is full", Detail: err.Error(), Err: err,
		Hint: "free disk space there, or, where it is a run's own folder, point RUNNER_TEMP or TMPDIR at a larger file system; then run again"}
}

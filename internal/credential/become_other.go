//go:build !unix

package credential

import "errors"

// Become is for systems that can put a program into a process's place.
func (p Program) Become() error { return errors.ErrUnsupported }

// StdoutToStderr is for systems that can put a program into a process's place.
func StdoutToStderr() error { return errors.ErrUnsupported }

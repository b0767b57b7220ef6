// Package problem holds the one error type that people see: what is wrong, where, and what to do.
//
// Adapters return ordinary wrapped errors; lines of business turn those that a person must read into an *Error;
// only edges render it (terminal and exit code, annotation, report).
package problem

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what a problem asks of its reader. It decides the exit code.
type Kind int

const (
	// Failed is a fault of the world (network, disk, a service): trying again may help.
	Failed Kind = iota
	// Stopped needs a person's decision; nothing irreversible was done, or exactly what was done is listed.
	Stopped
	// Waiting means that the same run, started again at or after Until, goes on.
	Waiting
	// Usage is a wrong command line or configuration.
	Usage
)

// Error is a problem as a person reads it. Summary is one sentence without a final period; Detail gives the values
// that differ (got, want) and may have several lines; Hint says what to do. File is slash-separated and relative to
// the repository, Line counts from 1; both are zero where no place is to blame.
type Error struct {
	Kind    Kind
	Summary string
	Detail  string
	Hint    string
	File    string
	Line    int
	Until   time.Time // with Waiting: when to come back
	Err     error     // the cause, for errors.Is and errors.As; its text is shown only where Detail is empty
}

// Error returns the summary and the detail, or the cause where there is no detail.
func (e *Error) Error() string {
	s := e.Summary
	if e.File != "" {
		s = e.Place() + ": " + s
	}
	switch {
	case e.Detail != "":
		s += ": " + e.Detail
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Place returns "file:line", "file", or "".
func (e *Error) Place() string {
	if e.File != "" && e.Line > 0 {
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return e.File
}

// Exit codes of the command line (docs/commands.md). They are a contract: additive only.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitStopped = 2
	ExitWaiting = 3
	ExitUsage   = 64
)

// ExitCode returns the exit code for err: 0 for nil, 1 for an error that is no *Error. Of joined errors the one that
// asks most of a person decides: usage, then stopped, then failed, then waiting.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	problems := All(err)
	for _, order := range []struct {
		kind Kind
		code int
	}{{Usage, ExitUsage}, {Stopped, ExitStopped}, {Failed, ExitFailed}, {Waiting, ExitWaiting}} {
		for _, p := range problems {
			if p.Kind == order.kind {
				return order.code
			}
		}
	}
	return ExitFailed
}

// All returns every *Error in err's tree, outermost first, without descending below one.
func All(err error) []*Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return []*Error{e}
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Error
		for _, sub := range j.Unwrap() {
			out = append(out, All(sub)...)
		}
		return out
	}
	return All(errors.Unwrap(err))
}

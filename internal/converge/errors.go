package converge

import (
	"errors"
	"fmt"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
)

// PanicError is a panic in a step's function. Other steps go on.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the value and the stack of the goroutine that panicked.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errVanished is what a step gets whose function neither returned nor panicked but ended its goroutine.
var errVanished = errors.New("the step's function ended its goroutine without returning")

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	var p *PanicError
	return !errors.As(err, &p) && errors.As(err, &r) && r.Retryable()
}

func retryTime(err error) time.Time {
	var r interface{ RetryTime() time.Time }
	if errors.As(err, &r) {
		return r.RetryTime()
	}
	return time.Time{}
}

func stopsAll(err error) bool {
	var s interface{ StopsAll() bool }
	return errors.As(err, &s) && s.StopsAll()
}

// Halt stops the whole run for a person: no further step starts.
func Halt(p problem.Error) error {
	p.Kind = problem.Stopped
	return haltError{&p}
}

type haltError struct{ problem *problem.Error }

func (e haltError) Error() string { return e.problem.Error() }
func (e haltError) Unwrap() error { return e.problem }
func (haltError) StopsAll() bool  { return true }

// Again marks an error after which the step may be tried again.
func Again(err error) error { return againError{err} }

type againError struct{ err error }

func (e againError) Error() string      { return e.err.Error() }
func (e againError) Unwrap() error      { return e.err }
func (againError) Retryable() bool      { return true }
func (againError) RetryTime() time.Time { return time.Time{} }

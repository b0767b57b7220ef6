package converge

import (
	"errors"
	"fmt"
	"time"
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

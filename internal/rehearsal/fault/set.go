package fault

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
)

// Moment says on which side of a step something happens.
type Moment string

// The two sides of a step.
const (
	Before Moment = "before"
	After  Moment = "after"
)

// Set is the faults of one rehearsal. It counts calls and remembers what has fired; it is safe for concurrent use and
// must not be copied. A nil *Set has no faults.
type Set struct {
	// OnDie is called where the process must end; the connection of the call is cut when it returns. It is set before
	// the first call and may be nil.
	OnDie func()

	mu     sync.Mutex
	faults []*armed
	fired  []string
}

// armed is a fault and how far it has come.
type armed struct {
	Spec
	calls int                  // matching calls so far
	fired bool                 // it has acted at least once
	seen  map[[32]byte]*bearer // Expire: the tokens met so far, by hash
}

// bearer is a token's life as an Expire fault sees it.
type bearer struct {
	first time.Time
	calls int
}

// NewSet returns a set of the faults, which act in the order given where several select the same call.
func NewSet(specs ...Spec) *Set {
	s := &Set{}
	for _, spec := range specs {
		s.faults = append(s.faults, &armed{Spec: spec, seen: map[[32]byte]*bearer{}})
	}
	return s
}

// Check returns a usage error for the first fault that names a service which is not in services.
func (s *Set) Check(services ...string) error {
	if s == nil {
		return nil
	}
	for _, f := range s.faults {
		if f.Service == "" || slices.Contains(services, f.Service) {
			continue
		}
		return &problem.Error{
			Kind:    problem.Usage,
			Summary: fmt.Sprintf("the fault %q names an unknown service", f.String()),
			Detail:  fmt.Sprintf("no service is called %s", f.Service),
			Hint:    suggest(f.Service, "services", services),
		}
	}
	return nil
}

// Lag returns how much later service's index shows a version of crate than it was accepted. With crate "" only
// faults for every crate count.
func (s *Set) Lag(service, crate string) time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var total time.Duration
	for _, f := range s.faults {
		if f.Action == Lag && f.selects(service, "index", crate) {
			total += f.Duration
			s.fire(f, service+" index "+crate)
		}
	}
	return total
}

// StepDie reports whether the process must end before or after the step with that key.
func (s *Set) StepDie(key string, moment Moment) bool {
	action := Die
	if moment == After {
		action = DieAfter
	}
	return s.step(key, action)
}

// StepDisk returns the error of a full disk where the step with that key must meet one, or nil.
func (s *Set) StepDisk(key string) error {
	if !s.step(key, DiskFull) {
		return nil
	}
	return fmt.Errorf("write %s: %w", key, syscall.ENOSPC)
}

func (s *Set) step(key string, action Action) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, _, _ := strings.Cut(key, "/")
	acts := false
	for _, f := range s.faults {
		if f.Step == "" || f.Action != action || !match(f.Step, key) && !match(f.Step, kind) {
			continue
		}
		f.calls++
		if !acts && f.due() {
			acts = true
			s.fire(f, "step "+key)
		}
	}
	return acts
}

// Fired returns what has acted, in order: each fault, what it met, and where. A fault that acts again and again is
// listed once.
func (s *Set) Fired() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fired)
}

// Unfired returns the faults that have not acted: nothing they select has happened.
func (s *Set) Unfired() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, f := range s.faults {
		if !f.fired {
			out = append(out, f.String())
		}
	}
	return out
}

// fire records that f acts on what. The caller holds the lock.
func (s *Set) fire(f *armed, what string) {
	if !f.fired {
		f.fired = true
		s.fired = append(s.fired, fmt.Sprintf("%s (%s)", f.String(), strings.TrimSpace(what)))
	}
}

// selects reports whether the fault is about that operation of that service.
func (f *armed) selects(service, operation, argument string) bool {
	return f.Step == "" &&
		(f.Service == "" || f.Service == service) &&
		(f.Operation == "" || f.Operation == operation) &&
		(f.Argument == "" || match(f.Argument, argument))
}

// due reports whether the matching call just counted is one to act on.
func (f *armed) due() bool {
	switch {
	case f.Every:
		return true
	case f.Call > 0:
		return f.calls == f.Call
	}
	return f.lasting() || !f.fired
}

// verdict is what happens to one call.
type verdict struct {
	delay  time.Duration
	action *Spec // nil: nothing but the delay
}

// judge counts the call and decides about it. The answer to a first fault that finds another already acting on the
// same call is to wait for the next one.
func (s *Set) judge(service, name, authorization string) verdict {
	operation, argument, _ := strings.Cut(name, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	var v verdict
	for _, f := range s.faults {
		if f.Action == Lag || !f.selects(service, operation, argument) {
			continue
		}
		if f.Action == Expire {
			if v.action == nil && f.expired(operation, authorization) {
				v.action = &f.Spec
				s.fire(f, service+" "+name)
			}
			continue
		}
		f.calls++
		switch {
		case f.Action == Delay && f.due():
			v.delay += f.Duration
		case v.action == nil && f.due():
			v.action = &f.Spec
		default:
			continue
		}
		s.fire(f, fmt.Sprintf("%s %s, call %d", service, name, f.calls))
	}
	return v
}

// expired counts a call with the token and reports whether the token has stopped to work before it.
func (f *armed) expired(operation, authorization string) bool {
	if authorization == "" {
		return false
	}
	key := sha256.Sum256([]byte(authorization))
	b := f.seen[key]
	if b == nil {
		// A token minted because an earlier one expired is a new one; it lives on.
		if f.fired {
			return false
		}
		b = &bearer{first: time.Now()}
		f.seen[key] = b
	}
	if f.Unit == "" {
		return time.Since(b.first) >= f.Duration
	}
	if b.calls >= f.Count {
		return true
	}
	if f.Unit == "calls" || operation == "publish" {
		b.calls++
	}
	return false
}

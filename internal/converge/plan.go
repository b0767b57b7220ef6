// Package converge runs a plan: steps as data, a graph of needs, bounded parallelism, retry by classified error,
// pacing per lane, deadline, cancellation, and events for whoever draws the progress. It knows nothing of releases.
//
// A step is "look, compare, act, look again" and lives in the line of business that planned it; here it is only a
// key, what it needs, and one function that does it. Time is package time: under testing/synctest it is virtual.
package converge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Step is one thing that must be true in the end. It is data: printable, diffable, replayable.
type Step struct {
	Key    string            `json:"key"`              // what must happen once, for instance "publish/crates-io/core@0.4.0"
	Kind   string            `json:"kind"`             // the first part of the key
	Needs  []string          `json:"needs,omitempty"`  // keys of the steps that must be done or skipped before
	Lane   string            `json:"lane,omitempty"`   // steps of one lane share a pace and a limit; "" has none of its own
	Args   map[string]string `json:"args,omitempty"`   // what the step's function needs to know
	Reason string            `json:"reason,omitempty"` // why the step is in the plan, for people
}

// Plan is an ordered list of steps. The order decides which of several ready steps starts first; Needs decide what is
// ready.
type Plan struct {
	Steps []Step `json:"steps"`
}

// CycleError says that steps of a plan need each other in a ring. Keys names them in order, the first again at the end.
type CycleError struct {
	Keys []string
}

// Error names the ring.
func (e *CycleError) Error() string {
	return "steps need each other: " + strings.Join(e.Keys, " -> ")
}

// Check returns an error if a key is empty or occurs twice, if a need is unknown, or if needs form a cycle
// (*CycleError). All findings are joined.
func (p Plan) Check() error {
	index := make(map[string]int, len(p.Steps))
	var errs []error
	for i, s := range p.Steps {
		if s.Key == "" {
			errs = append(errs, fmt.Errorf("step %d of the plan has no key", i+1))
			continue
		}
		if first, ok := index[s.Key]; ok {
			errs = append(errs, fmt.Errorf("steps %d and %d of the plan have the same key %q", first+1, i+1, s.Key))
			continue
		}
		index[s.Key] = i
	}
	for _, s := range p.Steps {
		for _, need := range s.Needs {
			if _, ok := index[need]; !ok {
				errs = append(errs, fmt.Errorf("step %q needs %q, which is not in the plan", s.Key, need))
			}
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if ring := p.cycle(index); ring != nil {
		return &CycleError{Keys: ring}
	}
	return nil
}

// cycle returns the keys of one ring of needs, or nil. The needs must be known.
func (p Plan) cycle(index map[string]int) []string {
	order := p.order(index)
	if len(order) == len(p.Steps) {
		return nil
	}
	free := make([]bool, len(p.Steps))
	for _, i := range order {
		free[i] = true
	}
	at := slices.Index(free, false)
	// Each step that is left needs another that is left, so the walk along needs must come back to where it was.
	var path []string
	seen := make(map[int]int)
	for {
		if start, ok := seen[at]; ok {
			return append(path[start:], p.Steps[at].Key)
		}
		seen[at] = len(path)
		path = append(path, p.Steps[at].Key)
		for _, need := range p.Steps[at].Needs {
			if i := index[need]; !free[i] {
				at = i
				break
			}
		}
	}
}

// order returns the indexes of the steps so that each comes after its needs; steps in or behind a cycle are left out.
func (p Plan) order(index map[string]int) []int {
	missing := make([]int, len(p.Steps))
	dependents := make([][]int, len(p.Steps))
	var order []int
	for i, s := range p.Steps {
		missing[i] = len(s.Needs)
		for _, need := range s.Needs {
			dependents[index[need]] = append(dependents[index[need]], i)
		}
		if missing[i] == 0 {
			order = append(order, i)
		}
	}
	for next := 0; next < len(order); next++ {
		for _, d := range dependents[order[next]] {
			if missing[d]--; missing[d] == 0 {
				order = append(order, d)
			}
		}
	}
	return order
}

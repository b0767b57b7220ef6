// Package converge runs a plan: steps as data, a graph of needs, bounded parallelism, retry by classified error,
// pacing per lane, deadline, cancellation, and events for whoever draws the progress. It knows nothing of releases.
//
// A step is "look, compare, act, look again" and lives in the line of business that planned it; here it is only a
// key, what it needs, and one function that does it. Time is package time: under testing/synctest it is virtual.
package converge

// Step is one thing that must be true in the end. It is data: printable, diffable, replayable.
type Step struct {
	Key    string            `json:"key"`              // what must happen once, for instance "publish/crates-io/core@0.4.0"
	Kind   string            `json:"kind"`             // the first part of the key
	Needs  []string          `json:"needs,omitempty"`  // keys of the steps that must be done or skipped before
	Lane   string            `json:"lane,omitempty"`   // steps of one lane share a pace and a limit; "" has none of its own
	Args   map[string]string `json:"args,omitempty"`   // what the step's function needs to know
	Reason string            `json:"reason,omitempty"` // why the step is in the plan, for people
}

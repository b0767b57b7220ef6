package fault

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Shape says what a random set of faults may be made of.
type Shape struct {
	Services []Service
	Crates   []string // for the operations that take a crate
	Steps    []string // keys or kinds of steps around which the process may die
	Faults   int      // how many faults
	Calls    int      // faults hit one of the first Calls matching calls; 0 means the first
}

// Service is a service and those of its operations that may fail.
type Service struct {
	Name       string
	Operations []string
}

// Random returns shape.Faults faults: deaths around calls and steps, lost answers, refusals, rate limits with dates,
// delays and index lag. The same generator state and shape give the same faults, and every fault ends: none of them
// lasts for ever except delays and lag, which are bounded.
func Random(rng *rand.Rand, shape Shape) []Spec {
	var out []Spec
	for len(out) < shape.Faults {
		if len(shape.Services) == 0 && len(shape.Steps) == 0 {
			return nil
		}
		out = append(out, random(rng, shape))
	}
	return out
}

func random(rng *rand.Rand, shape Shape) Spec {
	if len(shape.Services) == 0 || len(shape.Steps) > 0 && rng.IntN(6) == 0 {
		return Spec{Step: pick(rng, shape.Steps), Action: pick(rng, []Action{Die, DieAfter})}
	}
	service := pick(rng, shape.Services)
	spec := Spec{Service: service.Name}
	if len(service.Operations) > 0 {
		spec.Operation = pick(rng, service.Operations)
	}
	if takesCrate(spec.Operation) && len(shape.Crates) > 0 && rng.IntN(4) > 0 {
		spec.Argument = pick(rng, shape.Crates)
	}
	if shape.Calls > 1 {
		spec.Call = 1 + rng.IntN(shape.Calls)
	}
	misfortune(rng, &spec)
	if spec.Action == Lag {
		spec.Call = 0
		if !slices.Contains(service.Operations, "index") || service.Name == GitHub {
			spec.Action, spec.Duration = Drop, 0
		} else if spec.Operation != "index" {
			spec.Operation, spec.Argument = "index", ""
		}
	}
	return spec
}

// misfortune chooses an action: a death, a lost answer and a refusal are equally likely.
func misfortune(rng *rand.Rand, spec *Spec) {
	short := time.Duration(1+rng.IntN(90)) * time.Second
	switch rng.IntN(10) {
	case 0:
		spec.Action = Die
	case 1:
		spec.Action = DieAfter
	case 2:
		spec.Action = Drop
	case 3:
		spec.Action = AcceptThen
	case 4:
		spec.Action, spec.Status = AcceptThen, pick(rng, []int{500, 502, 503, 504})
	case 5, 6:
		spec.Action, spec.Status = Refuse, pick(rng, []int{500, 502, 503, 504})
	case 7:
		spec.Action, spec.Status, spec.RetryAfter = Refuse, 429, short
	case 8:
		spec.Action, spec.Duration = Delay, short
	default:
		spec.Action, spec.Duration = Lag, short
	}
}

func takesCrate(operation string) bool {
	for _, w := range registryOperations {
		if w.name == operation {
			return w.takes == "CRATE"
		}
	}
	return false
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

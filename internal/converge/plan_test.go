package converge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tagboat/tagboat/internal/converge"
)

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		plan string
		want []string // parts of the error; none is a good plan
	}{
		"empty":         {"", nil},
		"chain":         {"a; b a; c b", nil},
		"later need":    {"a b; b", nil},
		"same need":     {"a; b a a", nil},
		"twice":         {"a; b; a", []string{`steps 1 and 3`, `"a"`}},
		"unknown":       {"a x", []string{`step "a" needs "x"`, "not in the plan"}},
		"both findings": {"a x; a", []string{"same key", "not in the plan"}},
		"itself":        {"a a", []string{"a -> a"}},
		"ring":          {"a; b a d; c b; d c; e d", []string{"b -> d -> c -> b"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := plan(test.plan).Check()
			if (err == nil) != (test.want == nil) {
				t.Fatalf("Check() = %v, want an error with %q", err, test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Check() = %q, want it to contain %q", err, part)
				}
			}
		})
	}
}

func TestCheckEmptyKey(t *testing.T) {
	p := converge.Plan{Steps: []converge.Step{{Key: "a"}, {}}}
	if err := p.Check(); err == nil || err.Error() != "step 2 of the plan has no key" {
		t.Errorf("Check() = %v", err)
	}
}

func TestCycleErrorKeys(t *testing.T) {
	var cycle *converge.CycleError
	if err := plan("a c; b a; c b").Check(); !errors.As(err, &cycle) {
		t.Fatalf("Check() = %v, want a *CycleError", err)
	}
	if diff := cmp.Diff([]string{"a", "c", "b", "a"}, cycle.Keys); diff != "" {
		t.Error(diff)
	}
}

// plan reads steps as "key@lane need need; key need".
func plan(text string) converge.Plan {
	var p converge.Plan
	for line := range strings.SplitSeq(text, ";") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		key, lane, _ := strings.Cut(words[0], "@")
		p.Steps = append(p.Steps, converge.Step{Key: key, Kind: "test", Lane: lane, Needs: words[1:]})
	}
	return p
}

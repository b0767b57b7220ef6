package converge_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
)

// An error marked with Again lets the step be tried again; Halt lets no other step start and leaves the run to a person.
func TestMarkedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("cut")
		calls := 0
		r := converge.Runner{Attempts: 3, Parallel: 1, Do: func(_ context.Context, s converge.Step) (converge.Outcome, error) {
			calls++
			if calls == 1 {
				return converge.Outcome{}, converge.Again(cause)
			}
			return converge.Outcome{}, converge.Halt(problem.Error{Summary: "no further"})
		}}
		res := r.Run(t.Context(), converge.Plan{Steps: []converge.Step{{Key: "a"}, {Key: "b"}}})
		if calls != 2 || res.Outcome().Verdict != converge.VerdictStopped {
			t.Errorf("%d calls, verdict %s", calls, res.Outcome().Verdict)
		}
		var p *problem.Error
		if !errors.As(res.Err(), &p) || p.Kind != problem.Stopped || p.Summary != "no further" {
			t.Errorf("got %v", res.Err())
		}
		if err := converge.Again(cause); !errors.Is(err, cause) || err.Error() != "cut" {
			t.Errorf("got %v", err)
		}
	})
}

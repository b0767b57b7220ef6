package manual

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/problem"
)

// TestExplain holds what is said of an error that ended a command, while it ran on and after it was interrupted.
func TestExplain(t *testing.T) {
	signal := errors.New("interrupt signal received")
	known := &problem.Error{Summary: "known"}
	caused := &problem.Error{Summary: "caused", Err: fmt.Errorf("start a program: %w", signal)}
	for name, tt := range map[string]struct {
		err         error
		running     string
		interrupted string
	}{
		"wrong call":  {errors.New("unknown flag: --x"), "unknown flag: --x", "the run was interrupted"},
		"plain":       {errors.New("git: killed"), "", "the run was interrupted"},
		"known":       {known, "known", "known"},
		"by a signal": {caused, "caused", "the run was interrupted"},
		"cancelled":   {fmt.Errorf("read: %w", context.Canceled), "", "the run was interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancelCause(t.Context())
			defer interrupt(nil)
			cmd := &cobra.Command{Use: "do THIS"}
			(&cobra.Command{Use: "tagboat"}).AddCommand(cmd)
			cmd.SetContext(ctx)
			for _, want := range []string{tt.running, tt.interrupted} {
				var got string
				if all := problem.All(Explain(cmd, tt.err)); len(all) > 0 {
					got = all[0].Summary
				}
				if got != want {
					t.Errorf("interrupted %v: got %q, want %q", ctx.Err() != nil, got, want)
				}
				interrupt(signal)
			}
		})
	}
}

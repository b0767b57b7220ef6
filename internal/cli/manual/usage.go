package manual

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/problem"
)

// Explain makes a problem of an error that ended cmd that no person should read as it is: what cobra says of a wrong command
// line, with how cmd is called, and whatever an interruption made fail. Any other error stays.
func Explain(cmd *cobra.Command, err error) error {
	known, ctx := len(problem.All(err)) > 0, cmd.Context()
	switch {
	case ctx != nil && ctx.Err() != nil && (!known || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return &problem.Error{Kind: problem.Failed, Summary: "the run was interrupted", Hint: "run it again"}
	case known, !isUsage(err):
		return err
	}
	p := &problem.Error{Kind: problem.Usage, Summary: err.Error(), Hint: "tagboat --help lists the commands and their flags"}
	if cmd.HasParent() {
		p.Detail, p.Hint = "usage: "+cmd.UseLine(), cmd.CommandPath()+" --help lists its flags, with examples"
	}
	return p
}

// Named refuses a flag that names a tag, a branch or a commit and is empty: where it came from a variable that is not set,
// the command would do something else than was meant.
func Named(cmd *cobra.Command, _ []string) error {
	for _, name := range []string{"tag", "branch", "commit"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.Type() == "string" && f.Value.String() == "" {
			return &problem.Error{Kind: problem.Usage, Summary: "--" + name + " is empty", Hint: "is a variable not set? Name the " + name + ", or leave the flag out"}
		}
	}
	return nil
}

// isUsage recognises a wrong command line: cobra has no type for it.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "invalid argument", "flag needs an argument", "accepts ", "required flag", "requires at", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

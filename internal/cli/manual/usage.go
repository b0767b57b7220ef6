package manual

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/problem"
)

// Usage makes a problem of what cobra says of a wrong command line, with how cmd is called. Any other error stays as it is.
func Usage(cmd *cobra.Command, err error) error {
	if len(problem.All(err)) > 0 || !isUsage(err) {
		return err
	}
	p := &problem.Error{Kind: problem.Usage, Summary: err.Error(), Hint: "tagboat --help lists the commands and their flags"}
	if cmd.HasParent() {
		p.Detail, p.Hint = "usage: "+cmd.UseLine(), cmd.CommandPath()+" --help lists its flags, with examples"
	}
	return p
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

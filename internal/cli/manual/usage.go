package manual

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
)

// Explain makes a problem of an error that ended cmd that no person should read as it is: what cobra says of a wrong command
// line, with how cmd is called, a full disk, and whatever an interruption made fail. Any other error stays.
func Explain(cmd *cobra.Command, err error) error {
	err = disk.Explain(err)
	known, ctx := len(problem.All(err)) > 0, cmd.Context()
	switch {
	case ctx != nil && ctx.Err() != nil && (!known || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return &problem.Error{Kind: problem.Failed, Summary: "the run was interrupted", Hint: "run it again"}
	case known, !isUsage(err):
		return err
	}
	p := &problem.Error{Kind: problem.Usage, Summary: exclusive(err.Error()), Hint: "tagboat --help lists the commands and their flags"}
	if cmd.HasParent() {
		p.Detail, p.Hint = "usage: "+cmd.UseLine(), cmd.CommandPath()+" --help lists its flags, with examples"
	}
	return p
}

// exclusive says in few words what cobra says of flags that exclude each other.
func exclusive(text string) string {
	_, given, found := strings.Cut(text, "none of the others can be; [")
	if names := strings.Fields(strings.TrimSuffix(given, "] were all set")); found && len(names) > 1 {
		return "--" + strings.Join(names, " and --") + " exclude each other"
	}
	return text
}

// Values refuses flags and arguments that mean nothing as they are given. An argument, or a flag that names a tag, a branch
// or a commit, that is empty came from a variable that is not set, and the command would do something else than was meant;
// a number or a duration below zero, or of zero where nothing would happen, is a slip; so is a repository that is no folder.
func Values(cmd *cobra.Command, args []string) error {
	if strings.HasPrefix(cmd.Name(), "__") {
		return nil // a shell asks what could be typed
	}
	if slices.Contains(args, "") && cmd.Name() != "run" { // whose arguments are another program's
		return &problem.Error{Kind: problem.Usage, Summary: "an argument is empty", Detail: "usage: " + cmd.UseLine(), Hint: "is a variable not set?"}
	}
	var folders []string
	if f := cmd.Flags().Lookup("directory"); f != nil && f.Changed {
		folders = append(folders, f.Value.String())
	}
	if cmd.Name() == "rehearse" {
		folders = append(folders, args...)
	}
	for _, path := range folders {
		if err := isFolder(path); err != nil {
			return err
		}
	}
	for _, name := range []string{"tag", "branch", "commit", "from"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.Type() == "string" && f.Value.String() == "" {
			return &problem.Error{Kind: problem.Usage, Summary: "--" + name + " is empty", Hint: "is a variable not set? Give it a value, or leave the flag out"}
		}
	}
	var wrong error
	storm := cmd.Flags().Changed("storm")
	cmd.Flags().Visit(func(f *pflag.Flag) {
		kind, value := f.Value.Type(), f.Value.String()
		if !storm && strings.HasPrefix(f.Usage, "with --storm:") {
			wrong = &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--%s is for --storm", f.Name), Hint: "give both, or neither"}
		}
		if wrong != nil || kind != "int" && kind != "duration" {
			return
		}
		least := "0 or more"
		if slices.Contains([]string{"storm", "parallel", "since"}, f.Name) {
			least = "more than 0"
		}
		if zero := value == "0" || value == "0s"; strings.HasPrefix(value, "-") || zero && least == "more than 0" {
			wrong = &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--%s cannot be %s", f.Name, value), Hint: "it is " + least}
		}
	})
	return wrong
}

// isFolder refuses what is no folder where a repository is wanted.
func isFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("there is no folder %q", path), Err: err, Hint: "name the folder of the repository"}
	case !info.IsDir():
		return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%q is not a folder", path), Hint: "name the folder of the repository"}
	}
	return nil
}

// Complete gives the commands that the command line library adds, help and completion, an answer to names that there are
// not: without it they print help and succeed.
func Complete(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && len(rest) == 0 {
					return nil
				}
				return noCommand(found, args[len(args)-max(1, len(rest)):])
			}
		case "completion":
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return noCommand(c, args)
				}
				return c.Help()
			}
		}
	}
}

// noCommand says what there is below a command that lacks the one of that name.
func noCommand(c *cobra.Command, names []string) error {
	var known []string
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			known = append(known, below.Name())
		}
	}
	p := &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s has no command %q", c.CommandPath(), names[0]), Hint: "it has " + strings.Join(known, ", ")}
	if len(known) == 0 {
		p.Hint = c.CommandPath() + " --help explains it"
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

// Package cli is the command line: commands, flags, streams, exit codes. It wires the adapters to the lines of business
// and decides nothing about releases.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/access"
	"github.com/tagboat/tagboat/internal/cli/depot"
	"github.com/tagboat/tagboat/internal/cli/manual"
	"github.com/tagboat/tagboat/internal/cli/prepare"
	"github.com/tagboat/tagboat/internal/cli/screen"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
	"github.com/tagboat/tagboat/internal/render/progress"
	"github.com/tagboat/tagboat/internal/secret"
)

// Version is the release of this binary; a build from a checkout says "devel".
var Version = "devel"

// Streams are the process's own.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one call of the program.
type app struct {
	env     map[string]string
	streams Streams
	plain   Streams // without the masker, for what hands a token on: to cargo, to a runner's own mask
	masker  *secret.Masker
	json    bool
	noColor bool
	quiet   bool
	dir     string
	code    int
	warned  sync.Map // sentences that were said
}

// Main runs one command and returns its exit code: 0 reached, 1 failed, 2 stopped, 3 waiting, 64 usage. env is what
// os.Environ returns.
func Main(ctx context.Context, args, env []string, s Streams) int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // who stops reading (| head) ends no run halfway: the write fails
	a := &app{env: map[string]string{}, masker: &secret.Masker{}}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		a.env[k] = v
	}
	a.hideSecrets()
	a.plain = s
	if len(args) == 1 && args[0] == "--cargo-plugin" { // as cargo starts its credential providers
		args = []string{"credential", "--cargo-plugin"}
	}
	out, errs := a.masker.Writer(s.Out), a.masker.Writer(s.Err)
	a.streams = Streams{In: s.In, Out: out, Err: errs}
	defer flush(out, errs)
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(out)
	root.SetErr(errs)
	if cmd, err := root.ExecuteContextC(ctx); err != nil {
		if end := slices.Index(args, "--"); end >= 0 {
			args = args[:end] // what follows is for the command that tagboat run starts
		}
		a.json = a.json || slices.Contains(args, "--json") // a wrong command line may have ended the parsing before it
		return a.fail(cmd, err)
	}
	return a.code
}

func flush(writers ...io.Writer) {
	for _, w := range writers {
		if f, ok := w.(interface{ Flush() error }); ok {
			f.Flush()
		}
	}
}

// fail renders an error that ended a command before it had a report.
func (a *app) fail(cmd *cobra.Command, err error) int {
	err = manual.Explain(cmd, err)
	if a.json {
		render.JSON(a.streams.Out, release.ErrorReport(strings.TrimPrefix(cmd.CommandPath(), "tagboat "), err))
	}
	fmt.Fprint(a.streams.Err, render.Error(a.style(a.streams.Err), err))
	if errors.Is(err, context.Canceled) {
		return problem.ExitFailed
	}
	return problem.ExitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tagboat",
		Short: "From a tag to published crates",
		Long: `Tagboat takes a Rust repository from a tag push to published crates.

Start with a rehearsal: the whole release of your own repository, with nothing outside this machine.

  tagboat rehearse

Then let it look at the real world without writing anything:

  GITHUB_TOKEN=... tagboat plan --tag v0.4.0`,
		SilenceErrors: true, SilenceUsage: true, Version: version(), PersistentPreRunE: manual.Values,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON document on stdout; what people read goes to stderr")
	flags.BoolVar(&a.noColor, "no-color", a.env["NO_COLOR"] != "", "no colours (also by NO_COLOR)")
	flags.BoolVarP(&a.quiet, "quiet", "q", a.env["CI"] != "", "one line for each finished step (the default where CI is set)")
	flags.StringVarP(&a.dir, "directory", "C", ".", "the repository")
	root.AddCommand(a.rehearseCommand(), a.planCommand(), a.checkCommand(), a.packageCommand(), a.releaseCommand(), a.verifyCommand(), a.rollingCommand(), a.reconcileCommand(), a.redistCommand(), a.tokenCommand(), a.configCommand())
	root.AddCommand(access.Commands(a.desk, &a.code)...)
	root.AddCommand(a.prepare().Commands()...)
	manual.Complete(root)
	return root
}

// prepare is what the commands for the time before a tag need of this one.
func (a *app) prepare() *prepare.Edge {
	return &prepare.Edge{
		Env: a.env, Dir: func() string { return a.dir }, Say: a.say, Token: a.githubToken, Show: a.show, Finish: a.finish, Print: a.print,
		NotRepository: func(err error) error { return notRepository(err, a.dir) },
		Forge: func(ctx context.Context, repo *git.Repo, repository, apiURL string) (*forge.Client, error) {
			return a.forge(ctx, repo, target{repository: repository, apiURL: apiURL})
		},
	}
}

// print prints a report in words of its own.
func (a *app) print(r *release.Report, text func(render.Style) string) error {
	a.code = r.ExitCode()
	out := a.streams.Out
	if a.json {
		if err := render.JSON(out, r); err != nil {
			return err
		}
		out = a.streams.Err
	}
	_, err := fmt.Fprint(out, text(a.style(out)))
	return err
}

func version() string {
	v := Version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " " + release.Short(s.Value)
			}
		}
	}
	return v
}

// style is how a stream is written to: colours on a terminal only.
func (a *app) style(w io.Writer) render.Style {
	columns, _ := screen.Size()
	return render.Style{Color: screen.Live(a.env["TERM"]) && !a.noColor, Width: columns}
}

// progress draws runs on stderr.
func (a *app) progress() *screen.Progress {
	p := &screen.Progress{Err: a.streams.Err, Manner: progress.Lines, Style: a.style(a.streams.Err), Talk: a.say}
	switch {
	case a.quiet:
		p.Manner = progress.Quiet
	case screen.Live(a.env["TERM"]):
		p.Manner = progress.Live
	}
	return p
}

// Reference returns docs/commands.md: every command with its flags, the exit codes, the environment.
func Reference() string { return manual.Reference((&app{env: map[string]string{}}).root()) }

// say writes a sentence, or a few lines, for people.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.streams.Err, plain.Block(fmt.Sprintf(format, args...)))
}

// warn says a sentence the first time only: a registry's client warns with every request.
func (a *app) warn(sentence string) {
	if _, again := a.warned.LoadOrStore(sentence, true); !again {
		a.say("%s", sentence)
	}
}

// finish renders a report, sets the exit code and writes the job summary where GitHub Actions asks for one.
func (a *app) finish(r *release.Report) error {
	a.code = r.ExitCode()
	if a.json {
		if err := render.JSON(a.streams.Out, r); err != nil {
			return err
		}
		fmt.Fprint(a.streams.Err, render.Report(a.style(a.streams.Err), *r))
		return nil
	}
	_, err := fmt.Fprint(a.streams.Out, render.Report(a.style(a.streams.Out), *r))
	return err
}

// summary writes the report as Markdown to a file, for people who look at it in a browser.
func summary(path string, r *release.Report, masker *secret.Masker) error {
	if path == "" || r == nil {
		return nil
	}
	return depot.Summary(path, masker.Mask(render.Markdown(*r)))
}

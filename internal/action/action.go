package action

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cli"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/secret"
)

// reportName is the report's file in the workspace. It is there, and not in the runner's temporary folder, because a
// path in a container's temporary folder means nothing to the steps that follow.
const reportName = "tagboat-report.json"

// nothing is the outcome where the event asks for nothing.
const nothing = "nothing"

// step is one step of a job.
type step struct {
	env     map[string]string
	runner  *runner
	streams cli.Streams
	token   string // for GitHub
}

// Main runs the step that the environment describes and returns its exit code, one of problem's: anything but 0 turns
// the step red.
func Main(ctx context.Context, environ []string, streams cli.Streams) (code int) {
	s := &step{env: map[string]string{}, streams: streams}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		s.env[name] = value
	}
	masker := &secret.Masker{}
	for _, name := range masker.Environ(s.env) {
		os.Unsetenv(name) // no child inherits it
	}
	s.runner = newRunner(s.env, streams.Out, masker)
	defer s.runner.flush()
	defer func() {
		if p := recover(); p != nil {
			s.say("%v\n%s", p, debug.Stack())
			code = s.tell(ctx, Event{}, "", crashed(p))
		}
	}()
	in, event, call, err := s.decide()
	if err != nil {
		r := release.ErrorReport("action", err)
		fmt.Fprint(s.runner.out, render.Error(render.Style{Width: 120}, err))
		s.tell(ctx, event, "", result{report: r})
		return problem.ExitCode(err)
	}
	if call.Args == nil {
		s.say("Nothing to do: %s.", call.Why)
		return s.tell(ctx, event, "", result{report: release.Report{Schema: release.ReportSchema, Command: "action", Outcome: nothing}})
	}
	results := []result{s.call(ctx, in, call)}
	for _, next := range call.Then {
		results = append(results, s.call(ctx, in, next))
	}
	if !in.Comment || call.Args[0] != "check" {
		event.PullRequest = 0
	}
	return s.tell(ctx, event, call.Args[0], results...)
}

// decide reads what there is to go by.
func (s *step) decide() (in Inputs, e Event, c Call, err error) {
	if in, err = readInputs(s.runner.gha.GetInput); err != nil {
		return
	}
	if s.token = in.Token; s.token == "" {
		s.token = s.env["GITHUB_TOKEN"]
	}
	if !filepath.IsLocal(in.Directory) {
		return in, e, c, wrongInput("working-directory", in.Directory, "it is a folder within the workspace")
	}
	if e, err = readEvent(s.env); err != nil {
		return
	}
	cfg, err := s.config(in.Directory)
	if err == nil {
		for _, r := range cfg.Registries {
			if value := s.env[r.TokenEnv]; r.TokenEnv != "" && value != "" {
				s.runner.hide(value)
				os.Unsetenv(r.TokenEnv) // no child inherits it
			}
		}
		c, err = Decide(in, e, cfg)
	}
	return in, e, c, err
}

// config reads tagboat.toml of the workspace, which is only asked what the event means: what holds for a release is
// what its commit says.
func (s *step) config(dir string) (config.Config, error) {
	root, err := os.OpenRoot(filepath.Join(s.workspace(), dir))
	if err != nil {
		return config.Config{}, &problem.Error{Kind: problem.Usage, Summary: "there is no checkout to work on", Err: err, Hint: "actions/checkout comes before this step"}
	}
	defer root.Close()
	f, err := root.Open(config.File)
	if errors.Is(err, fs.ErrNotExist) {
		return config.Default(), nil
	}
	if err != nil {
		return config.Config{}, fmt.Errorf("read %s: %w", config.File, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	if err != nil {
		return config.Config{}, fmt.Errorf("read %s: %w", config.File, err)
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, err
}

func (s *step) workspace() string {
	if dir := s.env["GITHUB_WORKSPACE"]; dir != "" {
		return dir
	}
	return "."
}

// result is what a command left: its document, what of it this program understands, and its exit code.
type result struct {
	document []byte
	report   release.Report
	code     int
}

// call runs the command line. Everything that it prints is text of strangers to the runner.
func (s *step) call(ctx context.Context, in Inputs, c Call) result {
	args := append([]string{"--json", "--no-color", "-C", filepath.Join(s.workspace(), in.Directory)}, c.Args...)
	s.runner.gha.Group("tagboat " + clean(strings.Join(c.Args, " ")))
	s.say("Why: %s.", c.Why)
	s.say("The same by hand: %s", clean(commandLine(c.Args)))
	s.runner.gha.EndGroup()
	var out bytes.Buffer
	var code int
	s.runner.quietly(func() {
		code = cli.Main(ctx, args, s.childEnv(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: s.runner.out})
	})
	res := result{document: out.Bytes(), code: code}
	if err := json.Unmarshal(out.Bytes(), &res.report); err != nil {
		res.document, res.report = nil, release.ErrorReport(c.Args[0], fmt.Errorf("the command left no report: %w", err))
	}
	return res
}

// childEnv is the environment of the command: that of the step without what only a runner's step has.
func (s *step) childEnv() []string {
	var out []string
	for name, value := range s.env {
		switch {
		case strings.HasPrefix(name, "INPUT_"), name == "GITHUB_STEP_SUMMARY", name == "GITHUB_OUTPUT", name == "GITHUB_TOKEN":
		default:
			out = append(out, name+"="+value)
		}
	}
	return append(out, "GITHUB_TOKEN="+s.token, "CI=true")
}

// commandLine is how a person types the arguments into a shell.
func commandLine(args []string) string {
	words := []string{"tagboat"}
	for _, a := range args {
		if strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=/.,:+@") != "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

func crashed(p any) result {
	err := &problem.Error{Kind: problem.Failed, Summary: "Tagboat itself failed", Detail: fmt.Sprint(p), Hint: "re-run the job, and report it with the log: https://github.com/tagboat/tagboat/issues"}
	return result{report: release.ErrorReport("action", err), code: problem.ExitFailed}
}

// urgency are the exit codes, the one that a step ends with before those that it hides.
var urgency = []int{problem.ExitUsage, problem.ExitStopped, problem.ExitFailed, problem.ExitWaiting, problem.ExitDone}

// worst is the result that the step ends with.
func worst(results []result) result {
	return slices.MinFunc(results, func(a, b result) int { return slices.Index(urgency, a.code) - slices.Index(urgency, b.code) })
}

// tell says everywhere what came of the step, and returns its exit code. The outputs and the report are those of its first
// command, the outcome is that of the worst. What cannot be said somewhere changes nothing about what was done, so it is
// only warned of.
func (s *step) tell(ctx context.Context, e Event, command string, results ...result) int {
	res, end := results[0], worst(results)
	outputs := outputsOf(res.report)
	outputs.Outcome = end.report.Outcome
	var warnings []annotation
	warn := func(err error) {
		if err != nil {
			warnings = append(warnings, annotation{kind: "warning", title: "Tagboat", text: err.Error()})
		}
	}
	if res.document != nil {
		err := s.keep(res.document)
		warn(err)
		if err == nil {
			outputs.Report = reportName
		}
	}
	warn(s.runner.output(outputs.pairs()))
	var notes []annotation
	for _, one := range results {
		if one.report.Outcome != nothing {
			warn(s.runner.summary(render.Markdown(one.report)))
		}
		notes = append(notes, annotationsOf(one.report)...)
	}
	if e.PullRequest != 0 && command == "check" {
		s.discuss(ctx, e.PullRequest, res.report)
	}
	s.runner.annotate(append(notes, warnings...))
	return end.code
}

// keep writes the report into the workspace, as a file of whoever owns that. A link that lies in its place is replaced,
// never followed.
func (s *step) keep(document []byte) error {
	root, err := os.OpenRoot(s.workspace())
	if err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}
	defer root.Close()
	name := "." + reportName + "." + nonce()
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}
	_, err = f.Write([]byte(s.runner.masker.Mask(string(document))))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = s.giveAway(root, name)
	}
	if err == nil {
		err = root.Rename(name, reportName)
	}
	if err != nil {
		root.Remove(name)
		return fmt.Errorf("keep the report: %w", err)
	}
	return nil
}

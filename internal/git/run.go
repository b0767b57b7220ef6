package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
)

// Error is a git command that did not succeed. Exit is -1 where it could not be started or was killed; Err holds the
// cause then, and ctx.Err() where the context ended it. Args is without the program's name and holds no credential.
type Error struct {
	Args   []string
	Exit   int
	Stderr string
	Err    error
}

// Error returns the command and the last lines of its error output.
func (e *Error) Error() string {
	s := "git " + strings.Join(e.Args, " ")
	if e.Exit >= 0 {
		s += fmt.Sprintf(": exit status %d", e.Exit)
	}
	if text := strings.TrimSpace(e.Stderr); text != "" {
		return s + ": " + text
	}
	if e.Err != nil && e.Exit < 0 {
		return s + ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// exitCode returns the exit status of a failed git command, 0 for no error, -1 for any other error.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Exit
	}
	return -1
}

// settings override what the repository's own configuration says, for every command. Nothing in a repository may
// start a program, ask a question or reach a network on our behalf.
var settings = [][2]string{
	{"core.hooksPath", os.DevNull},
	{"core.fsmonitor", "false"},
	{"core.untrackedCache", "false"},
	{"core.sshCommand", "false"},
	{"core.askPass", ""},
	{"core.pager", "cat"},
	{"core.editor", "false"},
	{"core.quotePath", "false"},
	{"core.autocrlf", "false"},
	{"core.attributesFile", os.DevNull},
	{"core.excludesFile", os.DevNull},
	{"core.alternateRefsCommand", "false"},
	{"core.logAllRefUpdates", "false"},
	{"credential.helper", ""},
	{"diff.external", ""},
	{"init.templateDir", ""},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"commit.gpgSign", "false"},
	{"tag.gpgSign", "false"},
	{"gpg.program", "false"},
	{"log.showSignature", "false"},
	{"submodule.recurse", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"fetch.writeCommitGraph", "false"},
	{"protocol.allow", "never"},
	{"protocol.ext.allow", "never"},
}

// passed are the variables of our own environment that git gets, where set: to find itself and its temporary folder.
var passed = []string{"PATH", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "SystemRoot", "ComSpec", "PATHEXT"}

// passedToNetwork are passed too where a command may use the network.
var passedToNetwork = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy",
	"ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"}

// command is one call of git.
type command struct {
	dir       string
	args      []string
	stdin     []byte
	from      io.Reader   // instead of stdin
	to        io.Writer   // takes the output instead of the caller
	env       []string    // further variables
	config    [][2]string // further settings, last one wins
	protocols string      // transports it may use, like "file" or "http:https"; "" for none
}

// git runs a command in the repository and returns its standard output.
func (r *Repo) git(ctx context.Context, args ...string) (string, error) {
	out, err := r.run(ctx, command{args: args})
	return string(out), err
}

// Exec runs git for the packages below this one, with further settings, and returns its standard output. Its error is an
// *Error. Nothing that it is given may come from outside unchecked.
func (r *Repo) Exec(ctx context.Context, config [][2]string, args ...string) (string, error) {
	out, err := r.run(ctx, command{args: args, config: config})
	return string(out), err
}

func (r *Repo) run(ctx context.Context, c command) ([]byte, error) {
	c.dir = r.Dir
	if r.fleeting {
		c.config = append(c.config[:len(c.config):len(c.config)], [2]string{"core.fsync", "none"})
	}
	if r.separate {
		c.env = append(c.env[:len(c.env):len(c.env)], "GIT_WORK_TREE="+r.Dir)
	}
	return c.run(ctx)
}

func (c command) run(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", c.args...)
	cmd.Dir = c.dir
	cmd.Env = c.environment()
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.stdin), &stdout, &limited{to: &stderr}
	if c.from != nil {
		cmd.Stdin = c.from
	}
	if c.to != nil {
		cmd.Stdout = c.to
	}
	err := cmd.Run()
	if err == nil {
		return stdout.Bytes(), nil
	}
	e := &Error{Args: c.args, Exit: -1, Stderr: strings.TrimSpace(stderr.String()), Err: err}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		e.Exit = exit.ExitCode()
	}
	switch full := strings.Contains(e.Stderr, "No space left on device") || strings.Contains(e.Stderr, "Out of diskspace"); {
	case ctx.Err() != nil:
		e.Exit, e.Err = -1, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		e.Err = &problem.Error{Kind: problem.Failed, Summary: "the program git is not installed", Err: err, Hint: "install git, or put its folder into PATH"}
	case full:
		e.Err = &problem.Error{Kind: problem.Failed, Summary: "the disk is full", Detail: "git " + c.args[0] + " could not write", Err: err, Hint: "free disk space, or point TMPDIR at a larger file system, and run again"}
	}
	return nil, e
}

// environment builds the command's environment from nothing. HOME is not set, so there is no user configuration, no
// .netrc and no SSH key to find.
func (c command) environment() []string {
	env := []string{
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_LITERAL_PATHSPECS=1",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(c.dir), // never take a repository further up for this one
		"GIT_ALLOW_PROTOCOL=" + protocolList(c.protocols),
	}
	names := passed
	if strings.Contains(c.protocols, "http") {
		names = append(names[:len(names):len(names)], passedToNetwork...)
	}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	config := append(settings[:len(settings):len(settings)], [2]string{"safe.directory", c.dir})
	config = append(config, c.config...)
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
	for i, kv := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return append(env, c.env...)
}

// protocolList is a value of GIT_ALLOW_PROTOCOL; an empty one would allow git's defaults.
func protocolList(protocols string) string {
	if protocols == "" {
		return "none"
	}
	return protocols
}

// limited keeps the first 64 KiB of an error output and drops the rest.
type limited struct{ to *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.to.Write(p[:min(len(p), max(0, 64<<10-l.to.Len()))])
	return len(p), nil
}

// fields0 splits output that ends every entry with a NUL.
func fields0(out string) []string {
	out = strings.TrimSuffix(out, "\x00")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\x00")
}

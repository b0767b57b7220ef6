package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tagboat/tagboat/internal/acceptance/cargodeny"
	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/action"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/cli"
	"github.com/tagboat/tagboat/internal/rehearsal/githubid"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
)

func TestMain(m *testing.M) {
	zone.Main() // a child of the build zone does not come back from here
	testscript.Main(m, map[string]func(){"tagboat": main, "cargo-deny": cargodeny.Main})
}

// main is cmd/tagboat, with the limit that a script may set on the size of files.
func main() {
	if text := os.Getenv("LIMIT_FILE_SIZE"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil {
			signal.Ignore(syscall.SIGXFSZ)
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	var code int
	if len(os.Args) == 2 && os.Args[1] == "action" {
		code = action.Main(ctx, os.Environ(), streams)
	} else {
		code = cli.Main(ctx, os.Args[1:], os.Environ(), streams)
	}
	stop()
	os.Exit(code)
}

// Each script is a case; a new one needs no Go. Beside testscript's own commands there are
//
//	run CODE ARGS...   tagboat in $WORK, which must end with that exit code; no output may hold a token
//	step CODE EVENT REF [NAME=VALUE]...   a step of a job, as the runner starts the container: inputs are NAME=VALUE, the
//	                   payload is event.json; afterwards there are output and summary.md, and stdout lacks the masks
//	world ...          the outside world, see the table in this file
//	git ARGS...        git in the checkout, with a fixed identity
//	json FILE EXPR WANT   one value of a JSON document fits a pattern: .problems[0].summary
//	documents FILE     it is exactly one JSON document with a schema
//	terminal CODE ARGS...   run with a terminal; what it shows is stdout
//	disk [KIB]         a full disk for the runs that follow
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"run": run, "step": jobStep, "world": world, "git": git, "json": jsonValue, "documents": documents, "terminal": terminal, "disk": disk,
		},
	})
}

type stateKey struct{}

// state is what the commands of one script share.
type state struct {
	world *outside.World
	mark  string // fingerprint of the world after the last change by the script
	holds []*outside.Hold

	internet *outside.Internet
}

// secretMark is in every token of a script's world, so that a leak is seen.
const secretMark = "-canary-6e1f0a"

func setup(e *testscript.Env) error {
	e.Values[stateKey{}] = &state{}
	home := os.Getenv("HOME")
	rustup := os.Getenv("RUSTUP_HOME")
	if rustup == "" {
		rustup = filepath.Join(home, ".rustup")
	}
	e.Setenv("RUSTUP_HOME", rustup)
	e.Setenv("RUSTUP_TOOLCHAIN", os.Getenv("RUSTUP_TOOLCHAIN"))
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("CI", "1")
	e.Setenv("NL", "\n")
	return underlay(filepath.Join("testdata", "demo"), filepath.Join(e.WorkDir, "demo"))
}

// underlay copies the files of src that dst lacks: a script's own files in demo/ come first.
func underlay(src, dst string) error {
	return filepath.WalkDir(src, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if _, err := os.Stat(to); err == nil {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}

func stateOf(ts *testscript.TestScript) *state { return ts.Value(stateKey{}).(*state) }

// run starts tagboat as a process of its own and holds its exit code and its silence about tokens.
func run(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: run CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	tagboat(ts, want, args[1:]...)
	silent(ts, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// tagboat runs the program, which must end with that exit code.
func tagboat(ts *testscript.TestScript, want int, args ...string) {
	err := ts.Exec("tagboat", args...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("tagboat %q: exit code %d, want %d", args, got, want)
	}
}

func setAll(ts *testscript.TestScript, env map[string]string) {
	for name, value := range env {
		ts.Setenv(name, value)
	}
}

// identity is the beginning of every token by which a job proves what it is: {"typ" or {"alg" in base64.
var identity = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10}`)

// silent holds that no text shows a token.
func silent(ts *testscript.TestScript, texts ...string) {
	for _, text := range texts {
		if strings.Contains(text, secretMark) || identity.MatchString(text) {
			ts.Fatalf("a token shows in %q", text)
		}
	}
}

// jobStep runs tagboat as a container of a step is started.
// https://docs.github.com/en/actions/reference/workflows-and-actions/variables
func jobStep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: step CODE EVENT REF [NAME=VALUE]...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": args[1], "GITHUB_REF": args[2], "GITHUB_EVENT_PATH": ts.MkAbs("event.json"),
		"GITHUB_OUTPUT": ts.MkAbs("output"), "GITHUB_STEP_SUMMARY": ts.MkAbs("summary.md"), "GITHUB_WORKSPACE": ts.Getenv("REPO"),
		"INPUT_GITHUB-TOKEN": ts.Getenv("GITHUB_TOKEN"),
	}
	for _, kv := range args[3:] {
		name, value, _ := strings.Cut(kv, "=")
		env["INPUT_"+strings.ToUpper(name)] = value
	}
	before := map[string]string{}
	for name, value := range env {
		before[name] = ts.Getenv(name)
		ts.Setenv(name, value)
	}
	for _, name := range []string{"output", "summary.md"} {
		ts.Check(os.WriteFile(ts.MkAbs(name), nil, 0o644))
	}
	tagboat(ts, want, "action")
	for name, value := range before {
		ts.Setenv(name, value)
	}
	var shown []string
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if !strings.HasPrefix(line, "::add-mask::") {
			shown = append(shown, line)
		}
	}
	report, err := os.ReadFile(filepath.Join(ts.Getenv("REPO"), "tagboat-report.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	silent(ts, strings.Join(shown, ""), ts.ReadFile("stderr"), ts.ReadFile("output"), ts.ReadFile("summary.md"), string(report))
	ts.Check(os.WriteFile(ts.MkAbs("log"), []byte(strings.Join(shown, "")), 0o644))
}

func git(ts *testscript.TestScript, neg bool, args []string) {
	s := stateOf(ts)
	if s.world == nil {
		ts.Fatalf("world start comes first")
	}
	if err := s.world.Git(context.Background(), args...); (err != nil) != neg {
		ts.Fatalf("git %q: %v", args, err)
	}
	remember(ts, s)
}

func remember(ts *testscript.TestScript, s *state) {
	var err error
	s.mark, err = s.world.Print(context.Background())
	ts.Check(err)
}

// worldCommands are the verbs of `world`, with the number of their arguments; -1 is any.
var worldCommands = map[string]struct {
	args int
	do   func(context.Context, *testscript.TestScript, *state, []string) error
}{
	// push REF...: to GitHub from the checkout, by force; FROM:TO works as with git
	"push": {-1, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.Push(ctx, a...)
	}},
	// tag NAME: made in the checkout at HEAD and pushed
	"tag": {1, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		if err := s.world.Git(ctx, "tag", "-f", "-a", "-m", a[0], a[0]); err != nil {
			return err
		}
		return s.world.Push(ctx, "refs/tags/"+a[0])
	}},
	// issue TITLE LABEL
	"issue": {2, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		s.world.GitHub.AddIssue(a[0], a[1])
		return nil
	}},
	// strangers-issue TITLE TEXT
	"strangers-issue": {2, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		s.world.GitHub.AddStrangersIssue(a[0], a[1])
		return nil
	}},
	// issues FILE: every issue with its text and what stands under it, into a file
	"issues": {1, func(_ context.Context, ts *testscript.TestScript, s *state, a []string) error {
		var b strings.Builder
		for _, i := range s.world.GitHub.Issues() {
			fmt.Fprintf(&b, "#%d %s: %s\n%s\n", i.Number, i.State, i.Title, i.Body)
			for _, c := range s.world.GitHub.Comments(i.Number) {
				fmt.Fprintf(&b, "comment: %s\n", c)
			}
		}
		silent(ts, b.String())
		return os.WriteFile(ts.MkAbs(a[0]), []byte(b.String()), 0o644)
	}},
	// environment NAME
	"environment": {1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		s.world.GitHub.Secrets().Environment(a[0])
		return nil
	}},
	// secret WHERE NAME VALUE [VISIBILITY [ID]...]: as somebody made it a month ago; WHERE is repository, environment:NAME, organization:NAME
	"secret": {-1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		x := githubtwin.Secret{Name: a[1], Value: a[2]}
		if len(a) > 3 {
			x.Visibility = a[3]
		}
		for _, text := range a[min(4, len(a)):] {
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return err
			}
			x.Selected = append(x.Selected, id)
		}
		if !s.world.GitHub.Secrets().Add(a[0], x) {
			return fmt.Errorf("there is no %s", a[0])
		}
		return nil
	}},
	// holds WHERE NAME VALUE: the secret, opened, holds this
	"holds": {3, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		if got := s.world.GitHub.Secrets().Held(a[0], a[1]); got.Value != a[2] {
			return fmt.Errorf("%s of %s holds %q, want %q", a[1], a[0], got.Value, a[2])
		}
		return nil
	}},
	// pull TITLE: a pull request, whose number is the next one
	"pull": {1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		s.world.GitHub.AddPullRequest(a[0])
		return nil
	}},
	// comment NUMBER TEXT: by a stranger
	"comment": {2, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		s.world.GitHub.AddComment(number, a[1])
		return err
	}},
	// comments NUMBER FILE: what stands under an issue or a pull request, into a file
	"comments": {2, func(_ context.Context, ts *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		if err != nil {
			return err
		}
		return os.WriteFile(ts.MkAbs(a[1]), []byte(strings.Join(s.world.GitHub.Comments(number), "\n=====\n")), 0o644)
	}},
	// pulls NUMBER FILE: what a pull request says, into a file
	"pulls": {2, func(_ context.Context, ts *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		if err != nil {
			return err
		}
		title, body, base, open := s.world.GitHub.Pull(number)
		return os.WriteFile(ts.MkAbs(a[1]), []byte(fmt.Sprintf("title %s\nbase %s %s\n%s", title, base, open, body)), 0o644)
	}},
	// offer TITLE HEAD BASE [LABEL]...: a pull request by somebody else
	"offer": {-1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		if len(a) < 3 {
			return errors.New("usage: world offer TITLE HEAD BASE [LABEL]...")
		}
		s.world.GitHub.OpenPull(a[0], a[1], a[2], a[3:]...)
		return nil
	}},
	// merge NUMBER: a pull request
	"merge": {1, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		if err == nil {
			_, err = s.world.GitHub.MergePull(ctx, number)
		}
		return err
	}},
	// label NUMBER [LABEL]...: these labels and no others
	"label": {-1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		s.world.GitHub.SetLabels(number, a[1:]...)
		return err
	}},
	// close NUMBER: a pull request, without merging it
	"close": {1, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		s.world.GitHub.ClosePull(ctx, number)
		return err
	}},
	// merged NUMBER REV: a pull request was merged by rebasing or squashing, as that commit of the checkout
	"merged": {2, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		number, err := strconv.Atoi(a[0])
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, "git", "-C", s.world.Checkout, "rev-parse", a[1]+"^{commit}").Output()
		s.world.GitHub.MergedAs(ctx, number, strings.TrimSpace(string(out)))
		return err
	}},
	// mark: what is there now counts as the script's own change
	"mark": {0, func(context.Context, *testscript.TestScript, *state, []string) error { return nil }},
	// publish REGISTRY CRATE VERSION [SOURCE]: bytes that are not the workspace's
	"publish": {-1, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		if len(a) < 3 || len(a) > 4 {
			return errors.New("usage: world publish REGISTRY CRATE VERSION [SOURCE]")
		}
		return s.world.Publish(ctx, a[0], a[1], a[2], append(a, "// somebody else's\n")[3])
	}},
	// lock REGISTRY FILE: a Cargo.lock that takes everything in a registry from crates.io
	"lock": {2, func(_ context.Context, ts *testscript.TestScript, s *state, a []string) error {
		text := "version = 4\n"
		for _, u := range s.world.Feeds[a[0]].Twin.Accepted() {
			text += fmt.Sprintf("\n[[package]]\nname = %q\nversion = %q\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = %q\n", u.Name, u.Version, u.SHA256)
		}
		return os.WriteFile(ts.MkAbs(a[1]), []byte(text), 0o644)
	}},
	// yank REGISTRY CRATE VERSION
	"yank": {3, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.Yank(ctx, a[0], a[1], a[2])
	}},
	// drop TAG ASSET
	"drop": {2, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.DropAsset(ctx, a[0], a[1])
	}},
	// swap TAG ASSET CRATE VERSION: other bytes under the same name
	"swap": {4, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		content, err := outside.MakeCrate(a[2], a[3], "// swapped\n")
		if err != nil {
			return err
		}
		return s.world.SwapAsset(ctx, a[0], a[1], content)
	}},
	// forge TAG ASSET: the bill tells the sum of what the draft holds, written by somebody without the credential
	"forge": {2, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.ForgeBill(ctx, a[0], a[1])
	}},
	// release TAG draft|public: an empty release, made by hand
	"release": {2, func(ctx context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.MakeRelease(ctx, a[0], a[1] == "draft")
	}},
	// stop REGISTRY
	"stop": {1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.StopFeed(a[0])
	}},
	// fault LINE...: in the words of docs/faults.md; none mends the world
	"fault": {-1, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.Fault(a...)
	}},
	// internet: crates.io, GitHub's issuer of identities and Entra by their real names, for the runs that follow
	"internet": {0, func(_ context.Context, ts *testscript.TestScript, s *state, _ []string) error {
		n, err := s.world.OpenInternet()
		if err == nil {
			s.internet = n
			setAll(ts, n.Env(githubid.Job{Unlicensed: true}))
		}
		return err
	}},
	// trust CRATE WORKFLOW ENVIRONMENT: a crate of crates.io trusts the repository's jobs; - is any environment
	"trust": {3, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		return s.world.Trust(a[0], a[1], strings.TrimPrefix(a[2], "-"))
	}},
	// job WORKFLOW ENVIRONMENT EVENT: the runs that follow have the identity of such a job; - is no environment
	"job": {3, func(_ context.Context, ts *testscript.TestScript, s *state, a []string) error {
		setAll(ts, s.internet.Env(githubid.Job{Repository: outside.Owner + "/" + s.world.Name, Workflow: a[0], Environment: strings.TrimPrefix(a[1], "-"), Event: a[2], Ref: "refs/heads/release/v1.0.0"}))
		return nil
	}},
	// hold SERVICE OPERATION: the next such call has its effect and gets no answer
	"hold": {2, func(_ context.Context, _ *testscript.TestScript, s *state, a []string) error {
		s.holds = append(s.holds, s.world.Hold(a[0], a[1]))
		return nil
	}},
	// held: waits until all holds were reached
	"held": {0, func(_ context.Context, _ *testscript.TestScript, s *state, _ []string) error {
		for _, h := range s.holds {
			select {
			case <-h.Reached:
			case <-time.After(time.Minute):
				return errors.New("a held call never came")
			}
		}
		return nil
	}},
	// show: prints refs, releases, assets, runs and uploads
	"show": {0, func(ctx context.Context, ts *testscript.TestScript, s *state, _ []string) error {
		text, err := s.world.Show(ctx)
		if err == nil {
			_, err = io.WriteString(ts.Stdout(), text)
		}
		return err
	}},
}

// world changes or shows the outside world. `world start FOLDER` comes first; `world unchanged` holds that nothing was
// written to it since the script's last own change.
func world(ts *testscript.TestScript, neg bool, args []string) {
	s := stateOf(ts)
	ctx := context.Background()
	switch {
	case (len(args) == 2 || len(args) == 3) && args[0] == "start":
		start(ts, s, ts.MkAbs(args[1]), registrytwin.Manners(strings.Join(args[2:], "")))
		return
	case s.world == nil:
		ts.Fatalf("world start FOLDER [MANNERS] comes first")
	case len(args) == 1 && args[0] == "unchanged":
		now, err := s.world.Print(ctx)
		ts.Check(err)
		if (now == s.mark) == neg {
			text, _ := s.world.Show(ctx)
			ts.Fatalf("the world was changed: %v\n%s", !neg, text)
		}
		return
	}
	c, ok := worldCommands[args[0]]
	if !ok || c.args >= 0 && c.args != len(args)-1 {
		ts.Fatalf("world %q: no such command or arguments; there are %q", args, slices.Sorted(maps.Keys(worldCommands)))
	}
	if err := c.do(ctx, ts, s, args[1:]); (err != nil) != neg {
		ts.Fatalf("world %q: %v", args, err)
	}
	if args[0] != "show" && args[0] != "held" && args[0] != "holds" && args[0] != "issues" {
		remember(ts, s)
	}
}

func start(ts *testscript.TestScript, s *state, folder string, manners registrytwin.Manners) {
	dir := filepath.Join(ts.Getenv("WORK"), ".world")
	ts.Check(os.MkdirAll(dir, 0o755))
	w, err := outside.Start(context.Background(), outside.Config{Workspace: folder, Dir: dir, Mark: secretMark, Manners: manners})
	ts.Check(err)
	ts.Defer(func() { w.Close() })
	s.world = w
	for name, value := range w.Env() {
		ts.Setenv(name, value)
	}
	ts.Setenv("GITHUB", w.URL)
	ts.Setenv("REPO", w.Checkout)
	for name, f := range w.Feeds {
		ts.Setenv("INDEX_"+name, f.Index)
	}
	remember(ts, s)
}

var step = regexp.MustCompile(`\.([a-z0-9_]+)|\[(\d+)\]`)

// jsonValue compares one value of a JSON document.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE EXPR WANT")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, m := range step.FindAllStringSubmatch(args[1], -1) {
		if o, ok := v.(map[string]any); ok && m[1] != "" {
			v = o[m[1]]
		} else if a, ok := v.([]any); ok && m[2] != "" {
			if n, _ := strconv.Atoi(m[2]); n < len(a) {
				v = a[n]
			} else {
				v = nil
			}
		} else {
			v = nil
		}
	}
	got := fmt.Sprint(v)
	if ok, err := regexp.MatchString("^(?s:"+args[2]+")$", got); err != nil || ok == neg {
		ts.Fatalf("json %s: got %q, want %q (%v)", args[1], got, args[2], err)
	}
}

// documents holds that a stream is exactly one JSON document.
func documents(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	n := 0
	for ; ; n++ {
		var v map[string]any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		if v["schema"] == nil {
			ts.Fatalf("a document without a schema")
		}
	}
	if (n == 1) == neg {
		ts.Fatalf("%d documents", n)
	}
}

// Every command says in its help how it is used.
func TestHelp(t *testing.T) {
	help := func(args ...string) string {
		var out strings.Builder
		if code := cli.Main(t.Context(), append(args, "--help"), nil, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}); code != 0 {
			t.Errorf("%q --help: exit code %d", args, code)
		}
		return out.String()
	}
	_, list, _ := strings.Cut(help(), "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	commands := 0
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		if name == "help" || name == "completion" {
			continue // the command line library's own
		}
		commands++
		if text := help(name); !strings.Contains(text, "Examples:\n  ") {
			t.Errorf("tagboat %s --help has no example:\n%s", name, text)
		}
	}
	if commands < 6 {
		t.Errorf("%d commands in the help:\n%s", commands, list)
	}
}

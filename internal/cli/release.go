package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/keys"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/credential"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/gate"
	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/commit"
	"github.com/tagboat/tagboat/internal/release/login"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
	"github.com/tagboat/tagboat/internal/secret"
)

// target is where a command works: flags that plan, release and verify share.
type target struct {
	tag, branch string
	commit      string
	repository  string
	apiURL      string
	uploadURL   string
	artifacts   []string
	packages    string
	toolchains  string
	detach      bool
	deadline    time.Duration
	summary     string
	readOnly    bool // nothing will be packaged
}

func (a *app) targetFlags(cmd *cobra.Command, t *target) {
	f := cmd.Flags()
	f.StringVar(&t.tag, "tag", "", "the release tag (first half: branch and dispatch; all of it where there is no release workflow)")
	f.StringVar(&t.commit, "commit", "", "with --tag: stop where the tag points at another commit than this")
	f.StringVar(&t.branch, "branch", "", "the release branch (second half: package, draft, publish, confirm, release)")
	f.StringVar(&t.repository, "repository", a.env["GITHUB_REPOSITORY"], "owner/name on GitHub (default: GITHUB_REPOSITORY, else the remote origin)")
	f.StringVar(&t.apiURL, "api-url", a.env["GITHUB_API_URL"], "GitHub's API (default: GITHUB_API_URL, else https://api.github.com)")
	f.StringVar(&t.uploadURL, "upload-url", "", "where GitHub takes release assets (default: follows from the API)")
	f.StringArrayVar(&t.artifacts, "artifacts", nil, "files and folders that become assets, as a glob; may be repeated")
	a.toolchainFlag(cmd, &t.toolchains)
}

var commitSHA = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// request is what the flags ask for.
func (t target) request() (release.Request, error) {
	r := release.Request{Tag: t.tag, Branch: t.branch, Commit: t.commit, Artifacts: t.artifacts, Detach: t.detach}
	switch {
	case t.tag != "" && t.branch != "":
		return r, &problem.Error{Kind: problem.Usage, Summary: "--tag and --branch exclude each other", Hint: "--tag goes from the tag to the started release workflow, --branch does what that workflow does"}
	case t.commit != "" && !commitSHA.MatchString(t.commit):
		return r, notCommit(t.commit)
	case t.tag == "" && t.branch == "":
		return r, &problem.Error{Kind: problem.Usage, Summary: "which release?", Hint: "give --tag v0.4.0, or --branch release/v0.4.0 inside the release workflow"}
	case t.tag != "":
		r.Half = release.First
	default:
		r.Half = release.Second
	}
	return r, nil
}

func (a *app) packagesFlag(cmd *cobra.Command, t *target) {
	cmd.Flags().StringVar(&t.packages, "packages", "", "take the .crate files from this `folder`, which tagboat package has filled, instead of packaging; neither git nor cargo is needed")
}

func (a *app) toolchainFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "toolchain-cache", "", "keep a toolchain that rust-toolchain.toml pins and that had to be installed in this folder, for later runs (default: a folder of RUNNER_TOOL_CACHE, where that is set; else nothing is kept)")
}

// toolchains is where installed toolchains are kept, "" where nowhere.
func (a *app) toolchains(dir string) string {
	if dir == "" {
		tools := a.env["RUNNER_TOOL_CACHE"] // a container has the variable, and not the folder
		if info, err := os.Stat(tools); tools == "" || err != nil || !info.IsDir() {
			return ""
		}
		dir = filepath.Join(tools, "tagboat")
	}
	return absolute(dir)
}

// sayOn says a sentence of unknown origin.
func (a *app) sayOn(sentence string) { a.say("%s", sentence) }

func notCommit(name string) error {
	return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--commit %q is no commit", name), Hint: "give all 40 hexadecimal digits"}
}

// world wires the real adapters. end must be called; it removes the run's scratch folder.
func (a *app) world(ctx context.Context, t target) (w observe.World, end func(), err error) {
	if t.packages != "" {
		return a.handedWorld(ctx, t)
	}
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return w, nil, notRepository(err, a.dir)
	}
	scratch, err := disk.Scratch(a.env["RUNNER_TEMP"])
	if err != nil {
		return w, nil, err
	}
	src := &source.Repository{Repo: repo, Scratch: scratch, Stands: map[string]string{}, ReadOnly: t.readOnly, Toolchains: a.toolchains(t.toolchains), Say: a.sayOn}
	var gates []func()
	clean := func() {
		if w.Revoke != nil {
			w.Revoke()
		}
		for _, stop := range gates {
			stop()
		}
		src.Close()
		os.RemoveAll(scratch)
	}
	defer func() {
		if err != nil {
			clean()
		}
	}()
	w = observe.World{Source: src, Scratch: scratch, WorkingDir: repo.Dir, Poll: poll}
	if w.Forge, err = a.forge(ctx, repo, t); err != nil {
		return w, nil, err
	}
	cfg, indexes, err := keys.AtHead(ctx, repo)
	if err != nil {
		return w, nil, err
	}
	held := a.tokens(cfg, indexes)
	logins := a.credentials(cfg, held)
	w.Registry, w.TokenFrom = a.clients(cfg, logins), held.From
	logins.Wire(&w)
	w.Token = func(ctx context.Context, name string) (secret.Value, error) {
		client, err := w.Registry(name, indexes[name])
		if err != nil {
			return secret.Value{}, err
		}
		return client.Token(ctx)
	}
	src.Gate = func(name, index string) (string, error) {
		if !logins.Any(name) || name == registry.CratesIO {
			return "", nil
		}
		client, err := w.Registry(name, index)
		if err != nil {
			return "", err
		}
		url, stop, err := gate.Open(client)
		gates = append(gates, stop)
		return url, err
	}
	w.Keys = held.BillKeys()
	return w, clean, nil
}

// handedWorld is the world of a run that gets its packages from another job: no git, no cargo, no checkout.
func (a *app) handedWorld(ctx context.Context, t target) (w observe.World, end func(), err error) {
	req, err := t.request()
	if err != nil {
		return w, nil, err
	}
	scratch, err := disk.Scratch(a.env["RUNNER_TEMP"])
	if err != nil {
		return w, nil, err
	}
	clean := func() {
		if w.Revoke != nil {
			w.Revoke()
		}
		os.RemoveAll(scratch)
	}
	defer func() {
		if err != nil {
			clean()
		}
	}()
	w = observe.World{Scratch: scratch, Poll: poll}
	if w.WorkingDir, err = filepath.Abs(a.dir); err != nil {
		return w, nil, fmt.Errorf("find the working directory: %w", err)
	}
	if w.Forge, err = a.forge(ctx, nil, t); err != nil {
		return w, nil, err
	}
	src := &commit.Commit{Forge: w.Forge, Scratch: scratch, Folder: t.packages}
	w.Source = src
	cfg, cargos, err := src.Configuration(ctx, req)
	if err != nil {
		return w, nil, err
	}
	held := a.tokens(cfg, keys.CargoRegistries(cargos))
	logins := a.credentials(cfg, held)
	w.Registry, w.TokenFrom, w.Keys = a.clients(cfg, logins), held.From, held.BillKeys()
	logins.Wire(&w)
	return w, clean, nil
}

// poll is how often a workflow run is looked at.
const poll = 15 * time.Second

// clients makes the client of each registry, with the credentials for it.
func (a *app) clients(cfg config.Config, logins *login.Credentials) func(name, index string) (*registry.Client, error) {
	return observe.Clients(func(name, index string) (registry.Registry, registry.Options, error) {
		return a.openRegistry(cfg, logins, name, index)
	})
}

// openRegistry says how a registry is spoken to.
func (a *app) openRegistry(cfg config.Config, logins *login.Credentials, name, index string) (registry.Registry, registry.Options, error) {
	if pinned := a.env[credential.IndexVariable(name)]; pinned != "" && index != "" && pinned != index {
		return registry.Registry{}, registry.Options{}, fmt.Errorf("the commit names the index %s, the environment %s (%s): its token is sent to neither", index, pinned, credential.IndexVariable(name))
	}
	r, err := registry.New(name, index)
	if c, ok := cfg.Registries[name]; ok && err == nil {
		r = configured(r, c)
	}
	if err == nil {
		err = logins.Allow(r)
	}
	return r, logins.Options(name, registry.Options{UserAgent: userAgent(), Warn: a.warn, Hide: func(v secret.Value) { kind.Hide(a.masker, v) }}), err
}

func userAgent() string { return "tagboat/" + Version + " (https://github.com/tagboat/tagboat)" }

// configured applies what tagboat.toml says about a registry.
func configured(r registry.Registry, c config.Registry) registry.Registry {
	if c.Kind != "" && c.Kind != "generic" {
		r = r.As(registry.Kind(c.Kind))
	}
	if c.MaxSize > 0 {
		r.MaxCrate = int64(c.MaxSize)
	}
	if c.Wait == string(registry.Order) || c.Wait == string(registry.Index) {
		r.Wait = registry.Wait(c.Wait)
	}
	r.Pace.NewCrates = registry.Bucket{Burst: c.NewCrates.Burst, Every: c.NewCrates.Every.Std()}
	r.Pace.NewVersions = registry.Bucket{Burst: c.NewVersions.Burst, Every: c.NewVersions.Every.Std()}
	return r
}

// forge returns the client for the repository on GitHub. Without a local one, which may be nil, the name must be given.
func (a *app) forge(ctx context.Context, repo *git.Repo, t target) (*forge.Client, error) {
	owner, name, ok := git.ParseGitHub("https://github.com/" + t.repository)
	if t.repository == "" && repo != nil {
		remote, err := repo.Remote(ctx, "origin")
		if err != nil {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "which repository on GitHub?", Detail: "there is no remote origin", Hint: "give --repository owner/name, or set GITHUB_REPOSITORY"}
		}
		owner, name, ok = git.ParseGitHub(remote)
	}
	if !ok {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "which repository on GitHub?", Detail: fmt.Sprintf("%q is none", t.repository), Hint: "give --repository owner/name, or set GITHUB_REPOSITORY"}
	}
	token, err := a.githubToken()
	if err != nil {
		return nil, err
	}
	client, err := forge.New(forge.Options{APIURL: t.apiURL, UploadURL: t.uploadURL, Owner: owner, Repo: name, UserAgent: userAgent(),
		Token: func(context.Context) (secret.Value, error) { return token, nil }})
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "GitHub's address cannot be used", Err: err, Hint: "--api-url is https://api.github.com, or https://HOST/api/v3 of an Enterprise Server"}
	}
	return client, nil
}

func notRepository(err error, dir string) error {
	if !errors.Is(err, git.ErrNotRepository) {
		return err
	}
	return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s is not the top of a git repository", absolute(dir)), Hint: "git rev-parse --show-toplevel says where the top is: go there, or name it with -C"}
}

func (a *app) releaseCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "release (--tag TAG | --branch BRANCH)",
		Short: "Make the release: the real thing",
		Long: `Make a release. Every step looks first, so the same command finishes a release that broke off.

With --tag it makes the release branch and starts the repository's release workflow on it, and follows that to its
end; a repository without one is released in the same run. With --branch, inside the release workflow, it packages and
verifies all crates, fills a draft release, publishes the crates, confirms each in its index, and makes the release public.

With --packages another job has packaged and verified the crates, by tagboat package. What they hold is compared with the
commit, file by file, over GitHub's API; neither git nor cargo is started, and no checkout is needed.`,
		Example: `  tagboat release --tag v0.4.0
  tagboat release --branch release/v0.4.0 --artifacts 'dist/*'
  tagboat release --branch release/v0.4.0 --packages packages`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.release(cmd.Context(), t) },
	}
	a.targetFlags(cmd, &t)
	a.packagesFlag(cmd, &t)
	cmd.Flags().BoolVar(&t.detach, "detach", false, "with --tag: do not follow the release workflow, only see that it started")
	cmd.Flags().DurationVar(&t.deadline, "deadline", 0, "end as waiting rather than run longer than this")
	cmd.Flags().StringVar(&t.summary, "summary", a.env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	return cmd
}

func (a *app) release(ctx context.Context, t target) error {
	r, err := a.converge(ctx, "release", t)
	return a.report(r, err, t.summary)
}

// report ends a command that made a report.
func (a *app) report(r *release.Report, err error, path string) error {
	if r == nil {
		return err
	}
	if err := summary(path, r, a.masker); err != nil {
		a.say("warning: %v", err) // what was released stays released, and its report is printed
	}
	return a.finish(r)
}

func (a *app) planCommand() *cobra.Command {
	var t target
	var save, from string
	cmd := &cobra.Command{
		Use:   "plan (--tag TAG | --branch BRANCH | --from FILE)",
		Short: "Show what a release would do and why; nothing is written",
		Example: `  GITHUB_TOKEN=... tagboat plan --tag v0.4.0
  tagboat plan --tag v0.4.0 --snapshot world.json
  tagboat plan --from world.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context(), t, save, from) },
	}
	a.targetFlags(cmd, &t)
	a.packagesFlag(cmd, &t)
	cmd.Flags().StringVar(&save, "snapshot", "", "keep what was seen in this file")
	cmd.Flags().StringVar(&from, "from", "", "plan from a kept snapshot, without looking at the world")
	return cmd
}

func (a *app) plan(ctx context.Context, t target, save, from string) error {
	s, err := a.snapshot(ctx, t, from)
	if err != nil {
		return err
	}
	if save != "" {
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return fmt.Errorf("encode snapshot: %w", err)
		}
		if err := os.WriteFile(save, append(text, '\n'), 0o644); err != nil {
			return &problem.Error{Kind: problem.Failed, Summary: "cannot keep the snapshot", Err: err, Hint: "is the disk full, or the folder not writable?"}
		}
	}
	r := release.NewReport("plan", s, release.MakePlan(s))
	return a.show(&r)
}

// snapshot is the world as it is, or as it was when a snapshot was kept.
func (a *app) snapshot(ctx context.Context, t target, from string) (release.Snapshot, error) {
	if from != "" {
		var s release.Snapshot
		text, err := os.ReadFile(from)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err == nil && s.Schema != release.SnapshotSchema {
			err = fmt.Errorf("its schema is %q, want %q", s.Schema, release.SnapshotSchema)
		}
		if err != nil {
			return s, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s is not a snapshot", from), Err: err, Hint: "tagboat plan --snapshot FILE makes one"}
		}
		return s, nil
	}
	req, err := t.request()
	if err != nil {
		return release.Snapshot{}, err
	}
	t.readOnly = true
	w, end, err := a.world(ctx, t)
	if err != nil {
		return release.Snapshot{}, err
	}
	defer end()
	return observe.Snapshot(ctx, w, req)
}

// show renders a plan.
func (a *app) show(r *release.Report) error {
	a.code = r.ExitCode()
	if a.json {
		if err := render.JSON(a.streams.Out, r); err != nil {
			return err
		}
		fmt.Fprint(a.streams.Err, render.Plan(a.style(a.streams.Err), *r))
		return nil
	}
	_, err := fmt.Fprint(a.streams.Out, render.Plan(a.style(a.streams.Out), *r))
	return err
}

func (a *app) checkCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "check [--tag TAG]",
		Short: "Check what can be checked on a checkout, before tagging or on a pull request",
		Long: `Check the commit as a release of it would be checked: versions, requirements, manifests, lock file, changelog, release
workflow, toolchain, isolation. GitHub and the registries are not asked. Without --tag the crates' own version is taken.`,
		Example: "  tagboat check\n  tagboat check --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), t) },
	}
	cmd.Flags().StringVar(&t.tag, "tag", "", "check against this tag, which must exist here")
	a.toolchainFlag(cmd, &t.toolchains)
	return cmd
}

func (a *app) check(ctx context.Context, t target) error {
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return notRepository(err, a.dir)
	}
	scratch, err := disk.Scratch(a.env["RUNNER_TEMP"])
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	src := &source.Repository{Repo: repo, Scratch: scratch, ReadOnly: true, Toolchains: a.toolchains(t.toolchains), Say: a.sayOn}
	defer src.Close()
	s := release.Snapshot{Schema: release.SnapshotSchema, TakenAt: time.Now().UTC().Truncate(time.Second), Request: release.Request{Tag: t.tag, Half: release.Both}}
	if s.Checkout, s.Config, err = src.Checkout(ctx, s.Request, nil); err != nil {
		return err
	}
	if s.Checkout.Tag.Name != "" {
		s.Remote.BranchName = release.BranchForm(s.Config.Branches.Release).Of(s.Checkout.Tag.Name)
	}
	if dirty, err := repo.Dirty(ctx); err == nil && len(dirty) > 0 {
		a.say("%s left out: a release is made from a commit", plain.Count(len(dirty), "uncommitted file"))
	}
	a.sayLogins(s)
	r := release.NewReport("check", s, release.MakePlan(s).Checks())
	return a.show(&r)
}

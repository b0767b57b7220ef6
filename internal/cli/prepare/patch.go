package prepare

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/bump/offer"
	"github.com/tagboat/tagboat/internal/bump/yard"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/git/pick"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/bumped"
)

// patching is what the flags of patch say.
type patching struct {
	target   target
	tag      string
	picks    []string
	from     string
	labelled bool
	dryRun   bool
}

func (a *Edge) patchCommand() *cobra.Command {
	var p patching
	cmd := &cobra.Command{
		Use:   "patch (TAG [--pick COMMIT|PULL]... | --labelled)",
		Short: "Prepare a patch release: picked commits, version and changelog, as a pull request",
		Long: `Prepare the next patch of the version that the tag belongs to. It starts from the newest release branch of that version
(release/v0.4.1 after v0.4.1), picks the commits in the order in which they are named, gives the crates the next version
and the changelog its section, and opens a pull request against that branch. When it is merged, ` + "`tagboat tag`" + ` on the
branch makes the tag.

A commit may be named by its hash, or by the number of the pull request that it was merged with. What the branch has
already is skipped, with the reason. Everything happens in a clean clone. Where a commit conflicts, what was picked
before it is left as a branch here, with the commands to go on.

With --labelled the merged pull requests say themselves where they are wanted, by a label such as "backport v0.4" (see
[patch] in tagboat.toml): one pull request is kept for each version line, with what its release branch has not. Of one
that conflicts a comment under it says so, with the commands to bring it there by hand; the others go on. It is for a
scheduled workflow, and changes nothing where nothing is left to pick.`,
		Example: `  GITHUB_TOKEN=... tagboat patch v0.4.0 --pick 3f2a9c1 --pick '#123'
  tagboat patch v0.4.0 --pick 123 --dry-run
  tagboat patch --labelled --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if p.labelled {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.labelled {
				return a.labelled(cmd.Context(), p)
			}
			p.tag = args[0]
			return a.patch(cmd.Context(), p)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&p.picks, "pick", nil, "a commit, or the number of a merged pull request; may be repeated")
	f.StringVar(&p.from, "from", "", "go on from this local branch, on which a conflict was solved")
	f.BoolVar(&p.labelled, "labelled", false, "pick the merged pull requests that are labelled for a version line, for every line")
	f.BoolVar(&p.dryRun, "dry-run", false, "show what would be offered; nothing is written")
	a.flags(cmd, &p.target)
	cmd.MarkFlagsMutuallyExclusive("labelled", "pick")
	cmd.MarkFlagsMutuallyExclusive("labelled", "from")
	return cmd
}

// branchAt is a release branch as it is on GitHub.
type branchAt struct {
	line         bump.Line
	name, commit string
}

// offering returns the repository here and on GitHub, where pull requests will be made unless it is a dry run.
func (a *Edge) offering(ctx context.Context, p patching) (*git.Repo, *forge.Client, error) {
	repo, err := git.Open(ctx, a.Dir())
	if err != nil {
		return nil, nil, a.NotRepository(err)
	}
	client, err := a.forge(ctx, repo, p.target)
	if err == nil && !p.dryRun {
		err = a.needToken("make a pull request")
	}
	return repo, client, err
}

func (a *Edge) patch(ctx context.Context, p patching) error {
	repo, client, err := a.offering(ctx, p)
	if err != nil {
		return err
	}
	if err := whole(ctx, repo); err != nil {
		return err
	}
	base, err := a.releaseBranch(ctx, repo, client, p.tag)
	if err != nil {
		return err
	}
	picks, err := chosenPicks(ctx, repo, client, p.picks)
	if err != nil {
		return err
	}
	scratch, err := disk.Scratch(a.Env["RUNNER_TEMP"])
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	start := base.commit
	if p.from != "" {
		if start, err = goingOn(ctx, repo, base, p.from); err != nil {
			return err
		}
	}
	work, err := pick.WorkAt(ctx, repo, start, filepath.Join(scratch, "work"))
	if err != nil {
		return err
	}
	cfg, err := yard.ConfigAt(ctx, repo, base.commit)
	if err != nil {
		return err
	}
	before, err := yard.Brought(ctx, work, cfg, base.commit, start)
	if err != nil {
		return err
	}
	done, head, err := yard.Picked(ctx, work, cfg, picks, picker)
	if c := (*yard.ConflictError)(nil); errors.As(err, &c) {
		return a.leave(ctx, repo, work, p, base, c)
	} else if err != nil {
		return err
	}
	out, err := a.patched(ctx, p, patched{repo: repo, work: work, client: client, base: base, picks: append(before, done...), head: head, date: time.Now(), scratch: scratch})
	if err != nil {
		return err
	}
	return a.bumped(out.report, out.worked, out.next)
}

// whole holds that the history is here: git would pick a commit whose parent is missing with every file of it.
func whole(ctx context.Context, repo *git.Repo) error {
	shallow, err := repo.Shallow(ctx)
	if err == nil && shallow {
		err = &problem.Error{Kind: problem.Stopped, Summary: "this clone does not have the whole history, which picking needs", Detail: repo.Dir,
			Hint: "git fetch --unshallow origin; in a workflow, fetch-depth: 0 of actions/checkout"}
	}
	return err
}

// picker is who picks: GitHub makes the commits again as its own.
var picker = git.Identity{Name: "Tagboat", Email: "tagboat@users.noreply.github.com"}

// releaseBranch finds the branch that the next patch starts from. Its commit must be here.
func (a *Edge) releaseBranch(ctx context.Context, repo *git.Repo, client *forge.Client, tag string) (branchAt, error) {
	cfg, err := yard.ConfigAt(ctx, repo, "HEAD")
	if err != nil {
		return branchAt{}, err
	}
	line, err := bump.LineOf(cfg, tag)
	if err != nil {
		return branchAt{}, err
	}
	refs, err := releaseBranches(ctx, client, cfg)
	if err != nil {
		return branchAt{}, err
	}
	at, err := newest(line, refs)
	if err != nil {
		return at, err
	}
	return at, here(ctx, repo, at.commit, "the branch "+at.name, at.name)
}

// releaseBranches are the branches on GitHub that may be release branches.
func releaseBranches(ctx context.Context, client *forge.Client, cfg config.Config) ([]forge.Ref, error) {
	stem, _, _ := strings.Cut(cfg.Branches.Release, "{tag}")
	return client.Branches(ctx, stem)
}

// newest is the release branch that the next patch of a line starts from.
func newest(line bump.Line, refs []forge.Ref) (branchAt, error) {
	at, names := branchAt{line: line}, []string{}
	for _, r := range refs {
		names = append(names, r.Name)
	}
	var err error
	if at.name, err = line.Newest(names); err != nil {
		return at, err
	}
	for _, r := range refs {
		if r.Name == at.name {
			at.commit = r.Commit
		}
	}
	return at, nil
}

// here holds that a commit is in the local repository.
func here(ctx context.Context, repo *git.Repo, commit, what, ref string) error {
	_, err := repo.Commit(ctx, commit)
	if !errors.Is(err, git.ErrNotFound) {
		return err
	}
	return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the commit of %s is not here", what), Detail: commit, Hint: "git fetch origin " + ref}
}

// goingOn returns the commit of a local branch on which a conflict was solved.
func goingOn(ctx context.Context, repo *git.Repo, base branchAt, branch string) (string, error) {
	commit, err := repo.Commit(ctx, branch)
	if err != nil {
		return "", &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--from %s is no branch here", branch), Err: err}
	}
	if in, err := repo.IsAncestor(ctx, base.commit, commit); err != nil || in {
		return commit, err
	}
	return "", &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("%s does not start where %s is", branch, base.name), Detail: base.commit, Hint: "rebase it: git rebase " + base.commit + " " + branch}
}

// leave leaves what was picked before a conflict as a branch, and says how to go on.
func (a *Edge) leave(ctx context.Context, repo, work *git.Repo, p patching, base branchAt, c *yard.ConflictError) error {
	problem := &problem.Error{
		Kind: problem.Stopped, Summary: fmt.Sprintf("%s %q conflicts with the release branch", release.Short(c.Pick.Commit), c.Pick.Title),
		Detail: "in " + strings.Join(c.Paths, ", "), Hint: "without --dry-run, what was picked before it is left as a branch here, with the commands to go on", Err: c,
	}
	if p.dryRun {
		return problem
	}
	branch, err := leftAs(ctx, repo, work, "pick/"+p.tag, base.commit, c.Head)
	if err != nil {
		return errors.Join(problem, err)
	}
	merge := ""
	if c.Merge {
		merge = "-m 1 "
	}
	again := "tagboat patch " + p.tag + " --from " + branch
	for _, rest := range c.Rest[1:] {
		again += " --pick " + rest.Commit
	}
	if p.target.repository != a.Env["GITHUB_REPOSITORY"] {
		again += " --repository " + p.target.repository
	}
	if p.target.apiURL != a.Env["GITHUB_API_URL"] {
		again += " --api-url " + p.target.apiURL
	}
	problem.Detail += "\n\n" + strings.Join([]string{"git switch " + branch, "git cherry-pick -x " + merge + c.Pick.Commit, solving(c.Paths), again}, "\n")
	problem.Hint = "go on with the commands above"
	return problem
}

var lockFile = regexp.MustCompile(`^([A-Za-z0-9._/]+/)?Cargo\.lock$`)

// solving are the commands between a conflict and what follows. A lock file is not merged by hand: cargo adds what the
// branch's own lacks.
func solving(paths []string) string {
	var locks []string
	for _, p := range paths {
		if lockFile.MatchString(p) {
			locks = append(locks, fmt.Sprintf("git checkout --ours %[1]s && cargo update --workspace --manifest-path %[2]s && git add %[1]s", p, path.Join(path.Dir(p), "Cargo.toml")))
		}
	}
	if len(locks) == 0 {
		return "# solve it, git add, git cherry-pick --continue"
	}
	return "# solve it, git add\n" + strings.Join(locks, "\n") + "\ngit cherry-pick --continue"
}

// leftAs leaves a commit of work as a branch and returns its name. A branch that is there is never moved, for it may be
// checked out, or have the work of somebody: it is taken as it is where it has the same files, or else another name.
func leftAs(ctx context.Context, repo, work *git.Repo, name, base, head string) (string, error) {
	made, err := work.CommitInfo(ctx, head)
	if err != nil {
		return "", err
	}
	for n, branch := 2, name; ; n, branch = n+1, fmt.Sprintf("%s-%d", name, n) {
		there, err := repo.CommitInfo(ctx, "refs/heads/"+branch)
		if errors.Is(err, git.ErrNotFound) {
			return branch, repo.Fetch(ctx, work.Dir, head+":refs/heads/"+branch)
		} else if err != nil {
			return "", err
		}
		if in, err := repo.IsAncestor(ctx, base, there.Hash); err != nil || in && there.Tree == made.Tree {
			return branch, err
		}
	}
}

// patched is a patch whose commits are picked.
type patched struct {
	repo, work *git.Repo
	client     *forge.Client
	base       branchAt
	picks      []yard.Pick
	head       string
	date       time.Time // of the changelog's section
	scratch    string
}

// offered is a patch that was worked out, and what came of it.
type offered struct {
	worked
	report *release.Report
	next   string // what to do
}

// patched gives the patch its version and offers it.
func (a *Edge) patched(ctx context.Context, p patching, d patched) (o offered, err error) {
	y, err := yard.Open(ctx, d.work, d.head, d.scratch)
	if err != nil {
		return o, err
	}
	defer y.Close()
	w := worked{repo: d.repo, yard: y}
	if w.snap, err = y.Snapshot(ctx, bump.Request{Patch: true}); err != nil {
		return o, err
	}
	if w.snap.Tags, err = d.client.TagNames(ctx); err != nil {
		return o, err
	}
	if w.snap.Request.To, err = d.base.line.Next(w.snap); err != nil {
		return o, versioned(err, d.picks)
	}
	if d.base.line.Crate != "" {
		w.snap.Request.Only = []string{d.base.line.Crate}
	}
	w.snap.Date = d.date.UTC().Format(time.DateOnly)
	entries(&w, d.picks)
	if w.plan, err = bump.MakePlan(w.snap); err != nil {
		return o, err
	}
	if w.files, err = y.Edit(ctx, w.plan, false); err != nil {
		return o, err
	}
	if w.diff, err = y.Diff(ctx, w.files); err != nil {
		return o, err
	}
	for _, pick := range d.picks {
		for _, name := range slices.Sorted(maps.Keys(pick.Entries)) {
			then := "; its lines are in the section of the patch"
			if _, written := w.plan.Changelogs[name]; !written {
				then = ", and the section of the patch is there already: write its lines into it"
			}
			w.plan.Warnings = append(w.plan.Warnings, fmt.Sprintf("%s: what %s %q writes there conflicts%s", name, release.Short(pick.Commit), pick.Title, then))
		}
	}
	r := w.report("patch")
	r.Picks = reported(d.picks)
	next, err := a.offerPatch(ctx, p, d, w, r)
	return offered{w, r, next}, err
}

// versioned says of a version that is none of the line which pick brought it.
func versioned(err error, picks []yard.Pick) error {
	p := (*problem.Error)(nil)
	if !errors.As(err, &p) {
		return err
	}
	for _, pick := range picks {
		if pick.Skipped == "" && slices.Contains(pick.Files, p.File) {
			p.Hint = fmt.Sprintf("is it %s %q that brings this version? Then leave it out, or pick it by hand without the version", release.Short(pick.Commit), pick.Title)
		}
	}
	return err
}

func reported(picks []yard.Pick) []release.ReportPick {
	var out []release.ReportPick
	for _, p := range picks {
		out = append(out, release.ReportPick{Commit: p.Commit, Pull: p.Number, Title: p.Title, Skipped: p.Skipped})
	}
	return out
}

// entries drafts the changelog from the picked commits, unless these bring their entries along.
func entries(w *worked, picks []yard.Pick) {
	for name := range w.snap.Changelogs {
		var lines []string
		brought := slices.ContainsFunc(picks, func(p yard.Pick) bool { return slices.Contains(p.Files, name) })
		for _, p := range picks {
			if own := p.Entries[name]; own != "" {
				lines = append(lines, own)
			} else if !brought && p.Skipped == "" && concerns(p, name) {
				line := "- " + p.Title
				if p.Number > 0 && !strings.Contains(line, fmt.Sprintf("#%d", p.Number)) {
					line += fmt.Sprintf(" (#%d)", p.Number)
				}
				lines = append(lines, line)
			}
		}
		w.snap.Drafts[name] = strings.Join(lines, "\n")
	}
}

// concerns reports whether a pick changes something in the folder of a changelog.
func concerns(p yard.Pick, changelog string) bool {
	dir := path.Dir(changelog)
	return dir == "." || slices.ContainsFunc(p.Files, func(name string) bool { return strings.HasPrefix(name, dir+"/") })
}

// offerPatch offers it, and returns what to do next.
func (a *Edge) offerPatch(ctx context.Context, p patching, d patched, w worked, r *release.Report) (string, error) {
	commits, err := yard.Commits(ctx, d.work, d.base.commit, d.head)
	if err != nil {
		return "", err
	}
	if len(commits) == 0 && len(d.picks) > 0 && len(w.files) > 0 {
		var why []string
		for _, pick := range d.picks {
			why = append(why, fmt.Sprintf("%s %s: %s", release.Short(pick.Commit), pick.Title, pick.Skipped))
		}
		return "", &problem.Error{Kind: problem.Stopped, Summary: "nothing is left to pick", Detail: strings.Join(why, "\n"), Hint: "without --pick, the branch as it is gets the next patch version"}
	}
	if len(w.files) > 0 {
		files, err := w.yard.Changes(w.files)
		if err != nil {
			return "", err
		}
		commits = append(commits, offer.Commit{Headline: w.plan.Title, Files: files})
	}
	r.Repository, r.Branch, r.Crates = d.client.Slug(), w.plan.Branch, published(w.snap, w.plan)
	switch {
	case p.dryRun:
		r.Outcome = release.Planned
		return "", nil
	case len(commits) == 0:
		return fmt.Sprintf("Next: git switch %s && git pull && tagboat tag", d.base.name), nil
	}
	next := fmt.Sprintf("Merge this into `%s`, then run `tagboat tag` there: it checks the commit, makes %s, and the push of the tag starts the release.", d.base.name, strings.Join(w.plan.Tags, ", "))
	if p.labelled {
		next += "\n\n" + keptByLabels
	}
	return a.pull(ctx, d.client, r, w, offer.Offer{Base: d.base.name, BaseCommit: d.base.commit, Branch: w.plan.Branch, Title: w.plan.Title, Body: bumped.PullRequest(*r, next), Commits: commits}), nil
}

package prepare

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/bump/yard"
	"github.com/tagboat/tagboat/internal/cargo/edit"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/bumped"
)

// bumping is what the flags of bump say.
type bumping struct {
	bump.Request
	target    target
	dryRun    bool
	commit    bool
	signOff   bool
	unchecked bool
	pull      bool
	base      string
}

func (a *Edge) bumpCommand() *cobra.Command {
	var b bumping
	cmd := &cobra.Command{
		Use:   "bump (major|minor|patch [rc] | rc | release | VERSION)",
		Short: "Give the crates their next version, with everything that follows from it",
		Long: `Write the next version into the manifests: of every published crate, of the requirements that would not accept it, of the
lock files, and of the changelog, whose section for what is to come becomes the version's. Everything else stays as it is
written. Where one tag releases all crates they get one version; where tags name a crate each counts from its own.

minor, major and patch of a pre-release are its own version; "minor rc" is the first candidate of the next minor version,
"rc" the next candidate (of the next patch, where there is none), "release" takes the pre-release away.

It is worked out in a clean clone of HEAD, where cargo runs without any secret; then only the files that change are
written. Nothing is committed unless asked for.`,
		Example: `  tagboat bump minor --dry-run
  tagboat bump 0.5.0-rc.1 --commit
  tagboat bump patch --only 'mshv-*'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if b.To = args[0]; len(args) == 2 {
				if b.Candidate = args[1] == "rc"; !b.Candidate {
					return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%q is not what may follow %s", args[1], args[0]), Hint: "tagboat bump minor rc"}
				}
			}
			return a.bump(cmd.Context(), b)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&b.Only, "only", nil, "only crates with such a name, with * and ?; may be repeated")
	f.BoolVar(&b.Exact, "exact", false, "write every requirement on a crate that moves as =VERSION")
	f.BoolVar(&b.Private, "private", false, "also the members that are not published")
	f.BoolVar(&b.dryRun, "dry-run", false, "show what would change; nothing is written")
	f.BoolVar(&b.commit, "commit", false, "commit the files to the current branch")
	f.BoolVarP(&b.signOff, "signoff", "s", false, "with --commit: add a Signed-off-by line")
	f.BoolVar(&b.Notes, "notes", false, "add entries to the changelog for the pull requests merged since the version before; asks GitHub")
	f.BoolVar(&b.unchecked, "no-semver-checks", false, "do not ask cargo-semver-checks, where it is installed")
	a.flags(cmd, &b.target)
	f.BoolVar(&b.pull, "pr", false, "make a pull request on GitHub of it and leave the tree alone; again: bring it up to date")
	f.StringVar(&b.base, "base", "", "with --pr: the branch it is for (default: the development branch)")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "commit", "pr")
	return cmd
}

// worked is a bump that was worked out.
type worked struct {
	repo    *git.Repo
	yard    *yard.Yard
	snap    bump.Snapshot
	plan    bump.Plan
	files   []edit.File
	diff    string
	verdict string // of cargo-semver-checks
	end     func()
}

// work works a bump out, in a clean clone of HEAD. end must be called.
func (a *Edge) work(ctx context.Context, b bumping) (w worked, err error) {
	w.end = func() {}
	if w.repo, err = git.Open(ctx, a.Dir()); err != nil {
		return w, a.NotRepository(err)
	}
	head, _, err := w.repo.Head(ctx)
	if err != nil {
		return w, err
	}
	scratch, err := disk.Scratch(a.Env["RUNNER_TEMP"])
	if err != nil {
		return w, err
	}
	w.end = func() { os.RemoveAll(scratch) }
	if w.yard, err = yard.Open(ctx, w.repo, head, scratch); err != nil {
		return w, err
	}
	w.end = func() { w.yard.Close(); os.RemoveAll(scratch) }
	if w.snap, err = w.yard.Snapshot(ctx, b.Request); err != nil {
		return w, err
	}
	w.snap.Date = time.Now().UTC().Format(time.DateOnly)
	if w.plan, err = bump.MakePlan(w.snap); err != nil {
		return w, err
	}
	if b.Notes {
		if err := a.draft(ctx, b.target, &w); err != nil {
			return w, err
		}
	}
	if w.files, err = w.yard.Edit(ctx, w.plan, b.Exact); err != nil {
		return w, err
	}
	if w.diff, err = w.yard.Diff(ctx, w.files); err != nil {
		return w, err
	}
	if !b.unchecked {
		a.compat(ctx, &w)
	}
	return w, nil
}

// draft asks GitHub for the pull requests since the version before, and plans again with entries made of them.
func (a *Edge) draft(ctx context.Context, t target, w *worked) error {
	client, err := a.forge(ctx, w.repo, t)
	if err != nil {
		return err
	}
	for _, s := range w.plan.Sections {
		text, err := client.GenerateNotes(ctx, s.Tag, w.snap.Commit, s.Previous)
		if err != nil {
			p := &problem.Error{Kind: problem.Failed, Summary: "GitHub does not tell which pull requests were merged", Err: err,
				Hint: "the commit must be pushed, and the token may write contents: GitHub asks that for generated notes"}
			if forge.IsDenied(err) {
				p.Kind = problem.Stopped
			}
			return p
		}
		w.snap.Drafts[s.Path] = bump.Draft(text, w.snap.Changelogs[s.Path])
	}
	w.plan, err = bump.MakePlan(w.snap)
	return err
}

// compat shows what cargo-semver-checks says, where it is installed and there is a version to compare with. Whatever it
// says, it stops nothing: the version is the user's to choose.
func (a *Edge) compat(ctx context.Context, w *worked) {
	program := zone.LookPath(a.Env["PATH"], "cargo-semver-checks")
	crate := ""
	if strings.Contains(w.yard.Config().Tags.Template, "{crate}") {
		crate = w.plan.Moves[0].Name
	}
	previous := bump.Previous(w.snap, crate, w.plan.Moves[0].To)
	if program == "" || previous == "" || len(w.files) == 0 {
		return
	}
	a.Say("cargo-semver-checks compares with %s ...", previous)
	c, err := w.yard.Compat(ctx, program, previous, w.plan)
	switch {
	case err != nil:
		w.plan.Warnings = append(w.plan.Warnings, "cargo-semver-checks could not compare: "+err.Error())
	case c.Broken:
		w.plan.Warnings = append(w.plan.Warnings, fmt.Sprintf("cargo-semver-checks: %s breaks what %s promised", w.plan.Title, previous))
		w.verdict = c.Said
	case c.Crates == 0:
		w.verdict = "cargo-semver-checks: no crate that was a library in " + previous
	default:
		w.verdict = "cargo-semver-checks: nothing that the step from " + previous + " does not allow"
	}
}

func (a *Edge) bump(ctx context.Context, b bumping) error {
	w, err := a.work(ctx, b)
	defer w.end()
	if err != nil {
		return err
	}
	r := w.report("bump")
	next := "Next: look at it, commit it, and merge it; then `tagboat tag` makes the tag."
	switch {
	case b.dryRun:
		r.Outcome, next = release.Planned, ""
	case len(w.files) == 0:
		next = ""
	case b.pull:
		return a.offer(ctx, b, w, r)
	case b.commit:
		r.Commit, err = a.commit(ctx, w, b.signOff)
		next = "Next: push it, or merge it; then `tagboat tag` makes the tag."
	default:
		err = yard.Write(ctx, w.repo, w.files)
	}
	if err != nil {
		return err
	}
	return a.bumped(r, w, next)
}

// report is what there is to say of a bump that was worked out.
func (w worked) report(command string) *release.Report {
	r := &release.Report{Schema: release.ReportSchema, Command: command, Outcome: release.Changed, Title: w.plan.Title, Tag: w.plan.Tags[0],
		Warnings: w.plan.Warnings, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	for _, m := range w.plan.Moves {
		r.Bumps = append(r.Bumps, release.ReportBump{Name: m.Name, From: m.From, To: m.To})
	}
	for _, f := range w.files {
		r.Files = append(r.Files, f.Name)
		for _, e := range f.Edits {
			r.Edits = append(r.Edits, release.ReportEdit{File: e.At.File, Line: e.At.Line, Key: e.Key, Old: e.Old, New: e.New})
		}
	}
	return r
}

// bumped prints the report of a bump.
func (a *Edge) bumped(r *release.Report, w worked, next string) error {
	return a.Print(r, func(s render.Style) string {
		return bumped.Terminal(s, *r, w.diff, strings.TrimSpace(w.verdict+"\n\n"+next))
	})
}

// commit writes the files and commits them to the branch that is checked out. What could stand in the way is looked at
// before anything is written.
func (a *Edge) commit(ctx context.Context, w worked, signOff bool) (string, error) {
	head, branch, err := w.repo.Head(ctx)
	if err != nil {
		return "", err
	}
	if branch == "" || head != w.snap.Commit {
		return "", &problem.Error{Kind: problem.Stopped, Summary: "there is no branch to commit to", Detail: "HEAD is detached, or has moved meanwhile", Hint: "git switch -c BRANCH, and run this again"}
	}
	who, err := a.identity(ctx, w.repo)
	if err != nil {
		return "", err
	}
	if err := yard.Write(ctx, w.repo, w.files); err != nil {
		return "", err
	}
	message := w.plan.Title
	if signOff {
		message += fmt.Sprintf("\n\nSigned-off-by: %s <%s>", who.Name, who.Email)
	}
	files := map[string][]byte{}
	var names []string
	for _, f := range w.files {
		files[f.Name] = f.After
		names = append(names, f.Name)
	}
	commit, err := w.repo.CommitFiles(ctx, git.CommitRequest{Branch: branch, Parent: head, Files: files, Message: message, Author: who, Time: time.Now()})
	if err != nil {
		return "", err
	}
	return commit, w.repo.Unstage(ctx, names...)
}

// identity is who commits and tags: as git would have it.
func (a *Edge) identity(ctx context.Context, repo *git.Repo) (git.Identity, error) {
	var who git.Identity
	for _, part := range []struct {
		to       *string
		variable string
		key      string
	}{{&who.Name, "NAME", "user.name"}, {&who.Email, "EMAIL", "user.email"}} {
		for _, variable := range []string{"GIT_COMMITTER_" + part.variable, "GIT_AUTHOR_" + part.variable} {
			if *part.to == "" {
				*part.to = a.Env[variable]
			}
		}
		if *part.to != "" {
			continue
		}
		value, err := repo.Configured(ctx, part.key, a.Env["HOME"])
		if err != nil {
			return who, err
		}
		*part.to = value
	}
	if who.Name == "" || who.Email == "" {
		return who, &problem.Error{Kind: problem.Usage, Summary: "git does not know who you are", Hint: "git config user.name NAME; git config user.email ADDRESS"}
	}
	return who, nil
}

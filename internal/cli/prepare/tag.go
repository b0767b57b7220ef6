package prepare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
)

// tagging is what the flags of tag say.
type tagging struct {
	target target
	commit string
	names  []string
	dryRun bool
}

func (a *Edge) tagCommand() *cobra.Command {
	var t tagging
	cmd := &cobra.Command{
		Use:   "tag [TAG]...",
		Short: "Tag a commit for a release, after the checks that the release would make",
		Long: `Make an annotated tag on GitHub, where the push of a tag starts the release. Before, the commit is checked as ` + "`tagboat check`" + `
does, and GitHub is asked what the release would ask: whether the commit is on the branch that such a version is tagged
on, whether an issue blocks the release, whether the release branch is elsewhere. What the release would refuse is
refused here, while nothing has to be taken back.

Without a name the tag follows from the crates' versions; where tags name a crate, every crate gets one whose version
has none yet. The commit is HEAD, or that of --commit; it must be pushed. The message is the changelog's section.`,
		Example: `  GITHUB_TOKEN=... tagboat tag
  GITHUB_TOKEN=... tagboat tag v0.5.0 --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.names = args
			return a.tag(cmd.Context(), t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.commit, "commit", "", "the commit to tag, with all its digits (default: HEAD)")
	f.BoolVar(&t.dryRun, "dry-run", false, "check, and make no tag")
	a.flags(cmd, &t.target)
	return cmd
}

func (a *Edge) tag(ctx context.Context, t tagging) error {
	repo, err := git.Open(ctx, a.Dir())
	if err != nil {
		return a.NotRepository(err)
	}
	if t.commit != "" && !commitSHA.MatchString(t.commit) {
		return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--commit %q is no commit", t.commit), Hint: "give all 40 hexadecimal digits"}
	}
	if t.commit == "" {
		if t.commit, _, err = repo.Head(ctx); err != nil {
			return err
		}
	}
	client, err := a.forge(ctx, repo, t.target)
	if err != nil {
		return err
	}
	if len(t.names) == 0 {
		if t.names, err = a.tagNames(ctx, repo, t.commit); err != nil {
			return err
		}
	}
	var all []release.Report
	for _, name := range t.names {
		s, err := a.proposed(ctx, repo, client, name, t.commit)
		if err != nil {
			return err
		}
		r := release.NewReport("tag", s, release.MakePlan(s).Checks())
		all = append(all, r)
		if r.Outcome == release.Stopped {
			continue
		}
		if r.Outcome = release.Changed; t.dryRun {
			r.Outcome = release.Planned
		} else if r.Warnings, err = a.annotate(ctx, repo, client, s); err != nil {
			return err
		}
		all[len(all)-1] = r
	}
	return a.tagged(all)
}

// tagged prints what became of one tag, or of several.
func (a *Edge) tagged(all []release.Report) error {
	if len(all) == 1 {
		return a.Show(&all[0])
	}
	r := release.Report{Schema: release.ReportSchema, Command: "tag", Outcome: release.Changed, Releases: all, Steps: []release.ReportStep{}, Problems: []release.ReportProblem{}}
	for _, one := range all {
		r.Repository, r.Commit = one.Repository, one.Commit
		if one.Outcome != release.Changed {
			r.Outcome = one.Outcome
		}
		r.Problems = append(r.Problems, one.Problems...)
	}
	return a.Finish(&r)
}

// tagNames are the tags that the crates' versions ask for at a commit.
func (a *Edge) tagNames(ctx context.Context, repo *git.Repo, commit string) ([]string, error) {
	c, form, err := a.checkout(ctx, repo, release.Request{Commit: commit, Half: release.First})
	if err != nil {
		return nil, err
	}
	if !form.PerCrate() {
		return []string{c.Tag.Name}, nil
	}
	var names []string
	for _, crate := range c.Crates {
		name := form.Format(crate.Name, crate.Version)
		if _, err := repo.Tag(ctx, name); errors.Is(err, git.ErrNotFound) {
			names = append(names, name)
		} else if err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, &problem.Error{Kind: problem.Stopped, Summary: "every crate's version has its tag already", Hint: "tagboat bump makes the next version"}
	}
	return names, nil
}

// checkout reads a commit in a place of its own.
func (a *Edge) checkout(ctx context.Context, repo *git.Repo, req release.Request) (release.Checkout, release.TagForm, error) {
	s, err := a.inspected(ctx, repo, req)
	return s.Checkout, release.TagForm{Template: s.Config.Tags.Template, TwoPart: s.Config.Tags.TwoPart}, err
}

func (a *Edge) inspected(ctx context.Context, repo *git.Repo, req release.Request) (release.Snapshot, error) {
	s := release.Snapshot{Schema: release.SnapshotSchema, TakenAt: time.Now().UTC().Truncate(time.Second), Request: req}
	scratch, err := disk.Scratch(a.Env["RUNNER_TEMP"])
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(scratch)
	src := &source.Repository{Repo: repo, Scratch: scratch, ReadOnly: true}
	defer src.Close()
	s.Checkout, s.Config, err = src.Checkout(ctx, req, nil)
	return s, err
}

// proposed is the world as a release of the tag would see it, had it been made.
func (a *Edge) proposed(ctx context.Context, repo *git.Repo, client *forge.Client, name, commit string) (release.Snapshot, error) {
	s, err := a.inspected(ctx, repo, release.Request{Tag: name, Commit: commit, Propose: true, Half: release.First})
	if err != nil {
		return s, err
	}
	s.Repository = client.Slug()
	s.Remote, err = observe.Remote(ctx, observe.World{Forge: client}, s)
	return s, err
}

// annotate makes the tag, unless it is there, and returns what to know.
func (a *Edge) annotate(ctx context.Context, repo *git.Repo, client *forge.Client, s release.Snapshot) ([]string, error) {
	tag := s.Checkout.Tag
	if !s.Remote.Proposed {
		return []string{"the tag was there already, at this commit"}, nil
	}
	if token, err := a.Token(); err != nil {
		return nil, err
	} else if token.IsZero() {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "a token is needed to make the tag on GitHub", Detail: "every check passed",
			Hint: fmt.Sprintf("set GITHUB_TOKEN, or: git tag -a %s %s && git push origin %s", tag.Name, s.Checkout.Commit, tag.Name)}
	}
	who, err := a.identity(ctx, repo)
	if err != nil {
		return nil, err
	}
	message := strings.TrimSpace(tag.Name + "\n\n" + s.Checkout.Changelog.Section)
	object, err := client.Annotate(ctx, forge.Annotation{Name: tag.Name, Message: message, Commit: s.Checkout.Commit, Tagger: who.Name, Email: who.Email, At: time.Now()})
	if err != nil {
		return nil, unwritable(err, "make the tag", "contents: write")
	}
	err = client.CreateTag(ctx, tag.Name, object)
	if there, look := client.Tag(ctx, tag.Name); err != nil && look == nil && there.Commit == s.Checkout.Commit {
		err = nil // the answer was lost, or somebody else made the same
	}
	if err != nil {
		return nil, unwritable(err, "make the tag", "contents: write")
	}
	a.Say("git fetch origin tag %s brings it here", tag.Name)
	if a.Env["GITHUB_ACTIONS"] == "true" {
		return []string{"a tag made with the GITHUB_TOKEN of a workflow starts no other workflow: use an App's token, or start the release by hand"}, nil
	}
	return nil, nil
}

// unwritable explains a write that GitHub refused.
func unwritable(err error, what, needs string) error {
	p := &problem.Error{Kind: problem.Failed, Summary: "GitHub does not let us " + what, Err: err, Hint: "run it again"}
	if forge.IsDenied(err) {
		p.Kind, p.Hint = problem.Stopped, "the token needs "+needs+", and rules of the repository may forbid it"
	}
	return p
}

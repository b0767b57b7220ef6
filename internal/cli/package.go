package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/source"
	"github.com/tagboat/tagboat/internal/render"
)

func (a *app) packageCommand() *cobra.Command {
	var t target
	var out string
	cmd := &cobra.Command{
		Use:   "package [--tag TAG | --branch BRANCH | --commit SHA] --out DIR",
		Short: "Package and verify all crates for another job that publishes them; no secret is needed",
		Long: `Package and verify the crates of a commit as a release would: from a clean clone, in the build zone, verified without
network. The .crate files and ` + handover.Name + `, which names them, are left in a folder for ` + "`tagboat release --packages`" + `, which
may run in another job, without a checkout, git, cargo or a compiler. Without --tag, --branch and --commit it is HEAD.

No secret is needed and none is used: neither GitHub nor a registry is asked with a token. The same commit, packaged by the
same toolchain, gives the same bytes.`,
		Example: "  tagboat package --branch release/v0.4.0 --out packages\n  tagboat package --commit \"$(git rev-parse HEAD)\" --out packages --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.pack(cmd.Context(), t, out) },
	}
	f := cmd.Flags()
	f.StringVar(&t.tag, "tag", "", "the release tag, which must exist here")
	f.StringVar(&t.branch, "branch", "", "the release branch, whose tag must exist here")
	f.StringVar(&t.commit, "commit", "", "the commit; with --tag or --branch: stop where the tag points at another one")
	f.StringVar(&t.repository, "repository", a.env["GITHUB_REPOSITORY"], "owner/name on GitHub, for the document (default: GITHUB_REPOSITORY, else the remote origin)")
	f.StringVar(&out, "out", "", "the folder for the packages, which holds nothing else")
	cmd.MarkFlagRequired("out")
	a.toolchainFlag(cmd, &t.toolchains)
	return cmd
}

func (a *app) pack(ctx context.Context, t target, out string) error {
	switch {
	case t.tag != "" && t.branch != "":
		return &problem.Error{Kind: problem.Usage, Summary: "--tag and --branch exclude each other", Hint: "both name a release: give one"}
	case t.commit != "" && !commitSHA.MatchString(t.commit):
		return notCommit(t.commit)
	case out == "":
		return &problem.Error{Kind: problem.Usage, Summary: "where do the packages go?", Hint: "give --out DIR, a folder that is empty or not there yet"}
	}
	if err := handover.Clear(out); err != nil {
		return err
	}
	repo, err := git.Open(ctx, a.dir)
	if err != nil {
		return notRepository(err, a.dir)
	}
	scratch, err := disk.Scratch(a.env["RUNNER_TEMP"])
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	src := &source.Repository{Repo: repo, Scratch: scratch, Toolchains: a.toolchains(t.toolchains), Say: a.sayOn}
	defer src.Close()
	s := release.Snapshot{Schema: release.SnapshotSchema, TakenAt: time.Now().UTC().Truncate(time.Second), Repository: a.slug(ctx, repo, t),
		Request: release.Request{Tag: t.tag, Branch: t.branch, Commit: t.commit, Half: release.Both}}
	if s.Checkout, s.Config, err = src.Checkout(ctx, s.Request, nil); err != nil {
		return err
	}
	if t.commit != "" && s.Checkout.Commit != t.commit {
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("tag %s points at another commit", s.Checkout.Tag.Name), Detail: fmt.Sprintf("asked for  %s\nhere       %s", t.commit, s.Checkout.Commit),
			Hint: "the tag was moved, or the checkout is an older one: fetch it again"}
	}
	plan := release.MakePlan(s).Checks()
	if r := release.NewReport("package", s, plan); r.Outcome == release.Stopped {
		return a.show(&r)
	}
	d, err := a.packInto(ctx, observe.World{Source: src, Scratch: scratch}, s, plan, out)
	if err != nil {
		return err
	}
	if a.json {
		return render.JSON(a.streams.Out, d)
	}
	_, err = fmt.Fprint(a.streams.Out, render.Packages(a.style(a.streams.Out), fmt.Sprintf("Packaged %s at %s into %s, with %s", s.Checkout.Tag.Name, release.Short(d.Commit), out, d.Cargo), d.Crates))
	return err
}

// packInto packages and writes the folder, drawn as a run of which the checks are the beginning.
func (a *app) packInto(ctx context.Context, w observe.World, s release.Snapshot, plan release.Plan, out string) (d handover.Document, err error) {
	step := converge.Step{Key: release.KindPackage + "/" + s.Checkout.Tag.Name, Kind: release.KindPackage, Reason: fmt.Sprintf("%s, verified without network and secrets", release.CrateCount(len(s.Checkout.Crates)))}
	for _, check := range plan.Steps {
		step.Needs = append(step.Needs, check.Key)
	}
	plan.Steps = append(plan.Steps, step)
	p := a.progress()
	defer p.Close()
	run := converge.Runner{Parallel: 1, Attempts: 1, Observe: p.Planned(s, plan), Do: func(ctx context.Context, step converge.Step) (converge.Outcome, error) {
		if step.Kind == release.KindCheck {
			return converge.Already(step.Reason), nil
		}
		var files map[string]string
		var err error
		d, files, err = handover.Pack(ctx, w, s, func(crate, phase string) { converge.Phase(ctx, strings.TrimSpace(crate+" "+phase)) })
		if err != nil {
			return converge.Outcome{}, err
		}
		if err := handover.Write(out, d, files); err != nil {
			return converge.Outcome{}, err
		}
		return converge.DoneBecause(fmt.Sprintf("%s with %s", release.CrateCount(len(d.Crates)), d.Cargo)), nil
	}}
	res := run.Run(ctx, plan.Plan)
	return d, errors.Join(res.Invalid, res.Err())
}

// slug is the repository's name on GitHub as far as it is known: nobody is asked.
func (a *app) slug(ctx context.Context, repo *git.Repo, t target) string {
	address := "https://github.com/" + t.repository
	if t.repository == "" {
		var err error
		if address, err = repo.Remote(ctx, "origin"); err != nil {
			return ""
		}
	}
	owner, name, ok := git.ParseGitHub(address)
	if !ok {
		return ""
	}
	return owner + "/" + name
}

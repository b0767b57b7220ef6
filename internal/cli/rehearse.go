package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

type rehearsalFlags struct {
	tags       []string
	faults     []string
	artifacts  []string
	lag        time.Duration
	keep       bool
	storm      int
	seed       uint64
	trace      bool
	summary    string
	toolchains string
}

func (a *app) rehearseCommand() *cobra.Command {
	var f rehearsalFlags
	cmd := &cobra.Command{
		Use:   "rehearse [PATH]",
		Short: "Rehearse the whole release with nothing outside this machine",
		Long: `Rehearse a release of the repository at PATH (default: here) against an embedded GitHub and embedded cargo registries.
It is the same pipeline with the real git and the real cargo; the packages come out byte for byte as in a real release.
Nothing in PATH is changed, and the tag need not exist yet. Uncommitted changes are not part of it.

Faults make things go wrong, to see how a release survives:

  tagboat rehearse --fault 'publish core: accept-then 500' --fault 'die after draft'

A PATH that is no git repository but a folder with a Cargo.toml is rehearsed from a copy.`,
		Example: "  tagboat rehearse\n  tagboat rehearse ~/src/hyperlight --tag v0.17.0\n  tagboat rehearse --keep\n  tagboat rehearse --storm 1000 --seed 7",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := a.dir
			if len(args) == 1 {
				path = args[0]
			}
			if f.storm > 0 {
				return a.storm(cmd.Context(), f)
			}
			return a.rehearse(cmd.Context(), path, f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.tags, "tag", nil, "the tag to release (default: what the crates' versions ask for); may be repeated")
	fl.StringArrayVar(&f.faults, "fault", nil, "something that goes wrong, see docs/faults.md; may be repeated")
	fl.StringArrayVar(&f.artifacts, "artifacts", nil, "files and folders that become assets, as a glob; may be repeated")
	fl.DurationVar(&f.lag, "lag", 0, "how long each index takes to show an accepted version")
	fl.BoolVar(&f.keep, "keep", false, "keep the embedded GitHub and registries running until interrupted")
	fl.IntVar(&f.storm, "storm", 0, "instead: so many whole releases under a virtual clock, with random faults and restarts")
	fl.Uint64Var(&f.seed, "seed", 1, "with --storm: the first seed; the same seed replays the same storm")
	fl.BoolVar(&f.trace, "trace", false, "with --storm: print what happens in the first seed")
	a.toolchainFlag(cmd, &f.toolchains)
	for _, name := range []string{"tag", "fault", "artifacts", "lag", "keep"} {
		cmd.MarkFlagsMutuallyExclusive("storm", name)
	}
	fl.StringVar(&f.summary, "summary", a.env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	return cmd
}

func (a *app) rehearse(ctx context.Context, path string, f rehearsalFlags) error {
	set, err := faults(f.faults)
	if err != nil {
		return err
	}
	dir, err := disk.Scratch(a.env["RUNNER_TEMP"])
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if path, err = repositoryAt(ctx, path, dir); err != nil {
		return err
	}
	stage, err := rehearsal.Build(ctx, rehearsal.Config{Path: path, Tags: f.tags, Dir: dir, Faults: set, Lag: f.lag, Toolchains: a.toolchains(f.toolchains), Say: a.sayOn})
	if err != nil {
		return notRepository(err, path)
	}
	defer stage.Close()
	if len(stage.Dirty) > 0 {
		a.say("%s left out of the rehearsal: a release is made from a commit", plain.Count(len(stage.Dirty), "uncommitted file"))
	}
	for _, note := range stage.Notes {
		a.say("%s", note)
	}
	p := a.progress()
	var last *release.Report
	for _, tag := range stage.Tags {
		r, err := stage.Run(ctx, tag, f.artifacts, rehearsal.Watcher{Planned: p.Planned, Say: p.Say})
		p.Close()
		if r == nil {
			return err
		}
		last = r
		if r.Outcome != release.Released {
			break
		}
		if tag != stage.Tags[len(stage.Tags)-1] {
			a.say("%s is released; next in order: the other tags", tag)
		}
	}
	for _, unfired := range set.Unfired() {
		a.say("this fault never happened: %s", unfired)
	}
	if !f.keep {
		last.URL, last.RunURL = "", "" // nobody is there any more
	}
	if err := a.report(last, nil, f.summary); err != nil {
		return err
	}
	return a.after(ctx, stage, last, f.keep)
}

func faults(lines []string) (*fault.Set, error) {
	var specs []fault.Spec
	for _, line := range lines {
		s, err := fault.Parse(line)
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return fault.NewSet(specs...), nil
}

// repositoryAt returns the repository to rehearse: path itself, or, where path is a folder with a Cargo.toml outside
// of any repository, a copy of it with one commit.
func repositoryAt(ctx context.Context, path, dir string) (string, error) {
	if _, err := os.Stat(path + "/.git"); err == nil {
		return path, nil
	}
	if _, err := os.Stat(path + "/Cargo.toml"); err != nil {
		return path, nil
	}
	copied := filepath.Join(dir, "copy", filepath.Base(absolute(path)))
	if err := os.MkdirAll(dir+"/copy", 0o755); err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	return copied, sample.Stage(ctx, path, copied)
}

// after says where to look, and keeps the world running where that was asked for.
func (a *app) after(ctx context.Context, stage *rehearsal.Stage, r *release.Report, keep bool) error {
	began := slices.ContainsFunc(r.Steps, func(s release.ReportStep) bool { return s.Attempts > 0 })
	if !began || len(r.Crates) == 0 {
		return nil // a rule stopped it, and there is nothing to see
	}
	fmt.Fprintln(a.streams.Err)
	if !keep {
		purpose := "build against what was published"
		if r.Outcome != release.Released {
			purpose = "look at what there is"
		}
		a.say("All of this was embedded and is gone now. --keep leaves it running, so that you can %s.", purpose)
		return nil
	}
	a.say("The embedded world runs until you press Ctrl-C.\n  GitHub      %s\n  repository  git clone %s/%s/%s.git", stage.URL, stage.URL, stage.Owner, stage.Name)
	for _, name := range slices.Sorted(maps.Keys(stage.Feeds)) {
		a.say("  registry    %s  sparse+%s", name, stage.Feeds[name].URL)
	}
	if r.Outcome == release.Released {
		crate := r.Crates[len(r.Crates)-1]
		feed := stage.Feeds[crate.Registries[0]]
		a.say("In any other folder with a Cargo.toml:\n  %s", feed.Consume(crate.Name, crate.Version))
	}
	<-ctx.Done()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

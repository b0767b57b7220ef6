package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/redist/mirror"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/hauled"
	"github.com/tagboat/tagboat/internal/secret"
)

// Host is the program around the command.
type Host struct {
	Env    map[string]string
	Dir    func() string // where tagboat.toml and .cargo are; known once the flags are read
	Wire   func(*Depot)  // fills in what only the program knows, when the configuration is read
	Hub    func(ctx context.Context, f Flags) (*forge.Client, error)
	Close  func() // ends the drawing of progress
	JSON   func() bool
	Out    func() io.Writer
	Err    func() io.Writer
	Style  func(io.Writer) render.Style
	Code   func(int) // takes the exit code
	Masker *secret.Masker
}

// Command is tagboat redist.
func Command(h Host) *cobra.Command {
	var f Flags
	cmd := &cobra.Command{
		Use:   "redist [NAME... | --from REGISTRY | --git URL --rev REV] --to REGISTRY (--lock FILE | --crate CRATE)...",
		Short: "Bring crates of others to a registry that lacks them",
		Long: `Bring crates to a registry, byte for byte as another one has them: single versions, or all that lock files take from
there. Only what is missing moves, many at a time, dependencies first; run it again and it goes on. Rules in
[thirdparty] of tagboat.toml, and the checksums of lock file, source and target, decide before anything moves.

With --git they come from one revision of a repository instead: under versions of their own, which --version-scheme
makes, path dependencies between them rewritten, packaged and verified in the build zone. What was published, and from
which revision, is kept as a release on GitHub; the same revision again publishes nothing.

Without flags it does what the [[redist]] tables of tagboat.toml say: those that are named, or all.

At the end it prints what consumers put into their .cargo/config.toml and Cargo.toml. What comes from a registry leaves
their lock files as they are.`,
		Example: `  tagboat redist --from crates-io --to my-feed --lock Cargo.lock --dry-run
  tagboat redist --from crates-io --to my-feed --lock Cargo.lock --lock fuzz/Cargo.lock
  tagboat redist --from crates-io --to my-feed --crate serde@1.0.219
  tagboat redist --git https://github.com/rust-vmm/mshv --rev 52edcf4 --crate mshv-bindings --crate mshv-ioctls --to my-feed
  tagboat redist third-party`,
		RunE: func(cmd *cobra.Command, args []string) error { return h.run(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.From, "from", "", "the registry that has the crates: crates-io, or a name in [registries]")
	flags.StringVar(&f.To, "to", "", "the registry that they go to")
	flags.StringArrayVar(&f.Locks, "lock", nil, "a Cargo.lock whose crates are wanted; may be repeated")
	flags.StringArrayVar(&f.Crates, "crate", nil, "what is wanted, as NAME@VERSION, with --git as NAME; may be repeated")
	flags.StringVar(&f.Git, "git", "", "the git repository that has the crates: an http or https URL, or a folder")
	flags.StringVar(&f.Rev, "rev", "", "with --git: the commit, tag or branch")
	flags.StringVar(&f.Name, "name", "", "with --git: what the ledger calls this work (default: the repository's name)")
	flags.StringVar(&f.Scheme, "version-scheme", "", "with --git: the versions to publish, from {version}, {date}, {rev} and {count} (default {version}-{date})")
	flags.StringVar(&f.Watch, "watch", "", "with --git: the registry on which upstream might publish the crates itself, or none (default crates-io)")
	flags.BoolVar(&f.Issue, "issue", h.Env["GITHUB_ACTIONS"] == "true", "with --git: keep one issue current that says what upstream has published itself (the default in GitHub Actions)")
	flags.StringToStringVar(&f.Metadata, "metadata", nil, "with --git: a key of [package] that the manifests lack, as license=MIT; may be repeated")
	flags.StringVar(&f.Repository, "repository", h.Env["GITHUB_REPOSITORY"], "with --git: owner/name on GitHub of the repository that keeps the ledger (default: GITHUB_REPOSITORY, else the remote origin)")
	flags.StringVar(&f.APIURL, "api-url", h.Env["GITHUB_API_URL"], "with --git: GitHub's API (default: GITHUB_API_URL, else https://api.github.com)")
	flags.StringVar(&f.UploadURL, "upload-url", "", "with --git: where GitHub takes release assets (default: follows from the API)")
	flags.BoolVar(&f.Dry, "dry-run", false, "look, judge and say what would move; nothing is uploaded")
	flags.IntVar(&f.Parallel, "parallel", mirror.DefaultParallel, "crates on their way at the same time")
	flags.DurationVar(&f.Deadline, "deadline", 0, "end as waiting rather than run longer than this")
	flags.StringVar(&f.Summary, "summary", h.Env["GITHUB_STEP_SUMMARY"], "append the report as Markdown to this file")
	return cmd
}

func (h Host) run(ctx context.Context, names []string, f Flags) error {
	cfg, indexes, err := Load(h.Dir())
	if err != nil {
		return err
	}
	d := Depot{Config: cfg, Indexes: indexes, Dir: h.Dir(), Env: h.Env, Hub: func(ctx context.Context) (*forge.Client, error) { return h.Hub(ctx, f) }}
	h.Wire(&d)
	r, err := d.Redistribute(ctx, names, f)
	h.Close()
	if r == nil {
		return err
	}
	if f.Summary != "" {
		if err := Summary(f.Summary, h.Masker.Mask(hauled.Markdown(*r))); err != nil {
			d.Say("warning: %v", err) // what moved has moved, and the report is printed
		}
	}
	h.Code(r.ExitCode())
	out := h.Out()
	if h.JSON() {
		if err := render.JSON(out, r); err != nil {
			return err
		}
		out = h.Err()
	}
	_, err = fmt.Fprint(out, hauled.Terminal(h.Style(out), *r))
	return err
}

// Summary appends Markdown, in which secrets are masked, to a file.
func Summary(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

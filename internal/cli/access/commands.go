package access

import (
	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/problem"
)

// Commands are the commands about access. desk is asked when one is called; exit gets the exit code of what was run.
func Commands(desk func() *Desk, exit *int) []*cobra.Command {
	return []*cobra.Command{login(desk), logout(desk), run(desk, exit), provider(desk)}
}

func login(desk func() *Desk) *cobra.Command {
	var o Login
	cmd := &cobra.Command{
		Use:   "login (REGISTRY | --ci [REGISTRY...])",
		Short: "Log in to a registry",
		Long: `Log in to a registry: a token is tried on it, and stored with cargo's own means (cargo login), in the keyring or the
file that your cargo configuration says.

The token of an Azure DevOps feed comes from the Azure CLI where that is installed and has a session; it lasts about an
hour. Every other token is read from the terminal without being shown, or from stdin. It may be bare: Tagboat gives it the
form that the registry wants.

With --ci the tokens come from the same variables as for a release, and are kept in a file below RUNNER_TEMP, mode 0600,
for the cargo calls of later steps, which get it from Tagboat as their credential provider. That file can be read by
everything that runs as the same user until tagboat logout --ci: prefer tagboat run.`,
		Example: "  tagboat login my-feed\n  pass show feed | tagboat login my-feed --with-token\n  tagboat login --ci",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.CI {
				return desk().KeepForCI(cmd.Context(), args)
			}
			if len(args) != 1 {
				return &problem.Error{Kind: problem.Usage, Summary: "which registry?", Hint: "tagboat login NAME, as in .cargo/config.toml; crates-io is crates.io"}
			}
			return desk().Login(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.WithToken, "with-token", false, "read a token, from the terminal or from stdin, and do not ask the Azure CLI")
	cmd.Flags().BoolVar(&o.CI, "ci", false, "keep the tokens of the environment for the steps of this job that follow")
	return cmd
}

func logout(desk func() *Desk) *cobra.Command {
	var ci bool
	cmd := &cobra.Command{
		Use:     "logout (REGISTRY | --ci)",
		Short:   "Forget what tagboat login stored",
		Example: "  tagboat logout my-feed\n  tagboat logout --ci",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ci == (len(args) == 1) {
				return &problem.Error{Kind: problem.Usage, Summary: "which registry?", Hint: "tagboat logout NAME, or tagboat logout --ci"}
			}
			if ci {
				return desk().ForgetCI()
			}
			return desk().Logout(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVar(&ci, "ci", false, "remove the tokens that tagboat login --ci kept")
	return cmd
}

func run(desk func() *Desk, exit *int) *cobra.Command {
	var o Trust
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGS...]",
		Short: "Run cargo with private registries and without a token in its environment",
		Long: `Run a command whose cargo asks Tagboat for tokens, as its credential provider, instead of having them in its environment.

A cargo command that builds (build, test, run, clippy, package, …) is kept apart from the tokens: cargo fetch gets the
dependencies first, then no token is left in any process that Tagboat or cargo started, and the command is run offline.
For commands that need the registry to the end (fetch, update, owner, publish --no-verify, …) Tagboat holds the tokens in
its memory meanwhile, and gives them to the cargo that was started for this command: a token to read for registries whose
index is known, a token to publish for the crates that the workspace publishes there. Linux only. The exit code is the
command's own.`,
		Example: "  tagboat run -- cargo build --locked\n  tagboat run -- cargo publish --no-verify --registry my-feed -p my-crate",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			*exit, err = desk().Run(cmd.Context(), args, o)
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&o.Crates, "trust-crates", false, "let crates be built while the command may ask for tokens: their build scripts can get at them")
	return cmd
}

func provider(desk func() *Desk) *cobra.Command {
	var plugin bool
	cmd := &cobra.Command{
		Use:   "credential --cargo-plugin",
		Short: "Be a credential provider of cargo, which starts this itself",
		Long: `Speak cargo's protocol for credential providers on stdin and stdout: credential-provider = ["tagboat", "credential"] in
cargo's configuration. Tokens come from the tagboat run or tagboat login --ci around cargo. With "--azure-cli" after
"credential", the Azure CLI is asked for a token to read an Azure DevOps feed where there is none of these. Everything else
is left to the providers that stand before this one in the list.`,
		Example: "  cargo build --config 'registry.global-credential-providers=[\"cargo:token\", \"tagboat credential\"]'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !plugin {
				return &problem.Error{Kind: problem.Usage, Summary: "cargo starts this command", Hint: `credential-provider = ["tagboat", "credential"] in [registries.NAME] of .cargo/config.toml`}
			}
			return desk().Provide(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&plugin, "cargo-plugin", false, "speak the protocol")
	return cmd
}

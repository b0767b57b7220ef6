// Package manual writes the reference of the command line from the commands themselves.
package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tagboat/tagboat/internal/cli/access"
	"github.com/tagboat/tagboat/internal/credential"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
)

const referenceIntro = "# Commands\n\n" +
	"<!-- Generated from internal/cli; `make docs` writes it anew. -->\n\n" +
	"What a command asks for goes to standard output, everything else that people read to standard error. With `--json`,\n" +
	"standard output holds one JSON document and nothing else; its shapes are in [json.md](json.md).\n"

// exits are the exit codes as the reference explains them.
var exits = []struct {
	code    int
	name    string
	meaning string
}{
	{problem.ExitDone, "done", "What was asked for is reached."},
	{problem.ExitFailed, "failed", "A fault of the network, the disk or a service. The same command goes on where this one ended."},
	{problem.ExitStopped, "stopped", "A person must decide. Nothing irreversible was done, or the report lists exactly what was."},
	{problem.ExitWaiting, "waiting", "Come back later; the report says when. The same command goes on where this one ended."},
	{problem.ExitUsage, "usage", "The command line or tagboat.toml is wrong."},
}

// documents says which JSON document each command prints.
var documents = map[string]string{
	"rehearse": release.ReportSchema, "plan": release.ReportSchema, "check": release.ReportSchema, "release": release.ReportSchema,
	"package": handover.Schema, "verify": release.ReportSchema + ", with `proofs`", "rolling": release.ReportSchema, "reconcile": release.ReportSchema + ", with `releases`", "config": "tagboat.config/v1",
	"bump": release.ReportSchema + ", with `bumps`", "tag": release.ReportSchema, "patch": release.ReportSchema + ", with `bumps`, or `releases` for `--labelled`", "redist": release.ReportSchema + ", with `redist`",
	"token check": release.ReportSchema + ", with `tokens`", "token rotate": release.ReportSchema + ", with `tokens`",
	"run": access.SessionSchema, "login": access.LoginSchema + ", with `--ci` `" + access.SessionSchema + "`", "logout": access.LoginSchema,
}

// variables are the environment variables that are read besides those of registries.
var variables = [][2]string{
	{"GITHUB_TOKEN, GH_TOKEN", "The token for GitHub; the first that is set."},
	{"CARGO_REGISTRY_TOKEN, CARGO_REGISTRIES_NAME_TOKEN, PAT", "The tokens for crates.io, for registry NAME, for the only Azure DevOps feed; `token_env` in tagboat.toml names others. See [registries.md](registries.md#tokens)."},
	{"CARGO_REGISTRIES_NAME_INDEX", "Pins the index of registry NAME: its token goes nowhere else, whatever a commit says."},
	{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR", "Proxies, and certificates of a company's own authority. See [registries.md](registries.md)."},
	{"ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN", "Where a job with `id-token: write` proves what it is; GitHub sets them. See [trusted-publishing.md](trusted-publishing.md)."},
	{"AZURE_TENANT_ID, AZURE_CLIENT_ID", "Defaults of `tenant_id` and `client_id` in tagboat.toml."},
	{"AZURE_AUTHORITY_HOST", "Where Entra is for tenants outside of the public cloud."},
	{"TAGBOAT_BILL_KEY", "A secret of your choice that makes the bill of lading authentic where registry tokens are made anew for each run, as trusted publishing does."},
	{"GITHUB_REPOSITORY, GITHUB_API_URL", "Defaults of `--repository` and `--api-url`; GitHub Actions sets them."},
	{"GITHUB_STEP_SUMMARY", "Default of `--summary`; GitHub Actions sets it."},
	{"RUNNER_TEMP, TMPDIR", "Where a run keeps its scratch files; the first that is set."},
	{"RUNNER_TOOL_CACHE", "Default of `--toolchain-cache` is a folder in it; GitHub Actions sets it."},
	{"GITHUB_ACTIONS", "Default of `--issue`; GitHub Actions sets it."},
	{"GITHUB_SERVER_URL", "Where people make tokens for GitHub (default `https://github.com`); GitHub Actions sets it."},
	{credential.Variable, "The folder of a session, by which `tagboat credential` finds the tokens; `tagboat run` and `tagboat login --ci` set it for cargo."},
	{"XDG_RUNTIME_DIR", "Where `tagboat run` has its socket, and `tagboat login --ci` its file where there is no RUNNER_TEMP."},
	{"GITHUB_ENV", "Where `tagboat login --ci` tells later steps about the tokens; GitHub Actions sets it."},
	{"CI", "Default of `--quiet`."},
	{"NO_COLOR", "Default of `--no-color`."},
}

// Reference returns docs/commands.md: every command with its flags, the exit codes, the environment.
func Reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	b.WriteString("\n## Every command\n\n")
	writeFlags(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			writeCommand(&b, c)
		}
	}
	b.WriteString("\n## Exit codes\n\n| Code | Name | Meaning |\n|---|---|---|\n")
	for _, e := range exits {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", e.code, e.name, e.meaning)
	}
	b.WriteString("\n## Environment\n\n| Variable | Meaning |\n|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(v[0], ", ", "`, `"), v[1])
	}
	b.WriteString("\nEvery variable that is named like a secret (TOKEN, SECRET, PASSWORD and the like) is taken out of the process's\n" +
		"environment at its start, and its value is masked in all output.\n")
	return b.String()
}

// writeCommand writes a command's section, and in it those of the commands below it.
func writeCommand(b *strings.Builder, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	level := strings.Repeat("#", 1+strings.Count(c.CommandPath(), " "))
	fmt.Fprintf(b, "\n%s %s\n\n```\n%s %s\n```\n\n%s\n", level, c.CommandPath(), c.Parent().CommandPath(), c.Use, fenced(text))
	defer func() {
		for _, below := range c.Commands() {
			writeCommand(b, below)
		}
	}()
	if s := documents[strings.TrimPrefix(c.CommandPath(), "tagboat ")]; s != "" {
		schema, rest, _ := strings.Cut(s, ",")
		if rest != "" {
			rest = "," + rest
		}
		fmt.Fprintf(b, "\nWith `--json`: `%s`%s.\n", schema, rest)
	}
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		writeFlags(b, c.LocalNonPersistentFlags())
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", outdent(c.Example))
}

// fenced turns the indented examples of a help text into code blocks.
func fenced(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			paragraph = "```sh\n" + outdent(paragraph) + "\n```"
		}
		out = append(out, paragraph)
	}
	return strings.Join(out, "\n\n")
}

func outdent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| Flag | Meaning |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			name += " " + strings.ToUpper(strings.TrimSuffix(value, "Array"))
		}
		if first, _, _ := strings.Cut(usage, " "); !strings.Contains(first, "/") {
			usage = strings.ToUpper(usage[:1]) + usage[1:]
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(b, "| `%s` | %s. |\n", name, strings.ReplaceAll(strings.TrimSuffix(usage, "."), "|", `\|`))
	})
}

package action

import (
	"fmt"
	"reflect"
	"strings"
)

// Manifest returns action.yml, made from Inputs and Outputs.
//
// https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax
func Manifest() string {
	var b strings.Builder
	b.WriteString("# Generated from internal/action; `make docs` writes it anew. What each input means is in docs/action.md.\n" +
		"name: Tagboat\n" +
		"author: The Tagboat authors\n" +
		"description: From a pushed tag to published Rust crates and a public release\n" +
		"branding:\n  icon: anchor\n  color: blue\n" +
		"inputs:\n")
	for _, p := range inputFields() {
		fmt.Fprintf(&b, "  %s:\n    description: %s\n    required: false\n    default: %s\n", p.name, quoted(p.doc), quoted(p.value))
	}
	b.WriteString("outputs:\n")
	for _, p := range outputFields() {
		fmt.Fprintf(&b, "  %s:\n    description: %s\n", p.name, quoted(p.doc))
	}
	b.WriteString("runs:\n  using: docker\n  image: Dockerfile\n")
	return b.String()
}

// quoted is a string as YAML takes it between single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// field is one input or output as people read of it.
type field struct{ name, value, doc string }

func inputFields() []field  { return fields(reflect.TypeFor[Inputs](), "input") }
func outputFields() []field { return fields(reflect.TypeFor[Outputs](), "output") }

func fields(t reflect.Type, key string) []field {
	var out []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		out = append(out, field{tag.Get(key), tag.Get("default"), tag.Get("doc")})
	}
	return out
}

// events says what `command: auto` does, for people.
var events = [][2]string{
	{"push of a tag, create", "`tagboat release --tag`: the release branch and the release workflow; the whole release where there is no release workflow. It stops where the tag has been moved since the event."},
	{"workflow_dispatch on a release branch", "`tagboat release --branch`: package, draft, publish, confirm, release"},
	{"workflow_dispatch on a tag", "as a push of that tag"},
	{"push to the development branch", "`tagboat rolling`, where tagboat.toml has `enabled = true` in `[release.rolling]`; else nothing"},
	{"pull_request, pull_request_target, merge_group", "`tagboat check`, with annotations, a job summary and one comment that is kept current"},
	{"schedule", "`tagboat reconcile`: tags of the last days without a finished release are gone on with. Then `tagboat token check --fail-on=expired`: an issue says which tokens stop working soon; the step turns red for one that does not work. See [tokens.md](tokens.md). Then, where tagboat.toml has `backports = true` in `[patch]`, `tagboat patch --labelled`: one pull request for each version line that merged pull requests are labelled for. See [bump.md](bump.md)."},
	{"a deleted tag, other branches", "nothing; the outcome is `nothing`"},
	{"anything else", "stops, unless the inputs say what to do"},
}

// Reference returns docs/action.md.
func Reference() string {
	var b strings.Builder
	b.WriteString("# The Action\n\n" +
		"<!-- Generated from internal/action; `make docs` writes it anew. -->\n\n" +
		"`uses: tagboat/tagboat@v1` runs one command of Tagboat in a container and tells the run what came of it: outputs,\n" +
		"annotations, a job summary, on pull requests a comment. The command line that it chose is in the log, so that you can\n" +
		"give the same one. Copy one of the [examples](../examples) and change it.\n\n" +
		"## What it does for which event\n\n| Event | With `command: auto` |\n|---|---|\n")
	for _, e := range events {
		fmt.Fprintf(&b, "| %s | %s |\n", e[0], e[1])
	}
	b.WriteString("\nA called workflow (`workflow_call`) has the event of its caller. For `repository_dispatch` and `workflow_run` give the\n" +
		"inputs `command` and `tag` or `branch`.\n\n" +
		"## Inputs\n\n| Input | Default | Meaning |\n|---|---|---|\n")
	for _, p := range inputFields() {
		value := ""
		if p.value != "" {
			value = "`" + p.value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.name, value, p.doc)
	}
	b.WriteString("\n## Outputs\n\n| Output | Meaning |\n|---|---|\n")
	for _, p := range outputFields() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.name, p.doc)
	}
	b.WriteString("\n## Secrets\n\n" +
		"Registry tokens come in `env:`; [registries](registries.md#tokens) says in which variable. Every variable that is named like\n" +
		"a secret, or in `token_env`, is masked in the log, in plain, as JSON and as base64, and is taken out of the environment\n" +
		"before anything else happens: no program that Tagboat starts can see it. For crates.io and Azure DevOps a job with\n" +
		"`id-token: write` needs no stored token: see [trusted-publishing.md](trusted-publishing.md).\n\n" +
		"## Toolchain and images\n\n" +
		"The image has git, a C toolchain and Rust 1.95.0 through rustup. Where a workspace's `rust-toolchain.toml` pins another\n" +
		"toolchain, a version (`1.94`, `1.94.0`) or a channel with a date, rustup installs it before anything is packaged, in a build\n" +
		"zone of its own, and the log says so; `toolchain-cache` keeps it. The bill says which one it was. One that is not pinned stops\n" +
		"the step: it would package other bytes tomorrow. Crates that need more libraries are released by the program that\n" +
		"`uses: tagboat/tagboat/setup@v1` installs, in a job of your choice.\n\n" +
		"Code of crates runs in a build zone inside the container: with a user of its own, Landlock and a seccomp filter. GitHub's\n" +
		"runner gives the container no right to make namespaces; the report says what is closed.\n\n" +
		"## The slim image\n\n" +
		"`docker://ghcr.io/tagboat/tagboat:vX.Y.Z-slim` holds the program and the roots of trust alone: no shell, no compiler, no cargo,\n" +
		"no git. A job that uses it packages nothing; it gets the crates from another job, in the input `packages`:\n\n" +
		"1. A build job without any secret checks the commit out, with the toolchain of its choice, and runs `tagboat package`.\n" +
		"2. The folder that it fills goes to the release job as an artifact.\n" +
		"3. The release job has no checkout. It asks GitHub's API for what the commit says, compares the packages with it, file by\n" +
		"   file, and publishes them.\n\n" +
		"[examples/slim.yml](../examples/slim.yml) is both jobs. Since this form bypasses action.yml, inputs have no defaults from it: give\n" +
		"`github-token`. What the comparison proves, and what it cannot, is in the [threat model](threat-model.md).\n\n" +
		"## Exit codes\n\n" +
		"The step is green only where what was asked for is reached. `waiting` is red, too: the release is not finished. A scheduled\n" +
		"run with the same workflow goes on with it. The codes are those of the [command line](commands.md).\n")
	return b.String()
}

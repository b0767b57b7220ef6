package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/problem"
)

// open runs cargo with the network, to fetch.
func (p *packer) open(ctx context.Context, dir string, args ...string) error {
	argv := append([]string{"cargo"}, args...)
	out, err := p.zone.Run(ctx, zone.Command{
		Dir: dir, Argv: append(argv, p.replacement()...), Network: zone.Open, Ports: p.ports(), Env: p.env("fetch"),
	})
	if err != nil {
		return err
	}
	return explain(out, "")
}

// cargoPackage packages all wanted crates in one call, without a network, in a target folder of that name. It returns
// what cargo says it packaged.
func (p *packer) cargoPackage(ctx context.Context, target string, flags ...string) ([]madeCrate, error) {
	argv := append([]string{"cargo", "package", "--locked", "--offline"}, flags...)
	for _, name := range p.req.Crates {
		argv = append(argv, "--package", name)
	}
	if p.changed || p.req.Changed {
		argv = append(argv, "--allow-dirty")
	}
	if len(p.req.Features) > 0 {
		argv = append(argv, "--features", strings.Join(p.req.Features, ","))
	}
	if p.req.AllFeatures {
		argv = append(argv, "--all-features")
	}
	if p.req.NoDefaultFeatures {
		argv = append(argv, "--no-default-features")
	}
	argv = append(argv, p.destination()...)
	argv = append(argv, p.replacement()...)
	w := watcher{tell: p.progress}
	out, err := p.zone.Run(ctx, zone.Command{Dir: p.workspace.Root, Argv: argv, Env: p.env(target), Line: w.line})
	if err != nil {
		return nil, err
	}
	return w.made, explain(out, w.crate)
}

// destination tells cargo where the crates will go, which decides where it looks for siblings that are packaged along.
// A replaced registry is named by the index that stands for it, because cargo looks behind a replaced source only for
// siblings of that very index.
func (p *packer) destination() []string {
	name, index := p.req.Registry, cargo.CratesIOIndex
	if name == "" {
		name = cargo.CratesIO
	}
	if name != cargo.CratesIO {
		index = cmp.Or(p.req.Indexes[name], p.workspace.Registries[name])
	}
	if stand := p.req.Stands[index]; stand != "" {
		return []string{"--index", stand}
	}
	return []string{"--registry", name}
}

// replacement puts other indexes in the place of those that they stand for. The command line wins over every file. The
// names of the sources must be none that a repository uses.
func (p *packer) replacement() []string {
	var args []string
	for i, index := range slices.Sorted(maps.Keys(p.req.Stands)) {
		source, stand := cargo.CratesIO, fmt.Sprintf("tagboat-stand-%d", i)
		if index != cargo.CratesIOIndex {
			source = fmt.Sprintf("tagboat-stood-for-%d", i)
			args = append(args, "--config", "source."+source+".registry="+strconv.Quote(index))
		}
		args = append(args, "--config", "source."+source+".replace-with="+strconv.Quote(stand),
			"--config", "source."+stand+".registry="+strconv.Quote(p.req.Stands[index]))
	}
	return args
}

// env names the registries and a target folder of a phase's own.
func (p *packer) env(target string) map[string]string {
	dir := filepath.Join(p.zone.Target(), target)
	env := map[string]string{"CARGO_TARGET_DIR": dir, "CARGO_BUILD_BUILD_DIR": dir}
	for alias, index := range p.req.Indexes {
		if alias != cargo.CratesIO {
			env["CARGO_REGISTRIES_"+strings.ToUpper(strings.ReplaceAll(alias, "-", "_"))+"_INDEX"] = index
		}
	}
	return env
}

// ports are the ports of the registries that cargo reads. What only the repository names must speak TLS: an address of
// plain HTTP inside a cloud would hand out that machine's credentials.
func (p *packer) ports() []uint16 {
	var ports []uint16
	for index := range maps.Values(p.req.Indexes) {
		ports = append(ports, portOf(index, "http"))
	}
	for index := range maps.Values(p.req.Stands) {
		ports = append(ports, portOf(index, "http"))
	}
	if p.workspace != nil {
		for index := range maps.Values(p.workspace.Registries) {
			ports = append(ports, portOf(index, "https"))
		}
	}
	return slices.DeleteFunc(ports, func(n uint16) bool { return n == 0 })
}

// portOf returns the port of an index, 0 where its scheme is weaker than least.
func portOf(index, least string) uint16 {
	u, err := url.Parse(strings.TrimPrefix(index, "sparse+"))
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || least != "http") {
		return 0
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(n)
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// madeCrate is a crate that cargo says it packaged.
type madeCrate struct{ name, version string }

// watcher reads cargo's progress.
type watcher struct {
	tell  func(crate, phase string)
	crate string // the one that is packaged or verified
	made  []madeCrate
}

// progressLine is a status line of cargo: a right-aligned verb, a crate, its version.
var progressLine = regexp.MustCompile(`^ *(Packaging|Verifying|Compiling) ([A-Za-z0-9_-]+) v([^ /\\]+)`)

func (w *watcher) line(s string) {
	m := progressLine.FindStringSubmatch(s)
	if m == nil {
		return
	}
	switch m[1] {
	case "Packaging":
		w.crate = m[2]
		w.made = append(w.made, madeCrate{m[2], m[3]})
		w.tell(w.crate, "package")
	case "Verifying":
		w.crate = m[2]
		w.tell(w.crate, "verify")
	case "Compiling":
		w.tell(w.crate, "compile "+m[2]+" "+m[3])
	}
}

// causes are the failures of cargo that a person can mend, by the words that cargo has for them.
var causes = []struct {
	words   *regexp.Regexp
	problem problem.Error
}{
	{regexp.MustCompile(`lock file \S+ needs to be updated|cannot (update|create) the lock file`), problem.Error{
		Kind: problem.Stopped, Summary: "Cargo.lock does not match the manifests of this commit", File: "Cargo.lock",
		Hint: "cargo update --workspace, commit Cargo.lock, and tag that commit",
	}},
	{regexp.MustCompile(`all dependencies must have a version requirement specified`), problem.Error{
		Kind: problem.Stopped, Summary: "a dependency by path has no version, and a published crate cannot name a path",
		Hint: `write it as { path = "...", version = "..." }; a dev-dependency may stay without a version`,
	}},
	{regexp.MustCompile(`The registry .+ is not listed in the .package\.publish. value`), problem.Error{
		Kind: problem.Stopped, Summary: "a crate's manifest does not allow this registry",
		Hint: "add the registry to package.publish of the crate, or exclude the crate in tagboat.toml",
	}},
	{regexp.MustCompile(`Source directory was modified by build\.rs`), problem.Error{
		Kind: problem.Stopped, Summary: "a build script changes the sources of its own crate",
		Hint: "let it write to OUT_DIR only",
	}},
	{regexp.MustCompile(`attempting to make an HTTP request, but --offline was specified|you're using offline mode`), problem.Error{
		Kind: problem.Stopped, Summary: "a package needs a dependency that the workspace's Cargo.lock does not name",
		Hint: "published crates ignore [patch] and path overrides: publish what they stand for first, or drop them",
	}},
	{regexp.MustCompile(`failed to verify package tarball`), problem.Error{
		Kind: problem.Stopped, Summary: "a crate does not build from its packaged sources",
		Hint: "a file outside of the crate, a file that include or exclude leaves out, or a feature that only the workspace switches on is the usual reason; the verification builds run without a network",
	}},
	{regexp.MustCompile(`spurious network error|Could not resolve host|failed to connect|Connection (refused|reset)|Timeout was reached|got (429|50[0-9])`), problem.Error{
		Kind: problem.Failed, Summary: "a registry could not be reached",
		Hint: "run again; if it stays so, look at the registry's status page and at the proxy",
	}},
	{regexp.MustCompile(`authenticated registries require a credential-provider|no token found for|got 401|got 403`), problem.Error{
		Kind: problem.Stopped, Summary: "a dependency lies in a registry that asks for a token, and the build zone has none",
		Hint: "vendor that dependency, or let the registry be read without a token",
	}},
}

// explain turns cargo's failure into one that says what to do. crate is the one that cargo was at.
func explain(out zone.Output, crate string) error {
	err := out.Err()
	var exit *zone.ExitError
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	var known *problem.Error
	if errors.As(err, &known) {
		return err // a full disk
	}
	detail := relevant(exit.Stderr)
	for _, c := range causes {
		if c.words.MatchString(exit.Stderr) {
			p := c.problem
			p.Detail, p.Err = detail, err
			if crate != "" && p.File == "" {
				p.Summary = crate + ": " + p.Summary
			}
			return &p
		}
	}
	return &problem.Error{Kind: problem.Failed, Summary: "cargo " + exit.Argv[1] + " failed", Detail: detail, Err: err}
}

// relevant returns what cargo wrote from its first error on, at most 40 lines and without its progress.
func relevant(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "error") }); i >= 0 {
		lines = lines[i:]
	}
	if n := len(lines); n > 40 {
		lines = append(append(lines[:15:15], "..."), lines[n-24:]...)
	}
	return strings.Join(lines, "\n")
}

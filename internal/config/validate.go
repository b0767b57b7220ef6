package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
)

// azureMaxSize is the limit for one package of Azure Artifacts
// (https://learn.microsoft.com/azure/devops/artifacts/reference/limits).
const azureMaxSize = 500 << 20

// complete fills in what depends on other keys.
func (l *loader) complete(c *Config) {
	for name, r := range c.Registries {
		if _, given := l.origins[tomlkey.Join([]string{"registries", name, "max_size"})]; r.Kind == "azure" && !given {
			r.MaxSize = azureMaxSize
			c.Registries[name] = r
		}
	}
}

// validate checks what types alone do not say.
func (l *loader) validate(c Config) {
	l.tagsAndBranches(c)
	for _, name := range slices.Sorted(maps.Keys(c.Registries)) {
		l.registry(name, c.Registries[name])
		l.login(name, c.Registries[name], c.Package.Publisher)
	}
	l.tokens(c)
	l.packaging(c.Package)
	for _, name := range slices.Sorted(maps.Keys(c.Registries)) {
		if c.Registries[name].OwnSiblings && c.Package.Publisher == "cargo" {
			l.wrong([]string{"registries", name, "own_siblings"}, "cargo packages what the commit says, for every registry the same", "use publisher = \"tagboat\"")
		}
	}
	l.release(c.Release)
	l.changelog(c.Changelog)
	if strings.Count(c.Patch.Label, "{line}") != 1 || strings.Contains(c.Patch.Label, ",") || len(placeholder.FindAllString(c.Patch.Label, -1)) > 1 {
		l.wrong([]string{"patch", "label"}, fmt.Sprintf("got %q, want {line} in it once, no comma and nothing else in braces", c.Patch.Label), "backport {line}")
	}
	l.between([]string{"pace", "uploads"}, c.Pace.Uploads, 1, 64)
	l.between([]string{"pace", "attempts"}, c.Pace.Attempts, 1, 100)
	l.redist(c)
	l.rules(c.Rules)
}

// wrong reports a value that its key cannot take.
func (l *loader) wrong(path []string, detail, hint string) {
	l.report(path, fmt.Sprintf("%s has a wrong value", tomlkey.Join(path)), detail, hint)
}

func (l *loader) between(path []string, n, low, high int) {
	if n < low || n > high {
		l.wrong(path, fmt.Sprintf("got %d, want %d to %d", n, low, high), "")
	}
}

func (l *loader) tagsAndBranches(c Config) {
	l.template([]string{"tags", "template"}, c.Tags.Template, "version", "crate")
	l.template([]string{"branches", "release"}, c.Branches.Release, "tag")
	if c.Branches.Development != "" {
		l.refName([]string{"branches", "development"}, c.Branches.Development)
	}
	if file := c.Workflow.File; file != "" && file != "none" {
		ext := path.Ext(file)
		if strings.ContainsAny(file, `/\`) || ext != ".yml" && ext != ".yaml" {
			l.wrong([]string{"workflow", "file"}, fmt.Sprintf("got %q, want the name of a .yml or .yaml file in .github/workflows, or \"none\"", file),
				"write the name alone, without the folder")
		}
	}
	for key, d := range map[string]Duration{"start_timeout": c.Workflow.StartTimeout, "run_timeout": c.Workflow.RunTimeout} {
		if d == 0 {
			l.wrong([]string{"workflow", key}, "got 0, want a duration above zero", "")
		}
	}
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// template checks a name with placeholders: the first is required, each may stand once, nothing else in braces.
func (l *loader) template(key []string, text string, names ...string) {
	known := make([]string, len(names))
	for i, name := range names {
		known[i] = "{" + name + "}"
		if n := strings.Count(text, known[i]); n > 1 || n == 0 && i == 0 {
			l.wrong(key, fmt.Sprintf("got %q, want %s in it once", text, known[i]), "")
			return
		}
	}
	for _, found := range placeholder.FindAllString(text, -1) {
		if !slices.Contains(known, found) {
			l.wrong(key, fmt.Sprintf("%s is no placeholder here, known: %s", found, strings.Join(known, ", ")), tomlkey.DidYouMean(tomlkey.Nearest(found, known)))
			return
		}
	}
	l.refName(key, placeholder.ReplaceAllString(text, "1"))
}

// refName checks what git allows in the name of a tag or branch (https://git-scm.com/docs/git-check-ref-format).
func (l *loader) refName(key []string, name string) {
	bad := name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\{}`, r) }) ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.HasSuffix(name, ".")
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part[0] == '.' || part[0] == '-' || strings.HasSuffix(part, ".lock")
	}
	if bad {
		l.wrong(key, fmt.Sprintf("git allows no ref with the name %q", name), "")
	}
}

var (
	registryName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	toolchain    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

func (l *loader) registry(name string, r Registry) {
	key := func(last string) []string { return []string{"registries", name, last} }
	if !registryName.MatchString(name) {
		l.report(key(""), fmt.Sprintf("cargo allows no registry with the name %q", name), "", "use letters, digits, - and _")
	}
	if name == CratesIO {
		if want := Default().Registries[CratesIO]; r.Index != want.Index || r.Kind != want.Kind {
			l.wrong(key("index"), "index and kind of crates-io are fixed", "give a mirror or another registry a name of its own")
		}
		if r.OwnSiblings {
			l.wrong(key("own_siblings"), "crates on crates.io find their siblings there in any case", "set it for the other registry")
		}
	} else if r.Index != "" {
		l.index(key("index"), r.Index)
	}
	if r.TokenEnv != "" && !variableName.MatchString(r.TokenEnv) {
		l.wrong(key("token_env"), "want the name of an environment variable", "never write the token itself into this file")
	}
	for bucket, b := range map[string]Bucket{"new_crates": r.NewCrates, "new_versions": r.NewVersions} {
		if b.Burst < 0 || b.Burst > 0 && b.Every == 0 {
			l.wrong(append(key(bucket), "burst"), fmt.Sprintf("got burst %d with every %s, want a burst of 0 or more, and with one above 0 a time", b.Burst, b.Every), "")
		}
	}
}

var entraID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$`)

// login checks how a run logs in to a registry. A token that is made for a run goes to no other program.
func (l *loader) login(name string, r Registry, publisher string) {
	key := func(last string) []string { return []string{"registries", name, last} }
	minted := r.Login == LoginTrusted || r.Login == LoginEntra
	switch {
	case r.Login == LoginTrusted && name != CratesIO:
		l.wrong(key("login"), "only crates-io has trusted publishing", "for an Azure DevOps feed there is \"entra\"")
	case r.Login == LoginEntra && name == CratesIO:
		l.wrong(key("login"), "crates-io knows no Entra", "use \"trusted-publishing\"")
	case minted && publisher == "cargo":
		l.wrong(key("login"), "with package.publisher = \"cargo\" the token would be in cargo's environment, where build scripts see it", "leave publisher out, or use login = \"token\"")
	}
	for last, id := range map[string]string{"tenant_id": r.TenantID, "client_id": r.ClientID} {
		switch {
		case id == "":
		case name == CratesIO || r.Login == LoginToken:
			l.wrong(key(last), "it has an effect with login = \"entra\" or \"auto\" alone", "")
		case !entraID.MatchString(id):
			l.wrong(key(last), fmt.Sprintf("got %q, want the id that the portal shows", id), "it is no secret; a client secret is not needed, and does not belong here")
		}
	}
}

// index checks an index URL. Credentials in it are refused: it is printed and compared everywhere.
func (l *loader) index(key []string, index string) {
	plain, sparse := strings.CutPrefix(index, "sparse+")
	u, err := url.Parse(plain)
	switch {
	case err != nil || u.Host == "":
		l.wrong(key, "it is no URL", "")
	case u.User != nil:
		l.wrong(key, "it holds credentials", "take them out, name the token's variable in token_env, and replace the token: it is in the history now")
	case !sparse:
		l.wrong(key, fmt.Sprintf("got %q, want a sparse index", index), "write sparse+ before the URL; a git index cannot be used")
	case u.Scheme != "https" && u.Scheme != "http":
		l.wrong(key, fmt.Sprintf("got scheme %q, want https or http", u.Scheme), "")
	case !strings.HasSuffix(u.Path, "/"):
		l.wrong(key, fmt.Sprintf("got %q, want a slash at the end", index), "cargo takes the URL with and without the slash for two registries")
	}
}

// owned are the variables of the build zone that it sets itself.
var owned = []string{"HOME", "CARGO_HOME", "CARGO_TARGET_DIR", "TMPDIR"}

func (l *loader) packaging(p Package) {
	key := func(names ...string) []string { return append([]string{"package"}, names...) }
	for _, pattern := range p.Exclude {
		if !validGlob(pattern) || strings.Contains(pattern, "/") {
			l.wrong(key("exclude"), fmt.Sprintf("%q is no pattern for crate names", pattern), "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		l.variable(key("env", name), name, p.Env[name])
	}
	for _, mount := range p.Mounts {
		if !path.IsAbs(mount) || path.Clean(mount) != mount || mount == "/" || mount == "/proc" || strings.HasPrefix(mount, "/proc/") {
			l.wrong(key("mounts"), fmt.Sprintf("got %q, want a clean absolute path that is neither / nor in /proc", mount), "")
		}
	}
	if p.Toolchain != "" && !toolchain.MatchString(p.Toolchain) {
		l.wrong(key("toolchain"), fmt.Sprintf("got %q, want a name like \"1.95.0\" or \"stable\"", p.Toolchain), "")
	}
	l.features(key("features"), p.Features)
}

func (l *loader) variable(key []string, name, value string) {
	upper := strings.ToUpper(name)
	switch {
	case !variableName.MatchString(name):
		l.report(key, fmt.Sprintf("%q is no name for an environment variable", name), "", "")
	case slices.Contains(owned, upper):
		l.report(key, fmt.Sprintf("the build zone sets %s itself", name), "", "")
	case strings.HasSuffix(upper, "_TOKEN") || strings.HasSuffix(upper, "_SECRET") || strings.HasSuffix(upper, "_PASSWORD"):
		l.report(key, fmt.Sprintf("%s looks like a secret; the build zone has none", name), "", "build scripts can read and print every variable; publish does not need it there")
	case strings.ContainsRune(value, 0):
		l.wrong(key, "it holds a NUL character", "")
	}
}

func (l *loader) features(key []string, features []string) {
	for _, f := range features {
		if f == "" || f[0] == '-' || strings.ContainsAny(f, ", \t\n") {
			l.wrong(key, fmt.Sprintf("%q is no feature", f), "write each feature as a string of its own")
		}
	}
}

func (l *loader) release(r Release) {
	key := func(names ...string) []string { return append([]string{"release"}, names...) }
	known := []string{"{tag}", "{version}", "{crate}"}
	for _, found := range placeholder.FindAllString(r.Title, -1) {
		if !slices.Contains(known, found) {
			l.wrong(key("title"), fmt.Sprintf("%s is no placeholder here, known: %s", found, strings.Join(known, ", ")), tomlkey.DidYouMean(tomlkey.Nearest(found, known)))
		}
	}
	if r.Title == "" || strings.ContainsAny(r.Title, "\r\n") {
		l.wrong(key("title"), "want one line of text", "")
	}
	if r.Notes != "" && r.NotesFile != "" {
		l.report(key("notes_file"), "release.notes and release.notes_file are both set", "", "keep one of them")
	}
	if r.NotesFile != "" {
		l.repositoryPath(key("notes_file"), r.NotesFile)
	}
	for _, pattern := range r.Artifacts {
		if l.repositoryPath(key("artifacts"), pattern) && !validGlob(pattern) {
			l.wrong(key("artifacts"), fmt.Sprintf("%q is no pattern", pattern), "")
		}
	}
	l.refName(key("rolling", "tag"), r.Rolling.Tag)
	l.between(key("rolling", "keep_days"), r.Rolling.KeepDays, 0, 3650)
}

func (l *loader) changelog(c Changelog) {
	key := []string{"changelog", "path"}
	text := strings.ReplaceAll(c.Path, "{crate}", "crate")
	if found := placeholder.FindString(text); found != "" {
		l.wrong(key, fmt.Sprintf("%s is no placeholder here, known: {crate}", found), tomlkey.DidYouMean(tomlkey.Nearest(found, []string{"{crate}"})))
		return
	}
	l.repositoryPath(key, text)
}

// repositoryPath checks a slash-separated path that must stay inside the repository, and reports whether it does.
func (l *loader) repositoryPath(key []string, name string) bool {
	ok := name != "" && !path.IsAbs(name) && path.Clean(name) == name && name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\\x00")
	if !ok {
		l.wrong(key, fmt.Sprintf("got %q, want a path from the repository root, with slashes and without . and ..", name), "")
	}
	return ok
}

func (l *loader) rules(rules map[string]Relax) {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		key := []string{"rules", name}
		rule, known := ruleNamed(name)
		switch {
		case !known:
			hint := tomlkey.DidYouMean(tomlkey.Nearest(name, names))
			if hint == "" {
				hint = "known rules: " + strings.Join(names, ", ")
			}
			l.report(key, fmt.Sprintf("unknown rule %q", name), "", hint)
		case rules[name].Relax && !rule.Relaxable:
			l.report(key, fmt.Sprintf("the rule %s cannot be relaxed", name), "", rule.Says)
		case rules[name].Relax && strings.TrimSpace(rules[name].Reason) == "":
			l.report(key, fmt.Sprintf("%s is relaxed without a reason", tomlkey.Join(key)), "", "write reason = \"...\": it is shown in every report")
		}
	}
}

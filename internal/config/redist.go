package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/config/tomlkey"
)

// VersionParts are the placeholders of a version template.
var VersionParts = []string{"{version}", "{date}", "{rev}", "{count}"}

// redist checks [[redist]] and [thirdparty].
func (l *loader) redist(c Config) {
	seen := map[string]bool{}
	for i, r := range c.Redist {
		key := func(last string) []string { return []string{"redist", strconv.Itoa(i), last} }
		required := []struct{ key, value string }{{"name", r.Name}, {"source", r.Source}, {"registry", r.Registry}}
		for _, k := range required {
			if k.value == "" {
				l.report(key(k.key), fmt.Sprintf("%s is missing", tomlkey.Join(key(k.key))), "", "every [[redist]] needs name, source and registry")
			}
		}
		if r.Name != "" && (!registryName.MatchString(r.Name) || seen[r.Name]) {
			l.wrong(key("name"), fmt.Sprintf("got %q, want letters, digits, - and _, and each name once", r.Name), "")
		}
		seen[r.Name] = true
		if r.Git() {
			l.redistGit(r, key)
		} else {
			l.redistRegistry(r, key)
		}
	}
	l.advisories(c.ThirdParty.Advisories)
	for _, k := range []struct {
		key      string
		patterns []string
	}{{"deny_names", c.ThirdParty.DenyNames}, {"reviewed", c.ThirdParty.Reviewed}} {
		for _, pattern := range k.patterns {
			if !validGlob(pattern) || strings.Contains(pattern, "/") {
				l.wrong([]string{"thirdparty", k.key}, fmt.Sprintf("%q is no pattern for crate names", pattern), "")
			}
		}
	}
}

// advisories checks that they are a place, or the one program that is asked for them.
func (l *loader) advisories(from string) {
	if from != "" && from != CargoDeny && !strings.ContainsAny(from, ":/\\") {
		l.wrong([]string{"thirdparty", "advisories"}, fmt.Sprintf("got %q, want the URL or absolute folder of a git repository, or %q", from, CargoDeny), "")
	}
}

func (l *loader) redistRegistry(r Redist, key func(string) []string) {
	for name, set := range map[string]bool{"rev": r.Rev != "", "version": r.Version != "", "watch": r.Watch != "", "metadata": len(r.Metadata) > 0} {
		if set {
			l.report(key(name), fmt.Sprintf("%s is for crates from git", tomlkey.Join(key(name))), fmt.Sprintf("the source %q is a registry", r.Source), "a git repository is named by its URL")
		}
	}
	if len(r.Crates) == 0 && len(r.Locks) == 0 {
		l.report(key("crates"), fmt.Sprintf("[[redist]] %s names no crates", r.Name), "", "give crates = [\"NAME@VERSION\"], or locks = [\"Cargo.lock\"]")
	}
	for _, c := range r.Crates {
		if name, version, ok := strings.Cut(c, "@"); !ok || name == "" || version == "" {
			l.wrong(key("crates"), fmt.Sprintf("got %q, want NAME@VERSION", c), "")
		}
	}
	for _, path := range r.Locks {
		l.repositoryPath(key("locks"), path)
	}
}

func (l *loader) redistGit(r Redist, key func(string) []string) {
	if u, err := url.Parse(r.Source); err == nil && u.User != nil {
		if _, secret := u.User.Password(); secret {
			l.wrong(key("source"), "it holds credentials", "take them out, and replace them: they are in the history now")
		}
	}
	if len(r.Locks) > 0 {
		l.report(key("locks"), fmt.Sprintf("%s is for crates from a registry", tomlkey.Join(key("locks"))), "", "")
	}
	if r.Rev == "" {
		l.report(key("rev"), fmt.Sprintf("%s is missing", tomlkey.Join(key("rev"))), "", "name the commit, tag or branch")
	}
	if len(r.Crates) == 0 {
		l.report(key("crates"), fmt.Sprintf("[[redist]] %s names no crates", r.Name), "", "give their names: crates = [\"NAME\"]")
	}
	for _, found := range placeholder.FindAllString(r.Version, -1) {
		if !slices.Contains(VersionParts, found) {
			l.wrong(key("version"), fmt.Sprintf("%s is no placeholder here, known: %s", found, strings.Join(VersionParts, ", ")), tomlkey.DidYouMean(tomlkey.Nearest(found, VersionParts)))
		}
	}
}

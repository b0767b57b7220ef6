package cargo

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What crates.io takes. https://doc.rust-lang.org/cargo/reference/manifest.html and
// https://github.com/rust-lang/crates.io/blob/main/src/controllers/krate/publish.rs
const (
	maxName, maxDescription                = 64, 1000
	maxKeywords, maxKeyword, maxCategories = 5, 20, 5
	maxFeatures, maxDependencies           = 300, 500
)

var (
	crateName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	keyword   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_+-]*$`)
)

// cratesIO judges what crates.io asks of a package beyond what cargo does.
func (l *linter) cratesIO(p Package) {
	refuse := func(rule, key, hint, summary string, args ...any) {
		l.add(Finding{Rule: rule, At: p.Place(key), Summary: fmt.Sprintf(summary, args...), Hint: hint})
	}
	if !crateName.MatchString(p.Name) || len(p.Name) > maxName {
		refuse("name", "name", fmt.Sprintf("begin with a letter, go on with letters, digits, - and _, and stop at %d", maxName),
			"crates.io takes no crate of the name %q", p.Name)
	}
	if strings.TrimSpace(p.Description) == "" {
		refuse("description", "description", "say in a sentence what the crate is for", "%s has no description, which crates.io requires", p.Name)
	}
	if n := utf8.RuneCountInString(p.Description); n > maxDescription {
		refuse("description", "description", "shorten it; the readme has room",
			"the description of %s has %d characters, crates.io takes %d", p.Name, n, maxDescription)
	}
	if p.License == "" && p.LicenseFile == "" {
		refuse("license", "license", "add license = \"MIT\" or another SPDX expression, or license-file",
			"%s has neither license nor license-file, which crates.io requires", p.Name)
	}
	if n := len(p.Keywords); n > maxKeywords {
		refuse("keywords", "keywords", "keep those that people search for", "%s has %d keywords, crates.io takes %d", p.Name, n, maxKeywords)
	}
	for _, k := range p.Keywords {
		if !keyword.MatchString(k) || len(k) > maxKeyword {
			refuse("keywords", "keywords", fmt.Sprintf("use at most %d ASCII letters, digits, -, _ and +, and begin with a letter or digit", maxKeyword),
				"crates.io takes no keyword %q", k)
		}
	}
	if n := len(p.Categories); n > maxCategories {
		refuse("categories", "categories", "keep the ones that fit best", "%s has %d categories, crates.io takes %d", p.Name, n, maxCategories)
	}
	features := 0
	for name, values := range p.Features {
		// Cargo lists an optional dependency among the features; the published manifest does not.
		if len(values) != 1 || values[0] != "dep:"+name {
			features++
		}
	}
	if features > maxFeatures {
		refuse("limits", "package", "merge features, or ask crates.io for a higher limit", "%s has %d features, crates.io takes %d", p.Name, features, maxFeatures)
	}
	n := 0
	for _, d := range p.Dependencies {
		if d.HasVersion || d.Kind != "dev" {
			n++
		}
	}
	if n > maxDependencies {
		refuse("limits", "package", "split the crate", "%s has %d dependencies, crates.io takes %d", p.Name, n, maxDependencies)
	}
}

// cratesIODependency judges a dependency that crates.io would see.
func (l *linter) cratesIODependency(p Package, d Dependency) {
	if d.Registry != "" {
		l.add(Finding{
			Rule: "foreign-registry", At: d.At,
			Summary: fmt.Sprintf("%s goes to crates.io and needs %s from another registry", p.Name, d.Name),
			Detail:  fmt.Sprintf("%s comes from %s; crates.io takes no crate that depends on another registry", d.Name, l.name(d.Registry)),
			Hint:    fmt.Sprintf("publish %s to crates.io and drop `registry`, or give %s a publish list without crates-io", d.Name, p.Name),
		})
	}
	if d.Req == "*" {
		l.add(Finding{
			Rule: "wildcard", At: d.At,
			Summary: fmt.Sprintf("the requirement %s = \"*\" of %s is one that crates.io refuses", d.Name, p.Name),
			Hint:    "write the version that is tested, such as \"1.4\"",
		})
	}
}

package redist

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/semver"
)

// RuleAdvisory is about versions with known vulnerabilities.
const RuleAdvisory = "advisory"

// Advisory is one file of an advisory database in the format of RustSec
// (https://github.com/RustSec/advisory-db#advisory-format).
type Advisory struct {
	ID, Package   string
	Title         string
	Informational string // "unmaintained", "unsound", "notice"; "" is a vulnerability
	Withdrawn     bool
	Denied        string       // the one version that it is about, which cargo-deny denies; "" where versions tell
	Cure          string       // what cargo-deny says to do
	fine          []semver.Req // versions that it is not about
}

// ParseAdvisory reads the TOML at the start of an advisory, and its title.
func ParseAdvisory(text string) (Advisory, error) {
	_, rest, ok := strings.Cut(text, "```toml\n")
	head, body, ok2 := strings.Cut(rest, "\n```")
	if !ok || !ok2 {
		return Advisory{}, errors.New("an advisory begins with its fields in a block of TOML")
	}
	var raw struct {
		Advisory struct {
			ID            string `toml:"id"`
			Package       string `toml:"package"`
			Informational string `toml:"informational"`
			Withdrawn     any    `toml:"withdrawn"`
		} `toml:"advisory"`
		Versions struct {
			Patched    []string `toml:"patched"`
			Unaffected []string `toml:"unaffected"`
		} `toml:"versions"`
	}
	if err := toml.Unmarshal([]byte(head), &raw); err != nil {
		return Advisory{}, err
	}
	a := Advisory{ID: raw.Advisory.ID, Package: raw.Advisory.Package, Informational: raw.Advisory.Informational, Withdrawn: raw.Advisory.Withdrawn != nil}
	if a.ID == "" || a.Package == "" {
		return Advisory{}, errors.New("an advisory names its id and its package")
	}
	for line := range strings.Lines(body) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			a.Title = strings.TrimSpace(title)
			break
		}
	}
	for _, text := range slices.Concat(raw.Versions.Patched, raw.Versions.Unaffected) {
		req, err := semver.ParseReq(text)
		if err != nil {
			return Advisory{}, fmt.Errorf("%s: %w", a.ID, err)
		}
		a.fine = append(a.fine, req)
	}
	return a, nil
}

// Affects reports whether the advisory is about a version. Requirements say nothing of most pre-releases: one is fine
// where the version that it precedes is fine, and the last one before that, too. So a pre-release of the first patched
// version is not.
func (a Advisory) Affects(version string) bool {
	if a.Denied != "" {
		return a.Denied == version
	}
	v, err := semver.Parse(version)
	if err != nil || a.Withdrawn {
		return false
	}
	next := v
	next.Pre, next.Build = "", ""
	return !slices.ContainsFunc(a.fine, func(r semver.Req) bool {
		return r.Matches(v) || v.IsPre() && r.Matches(next) && r.Matches(before(next))
	})
}

// before returns a version that no published one lies between and v.
func before(v semver.Version) semver.Version {
	const last = 1<<63 - 1
	switch {
	case v.Patch > 0:
		v.Patch--
	case v.Minor > 0:
		v.Minor, v.Patch = v.Minor-1, last
	case v.Major > 0:
		v.Major, v.Minor, v.Patch = v.Major-1, last, last
	}
	return v
}

// judgeAdvisories holds what would move against the advisories of the snapshot: vulnerabilities stop, and what cargo-deny
// denies; the rest warns.
func judgeAdvisories(s Snapshot) []Finding {
	var stop, warn []string
	for _, c := range s.Crates {
		for _, a := range s.Advisories {
			if !c.Missing() || a.Package != c.Name || slices.Contains(s.Rules.Accepted, a.ID) || !a.Affects(c.Version) {
				continue
			}
			line := fmt.Sprintf("%s %s: %s %s", c.Name, c.Version, a.ID, a.Title)
			if a.Informational != "" {
				line += " (" + a.Informational + ")"
			}
			if a.Cure != "" {
				line += "\n  " + a.Cure
			}
			if a.Informational == "" || a.Denied != "" {
				stop = append(stop, line)
			} else {
				warn = append(warn, line)
			}
		}
	}
	summary, hint := "known vulnerabilities in what would move: %d", "lock versions that are patched, or name an advisory that does not matter here in accepted in [thirdparty]"
	if s.Rules.Advisories == config.CargoDeny {
		summary, hint = "advisories for which cargo-deny denies what would move: %d", "lock versions that are patched, or name an advisory that does not matter here in ignore in [advisories] of deny.toml"
	}
	var out []Finding
	if len(stop) > 0 {
		out = append(out, Finding{Rule: RuleAdvisory, Severity: release.Stop, Summary: fmt.Sprintf(summary, len(stop)), Detail: listing(stop), Hint: hint})
	}
	if len(warn) > 0 {
		out = append(out, Finding{Rule: RuleAdvisory, Severity: release.Warn, Summary: fmt.Sprintf("advisories about what would move: %d", len(warn)), Detail: listing(warn)})
	}
	return out
}

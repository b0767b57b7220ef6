package cargo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// accepts reports whether a requirement takes a version; what is no requirement or no version takes and is nothing.
func accepts(req, version string) bool {
	r, err := semver.ParseReq(req)
	if err != nil {
		return false
	}
	v, err := semver.Parse(version)
	return err == nil && r.Matches(v)
}

// VersionsAgree returns one finding for every place whose version is not that one and reaches a publishable member.
// Members that inherit the same version share a finding, which names them.
func (w *Workspace) VersionsAgree(version string) []Finding {
	var out []Finding
	for _, p := range w.Members {
		if p.Version == version || !w.releases(p) {
			continue
		}
		out = share(out, p.Name, Finding{
			Rule:    "version",
			Summary: fmt.Sprintf("the version is %s, not %s", p.Version, version),
			Detail:  "version of ",
			Hint:    fmt.Sprintf("write version = %q there, or tag the commit that has it", version),
			At:      p.VersionAt,
		})
	}
	return tidy(out)
}

// Siblings returns one finding for every place where a member's requirement on a sibling does not take the sibling's
// version. That is the given version for siblings that are published, and with version "" each sibling's own. Members
// that inherit the same requirement share a finding, which names them.
func (w *Workspace) Siblings(version string) []Finding {
	var out []Finding
	for _, p := range w.Members {
		for _, d := range p.Dependencies {
			s, ok := w.Member(d.Name)
			if !ok || !d.HasVersion || d.Path != s.Dir() {
				continue
			}
			want := s.Version
			if version != "" && w.releases(s) {
				want = version
			}
			if accepts(d.Req, want) {
				continue
			}
			operator := ""
			if strings.HasPrefix(d.Req, "=") {
				operator = "="
			}
			out = share(out, p.Name, Finding{
				Rule:    "sibling-requirement",
				Summary: fmt.Sprintf("the requirement %s = %q does not take %s", d.Name, d.Req, want),
				Detail:  "requirement of ",
				Hint:    fmt.Sprintf("write version = %q there", operator+want),
				At:      d.At,
			})
		}
	}
	return tidy(out)
}

// share adds a finding about a member, or the member's name to the one that says the same of others.
func share(all []Finding, name string, f Finding) []Finding {
	for i, other := range all {
		if other.At == f.At && other.Summary == f.Summary {
			if !strings.HasSuffix(other.Detail, " "+name) {
				all[i].Detail += ", " + name
			}
			return all
		}
	}
	f.Detail += name
	return append(all, f)
}

// tidy puts findings in the order of files and lines and drops those that repeat another: members share what they
// inherit.
func tidy(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.At.File, b.At.File), a.At.Line-b.At.Line)
	})
	seen := map[Finding]bool{}
	return slices.DeleteFunc(all, func(f Finding) bool {
		again := seen[f]
		seen[f] = true
		return again
	})
}

// ParseCargoVersion reads the version out of what `cargo --version` prints, such as
// "cargo 1.95.0 (f2d3ce0bd 2026-03-21)".
func ParseCargoVersion(output string) (semver.Version, error) {
	words := strings.Fields(output)
	if len(words) < 2 || words[0] != "cargo" {
		return semver.Version{}, fmt.Errorf("read cargo version: %.80q is not what cargo --version prints", output)
	}
	v, err := semver.Parse(words[1])
	if err != nil {
		return semver.Version{}, fmt.Errorf("read cargo version: %w", err)
	}
	return v, nil
}

// ToolchainProblem says why a workspace must not be packaged with that version of cargo, nil when it may be.
func ToolchainProblem(v semver.Version) *problem.Error {
	switch {
	case v.Major == 1 && v.Minor < 90:
		return &problem.Error{
			Kind:    problem.Stopped,
			Summary: fmt.Sprintf("cargo %s cannot package the crates of a workspace together", v),
			Detail:  "crates that need each other and are not published yet can be packaged and verified together since cargo 1.90",
			Hint:    "pin Rust 1.90 or later, but not 1.96, in rust-toolchain.toml",
		}
	case v.Major == 1 && v.Minor == 96:
		// https://github.com/rust-lang/cargo/issues/17094
		return &problem.Error{
			Kind:    problem.Stopped,
			Summary: fmt.Sprintf("cargo %s reports a deadlock in workspaces that have none and stops half way", v),
			Detail:  "the fault is in 1.96 alone and was fixed in 1.97",
			Hint:    "pin Rust 1.95, or 1.97 or later, in rust-toolchain.toml",
		}
	}
	return nil
}

// Package semver reads versions and version requirements exactly as cargo does: the grammar, the canonical form and the
// matching rules are those of Rust's semver crate 1.0 (https://docs.rs/semver/1/semver/), which cargo uses.
package semver

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is a SemVer 2 version. Pre and Build are without their "-" and "+", "" where absent. Versions are comparable
// with ==, which unlike Compare also looks at Build.
type Version struct {
	Major, Minor, Patch uint64
	Pre, Build          string
}

// Parse reads a version as cargo accepts it in a manifest: three numbers of at most 64 bits without leading zeros, then
// pre-release and build identifiers. There is no leading "v", no missing part, no surrounding space.
func Parse(s string) (Version, error) {
	v, err := parse(s)
	if err != nil {
		return Version{}, fmt.Errorf("version %q: %w", s, err)
	}
	return v, nil
}

func parse(s string) (v Version, err error) {
	if s == "" {
		return v, errors.New("empty string, expected a version like 1.2.3")
	}
	rest := s
	for i, number := range []*uint64{&v.Major, &v.Minor, &v.Patch} {
		if i > 0 {
			after, ok := strings.CutPrefix(rest, ".")
			if !ok {
				return v, fmt.Errorf("%s after the %s version number, expected \".\"", found(rest), parts[i-1])
			}
			rest = after
		}
		if *number, rest, err = number64(rest, parts[i]); err != nil {
			return v, err
		}
	}
	if v.Pre, v.Build, rest, err = suffixes(rest); err != nil {
		return v, err
	}
	if rest != "" {
		return v, fmt.Errorf("unexpected %s at the end", found(rest))
	}
	return v, nil
}

// String returns the version in its only spelling; Parse reads it back.
func (v Version) String() string {
	b := strconv.AppendUint(nil, v.Major, 10)
	b = strconv.AppendUint(append(b, '.'), v.Minor, 10)
	b = strconv.AppendUint(append(b, '.'), v.Patch, 10)
	if v.Pre != "" {
		b = append(append(b, '-'), v.Pre...)
	}
	if v.Build != "" {
		b = append(append(b, '+'), v.Build...)
	}
	return string(b)
}

// IsPre reports whether the version is a pre-release.
func (v Version) IsPre() bool { return v.Pre != "" }

// Compare returns -1, 0 or +1 by SemVer precedence (https://semver.org/#spec-item-11): build metadata does not count.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch),
		comparePre(v.Pre, w.Pre))
}

// MarshalText returns String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is Parse.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

// comparePre compares pre-releases; none is greater than any.
func comparePre(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		if c := compareIdentifier(x, y); c != 0 {
			return c
		}
		if !moreA || !moreB {
			return compareBool(moreA, moreB)
		}
		a, b = restA, restB
	}
}

// compareIdentifier compares one dot-separated part: numbers by value and below words, words by their bytes. Numbers
// have no leading zeros, so the longer one is greater, whatever its size.
func compareIdentifier(x, y string) int {
	numX, numY := isNumber(x), isNumber(y)
	switch {
	case numX && numY:
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	case numX != numY:
		return compareBool(numY, numX)
	}
	return cmp.Compare(x, y)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

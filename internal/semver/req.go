package semver

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Req is a version requirement as it stands in a Cargo.toml. The zero value is "*".
type Req struct {
	comparators []comparator
}

// maxComparators is the limit of Rust's semver crate.
const maxComparators = 32

type op byte

const (
	caret op = iota // also the default, "1.2"
	tilde
	exact
	greater
	greaterEq
	less
	lessEq
	wildcard // "1.*", only without another operator
)

var operators = [...]string{caret: "^", tilde: "~", exact: "=", greater: ">", greaterEq: ">=", less: "<", lessEq: "<=", wildcard: ""}

// comparator is one of the comma-separated parts. given counts the numbers that were given: 1 to 3.
type comparator struct {
	op      op
	given   int
	numbers [3]uint64 // major, minor, patch; 0 where not given
	pre     string
}

// ParseReq reads a requirement as cargo accepts it and nothing more: up to 32 comparators separated by commas, spaces
// (no other white space) around each and after the operator, a wildcard (*, x, X) alone or in place of minor and patch,
// a pre-release only after three numbers. Build metadata is read and dropped.
func ParseReq(s string) (Req, error) {
	r, err := parseReq(s)
	if err != nil {
		return Req{}, fmt.Errorf("version requirement %q: %w", s, err)
	}
	return r, nil
}

func parseReq(s string) (Req, error) {
	rest := strings.TrimLeft(s, " ")
	if after, ok := cutWildcard(rest); ok {
		switch after = strings.TrimLeft(after, " "); {
		case after == "":
			return Req{}, nil
		case after[0] == ',':
			return Req{}, errors.New("a wildcard must be the only comparator")
		}
		return Req{}, errors.New("unexpected character after the wildcard")
	}
	var r Req
	for {
		c, after, err := parseComparator(rest)
		if err != nil {
			return Req{}, err
		}
		r.comparators = append(r.comparators, c)
		if after == "" {
			return r, nil
		}
		var ok bool
		if rest, ok = strings.CutPrefix(after, ","); !ok {
			return Req{}, fmt.Errorf("%s where a comma should be", found(after))
		}
		if len(r.comparators) == maxComparators {
			return Req{}, fmt.Errorf("more than %d comparators", maxComparators)
		}
		rest = strings.TrimLeft(rest, " ")
	}
}

// parseComparator reads one comparator and the spaces after it.
func parseComparator(s string) (c comparator, rest string, err error) {
	var explicit bool
	c.op, rest, explicit = cutOperator(s)
	rest = strings.TrimLeft(rest, " ")
	if c.numbers[0], rest, err = number64(rest, parts[0]); err != nil {
		return c, "", err
	}
	c.given = 1
	wild := false
	for i := 1; i < 3; i++ {
		after, ok := strings.CutPrefix(rest, ".")
		if !ok {
			break
		}
		if next, ok := cutWildcard(after); ok {
			wild, rest = true, next
			continue
		}
		if wild {
			return c, "", errors.New("a number after a wildcard")
		}
		if c.numbers[i], rest, err = number64(after, parts[i]); err != nil {
			return c, "", err
		}
		c.given = i + 1
	}
	if wild && !explicit {
		c.op = wildcard
	}
	if c.given == 3 {
		if c.pre, _, rest, err = suffixes(rest); err != nil {
			return c, "", err
		}
	}
	return c, strings.TrimLeft(rest, " "), nil
}

func cutOperator(s string) (o op, rest string, explicit bool) {
	for _, o := range []op{greaterEq, lessEq, greater, less, exact, tilde, caret} {
		if rest, ok := strings.CutPrefix(s, operators[o]); ok {
			return o, rest, true
		}
	}
	return caret, s, false
}

func cutWildcard(s string) (rest string, ok bool) {
	if s != "" && strings.IndexByte("*xX", s[0]) >= 0 {
		return s[1:], true
	}
	return s, false
}

// String returns the canonical form, which is what `cargo metadata` prints: "1" is "^1", " >= 0.3.0 ,<2" is
// ">=0.3.0, <2", "1.2.x" is "1.2.*". ParseReq reads it back to an equal requirement.
func (r Req) String() string {
	if len(r.comparators) == 0 {
		return "*"
	}
	var b []byte
	for i, c := range r.comparators {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, operators[c.op]...)
		for j := range c.given {
			if j > 0 {
				b = append(b, '.')
			}
			b = strconv.AppendUint(b, c.numbers[j], 10)
		}
		if c.pre != "" {
			b = append(append(b, '-'), c.pre...)
		}
		if c.op == wildcard {
			b = append(b, ".*"...)
		}
	}
	return string(b)
}

// Equal reports whether both have the same canonical form.
func (r Req) Equal(q Req) bool { return slices.Equal(r.comparators, q.comparators) }

// MarshalText returns String.
func (r Req) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseReq.
func (r *Req) UnmarshalText(text []byte) error {
	parsed, err := ParseReq(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Matches reports whether cargo's resolver would take v for the requirement. A pre-release matches only where a
// comparator with a pre-release names the same major, minor and patch; build metadata does not count.
func (r Req) Matches(v Version) bool {
	allowed := v.Pre == ""
	for _, c := range r.comparators {
		if !c.matches(v) {
			return false
		}
		if c.pre != "" && c.numbers == [3]uint64{v.Major, v.Minor, v.Patch} {
			allowed = true
		}
	}
	return allowed
}

func (c comparator) matches(v Version) bool {
	if c.given < 3 && v.Pre != "" && c.same(v, c.given) {
		return c.op == caret // as in Rust's semver; counts only where another comparator allows the pre-release
	}
	switch c.op {
	case greater:
		return c.compare(v) > 0
	case greaterEq:
		return c.compare(v) >= 0
	case less:
		return c.compare(v) < 0
	case lessEq:
		return c.compare(v) <= 0
	case tilde:
		return c.compare(v) >= 0 && c.same(v, min(c.given, 2))
	case caret:
		return c.compare(v) >= 0 && c.same(v, c.fixed())
	}
	return c.compare(v) == 0
}

// compare compares v with the comparator by the numbers that were given; by the pre-release only after all three.
func (c comparator) compare(v Version) int {
	w := Version{Major: c.numbers[0], Minor: c.numbers[1], Patch: c.numbers[2], Pre: c.pre}
	if c.given < 3 {
		v.Patch, v.Pre = 0, ""
	}
	if c.given < 2 {
		v.Minor = 0
	}
	return v.Compare(w)
}

// same reports whether the first n numbers are those of v.
func (c comparator) same(v Version, n int) bool {
	numbers := [3]uint64{v.Major, v.Minor, v.Patch}
	return slices.Equal(c.numbers[:n], numbers[:n])
}

// fixed counts the numbers that a caret holds: up to and with the first that is not zero, of those given.
func (c comparator) fixed() int {
	for i := range c.given {
		if c.numbers[i] != 0 {
			return i + 1
		}
	}
	return c.given
}

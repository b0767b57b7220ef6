package semver

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// single is a requirement of one comparator, in the parts that Follow keeps or replaces.
var single = regexp.MustCompile(`^( *)(\^|~|=|>=)?( *)(\d+(?:\.\d+){0,2})((?:\.[*xX])*)((?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)( *)$`)

// ErrFollow means that a requirement has more than one part, or one that says what must not be: no single version can
// take its place.
var ErrFollow = errors.New("no rule says how this requirement follows a version")

// Follow returns the requirement that takes v and is written like req: with its operator, its spaces, and as many
// numbers as it has, where v is no pre-release. A requirement that takes v already comes back as it is.
func Follow(req string, v Version) (string, error) {
	old, err := ParseReq(req)
	if err != nil {
		return "", err
	}
	if old.Matches(v) {
		return req, nil
	}
	m := single.FindStringSubmatch(req)
	if m == nil || v.Pre != "" && m[5] != "" {
		return "", fmt.Errorf("version requirement %q does not take %s: %w", req, v, ErrFollow)
	}
	numbers := strings.Split(m[4], ".")
	for i, n := range []uint64{v.Major, v.Minor, v.Patch} {
		switch {
		case i < len(numbers):
			numbers[i] = strconv.FormatUint(n, 10)
		case v.Pre != "":
			numbers = append(numbers, strconv.FormatUint(n, 10))
		}
	}
	pre := ""
	if v.Pre != "" {
		pre = "-" + v.Pre
	}
	out := m[1] + m[2] + m[3] + strings.Join(numbers, ".") + m[5] + pre + m[7]
	if r, err := ParseReq(out); err != nil || !r.Matches(v) {
		return "", fmt.Errorf("version requirement %q does not take %s: %w", req, v, ErrFollow)
	}
	return out, nil
}

// Exactly returns the requirement that takes v alone.
func Exactly(v Version) string {
	v.Build = "" // does not count in a requirement
	return "=" + v.String()
}

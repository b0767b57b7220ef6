package semver

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// parts names the numbers of a version in errors.
var parts = [3]string{"major", "minor", "patch"}

// number64 reads a number without leading zeros from the start of s.
func number64(s, part string) (n uint64, rest string, err error) {
	i := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if i > 0 && n == 0 {
			return 0, "", fmt.Errorf("leading zero in the %s version number", part)
		}
		digit := uint64(s[i] - '0')
		if n > (math.MaxUint64-digit)/10 {
			return 0, "", fmt.Errorf("the %s version number is larger than 64 bits", part)
		}
		n = n*10 + digit
	}
	if i == 0 {
		return 0, "", fmt.Errorf("%s where the %s version number should be", found(s), part)
	}
	return n, s[i:], nil
}

// suffixes reads "-pre" and "+build", both optional, from the start of s.
func suffixes(s string) (pre, build, rest string, err error) {
	rest = s
	if after, ok := strings.CutPrefix(rest, "-"); ok {
		if pre, rest, err = identifiers(after); err != nil {
			return "", "", "", fmt.Errorf("pre-release: %w", err)
		}
		for part := range strings.SplitSeq(pre, ".") {
			if len(part) > 1 && part[0] == '0' && isNumber(part) {
				return "", "", "", fmt.Errorf("pre-release: leading zero in the number %q", part)
			}
		}
	}
	if after, ok := strings.CutPrefix(rest, "+"); ok {
		if build, rest, err = identifiers(after); err != nil {
			return "", "", "", fmt.Errorf("build metadata: %w", err)
		}
	}
	return pre, build, rest, nil
}

// identifiers reads one or more dot-separated identifiers of [0-9A-Za-z-] from the start of s.
func identifiers(s string) (ids, rest string, err error) {
	end := 0
	for end < len(s) && (s[end] == '.' || isIdentifierByte(s[end])) {
		end++
	}
	ids, rest = s[:end], s[end:]
	if ids == "" {
		return "", "", fmt.Errorf("%s where an identifier should be", found(rest))
	}
	if strings.HasPrefix(ids, ".") || strings.HasSuffix(ids, ".") || strings.Contains(ids, "..") {
		return "", "", errors.New("empty identifier between dots")
	}
	return ids, rest, nil
}

func isIdentifierByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-'
}

// found says what stands at the start of s.
func found(s string) string {
	if s == "" {
		return "end of input"
	}
	r, _ := utf8.DecodeRuneInString(s)
	return fmt.Sprintf("%q", r)
}

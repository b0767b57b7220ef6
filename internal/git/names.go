package git

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckRef returns ErrName unless ref is a full ref name ("refs/heads/main") that git allows
// (https://git-scm.com/docs/git-check-ref-format) and no part of it begins with a dash.
func CheckRef(ref string) error {
	bad := func(why string) error { return fmt.Errorf("ref %q: %w: %s", ref, ErrName, why) }
	switch {
	case !strings.HasPrefix(ref, "refs/"):
		return bad("it does not start with refs/")
	case len(ref) > 1024:
		return bad("it is longer than 1024 bytes")
	case !utf8.ValidString(ref):
		return bad("it is not UTF-8")
	case strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//"):
		return bad(`it holds "..", "@{" or "//"`)
	case strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, "/"):
		return bad("it ends with a dot or a slash")
	}
	for _, c := range ref {
		if unicode.IsControl(c) || unicode.IsSpace(c) || strings.ContainsRune(`~^:?*[\`, c) {
			return bad(fmt.Sprintf("it holds %q", c))
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".lock") {
			return bad(fmt.Sprintf("its part %q begins with a dot or a dash or ends with .lock", part))
		}
	}
	return nil
}

// checkRevision refuses what is neither a hash nor a ref name in full or short form nor HEAD.
func checkRevision(rev string) error {
	if rev == "HEAD" || isHash(rev) {
		return nil
	}
	full := rev
	if !strings.HasPrefix(rev, "refs/") {
		full = "refs/heads/" + rev
	}
	return CheckRef(full)
}

// isHash reports whether s is a full object name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
func isHash(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

func checkHash(s string) error {
	if !isHash(s) {
		return fmt.Errorf("object %q: %w: not a full hash", s, ErrName)
	}
	return nil
}

// checkPath refuses what is not a clean slash-separated path inside a tree.
func checkPath(path string) error {
	if path == "" || strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\x00") {
		return fmt.Errorf("path %q: %w", path, ErrName)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return fmt.Errorf("path %q: %w", path, ErrName)
		}
	}
	return nil
}

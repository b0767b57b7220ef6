package bump

import (
	"fmt"
	"regexp"
	"strings"
)

// entry is a line of GitHub's generated notes: "* Title by @who in https://github.com/o/r/pull/12".
var entry = regexp.MustCompile(`^[*-] (.+?)(?: by @\S+)? in https?://\S+/pull/([0-9]+)\s*$`)

// Draft makes entries of a changelog from GitHub's generated notes, which list the merged pull requests, by label where
// the repository has categories for them (.github/release.yml). What existing mentions by its number is left out.
func Draft(generated, existing string) string {
	mentioned := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:#|/pull/)([0-9]+)\b`).FindAllStringSubmatch(existing, -1) {
		mentioned[m[1]] = true
	}
	var out []string
	heading := ""
	skip := false
	for line := range strings.Lines(generated) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			skip = strings.Contains(line, "New Contributors") // its lines look like entries
		case strings.HasPrefix(line, "### "):
			heading = line
		}
		m := entry.FindStringSubmatch(line)
		if m == nil || skip || mentioned[m[2]] {
			continue
		}
		if mentioned[m[2]] = true; heading != "" {
			if len(out) > 0 {
				out = append(out, "")
			}
			out = append(out, heading, "")
			heading = ""
		}
		out = append(out, fmt.Sprintf("- %s (#%s)", m[1], m[2]))
	}
	return strings.Join(out, "\n")
}

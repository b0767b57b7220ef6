package release

import (
	"regexp"
	"strings"
)

// assetName is what GitHub makes of a file name: other characters become dots.
var assetName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

var dots = regexp.MustCompile(`\.{2,}`)

// AssetName returns the name under which the forge keeps a file.
func AssetName(name string) string {
	return strings.Trim(dots.ReplaceAllString(assetName.ReplaceAllString(name, "."), "."), ".")
}

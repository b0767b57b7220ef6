package release

import (
	"regexp"
	"strings"
)

// assetName is what GitHub makes of a file name: other characters become dots.
var assetName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// AssetName returns the name under which the forge keeps a file.
func AssetName(name string) string {
	return strings.Trim(assetName.ReplaceAllString(name, "."), ".")
}

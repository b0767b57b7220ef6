package redist

import (
	"fmt"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
)

// MirrorLines are what consumers put into .cargo/config.toml to take a source's crates from the target: their lock files
// stay as they are.
// https://doc.rust-lang.org/cargo/reference/source-replacement.html
func MirrorLines(source, target Side) string {
	var b strings.Builder
	b.WriteString(registryLines(target))
	if source.CratesIO {
		fmt.Fprintf(&b, "\n[source.%s]\n", config.CratesIO)
	} else {
		fmt.Fprintf(&b, "\n[source.%s]\nregistry = %q\n", source.Name, source.Index)
	}
	fmt.Fprintf(&b, "replace-with = %q\n", target.Name)
	return b.String()
}

// registryLines name a registry, and how cargo gets at its token where reading needs one.
// https://doc.rust-lang.org/cargo/reference/registry-authentication.html
func registryLines(r Side) string {
	text := fmt.Sprintf("[registries.%s]\nindex = %q\n", r.Name, r.Index)
	if r.Auth {
		text += "credential-provider = \"cargo:token\"\n"
	}
	return text
}

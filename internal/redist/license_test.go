package redist

import (
	"strings"
	"testing"
)

func TestLicences(t *testing.T) {
	permissive := Licences{Allow: []string{"MIT", "apache-2.0", "BSD-3-Clause", "GPL-2.0-only WITH Classpath-exception-2.0"}}
	noGPL := Licences{Deny: []string{"GPL-3.0", "GPL-2.0-only"}}
	for _, c := range []struct {
		rules      Licences
		expression string
		want       string // "" is accepted
	}{
		{Licences{}, "Anything-1.0", ""},
		{Licences{}, "", "there is no licence expression"},
		{permissive, "MIT", ""},
		{permissive, "mit", ""},
		{permissive, "MIT OR GPL-3.0", ""},
		{permissive, "GPL-3.0/MIT", ""},
		{permissive, "MIT AND GPL-3.0", "MIT AND GPL-3.0: GPL-3.0 is not accepted"},
		{permissive, "(MIT OR GPL-3.0) AND Apache-2.0 WITH LLVM-exception", ""},
		{permissive, "(MIT AND Zlib) OR (Apache-2.0 AND Unlicense)", "Zlib, Unlicense is not accepted"},
		{permissive, "MIT OR Apache-2.0 AND Zlib", ""},
		{permissive, "Zlib OR Apache-2.0 AND ISC", "Zlib, ISC is not accepted"},
		{permissive, "GPL-2.0-only WITH Classpath-exception-2.0", ""},
		{permissive, "GPL-2.0-only", "not accepted"},
		{noGPL, "MIT OR GPL-3.0-or-later", ""},
		{noGPL, "GPL-3.0-or-later", "not accepted"},
		{noGPL, "GPL-3.0+", "not accepted"},
		{noGPL, "Zlib", ""},
		{permissive, "MIT OR", "ends too early"},
		{permissive, "(MIT", "not closed"},
		{permissive, "MIT Apache-2.0", `"Apache-2.0" is left over`},
		{permissive, "MIT WITH", "nothing follows WITH"},
		{permissive, "AND", "no licence"},
		{permissive, "see LICENSE!", "cannot be read"},
		{permissive, strings.Repeat("(", 1000) + "MIT", "nests more"},
	} {
		err := c.rules.Accept(c.expression)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v %q: %v, want %q", c.rules, c.expression[:min(len(c.expression), 80)], err, c.want)
		}
	}
}

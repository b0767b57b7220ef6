//go:build bench

package bench

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

var number = regexp.MustCompile(`(?m)^NUMBER (\S+) (\d+)$`)

// measureContainer asks the tests of the images, which have the Docker engine.
func measureContainer(t *testing.T) section {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "e2e", "-run", "^TestNumbers$", "-count=1", "-v", "-timeout", "30m", "../container").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := map[string]int64{}
	for _, m := range number.FindAllStringSubmatch(string(out), -1) {
		n[m[1]], _ = strconv.ParseInt(m[2], 10, 64)
	}
	for _, name := range []string{"slim-size", "full-size", "full-base-size", "slim-first-line", "full-first-line", "check"} {
		if n[name] == 0 {
			t.Fatalf("no %s in\n%s", name, out)
		}
	}
	mb := func(name string) string { return fmt.Sprintf("%.1f MB", float64(n[name])/1e6) }
	ms := func(name string) string { return fmt.Sprintf("%d ms", n[name]) }
	return section{
		title: "The images",
		how: "Sizes as `docker image inspect` says them, unpacked. Times by the engine's own clock, from the start of the container to its first line of output, or to its\n" +
			"end, with the flags of GitHub's runner; the median of five. The engine's own work before the container starts is not counted. The check is that of the\n" +
			"Hyperlight-shaped sample, in the full image.",
		rows: []row{
			{"slim: under 15 MB", mb("slim-size"), "", judge(n["slim-size"] < 15_000_000)},
			{"slim: first line under 100 ms", ms("slim-first-line"), "", judge(n["slim-first-line"] < 100)},
			{"full: size", mb("full-size"), fmt.Sprintf("%s more than its base image", fmt.Sprintf("%.1f MB", float64(n["full-size"]-n["full-base-size"])/1e6)), none},
			{"full: first line", ms("full-first-line"), "", none},
			{"full: `check`", ms("check"), "", none},
		},
		notes: []string{"the base of the full image was made from Debian's packages and the toolchain of this machine; the one that Rust publishes has more C libraries and is larger"},
	}
}

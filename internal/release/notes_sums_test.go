package release_test

import (
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/release"
)

func TestCorrectSums(t *testing.T) {
	sum := func(c string) string { return strings.Repeat(c, 64) }
	b := release.Bill{Crates: []release.BillCrate{
		{Name: "core", Version: "1.0.0", SHA256: sum("a")}, {Name: "core", Version: "1.0.0", SHA256: sum("b")}, {Name: "driver", Version: "1.0.0", SHA256: sum("c")},
	}}
	notes := func(sums ...string) string {
		out := "A person wrote this.\n\n"
		for i, name := range []string{"core", "core", "driver", "other"} {
			out += "| " + name + " | 1.0.0 | `" + sums[i] + "` |\n"
		}
		return out + "`" + sum("9") + "` stays\n"
	}
	want := notes(sum("a"), sum("b"), sum("c"), sum("4"))
	if got := release.CorrectSums(notes(sum("1"), sum("2"), sum("3"), sum("4")), b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := release.CorrectSums(want, b); got != want {
		t.Errorf("right notes were changed:\n%s", got)
	}
	if got := release.CorrectSums("no table", b); got != "no table" {
		t.Errorf("got %q", got)
	}
}

package bump_test

import (
	"testing"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

func TestNext(t *testing.T) {
	for _, c := range []struct {
		from, level string
		candidate   bool
		want        string
	}{
		{"0.4.0", "major", false, "1.0.0"},
		{"0.4.7", "minor", false, "0.5.0"},
		{"0.4.7+build", "patch", false, "0.4.8"},
		{"0.5.0-rc.1", "minor", false, "0.5.0"},
		{"0.5.0-rc.1", "patch", false, "0.5.0"},
		{"0.5.1-rc.1", "minor", false, "0.6.0"},
		{"1.0.0-alpha", "major", false, "1.0.0"},
		{"1.1.0-alpha", "major", false, "2.0.0"},
		{"0.4.0", "minor", true, "0.5.0-rc.1"},
		{"0.5.0-rc.1", "minor", true, "0.6.0-rc.1"},
		{"0.4.0", "major", true, "1.0.0-rc.1"},
		{"0.4.0", "patch", true, "0.4.1-rc.1"},
		{"0.4.0", "rc", false, "0.4.1-rc.1"},
		{"0.4.1-rc.9", "rc", false, "0.4.1-rc.10"},
		{"0.4.1-alpha.3", "rc", false, "0.4.1-rc.1"},
		{"0.4.1-sigma", "rc", false, ""},
		{"0.4.1-rc.1.2", "rc", false, ""},
		{"0.4.1-rc.18446744073709551615", "rc", false, ""},
		{"0.4.1-rc.2", "release", false, "0.4.1"},
		{"0.4.1", "release", false, ""},
		{"0.4.1", "rc", true, ""},
		{"0.4.1", "0.3.0-20260416104353-d349504353ba", false, "0.3.0-20260416104353-d349504353ba"},
		{"0.4.1", "1.2.3--a-b", false, "1.2.3--a-b"},
		{"0.4.1", "1.2", false, ""},
		{"0.4.1", "v1.2.3", false, ""},
		{"0.4.1", "huge", false, ""},
	} {
		v, err := semver.Parse(c.from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bump.Next(v, c.level, c.candidate)
		if c.want == "" {
			if len(problem.All(err)) != 1 || problem.All(err)[0].Hint == "" {
				t.Errorf("%s of %s: got %s, %v, want a problem with a hint", c.level, c.from, got, err)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s of %s: got %s, %v, want %s", c.level, c.from, got, err, c.want)
		}
	}
}

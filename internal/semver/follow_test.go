package semver_test

import (
	"errors"
	"testing"

	"github.com/tagboat/tagboat/internal/semver"
)

func TestFollow(t *testing.T) {
	for _, c := range []struct{ req, version, want string }{
		{"0.4", "0.4.7", "0.4"},
		{"0.4", "0.5.0", "0.5"},
		{"0.4.0", "0.5.0", "0.5.0"},
		{" ^ 0.4.1 ", "0.5.0", " ^ 0.5.0 "},
		{"1", "2.3.4", "2"},
		{"~1.2", "1.3.0", "~1.3"},
		{"=1.2.3", "1.2.4", "=1.2.4"},
		{"=1.2.3", "1.2.4+build.1", "=1.2.4"},
		{"1.2.*", "1.3.0", "1.3.*"},
		{"1.*.x", "2.3.0", "2.*.x"},
		{"*", "2.3.0", "*"},
		{"1", "2.0.0-rc.1", "2.0.0-rc.1"},
		{"2.0.0-rc.1", "2.0.0-rc.2", "2.0.0-rc.1"},
		{"2.0.0-rc.1", "2.0.0", "2.0.0-rc.1"},
		{"=2.0.0-rc.1", "2.0.0", "=2.0.0"},
		{">=0.8", "0.9.0", ">=0.8"},
		{">=0.8", "0.9.0-rc.1", ">=0.9.0-rc.1"},
		{"=0.1.2-20240321-96f6653", "0.1.3-20240416--x-1", "=0.1.3-20240416--x-1"},
		{">=1, <3", "2.0.0", ">=1, <3"},
		{">=1, <2", "2.0.0", ""},
		{"<2", "2.0.0", ""},
		{">2", "2.0.0", ""},
		{"*", "2.0.0-rc.1", ""},
		{"1.*", "2.0.0-rc.1", ""},
	} {
		v, err := semver.Parse(c.version)
		if err != nil {
			t.Fatal(err)
		}
		got, err := semver.Follow(c.req, v)
		if got != c.want || (c.want == "") != errors.Is(err, semver.ErrFollow) {
			t.Errorf("%q following %s: got %q and %v, want %q", c.req, c.version, got, err, c.want)
		}
		if r, err := semver.ParseReq(got); c.want != "" && (err != nil || !r.Matches(v)) {
			t.Errorf("%q does not take %s", got, c.version)
		}
	}
	if _, err := semver.Follow("1.2.3.4", semver.Version{}); err == nil {
		t.Error("no requirement followed")
	}
}

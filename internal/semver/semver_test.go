package semver_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"deps.dev/util/semver"

	own "github.com/tagboat/tagboat/internal/semver"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want own.Version
	}{
		{"1.2.3", own.Version{Major: 1, Minor: 2, Patch: 3}},
		{"0.0.0", own.Version{}},
		{"18446744073709551615.0.0", own.Version{Major: 1<<64 - 1}},
		{"1.2.3-rc.1+b.01", own.Version{Major: 1, Minor: 2, Patch: 3, Pre: "rc.1", Build: "b.01"}},
		{"1.2.3-0a.-", own.Version{Major: 1, Minor: 2, Patch: 3, Pre: "0a.-"}},
		{"1.2.3+001", own.Version{Major: 1, Minor: 2, Patch: 3, Build: "001"}},
	} {
		got, err := own.Parse(tt.in)
		if err != nil || got != tt.want || got.String() != tt.in {
			t.Errorf("Parse(%q) = %#v, %v, want %#v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "empty string, expected a version like 1.2.3",
		"1.2":                        `end of input after the minor version number, expected "."`,
		"v1.2.3":                     `'v' where the major version number should be`,
		"1.02.3":                     "leading zero in the minor version number",
		"1.2.3-01":                   `pre-release: leading zero in the number "01"`,
		"1.2.3-":                     "pre-release: end of input where an identifier should be",
		"1.2.3-a..b":                 "pre-release: empty identifier between dots",
		"1.2.3+":                     "build metadata: end of input where an identifier should be",
		"1.2.3 ":                     "unexpected ' ' at the end",
		"18446744073709551616.0.0":   "the major version number is larger than 64 bits",
		"184467440737095516150.0.0":  "the major version number is larger than 64 bits",
		"1.2.3-\u00e9":               "pre-release: 'é' where an identifier should be",
		"99999999999999999999999.1.": "the major version number is larger than 64 bits",
	} {
		if _, err := own.Parse(in); err == nil || err.Error() != fmt.Sprintf("version %q: %s", in, want) {
			t.Errorf("Parse(%q): got error %v, want %s", in, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	// Each entry is below the next one: https://semver.org/#spec-item-11 and beyond.
	order := []string{"0.0.1", "0.1.0-1", "0.1.0-9", "0.1.0-10", "0.1.0-18446744073709551616", "0.1.0-99999999999999999999999",
		"0.1.0--", "0.1.0-1a", "0.1.0-A", "0.1.0-alpha", "0.1.0-alpha.1", "0.1.0-alpha.1.0", "0.1.0-alpha.beta", "0.1.0-beta", "0.1.0-beta.2",
		"0.1.0-beta.11", "0.1.0-rc.1", "0.1.0", "0.1.1", "0.2.0", "1.0.0-0", "1.0.0", "2.0.0", "10.0.0"}
	for i, a := range order {
		for j, b := range order {
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			if got := version(t, a).Compare(version(t, b+"+build")); got != want {
				t.Errorf("%s compared with %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	if version(t, "1.0.0").IsPre() || !version(t, "1.0.0-0").IsPre() {
		t.Error("IsPre does not tell a pre-release")
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct{ req, yes, no string }{
		{"1.2", "1.2.0 1.9.9", "1.1.9 2.0.0 1.3.0-rc.1"},
		{"^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"},
		{"^0.0.3", "0.0.3 0.0.3+b", "0.0.2 0.0.4"},
		{"0.0", "0.0.0 0.0.9", "0.1.0"},
		{"0", "0.0.0 0.9.0", "1.0.0"},
		{"~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"},
		{"~1", "1.0.0 1.9.0", "2.0.0 0.9.0"},
		{"=1.2", "1.2.0 1.2.7", "1.3.0 1.2.0-rc.1"},
		{">1", "2.0.0", "1.9.9 1.0.0 2.0.0-rc.1"},
		{">1.2", "1.3.0", "1.2.9"},
		{"<=1.2", "1.2.9 0.0.1", "1.3.0"},
		{"<1.2.3", "1.2.2", "1.2.3 1.2.3-rc.1"},
		{"*", "0.0.0 9.9.9", "1.0.0-rc.1"},
		{"1.2.*", "1.2.0 1.2.9", "1.3.0 1.2.0-a"},
		{">=0.3.0, <2", "0.3.0 1.9.9", "2.0.0 0.2.9"},
		{"0.3.0-rc.1", "0.3.0-rc.1 0.3.0-rc.2 0.3.0 0.3.9", "0.3.0-beta 0.3.1-rc.1 0.4.0"},
		{">=1.0.0-rc.1", "1.0.0-rc.1 1.0.0 2.0.0", "2.0.0-rc.1 1.0.0-alpha"},
		{"=1.0.0-rc.1", "1.0.0-rc.1 1.0.0-rc.1+b", "1.0.0-rc.2 1.0.0"},
		{"<1.0.0-rc.2", "1.0.0-rc.1 0.9.0", "1.0.0-rc.2 1.0.0"},
		{">1, >=2.0.0-rc.1", "2.0.0-rc.1 2.0.0", "1.5.0"},
		{"1.2, >=1.2.3-rc.1", "1.2.3-rc.1 1.2.3", "1.2.2 1.2.4-rc.1"},
		{"=1.2, >=1.2.3-rc.1", "1.2.3", "1.2.3-rc.1"},
		{"~1.2, >=1.2.3-rc.1", "1.2.3", "1.2.3-rc.1"},
	} {
		req := requirement(t, tt.req)
		for v := range strings.FieldsSeq(tt.yes) {
			if !req.Matches(version(t, v)) {
				t.Errorf("%q refuses %s", tt.req, v)
			}
		}
		for v := range strings.FieldsSeq(tt.no) {
			if req.Matches(version(t, v)) {
				t.Errorf("%q takes %s", tt.req, v)
			}
		}
	}
}

// TestMatchesAgree compares all pairs of many requirements and versions with an implementation that was written
// independently and checked against cargo's resolver.
func TestMatchesAgree(t *testing.T) {
	var versions []string
	for _, base := range []string{"0.0.0", "0.0.1", "0.0.3", "0.1.0", "0.2.3", "0.2.4", "0.3.0", "1.0.0", "1.2.0", "1.2.3", "1.2.4", "1.3.0", "2.0.0", "3.0.0", "10.2.3"} {
		versions = append(versions, base, base+"-alpha", base+"-rc.1", base+"-rc.2", base+"+build")
	}
	var reqs []string
	for _, o := range []string{"", "^", "~", "=", ">", ">=", "<", "<="} {
		for _, n := range []string{"0", "1", "0.0", "0.2", "1.2", "0.0.0", "0.0.3", "0.2.3", "1.0.0", "1.2.3", "1.2.3-rc.1", "0.0.3-alpha", "2.0.0-rc.2"} {
			reqs = append(reqs, o+n)
		}
	}
	reqs = append(reqs, "*", "0.*", "1.*", "1.2.*", "0.0.*", "=1.*", ">1.*", ">=1.2.*", "<1.*", "<=1.2.*", "~1.*", "^0.*",
		">=0.3.0, <2", ">=1.2.3-rc.1, <1.3", ">0.2, <=1.2.3", "^1.2, ~1.2.3", ">=1, <3, <2.5")
	pairs := 0
	for _, r := range reqs {
		req := requirement(t, r)
		constraint, err := semver.Cargo.ParseConstraint(r)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		for _, v := range versions {
			pairs++
			if got, want := req.Matches(version(t, v)), constraint.Match(v); got != want {
				t.Errorf("%q and %s: got %t, want %t", r, v, got, want)
			}
		}
	}
	t.Logf("%d pairs", pairs)
}

func TestText(t *testing.T) {
	type doc struct {
		V own.Version
		R own.Req
	}
	var d doc
	if err := json.Unmarshal([]byte(`{"V":"1.2.3-rc.1","R":" >=1 ,<2"}`), &d); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(d)
	if want := `{"V":"1.2.3-rc.1","R":"\u003e=1, \u003c2"}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
	for _, bad := range []string{`{"V":"1"}`, `{"R":"x.1"}`} {
		if json.Unmarshal([]byte(bad), &d) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if !d.R.Equal(requirement(t, ">=1,<2")) || d.R.Equal(own.Req{}) || (own.Req{}).String() != "*" {
		t.Error("Equal does not compare canonical forms")
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range slices.Concat(acceptedVersions, refusedVersions) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := own.Parse(s)
		if err != nil {
			return
		}
		again, err := own.Parse(v.String())
		if err != nil || again != v || v.String() != s || v.Compare(again) != 0 {
			t.Errorf("%q becomes %q, %v", s, v, err)
		}
		if _, err := own.ParseReq("=" + s); err != nil {
			t.Errorf("the exact requirement of %q: %v", s, err)
		}
	})
}

func FuzzReq(f *testing.F) {
	for _, s := range refusedReqs {
		f.Add(s, "1.2.3-rc.1")
	}
	for s := range acceptedReqs {
		f.Add(s, "1.2.3")
	}
	f.Fuzz(func(t *testing.T, s, v string) {
		req, err := own.ParseReq(s)
		if err != nil {
			return
		}
		again, err := own.ParseReq(req.String())
		if err != nil || !again.Equal(req) || again.String() != req.String() {
			t.Fatalf("%q becomes %q, then %q, %v", s, req, again, err)
		}
		parsed, err := own.Parse(v)
		if err != nil {
			return
		}
		if got := req.Matches(parsed); got != again.Matches(parsed) {
			t.Errorf("%q and its canonical form %q do not agree on %s", s, req, v)
		}
	})
}

func version(t *testing.T, s string) own.Version {
	t.Helper()
	v, err := own.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func requirement(t *testing.T, s string) own.Req {
	t.Helper()
	r, err := own.ParseReq(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

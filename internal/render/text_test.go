package render_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render"
)

func want(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestError(t *testing.T) {
	err := fmt.Errorf("release: %w", errors.Join(
		&problem.Error{Kind: problem.Usage, Summary: "unknown key `locket`", File: "tagboat.toml", Line: 4, Hint: "did you mean `locked`?"},
		&problem.Error{Summary: "the sums differ", Detail: "here   1\nthere  2\n", Err: errors.New("hidden")},
		&problem.Error{Summary: "no answer", Err: errors.New("dial tcp: refused")},
	))
	want(t, render.Error(render.Style{}, err), "\n"+
		"error: unknown key `locket`\n"+
		"  at tagboat.toml:4\n"+
		"  hint: did you mean `locked`?\n"+
		"\n"+
		"error: the sums differ\n"+
		"    here   1\n"+
		"    there  2\n"+
		"\n"+
		"error: no answer\n"+
		"    dial tcp: refused\n")
	want(t, render.Error(render.Style{}, errors.New("plain")), "error: plain\n")
	want(t, render.Error(render.Style{}, nil), "")
}

func TestProblemsAreWrappedAndColored(t *testing.T) {
	p := []release.ReportProblem{{Summary: "one two three four five six", Hint: "a-word-that-is-wider-than-the-line stays whole"}}
	want(t, render.Problems(render.Style{Width: 20, Color: true}, p), "\n"+
		"\x1b[31merror\x1b[0m: one two three\n"+
		"  four five six\n"+
		"  \x1b[36mhint\x1b[0m: a-word-that-is-wider-than-the-line\n"+
		"  stays whole\n")
}

func TestVerification(t *testing.T) {
	want(t, render.Verification(render.Style{}, "v0.4.0 of example/boats", []render.Check{
		{Name: "hull 0.4.0 in crates-io", State: "different", Detail: "bill   aa\nindex  bb"},
		{Name: "boat 0.4.0 in crates-io", State: "same"},
		{Name: "boat.tar.gz", State: "unknown", Detail: "the forge tells no sum"},
	}), `
v0.4.0 of example/boats
  same       boat 0.4.0 in crates-io
  different  hull 0.4.0 in crates-io
      bill   aa
      index  bb
  unknown    boat.tar.gz
      the forge tells no sum
2 of 3 checks not as recorded
`)
	want(t, render.Verification(render.Style{}, "v1", []render.Check{{Name: "a", State: "same"}}), `
v1
  same  a
1 check, all as recorded
`)
}

func TestSettings(t *testing.T) {
	want(t, render.Settings(render.Style{}, []config.Setting{
		{Key: "tags.template", Value: "v{version}", Origin: config.Origin{Source: config.FromDefault}},
		{Key: "package.exclude", Value: []string{"*-testing", "x\x1b"}, Origin: config.Origin{Source: config.FromFile, Name: "tagboat.toml", Line: 3}},
		{Key: "package.locked", Value: true, Origin: config.Origin{Source: config.FromFlag, Name: "--locked"}},
		{Key: "pace.attempts", Value: int64(5), Origin: config.Origin{Source: config.FromEnvironment, Name: "TAGBOAT_ATTEMPTS"}},
	}), `
KEY              VALUE                   FROM
tags.template    "v{version}"            default
package.exclude  ["*-testing", "x\x1b"]  tagboat.toml:3
package.locked   true                    flag --locked
pace.attempts    5                       environment TAGBOAT_ATTEMPTS
`)
}

func TestSizeSpanClock(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9940: "9.9 kB", 9960: "10 kB", 999_400: "999 kB", 999_600: "1.0 MB", 1_234_567: "1.2 MB", 2_000_000_000: "2.0 GB",
		5_000_000_000_000: "5.0 TB", 9_000_000_000_000_000: "9000 TB",
	} {
		if got := render.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0s", 0: "0.0s", 420 * time.Millisecond: "0.4s", 9999 * time.Millisecond: "9.9s", 10 * time.Second: "10s", 65 * time.Second: "1m 05s",
		130 * time.Minute: "2h 10m", 76 * time.Hour: "3d 4h",
	} {
		if got := render.Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	if got := render.Clock(noon.Add(time.Hour), noon); got != "13:00:00 UTC" {
		t.Errorf("Clock on the same day = %q", got)
	}
	if got := render.Clock(noon.Add(24*time.Hour), noon); got != "2026-03-02 12:00 UTC" {
		t.Errorf("Clock on the next day = %q", got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\r\nc  d ":           "a b c d",
		"\x1b[31mred":             "�[31mred",
		"\u202eabc\u2066":         "�abc�",
		"a\xffb":                  "a�b",
		"⚠️ 👩‍💻 a\u200db":         "⚠ 👩💻 a�b",
		"e\u0301":                 "e\u0301",
		"::error::x":              ": :error::x",
		"core::fmt":               "core::fmt",
		"x##[group]":              "x## [group]",
		"\u3164\u115f\U000e0041x": "���x",
		"\u2028":                  "�",
	} {
		if got := render.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := render.Block("\n\na\tb  \r\n  ::x\n\x07\n\n"); got != "a    b\n  : :x\n�" {
		t.Errorf("Block = %q", got)
	}
}

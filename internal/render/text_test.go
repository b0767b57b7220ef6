package render_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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

// Details keep their indent on a narrow terminal; elsewhere a line of them is a line.
func TestDetailsOnANarrowTerminal(t *testing.T) {
	p := []release.ReportProblem{{Summary: "no", Detail: "got   1\n  one two three four five\nhttps://example.com/one-word"}}
	want(t, render.Problems(render.Style{Width: 20}, p), `
error: no
    got   1
      one two three
      four five
    https://example.com/one-word
`)
	long := strings.Repeat("word ", 40) + "end"
	for _, width := range []int{0, 80, 100} {
		want(t, render.Problems(render.Style{Width: width}, []release.ReportProblem{{Summary: "no", Detail: long}}), "error: no\n    "+long+"\n")
	}
	want(t, render.Report(render.Style{Width: 30, Color: true}, release.Report{Outcome: release.Stopped, Tag: "v1.0.0", Repository: "acme/demo"}), "\n"+
		"\x1b[31mStopped v1.0.0 of acme/demo; a\n"+
		"person must decide\x1b[0m\n")
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

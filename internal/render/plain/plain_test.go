package plain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tagboat/tagboat/internal/render/plain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestSizeSpanClock(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9940: "9.9 kB", 9960: "10 kB", 999_400: "999 kB", 999_600: "1.0 MB", 1_234_567: "1.2 MB", 2_000_000_000: "2.0 GB",
		5_000_000_000_000: "5.0 TB", 9_000_000_000_000_000: "9000 TB",
	} {
		if got := plain.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0s", 0: "0.0s", 420 * time.Millisecond: "0.4s", 9999 * time.Millisecond: "9.9s", 10 * time.Second: "10s", 65 * time.Second: "1m 05s",
		130 * time.Minute: "2h 10m", 76 * time.Hour: "3d 4h",
	} {
		if got := plain.Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	if got := plain.Clock(noon.Add(time.Hour), noon); got != "13:00:00 UTC" {
		t.Errorf("Clock on the same day = %q", got)
	}
	if got := plain.Clock(noon.Add(24*time.Hour), noon); got != "2026-03-02 12:00 UTC" {
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
		if got := plain.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := plain.Block("\n\na\tb  \r\n  ::x\n\x07\n\n"); got != "a    b\n  : :x\n�" {
		t.Errorf("Block = %q", got)
	}
}

func TestColumns(t *testing.T) {
	for _, test := range []struct {
		in     string
		width  int
		fitted string // in five columns
	}{
		{"", 0, ""}, {"abcde", 5, "abcde"}, {"abcdef", 6, "abcd…"}, {"漢字漢", 6, "漢字…"}, {"a漢字漢", 7, "a漢…"}, {"e\u0301abcdef", 7, "e\u0301abc…"},
	} {
		if got := plain.Columns(test.in); got != test.width {
			t.Errorf("Columns(%q) = %d, want %d", test.in, got, test.width)
		}
		if got := plain.Fit(test.in, 5); got != test.fitted {
			t.Errorf("Fit(%q, 5) = %q, want %q", test.in, got, test.fitted)
		}
		if got := plain.Columns(plain.Pad(test.in, 9)); got != 9 {
			t.Errorf("Pad(%q, 9) has %d columns", test.in, got)
		}
	}
	if got := plain.Fit("x", 0); got != "" {
		t.Errorf("Fit in no columns = %q", got)
	}
}

func TestTable(t *testing.T) {
	got := plain.Table([][]string{{"A", "SIZE", "Z"}, {"漢字", "1", "x"}, {"abc", "100", ""}}, 1)
	if diff := cmp.Diff([]string{"A     SIZE  Z", "漢字     1  x", "abc    100"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTidy(t *testing.T) {
	if got := plain.Tidy("a  \n  ::x\nb ::y\n##[z]\n"); got != "a\n  : :x\nb ::y\n## [z]\n" {
		t.Errorf("Tidy = %q", got)
	}
}

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "now", 0: "now", 1: "1s", time.Second: "1s", 9001 * time.Millisecond: "10s", time.Minute: "1m 00s"} {
		if got := plain.Left(noon.Add(d), noon); got != want {
			t.Errorf("Left(%v) = %q, want %q", d, got, want)
		}
	}
}

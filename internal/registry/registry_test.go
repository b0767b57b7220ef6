package registry

import (
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	const github = "https://github.com/rust-lang/crates.io-index"
	for _, c := range []struct {
		name, index string
		want        Registry
	}{
		{CratesIO, "", Registry{Index: github, URL: "https://index.crates.io/", Kind: KindCratesIO, Wait: Order}},
		{"public", github, Registry{Index: github, URL: "https://index.crates.io/", Kind: KindCratesIO, Wait: Order}},
		{"public", "sparse+https://index.crates.io/", Registry{Index: github, URL: "https://index.crates.io/", Kind: KindCratesIO, Wait: Order}},
		{CratesIO, "sparse+http://127.0.0.1:1/index", Registry{Index: "sparse+http://127.0.0.1:1/index", URL: "http://127.0.0.1:1/index/", Kind: KindGeneric, Wait: Index}},
		{"feed", "sparse+https://pkgs.dev.azure.com/o/p/_packaging/f/Cargo/index/", Registry{URL: "https://pkgs.dev.azure.com/o/p/_packaging/f/Cargo/index/", Kind: KindAzure, Wait: Index}},
		{"feed", "sparse+https://o.pkgs.visualstudio.com/_packaging/f/Cargo/index/", Registry{URL: "https://o.pkgs.visualstudio.com/_packaging/f/Cargo/index/", Kind: KindAzure, Wait: Index}},
		{"forge", "sparse+https://git.example/api/packages/o/cargo/", Registry{URL: "https://git.example/api/packages/o/cargo/", Kind: KindGitea, Wait: Index}},
		{"k", "sparse+https://k.example/api/v1/crates/", Registry{URL: "https://k.example/api/v1/crates/", Kind: KindKellnr, Wait: Index}},
		{"any", "sparse+https://r.example", Registry{URL: "https://r.example/", Kind: KindGeneric, Wait: Index}},
	} {
		got, err := New(c.name, c.index)
		if err != nil {
			t.Errorf("New(%q, %q): %v", c.name, c.index, err)
			continue
		}
		if c.want.Index == "" {
			c.want.Index = c.index
		}
		c.want.Name, c.want.Pace, c.want.MaxCrate = c.name, c.want.Kind.Traits().Pace, c.want.Kind.Traits().MaxCrate
		if got != c.want {
			t.Errorf("New(%q, %q)\n got %+v\nwant %+v", c.name, c.index, got, c.want)
		}
	}
	for _, index := range []string{"", "https://example.invalid/index.git", "sparse+", "sparse+file:///x", "sparse+https://u:p@x/", "sparse+https://x/?a=b"} {
		if r, err := New("feed", index); err == nil {
			t.Errorf("New(%q) = %+v, want an error", index, r)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows credentials: %v", err)
		}
	}
}

func TestForecast(t *testing.T) {
	public, err := New(CratesIO, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		crates, versions int
		pause            time.Duration
		text             string
	}{
		{5, 30, 0, ""},
		{13, 0, 80 * time.Minute, "crates-io: 13 new crates where 5 may go at once and one more every 10m; the last upload can start in 1h20m, at 2026-01-02 11:20 UTC"},
		{0, 109, 79 * time.Minute, "crates-io: 109 new versions where 30 may go at once and one more every 1m; the last upload can start in 1h19m, at 2026-01-02 11:19 UTC"},
		{6, 100, 70 * time.Minute, "crates-io: 6 new crates where 5 may go at once and one more every 10m and 100 new versions where 30 may go at once and one more every 1m; the last upload can start in 1h10m, at 2026-01-02 11:10 UTC"},
		{11, 31, time.Hour, "crates-io: 11 new crates where 5 may go at once and one more every 10m and 31 new versions where 30 may go at once and one more every 1m; the last upload can start in 1h, at 2026-01-02 11:00 UTC"},
	} {
		f := public.Forecast(c.crates, c.versions, now)
		if f.Pause != c.pause || f.Text != c.text || !f.Done.Equal(now.Add(c.pause)) {
			t.Errorf("Forecast(%d, %d) = %+v, want %v and %q", c.crates, c.versions, f, c.pause, c.text)
		}
	}
	if f := (Registry{}).Forecast(1000, 1000, now); f.Pause != 0 {
		t.Errorf("a registry without limits: %+v", f)
	}
}

func TestCleanToken(t *testing.T) {
	for in, want := range map[string]struct {
		token   string
		warning bool
	}{
		"cio123": {"cio123", false}, "Bearer a b": {"Bearer a b", false}, "tok\n": {"tok", true}, " tok \r\n": {"tok", true}, "a\tb": {"a\tb", false},
	} {
		v, warning, err := CleanToken(in)
		if err != nil || v.Reveal() != want.token || (warning != "") != want.warning {
			t.Errorf("CleanToken(%q) = %q, %q, %v", in, v.Reveal(), warning, err)
		}
	}
	for _, in := range []string{"", " \n", "Basic abc\ndef", "tök", "a\x00b", "a\x7fb"} {
		if v, _, err := CleanToken(in); err == nil {
			t.Errorf("CleanToken(%q) = %q, want an error", in, v.Reveal())
		}
	}
}

package registry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tagboat/tagboat/internal/secret"
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
		c.want.Name, c.want.Pace = c.name, c.want.Kind.Traits().Pace
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

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Time{
		"0": now, " 120 ": now.Add(2 * time.Minute), "99999999999999": now.Add(maxPause),
		"Fri, 02 Jan 2026 10:10:00 GMT":  now.Add(10 * time.Minute),
		"Friday, 02-Jan-26 10:10:00 GMT": now.Add(10 * time.Minute),
		"Fri, 02 Jan 2025 10:10:00 GMT":  now,
		"Fri, 02 Jan 2099 10:10:00 GMT":  now.Add(maxPause),
	} {
		if got, named := parseRetryAfter(header, now); !named || !got.Equal(want) {
			t.Errorf("parseRetryAfter(%q) = %v, %t, want %v", header, got, named, want)
		}
	}
	for _, header := range []string{"", "soon", "-1", "1.5", "99999999999999999999999"} {
		if got, named := parseRetryAfter(header, now); named {
			t.Errorf("parseRetryAfter(%q) = %v, want none", header, got)
		}
	}
}

func FuzzEntries(f *testing.F) {
	f.Add([]byte(line("1.0.0", "") + "\n" + line("2.0.0", `,"v":2,"features2":{"a":["dep:b"]}`)))
	f.Add([]byte(`{"v":3}`))
	f.Add([]byte(`{"name":"demo","deps":[{"name":"a","req":"^1","target":null,"registry":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := parseEntries("demo", body)
		if err != nil {
			return
		}
		if n := bytes.Count(body, []byte("\n")) + 1; len(entries) > n {
			t.Errorf("%d entries in %d lines", len(entries), n)
		}
		for _, e := range entries {
			if len(e.Checksum) != 64 || !strings.EqualFold(e.Name, "demo") {
				t.Errorf("got %+v", e)
			}
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"dl":"https://x.example/{crate}","api":"https://x.example/","auth-required":true}`))
	f.Add([]byte(`{"dl":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		config, err := parseConfig(body)
		if err != nil {
			return
		}
		if strings.HasSuffix(config.API, "//") && !bytes.Contains(body, []byte("//")) || !strings.HasPrefix(config.DL, "http") && !strings.HasPrefix(strings.ToLower(strings.NewReplacer("{", "", "}", "").Replace(config.DL)), "http") {
			t.Errorf("got %+v", config)
		}
		if at := downloadURL(config.DL, Entry{Name: "demo", Version: "1.0.0", Checksum: sumA}); at == "" {
			t.Error("no address")
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add(400, "application/json", []byte(`{"errors":[{"detail":"no `+testToken+`"}]}`))
	f.Add(409, "text/html", []byte("<html>"))
	f.Add(503, "", []byte("\x1b]0;x\a s3cr3t-t0ken-\nvalue"))
	c := NewClient(Registry{Name: "feed"}, Options{})
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		k := call{op: "publish", token: secret.New(testToken), write: true}
		e := c.statusError(k, &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}, body)
		if strings.Contains(e.Error(), "s3cr3t-t0ken-value") {
			t.Errorf("shows the token: %q", e)
		}
		if strings.ContainsFunc(e.Detail, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }) {
			t.Errorf("not fit for a line: %q", e.Detail)
		}
		if _, err := json.Marshal(e.Detail); err != nil || len([]rune(e.Detail)) > maxDetail+1 {
			t.Errorf("detail of %d runes, %v", len([]rune(e.Detail)), err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Fri, 02 Jan 2026 10:10:00 GMT")
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, header string) {
		at, named := parseRetryAfter(header, now)
		if named && (at.Before(now) || at.After(now.Add(maxPause))) || !named && !at.IsZero() {
			t.Errorf("parseRetryAfter(%q) = %v, %t", header, at, named)
		}
	})
}

package config_test

import (
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/config"
)

// A token's table is read with its defaults, with and without quotes around the day; a registry without a table has one
// all the same.
func TestTokens(t *testing.T) {
	cfg, _, err := config.Load([]byte("[registries.feed]\nindex = \"sparse+https://feed.example.com/index/\"\n[tokens.ro]\nregistry = \"feed\"\nexpires = 2027-01-31\naccess = \"read\"\n[tokens.rw]\nexpires = \"2027-02-01\"\n"), config.File)
	if err != nil {
		t.Fatal(err)
	}
	ro, ok := cfg.TokenNamed("ro")
	if !ok || ro.Registry != "feed" || ro.Access != "read" || ro.WarnDays != 21 || ro.Scope != "repository" || ro.Reach != "unknown" {
		t.Errorf("ro: %t, %+v", ok, ro)
	}
	if want := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC); !ro.Expires.Time().Equal(want) {
		t.Errorf("ro expires %s, want %s", ro.Expires.Time(), want)
	}
	if rw, _ := cfg.TokenNamed("rw"); rw.Expires != "2027-02-01" || rw.Registry != "rw" || rw.Access != "publish" {
		t.Errorf("rw: %+v", rw)
	}
	if feed, ok := cfg.TokenNamed("feed"); !ok || feed.Registry != "feed" || !feed.Expires.Time().IsZero() {
		t.Errorf("feed: %t, %+v", ok, feed)
	}
	if _, ok := cfg.TokenNamed("nothing"); ok {
		t.Error("a name that is nowhere names a token")
	}
}

func TestParseScope(t *testing.T) {
	for text, want := range map[string]string{
		"repository": "repository|", "environment:release": "environment|release", "environment:a/b c": "environment|a/b c", "organization": "organization|",
		"organization:acme-inc": "organization|acme-inc", "": "", "repository:x": "", "environment": "", "environment:": "", "environment: a": "",
		"organization:": "", "organization:-a": "", "organization:a/b": "", "organisation": "",
	} {
		kind, name, err := config.ParseScope(text)
		if got := kind + "|" + name; err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q: got %s, %v, want %q", text, got, err, want)
		}
	}
}

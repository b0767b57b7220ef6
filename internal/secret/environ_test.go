package secret_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/secret"
)

// TestEnviron hides what is named like a secret, in every part, and passwords in addresses.
func TestEnviron(t *testing.T) {
	const pat = "p3rs0nal-acc3ss-t0ken"
	pair := base64.StdEncoding.EncodeToString([]byte("AzureDevOps:" + pat))
	var m secret.Masker
	names := m.Environ(map[string]string{
		"ADO_CARGO_RW_PAT": "Basic " + pair[:20] + " " + pair[20:], "FEED_TOKEN": "Bearer b3arer-value\n", "EMPTY_TOKEN": "",
		"HTTPS_PROXY": "http://builder:pr0xy-pass@proxy.example:8080", "HOME": "/home/builder", "GREETING": "hello@world",
	})
	if want := []string{"ADO_CARGO_RW_PAT", "FEED_TOKEN"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	for _, text := range []string{pat, "PAT:" + pat, "b3arer-value", "http://builder:pr0xy-pass@proxy.example:8080", base64.StdEncoding.EncodeToString([]byte("PAT:" + pat))} {
		if got := m.Mask(text); strings.Contains(got, pat) || strings.Contains(got, "b3arer") || strings.Contains(got, "pr0xy-pass") || !strings.Contains(got, secret.Mask) {
			t.Errorf("Mask(%q) = %q", text, got)
		}
	}
	for _, text := range []string{"/home/builder", "hello@world", "proxy.example:8080"} {
		if got := m.Mask(text); got != text {
			t.Errorf("Mask(%q) = %q", text, got)
		}
	}
}

package rustup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/rustup"
)

// Only what means the same for ever is installed, and only where rustup is.
func TestPossible(t *testing.T) {
	dir := t.TempDir()
	with := []string{"PATH=relative:" + filepath.Join(dir, "none") + ":" + dir}
	if rustup.Possible("1.95.0", with) {
		t.Error("possible without rustup")
	}
	if err := os.WriteFile(filepath.Join(dir, "rustup"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]bool{
		"1.95.0": true, "1.95": true, "nightly-2026-01-31": true, "beta-2026-01-31": true, "stable-2026-01-31": true,
		"": false, "1": false, "stable": false, "nightly": false, "1.95.0-beta.1": false, "1.95.0-x86_64-unknown-linux-gnu": false, "--help": false, "/opt/rust": false, "1.95.0\n": false,
	} {
		if got := rustup.Possible(channel, with); got != want {
			t.Errorf("%q: %t, want %t", channel, got, want)
		}
	}
}

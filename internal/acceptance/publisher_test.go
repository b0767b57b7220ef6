//go:build e2e

package acceptance

import (
	"path/filepath"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/release"
)

// With publisher = "cargo" cargo itself uploads, and the registry gets the bytes that the bill tells.
func TestPublisherCargo(t *testing.T) {
	w := startWorld(t, filepath.Join(workspaces, "mshv"), outside.Config{}, func(dir string) error {
		if err := forFeed(dir); err != nil {
			return err
		}
		return appendTo(filepath.Join(dir, "tagboat.toml"), "\n[package]\npublisher = \"cargo\"\n")
	})
	// One crate after the other, as their tags are pushed: the second needs the first from the registry.
	for i, crate := range []string{"mshv-bindings", "mshv-ioctls"} {
		tag := crate + "-v0.7.0"
		pushTag(t, w, tag)
		r := newRun(t.Context(), t, w, nil, "release", "--tag", tag).must(t, 0)
		if r.Outcome != release.Released {
			t.Fatalf("outcome %s", r.Outcome)
		}
		accepted := w.Feeds["feed"].Twin.Accepted()
		if len(accepted) != i+1 {
			t.Fatalf("%d uploads were accepted, want %d", len(accepted), i+1)
		}
		if u, c := accepted[i], r.Bill.Crates[0]; u.Name != crate || u.SHA256 != c.SHA256 {
			t.Errorf("the registry has %s %s, the bill %s %s", u.Name, u.SHA256, c.Name, c.SHA256)
		}
	}
}

//go:build e2e

package contract

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/ship"
	"github.com/tagboat/tagboat/internal/secret"
)

// built is a source of one commit without crates.
type built struct{ commit string }

func (b built) Checkout(context.Context, release.Request, observe.Sealed) (release.Checkout, config.Config, error) {
	cfg := config.Default()
	cfg.Release.Rolling.Enabled = true
	return release.Checkout{Tag: release.Tag{Name: "v0.1.0", Version: "0.1.0"}, Commit: b.commit}, cfg, nil
}

func (built) Package(context.Context, observe.PackageOrder) (*pack.Result, error) {
	return nil, errors.New("a rolling build packages nothing")
}

func (built) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	return errors.New("a rolling build publishes nothing")
}

// roll brings the rolling pre-release to a commit, with files of the given content.
func (w *world) roll(t *testing.T, commit string, files map[string]string) *release.Report {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outside := observe.World{Source: built{w.commits[commit]}, Forge: w.client(t, writer), Scratch: t.TempDir(), WorkingDir: dir, Poll: time.Millisecond}
	r, err := ship.Roll(t.Context(), outside, release.Request{Half: release.Both, Artifacts: []string{"*"}}, ship.Options{Command: "rolling"})
	if err != nil || r.Outcome != release.Released {
		t.Fatalf("roll to %s: got %s, %+v, %v", commit, r.Outcome, r.Problems, err)
	}
	return r
}

// The tag moves, what differs is replaced, what is gone is removed, and an older build changes nothing.
func TestRoll(t *testing.T) {
	w := newWorld(t, githubtwin.Config{})
	w.roll(t, "first", map[string]string{"tool": "1", "old": "x"})
	w.roll(t, "third", map[string]string{"tool": "3"})
	w.roll(t, "second", map[string]string{"tool": "2"})
	rel, ok := w.twin.Release("dev-latest")
	if !ok || rel.Draft || !rel.Prerelease || rel.Latest || len(rel.Assets) != 2 {
		t.Fatalf("got %+v, want a public pre-release of two files", rel)
	}
	for _, a := range rel.Assets {
		if content, err := w.twin.AssetBytes(a.ID); err != nil || a.Name == "tool" && string(content) != "3" {
			t.Errorf("%s: got %q, %v", a.Name, content, err)
		}
	}
	if tag, err := w.client(t, reader).Tag(t.Context(), "dev-latest"); err != nil || tag.Commit != w.commits["third"] {
		t.Errorf("got %+v, %v, want the tag at the newest build", tag, err)
	}
}

// Where releases cannot change, each build is a pre-release of its own.
func TestRollImmutable(t *testing.T) {
	w := newWorld(t, githubtwin.Config{Immutable: true})
	w.roll(t, "first", map[string]string{"tool": "1"}) // learns that it is immutable
	r := w.roll(t, "second", map[string]string{"tool": "2"})
	if !strings.HasPrefix(r.Tag, "dev-latest-20") {
		t.Fatalf("got tag %s, want a dated one", r.Tag)
	}
	if rel, ok := w.twin.Release(r.Tag); !ok || rel.Draft || !rel.Immutable {
		t.Errorf("got %+v, want it public and immutable", rel)
	}
}

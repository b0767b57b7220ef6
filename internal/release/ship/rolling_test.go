package ship

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

// built is a Source of one commit without crates.
type built struct{ commit string }

func (b built) Checkout(context.Context, release.Request, observe.Sealed) (release.Checkout, config.Config, error) {
	cfg := config.Default()
	cfg.Release.Rolling.Enabled = true
	return release.Checkout{Tag: release.Tag{Name: "v0.1.0", Version: "0.1.0"}, Commit: b.commit}, cfg, nil
}

func (built) Package(context.Context, observe.PackageOrder) (*pack.Result, error) {
	panic("a rolling build packages nothing")
}

func (built) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	panic("a rolling build publishes nothing")
}

func anyToken(context.Context) (secret.Value, error) { return secret.New("any-token"), nil }

type rollWorld struct {
	twin    *githubtwin.Twin
	commits []string // oldest first
	url     string
}

func newRollWorld(t *testing.T, immutable bool) rollWorld {
	t.Helper()
	store := gitstore.NewMemory()
	w := rollWorld{}
	for i, message := range []string{"one", "two", "three"} {
		sha, err := store.AddCommit(message, map[string]string{"file": message}, w.commits[max(0, i-1):i]...)
		if err != nil {
			t.Fatal(err)
		}
		w.commits = append(w.commits, sha)
	}
	if err := store.SetRef(t.Context(), "refs/heads/main", "", w.commits[2]); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.twin, err = githubtwin.New(githubtwin.Config{Owner: "o", Repo: "r", Refs: store, Immutable: immutable}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.twin.Handler())
	w.url = server.URL
	t.Cleanup(func() { server.Close(); w.twin.Close() })
	return w
}

// roll rolls to a commit with files of the given content.
func (w rollWorld) roll(t *testing.T, commit string, files map[string]string) *release.Report {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	client, err := forge.New(forge.Options{APIURL: w.url, UploadURL: w.url, Owner: "o", Repo: "r", Token: anyToken})
	if err != nil {
		t.Fatal(err)
	}
	world := observe.World{Source: built{commit}, Forge: client, Scratch: t.TempDir(), WorkingDir: dir, Poll: time.Millisecond}
	r, err := Roll(t.Context(), world, release.Request{Half: release.Both, Artifacts: []string{"*"}}, Options{Command: "rolling"})
	if err != nil || r.Outcome != release.Released {
		t.Fatalf("roll to %s: outcome %s, problems %v, error %v", commit, r.Outcome, r.Problems, err)
	}
	return r
}

// contents returns the assets of the release of a tag.
func (w rollWorld) contents(t *testing.T, tag string) map[string]string {
	t.Helper()
	client, err := forge.New(forge.Options{APIURL: w.url, UploadURL: w.url, Owner: "o", Repo: "r", Token: anyToken})
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.FindRelease(t.Context(), tag)
	if err != nil || len(all) != 1 || all[0].Draft || !all[0].Prerelease {
		t.Fatalf("release %s: %+v, %v; want one public pre-release", tag, all, err)
	}
	out := map[string]string{}
	for _, a := range all[0].Assets {
		content, err := w.twin.AssetBytes(a.ID)
		if err != nil {
			t.Fatal(err)
		}
		out[a.Name] = string(content)
	}
	return out
}

// TestRoll moves the tag, replaces what differs, removes what is gone, and lets an older build change nothing.
func TestRoll(t *testing.T) {
	w := newRollWorld(t, false)
	w.roll(t, w.commits[0], map[string]string{"tool": "1", "old": "x"})
	w.roll(t, w.commits[2], map[string]string{"tool": "3"})
	w.roll(t, w.commits[2], map[string]string{"tool": "3"}) // again: nothing to do
	late := w.roll(t, w.commits[1], map[string]string{"tool": "2"})
	if len(late.Warnings) != 1 || !strings.Contains(late.Warnings[0], "newer commit") {
		t.Errorf("an overtaken build says %q", late.Warnings)
	}
	got := w.contents(t, "dev-latest")
	if got["tool"] != "3" || got["old"] != "" || len(got) != 2 || !strings.Contains(got[release.SumsName], "  tool\n") {
		t.Errorf("assets: %q", got)
	}
	client, _ := forge.New(forge.Options{APIURL: w.url, UploadURL: w.url, Owner: "o", Repo: "r", Token: anyToken})
	if tag, err := client.Tag(t.Context(), "dev-latest"); err != nil || tag.Commit != w.commits[2] {
		t.Errorf("tag at %s, %v; want %s", tag.Commit, err, w.commits[2])
	}
}

// TestRollImmutable makes a dated pre-release for each build where releases cannot change.
func TestRollImmutable(t *testing.T) {
	w := newRollWorld(t, true)
	w.roll(t, w.commits[0], map[string]string{"tool": "1"}) // learns that it is immutable
	r := w.roll(t, w.commits[1], map[string]string{"tool": "2"})
	if !strings.HasPrefix(r.Tag, "dev-latest-20") || !strings.HasSuffix(r.Tag, w.commits[1][:7]) {
		t.Fatalf("tag %s is not dated", r.Tag)
	}
	if got := w.contents(t, r.Tag); got["tool"] != "2" {
		t.Errorf("assets: %q", got)
	}
	w.roll(t, w.commits[1], map[string]string{"tool": "2"})
}

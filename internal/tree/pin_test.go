package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	imageMain = "  image: Dockerfile\n"
	ownNone   = "    default: \"\"\n"
	digest    = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

var imageReleased = regexp.MustCompile(`(?m)^  image: docker://ghcr\.io/tagboat/tagboat@sha256:[0-9a-f]{64}$`)

// pinTree is a repository that holds what the script writes, and the script.
func pinTree(t *testing.T, action, setup string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"action.yml": action, "setup/action.yml": setup, ".github/pin-release.sh": read(t, ".github/pin-release.sh")} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pin(dir string, args ...string) (string, error) {
	out, err := exec.Command("sh", append([]string{filepath.Join(dir, ".github/pin-release.sh")}, args...)...).CombinedOutput()
	return string(out), err
}

// actionText is our own action.yml as main has it.
func actionText(t *testing.T) string {
	t.Helper()
	return imageReleased.ReplaceAllString(read(t, "action.yml"), strings.TrimSuffix(imageMain, "\n"))
}

// setupText is setup/action.yml as main has it.
func setupText(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^    default: v\d+\.\d+\.\S+\n`).ReplaceAllString(read(t, "setup/action.yml"), ownNone)
}

// bothTexts are the two files that the script writes.
func bothTexts(t *testing.T, dir string) (action, setup string) {
	t.Helper()
	var texts [2]string
	for i, name := range []string{"action.yml", "setup/action.yml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return texts[0], texts[1]
}

// TestPinRelease holds that the way from main to a release, and back, is one line in each of two files.
func TestPinRelease(t *testing.T) {
	action, setup := actionText(t), setupText(t)
	dir := pinTree(t, action, setup)
	for _, version := range []string{"v1.2.3", "v1.2.4-rc.1"} { // the second time, what was written is replaced
		if out, err := pin(dir, version, digest); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		gotAction, gotSetup := bothTexts(t, dir)
		if diff := cmp.Diff(strings.Replace(action, imageMain, "  image: docker://ghcr.io/tagboat/tagboat@"+digest+"\n", 1), gotAction); diff != "" {
			t.Errorf("action.yml, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff(strings.Replace(setup, ownNone, "    default: "+version+"\n", 1), gotSetup); diff != "" {
			t.Errorf("setup/action.yml, -want +got:\n%s", diff)
		}
	}
	if out, err := pin(dir, "main"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gotAction, gotSetup := bothTexts(t, dir)
	if diff := cmp.Diff(action+setup, gotAction+gotSetup); diff != "" {
		t.Errorf("back on main, -want +got:\n%s", diff)
	}
}

// TestPinRefuses holds that nothing is written where what is given, or what is there, is not what it should be.
func TestPinRefuses(t *testing.T) {
	action := actionText(t)
	for _, c := range []struct{ name, action, version, digest, setup string }{
		{"short digest", action, "v1.2.3", digest[:len(digest)-1], ""},
		{"long digest", action, "v1.2.3", digest + "0", ""},
		{"upper case", action, "v1.2.3", strings.ToUpper(digest), ""},
		{"no algorithm", action, "v1.2.3", strings.TrimPrefix(digest, "sha256:"), ""},
		{"sha512", action, "v1.2.3", strings.Replace(digest, "sha256", "sha512", 1), ""},
		{"tag", action, "v1.2.3", "latest", ""},
		{"second line", action, "v1.2.3", digest + "\n  evil: true", ""},
		{"expression", action, "v1.2.3", "sha256:$(id)", ""},
		{"empty", action, "v1.2.3", "", ""},
		{"version without v", action, "1.2.3", digest, ""},
		{"major version", action, "v1", digest, ""},
		{"version for sed", action, "v1.2.3#e", digest, ""},
		{"version of two lines", action, "v1.2.3\nv1.2.4", digest, ""},
		{"no image", strings.Replace(action, imageMain, "", 1), "v1.2.3", digest, ""},
		{"two images", action + imageMain, "v1.2.3", digest, ""},
		{"another image", strings.Replace(action, imageMain, "  image: docker://ghcr.io/evil/tagboat@"+digest+"\n", 1), "v1.2.3", digest, ""},
		{"setup without a version", action, "v1.2.3", digest, "    default: latest\n"},
		{"setup with two", action, "v1.2.3", digest, ownNone + ownNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			setup := setupText(t)
			if c.setup != "" {
				setup = strings.Replace(setup, ownNone, c.setup, 1)
			}
			dir := pinTree(t, c.action, setup)
			if out, err := pin(dir, c.version, c.digest); err == nil {
				t.Errorf("accepted: %s", out)
			}
			gotAction, gotSetup := bothTexts(t, dir)
			if diff := cmp.Diff(c.action+setup, gotAction+gotSetup); diff != "" {
				t.Errorf("something was written, -want +got:\n%s", diff)
			}
		})
	}
}

// TestMainIsNotPinned holds that what people get from main is built from main. The commit of a release is the exception: it
// says so itself, and is on no branch that goes on.
func TestMainIsNotPinned(t *testing.T) {
	cmd := exec.Command("git", "-c", "safe.directory=*", "show", "--no-patch", "--format=%(trailers:key=Image,valueonly)", "HEAD")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Logf("no repository to ask: %v", err)
		return
	}
	pinned := imageReleased.MatchString(read(t, "action.yml"))
	if release := strings.TrimSpace(string(out)) != ""; pinned != release {
		t.Errorf("action.yml names an image by digest: %t; the commit is that of a release: %t", pinned, release)
	}
	if !pinned && (!strings.Contains(read(t, "action.yml"), imageMain) || !strings.Contains(read(t, "setup/action.yml"), ownNone)) {
		t.Error("main does not say Dockerfile, or names a version of its own: .github/pin-release.sh main")
	}
}

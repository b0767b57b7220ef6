//go:build e2e

package container

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root       = "../.."
	fullImage  = "tagboat.invalid/full:e2e"
	slimImage  = "tagboat.invalid/slim:e2e"
	jobImage   = "tagboat.invalid/runner:e2e" // what `runs-on: ubuntu-latest` is
	debianBase = "tagboat.invalid/debian:e2e"
)

// asked returns the default of a build argument of the Dockerfile.
func asked(arg string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^ARG ` + arg + `=(\S+)$`).FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("the Dockerfile has no ARG %s", arg)
	}
	return string(m[1]), nil
}

// stamped reports whether an image was made from the same things.
func stamped(ctx context.Context, image, stamp string) bool {
	got, err := docker.do(ctx, "image", "inspect", "--format", "{{index .Config.Labels \"stamp\"}}", image)
	return err == nil && strings.TrimSpace(got) == stamp
}

func stampOf(parts ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(parts, "\x00"))))[:16]
}

// made builds a base image from a folder that fill fills, unless it is there.
func made(ctx context.Context, image, stamp, dockerfile string, fill func(dir string) error) error {
	if stamped(ctx, image, stamp) {
		return nil
	}
	dir, err := os.MkdirTemp(docker.cache, "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return fmt.Errorf("make %s: %w", image, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile+"\nLABEL stamp="+stamp+"\n"), 0o644); err != nil {
		return err
	}
	_, err = docker.do(ctx, "build", "--quiet", "--tag", image, dir)
	return err
}

func shell(ctx context.Context, script string, args ...string) error {
	_, err := output(exec.CommandContext(ctx, "sh", append([]string{"-ec", script, "sh"}, args...)...))
	return err
}

// baseImages makes what the Dockerfile builds on, and the image of a job: Debian with this machine's toolchains.
func baseImages(ctx context.Context) error {
	goImage, err1 := asked("GO_IMAGE")
	rustImage, err2 := asked("RUST_IMAGE")
	authority, err3 := loadAuthority()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	debian := stampOf("debian 2", string(authority.pem))
	if err := made(ctx, debianBase, debian, "FROM scratch\nADD root.tar /\n", func(dir string) error { return bootstrap(ctx, dir, authority.pem) }); err != nil {
		return err
	}
	version, err := exec.CommandContext(ctx, "rustc", "--version").Output()
	if err != nil {
		return err
	}
	rust := stampOf(debian, "rust 2", string(version))
	if err := made(ctx, rustImage, rust, "FROM "+debianBase+"\nENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCOPY rustup /usr/local/rustup\nCOPY cargo /usr/local/cargo",
		func(dir string) error { return rustup(ctx, dir, string(version)) }); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	goVersion, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return err
	}
	if err := made(ctx, goImage, stampOf(debian, "go 2", string(sums), string(goVersion)), "FROM "+debianBase+"\nENV GOPATH=/go GOPROXY=off GOFLAGS=-mod=mod GONOSUMDB=* GOTOOLCHAIN=local PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCOPY go /usr/local/go\nCOPY mod /go/pkg/mod",
		func(dir string) error { return golang(ctx, dir, strings.Fields(string(goVersion))[0]) }); err != nil {
		return err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("a job's image needs node: %w", err)
	}
	return made(ctx, jobImage, stampOf(rust, "job 2"), "FROM "+rustImage+"\nCOPY node /usr/local/bin/node", func(dir string) error {
		return shell(ctx, `cp -L "$1" "$2/node"`, node, dir)
	})
}

// bootstrap makes a small Debian with git, a C toolchain and our authority among those that are trusted.
func bootstrap(ctx context.Context, dir string, authority []byte) error {
	sites, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm").Output()
	if err != nil {
		return fmt.Errorf("ask apt-get where Debian's packages are: %w", err)
	}
	tree := filepath.Join(dir, "root")
	args := []string{tree}
	if list := strings.Fields(string(sites)); len(list) > 0 { // elsewhere than on Debian, debootstrap knows a server
		args = append(args, list[0])
	}
	if err := shell(ctx, `debootstrap --variant=minbase --include=ca-certificates,git,gcc,g++,libc6-dev,make,pkg-config,libstdc++6 bookworm "$@"`, args...); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tree, "usr/local/share/ca-certificates/tagboat-e2e.crt"), authority, 0o644); err != nil {
		return err
	}
	return shell(ctx, `chroot "$1" update-ca-certificates; rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*; tar -C "$1" --exclude=./dev/* --exclude=./proc/* -cf "$2/root.tar" .; rm -rf "$1"`, tree, dir)
}

// rustup copies the toolchain of this machine to where Rust's own images have it.
func rustup(ctx context.Context, dir, version string) error {
	sysroot, err := exec.CommandContext(ctx, "rustc", "--print", "sysroot").Output()
	if err != nil {
		return err
	}
	program, err := exec.LookPath("rustup")
	if err != nil {
		return err
	}
	toolchain := strings.Fields(version)[1] + "-x86_64-unknown-linux-gnu"
	if err := shell(ctx, `mkdir -p "$1/rustup/toolchains/$3" "$1/cargo/bin"
tar -C "$2" --exclude=./share/doc --exclude=./share/man -c . | tar -C "$1/rustup/toolchains/$3" -x
cp -L "$4" "$1/cargo/bin/rustup"
for p in cargo rustc rustdoc rustfmt; do ln -s rustup "$1/cargo/bin/$p"; done`, dir, strings.TrimSpace(string(sysroot)), toolchain, program); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "rustup/settings.toml"), []byte("version = \"12\"\ndefault_toolchain = \""+toolchain+"\"\nprofile = \"minimal\"\n"), 0o644)
}

// golang copies Go and every module that go.sum names.
func golang(ctx context.Context, dir, goroot string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "download")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOMODCACHE="+filepath.Join(dir, "mod"), "GOFLAGS=-modcacherw")
	if _, err := output(cmd); err != nil {
		return err
	}
	return shell(ctx, `cp -a "$1" "$2/go"`, goroot, dir)
}

// buildImages builds both of our images from a copy of what git knows, so that nothing of the machine gets in.
func buildImages(ctx context.Context) error {
	for image, target := range map[string]string{fullImage: "full", slimImage: "slim"} {
		if _, err := docker.do(ctx, "build", "--quiet", "--target", target, "--tag", image, root); err != nil {
			return err
		}
	}
	return nil
}

// The same commit gives the same layers, whenever it is built; the base images are not ours.
func TestReproducible(t *testing.T) {
	layers := map[string][]string{}
	for range 2 {
		for _, target := range []string{"slim", "full"} {
			args := []string{"build", "--quiet", "--build-arg", "SOURCE_DATE_EPOCH=1767225600", "--target", target, root}
			if target == "slim" { // compiles anew; full then copies what came out
				args = slices.Insert(args, 1, "--no-cache")
			}
			id, err := docker.do(t.Context(), args...)
			if err != nil {
				t.Fatal(err)
			}
			text, err := docker.do(t.Context(), "image", "inspect", "--format", "{{json .RootFS.Layers}}", strings.TrimSpace(id))
			if err != nil {
				t.Fatal(err)
			}
			layers[target] = append(layers[target], text)
		}
	}
	for target, l := range layers {
		if l[0] != l[1] {
			t.Errorf("%s: two builds have other layers\n%s%s", target, l[0], l[1])
		}
	}
}

// The slim image holds the program, the roots of trust and an empty folder for temporary files: no shell, no cargo, no
// compiler; and it is small.
func TestSlim(t *testing.T) {
	dir := t.TempDir()
	if err := shell(t.Context(), `export DOCKER_HOST="unix://$1"; c=$(docker create "$2"); docker export "$c" | tar -x -C "$3" --exclude=dev; docker rm "$c" >/dev/null`, docker.socket, slimImage, dir); err != nil {
		t.Fatal(err)
	}
	var files []string
	var size int64
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, _ := d.Info()
			if info.Size() > 0 { // the engine's own, empty ones
				rel, _ := filepath.Rel(dir, name)
				files, size = append(files, rel), size+info.Size()
			}
		}
		return err
	})
	if got := strings.Join(files, " "); got != "etc/ssl/certs/ca-certificates.crt tagboat" {
		t.Errorf("the slim image holds %s", got)
	}
	if size >= 15_000_000 {
		t.Errorf("the slim image has %d bytes, want less than 15 MB", size)
	}
	t.Logf("%d bytes", size)
}

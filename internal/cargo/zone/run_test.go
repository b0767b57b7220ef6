package zone_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/problem"
)

// plainZone makes a zone with the environment of this test, changed by pairs NAME=value.
func plainZone(t *testing.T, w way, environ ...string) *zone.Zone {
	t.Helper()
	z, err := zone.New(w.limit(zone.Config{Environ: append(os.Environ(), environ...), Env: map[string]string{"CHOSEN": "by the user"}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	})
	return z
}

// shell runs a script in the zone and returns its trimmed standard output.
func shell(t *testing.T, z *zone.Zone, n zone.Network, script string) string {
	t.Helper()
	out, err := z.Run(t.Context(), zone.Command{Argv: []string{"sh", "-c", script}, Network: n})
	if err = errors.Join(err, out.Err()); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out.Stdout))
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	z := plainZone(t, ways()[0], "CARGO_REGISTRY_TOKEN=x", "GITHUB_TOKEN=x", "SOME_VAR=x", "HTTPS_PROXY=http://127.0.0.1:3128", "LD_PRELOAD=", "TZ=UTC")
	names := func(n zone.Network) []string {
		var out []string
		for line := range strings.Lines(shell(t, z, n, "env")) {
			name, _, _ := strings.Cut(line, "=")
			out = append(out, name)
		}
		return out
	}
	closed, open := names(zone.Closed), names(zone.Open)
	for _, name := range []string{"CARGO_REGISTRY_TOKEN", "GITHUB_TOKEN", "SOME_VAR", "LD_PRELOAD"} {
		if slices.Contains(closed, name) || slices.Contains(open, name) {
			t.Errorf("%s is in the zone", name)
		}
	}
	for _, name := range []string{"HOME", "CARGO_HOME", "PATH", "TZ", "CHOSEN"} {
		if !slices.Contains(closed, name) {
			t.Errorf("%s is not in the zone", name)
		}
	}
	if slices.Contains(closed, "HTTPS_PROXY") || !slices.Contains(open, "HTTPS_PROXY") || slices.Contains(open, "CARGO_NET_OFFLINE") || !slices.Contains(closed, "CARGO_NET_OFFLINE") {
		t.Errorf("closed %q\nopen %q", closed, open)
	}
}

// Secrets cannot be configured into the zone, nor a proxy with a password.
func TestRefusesSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"CARGO_REGISTRIES_FEED_TOKEN", "NPM_TOKEN", "DB_PASSWORD", "GITHUB_SHA", "AWS_SECRET_ACCESS_KEY", "A=B", ""} {
		_, err := zone.New(zone.Config{Env: map[string]string{name: "value"}})
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Usage || strings.Contains(err.Error(), "value") && name != "A=B" && name != "" {
			t.Errorf("%q: %v", name, err)
		}
	}
	z := plainZone(t, ways()[0], "HTTPS_PROXY=http://me:hunter2@127.0.0.1:3128")
	_, err := z.Run(t.Context(), zone.Command{Argv: []string{"true"}, Network: zone.Open})
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.Usage || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a proxy with a password: %v", err)
	}
	if _, err := z.Run(t.Context(), zone.Command{Argv: []string{"true"}}); err != nil {
		t.Errorf("a closed command needs no proxy: %v", err)
	}
}

// Cancelling kills the program and all that it started, at once.
func TestCancel(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := &bait{linger: lingerNumber()}
			z := plainZone(t, w)
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			script := "setsid sleep " + b.linger + ".1 & sleep " + b.linger + ".2 & echo up >&2; wait"
			_, err := z.Run(ctx, zone.Command{Argv: []string{"sh", "-c", script}, Line: func(s string) {
				if s == "up" {
					cancel(cause)
				}
			}})
			if !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
			if pids := b.lingering(t); len(pids) > 0 {
				t.Errorf("processes %v are still there", pids)
			}
		})
	}
}

// The output is told apart: standard output whole, standard error by lines with its tail kept, and the exit code.
func TestOutput(t *testing.T) {
	t.Parallel()
	z := plainZone(t, ways()[0])
	var lines int
	var last string
	out, err := z.Run(t.Context(), zone.Command{
		Argv: []string{"sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; printf 'no end' >&2; echo out; exit 7"},
		Line: func(s string) { lines, last = lines+1, s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Exit != 7 || string(out.Stdout) != "out\n" || lines != 20001 || last != "no end" {
		t.Errorf("exit %d, stdout %q, %d lines, last %q", out.Exit, out.Stdout, lines, last)
	}
	if len(out.Stderr) != 64<<10 || !strings.HasSuffix(string(out.Stderr), "line 19999\nno end") {
		t.Errorf("kept %d bytes of standard error", len(out.Stderr))
	}
	var exit *zone.ExitError
	if err := out.Err(); !errors.As(err, &exit) || exit.Exit != 7 {
		t.Errorf("error: %v", err)
	}
	out, err = z.Run(t.Context(), zone.Command{Argv: []string{"sh", "-c", "kill -9 $$"}})
	if err != nil || out.Exit != 137 {
		t.Errorf("killed by a signal: exit %d, %v", out.Exit, err)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	z, err := zone.New(zone.Config{Environ: []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}})
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	_, err = z.Run(t.Context(), zone.Command{Argv: []string{"tagboat-no-such-program"}})
	var p *problem.Error
	if !errors.As(err, &p) || !strings.Contains(p.Summary, "tagboat-no-such-program is not installed") || !strings.Contains(p.Hint, "package.mounts") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("/usr/bin/cargo"); err == nil {
		return
	}
	if _, err = z.Run(t.Context(), zone.Command{Argv: []string{"cargo", "--version"}}); !errors.As(err, &p) || !strings.Contains(p.Hint, "rustup") {
		t.Errorf("got %v", err)
	}
}

// A full disk is told from a failed build.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	z := plainZone(t, ways()[0])
	out, err := z.Run(t.Context(), zone.Command{Argv: []string{"sh", "-c", "cat /dev/zero >/dev/full"}})
	if err != nil {
		t.Fatal(err)
	}
	var p *problem.Error
	if err := out.Err(); !errors.As(err, &p) || p.Summary != "the disk is full" || p.Kind != problem.Failed {
		t.Errorf("got %v", err)
	}
}

// Close removes folders that a program closed, and Reset empties them; files elsewhere keep their modes.
func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		z, err := zone.New(w.limit(zone.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		script := "mkdir -p a/b/c && echo x >a/b/c/f && chmod 000 a/b/c/f a/b/c a/b a"
		shell(t, z, zone.Closed, "cd $HOME && "+script+" && cd $CARGO_HOME && "+script)
		if err := z.Reset(); err != nil {
			t.Fatal(err)
		}
		if got := shell(t, z, zone.Closed, "ls -A $HOME $CARGO_HOME $TMPDIR | grep -v :"); got != "" {
			t.Errorf("after Reset: %s", got)
		}
		shell(t, z, zone.Closed, "cd $HOME && "+script)
		if err := z.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(z.Dir()); !os.IsNotExist(err) {
			t.Errorf("%s: the folder is still there", w.name)
		}
	}
}

// Sources in the zone are read-only, and a working folder that holds everything is refused.
func TestSources(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		z := plainZone(t, w)
		src := filepath.Join(t.TempDir(), "private")
		write(t, filepath.Join(src, "file"), "text", 0o600)
		if err := os.Chmod(src, 0o700); err != nil {
			t.Fatal(err)
		}
		dir, err := z.Import(src)
		if err != nil {
			t.Fatal(err)
		}
		out, err := z.Run(t.Context(), zone.Command{Dir: dir, Argv: []string{"sh", "-c", "cat file && ! echo x >>file && ! rm -f file && ! touch other"}})
		if err = errors.Join(err, out.Err()); err != nil || string(out.Stdout) != "text" {
			t.Errorf("%s: %q %v", w.name, out.Stdout, err)
		}
		for _, dir := range []string{"/", filepath.Dir(z.Dir())} {
			if _, err := z.Run(t.Context(), zone.Command{Dir: dir, Argv: []string{"true"}}); err == nil {
				t.Errorf("%s: the working folder %s is accepted", w.name, dir)
			}
		}
	}
	if _, err := zone.New(zone.Config{Mounts: []string{"/usr/.."}}); err == nil {
		t.Error("the whole file system is accepted as a mount")
	}
}

// A program that runs in a copy of its folder, since its user could not reach the original, speaks of the original.
func TestOriginalIsNamed(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		z := plainZone(t, w)
		src, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		private := filepath.Join(src, "private")
		src = filepath.Join(private, "source")
		write(t, filepath.Join(src, "file"), "text", 0o644)
		if err := os.Chmod(private, 0o700); err != nil {
			t.Fatal(err)
		}
		var lines []string
		out, err := z.Run(t.Context(), zone.Command{Dir: src, Argv: []string{"sh", "-c", "pwd; pwd >&2"}, Line: func(l string) { lines = append(lines, strings.TrimSpace(l)) }})
		if err = errors.Join(err, out.Err()); err != nil || strings.TrimSpace(string(out.Stdout)) != src || strings.TrimSpace(string(out.Stderr)) != src {
			t.Errorf("%s: got %q, %q, %v, want %s", w.name, out.Stdout, out.Stderr, err, src)
		}
		if len(lines) == 0 || lines[0] != src {
			t.Errorf("%s: got the lines %q", w.name, lines)
		}
	}
}

// A working folder in memory is read-only like any other, although programs may write beside it.
func TestFolderInMemory(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		z := plainZone(t, w)
		private, err := os.MkdirTemp("/dev/shm", "zone-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(private) })
		src := filepath.Join(private, "source")
		write(t, filepath.Join(src, "file"), "text", 0o644)
		out, err := z.Run(t.Context(), zone.Command{Dir: src, Argv: []string{"sh", "-c", "cat file && ! echo x >>file && ! rm -f file && ! touch other && ! mv $PWD $PWD-2"}})
		if err = errors.Join(err, out.Err()); err != nil || string(out.Stdout) != "text" {
			t.Errorf("%s: %q %v %s", w.name, out.Stdout, err, out.Stderr)
		}
	}
}

// A demand that the machine cannot meet names what is missing.
func TestRequire(t *testing.T) {
	t.Parallel()
	bare := zone.Without(zone.Only(zone.Config{Demand: zone.Require}, zone.Bare), true, true)
	_, err := zone.New(bare)
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.Stopped {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"files:", "processes:", "signals:", "network:"} {
		if !strings.Contains(p.Detail, want) {
			t.Errorf("%q is missing in %s", want, p.Detail)
		}
	}
	bare.Demand = zone.Report
	z, err := zone.New(bare)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if !slices.ContainsFunc(z.Isolation(), func(s string) bool { return strings.HasPrefix(s, "not isolated: files") }) {
		t.Errorf("isolation: %q", z.Isolation())
	}
}

func TestToolchain(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, name := range []string{"stable-x86_64-unknown-linux-gnu", "1.95.0-x86_64-unknown-linux-gnu", "nightly-2026-01-31-x86_64-unknown-linux-gnu", "broken-x86_64-unknown-linux-gnu"} {
		if !strings.HasPrefix(name, "broken") {
			write(t, filepath.Join(home, "toolchains", name, "bin", "cargo"), "", 0o755)
		}
	}
	write(t, filepath.Join(home, "settings.toml"), "default_toolchain = \"stable-x86_64-unknown-linux-gnu\"\n", 0o644)
	for _, tc := range []struct{ file, text, env, asked, want, wanted string }{
		{want: "stable-"},
		{file: "rust-toolchain.toml", text: "[toolchain]\nchannel = \"1.95.0\"\n", want: "1.95.0-"},
		{file: "rust-toolchain", text: "nightly-2026-01-31\n", want: "nightly-2026-01-31-"},
		{file: "rust-toolchain.toml", text: "[toolchain]\nchannel = \"nightly\"\n", want: "stable-", wanted: "nightly"},
		{file: "rust-toolchain.toml", text: "[toolchain]\npath = \"evil\"\n", want: "stable-"},
		{file: "rust-toolchain.toml", text: "[toolchain]\nchannel = \"../../evil\"\n", want: "stable-", wanted: "../../evil"},
		{file: "rust-toolchain.toml", text: "[toolchain]\nchannel = \"1.95.0\"\n", asked: "stable", want: "stable-"},
		{env: "1.95.0", want: "1.95.0-"},
		{asked: "1.80.0"},
		{asked: "broken"},
	} {
		checkout := t.TempDir()
		if tc.file != "" {
			write(t, filepath.Join(checkout, tc.file), tc.text, 0o644)
		}
		got, err := zone.FindToolchain(zone.Config{Toolchain: tc.asked, Checkout: checkout, Environ: []string{"RUSTUP_HOME=" + home, "RUSTUP_TOOLCHAIN=" + tc.env}})
		if tc.want == "" {
			if err == nil || !strings.Contains(err.Error(), "is not installed") {
				t.Errorf("%+v: %v, %v", tc, got, err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(got.Name, tc.want) || got.Wanted != tc.wanted {
			t.Errorf("%+v: %+v, %v", tc, got, err)
		}
	}
}

// Without HOME the user's own folder is looked into, and never the one that is worked in: what lies there is foreign.
func TestToolchainWithoutHome(t *testing.T) {
	work := t.TempDir()
	bin := filepath.Join(work, ".rustup/toolchains/bait-x86_64-unknown-linux-gnu/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "cargo"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(work)
	if got, err := zone.FindToolchain(zone.Config{Toolchain: "bait", Environ: []string{"HOME=" + work}}); err != nil {
		t.Errorf("with HOME: %+v, %v", got, err)
	}
	for _, env := range []string{"HOME=", "HOME=.", "X=y"} {
		if got, err := zone.FindToolchain(zone.Config{Toolchain: "bait", Environ: []string{env}}); err == nil {
			t.Errorf("%s: a toolchain of the folder that is worked in: %+v", env, got)
		}
	}
}

package zone_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/problem"
)

var hostileCrates = []string{"hostile-attack", "hostile-build", "hostile-macro", "hostile-user"}

// way is a way of isolation to test.
type way struct {
	name  string
	limit func(zone.Config) zone.Config
	holds func(*zone.Zone) bool // whether the machine granted it
	makes []string              // attacks that succeed there and lead nowhere
}

// ways are those that this user can be expected to have.
func ways() []way {
	only := func(name string, c func(zone.Config) zone.Config, level any) way {
		return way{name, c, func(z *zone.Zone) bool { return z.Way() == level }, []string{"linger: started"}}
	}
	bare := only("landlock", func(c zone.Config) zone.Config { return zone.Only(c, zone.Bare) }, zone.Bare)
	if os.Geteuid() != 0 {
		return []way{bare, only("user namespace", func(c zone.Config) zone.Config { return zone.Only(c, zone.UserSpaces) }, zone.UserSpaces)}
	}
	unfiltered := only("namespaces without kernel filters", func(c zone.Config) zone.Config {
		return zone.Without(zone.Only(c, zone.RootSpaces), true, false)
	}, zone.RootSpaces)
	unfiltered.makes = append(unfiltered.makes, "local: socket", "mptcp: socket")
	return []way{
		bare,
		unfiltered,
		only("landlock as root", func(c zone.Config) zone.Config { return zone.Without(zone.Only(c, zone.Bare), false, true) }, zone.Bare),
		only("namespaces", func(c zone.Config) zone.Config { return zone.Only(c, zone.RootSpaces) }, zone.RootSpaces),
	}
}

// Without the zone every attack of the sample succeeds, so that the tests below can fail.
func TestHostileControl(t *testing.T) {
	t.Parallel()
	b := plant(t)
	repo := stage(t, "hostile-build")
	target, bin := t.TempDir(), realPath(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "cargo"), "build", "--offline", "--quiet")
	cmd.Dir = repo.Dir
	cmd.Env = append(slices.Clone(b.environ), "CARGO_TARGET_DIR="+target, "CARGO_HOME="+t.TempDir(), "PATH="+bin+":"+os.Getenv("PATH"))
	for name, v := range b.hostile {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo build: %v\n%s", err, out)
	}
	wanted := []string{"environment", "home", "file", "github", "proc-cmdline", "tcp", "udp", "unix", "abstract", "write", "append", "linger", "local", "proc-environ", "proc-fd", "proc-mem", "ptrace"}
	if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && strings.TrimSpace(string(scope)) != "0" && os.Geteuid() != 0 {
		wanted = wanted[:len(wanted)-2] // this machine protects the memory of strangers by itself
	}
	<-b.ended // the first signal ended it
	for _, who := range []string{"build", "macro"} {
		text, err := os.ReadFile(filepath.Join(target, "hostile-"+who+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wanted {
			if !strings.Contains("\n"+string(text), "\n"+w+": ") {
				t.Errorf("%s: the attack %q fails without a zone, so that its failure in one proves nothing:\n%s", who, w, text)
			}
		}
	}
	pids := b.lingering(t)
	if len(pids) != 2 {
		t.Errorf("left behind: %v, want two processes", pids)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// realPath is the folder of the real cargo.
func realPath(t *testing.T) string {
	t.Helper()
	z, err := zone.New(zone.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	t.Logf("the strongest zone here: %q", z.Isolation())
	for _, dir := range []string{z.Toolchain().Sysroot, filepath.Join(rustupHome(), "toolchains", z.Toolchain().Name)} {
		if path := filepath.Join(dir, "bin"); dir != "" && !strings.HasPrefix(dir, z.Dir()) {
			return path
		}
	}
	return "/usr/bin"
}

// Build scripts and proc macros find nothing, break nothing and leave nothing behind while packages are verified.
func TestHostileBuild(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := plant(t)
			repo := stage(t, "hostile-build")
			z := newZone(t, w, b, nil)
			if z == nil {
				return
			}
			packed, err := pack.All(t.Context(), z, pack.Request{Source: repo, Crates: hostileCrates, Out: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if len(packed.Crates) != len(hostileCrates) || !packed.Verified {
				t.Errorf("packaged: %+v", packed)
			}
			for _, who := range []string{"build", "macro"} {
				nothingFound(t, filepath.Join(z.Target(), "verify", "hostile-"+who+".txt"), w.makes...)
			}
			b.unharmed(t)
		})
	}
}

// The same programs find nothing while the network is open, when only what the repository names could run. UDP is
// needed for names and cannot be told apart.
func TestHostileBuildWithNetwork(t *testing.T) {
	t.Parallel()
	b := plant(t)
	repo := stage(t, "hostile-build")
	z := newZone(t, ways()[0], b, nil)
	dir, err := z.Scratch("sources", repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := z.Run(t.Context(), zone.Command{Dir: dir, Argv: []string{"cargo", "build", "--offline", "--quiet"}, Network: zone.Open})
	if err = errors.Join(err, out.Err()); err != nil {
		t.Fatal(err)
	}
	nothingFound(t, filepath.Join(z.Target(), "hostile-build.txt"), "linger: started", "udp: "+b.udp)
	b.unharmed(t)
}

// newZone makes a zone of that way whose environment is the bait's; nil where the machine does not grant the way.
func newZone(t *testing.T, w way, b *bait, env map[string]string) *zone.Zone {
	t.Helper()
	all := maps.Clone(b.hostile)
	all["CARGO_PROFILE_DEV_DEBUG"] = "0" // faster
	maps.Copy(all, env)
	z, err := zone.New(w.limit(zone.Config{Environ: b.environ, Env: all}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(z.Dir()); !os.IsNotExist(err) {
			t.Errorf("the zone's folder is still there: %v", err)
		}
	})
	t.Logf("isolation: %q", z.Isolation())
	if !w.holds(z) {
		t.Logf("this machine does not grant %s to this user", w.name)
		return nil
	}
	return z
}

// nothingFound reads a report and fails for every line that is not allowed.
func nothingFound(t *testing.T, path string, allowed ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[len(lines)-1] != "end" {
		t.Errorf("%s is not complete", path)
	}
	for _, line := range lines[:len(lines)-1] {
		if !slices.Contains(allowed, line) {
			t.Errorf("%s: %s", filepath.Base(path), line)
		}
	}
}

// A build script that changes packages while they are verified is found out; what was taken out before is not touched,
// and nothing that it planted serves a later packaging in the same zone.
func TestHostileBuildCannotChangePackages(t *testing.T) {
	t.Parallel()
	b := plant(t)
	repo := stage(t, "hostile-build")
	w := ways()[0]
	clean := newZone(t, w, b, nil)
	out := t.TempDir()
	want, err := pack.All(t.Context(), clean, pack.Request{Source: repo, Crates: hostileCrates, Out: out, Verify: pack.Off})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tamper, summary string
		times           int
	}{{"packages", "is not the one that would be published", 2}, {"siblings", "crates were verified against a changed hostile-attack 0.1.0", 1}} {
		z := newZone(t, w, b, map[string]string{"HOSTILE_TAMPER": tc.tamper})
		out := t.TempDir()
		for range tc.times {
			_, err := pack.All(t.Context(), z, pack.Request{Source: repo, Crates: hostileCrates, Out: out})
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Summary, tc.summary) {
				t.Fatalf("%s: packaging: %v", tc.tamper, err)
			}
		}
		for _, c := range want.Crates {
			a, errA := os.ReadFile(c.Path)
			b, errB := os.ReadFile(filepath.Join(out, filepath.Base(c.Path)))
			if errA != nil || errB != nil || string(a) != string(b) {
				t.Errorf("%s: %s was changed: %v %v", tc.tamper, c.Name, errA, errB)
			}
		}
	}
	b.unharmed(t)
}

// Programs that a repository's cargo configuration names run inside the zone only, and a toolchain of the repository's
// own never runs.
func TestHostileConfig(t *testing.T) {
	all := ways()
	for _, w := range []way{all[0], all[len(all)-1]} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := plant(t)
			z := newZone(t, w, b, nil)
			if z == nil {
				return
			}
			repo := stage(t, "hostile-config")
			_, err := pack.All(t.Context(), z, pack.Request{Source: repo, Crates: []string{"hostile-config"}, Out: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(z.Target(), "verify", "hostile-config.txt"))
			if err != nil {
				t.Fatal(err)
			}
			ran := map[string]bool{}
			for line := range strings.Lines(string(text)) {
				ran[strings.TrimSpace(line)] = true
			}
			if want := map[string]bool{"ran as evil.sh": true, "ran as evil-linker.sh": true}; !maps.Equal(ran, want) {
				t.Errorf("the programs report %v, want %v", ran, want)
			}
			b.unharmed(t)
		})
	}
}

// Without the zone the programs of the configuration find the secrets.
func TestHostileConfigControl(t *testing.T) {
	t.Parallel()
	b := plant(t)
	repo := stage(t, "hostile-config")
	target, bin := t.TempDir(), realPath(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "cargo"), "build", "--offline", "--quiet")
	cmd.Dir = repo.Dir
	cmd.Env = append(slices.Clone(b.environ), "CARGO_TARGET_DIR="+target, "CARGO_HOME="+t.TempDir(), "PATH="+bin+":"+os.Getenv("PATH"), "HOSTILE_FILES="+b.hostile["HOSTILE_FILES"])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo build: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(target, "hostile-config.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"environment", "home", "file", "github", "cmdline", "environ-"} {
		if !strings.Contains(string(text), "CANARY-"+place) {
			t.Errorf("the program did not find the secret of %s:\n%s", place, text)
		}
	}
}

// An ordinary user without any privilege has the same protection: root runs these tests once more as nobody.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they run as an ordinary user anyway
	}
	t.Parallel()
	dir := sharedDir(t)
	rustup := filepath.Join(dir, "rustup")
	copyRustup(t, rustup)
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o1777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestHostile(Build|Config|Control|ConfigControl|BuildWithNetwork)$", "-test.v", "-test.parallel=2")
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + tmp, "TMPDIR=" + tmp, "RUSTUP_HOME=" + rustup}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHostileBuild/landlock") {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "isolation") || strings.Contains(line, "grant") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// copyRustup makes the toolchain reachable for another user, by hard links.
func copyRustup(t *testing.T, to string) {
	t.Helper()
	z, err := zone.New(zone.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	name := z.Toolchain().Name
	if name == "system" {
		return
	}
	if err := zone.LinkTree(filepath.Join(rustupHome(), "toolchains", name), filepath.Join(to, "toolchains", name)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(to, "settings.toml"), "default_toolchain = \""+name+"\"\n", 0o644)
}

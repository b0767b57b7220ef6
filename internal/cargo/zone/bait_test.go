package zone_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
)

// bait is what hostile programs look for: secrets in every place where a release has some, and things to break.
type bait struct {
	environ []string          // a release's environment, secrets included
	hostile map[string]string // where to look, for programs that get no such environment
	open    string            // a folder that everybody may write
	appends string            // a file that everybody may append to
	linger  string            // a number that names processes that were left behind
	ended   chan struct{}     // closed when a process ended that any signal would end
	udp     string            // what the UDP server tells
}

// canary returns a secret that names its place.
func canary(place string) string {
	return fmt.Sprintf("CANARY-%s-%d-%d", place, os.Getpid(), canaries.Add(1)+1_000_000)
}

var canaries atomic.Int64

func plant(t *testing.T) *bait {
	t.Helper()
	base := sharedDir(t)
	b := &bait{
		open: filepath.Join(base, "open"), appends: filepath.Join(base, "appends"),
		linger: lingerNumber(), ended: make(chan struct{}), udp: canary("udp"),
	}
	if err := os.Mkdir(b.open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.open, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, b.appends, "", 0o666)
	home := filepath.Join(base, "home")
	write(t, filepath.Join(home, ".cargo", "credentials.toml"), canary("home"), 0o600)
	write(t, filepath.Join(home, ".docker", "config.json"), canary("home"), 0o644)
	file := filepath.Join(base, "checkout", ".git", "config")
	write(t, file, canary("file"), 0o644)
	event := filepath.Join(base, "event.json")
	write(t, event, canary("github"), 0o644)
	victim := startVictim(t)
	bystander := b.startBystander(t)
	b.hostile = map[string]string{
		"HOSTILE_HOMES": home, "HOSTILE_FILES": file + "|" + event, "HOSTILE_WRITE": b.open, "HOSTILE_APPEND": b.appends,
		"HOSTILE_PIDS": victim, "HOSTILE_SIGNAL": bystander, "HOSTILE_LINGER": b.linger,
		"HOSTILE_TCP": serve(t, "tcp", "127.0.0.1:0"), "HOSTILE_UDP": serveUDP(t, b.udp),
		"HOSTILE_UNIX":     serve(t, "unix", filepath.Join(base, "s")),
		"HOSTILE_ABSTRACT": strings.TrimPrefix(serve(t, "unix", "@tagboat-test-"+b.linger), "@"),
	}
	b.environ = append(os.Environ(),
		"HOME="+home, "RUSTUP_HOME="+rustupHome(), "CARGO_REGISTRY_TOKEN="+canary("environment"), "DEPLOY_PASSWORD="+canary("environment"),
		"GITHUB_TOKEN="+canary("environment"), "GITHUB_EVENT_PATH="+event, "GITHUB_ENV="+b.appends,
	)
	return b
}

// lingerNumber is a number of seconds that no other process of these tests sleeps.
func lingerNumber() string {
	return strconv.FormatInt(100_000+canaries.Add(1)+int64(os.Getpid())*10_000, 10)
}

func rustupHome() string {
	if h := os.Getenv("RUSTUP_HOME"); h != "" {
		return h
	}
	return filepath.Join(os.Getenv("HOME"), ".rustup")
}

// sharedDir is a folder that other users can reach, unlike t.TempDir.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zone-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// startVictim starts a process of this user with secrets in its environment, arguments, memory and descriptors.
func startVictim(t *testing.T) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "open")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(canary("fd")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "read line", canary("cmdline"))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "VICTIM_SECRET=" + canary("environ")}
	cmd.ExtraFiles = []*os.File{f}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // read fails at the end of its input, and so the shell
	})
	return strconv.Itoa(cmd.Process.Pid)
}

// startBystander starts a process of this user that any signal ends.
func (b *bait) startBystander(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // it never ends well
		close(b.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-b.ended
	})
	return strconv.Itoa(cmd.Process.Pid)
}

// serve tells a secret to whoever connects, and returns its address.
func serve(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if network == "unix" && address[0] != '@' {
		if err := os.Chmod(address, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	text := canary(network)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, text)
			c.Close()
		}
	}()
	if network == "tcp" {
		return l.Addr().String()
	}
	return address
}

func serveUDP(t *testing.T, secret string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		var buf [64]byte
		for {
			_, from, err := c.ReadFrom(buf[:])
			if err != nil {
				return
			}
			c.WriteTo([]byte(secret), from)
		}
	}()
	return c.LocalAddr().String()
}

// lingering lists the processes that an attack left behind.
func (b *bait) lingering(t *testing.T) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, e := range entries {
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if pid, n := strconv.Atoi(e.Name()); err == nil && n == nil && strings.HasPrefix(string(line), "sleep\x00"+b.linger+".") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// unharmed fails where something outside was changed or is still running.
func (b *bait) unharmed(t *testing.T) {
	t.Helper()
	if entries, err := os.ReadDir(b.open); err != nil || len(entries) > 0 {
		t.Errorf("files were written outside: %v %v", entries, err)
	}
	if text, err := os.ReadFile(b.appends); err != nil || len(text) > 0 {
		t.Errorf("a file outside was changed: %q %v", text, err)
	}
	select {
	case <-b.ended:
		t.Error("a process outside got a signal")
	default:
	}
	if pids := b.lingering(t); len(pids) > 0 {
		t.Errorf("processes %v outlived the zone's command", pids)
	}
}

// stage makes a git repository of a hostile sample and returns a clean clone of it.
func stage(t *testing.T, name string) *git.Repo {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join("..", "..", "..", "testdata", "workspaces", name)
	if err := sample.Stage(t.Context(), src, filepath.Join(dir, "origin")); err != nil {
		t.Fatal(err)
	}
	repo, err := git.Open(t.Context(), filepath.Join(dir, "origin"))
	if err != nil {
		t.Fatal(err)
	}
	commit, _, err := repo.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clone, err := repo.CloneAt(t.Context(), commit, filepath.Join(dir, "clone"))
	if err != nil {
		t.Fatal(err)
	}
	return clone
}

//go:build e2e

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// names are the hosts that mean this machine inside the engine's containers.
var names = []string{"api.github.com", "uploads.github.com", "github.com", "index.crates.io", "crates.io", "static.crates.io"}

// engine is a Docker engine of our own.
type engine struct {
	cache  string // kept between runs
	socket string
	hosts  string // what containers get as /etc/hosts
	lock   *os.File
	daemon *exec.Cmd
	log    bytes.Buffer
}

var docker engine

func TestMain(m *testing.M) {
	code, err := func() (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
		defer cancel()
		defer docker.stop()
		err := docker.start(ctx)
		if err == nil {
			err = baseImages(ctx)
		}
		if err == nil {
			err = buildImages(ctx)
		}
		if err != nil {
			return 1, err
		}
		return m.Run(), nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// need installs programs that are missing, as Debian packages.
func need(ctx context.Context, packages map[string]string) error {
	var missing []string
	for program, name := range packages {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...)} {
		if _, err := output(exec.CommandContext(ctx, "apt-get", args...)); err != nil {
			return fmt.Errorf("the tests need %s, and only Debian's apt-get as root is asked for it: %w", strings.Join(missing, ", "), err)
		}
	}
	return nil
}

// output runs a program and returns its standard output; an error holds what it said of it.
func output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		text := errs.String()
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text[max(0, len(text)-8000):])
	}
	return out.String(), err
}

// start starts the engine with nothing but loopback: no network reaches into a container or out of it.
func (e *engine) start(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a Docker engine of our own needs root: sudo make e2e")
	}
	if err := need(ctx, map[string]string{"dockerd": "docker.io", "docker": "docker.io", "debootstrap": "debootstrap", "unshare": "util-linux"}); err != nil {
		return err
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	e.cache = filepath.Join(base, "tagboat-e2e")
	run := filepath.Join(e.cache, "run")
	if err := os.MkdirAll(e.cache, 0o755); err != nil {
		return err
	}
	if err := e.alone(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(run), os.MkdirAll(run, 0o755)); err != nil {
		return err
	}
	e.socket, e.hosts = filepath.Join(run, "docker.sock"), filepath.Join(run, "hosts")
	if err := os.WriteFile(e.hosts, []byte("127.0.0.1 localhost "+strings.Join(names, " ")+"\n"), 0o644); err != nil {
		return err
	}
	script := `mount --bind "$1" /etc/hosts && shift && exec dockerd "$@"`
	e.daemon = exec.Command("unshare", "--mount", "--kill-child", "sh", "-c", script, "sh", e.hosts,
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--data-root="+filepath.Join(e.cache, "data"), "--exec-root="+filepath.Join(run, "exec"),
		"--pidfile="+filepath.Join(run, "pid"), "--host=unix://"+e.socket)
	e.daemon.Stdout, e.daemon.Stderr = &e.log, &e.log
	if err := e.daemon.Start(); err != nil {
		return err
	}
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err := e.do(ctx, "info"); err == nil {
			return nil
		} else if time.Since(began) > time.Minute {
			return fmt.Errorf("the Docker engine does not answer: %w\n%s", err, e.log.String())
		}
	}
}

// alone waits until no other run of these tests uses the cache: two engines on one data folder destroy it.
func (e *engine) alone() error {
	lock, err := os.OpenFile(filepath.Join(e.cache, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	e.lock = lock // until this process ends
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
}

func (e *engine) stop() {
	if e.daemon == nil || e.daemon.Process == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		e.daemon.Wait()
		close(ended)
	}()
	if pid, err := os.ReadFile(filepath.Join(e.cache, "run", "pid")); err == nil {
		exec.Command("kill", strings.TrimSpace(string(pid))).Run()
		select {
		case <-ended:
			return
		case <-time.After(30 * time.Second):
		}
	}
	e.daemon.Process.Kill() // unshare, which takes the engine with it
	<-ended
}

// command is the docker client on our engine. The classic builder is the one that runners of workflows have in common.
func (e *engine) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+e.socket, "DOCKER_BUILDKIT=0")
	return cmd
}

func (e *engine) do(ctx context.Context, args ...string) (string, error) {
	return output(e.command(ctx, args...))
}

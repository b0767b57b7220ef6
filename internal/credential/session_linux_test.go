package credential

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tagboat/tagboat/internal/secret"
)

// TestMain lets this program be others: a cargo, which is called so and starts what it is told, and one who asks.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "start": // start PROGRAM ARGS...
			cmd := exec.Command(os.Args[2], os.Args[3:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
			if err := cmd.Run(); err != nil {
				fmt.Println(err)
			}
			return
		case "orphan": // orphan PROGRAM ARGS...
			cmd := exec.Command("/proc/self/exe", append([]string{"adopted", fmt.Sprint(os.Getpid())}, os.Args[2:]...)...)
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			if err := cmd.Start(); err != nil {
				fmt.Println(err)
			}
			return
		case "adopted": // adopted FORMER-PARENT PROGRAM ARGS...
			for fmt.Sprint(os.Getppid()) == os.Args[2] {
				runtime.Gosched()
			}
			if err := syscall.Exec(os.Args[3], os.Args[3:], os.Environ()); err != nil {
				fmt.Println(err)
			}
			return
		case "ask": // ask DIR
			os.Stdout.Write(Ask(os.Args[2], question("read", "", "")))
			return
		case "peek": // peek PID
			for _, file := range []string{"environ", "mem"} {
				f, err := os.Open("/proc/" + os.Args[2] + "/" + file)
				if err == nil {
					_, err = io.ReadAll(io.LimitReader(f, 1))
				}
				fmt.Printf("%s: %v\n", file, err)
			}
			return
		}
	}
	os.Exit(m.Run())
}

const feed = "sparse+https://feed.example.com/index/"

func question(operation, crate, version string) []byte {
	return fmt.Appendf(nil, `{"v":1,"registry":{"index-url":%q,"name":"any"},"kind":"get","operation":%q,"name":%q,"vers":%q}`, feed, operation, crate, version)
}

// copyTo copies this program under a name.
func copyTo(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Who asks decides: this program, started by the one cargo below the session.
func TestSession(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cargo, other, make := copyTo(t, filepath.Join(dir, "bin/cargo")), copyTo(t, filepath.Join(dir, "other/tagboat")), copyTo(t, filepath.Join(dir, "bin/make"))
	s, err := Open([]string{os.TempDir()}, Grants{{Name: "feed", Index: feed, Token: secret.New("Bearer mark")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		argv []string
		want string
	}{
		"by cargo":             {[]string{cargo, "start", self, "ask", s.Dir}, `"token":"Bearer mark"`},
		"by cargo by make":     {[]string{make, "start", cargo, "start", self, "ask", s.Dir}, `"token":"Bearer mark"`},
		"by nobody":            {[]string{self, "ask", s.Dir}, "not started by cargo"},
		"by a build script":    {[]string{cargo, "start", make, "start", self, "ask", s.Dir}, "not started by cargo"},
		"by a cargo of its":    {[]string{cargo, "start", make, "start", cargo, "start", self, "ask", s.Dir}, "started by another cargo"},
		"by cargo's cargo":     {[]string{cargo, "start", cargo, "start", self, "ask", s.Dir}, "started by another cargo"},
		"another program":      {[]string{cargo, "start", other, "ask", s.Dir}, "another program than tagboat"},
		"a cargo of elsewhere": {[]string{make, "orphan", cargo, "start", self, "ask", s.Dir}, "not started below"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), test.argv[0], test.argv[1:]...)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.want) {
				t.Errorf("got %v: %s\nwant %s", err, out, test.want)
			}
		})
	}
	out, err := exec.Command(make, "peek", fmt.Sprint(os.Getpid())).CombinedOutput()
	if err != nil || os.Geteuid() != 0 && strings.Count(string(out), "permission denied") != 2 {
		t.Errorf("another program of this user looks into the session: %v\n%s", err, out)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("the session left %s: %v", s.Dir, err)
	}
	if got := string(Ask(s.Dir, question("read", "", ""))); !strings.Contains(got, "url-not-supported") {
		t.Errorf("after the session: %s", got)
	}
}

// Root may look everywhere; the promises are those to an ordinary user.
func TestSessionAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestSession is it
	}
	dir, err := os.MkdirTemp("", "tagboat-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copyTo(t, filepath.Join(dir, "bin/tagboat")), "-test.run=^TestSession$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "SECRET=x"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestSession/by_cargo ") {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

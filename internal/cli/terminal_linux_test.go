package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal is run with a terminal of 100 columns in the place of stdout and stderr; what appears on it is the script's
// stdout afterwards.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: terminal CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	outer, inner, err := pseudoTerminal()
	ts.Check(err)
	defer outer.Close()
	cmd := exec.Command(filepath.Join(binFolder(ts), "tagboat"), args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdout, cmd.Stderr = inner, inner
	typed := ts.Getenv("TYPED")
	if typed != "" {
		cmd.Stdin = inner
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN", "CARGO_REGISTRIES_FEED_TOKEN", "NO_COLOR", "TERM"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	ts.Check(cmd.Start())
	inner.Close()
	text, err := typeAt(outer, typed)
	if err != nil && !errors.Is(err, syscall.EIO) { // the end of a terminal that nobody holds any more
		ts.Fatalf("read the terminal: %v", err)
	}
	fmt.Fprint(ts.Stdout(), string(text))
	cmd.Wait() // the code says how
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d:\n%s", got, want, text)
	}
}

// typeAt reads what appears on a terminal until its end, and types a line when it is asked for one: when what appears
// ends with ": " and nothing more comes.
func typeAt(outer *os.File, line string) ([]byte, error) {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := outer.Read(buf)
		all = append(all, buf[:n]...)
		if line != "" && bytes.HasSuffix(all, []byte(": ")) {
			if echoes(outer) { // typed before that, it would be shown by the terminal itself
				return all, errors.New("the terminal shows what is typed")
			}
			if _, err := outer.WriteString(line + "\r"); err != nil {
				return all, err
			}
			line = ""
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if n == 0 || err != nil {
			return all, err
		}
	}
}

// echoes reports whether a terminal still shows what is typed once a program has had time to switch that off.
func echoes(outer *os.File) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
		state, err := unix.IoctlGetTermios(int(outer.Fd()), unix.TCGETS)
		if err != nil || state.Lflag&unix.ECHO == 0 {
			return err != nil
		}
	}
	return true
}

// binFolder is where testscript put the programs: the first folder of PATH that has ours.
func binFolder(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "tagboat")); err == nil {
			return dir
		}
	}
	ts.Fatalf("tagboat is not in PATH")
	return ""
}

func pseudoTerminal() (outer, inner *os.File, err error) {
	if outer, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(outer.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100})
	}
	if err == nil {
		inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	return outer, inner, nil
}

// disk gives the runs that follow a disk of so many KiB: a file system of its own where the test may mount one, else a
// limit on the size of each file. Without a size it is taken away again.
func disk(ts *testscript.TestScript, neg bool, args []string) {
	dir := filepath.Join(ts.Getenv("WORK"), "disk")
	if len(args) == 0 {
		syscall.Unmount(dir, 0) // fails where none was mounted
		ts.Setenv("RUNNER_TEMP", "")
		ts.Setenv("LIMIT_FILE_SIZE", "")
		return
	}
	kib, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Setenv("RUNNER_TEMP", dir)
	if err := syscall.Mount("tagboat-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0755", kib)); err != nil {
		ts.Logf("no file system of its own (%s): files are limited instead", strings.TrimSpace(err.Error()))
		ts.Setenv("LIMIT_FILE_SIZE", strconv.Itoa(kib*4))
		return
	}
	ts.Defer(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

package cage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/cage"
)

func TestMain(m *testing.M) {
	cage.Main()
	os.Exit(m.Run())
}

// shell is the policy of a script that may read the system and nothing else.
func shell(script string) cage.Policy {
	return cage.Policy{
		Dir: "/", Argv: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, UID: -1, GID: -1,
		Read: []string{"/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"}, Closed: true,
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var lines []string
	out, report, err := cage.Run(t.Context(), shell(`echo out; echo one >&2; printf two >&2; exit 3`), func(s string) { lines = append(lines, s) })
	if err != nil || report.Error != "" {
		t.Fatalf("%v %+v", err, report)
	}
	if string(out.Stdout) != "out\n" || string(out.Stderr) != "one\ntwo" || out.Exit != 3 || !slices.Equal(lines, []string{"one", "two"}) {
		t.Errorf("got %q, %q, exit %d, lines %q", out.Stdout, out.Stderr, out.Exit, lines)
	}
	if len(report.Closed) == 0 {
		t.Error("the report names no layer")
	}
	if out, _, err = cage.Run(t.Context(), shell(`kill -9 $$`), nil); err != nil || out.Exit != 128+9 {
		t.Errorf("killed: exit %d, %v", out.Exit, err)
	}
}

// A file outside of the policy cannot be read, where the kernel can forbid it; with it in the policy it can.
func TestReads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("found"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := shell("cat " + file)
	out, report, err := cage.Run(t.Context(), p, nil)
	if err != nil || report.Landlock > 0 && (out.Exit == 0 || len(out.Stdout) > 0) {
		t.Errorf("outside of the policy: %q, exit %d, %v, %+v", out.Stdout, out.Exit, err, report)
	}
	p.Read = append(p.Read, file)
	if out, report, err = cage.Run(t.Context(), p, nil); err != nil || string(out.Stdout) != "found" {
		t.Errorf("in the policy: %q, %q, %v, %+v", out.Stdout, out.Stderr, err, report)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	longest := 0
	out, _, err := cage.Run(t.Context(), shell(`head -c 200000 /dev/zero | tr '\0' x >&2; echo end >&2`), func(s string) { longest = max(longest, len(s)) })
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Stderr) != 64<<10 || !strings.HasSuffix(string(out.Stderr), "xend\n") || longest != 16<<10 {
		t.Errorf("kept %d bytes, longest line %d", len(out.Stderr), longest)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"no-such-program", "/usr/bin/no-such-program"} {
		p := shell("")
		p.Argv = []string{name}
		if _, report, err := cage.Run(t.Context(), p, nil); err != nil || !report.Missing || !strings.Contains(report.Error, name) {
			t.Errorf("%s: %v, %+v", name, err, report)
		}
	}
}

// The end of the context ends the program, and its cause is the error.
func TestEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	_, _, err := cage.Run(ctx, shell(`echo up >&2; exec sleep 300`), func(string) { cancel(enough) })
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

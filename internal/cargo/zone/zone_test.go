package zone

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	for _, l := range []level{bare, userSpaces, rootSpaces} {
		z, err := New(Config{Dir: t.TempDir(), weak: weakness{Level: l, Limited: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		t.Log(l, z.level, z.Isolation(), z.Toolchain())
		for _, argv := range [][]string{{"id"}, {"cargo", "--version"}, {"sh", "-c", "env; ls -la / /proc /etc $HOME /root; cat /proc/self/status | grep -E 'Cap|NoNew|Secc|PPid|^Pid'"}} {
			out, err := z.Run(t.Context(), Command{Argv: argv})
			t.Logf("%v\n%s%s%d", err, out.Stdout, out.Stderr, out.Exit)
		}
	}
}

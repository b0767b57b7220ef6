package zone_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo/zone"
)

// A program is found where it can be run, in folders that are named absolutely; brought into a zone, it runs there though
// nobody may enter its own folder.
func TestBring(t *testing.T) {
	t.Parallel()
	plain, closed := t.TempDir(), filepath.Join(t.TempDir(), "closed")
	write(t, filepath.Join(plain, "tool"), "#!/bin/sh\n", 0o644)
	write(t, filepath.Join(closed, "tool"), "#!/bin/sh\necho here\n", 0o700)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(wd, closed)
	if err != nil {
		t.Fatal(err)
	}
	list := func(dirs ...string) string {
		path := ""
		for _, d := range dirs {
			path += d + string(filepath.ListSeparator)
		}
		return path
	}
	if got := zone.LookPath(list(plain, relative), "tool"); got != "" {
		t.Errorf("found %s", got)
	}
	at := zone.LookPath(list(plain, relative, closed), "tool")
	if at != filepath.Join(closed, "tool") {
		t.Fatalf("found %q", at)
	}
	z, err := zone.New(zone.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	tool, err := z.Bring(at)
	if err != nil {
		t.Fatal(err)
	}
	out, err := z.Run(t.Context(), zone.Command{Argv: []string{tool}})
	if err != nil || string(out.Stdout) != "here\n" {
		t.Errorf("got %q, %v, %v", out.Stdout, out.Err(), err)
	}
	if _, err := z.Bring(filepath.Join(plain, "none")); err == nil {
		t.Error("brought nothing")
	}
}

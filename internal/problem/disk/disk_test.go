package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
)

func TestExplain(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
	known := &problem.Error{Kind: problem.Stopped, Summary: "known", Err: full}
	for name, tt := range map[string]struct {
		err  error
		want string // the summary; "" where the error stays
	}{
		"nothing":     {nil, ""},
		"another":     {errors.New("no space left on device"), ""},
		"full":        {fmt.Errorf("keep core: %w", full), "the disk is full"},
		"quota":       {errors.Join(errors.New("x"), syscall.EDQUOT), "the disk is full"},
		"known":       {known, ""},
		"known below": {fmt.Errorf("keep core: %w", known), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := disk.Explain(tt.err)
			if tt.want == "" {
				if got != tt.err {
					t.Errorf("got %v, want %v itself", got, tt.err)
				}
				return
			}
			p := problem.All(got)
			if len(p) != 1 || p[0].Summary != tt.want || p[0].Detail != tt.err.Error() || p[0].Hint == "" || p[0].Kind != problem.Failed {
				t.Errorf("got %+v", p)
			}
			if !errors.Is(got, tt.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestScratch(t *testing.T) {
	dir := t.TempDir()
	made, err := disk.Scratch(dir)
	if info, stat := os.Stat(made); err != nil || stat != nil || !info.IsDir() || filepath.Dir(made) != dir {
		t.Errorf("got %q, %v", made, err)
	}
	_, err = disk.Scratch(filepath.Join(dir, "absent"))
	if p := problem.All(err); len(p) != 1 || !strings.Contains(p[0].Hint, "RUNNER_TEMP") {
		t.Errorf("got %v", err)
	}
}

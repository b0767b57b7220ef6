package source

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	shared = "/dev/shm" // memory that every Linux has as a folder; containers have little of it
	most   = 256 << 20  // no more than this, however much memory there is
)

// inMemory makes a folder in memory, for our user alone, with room for files of that size together; "" where there is none. Making and
// removing hundreds of folders takes a disk longer than everything else that a plan does.
func inMemory(size int64) string {
	var s unix.Statfs_t
	if size > most || unix.Statfs(shared, &s) != nil || s.Type != unix.TMPFS_MAGIC || int64(s.Bavail)*s.Bsize < 4*size+16<<20 {
		return ""
	}
	dir, err := os.MkdirTemp(shared, "tagboat-")
	if err != nil {
		return ""
	}
	return dir
}

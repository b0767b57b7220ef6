// Package cage runs one program under a policy: which files it may read and write, which ports it may connect to, as whom.
//
// Run starts this binary again (see Main). The child closes inherited descriptors, enters namespaces, becomes the
// policy's user, applies Landlock and a seccomp filter, says what is in force, and only then executes the program. What
// the policy should be is decided by package zone.
package cage

// Level is how a program is shut in.
type Level int

const (
	// Bare is Landlock and seccomp alone, with a supervisor that reaps what is left.
	Bare Level = iota
	// UserSpaces adds namespaces through an unprivileged user namespace.
	UserSpaces
	// RootSpaces adds namespaces as root.
	RootSpaces
)

// Policy is what a program may do. It holds no secret.
type Policy struct {
	Level    Level    `json:"level"`
	Root     string   `json:"root"` // where to build the program's view of the file system
	Dir      string   `json:"dir"`
	Argv     []string `json:"argv"` // empty: a probe that applies everything and ends
	Env      []string `json:"env"`
	UID      int      `json:"uid"` // -1: stay
	GID      int      `json:"gid"`
	Read     []string `json:"read"`  // read and execute
	Write    []string `json:"write"` // folders to read, write and execute
	Ports    []uint16 `json:"ports"` // TCP ports to connect to
	Closed   bool     `json:"closed"`
	NoKernel bool     `json:"no_kernel"` // neither Landlock nor seccomp, for tests of what the rest holds
}

// Report is what the child says before the program starts. Error is set when it never starts.
type Report struct {
	Closed   []string `json:"closed"`   // layers that are in force, for people
	Landlock int      `json:"landlock"` // ABI, 0 for none
	Seccomp  bool     `json:"seccomp"`
	Proc     bool     `json:"proc"` // the program's /proc shows its own processes only
	Error    string   `json:"error,omitempty"`
	Missing  bool     `json:"missing,omitempty"` // the error is a program that is not there
}

// Output is what the program left behind: its exit code, 128 plus the signal's number where a signal ended it, the first
// 64 MiB of its standard output and the last 64 KiB of its standard error.
type Output struct {
	Stdout, Stderr []byte
	Exit           int
}

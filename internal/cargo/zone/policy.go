package zone

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// childName is argv[0] of our re-executions. The policy travels over a pipe, never by argument or environment, which
// anyone on the machine might read.
const childName = "tagboat-zone"

// level is how the child shuts the program in.
type level int

const (
	bare       level = iota // Landlock and seccomp alone, with a supervisor that reaps what is left
	userSpaces              // namespaces through an unprivileged user namespace
	rootSpaces              // namespaces as root
)

// weakness lets tests see each way of isolation on a machine that can do better.
type weakness struct {
	Level    level // at most this level
	Limited  bool  // Level counts
	NoUser   bool  // stay who we are
	NoKernel bool  // no Landlock, no seccomp
}

// policy is all that the child needs to know. It holds no secret.
type policy struct {
	Level    level    `json:"level"`
	Stage    int      `json:"stage"` // 1 is the supervisor of a bare program
	Root     string   `json:"root"`  // where to build the program's view of the file system
	Dir      string   `json:"dir"`
	Argv     []string `json:"argv"` // empty: a probe that applies everything and ends
	Env      []string `json:"env"`
	UID      int      `json:"uid"` // -1: stay
	GID      int      `json:"gid"`
	Read     []string `json:"read"`  // read and execute
	Write    []string `json:"write"` // folders to read, write and execute
	Ports    []uint16 `json:"ports"` // TCP ports to connect to
	Closed   bool     `json:"closed"`
	NoKernel bool     `json:"no_kernel"`
}

// report is what the child tells the parent before the program starts. Error is set when it never starts.
type report struct {
	Closed   []string `json:"closed"`   // layers that are in force, for Isolation
	Landlock int      `json:"landlock"` // ABI, 0 for none
	Seccomp  bool     `json:"seccomp"`
	Proc     bool     `json:"proc"` // the program's /proc shows its own processes only
	Error    string   `json:"error,omitempty"`
	Missing  bool     `json:"missing,omitempty"` // the error is a program that is not there
}

// systemRead are the system's programs and libraries and the few settings that a compiler and a TLS client read.
var systemRead = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
	"/etc/crypto-policies", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
	"/etc/services", "/etc/protocols", "/etc/localtime",
}

// devices are the device files of the zone.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// procFiles are what may be read of /proc where it shows other people's processes too.
var procFiles = []string{
	"/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems", "/proc/sys/vm/overcommit_memory",
	"/proc/sys/kernel/osrelease", "/proc/sys/kernel/ostype",
}

// policy turns a command into what the child must do.
func (z *Zone) policy(c Command) (policy, error) {
	env, ports, err := z.environ(c)
	if err != nil {
		return policy{}, err
	}
	dir := c.Dir
	if dir == "" {
		dir = z.Home()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return policy{}, err
	}
	if within(z.dir, []string{dir}) {
		return policy{}, fmt.Errorf("run in the build zone: the working folder %s holds the zone itself, and all of it would be readable", dir)
	}
	p := policy{
		Level: z.level, Root: filepath.Join(z.dir, "root"), Dir: dir, Argv: c.Argv, Env: env, UID: z.uid, GID: z.gid,
		Closed: c.Network == Closed, NoKernel: z.config.weak.NoKernel,
	}
	if z.level == bare {
		p.Stage = 1
	}
	p.Read = append(p.Read, systemRead...)
	p.Read = append(p.Read, z.toolchain.Sysroot)
	p.Read = append(p.Read, z.config.Mounts...)
	p.Read = append(p.Read, filepath.Join(z.dir, "src"))
	vars := lookup(env)
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "CARGO_HTTP_CAINFO"} {
		if filepath.IsAbs(vars[name]) {
			p.Read = append(p.Read, filepath.Clean(vars[name]))
		}
	}
	for _, name := range writable {
		p.Write = append(p.Write, filepath.Join(z.dir, name))
	}
	if !within(dir, p.Write) && !within(dir, p.Read) {
		p.Read = append(p.Read, dir)
	}
	p.Read = outermost(p.Read)
	if c.Network == Open {
		p.Ports = append(p.Ports, 443)
		p.Ports = append(p.Ports, z.config.Ports...)
		p.Ports = append(p.Ports, c.Ports...)
		p.Ports = append(p.Ports, ports...)
		slices.Sort(p.Ports)
		p.Ports = slices.Compact(p.Ports)
	}
	return p, nil
}

// outermost drops empty entries and those that lie in another one.
func outermost(paths []string) []string {
	var out []string
	for i, p := range paths {
		if p == "" || slices.Contains(paths[:i], p) {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(paths), func(q string) bool { return q == p || q == "" })
		if !within(p, others) {
			out = append(out, p)
		}
	}
	return out
}

// within reports whether path is one of dirs or lies below one.
func within(path string, dirs []string) bool {
	for _, d := range dirs {
		if d == "/" {
			return true
		}
		if d != "" && (path == d || strings.HasPrefix(path, strings.TrimSuffix(d, "/")+"/")) {
			return true
		}
	}
	return false
}

func (p policy) encode() ([]byte, error) { return json.Marshal(p) }

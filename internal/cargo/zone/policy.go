package zone

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/cage"
)

// weakness lets tests see each way of isolation on a machine that can do better.
type weakness struct {
	Level    cage.Level // at most this level
	Limited  bool       // Level counts
	NoUser   bool       // stay who we are
	NoKernel bool       // no Landlock, no seccomp
}

// systemRead are the system's programs and libraries and the few settings that a compiler and a TLS client read.
var systemRead = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
	"/etc/crypto-policies", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
	"/etc/services", "/etc/protocols", "/etc/localtime",
}

// policy turns a command into what the child must do.
func (z *Zone) policy(c Command) (cage.Policy, error) {
	env, ports, err := z.environ(c)
	if err != nil {
		return cage.Policy{}, err
	}
	dir := c.Dir
	if dir == "" {
		dir = z.Home()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return cage.Policy{}, err
	}
	if within(z.dir, []string{dir}) {
		return cage.Policy{}, fmt.Errorf("run in the build zone: the working folder %s holds the zone itself, and all of it would be readable", dir)
	}
	p := cage.Policy{
		Level: z.level, Root: filepath.Join(z.dir, "root"), Dir: dir, Argv: c.Argv, Env: env, UID: z.uid, GID: z.gid,
		Closed: c.Network == Closed, NoKernel: z.config.weak.NoKernel,
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

// reachable reports whether other users may enter every folder on the way to path.
func reachable(path string) bool {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

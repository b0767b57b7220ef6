package zone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tagboat/tagboat/internal/cargo/cage"
)

// Users of zones lie in the range that systemd reserves for its dynamic users, so that no account has them.
const (
	firstUser = 61184
	lastUser  = 65519
)

// isolate finds the strongest way that works here by trying, and returns what is missing.
func (z *Zone) isolate() ([]string, error) {
	levels := []cage.Level{cage.UserSpaces, cage.Bare}
	if os.Geteuid() == 0 {
		if !z.config.weak.NoUser {
			z.uid = freeUser()
			z.gid = z.uid
		}
		levels = []cage.Level{cage.RootSpaces, cage.Bare}
	}
	if w := z.config.weak; w.Limited {
		levels = slices.DeleteFunc(levels, func(l cage.Level) bool { return l > w.Level })
	}
	if err := z.makeFolders(); err != nil {
		if z.uid < 0 || !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EPERM) {
			return nil, err
		}
		z.uid, z.gid = -1, -1 // root of a container that has no such user
		if err := z.makeFolders(); err != nil {
			return nil, err
		}
	}
	var refused []string
	for _, l := range levels {
		z.level = l
		if l == cage.Bare {
			if err := errors.Join(z.reachFolder(), z.reachToolchain()); err != nil {
				return nil, err
			}
		}
		r, err := z.probe()
		if err == nil {
			var missing []string
			z.isolation, missing = z.describe(r, refused)
			return missing, nil
		}
		refused = append(refused, err.Error())
	}
	return nil, fmt.Errorf("start a program in the build zone: %s", strings.Join(refused, "; "))
}

// probe runs the child without a program and returns what it could apply.
func (z *Zone) probe() (cage.Report, error) {
	p, err := z.policy(Command{})
	if err != nil {
		return cage.Report{}, err
	}
	_, got, err := cage.Run(context.Background(), p, nil)
	if err == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	return got, err
}

// reachFolder moves the zone to the system's temporary folder where its user could not enter the one that was asked for.
// With a mount namespace the way to it is built anew.
func (z *Zone) reachFolder() error {
	if z.uid < 0 || reachable(z.dir) {
		return nil
	}
	dir, err := os.MkdirTemp("", "tagboat-zone-")
	if err != nil {
		return fmt.Errorf("make the build zone's folder: %w", explainIO(err))
	}
	if err := os.RemoveAll(z.dir); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	z.dir = dir
	if err := z.makeRoot(); err != nil {
		return err
	}
	return z.makeFolders()
}

// reachToolchain makes a copy of the toolchain inside the zone where the zone's user cannot reach the original, as below
// a home folder that is closed to others. With a mount namespace none is needed.
func (z *Zone) reachToolchain() error {
	from := z.toolchain.Sysroot
	if z.uid < 0 || from == "" || reachable(from) {
		return nil
	}
	to := filepath.Join(z.dir, "toolchain")
	if err := linkTree(from, to); err != nil {
		return fmt.Errorf("copy the Rust toolchain into the build zone: %w", err)
	}
	z.toolchain.Sysroot = to
	return nil
}

// freeUser picks a user id that owns no process, at random, so that two zones differ.
func freeUser() int {
	used := map[int]bool{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				used[int(st.Uid)] = true
			}
		}
	}
	for range 100 {
		if uid := firstUser + rand.IntN(lastUser-firstUser+1); !used[uid] {
			return uid
		}
	}
	return firstUser
}

// describe turns what the probe applied into Isolation's list and the list of what is missing.
func (z *Zone) describe(r cage.Report, refused []string) (list, missing []string) {
	if z.uid >= 0 {
		list = append(list, "user "+strconv.Itoa(z.uid))
	}
	list = append(list, r.Closed...)
	if z.level == cage.Bare && !z.config.weak.Limited {
		for _, why := range refused {
			list = append(list, "no namespaces: "+why)
		}
	}
	spaces := z.level != cage.Bare
	if !spaces && r.Landlock == 0 {
		missing = append(missing, "files: programs can read whatever this user can read (no Landlock, no mount namespace)")
	}
	if !spaces && r.Landlock == 0 && z.uid < 0 {
		missing = append(missing, "processes: programs can read the memory of this user's other processes (no Landlock, no pid namespace)")
	}
	if !spaces && r.Landlock < 6 && z.uid < 0 {
		missing = append(missing, "signals: programs can signal this user's other processes (Landlock below ABI 6, no pid namespace)")
	}
	if !r.Seccomp && !spaces {
		missing = append(missing, "network: UDP, local sockets and, below Landlock ABI 4, TCP stay open (no seccomp filter, no network namespace)")
	}
	if r.Landlock < 4 {
		missing = append(missing, "ports: while dependencies are fetched, programs can connect to any port (Landlock below ABI 4)")
	}
	for _, m := range missing {
		list = append(list, "not isolated: "+m)
	}
	return list, missing
}

// Package zone runs foreign programs (cargo, rustc, build scripts, proc macros) with nothing to steal.
//
// A zone is a folder tree of its own, a user of its own where tagboat is root, and an environment built from an
// allow-list. Each program that runs in it is started through a re-execution of this binary (see Main and package cage),
// which shuts it in before it executes it. Isolation says what is closed on this machine and what is not.
//
// The zone reads the system's programs and libraries, the Rust toolchain, and the folders named in Config.Mounts. It
// writes its own folders and nothing else. With the network Closed no socket can be made at all.
package zone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tagboat/tagboat/internal/cargo/cage"
	"github.com/tagboat/tagboat/internal/problem"
)

// Main must be the first call of main, and of TestMain in packages that start a zone. In an ordinary process it returns
// at once. In a zone's child it applies the policy, executes the program and never returns.
func Main() { cage.Main() }

// Network says whether a program in the zone may open connections.
type Network int

const (
	// Closed permits no socket of any kind. It is the zero value: a command that says nothing gets no network.
	Closed Network = iota
	// Open permits TCP connections to port 443 and to the ports of Config.Ports, Command.Ports and the proxies.
	Open
)

// Demand says what New does where the machine cannot isolate the zone fully.
type Demand int

const (
	// Report goes on and lets Isolation say what is missing.
	Report Demand = iota
	// Require makes New fail with a *problem.Error that names what is missing.
	Require
)

// Config describes a zone. The zero value is a zone in the system's temporary folder with the default toolchain.
type Config struct {
	// Dir is the folder in which the zone makes its own tree; "" is the system's temporary folder, which also stands
	// in for a Dir that the zone's user cannot be given a way to.
	Dir string
	// Toolchain is the rustup toolchain or channel to use ("1.95.0", "stable"); it must be installed. "" takes the
	// channel that Checkout names if it is installed, else the default one.
	Toolchain string
	// Toolchains is a folder like rustup's own, in which a toolchain is looked for, too; "" is none.
	Toolchains string
	// Checkout is a folder whose rust-toolchain.toml or rust-toolchain may name a channel; "" is none. Nothing in
	// that file is run and its path key is not obeyed.
	Checkout string
	// Mounts are absolute paths outside the system folders that programs in the zone may read and execute.
	Mounts []string
	// Env is what the user adds to the environment by configuration. Names under which tools expect secrets are refused.
	Env map[string]string
	// Ports are further TCP ports that programs may connect to while the network is Open.
	Ports []uint16
	// Demand is what to do where the machine cannot isolate.
	Demand Demand
	// Environ is the environment to choose from, as os.Environ returns it; nil is the process's own.
	Environ []string

	weak weakness // tests ask for less than the machine can do
}

// Command is one program to run in a zone.
type Command struct {
	// Dir is the working folder: one in the zone (see Import), or any other, which is then visible read-only.
	Dir string
	// Argv is the program and its arguments. A bare name is looked up in the zone's PATH, toolchain first.
	Argv []string
	// Network is Closed unless said otherwise.
	Network Network
	// Ports are further TCP ports for an Open network.
	Ports []uint16
	// Env is added to the environment, last word of all.
	Env map[string]string
	// Line is called for each line that the program writes to standard error, without the line's end. Calls do not overlap.
	Line func(string)
}

// Output is what a program left behind. Exit is its exit code, 128 plus the signal's number where a signal ended it.
// Stdout is complete up to 64 MiB; Stderr is the last 64 KiB.
type Output struct {
	Argv           []string
	Stdout, Stderr []byte
	Exit           int
}

// Zone is a place to run programs in. Its methods are safe for concurrent use. Close removes it.
type Zone struct {
	config    Config
	dir       string
	uid, gid  int // -1: as ourselves
	level     cage.Level
	toolchain Toolchain
	isolation []string
	imports   sync.Mutex
	imported  int
}

// New makes a zone: its folders, its user, its view of the toolchain. It starts one probe process to learn what this
// machine permits. Errors that a person must act on (no toolchain, isolation required and missing) are *problem.Error.
func New(config Config) (*Zone, error) {
	if config.Environ == nil {
		config.Environ = os.Environ()
	}
	if err := checkEnv(config.Env); err != nil {
		return nil, err
	}
	config.Mounts = slices.Clone(config.Mounts)
	for i, m := range config.Mounts {
		if !filepath.IsAbs(m) {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "a mount of the build zone is not an absolute path", Detail: m}
		}
		if config.Mounts[i] = filepath.Clean(m); config.Mounts[i] == "/" {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "a mount of the build zone is the whole file system", Hint: "name the folders that the build reads under package.mounts"}
		}
	}
	toolchain, err := findToolchain(config)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(config.Dir, "tagboat-zone-")
	if err != nil {
		return nil, fmt.Errorf("make the build zone's folder: %w", explainIO(err))
	}
	z := &Zone{config: config, dir: dir, uid: -1, gid: -1, toolchain: toolchain}
	if err := z.setUp(); err != nil {
		return nil, errors.Join(err, z.Close())
	}
	return z, nil
}

// setUp finds out what the machine permits, makes the folders and checks the demand.
func (z *Zone) setUp() error {
	if err := z.makeRoot(); err != nil {
		return err
	}
	missing, err := z.isolate()
	if err != nil {
		return err
	}
	if z.config.Demand == Require && len(missing) > 0 {
		return &problem.Error{
			Kind:    problem.Stopped,
			Summary: "the build zone cannot be isolated on this machine, and the configuration requires it",
			Detail:  "missing: " + joinLines(missing),
			Hint:    `run on Linux 6.12 or later, or as root with CAP_SYS_ADMIN, or set package.isolation = "report"`,
		}
	}
	return nil
}

// makeRoot readies the zone's own folder, which its programs may pass through and not write.
func (z *Zone) makeRoot() error {
	dir, err := filepath.EvalSymlinks(z.dir)
	if err != nil {
		return fmt.Errorf("resolve the build zone's folder: %w", err)
	}
	z.dir = dir
	if err := os.Chmod(z.dir, 0o711); err != nil {
		return fmt.Errorf("open the build zone's folder: %w", err)
	}
	for _, name := range []string{"root", "src"} {
		path := filepath.Join(z.dir, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, 0o755)); err != nil {
			return fmt.Errorf("make the build zone's folder: %w", explainIO(err))
		}
	}
	return nil
}

// makeFolders makes the zone's writable folders for its user.
func (z *Zone) makeFolders() error {
	for _, name := range writable {
		dir := filepath.Join(z.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make the build zone's folder: %w", explainIO(err))
		}
		if z.uid >= 0 {
			if err := os.Lchown(dir, z.uid, z.gid); err != nil {
				return fmt.Errorf("give a folder to the build zone's user: %w", err)
			}
		}
	}
	return nil
}

// writable are the folders, below the zone's own, that programs in it may write.
var writable = []string{"home", "cargo", "target", "tmp", "out"}

// Dir returns the zone's own folder. What lies below home, cargo, target, tmp and out is written by foreign programs:
// read it through os.Root, so that a planted link leads nowhere.
func (z *Zone) Dir() string { return z.dir }

// Home, CargoHome, Target, Tmp and Out are the folders that programs in the zone may write.
func (z *Zone) Home() string      { return filepath.Join(z.dir, "home") }
func (z *Zone) CargoHome() string { return filepath.Join(z.dir, "cargo") }
func (z *Zone) Target() string    { return filepath.Join(z.dir, "target") }
func (z *Zone) Tmp() string       { return filepath.Join(z.dir, "tmp") }
func (z *Zone) Out() string       { return filepath.Join(z.dir, "out") }

// Toolchain returns the toolchain that programs in the zone see.
func (z *Zone) Toolchain() Toolchain { return z.toolchain }

// Isolation says what is closed and, in entries that begin with "not isolated: ", what is not.
func (z *Zone) Isolation() []string { return slices.Clone(z.isolation) }

// Run runs one program to its end and returns what it wrote. A non-zero exit is no error of Run: see Output.Err. When ctx
// ends, the program and all its descendants are killed and the context's cause is returned. No process that the program
// started outlives Run where the machine permits that.
func (z *Zone) Run(ctx context.Context, c Command) (Output, error) {
	if len(c.Argv) == 0 {
		return Output{}, errors.New("run in the build zone: no program named")
	}
	if err := checkEnv(c.Env); err != nil {
		return Output{}, err
	}
	p, err := z.policy(c)
	if err != nil {
		return Output{}, err
	}
	return z.start(ctx, p, c.Line)
}

// start runs the program of p.
func (z *Zone) start(ctx context.Context, p cage.Policy, line func(string)) (Output, error) {
	if z.level == cage.Bare && z.uid >= 0 && !within(p.Dir, p.Write) && !within(p.Dir, []string{filepath.Join(z.dir, "src")}) && !reachable(p.Dir) {
		return z.startInCopy(ctx, p, line)
	}
	ran, report, err := cage.Run(ctx, p, line)
	out := Output{Argv: p.Argv, Stdout: ran.Stdout, Stderr: ran.Stderr, Exit: ran.Exit}
	switch {
	case err != nil:
		return out, err
	case report.Missing:
		return out, notInstalled(p.Argv[0], errors.New(report.Error))
	case report.Error != "":
		return out, fmt.Errorf("start %s in the build zone: %s", p.Argv[0], report.Error)
	}
	return out, nil
}

// startInCopy runs the program of p in a copy of its folder, which its user cannot reach itself. What the program prints
// names the original: a caller has never heard of the copy, which is gone afterwards.
func (z *Zone) startInCopy(ctx context.Context, p cage.Policy, line func(string)) (Output, error) {
	original := p.Dir
	dir, err := z.Import(original)
	if err != nil {
		return Output{}, err
	}
	defer os.RemoveAll(dir)
	p.Dir = dir
	said := line
	if line != nil {
		said = func(text string) { line(strings.ReplaceAll(text, dir, original)) }
	}
	out, err := z.start(ctx, p, said)
	out.Stdout, out.Stderr = bytes.ReplaceAll(out.Stdout, []byte(dir), []byte(original)), bytes.ReplaceAll(out.Stderr, []byte(dir), []byte(original))
	return out, err
}

// Close removes the zone's folders, also those that its programs made read-only. It may be called twice.
func (z *Zone) Close() error {
	if z.dir == "" {
		return nil
	}
	if err := removeAll(z.dir); err != nil {
		return fmt.Errorf("remove the build zone's folder: %w", err)
	}
	return nil
}

// removeAll removes a tree, also where a program took its owner's rights from a folder. Only folders are touched: a file
// here may be a hard link to one that is not ours to change.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	unlock(dir)
	return os.RemoveAll(dir)
}

// unlock gives the owner's rights to dir and to every folder below it. It follows no link.
func unlock(dir string) {
	if os.Chmod(dir, 0o700) != nil {
		return // RemoveAll will say why
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			unlock(filepath.Join(dir, e.Name()))
		}
	}
}

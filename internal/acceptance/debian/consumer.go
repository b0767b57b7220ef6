package debian

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Manifest is that of a package, called consumer, which uses most of what librust-reqwest-dev needs.
const Manifest = `[package]
name = "consumer"
version = "0.1.0"
edition = "2021"

[dependencies]
ahash = "*"
arbitrary = { version = "*", features = ["derive"] }
backtrace = "*"
bindgen = "*"
clap = { version = "*", features = ["derive", "env", "wrap_help"] }
const-random = "*"
crossbeam-channel = "*"
ctor = "*"
erased-serde = "*"
hkdf = "*"
os_pipe = "*"
owning_ref = "*"
petgraph = "*"
print_bytes = "*"
quickcheck = "*"
rayon = "*"
reqwest = { version = "*", features = ["json", "cookies", "multipart", "blocking", "native-tls", "rustls-tls"] }
sha2 = "*"
subtle = "*"
textwrap = { version = "*", features = ["terminal_size"] }
tracing = "*"
uniquote = "*"
valuable = { version = "*", features = ["derive"] }
value-bag = "1.0.0-alpha.9"
yaml-rust = "*"
`

// Least is how many crates of the consumer's lock file cargo must compile in a test of a whole closure. The lock file has
// about fifty more: twenty are for other systems than Linux, which cargo fetches and vendors but does not compile here, and
// the rest leaves room for another Debian.
const Least = 150

// Lock returns the lock file that cargo makes for the consumer, where a registry, given by its index, stands for crates.io.
// It writes to dir.
func Lock(ctx context.Context, dir, index string) ([]byte, error) {
	c := consumer{dir: dir, home: "home"}
	err := c.write(fmt.Sprintf("[source.crates-io]\nreplace-with = \"upstream\"\n\n[source.upstream]\nregistry = %q\n", index), nil)
	if err != nil {
		return nil, err
	}
	if _, err := c.cargo(ctx, nil, "generate-lockfile"); err != nil {
		return nil, err
	}
	return os.ReadFile(c.path("Cargo.lock"))
}

// Build builds the whole consumer from what a registry has. With a configuration of cargo, a lock file and a variable
// (NAME=value) that holds a token, cargo fetches and vendors. Then it checks the code, with the vendored crates alone: offline,
// with an empty cargo home, and without the token. The crates that it compiled are returned, as name@version. The build
// scripts need pkg-config and OpenSSL's headers. It writes to dir, about half a gigabyte.
func Build(ctx context.Context, dir, config string, lock []byte, token string) ([]string, error) {
	c := consumer{dir: dir, home: "home"}
	if err := c.write(config, lock); err != nil {
		return nil, err
	}
	if _, err := c.cargo(ctx, []string{token}, "fetch", "--locked"); err != nil {
		return nil, err
	}
	vendored, err := c.cargo(ctx, []string{token}, "vendor", "--locked", "--respect-source-config", "vendor")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.path(".cargo", "config.toml"), vendored, 0o644); err != nil {
		return nil, err
	}
	c.home = "offline"
	messages, err := c.cargo(ctx, nil, "check", "--locked", "--offline", "--message-format", "json")
	if err != nil {
		return nil, err
	}
	if after, err := os.ReadFile(c.path("Cargo.lock")); err != nil || !bytes.Equal(after, lock) {
		return nil, errors.Join(errors.New("cargo changed the lock file"), err)
	}
	return compiled(messages, c.path("vendor"))
}

// compiled returns the crates below a folder that cargo's messages say are compiled.
func compiled(messages []byte, folder string) ([]string, error) {
	var names []string
	for d := json.NewDecoder(bytes.NewReader(messages)); ; {
		var m struct {
			Reason   string
			Fresh    bool
			Manifest string `json:"manifest_path"`
			Package  string `json:"package_id"`
		}
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			slices.Sort(names)
			return slices.Compact(names), nil
		} else if err != nil {
			return nil, fmt.Errorf("read cargo's messages: %w", err)
		}
		if m.Reason == "compiler-artifact" && !m.Fresh && strings.HasPrefix(m.Manifest, folder+string(filepath.Separator)) {
			_, name, _ := strings.Cut(m.Package, "#")
			names = append(names, name)
		}
	}
}

// consumer is a package with a cargo of its own, both in a folder.
type consumer struct{ dir, home string }

func (c consumer) path(names ...string) string {
	return filepath.Join(append([]string{c.dir, "consumer"}, names...)...)
}

func (c consumer) write(config string, lock []byte) error {
	content := map[string]string{"Cargo.toml": Manifest, "src/main.rs": "fn main() {}\n", ".cargo/config.toml": config}
	if lock != nil {
		content["Cargo.lock"] = string(lock)
	}
	for name, text := range content {
		path := c.path(filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// cargo runs cargo in the package, with nothing of the caller's settings of cargo, and returns its standard output.
func (c consumer) cargo(ctx context.Context, env []string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "cargo", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.path(), &out, &errs
	cmd.Env = append([]string{"CARGO_HOME=" + filepath.Join(c.dir, c.home)}, env...)
	for _, name := range []string{"PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if err := cmd.Run(); err != nil {
		text := errs.String()
		return nil, fmt.Errorf("cargo %s: %w\n%s", strings.Join(args, " "), err, text[max(0, len(text)-8000):])
	}
	return out.Bytes(), nil
}

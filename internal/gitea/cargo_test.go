//go:build e2e

package gitea

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// spy is a build script that fails where a token shows in the environment or the command line of any process above it or
// beside it, and says how many it looked at.
const spy = `use std::fs;

fn main() {
    let marker = format!("MARKER={}\0", std::env::var("MARKER").unwrap()).into_bytes();
    let needles: Vec<Vec<u8>> = fs::read_to_string(std::env::var("NEEDLES").unwrap()).unwrap().lines().map(|l| l.as_bytes().to_vec()).collect();
    let has = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|w| w == needle);
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(environ) = fs::read(entry.path().join("environ")) else { continue };
        if !has(&environ, &marker) {
            continue;
        }
        seen += 1;
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        for needle in &needles {
            assert!(!has(&environ, needle) && !has(&line, needle), "a token shows in {}", entry.path().display());
        }
    }
    assert!(seen >= 2, "only {seen} processes");
    println!("cargo:warning=no token in {seen} processes");
}
`

// cargos runs tagboat or cargo in a folder and returns what it says.
func cargos(t *testing.T, dir string, env map[string]string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, environment(t, env)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), server.admin) || strings.Contains(string(out), strings.TrimPrefix(basic(server.admin), "Basic ")) {
		t.Errorf("%s %q shows the token", filepath.Base(program), args)
	}
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// The real cargo publishes the sample and builds from it, asking Tagboat for each token: none is in its environment, and
// every request to the private organisation has one.
func TestCargoWithProvider(t *testing.T) {
	for name, token := range map[string]string{"bearer": "Bearer " + server.admin, "pair": basic(server.admin), "bare": server.admin} {
		t.Run(name, func(t *testing.T) {
			organisation := "cargo-" + name
			index := server.organisation(t, organisation)
			w := startWorld(t, index)
			said := cargos(t, w.Checkout, map[string]string{"CARGO_REGISTRIES_FEED_TOKEN": token}, tagboat, "run", "--", "cargo", "publish", "--workspace", "--no-verify", "--registry", "feed")
			if n := strings.Count(said, "Uploaded "); n != crates {
				t.Errorf("cargo uploaded %d crates, want %d:\n%s", n, crates, said)
			}
			builds(t, index, token)
			every := server.seen(organisation, func(call) bool { return true })
			want := token
			if name == "bare" {
				want = "Bearer " + token
			}
			for _, c := range every {
				if c.authorization != want && c.status != 401 {
					t.Errorf("%s %s was answered %d with %d bytes of authorization", c.method, c.path, c.status, len(c.authorization))
				}
			}
			if n := len(server.uploads(organisation)); n != crates {
				t.Errorf("%d uploads, want %d", n, crates)
			}
			if n := len(server.seen(organisation, func(c call) bool { return strings.HasSuffix(c.path, "/download") })); n == 0 {
				t.Error("nothing was downloaded")
			}
		})
	}
}

// builds makes a crate that needs one of the registry's and has a spy for a build script.
func builds(t *testing.T, index, token string) {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"Cargo.toml":         "[package]\nname = \"consumer\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nhyperlight-host = { version = \"0.4\", registry = \"feed\" }\n",
		"src/lib.rs":         "pub extern crate hyperlight_host;\n",
		"build.rs":           spy,
		".cargo/config.toml": "[registries.feed]\nindex = \"" + index + "\"\ncredential-provider = [\"tagboat\", \"credential\"]\n",
		"needles":            server.admin + "\n" + strings.TrimPrefix(basic(server.admin), "Basic ") + "\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"CARGO_REGISTRIES_FEED_TOKEN": token, "MARKER": dir, "NEEDLES": filepath.Join(dir, "needles")}
	said := cargos(t, dir, env, tagboat, "run", "--", "cargo", "build")
	if !strings.Contains(said, "no token in ") {
		t.Errorf("the spy says nothing:\n%s", said)
	}
	for _, args := range [][]string{{"search", "--registry", "feed", "hyperlight-host"}, {"info", "--registry", "feed", "hyperlight-host"}} {
		said := cargos(t, dir, env, tagboat, append([]string{"run", "--", "cargo"}, args...)...)
		if !strings.Contains(said, "0.4.0") {
			t.Errorf("cargo %q: %s", args, said)
		}
	}
}

// A person logs in once, and cargo has the token by its own means.
func TestLogin(t *testing.T) {
	index := server.organisation(t, "harbour")
	dir, home := t.TempDir(), t.TempDir()
	env := map[string]string{"CARGO_HOME": home, "CARGO_REGISTRIES_FEED_INDEX": index}
	login := func(token string, want int) string {
		cmd := exec.CommandContext(t.Context(), tagboat, "login", "feed")
		cmd.Dir, cmd.Env, cmd.Stdin = dir, environment(t, env), strings.NewReader(token+"\n")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("login: exit code %d, want %d\n%s", got, want, out)
		}
		return string(out)
	}
	login("wrong", 2)
	if _, err := os.Stat(filepath.Join(home, "credentials.toml")); err == nil {
		t.Error("a wrong token was stored")
	}
	login(server.admin, 0)
	env["CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"] = "cargo:token"
	cargos(t, dir, env, "cargo", "search", "--registry", "feed", "x")
	stored, err := os.ReadFile(filepath.Join(home, "credentials.toml"))
	if err != nil || !strings.Contains(string(stored), fmt.Sprintf("token = %q", "Bearer "+server.admin)) {
		t.Errorf("cargo stored no such token: %v", err)
	}
	cargos(t, dir, env, tagboat, "logout", "feed")
	if stored, _ := os.ReadFile(filepath.Join(home, "credentials.toml")); strings.Contains(string(stored), server.admin) {
		t.Error("the token is still there")
	}
}

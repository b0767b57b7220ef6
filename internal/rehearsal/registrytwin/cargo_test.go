package registrytwin

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/secret"
)

// laboratory is a folder with a workspace and a consumer, and a cargo of its own that knows one registry, "twin".
type laboratory struct {
	dir   string
	env   []string
	cargo string
	args  []string // before every subcommand
}

func newLaboratory(t *testing.T, url, registry string, args ...string) *laboratory {
	t.Helper()
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		t.Fatalf("the twin is proven with the real cargo: %v", err)
	}
	l := &laboratory{dir: t.TempDir(), cargo: cargo, args: args}
	files, err := txtar.ParseFile("testdata/workspace.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files.Files {
		name := filepath.Join(l.dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.ReplaceAll(f.Data, []byte(" REGISTRY"), []byte(registry)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"} {
		if v, ok := os.LookupEnv(name); ok {
			l.env = append(l.env, name+"="+v)
		}
	}
	l.env = append(l.env,
		"CARGO_HOME="+filepath.Join(l.dir, "cargo-home"),
		"CARGO_TERM_COLOR=never",
		"CARGO_REGISTRIES_TWIN_INDEX=sparse+"+url+"/index/",
		"CARGO_REGISTRIES_TWIN_TOKEN=Bearer good",
		"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS=cargo:token")
	return l
}

func (l *laboratory) run(t *testing.T, folder string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.cargo, append(l.args[:len(l.args):len(l.args)], args...)...)
	cmd.Dir, cmd.Env = filepath.Join(l.dir, folder), l.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cargo %s in %s: %v\n%s", strings.Join(args, " "), folder, err, out)
	}
	return string(out)
}

// TestCargo has the real cargo publish to a twin and build from it.
func TestCargo(t *testing.T) {
	for name, test := range map[string]struct {
		config   Config
		registry string   // what the manifests say of the registry
		args     []string // how cargo finds it otherwise
		locked   string   // what the consumer's lock file says of the source
	}{
		"alias": {
			config:   Config{Manners: Lenient, AuthRequired: true, Warnings: []string{"a word from the twin"}},
			registry: `, registry = "twin"`,
			locked:   "sparse+URL/index/",
		},
		"source replacement": {
			config: Config{Manners: CratesIO, Lag: 100 * time.Millisecond, Dir: "crates"},
			args:   []string{"--config", `source.crates-io.replace-with="twin"`},
			locked: "registry+https://github.com/rust-lang/crates.io-index",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.config.Tokens = []Token{{Label: "ci", Value: secret.New("good"), Scope: Publish}}
			if test.config.Dir != "" {
				test.config.Dir = t.TempDir()
			}
			twin := New(test.config)
			server := httptest.NewServer(twin.Handler())
			t.Cleanup(server.Close)
			l := newLaboratory(t, server.URL, test.registry, test.args...)

			said := l.run(t, "lab", "publish", "--workspace", "--registry", "twin", "--no-verify", "--allow-dirty")
			for _, w := range test.config.Warnings {
				if !strings.Contains(said, "warning: "+w) {
					t.Errorf("cargo does not show the warning %q:\n%s", w, said)
				}
			}
			var order []string
			for _, u := range twin.Accepted() {
				order = append(order, u.Name+" "+u.Version+" "+u.Token)
			}
			if got := strings.Join(order, ", "); got != "lab-base 0.1.0 ci, lab-top 0.1.0 ci" {
				t.Errorf("accepted %s", got)
			}
			if said := l.run(t, "consumer", "run", "--quiet"); said != "hello, world\n" {
				t.Errorf("the consumer says %q", said)
			}
			lock, err := os.ReadFile(filepath.Join(l.dir, "consumer", "Cargo.lock"))
			if err != nil {
				t.Fatal(err)
			}
			want := `source = "` + strings.ReplaceAll(test.locked, "URL", server.URL) + "\"\nchecksum = \"" + twin.Accepted()[0].SHA256 + `"`
			if !strings.Contains(string(lock), want) {
				t.Errorf("the lock file does not say %s:\n%s", want, lock)
			}
		})
	}
}

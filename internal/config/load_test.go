package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
)

func TestMistakes(t *testing.T) {
	path := filepath.Join("testdata", "mistakes.txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], &archive.Files[i+1]
		name := strings.TrimSuffix(in.Name, ".toml")
		if want.Name != name+".want" {
			t.Fatalf("%s is followed by %s", in.Name, want.Name)
		}
		t.Run(name, func(t *testing.T) {
			_, _, err := config.Load(in.Data, config.File)
			got := problems(t, err)
			if *update {
				want.Data = []byte(got)
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("-want +got; go test ./internal/config -update writes it anew:\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// problems prints an error of Load and checks that every part of it is a problem of kind Usage.
func problems(t *testing.T, err error) string {
	t.Helper()
	var b strings.Builder
	if err != nil && problem.ExitCode(err) != problem.ExitUsage {
		t.Errorf("exit code %d, want %d", problem.ExitCode(err), problem.ExitUsage)
	}
	for _, p := range problem.All(err) {
		if strings.Contains(p.Error(), "hunter22") {
			t.Errorf("the problem shows a secret: %v", p)
		}
		b.WriteString(p.Error())
		if p.Hint != "" {
			b.WriteString(" -> " + p.Hint)
		}
		b.WriteString("\n")
	}
	if err != nil && b.Len() == 0 {
		t.Errorf("%v is no problem.Error", err)
	}
	return b.String()
}

func TestLoadDefault(t *testing.T) {
	for _, content := range []string{"", "\n# nothing\n", "\ufeff# with a byte order mark\n", "[package]\r\n"} {
		c, origins, err := config.Load([]byte(content), config.File)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(config.Default(), c); diff != "" {
			t.Errorf("%q: -default +got:\n%s", content, diff)
		}
		for _, s := range config.Settings(c, origins) {
			if s.Origin.Source != config.FromDefault {
				t.Errorf("%q: %s comes from %s", content, s.Key, s.Origin)
			}
		}
	}
}

const full = `# comment
[tags]
template = "{crate}-v{version}"
two_part = true

[registries.crates-io]
token_env = "MY_TOKEN"
new_versions.burst = 10

[registries.feed]
index = "sparse+https://pkgs.dev.azure.com/x/_packaging/y/Cargo/index/"
kind = "azure"

[registries.mirror]
index = "sparse+http://127.0.0.1:3333/"
new_crates = { burst = 2, every = "90s" }
max_size = 1048576

[package]
exclude = [
  "*-testing",
  "fuzz",
]
all_features = true
[package.env]
PKG_CONFIG_PATH = "/opt"
"RUSTFLAGS" = "-C debuginfo=0"

[workflow]
run_timeout = "90m"

[rules.changelog]
relax = true
reason = "by hand"
`

func TestLoadFull(t *testing.T) {
	got, origins, err := config.Load([]byte(full), config.File)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Tags = config.Tags{Template: "{crate}-v{version}", TwoPart: true}
	crates := want.Registries["crates-io"]
	crates.TokenEnv, crates.NewVersions.Burst = "MY_TOKEN", 10
	want.Registries = map[string]config.Registry{
		"crates-io": crates,
		"feed":      {Index: "sparse+https://pkgs.dev.azure.com/x/_packaging/y/Cargo/index/", Kind: "azure", Login: "auto", Wait: "index", MaxSize: 500 << 20},
		"mirror": {Index: "sparse+http://127.0.0.1:3333/", Kind: "generic", Login: "auto", Wait: "index", MaxSize: 1 << 20,
			NewCrates: config.Bucket{Burst: 2, Every: config.Duration(90 * time.Second)}},
	}
	want.Package.Exclude = []string{"*-testing", "fuzz"}
	want.Package.Env = map[string]string{"PKG_CONFIG_PATH": "/opt", "RUSTFLAGS": "-C debuginfo=0"}
	want.Package.AllFeatures = true
	want.Workflow.RunTimeout = config.Duration(90 * time.Minute)
	want.Rules = map[string]config.Relax{"changelog": {Relax: true, Reason: "by hand"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var lines []string
	for _, s := range config.Settings(got, origins) {
		if s.Origin.Source == config.FromFile {
			lines = append(lines, fmt.Sprintf("%s %v = %v", s.Origin, s.Key, s.Value))
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return lineOf(a) - lineOf(b) })
	wantLines := `tagboat.toml:3 tags.template = {crate}-v{version}
tagboat.toml:4 tags.two_part = true
tagboat.toml:7 registries.crates-io.token_env = MY_TOKEN
tagboat.toml:8 registries.crates-io.new_versions.burst = 10
tagboat.toml:11 registries.feed.index = sparse+https://pkgs.dev.azure.com/x/_packaging/y/Cargo/index/
tagboat.toml:12 registries.feed.kind = azure
tagboat.toml:15 registries.mirror.index = sparse+http://127.0.0.1:3333/
tagboat.toml:16 registries.mirror.new_crates.burst = 2
tagboat.toml:16 registries.mirror.new_crates.every = 1m30s
tagboat.toml:17 registries.mirror.max_size = 1 MiB
tagboat.toml:20 package.exclude = [*-testing fuzz]
tagboat.toml:24 package.all_features = true
tagboat.toml:26 package.env.PKG_CONFIG_PATH = /opt
tagboat.toml:27 package.env.RUSTFLAGS = -C debuginfo=0
tagboat.toml:30 workflow.run_timeout = 1h30m
tagboat.toml:33 rules.changelog.relax = true
tagboat.toml:34 rules.changelog.reason = by hand`
	if diff := cmp.Diff(wantLines, strings.Join(lines, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func lineOf(s string) (line int) {
	fmt.Sscanf(s, "tagboat.toml:%d", &line)
	return line
}

func TestLoadDoesNotShareState(t *testing.T) {
	first, _, err := config.Load([]byte(full), config.File)
	if err != nil {
		t.Fatal(err)
	}
	first.Registries["x"] = config.Registry{}
	if len(config.Default().Registries) != 1 {
		t.Error("a loaded configuration shares its maps with the defaults")
	}
}

func TestLoadOversized(t *testing.T) {
	_, _, err := config.Load([]byte(strings.Repeat("#", config.MaxSize+1)), config.File)
	if want := "tagboat.toml: the configuration is larger than 1 MiB: it has 1048577 bytes"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, _, err := config.Load([]byte(strings.Repeat("#", config.MaxSize)), config.File); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	c, origins, err := config.Load([]byte(full), config.File)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again config.Config
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if _, err := json.Marshal(config.Settings(c, origins)); err != nil {
		t.Error(err)
	}
}

func TestSet(t *testing.T) {
	flag := func(name string) config.Origin { return config.Origin{Source: config.FromFlag, Name: name} }
	c, origins, err := config.Load([]byte(full), config.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ key, value string }{
		{"package.verify", "false"},
		{"package.features", "a, b"},
		{"package.mounts", ""},
		{"workflow.run_timeout", "5h"},
		{"pace.uploads", "2"},
		{"registries.feed.max_size", "3 MiB"},
		{"registries.feed.new_crates.every", "10s"},
		{"package.env.NEW", "x=y, z"},
		{`package.env."a"`, ""}, // refused: not the plain spelling
		{"rules.blockers.reason", "why not"},
	} {
		err := config.Set(&c, origins, tt.key, tt.value, flag("--set"))
		if refused := strings.Contains(tt.key, `"`); (err != nil) != refused {
			t.Errorf("%s: %v", tt.key, err)
		}
	}
	feed := c.Registries["feed"]
	switch {
	case c.Package.Verify, !slices.Equal(c.Package.Features, []string{"a", "b"}), len(c.Package.Mounts) != 0,
		c.Workflow.RunTimeout.Std() != 5*time.Hour, c.Pace.Uploads != 2, feed.MaxSize != 3<<20, feed.Kind != "azure",
		feed.NewCrates.Every.Std() != 10*time.Second, c.Package.Env["NEW"] != "x=y, z", c.Rules["blockers"].Reason != "why not":
		t.Errorf("got %+v", c)
	}
	if got := origins.Of("package.verify").String(); got != "flag --set" {
		t.Errorf("origin of package.verify: got %s", got)
	}
	if got := origins.Of("package.features").Source; got != config.FromFlag {
		t.Errorf("origin of package.features: got %s", got)
	}
}

func TestSetErrors(t *testing.T) {
	from := config.Origin{Source: config.FromEnvironment, Name: "TAGBOAT_SET"}
	for _, tt := range []struct{ key, value, want, hint string }{
		{"package.verfy", "true", "environment TAGBOAT_SET: unknown key package.verfy", "did you mean package.verify?"},
		{"package.verify", "yes", `environment TAGBOAT_SET: package.verify has a wrong value: got "yes", want true or false`, ""},
		{"pace.uploads", "many", `environment TAGBOAT_SET: pace.uploads has a wrong value: got "many", want a whole number`, ""},
		{"pace.uploads", "99", "environment TAGBOAT_SET: pace.uploads has a wrong value: got 99, want 1 to 64", ""},
		{"pace", "x", "environment TAGBOAT_SET: pace has a wrong value: it is a table", ""},
		{"package.publisher", "corgo", `environment TAGBOAT_SET: package.publisher has a wrong value: got "corgo", want "tagboat" or "cargo"`, "did you mean cargo?"},
		{"workflow.run_timeout", "x", `environment TAGBOAT_SET: workflow.run_timeout has a wrong value: "x" is no duration; write one like "90s", "10m" or "6h"`, ""},
		{"a b", "x", `environment TAGBOAT_SET: "a b" is no key`, ""},
		{"", "x", `environment TAGBOAT_SET: "" is no key`, ""},
		{"x\ny", "x", `environment TAGBOAT_SET: "x\ny" is no key`, ""},
		{"rules.tag-version.relax", "true", "environment TAGBOAT_SET: the rule tag-version cannot be relaxed", "The tag and the versions of the crates it releases are the same."},
	} {
		c := config.Default()
		err := config.Set(&c, config.Origins{}, tt.key, tt.value, from)
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Usage || !strings.HasPrefix(p.Error(), tt.want) || p.Hint != tt.hint {
			t.Errorf("%s = %s: got %v, hint %q, want %s, hint %q", tt.key, tt.value, err, p.Hint, tt.want, tt.hint)
		}
		if diff := cmp.Diff(config.Default(), c); diff != "" {
			t.Errorf("%s = %s changes the configuration although it fails:\n%s", tt.key, tt.value, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*-testing", "core-testing", true},
		{"core", "core", true},
		{"core", "core2", false},
		{"dist/*.tar.gz", "dist/a.tar.gz", true},
		{"dist/*.tar.gz", "dist/x/a.tar.gz", false},
		{"dist/**/*.gz", "dist/a.gz", true},
		{"dist/**/*.gz", "dist/x/y/a.gz", true},
		{"**", "a/b", true},
		{"**/a", "a", true},
		{"dist/**", "dist", true},
		{"dist/?", "dist/ab", false},
		{"[", "[", false},
	} {
		if got := config.Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %t", tt.pattern, tt.name, got)
		}
	}
}

func TestScalars(t *testing.T) {
	for in, want := range map[string]string{"90s": "1m30s", "60m": "1h", "6h0m0s": "6h", "0s": "0s", "1h0m10s": "1h0m10s", "10m": "10m", "20s": "20s", "100h": "100h"} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || d.String() != want {
			t.Errorf("duration %s: got %s, %v, want %s", in, d, err, want)
		}
	}
	for in, want := range map[string]string{"10 MiB": "10 MiB", "10485760": "10 MiB", "1GB": "1000000000", "1023 B": "1023", "2048": "2 KiB", "0": "0"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s.String() != want {
			t.Errorf("size %s: got %s, %v, want %s", in, s, err, want)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "1.5 MiB", "9999999999 GiB", "1 TiB"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("size %q is %s, want an error", bad, s)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	archive, err := txtar.ParseFile(filepath.Join("testdata", "mistakes.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c, origins, err := config.Load(content, config.File)
		if err != nil {
			for _, p := range problem.All(err) {
				if p.Line < 0 || p.Kind != problem.Usage {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		text, err := json.Marshal(c)
		var again config.Config
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || !cmp.Equal(c, again) {
			t.Errorf("%s does not survive JSON: %v", text, err)
		}
		config.Settings(c, origins)
	})
}

package cargo_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// TestLoadOfStrangeAnswers gives Load what a replaced cargo could print.
func TestLoadOfStrangeAnswers(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Cargo.toml"), []byte("[package]\nname = 'a'\n"))
	root := fmt.Sprintf(`{"workspace_root": %q, "packages": [{"name": "a", "version": "1.0.0", "manifest_path": `, dir)
	for name, answer := range map[string]string{
		"nothing":       "",
		"notJSON":       "Hello",
		"otherType":     `{"packages": 7}`,
		"noRoot":        `{}`,
		"absentRoot":    `{"workspace_root": "/absent/folder"}`,
		"absentFile":    root + fmt.Sprintf(`%q}]}`, filepath.Join(dir, "b", "Cargo.toml")),
		"fileElsewhere": root + `"/etc/hostname"}]}`,
		"relativeFile":  root + `"../../etc/hostname"}]}`,
		"large":         strings.Repeat(" ", 64<<20) + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			run := func(context.Context, string, ...string) ([]byte, error) { return []byte(answer), nil }
			if w, err := cargo.Load(t.Context(), run, dir); err == nil {
				t.Errorf("loaded %+v", w)
			}
		})
	}
}

func TestLoadKeepsFaultsApart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	run := func(context.Context, string, ...string) ([]byte, error) {
		return nil, errors.New("error: no such command")
	}
	if _, err := cargo.Load(ctx, run, t.TempDir()); problem.ExitCode(err) != problem.ExitStopped {
		t.Errorf("got %v, want a problem that stops: cargo spoke", err)
	}
	cancel()
	if _, err := cargo.Load(ctx, run, t.TempDir()); problem.ExitCode(err) != problem.ExitFailed {
		t.Errorf("got %v, want a fault: the run was cut off", err)
	}
	if _, err := cargo.Load(t.Context(), run, filepath.Join(t.TempDir(), "absent")); problem.ExitCode(err) != problem.ExitFailed {
		t.Errorf("got %v, want a fault: the folder is absent", err)
	}
}

func TestToolchain(t *testing.T) {
	for version, want := range map[string]string{
		"cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n": "",
		"cargo 1.90.0":                          "",
		"cargo 1.97.0-nightly (abc 2026-05-30)": "",
		"cargo 1.97.1 (abc 2026-07-20)":         "",
		"cargo 2.0.0":                           "",
		"cargo 1.96.0 (abc 2026-05-28)":         "1.97",
		"cargo 1.96.2-beta.1 (abc 2026-05-28)":  "1.97",
		"cargo 1.89.0 (c24e10642 2025-06-23)":   "1.90",
		"cargo 1.74.1 (ecb9851af 2023-10-18)":   "1.90",
	} {
		v, err := cargo.ParseCargoVersion(version)
		if err != nil {
			t.Error(err)
			continue
		}
		p := cargo.ToolchainProblem(v)
		if (p == nil) != (want == "") || p != nil && !strings.Contains(p.Detail+p.Hint, want) {
			t.Errorf("%s: got %v, want a problem with %q", version, p, want)
		}
	}
	for _, text := range []string{"", "cargo", "rustc 1.95.0", "cargo one", "error: toolchain 'x' is not installed"} {
		if v, err := cargo.ParseCargoVersion(text); err == nil || v != (semver.Version{}) {
			t.Errorf("%q was read as %v", text, v)
		}
	}
}

// TestLimits covers what no readable case file could hold.
func TestLimits(t *testing.T) {
	p := crate("large")
	p.License, p.Description = "MIT", strings.Repeat("ü", 1000)
	p.Features = map[string][]string{}
	for i := range 300 {
		p.Features[fmt.Sprint("f", i)] = nil
		p.Features[fmt.Sprint("o", i)] = []string{fmt.Sprint("dep:o", i)}
	}
	for i := range 500 {
		p.Dependencies = append(p.Dependencies,
			cargo.Dependency{Name: fmt.Sprint("d", i), Kind: "normal", Req: "^1", HasVersion: true},
			cargo.Dependency{Name: fmt.Sprint("dev", i), Kind: "dev", Req: "*"})
	}
	w := &cargo.Workspace{Members: []cargo.Package{p}}
	if got := findings(cargo.Lint(w, nil)); got != "" {
		t.Errorf("at the limits:\n%s", got)
	}
	w.Members[0].Description += "!"
	w.Members[0].Features["f300"] = nil
	w.Members[0].Dependencies = append(p.Dependencies, cargo.Dependency{Name: "d500", Kind: "build", Req: "^1", HasVersion: true})
	if got := cargo.Lint(w, nil); len(got) != 3 {
		t.Errorf("over three limits:\n%s", findings(got))
	}
}

package deny

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tagboat/tagboat/internal/acceptance/cargodeny"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/rehearsal/sample"
)

func TestMain(m *testing.M) {
	zone.Main() // a child of the build zone does not come back from here
	if filepath.Base(os.Args[0]) == program {
		cargodeny.Main()
	}
	os.Exit(m.Run())
}

// asker is one that finds the stand-in, with settings in its folder; DB in them is a database that git can clone.
func asker(t *testing.T, settings string) Asker {
	t.Helper()
	a := Asker{Path: t.TempDir(), Dir: t.TempDir(), Scratch: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(a.Path, program)); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(a.Dir, "deny.toml"), strings.ReplaceAll(settings, "DB", database(t)))
	return a
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func entry(id, of, informational string) string {
	lines := "id = \"" + id + "\"\npackage = \"" + of + "\"\n"
	if informational != "" {
		lines += "informational = \"" + informational + "\"\n"
	}
	return "```toml\n[advisory]\n" + lines + "\n[versions]\npatched = [\">= 0.3.0\"]\n```\n\n# About " + of + "\n"
}

// database serves advisories by git over HTTP.
func database(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "crates", "time", "RUSTSEC-2020-0071.md"), entry("RUSTSEC-2020-0071", "time", ""))
	put(t, filepath.Join(dir, "crates", "old", "RUSTSEC-2020-0002.md"), entry("RUSTSEC-2020-0002", "old", "unmaintained"))
	put(t, filepath.Join(dir, "crates", "loose", "RUSTSEC-2020-0003.md"), entry("RUSTSEC-2020-0003", "loose", "unsound"))
	work := filepath.Join(t.TempDir(), "work")
	if err := sample.Stage(t.Context(), dir, work); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "db.git")
	bare, err := gitstore.InitBare(t.Context(), at, "main")
	if err == nil {
		err = sample.Git(t.Context(), work, "push", "-q", at, "HEAD:main")
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bare.ServeGit(w, r, strings.TrimPrefix(r.URL.Path, "/db.git"), "")
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/db.git"
}

var crates = []redist.Crate{
	{Name: "time", Version: "0.2.7", Direct: true}, {Name: "time", Version: "0.3.0"}, {Name: "old", Version: "0.1.0"},
	{Name: "loose", Version: "0.1.0", Direct: true}, {Name: "loose", Version: "0.2.0-rc.1+x"}, {Name: "fine-one", Version: "1.0.0"},
}

func TestAsk(t *testing.T) {
	t.Setenv("SOME_TOKEN", "canary")
	no := "No safe upgrade is available!"
	time := redist.Advisory{ID: "RUSTSEC-2020-0071", Package: "time", Denied: "0.2.7", Title: "About time", Cure: no}
	old := redist.Advisory{ID: "RUSTSEC-2020-0002", Package: "old", Denied: "0.1.0", Title: "About old", Informational: "unmaintained", Cure: no}
	loose := redist.Advisory{ID: "RUSTSEC-2020-0003", Package: "loose", Denied: "0.1.0", Title: "About loose", Informational: "unsound", Cure: no}
	pre := loose
	pre.Denied = "0.2.0-rc.1+x"
	for name, c := range map[string]struct {
		settings, source string
		want             []redist.Advisory
	}{
		"as it is":              {"", CratesIO, []redist.Advisory{loose, old, time}},
		"unsound everywhere":    {"unsound = \"all\"\n", CratesIO, []redist.Advisory{loose, pre, old, time}},
		"unmaintained nowhere":  {"unmaintained = \"none\"\n", CratesIO, []redist.Advisory{loose, time}},
		"unmaintained directly": {"unmaintained = \"workspace\"\n", CratesIO, []redist.Advisory{loose, time}},
		"unmaintained below":    {"unmaintained = \"transitive\"\n", CratesIO, []redist.Advisory{loose, old, time}},
		"ignored":               {"ignore = [\"RUSTSEC-2020-0071\", { id = \"RUSTSEC-2020-0003\", reason = \"r\" }]\nunused-ignored-advisory = \"deny\"\n", CratesIO, []redist.Advisory{old}},
		"ignored for nothing":   {"ignore = [\"RUSTSEC-2020-0009\"]\nunused-ignored-advisory = \"deny\"\n", CratesIO, []redist.Advisory{loose, old, time}},
		"unpublished":           {"\n[graph]\nexclude-unpublished = true\ntargets = [\"x86_64-unknown-linux-gnu\"]\n", CratesIO, []redist.Advisory{loose, old, time}},
		"from elsewhere":        {"", "sparse+https://feed.example.com/index/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := asker(t, "[advisories]\ndb-urls = [\"DB\"]\n"+c.settings)
			got, err := a.Ask(t.Context(), c.source, crates)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(redist.Advisory{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The names that cargo-deny looks for in a folder hold, and those in folders above do not.
func TestSettings(t *testing.T) {
	for _, name := range []string{".deny.toml", ".cargo/deny.toml"} {
		a := asker(t, "")
		text := "[advisories]\ndb-urls = [\"" + database(t) + "\"]\nignore = [\"RUSTSEC-2020-0071\", \"RUSTSEC-2020-0002\", \"RUSTSEC-2020-0003\"]\n"
		put(t, filepath.Join(a.Dir, name), text)
		if err := os.Remove(filepath.Join(a.Dir, "deny.toml")); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Ask(t.Context(), CratesIO, crates); err != nil || len(got) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		below := filepath.Join(a.Dir, "below")
		put(t, filepath.Join(below, "x"), "")
		if text, err := (Asker{Dir: below}).settings(); err != nil || text != nil {
			t.Errorf("settings from above: %q, %v", text, err)
		}
	}
}

// Nothing but a whole verdict passes.
func TestNoVerdict(t *testing.T) {
	fails := func(t *testing.T, a Asker, want string) {
		t.Helper()
		got, err := a.Ask(context.Background(), CratesIO, crates)
		var p *problem.Error
		if !errors.As(err, &p) || !strings.Contains(p.Summary+"\n"+p.Detail, want) || got != nil {
			t.Errorf("got %+v, %v; want %q", got, err, want)
		}
	}
	missing := asker(t, "")
	missing.Path = t.TempDir()
	fails(t, missing, "cargo-deny is not installed")
	fails(t, asker(t, "[advisories]\ndb-urls = [\"DB.not\"]\n"), "failed to clone")
	fails(t, asker(t, "[advisories]\ndb-url = [\"DB\"]\n"), "failed to deserialize config")
	for said, want := range map[string]string{
		"exit 0":                           "it ended without a summary",
		"echo 'thread panicked'; exit 101": "thread panicked",
		"echo 'error: unexpected argument' >&2; exit 2":                                                                                       "exit code 2\nerror: unexpected argument",
		`echo '{"type":"summary","fields":{"advisories":{"errors":1}}}'; exit 1`:                                                              "it told 0 advisories and counts 1",
		`echo '{"type":"summary","fields":{"advisories":{"errors":0}}}'; exit 1`:                                                              "exit code 1",
		`echo '{"type":"summary","fields":{"bans":{"errors":0}}}'`:                                                                            "it ended without a summary",
		`echo '{"type":"diagnostic","fields":{"severity":"error","code":"index-cache-load-failure","message":"failed to load index cache"}}'`: "index-cache-load-failure failed to load index cache",
		`echo '{"type":"diagnostic","fields":{"severity":"error","code":"vulnerability","graphs":[{"Krate":{"name":"other","version":"1.0.0"}}],"advisory":{"id":"X"}}}'; echo '{"type":"summary","fields":{"advisories":{"errors":1}}}'; exit 1`: "exit code 1\nvulnerability",
	} {
		a := asker(t, "")
		file := filepath.Join(a.Path, program)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+said+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		fails(t, a, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := asker(t, "").Ask(ctx, CratesIO, crates); err == nil {
		t.Errorf("stopped: %+v", got)
	}
}

// The stand-in takes no document that the real one would not, and no flag in another place: else the tests above say
// nothing.
func TestStandIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Cargo.toml", "deny.toml"} {
		put(t, filepath.Join(dir, name), "")
	}
	good := string(metadata(dir, CratesIO, crates))
	for name, c := range map[string]struct {
		document string
		code     int
	}{
		"no graph":       {strings.Replace(good, `"resolve":`, `"resolved":`, 1), 1},
		"no targets":     {strings.Replace(good, `"targets":[],`, "", 1), 1},
		"no features":    {strings.Replace(good, `"uses_default_features":false,`, "", 1), 1},
		"no such node":   {strings.Replace(good, `"nodes":[{"id":"`, `"nodes":[{"id":"x`, 1), 101},
		"other version":  {strings.Replace(good, `"req":"=0.2.7"`, `"req":"=0.2.8"`, 1), 101},
		"no declaration": {strings.Replace(good, `"name":"fine-one","source"`, `"name":"fine","source"`, 1), 101},
	} {
		put(t, filepath.Join(dir, "metadata.json"), c.document)
		if code, said := direct(t, arguments(dir)...); code != c.code || c.document == good {
			t.Errorf("%s: exit code %d, want %d\n%s", name, code, c.code, said)
		}
	}
	old := append([]string{"check", "--metadata-path", filepath.Join(dir, "metadata.json")}, arguments(dir)[:6]...)
	if code, said := direct(t, old...); code != 2 {
		t.Errorf("flags after check: exit code %d\n%s", code, said)
	}
}

// direct runs the stand-in where it is.
func direct(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(asker(t, "").Path, program), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(said)
}

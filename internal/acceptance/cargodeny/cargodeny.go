// Package cargodeny stands in for cargo-deny 0.20.2 in tests, as far as `check advisories` with --metadata-path and JSON
// goes: the flags that it takes and where, the settings and the document that it refuses, the packages that it reaches,
// the database that it clones, what it says on standard error, and its exit codes.
//
// https://github.com/EmbarkStudios/cargo-deny/blob/0.20.2/src/cargo-deny/main.rs,
// https://github.com/EmbarkStudios/cargo-deny/blob/0.20.2/src/cargo-deny/check.rs,
// https://github.com/EmbarkStudios/cargo-deny/blob/0.20.2/src/advisories.rs and
// https://github.com/EmbarkStudios/krates/blob/0.21.2/src/builder.rs
package cargodeny

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/redist"
)

// Main is the program.
func Main() {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.Contains(name, "TOKEN") {
			say("log", map[string]any{"level": "ERROR", "message": "this is for tests alone: " + name + " is in my environment"})
			os.Exit(70)
		}
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n\nFor more information, try '--help'.\n", err)
		os.Exit(2)
	}
	counts, err := check(o)
	if err != nil {
		say("log", map[string]any{"level": "ERROR", "message": err.Error()})
		os.Exit(1)
	}
	say("summary", map[string]any{"advisories": map[string]int{"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"], "helps": 0}})
	if counts["error"] > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

func say(kind string, fields map[string]any) {
	text, err := json.Marshal(map[string]any{"type": kind, "fields": fields})
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "%s\n", text)
}

type options struct {
	manifest, metadata, config string
	level                      string
	allowed                    []string
}

var levels = []string{"error", "warning", "note"} // of diagnostics

// parse takes the flags of the root before the subcommand only, and its own after it only.
func parse(args []string) (o options, err error) {
	o.level = "warn"
	format, sub := "human", false
	root := map[string]*string{"--format": &format, "--log-level": &o.level, "--manifest-path": &o.manifest, "--metadata-path": &o.metadata, "--config": &o.config}
	var which []string
	for i := 0; i < len(args); i++ {
		value := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			err = fmt.Errorf("a value is required for '%s' but none was supplied", args[i-1])
			return ""
		}
		switch at := root[args[i]]; {
		case !sub && at != nil:
			*at = value()
		case !sub && args[i] == "check":
			sub = true
		case sub && (args[i] == "--allow" || args[i] == "-A"):
			o.allowed = append(o.allowed, value())
		case sub && slices.Contains([]string{"advisories", "bans", "licenses", "sources", "all"}, args[i]):
			which = append(which, args[i])
		default:
			return o, fmt.Errorf("unexpected argument '%s' found", args[i])
		}
	}
	codes := []string{"vulnerability", "notice", "unmaintained", "unsound", "yanked", "advisory-ignored", "yanked-ignored", "index-failure", "index-cache-load-failure", "advisory-not-detected", "yanked-not-detected", "unknown-advisory"}
	for _, code := range o.allowed {
		if !slices.Contains(codes, code) {
			return o, fmt.Errorf("invalid value '%s' for '--allow <ALLOW>'", code)
		}
	}
	switch {
	case err != nil:
	case !sub:
		err = fmt.Errorf("'cargo-deny' requires a subcommand but one was not provided")
	case !slices.Contains([]string{"off", "error", "warn", "info"}, o.level):
		err = fmt.Errorf("invalid value '%s' for '--log-level <LOG_LEVEL>'", o.level)
	case format != "json" || o.metadata == "" || !slices.Equal(which, []string{"advisories"}):
		err = fmt.Errorf("this stands in for check advisories of a metadata document, told in JSON")
	}
	return o, err
}

// check returns how many diagnostics of each severity there were.
func check(o options) (map[string]int, error) {
	manifest := cmp.Or(o.manifest, "Cargo.toml")
	if info, err := os.Stat(manifest); err != nil || filepath.Base(manifest) != "Cargo.toml" || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--manifest-path must point to a Cargo.toml file")
	}
	s, err := loadSettings(o.config, filepath.Dir(manifest))
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command(cmp.Or(os.Getenv("CARGO"), "cargo"), "fetch", "--manifest-path", manifest).CombinedOutput(); err != nil {
		say("log", map[string]any{"level": "ERROR", "message": "failed to fetch crates: " + string(out)})
	}
	text, err := os.ReadFile(o.metadata)
	if err != nil {
		return nil, fmt.Errorf("failed to read metadata JSON from %s: %w", o.metadata, err)
	}
	g, err := readGraph(text, s.Graph.Exclude)
	if err != nil {
		return nil, fmt.Errorf("failed to deserialize metadata JSON from %s: %w", o.metadata, err)
	}
	advisories, err := s.databases()
	if err != nil {
		return nil, err
	}
	p := printer{o: o, counts: map[string]int{}}
	p.judge(s, g, advisories)
	return p.counts, nil
}

// databases clones every database and reads it.
func (s settings) databases() ([]redist.Advisory, error) {
	home := cmp.Or(os.Getenv("CARGO_HOME"), filepath.Join(os.Getenv("HOME"), ".cargo"))
	root := cmp.Or(s.Advisories.Path, filepath.Join(home, "advisory-dbs"))
	var out []redist.Advisory
	urls := s.Advisories.URLs
	if len(urls) == 0 {
		urls = []string{"https://github.com/RustSec/advisory-db"}
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
			return nil, fmt.Errorf("failed to validate configuration file: advisory database url doesn't have a domain name")
		}
		hash := fnv.New64a() // it uses another one
		hash.Write([]byte(strings.ToLower(text)))
		dir := filepath.Join(root, fmt.Sprintf("%s-%016x", path.Base(u.Path), hash.Sum64()))
		if err := os.MkdirAll(root, 0o755); err != nil {
			return nil, fmt.Errorf("failed to create advisory database directory %s: %w", root, err)
		}
		if said, err := exec.Command("git", "clone", "--depth=1", "--branch", "main", text, dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("failed to fetch advisory database %s with cli: failed to clone: %s", text, said)
		}
		found, err := readDatabase(filepath.Join(dir, "crates"))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func readDatabase(dir string) (out []redist.Advisory, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("failed to load advisory database: failed to find expected `crates` directory")
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		a, err := redist.ParseAdvisory(string(text))
		if err != nil {
			return fmt.Errorf("failed to load advisory database: failed to parse advisory from '%s': %w", name, err)
		}
		out = append(out, a)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("failed to load any advisories in the database")
	}
	return out, err
}

type printer struct {
	o      options
	counts map[string]int
}

// diagnostic says one thing, at the severity that flags leave it.
func (p printer) diagnostic(severity, code, message string, more map[string]any) {
	if slices.Contains(p.o.allowed, code) {
		severity = "note"
	}
	p.counts[severity]++
	if least := map[string]int{"off": -1, "error": 0, "warn": 1, "info": 2}[p.o.level]; slices.Index(levels, severity) > least {
		return
	}
	fields := map[string]any{"severity": severity, "code": code, "message": message}
	for k, v := range more {
		fields[k] = v
	}
	say("diagnostic", fields)
}

func (p printer) judge(s settings, g graph, advisories []redist.Advisory) {
	hit := map[string]bool{}
	for _, id := range g.reached {
		k := g.packages[id]
		for _, a := range advisories {
			if k.Source != cratesIO || k.Name != a.Package || !a.Affects(k.Version) || !g.within(id, s.scope(a.Informational)) {
				continue
			}
			severity := "error"
			if s.ignores(a.ID) {
				severity, hit[a.ID] = "note", true
				p.diagnostic("note", "advisory-ignored", "advisory ignored", nil)
			}
			var kind any
			if a.Informational != "" {
				kind = a.Informational
			}
			p.diagnostic(severity, cmp.Or(a.Informational, "vulnerability"), a.Title, map[string]any{
				"labels":   []any{map[string]any{"message": "security vulnerability detected", "span": k.Name + " " + k.Version + " " + k.Source, "line": 1, "column": 1}},
				"graphs":   []any{g.inclusion(id)},
				"notes":    []string{"ID: " + a.ID, "Advisory: https://rustsec.org/advisories/" + a.ID, strings.Repeat("A long story. ", 2000), "Solution: No safe upgrade is available!"},
				"advisory": map[string]any{"id": a.ID, "package": a.Package, "title": a.Title, "informational": kind, "withdrawn": nil},
			})
		}
		if k.Source != "" { // its index was never fetched
			p.diagnostic("warning", "index-failure", "unable to check for yanked crates", map[string]any{"notes": []string{"unable to locate index entry for crate"}})
		}
	}
	for _, i := range s.Advisories.ignored {
		if !slices.ContainsFunc(advisories, func(a redist.Advisory) bool { return a.ID == i }) {
			p.diagnostic("warning", "unknown-advisory", "advisory not found in any advisory database", nil)
		}
		if !hit[i] {
			p.diagnostic(map[string]string{"": "warning", "warn": "warning", "deny": "error", "allow": "note"}[s.Advisories.Unused], "advisory-not-detected", "advisory was not encountered", nil)
		}
	}
}

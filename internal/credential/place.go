package credential

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
)

// Place is a folder that cargo is run in, with what names registries there.
type Place struct {
	Config    config.Config
	Indexes   map[string]string // registry -> index, without crates-io
	Own       map[string]bool   // registries whose index the user names too, not the repository alone
	Workspace *cargo.Workspace  // nil where there is none
	Unread    error             // why the workspace could not be read; its registries are known all the same
	// Diversions are what of the repository's configuration would let somebody else have a token that cargo is given:
	// a proxy or an authority of its choice, or another cargo in the place of the installed one.
	Diversions []string
}

// IndexVariable is where cargo looks for a registry's index before any file, and by which a workflow pins it.
// https://doc.rust-lang.org/cargo/reference/config.html#registriesnameindex
func IndexVariable(name string) string { return variable(name, "INDEX") }

// ProviderVariable is where cargo looks for a registry's credential provider before any file.
func ProviderVariable(name string) string {
	if name == cargo.CratesIO {
		return "CARGO_REGISTRY_CREDENTIAL_PROVIDER"
	}
	return variable(name, "CREDENTIAL_PROVIDER")
}

func variable(name, what string) string {
	return "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_" + what
}

// Look reads which registries are known in a folder: from tagboat.toml and .cargo/config.toml, which are the repository's,
// and from cargo's variables and the user's own configuration. Where they disagree about an index, the error says so:
// a repository must not lead a token elsewhere. env is the environment of the cargo that is asked for the crates; it
// holds no secret.
func Look(ctx context.Context, dir string, env map[string]string) (Place, error) {
	p := Place{Config: config.Default(), Indexes: map[string]string{}, Own: map[string]bool{}}
	text, err := os.ReadFile(filepath.Join(dir, config.File))
	switch {
	case err == nil:
		if p.Config, _, err = config.Load(text, config.File); err != nil {
			return p, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return p, &problem.Error{Kind: problem.Failed, Summary: "cannot read the configuration", Err: err}
	}
	env = maps.Clone(env)
	for _, r := range p.Config.Registries {
		delete(env, r.TokenEnv) // it may have any name
	}
	theirs, err := p.repository(ctx, dir, env)
	if err != nil {
		return p, err
	}
	users, err := userRegistries(env)
	if err != nil {
		return p, err
	}
	said := map[string]map[string]string{} // registry -> where -> index
	say := func(where string, all map[string]string) {
		for name, index := range all {
			if name == cargo.CratesIO || index == "" {
				continue
			}
			if said[name] == nil {
				said[name] = map[string]string{}
			}
			said[name][where] = index
		}
	}
	ours := map[string]string{}
	for name, r := range p.Config.Registries {
		ours[name] = r.Index
	}
	say(config.File, ours)
	say(".cargo/config.toml", theirs)
	say(inUsers, users)
	say(inEnvironment, pinned(env, said))
	for name, places := range said {
		p.Own[name] = places[inUsers] != "" || places[inEnvironment] != ""
	}
	return p, p.agree(said)
}

// The places that are the user's own, as people know them.
const (
	inUsers       = "your cargo configuration"
	inEnvironment = "the environment"
)

// agree takes each registry's index where all who name it say the same.
func (p Place) agree(said map[string]map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		var lines []string
		for _, where := range slices.Sorted(maps.Keys(said[name])) {
			index := said[name][where]
			lines = append(lines, fmt.Sprintf("%s: %s", where, index))
			if first := p.Indexes[name]; first == "" {
				p.Indexes[name] = index
			} else if !SameIndex(first, index) {
				p.Indexes[name] = "?"
			}
		}
		if p.Indexes[name] == "?" {
			return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("registry %s has several addresses; its token is sent to none of them", name),
				Detail: strings.Join(lines, "\n"), Hint: "write the same index in each of these places, or in one of them only"}
		}
	}
	return nil
}

// pinned are the registries whose index cargo's variables name. In a variable "-" and "_" are one, so a name that is known
// by then is taken as it is.
func pinned(env map[string]string, known map[string]map[string]string) map[string]string {
	out := map[string]string{}
	for key, index := range env {
		name, ok := strings.CutPrefix(strings.TrimSuffix(key, "_INDEX"), "CARGO_REGISTRIES_")
		if !ok || !strings.HasSuffix(key, "_INDEX") || index == "" {
			continue
		}
		name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		for k := range known {
			if IndexVariable(k) == key {
				name = k
			}
		}
		out[name] = index
	}
	return out
}

// repository reads what the repository around dir names, and asks cargo for its workspace where there is one.
func (p *Place) repository(ctx context.Context, dir string, env map[string]string) (map[string]string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	set, err := settings(abs, env)
	if err != nil {
		return nil, err
	}
	for _, way := range set.Ways {
		if env["CARGO_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(way.Key))] == "" {
			p.Diversions = append(p.Diversions, fmt.Sprintf("%s:%d: %s = %q", way.At.File, way.At.Line, way.Key, way.Value))
		}
	}
	for _, program := range set.Programs {
		if program.Key == "toolchain.path" && env["RUSTUP_TOOLCHAIN"] == "" {
			p.Diversions = append(p.Diversions, fmt.Sprintf("%s:%d: %s = %q", program.At.File, program.At.Line, program.Key, program.Value))
			return set.Registries, nil // that cargo is not asked anything
		}
	}
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "Cargo.toml")); err == nil {
			p.Workspace, p.Unread = cargo.Load(ctx, func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
				return Program{Dir: dir, Argv: argv, Env: env}.Output(ctx)
			}, dir)
			break
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	return set.Registries, nil
}

// settings are those of the folders from dir up to the top of its repository; without one, up to the user's home. The
// nearest wins. Cargo's home is the user's own wherever it lies.
func settings(dir string, env map[string]string) (manifest.Settings, error) {
	set := manifest.Settings{Registries: map[string]string{}, ReplacedBy: map[string]string{}}
	var found []string
	for at := dir; ; at = filepath.Dir(at) {
		if filepath.Join(at, ".cargo") != Home(env) {
			found = append(found, at)
		}
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil || filepath.Dir(at) == at || filepath.Dir(at) == env["HOME"] {
			break
		}
	}
	for i, at := range found {
		tree, err := manifest.Open(at)
		if errors.Is(err, fs.ErrPermission) {
			continue // cargo cannot read it either
		}
		if err != nil {
			return set, fmt.Errorf("look at %s: %w", at, err)
		}
		next, err := tree.Settings()
		tree.Close()
		if err != nil {
			return set, err
		}
		set.Fill(next.Under(strings.Repeat("../", i)))
	}
	return set, nil
}

// userRegistries are the registries of the configuration in cargo's home.
// https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure
func userRegistries(env map[string]string) (map[string]string, error) {
	home := Home(env)
	var doc struct {
		Registries map[string]struct {
			Index string `toml:"index"`
		} `toml:"registries"`
	}
	for _, name := range []string{"config", "config.toml"} {
		text, err := os.ReadFile(filepath.Join(home, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = toml.Unmarshal(text, &doc)
		}
		if err != nil {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "cannot read cargo's configuration", File: filepath.Join(home, name), Err: err}
		}
		break
	}
	out := map[string]string{}
	for name, r := range doc.Registries {
		out[name] = r.Index
	}
	return out, nil
}

// Home is cargo's home.
func Home(env map[string]string) string {
	if home := env["CARGO_HOME"]; home != "" {
		return home
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if env[name] != "" {
			return filepath.Join(env[name], ".cargo")
		}
	}
	return ".cargo"
}

// Crates are what the workspace publishes to a registry, name -> version.
func (p Place) Crates(registry string) map[string]string {
	out := map[string]string{}
	if p.Workspace != nil {
		for _, c := range p.Workspace.Publishable(registry) {
			out[c.Name] = c.Version
		}
	}
	return out
}

// Environment is what a cargo needs to ask this program for the tokens of the grants, and to take the index that each is
// for: env without what it must not have, session being the folder of the session.
func (g Grants) Environment(env map[string]string, program, session string) map[string]string {
	out := maps.Clone(env)
	maps.Copy(out, g.Variables(program, session))
	return out
}

// Variables are what Environment adds.
func (g Grants) Variables(program, session string) map[string]string {
	out := map[string]string{Variable: session}
	for _, grant := range g {
		if grant.Name != cargo.CratesIO {
			out[IndexVariable(grant.Name)] = grant.Index
		}
		out[ProviderVariable(grant.Name)] = program + " credential"
	}
	return out
}

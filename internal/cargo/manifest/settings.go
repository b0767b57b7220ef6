package manifest

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Settings is what a checkout tells cargo and rustup beside its manifests.
type Settings struct {
	Registries      map[string]string // alias -> index URL
	DefaultRegistry string            // [registry] default, "" = crates.io
	ReplacedBy      map[string]string // [source.X] replace-with, X -> name
	Programs        []Program
	Ways            []Program // keys that lead cargo's requests another way than the machine's own
	Toolchain       string    // rust-toolchain channel, "" when there is none
}

// Program is a place where a checkout makes cargo or rustup start a program or changes the environment of one.
type Program struct {
	Key   string // such as "build.rustc-wrapper" or "target.x86_64-unknown-linux-gnu.runner"
	Value string // as written, arrays joined by spaces
	At    Position
}

// Settings reads .cargo/config.toml, or its older name, and the rust-toolchain file of a tree.
func (t *Tree) Settings() (Settings, error) {
	s := Settings{Registries: map[string]string{}, ReplacedBy: map[string]string{}}
	if err := t.configuration(&s); err != nil {
		return Settings{}, err
	}
	if err := t.toolchain(&s); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// Under returns the settings with their places in a folder below them, up being the way from there, such as "..".
func (s Settings) Under(up string) Settings {
	s.Programs, s.Ways = slices.Clone(s.Programs), slices.Clone(s.Ways)
	for _, list := range [][]Program{s.Programs, s.Ways} {
		for i := range list {
			list[i].At.File = path.Join(up, list[i].At.File)
		}
	}
	return s
}

// Fill takes from next what s does not say itself. Programs and ways add up.
func (s *Settings) Fill(next Settings) {
	for alias, index := range next.Registries {
		if _, ok := s.Registries[alias]; !ok {
			s.Registries[alias] = index
		}
	}
	for source, name := range next.ReplacedBy {
		if _, ok := s.ReplacedBy[source]; !ok {
			s.ReplacedBy[source] = name
		}
	}
	s.DefaultRegistry = cmp.Or(s.DefaultRegistry, next.DefaultRegistry)
	s.Toolchain = cmp.Or(s.Toolchain, next.Toolchain)
	s.Programs = append(s.Programs, next.Programs...)
	s.Ways = append(s.Ways, next.Ways...)
}

// configuration reads the checkout's cargo configuration. Of the two names cargo prefers the older one where both
// are there. https://doc.rust-lang.org/cargo/reference/config.html
func (t *Tree) configuration(s *Settings) error {
	for _, name := range []string{".cargo/config", ".cargo/config.toml"} {
		err := t.configFile(s, name, map[string]bool{})
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// configFile reads one file of the configuration and those that it includes; each once, for they may form a circle.
func (t *Tree) configFile(s *Settings, name string, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	seen[name] = true
	doc, err := t.Read(name)
	if err != nil {
		return err
	}
	// Included files come first: the including file's own values win.
	for _, file := range includes(doc.Get("include")) {
		file = path.Join(path.Dir(name), file)
		if err := t.configFile(s, file, seen); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	registries := doc.Get("registries")
	for _, alias := range registries.Keys() {
		if index := registries.Get(alias, "index").String(); index != "" {
			s.Registries[alias] = index
		}
	}
	if name := doc.Get("registry", "default").String(); name != "" {
		s.DefaultRegistry = name
	}
	sources := doc.Get("source")
	for _, source := range sources.Keys() {
		if name := sources.Get(source, "replace-with").String(); name != "" {
			s.ReplacedBy[source] = name
		}
	}
	collectPrograms(s, name, nil, doc)
	for _, key := range []string{"proxy", "cainfo", "proxy-cainfo"} {
		if v := doc.Get("http", key); v.String() != "" {
			s.Ways = append(s.Ways, Program{Key: "http." + key, Value: v.String(), At: v.At(name)})
		}
	}
	return nil
}

// includes returns the files that an `include` names: one, several, or several with attributes.
func includes(n *Node) []string {
	out := n.Strings()
	if n == nil {
		return nil
	}
	for _, item := range n.Items {
		out = append(out, item.Get("path").String())
	}
	return slices.DeleteFunc(out, func(file string) bool { return file == "" })
}

// programKeys matches the keys of a cargo configuration that start a program, or that change what a program does.
var programKeys = regexp.MustCompile(`^(build\.(rustc|rustc-wrapper|rustc-workspace-wrapper|rustdoc)|` +
	`target\.[^\n]+\.(linker|runner)|host\.(linker|runner|[^\n]+\.(linker|runner))|alias\.[^\n]+|env\.[^\n]+|` +
	`doc\.browser|credential-alias\.[^\n]+|registry\.(credential-provider|global-credential-providers)|` +
	`registries\.[^\n]+\.credential-provider)$`)

// collectPrograms notes every such key below n.
func collectPrograms(s *Settings, file string, above []string, n *Node) {
	for _, key := range n.Keys() {
		v := n.Get(key)
		name := strings.Join(append(slices.Clone(above), key), ".")
		if programKeys.MatchString(name) {
			words := slices.DeleteFunc(append(v.Strings(), v.Get("value").Strings()...), startsNothing)
			if len(words) > 0 {
				s.Programs = append(s.Programs, Program{Key: name, Value: strings.Join(words, " "), At: v.At(file)})
			}
			continue
		}
		collectPrograms(s, file, append(slices.Clone(above), key), v)
	}
}

// startsNothing reports whether a word names a credential provider that is part of cargo.
func startsNothing(word string) bool {
	return strings.HasPrefix(word, "cargo:") && !strings.HasPrefix(word, "cargo:token-from-stdout")
}

// toolchain reads the checkout's rust-toolchain file, whose older form is one bare word.
// https://rust-lang.github.io/rustup/overrides.html#the-toolchain-file
func (t *Tree) toolchain(s *Settings) error {
	for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
		data, err := t.Bytes(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if word := strings.TrimSpace(string(data)); name == "rust-toolchain" && !strings.ContainsAny(word, "\n=[") {
			s.Toolchain = word
			return nil
		}
		doc, err := t.Read(name)
		if err != nil {
			return err
		}
		s.Toolchain = doc.Get("toolchain", "channel").String()
		if p := doc.Get("toolchain", "path"); p != nil {
			s.Programs = append(s.Programs, Program{Key: "toolchain.path", Value: p.String(), At: p.At(name)})
		}
		return nil
	}
	return nil
}

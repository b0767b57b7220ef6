package cargo

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/manifest"
)

// configuration reads the checkout's cargo configuration. Of the two names cargo prefers the older one where both
// are there. https://doc.rust-lang.org/cargo/reference/config.html
func (l *loader) configuration(w *Workspace) error {
	for _, name := range []string{".cargo/config", ".cargo/config.toml"} {
		err := l.configFile(w, name, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// maxIncludes bounds a chain of `include`, which may lead back to itself.
const maxIncludes = 8

func (l *loader) configFile(w *Workspace, name string, depth int) error {
	doc, err := l.read(name)
	if err != nil {
		return err
	}
	// Included files come first: the including file's own values win.
	for _, file := range includes(doc.Get("include")) {
		file = path.Join(path.Dir(name), file)
		if depth == maxIncludes {
			break
		}
		if err := l.configFile(w, file, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	registries := doc.Get("registries")
	for _, alias := range registries.Keys() {
		if index := registries.Get(alias, "index").String(); index != "" {
			w.Registries[alias] = index
		}
	}
	if name := doc.Get("registry", "default").String(); name != "" {
		w.DefaultRegistry = name
	}
	sources := doc.Get("source")
	for _, source := range sources.Keys() {
		if name := sources.Get(source, "replace-with").String(); name != "" {
			w.ReplacedBy[source] = name
		}
	}
	collectPrograms(w, name, nil, doc)
	return nil
}

// includes returns the files that an `include` names: one, several, or several with attributes.
func includes(n *manifest.Node) []string {
	out := n.Strings()
	if n == nil {
		return nil
	}
	for _, item := range n.Items {
		out = append(out, item.Get("path").String())
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// programKeys matches the keys of a cargo configuration that start a program, or that change what a program does.
var programKeys = regexp.MustCompile(`^(build\.(rustc|rustc-wrapper|rustc-workspace-wrapper|rustdoc)|` +
	`target\.[^\n]+\.(linker|runner)|host\.(linker|runner|[^\n]+\.(linker|runner))|alias\.[^\n]+|env\.[^\n]+|` +
	`doc\.browser|credential-alias\.[^\n]+|registry\.(credential-provider|global-credential-providers)|` +
	`registries\.[^\n]+\.credential-provider)$`)

// collectPrograms notes every such key below n.
func collectPrograms(w *Workspace, file string, above []string, n *manifest.Node) {
	for _, key := range n.Keys() {
		v := n.Get(key)
		name := strings.Join(append(slices.Clone(above), key), ".")
		if programKeys.MatchString(name) {
			value := v.Get("value").String()
			if value == "" {
				value = strings.Join(v.Strings(), " ")
			}
			w.Programs = append(w.Programs, Program{Key: name, Value: value, At: Position{file, v.Line}})
			continue
		}
		collectPrograms(w, file, append(slices.Clone(above), key), v)
	}
}

// toolchain reads the checkout's rust-toolchain file, whose older form is one bare word.
// https://rust-lang.github.io/rustup/overrides.html#the-toolchain-file
func (l *loader) toolchain(w *Workspace) error {
	for _, name := range []string{"rust-toolchain", "rust-toolchain.toml"} {
		data, err := l.bytes(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if word := strings.TrimSpace(string(data)); name == "rust-toolchain" && !strings.ContainsAny(word, "\n=[") {
			w.Toolchain = word
			return nil
		}
		doc, err := l.read(name)
		if err != nil {
			return err
		}
		w.Toolchain = doc.Get("toolchain", "channel").String()
		if p := doc.Get("toolchain", "path"); p != nil {
			w.Programs = append(w.Programs, Program{Key: "toolchain.path", Value: p.String(), At: Position{name, p.Line}})
		}
		return nil
	}
	return nil
}

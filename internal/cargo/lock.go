package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// LockFindings compares Cargo.lock with the members, without a resolver and without the network: a missing file, a
// member that it lacks, a member's version that it has differently. What else may be stale shows when the crates are
// packaged with --locked.
func (w *Workspace) LockFindings() []Finding {
	const name = "Cargo.lock"
	text, err := readWithin(w.Root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{{Rule: "lock-current", Summary: "there is no Cargo.lock in the commit", Detail: "what is built while packaging is then whatever the registries offer at that moment",
			Hint: "commit it: cargo generate-lockfile", Warn: true}}
	}
	var lock struct {
		Package []struct {
			Name, Version, Source string
		}
	}
	if err == nil {
		err = toml.Unmarshal(text, &lock)
	}
	if err != nil {
		return []Finding{{Rule: "lock-current", Summary: "Cargo.lock cannot be read", Detail: err.Error(), Hint: "make it again: cargo generate-lockfile", At: Position{File: name}}}
	}
	locked := map[string]string{}
	for _, p := range lock.Package {
		if p.Source == "" { // a path package
			locked[p.Name] = p.Version
		}
	}
	var out []Finding
	for _, m := range w.Members {
		version := m.Version
		if m.Versionless {
			version = "0.0.0"
		}
		switch got, ok := locked[m.Name]; {
		case !ok:
			out = append(out, Finding{Rule: "lock-current", Summary: fmt.Sprintf("Cargo.lock lacks %s", m.Name), Detail: "cargo would have to change it, which --locked forbids",
				Hint: "cargo update --workspace, then commit Cargo.lock", At: Position{File: name}})
		case got != version:
			out = append(out, Finding{Rule: "lock-current", Summary: fmt.Sprintf("Cargo.lock has %s %s, the manifest %s", m.Name, got, version), Detail: "cargo would have to change it, which --locked forbids",
				Hint: "cargo update --workspace, then commit Cargo.lock", At: Position{File: name, Line: lineOfPackage(text, m.Name)}})
		}
	}
	return out
}

func readWithin(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxMetadata {
		return nil, fmt.Errorf("%s has %d bytes", filepath.Join(dir, name), info.Size())
	}
	return root.ReadFile(name)
}

func lineOfPackage(text []byte, name string) int {
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == fmt.Sprintf("name = %q", name) {
			return i + 2 // the version stands below the name
		}
	}
	return 0
}

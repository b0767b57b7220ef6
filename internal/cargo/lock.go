package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/semver"
)

// LockFindings compares Cargo.lock with the members, without a resolver and without the network: a missing file, a
// member that it lacks or has in another version, a member's dependency that it lacks or has only in versions that the
// manifest does not take. What else may be stale shows when the crates are packaged with --locked.
func (w *Workspace) LockFindings() []Finding {
	const name = "Cargo.lock"
	text, err := readWithin(w.Root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{{Rule: "lock-current", Summary: "there is no Cargo.lock in the commit", Detail: "what is built while packaging is then whatever the registries offer at that moment",
			Hint: "commit it: cargo generate-lockfile", Warn: true}}
	}
	var packages []lockfile.Package
	if err == nil {
		packages, err = lockfile.Parse(text)
	}
	if err != nil {
		return []Finding{{Rule: "lock-current", Summary: "Cargo.lock cannot be read", Detail: err.Error(), Hint: "make it again: cargo generate-lockfile", At: Position{File: name}}}
	}
	locked := map[string]lockfile.Package{}
	for _, p := range packages {
		if p.Source == "" { // a path package
			locked[p.Name] = p
		}
	}
	var out []Finding
	stale := func(at Position, summary string, args ...any) {
		out = append(out, Finding{Rule: "lock-current", Summary: fmt.Sprintf(summary, args...), Detail: "cargo would have to change it, which --locked forbids",
			Hint: "cargo update --workspace, then commit Cargo.lock", At: at})
	}
	for _, m := range w.Members {
		version := m.Version
		if m.Versionless {
			version = "0.0.0"
		}
		p, ok := locked[m.Name]
		if !ok {
			stale(Position{File: name}, "Cargo.lock lacks %s", m.Name)
			continue
		}
		if p.Version != version {
			stale(Position{File: name, Line: lineOfPackage(text, m.Name)}, "Cargo.lock has %s %s, the manifest %s", m.Name, p.Version, version)
		}
		for _, d := range m.Dependencies {
			if d.Name != m.Name && !slices.ContainsFunc(p.Needs, d.takes) {
				stale(d.At, "Cargo.lock has no %s for %s that %q takes", d.Name, m.Name, d.Req)
			}
		}
	}
	return out
}

// takes reports whether a locked package, by its key, is one that the dependency may resolve to.
func (d Dependency) takes(key string) bool {
	name, version, _ := strings.Cut(key, "@")
	if name != d.Name || !d.HasVersion {
		return name == d.Name
	}
	req, err := semver.ParseReq(d.Req)
	v, bad := semver.Parse(version)
	return err != nil || bad != nil || req.Matches(v) // what is no version is for cargo to refuse
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

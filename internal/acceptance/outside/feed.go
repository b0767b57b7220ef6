package outside

import (
	"os"
	"path/filepath"
	"strings"
)

// ForFeed rewrites a workspace for crates.io so that all of it goes to the registry "feed": the same crates, the same
// edges. index is where the registry is, or {index:feed} for one of the world's own.
func ForFeed(dir, index string) error {
	file := filepath.Join(dir, ".cargo", "config.toml")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.WriteFile(file, []byte(string(text)+"\n[registries.feed]\nindex = \""+index+"\"\n"), 0o644); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "Cargo.toml" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var out []string
		published := strings.Contains(string(text), "publish") || !strings.Contains(string(text), "[package]")
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "path = ") && strings.Contains(line, "version = ") {
				line = strings.Replace(line, "{ ", `{ registry = "feed", `, 1)
			}
			out = append(out, line)
			if strings.HasPrefix(line, "version") && !published {
				out = append(out, "publish = [\"feed\"]\n")
			}
		}
		return os.WriteFile(name, []byte(strings.Join(out, "")), 0o644)
	})
}

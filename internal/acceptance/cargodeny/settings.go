package cargodeny

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// settings is deny.toml, of which unknown keys are refused.
//
// https://github.com/EmbarkStudios/cargo-deny/blob/0.20.2/src/advisories/cfg.rs,
// https://github.com/EmbarkStudios/cargo-deny/blob/0.20.2/src/root_cfg.rs
type settings struct {
	Graph struct {
		Targets            []any    `toml:"targets"`
		Exclude            []string `toml:"exclude"`
		Features           []string `toml:"features"`
		AllFeatures        bool     `toml:"all-features"`
		NoDefaultFeatures  bool     `toml:"no-default-features"`
		ExcludeDev         bool     `toml:"exclude-dev"`
		ExcludeUnpublished bool     `toml:"exclude-unpublished"`
	} `toml:"graph"`
	Output, Bans, Licenses, Sources map[string]any
	Advisories                      struct {
		Version      int      `toml:"version"`
		Path         string   `toml:"db-path"`
		URLs         []string `toml:"db-urls"`
		Yanked       string   `toml:"yanked"`
		Ignore       []any    `toml:"ignore"`
		Unmaintained string   `toml:"unmaintained"`
		Unsound      string   `toml:"unsound"`
		WithCLI      bool     `toml:"git-fetch-with-cli"`
		NoYanked     bool     `toml:"disable-yank-checking"`
		Staleness    string   `toml:"maximum-db-staleness"`
		Unused       string   `toml:"unused-ignored-advisory"`

		ignored []string
	} `toml:"advisories"`
}

func loadSettings(file, beside string) (s settings, err error) {
	text, err := os.ReadFile(cmp.Or(file, filepath.Join(beside, "deny.toml")))
	if err != nil {
		return s, nil // falling back to default config
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("failed to deserialize config from '%s'", file)
	}
	for _, scope := range []string{s.Advisories.Unmaintained, s.Advisories.Unsound} {
		if !slices.Contains([]string{"", "all", "workspace", "transitive", "none"}, scope) {
			return s, fmt.Errorf("failed to deserialize config from '%s'", file)
		}
	}
	for _, entry := range s.Advisories.Ignore {
		switch e := entry.(type) {
		case string:
			s.Advisories.ignored = append(s.Advisories.ignored, e)
		case map[string]any:
			id, _ := e["id"].(string)
			s.Advisories.ignored = append(s.Advisories.ignored, id)
		}
	}
	return s, nil
}

func (s settings) ignores(id string) bool { return slices.Contains(s.Advisories.ignored, id) }

// scope says which packages advisories of a kind are told about.
func (s settings) scope(informational string) string {
	switch informational {
	case "unmaintained":
		return cmp.Or(s.Advisories.Unmaintained, "all")
	case "unsound":
		return cmp.Or(s.Advisories.Unsound, "workspace")
	}
	return "all"
}

// Package index reads the files of a cargo registry's sparse index
// (https://doc.rust-lang.org/cargo/reference/registry-index.html). It makes no requests.
package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/semver"
)

// Config is a registry's config.json.
type Config struct {
	DL           string `json:"dl"`            // download address or template
	API          string `json:"api"`           // base of the web API, without a final slash; "" when there is none
	AuthRequired bool   `json:"auth-required"` // every request needs the token
}

// Entry is one version of a crate in the index.
type Entry struct {
	Name     string              `json:"name"`
	Version  string              `json:"vers"`
	Checksum string              `json:"cksum"` // sha256 of the .crate, lowercase hex
	Yanked   bool                `json:"yanked"`
	Deps     []Dep               `json:"deps"`
	Features map[string][]string `json:"features"`
	// Features2 holds the features that older cargos must not see; cargo reads both as one.
	Features2   map[string][]string `json:"features2"`
	Links       string              `json:"links"`
	RustVersion string              `json:"rust_version"`
	Published   time.Time           `json:"pubtime"` // zero where the registry does not say
	Schema      int                 `json:"v"`       // 1 when absent
}

// Dep is a dependency in the index.
type Dep struct {
	Name            string   `json:"name"` // as the depending crate calls it
	Package         string   `json:"package"`
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"`
	Target          string   `json:"target"`
	Kind            string   `json:"kind"`
	Registry        string   `json:"registry"` // "" is this registry
}

// maxSchema is the newest entry format that is understood; cargo skips newer lines as well.
const maxSchema = 2

// ParseConfig reads config.json. An address that is no http or https one is an error.
func ParseConfig(body []byte) (Config, error) {
	var config Config
	if err := json.Unmarshal(body, &config); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	config.API = strings.TrimSuffix(config.API, "/")
	if config.DL == "" {
		return Config{}, errors.New("config.json: no dl")
	}
	for key, address := range map[string]string{"dl": config.DL, "api": config.API} {
		if address == "" {
			continue
		}
		u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(address))
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return Config{}, fmt.Errorf("config.json: %s is no https address", key)
		}
	}
	return config, nil
}

// Path returns where the index keeps a crate
// (https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files).
func Path(name string) (string, error) {
	if err := cratefile.CheckName(name); err != nil {
		return "", err
	}
	name = strings.ToLower(name)
	return prefixOf(name) + "/" + name, nil
}

func prefixOf(name string) string {
	switch len(name) {
	case 1:
		return "1"
	case 2:
		return "2"
	case 3:
		return "3/" + name[:1]
	default:
		return name[:2] + "/" + name[2:4]
	}
}

// Parse reads an index file: one JSON document per line. Unknown fields and newer schemas are passed over, a line
// that cannot be read is an error.
func Parse(name string, body []byte) ([]Entry, error) {
	entries := []Entry{}
	for n := 1; len(body) > 0; n++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		entry, err := parseEntry(name, line)
		if err != nil {
			return nil, fmt.Errorf("index of %s, line %d: %w", name, n, err)
		}
		if entry.Schema <= maxSchema {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

func parseEntry(name string, line []byte) (Entry, error) {
	// The schema decides whether the rest may be read at all.
	var head struct {
		Schema *int `json:"v"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Entry{}, err
	}
	if head.Schema != nil && *head.Schema > maxSchema {
		return Entry{Schema: *head.Schema}, nil
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, err
	}
	if head.Schema == nil {
		e.Schema = 1
	}
	if !strings.EqualFold(e.Name, name) {
		return Entry{}, fmt.Errorf("the entry is for crate %q", e.Name)
	}
	if _, err := semver.Parse(e.Version); err != nil {
		return Entry{}, err
	}
	e.Checksum = strings.ToLower(e.Checksum)
	if len(e.Checksum) != 64 || strings.Trim(e.Checksum, "0123456789abcdef") != "" {
		return Entry{}, fmt.Errorf("version %s: cksum is no sha256", e.Version)
	}
	return e, nil
}

// Find returns the entry of version. Build metadata is not compared: no registry may hold two versions that differ in it
// alone, and cargo takes them for one.
func Find(entries []Entry, version string) (Entry, bool) {
	want, _, _ := strings.Cut(version, "+")
	for _, e := range entries {
		if have, _, _ := strings.Cut(e.Version, "+"); have == want {
			return e, true
		}
	}
	return Entry{}, false
}

// Download returns the address of an entry's .crate: the template filled in; one without a marker gets crate and version
// appended.
func (c Config) Download(e Entry) string {
	filled := strings.NewReplacer(
		"{crate}", e.Name, "{version}", url.PathEscape(e.Version), "{sha256-checksum}", e.Checksum,
		"{prefix}", prefixOf(e.Name), "{lowerprefix}", prefixOf(strings.ToLower(e.Name)),
	).Replace(c.DL)
	if filled == c.DL {
		filled = fmt.Sprintf("%s/%s/%s/download", strings.TrimSuffix(c.DL, "/"), e.Name, url.PathEscape(e.Version))
	}
	return filled
}

package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/secret"
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

type cached struct {
	etag, modified string
	entries        []Entry
}

// Config returns the registry's config.json. It is asked for once; a registry that answers 401 is asked again with the
// token.
func (c *Client) Config(ctx context.Context) (Config, error) {
	c.mu.Lock()
	known := c.config
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	config, _, err := c.fetchConfig(ctx)
	return config, err
}

// fetchConfig asks for config.json and reports whether the token was needed for it.
func (c *Client) fetchConfig(ctx context.Context) (config Config, usedToken bool, err error) {
	k := call{op: "read config.json", method: http.MethodGet, url: c.registry.URL + "config.json", timeout: metaTimeout, limit: maxConfig}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return Config{}, false, err
	}
	if resp.StatusCode != http.StatusOK {
		return Config{}, false, c.statusError(k, resp, body)
	}
	if config, err = parseConfig(body); err == nil {
		err = c.checkAddresses(config)
	}
	if err != nil {
		return Config{}, false, &Error{Registry: c.registry.Name, Op: k.op, Status: resp.StatusCode, Class: Refused, Err: err}
	}
	c.mu.Lock()
	c.config = &config
	c.mu.Unlock()
	return config, !k.token.IsZero(), nil
}

// readOpenly reads without the token and, told 401, with it. A call that has the token already sends it at once.
func (c *Client) readOpenly(ctx context.Context, k *call) (*http.Response, []byte, error) {
	resp, body, err := c.read(ctx, *k)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !k.token.IsZero() {
		return resp, body, err
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%s at registry %s: token: %w", k.op, c.registry.Name, err)
	}
	if token.IsZero() {
		return resp, body, nil
	}
	k.token = token
	return c.read(ctx, *k)
}

func parseConfig(body []byte) (Config, error) {
	var config Config
	if err := json.Unmarshal(body, &config); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	config.API = strings.TrimSuffix(config.API, "/")
	if config.DL == "" {
		return Config{}, fmt.Errorf("config.json: no dl")
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

// checkAddresses refuses a configuration that would take the token from https to an open line.
func (c *Client) checkAddresses(config Config) error {
	if !strings.HasPrefix(c.registry.URL, "https:") {
		return nil
	}
	for _, address := range []string{config.API, config.DL} {
		if strings.HasPrefix(address, "http:") {
			return fmt.Errorf("config.json of an https index names the address %s, which is not https", address)
		}
	}
	return nil
}

// IndexPath returns where the index keeps a crate
// (https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files).
func IndexPath(name string) (string, error) {
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

// Lookup returns every version of a crate that the index holds, yanked ones too, in the index's order; nil where the
// crate is absent. An unchanged file is not sent again: ETag and Last-Modified are remembered for the client's life.
func (c *Client) Lookup(ctx context.Context, name string) ([]Entry, error) {
	k, err := c.lookupCall(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	old, found := c.cache[name]
	c.mu.Unlock()
	if found {
		k.header = http.Header{}
		if old.etag != "" {
			k.header.Set("If-None-Match", old.etag)
		} else if old.modified != "" {
			k.header.Set("If-Modified-Since", old.modified)
		}
	}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if found {
			return cloneEntries(old.entries), nil
		}
		return nil, c.statusError(k, resp, body)
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		c.forget(name)
		return nil, nil
	default:
		return nil, c.statusError(k, resp, body)
	}
	entries, err := parseEntries(name, body)
	if err != nil {
		// A half-written file on a content network is whole a moment later.
		return nil, &Error{Registry: c.registry.Name, Op: k.op, Status: resp.StatusCode, Class: Transient, Err: err}
	}
	fresh := cached{etag: resp.Header.Get("ETag"), modified: resp.Header.Get("Last-Modified"), entries: entries}
	if fresh.etag == "" && fresh.modified == "" {
		c.forget(name)
		return cloneEntries(entries), nil
	}
	c.mu.Lock()
	c.cache[name] = fresh
	c.mu.Unlock()
	return cloneEntries(entries), nil
}

func (c *Client) lookupCall(ctx context.Context, name string) (call, error) {
	path, err := IndexPath(name)
	if err != nil {
		return call{}, fmt.Errorf("look up in registry %s: %w", c.registry.Name, err)
	}
	k := call{op: "look up " + name, method: http.MethodGet, url: c.registry.URL + path, timeout: metaTimeout, limit: maxIndex}
	k.token, err = c.readToken(ctx, k.op)
	return k, err
}

// readToken returns the token where reading needs one.
func (c *Client) readToken(ctx context.Context, op string) (secret.Value, error) {
	config, err := c.Config(ctx)
	if err != nil || !config.AuthRequired {
		return secret.Value{}, err
	}
	return c.needToken(ctx, op)
}

// needToken returns the token; having none is Denied.
func (c *Client) needToken(ctx context.Context, op string) (secret.Value, error) {
	token, err := c.token(ctx)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s at registry %s: token: %w", op, c.registry.Name, err)
	}
	if token.IsZero() {
		return secret.Value{}, &Error{Registry: c.registry.Name, Op: op, Class: Denied, Detail: "no token is configured, and this needs one"}
	}
	return token, nil
}

func (c *Client) forget(name string) {
	c.mu.Lock()
	delete(c.cache, name)
	c.mu.Unlock()
}

func cloneEntries(entries []Entry) []Entry { return append([]Entry{}, entries...) }

// parseEntries reads an index file: one JSON document per line. Unknown fields and newer schemas are passed over, a line
// that cannot be read is an error.
func parseEntries(name string, body []byte) ([]Entry, error) {
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

// IndexFile reads the bytes of a crate's index file; the status is that of the registry.
func (c *Client) IndexFile(ctx context.Context, crate string) (body []byte, status int, err error) {
	k, err := c.lookupCall(ctx, crate)
	if err != nil {
		return nil, 0, err
	}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return nil, 0, c.statusError(k, resp, body)
	}
	return body, resp.StatusCode, nil
}
